/** The backend {@code cuda}: own kernels on NVIDIA GPUs. Found as a service; needs the driver and nothing else. */
module gradus.cuda {
    requires transitive gradus.engine;
    requires jcuda; // no module-info in that jar: the name comes from its file name

    exports gradus.cuda;

    provides gradus.backend.BackendProvider with
            gradus.cuda.CudaProvider;
}
