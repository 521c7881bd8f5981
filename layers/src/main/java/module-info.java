/** Keras-style layers, functional models, initializers, losses, optimizers and training. Depends on the engine and the JDK. */
module gradus.layers {
    requires transitive gradus.engine;

    exports gradus.layers;
    exports gradus.train;
}
