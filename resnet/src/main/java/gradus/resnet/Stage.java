package gradus.resnet;

import gradus.tensor.GradusException;

/**
 * Blocks of one resolution.
 *
 * @param filters of the first block; basic blocks use the last number only
 * @param identityFilters of the other blocks; the last number must be that of the first block
 * @param blocks number of blocks
 * @param stride of the first block (of the last one in pre-activation networks)
 */
public record Stage(Filters filters, Filters identityFilters, int blocks, int stride) {
    public Stage {
        if (blocks < 1 || stride < 1) {
            throw new GradusException("a stage has at least one block and a stride of at least 1, not " + blocks
                    + " blocks and a stride of " + stride);
        }
    }

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
