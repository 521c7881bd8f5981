package gradus.resnet;

/**
 * Blocks of one resolution.
 *
 * @param filters of the first block; basic blocks use the last number only
 * @param identityFilters of the other blocks; the last number must be that of the first block
 * @param blocks number of blocks
 * @param stride of the first block (of the last one in pre-activation networks)
 */
public record Stage(Filters filters, Filters identityFilters, int blocks, int stride) {
    public static Stage of(Filters filters, int blocks, int stride) {
        return new Stage(filters, filters, blocks, stride);
    }

    /** F1, F1, 4 F1: the usual bottleneck. */
    static Stage bottleneck(int filters, int blocks, int stride) {
        return of(Filters.of(filters, filters, 4 * filters), blocks, stride);
    }

    static Stage basic(int filters, int blocks, int stride) {
        return of(Filters.of(filters, filters, filters), blocks, stride);
    }

    public Stage filters(Filters filters) {
        return new Stage(filters, filters, blocks, stride);
    }

    public Stage identityFilters(Filters identityFilters) {
        return new Stage(filters, identityFilters, blocks, stride);
    }

    public Stage stride(int stride) {
        return new Stage(filters, identityFilters, blocks, stride);
    }
}
