/** Residual networks, image data sets and preprocessing. Depends on the JDK and the layers alone. */
module gradus.resnet {
    requires transitive gradus.layers;
    requires transitive java.desktop; // BufferedImage

    exports gradus.resnet;
    exports gradus.classifier;
    exports gradus.data;
    exports gradus.importer;

    uses gradus.importer.FormatReader;
}
