/** The command line: train, evaluate, classify, compare with golden cases. */
module gradus.app {
    requires gradus.resnet;
    requires info.picocli;
    requires java.desktop;
    requires io.jhdf; // no module-info either, so what it needs must be named here
    requires org.slf4j;
    requires org.apache.commons.lang3;
    requires xchart; // no module-info in that jar: the name comes from its file name

    provides gradus.importer.FormatReader with
            gradus.app.Hdf5Reader;

    opens gradus.app to
            info.picocli;
}
