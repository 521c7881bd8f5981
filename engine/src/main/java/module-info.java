/** Tensors, the graph of operations, reverse-mode differentiation, plans and CPU backends. Depends on the JDK alone. */
module gradus.engine {
    requires jdk.incubator.vector;

    exports gradus.tensor;
    exports gradus.io;
    exports gradus.backend;
    exports gradus.op;
    exports gradus.graph;
    exports gradus.plan;
    exports gradus.eager;

    uses gradus.backend.BackendProvider;

    provides gradus.backend.BackendProvider with
            gradus.backend.reference.ReferenceProvider,
            gradus.backend.simd.SimdProvider;
}
