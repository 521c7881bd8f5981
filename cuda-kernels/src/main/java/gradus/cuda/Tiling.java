package gradus.cuda;

import gradus.backend.BackendException;

/**
 * How a product of (m, k) and (k, n) matrices, {@code batches} of them, is cut into blocks: a tile of the result for each,
 * and where there are few tiles, several blocks that share a tile's sum. Depends on the shapes alone, never on the device,
 * so that results are the same on every device.
 *
 * @param splits number of parts of the sum
 * @param chunk length of a part, a multiple of {@link #DEPTH}
 */
record Tiling(Tile tile, int m, int n, int batches, int splits, int chunk) {
    /** What the tiles' inner loop takes at a time. */
    static final int DEPTH = 32;

    /** About two blocks for each multiprocessor of the largest devices. */
    static final int BLOCKS = 264;

    /** A tile of the result that one block computes. */
    enum Tile {
        LARGE("128x128", 128, 128, 256),
        TALL("128x64", 128, 64, 256),
        SMALL("64x64", 64, 64, 128),
        /** Small, for extents or addresses that cannot be read four numbers at a time. */
        ANY("64x64_any", 64, 64, 128);

        final String suffix;
        final int rows;
        final int columns;
        final int block;

        Tile(String suffix, int rows, int columns, int block) {
            this.suffix = suffix;
            this.rows = rows;
            this.columns = columns;
            this.block = block;
        }

        /** Bytes of shared memory: stages of 16 rows and columns each. */
        int shared(boolean tensorCores) {
            return (tensorCores ? 3 : 2) * 16 * (rows + columns) * Float.BYTES;
        }

        long blocks(int m, int n) {
            return (long) ceilDiv(m, rows) * ceilDiv(n, columns);
        }

        /** Results computed, with those outside the matrix. */
        private long work(int m, int n) {
            return blocks(m, n) * rows * columns;
        }
    }

    /**
     * The tile that wastes least among those that make enough blocks, the larger of equals; small ones with the sum cut
     * where none does.
     *
     * @param vectors whether four numbers may be read at a time
     * @param least the shortest part of a sum that is worth a block
     */
    static Tiling of(int m, int n, int k, int batches, boolean vectors, int least) {
        return of(m, n, k, batches, vectors, least, BLOCKS, false);
    }

    /** For sums over all positions of all images, which are long: any tile, cut into enough parts. */
    static Tiling ofLongSum(int m, int n, int k, int batches, boolean vectors) {
        return of(m, n, k, batches, vectors, 512, 2 * BLOCKS, true);
    }

    private static Tiling of(
            int m, int n, int k, int batches, boolean vectors, int least, int enough, boolean splitAny) {
        Tile best = vectors ? null : Tile.ANY;
        for (Tile tile : vectors ? new Tile[] {Tile.LARGE, Tile.TALL, Tile.SMALL} : new Tile[0]) {
            boolean fills = splitAny || tile.blocks(m, n) * batches >= enough;
            if (fills && (best == null || tile.work(m, n) < best.work(m, n))) {
                best = tile;
            }
        }
        best = best == null ? Tile.SMALL : best;
        long blocks = Math.max(1, best.blocks(m, n) * batches);
        int most = Math.max(1, k / least);
        int splits = Math.clamp((enough + blocks / 2) / blocks, 1, most);
        int chunk = ceilDiv(ceilDiv(Math.max(k, 1), splits), DEPTH) * DEPTH;
        splits = Math.max(1, ceilDiv(k, chunk));
        if ((long) batches * splits > 65_535) {
            throw new BackendException("cuda backend: " + batches + " groups in " + splits
                    + " parts are more than a grid's 65535; use fewer groups");
        }
        return new Tiling(best, m, n, batches, splits, splits == 1 ? ceilDiv(Math.max(k, 1), DEPTH) * DEPTH : chunk);
    }

    long gridX() {
        return tile.blocks(m, n);
    }

    static int ceilDiv(int a, int b) {
        return Math.ceilDiv(a, b);
    }

    /** The product, held against 2^31. */
    static int size(int... extents) {
        long size = 1;
        for (int e : extents) {
            size *= e;
            if (size > Integer.MAX_VALUE) {
                throw new BackendException("cuda backend: " + String.join(
                                " x ", java.util.Arrays.stream(extents).mapToObj(Integer::toString).toList())
                        + " are more than 2^31 - 1 elements; use a smaller batch or smaller images");
            }
        }
        return (int) size;
    }
}
