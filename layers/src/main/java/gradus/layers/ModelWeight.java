package gradus.layers;

import gradus.tensor.Shape;

/**
 * An array that belongs to a model.
 *
 * @param name {@code layer/kernel}; in a nested model {@code model/layer/kernel}
 * @param trainable whether an optimizer changes it: false for moving statistics and for frozen layers
 * @param l2 factor of the penalty l2 sum(w^2) that training adds to the loss, 0 for none
 */
public record ModelWeight(String name, Shape shape, boolean trainable, double l2, Initializer initializer) {}
