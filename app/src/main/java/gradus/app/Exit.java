package gradus.app;

/** Exit statuses of the command line. */
final class Exit {
    /** Everything was done. */
    static final int OK = 0;

    /** The question was answered with no: a golden case differs, a benchmark is slower than before. */
    static final int DIFFERENT = 1;

    /** A mistake of the user: an unknown option, a missing file, shapes that do not fit. Nothing was written. */
    static final int USAGE = 2;

    /** Training was interrupted and saved: 128 + SIGINT, as shells count. */
    static final int INTERRUPTED = 130;

    /** A mistake of Gradus itself, as sysexits.h numbers it. */
    static final int INTERNAL = 70;

    private Exit() {}
}
