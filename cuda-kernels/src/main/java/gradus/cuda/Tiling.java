package gradus.cuda;

import gradus.backend.BackendException;
import java.util.Arrays;
import java.util.List;

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

    /** Elements of an array: indices may run past its end by a tile. */
    static final int MOST = Integer.MAX_VALUE - 1024;

    /** Blocks of one to a multiprocessor that keep most of them at work. */
    private static final int HOPPER_BLOCKS = 96;

    private static final List<Tile> FOURS = List.of(Tile.LARGE, Tile.TALL, Tile.SMALL);
    private static final List<Tile> HOPPER = List.of(Tile.HOPPER_LARGE, Tile.HOPPER_MIDDLE, Tile.HOPPER_SMALL);

    /** A tile of the result that one block computes. */
    enum Tile {
        LARGE("128x128", 128, 128, 256),
        TALL("128x64", 128, 64, 256),
        SMALL("64x64", 64, 64, 128),
        /** Small, for extents or addresses that cannot be read four numbers at a time. */
        ANY("64x64_any", 64, 64, 128),
        /** Of the kernels for compute capability 9.0, which have one block on a multiprocessor. */
        HOPPER_LARGE("128x256", 128, 256, 256),
        HOPPER_MIDDLE("128x128", 128, 128, 256),
        HOPPER_SMALL("128x64", 128, 64, 256);

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

        /** Bytes of shared memory: stages of 16 steps in float32; on 9.0, four of 64 in bfloat16. */
        int shared(boolean tensorCores) {
            return switch (this) {
                case HOPPER_LARGE, HOPPER_MIDDLE, HOPPER_SMALL -> 4 * 64 * (rows + columns) * 2;
                default -> (tensorCores ? 3 : 2) * 16 * (rows + columns) * Float.BYTES;
            };
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
        return of(m, n, k, batches, tiles(vectors), least, BLOCKS, DEPTH, false);
    }

    /** For sums over all positions of all images, which are long: any tile, cut into enough parts. */
    static Tiling ofLongSum(int m, int n, int k, int batches, boolean vectors) {
        return of(m, n, k, batches, tiles(vectors), 512, 2 * BLOCKS, DEPTH, true);
    }

    /** For the kernels of compute capability 9.0. */
    static Tiling ofHopper(int m, int n, int k, int batches) {
        return of(m, n, k, batches, HOPPER, 512, HOPPER_BLOCKS, 2 * DEPTH, false);
    }

    private static List<Tile> tiles(boolean vectors) {
        return vectors ? FOURS : List.of(Tile.ANY);
    }

    private static Tiling of(
            int m, int n, int k, int batches, List<Tile> tiles, int least, int enough, int depth, boolean splitAny) {
        Tile best = null;
        for (Tile tile : tiles) {
            boolean fills = splitAny || tile.blocks(m, n) * batches >= enough;
            if (fills && (best == null || tile.work(m, n) < best.work(m, n))) {
                best = tile;
            }
        }
        best = best == null ? tiles.getLast() : best;
        long blocks = Math.max(1, best.blocks(m, n) * batches);
        int most = Math.max(1, k / least);
        int parts = Math.clamp((enough + blocks / 2) / blocks, 1, most);
        int chunk = ceilDiv(ceilDiv(Math.max(k, 1), parts), depth) * depth;
        int splits = Math.max(1, ceilDiv(k, chunk));
        if ((long) batches * splits > 65_535) {
            throw new BackendException("cuda backend: " + batches + " groups in " + splits
                    + " parts are more than a grid's 65535; use fewer groups");
        }
        return new Tiling(best, m, n, batches, splits, chunk);
    }

    long gridX() {
        return tile.blocks(m, n);
    }

    /** Of the whole grid. */
    long blocks() {
        return gridX() * batches * splits;
    }

    static int ceilDiv(int a, int b) {
        return Math.ceilDiv(a, b);
    }

    /** The product, held against what the kernels' 32-bit indices can count: {@link #MOST}. */
    static int size(int... extents) {
        long size = 1;
        for (int e : extents) {
            size *= e;
            if (size > MOST) {
                throw new BackendException("cuda backend: "
                        + String.join(
                                " x ",
                                Arrays.stream(extents)
                                        .mapToObj(Integer::toString)
                                        .toList())
                        + " are more than 2^31 - 1025 elements; use a smaller batch or smaller images");
            }
        }
        return (int) size;
    }
}
