/** Residual networks, image data sets and preprocessing. Depends on the JDK and the layers alone. */
module gradus.resnet {
    requires transitive gradus.layers;
    requires java.desktop;

    exports gradus.resnet;
    exports gradus.data;
    exports gradus.importer;

    uses gradus.importer.FormatReader;
}
