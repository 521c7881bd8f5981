package gradus.train;

import gradus.tensor.Tensor;

/**
 * What one training or evaluation step reads.
 *
 * @param x inputs, {@code (n, ...)}
 * @param y class indices {@code (n)} or target distributions {@code (n, classes)}
 * @param weight weight of each sample {@code (n)}, or null for all ones
 */
public record Batch(Tensor x, Tensor y, Tensor weight) {
    public int size() {
        return x.shape().dim(0);
    }
}
