package gradus.benchmarks.peers;

import java.util.ArrayList;
import java.util.List;

/**
 * What is compared: ResNet-50 v1, float32. The network for 224 x 224 pads its max pool by one pixel and ends in a mean over 7 x
 * 7, that for 64 x 64 pads nothing there and ends in a mean over 2 x 2, as in the course's notebook. Inference ends with
 * softmax; a training step is forward, cross-entropy, backward and Adam, batch norm in training mode.
 */
public enum Case {
    A_infer224_b1(224, 1, false),
    A_infer224_b16(224, 16, false),
    B_infer64_b32(64, 32, false),
    C_train64_b32(64, 32, true),
    D_train224_b8(224, 8, true);

    private final int side;
    private final int batch;
    private final boolean train;

    Case(int side, int batch, boolean train) {
        this.side = side;
        this.batch = batch;
        this.train = train;
    }

    /** Pixels along each side of a picture. */
    public int side() {
        return side;
    }

    public int batch() {
        return batch;
    }

    public boolean train() {
        return train;
    }

    public int classes() {
        return side == 224 ? 1000 : 6;
    }

    /** Pixels by which the max pool is padded. */
    public int poolPadding() {
        return side == 224 ? 1 : 0;
    }

    /** Pixels along each side of what the last mean is taken of. */
    public int lastSide() {
        return side == 224 ? 7 : 2;
    }

    /**
     * A bottleneck: 1 x 1 (of that stride) to {@code middle} channels, 3 x 3, 1 x 1 to 4 times as many, plus its input, which
     * goes through a 1 x 1 of that stride where {@code projection}.
     */
    public record Block(int in, int middle, int stride, boolean projection) {
        public int out() {
            return 4 * middle;
        }
    }

    /** The blocks between the first pooling and the last. */
    public static List<Block> blocks() {
        var blocks = new ArrayList<Block>();
        int[] repeats = {3, 4, 6, 3};
        int in = 64;
        for (int stage = 0; stage < repeats.length; stage++) {
            int middle = 64 << stage;
            for (int i = 0; i < repeats[stage]; i++) {
                blocks.add(new Block(in, middle, i == 0 && stage > 0 ? 2 : 1, i == 0));
                in = 4 * middle;
            }
        }
        return blocks;
    }
}
