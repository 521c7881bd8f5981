module gradus.resnet {
    requires transitive gradus.layers;
    requires java.desktop;
}
