/** The command line: train, evaluate, classify, compare with golden cases. */
module gradus.app {
    requires gradus.resnet;
    requires info.picocli;
    requires java.desktop;
    requires xchart; // no module-info in that jar: the name comes from its file name

    opens gradus.app to
            info.picocli;
}
