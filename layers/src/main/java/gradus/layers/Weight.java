package gradus.layers;

import gradus.tensor.Shape;

/**
 * An array that belongs to a layer.
 *
 * @param name within the layer: {@code kernel}, {@code bias}, {@code gamma}, {@code moving_mean}
 * @param trainable whether an optimizer changes it; moving statistics are not trainable
 * @param l2 factor of the penalty l2 sum(w^2) that the loss has besides, 0 for none
 */
public record Weight(String name, Shape shape, Initializer initializer, boolean trainable, double l2) {
    static Weight trained(String name, Shape shape, Initializer initializer) {
        return new Weight(name, shape, initializer, true, 0);
    }

    static Weight kept(String name, Shape shape, Initializer initializer) {
        return new Weight(name, shape, initializer, false, 0);
    }
}
