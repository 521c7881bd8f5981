module gradus.layers {
    requires transitive gradus.engine;
}
