/**
 * Keras's layers, initializers and functional models on the tensor engine.
 *
 * <p>A {@link gradus.layers.Layer} is a record that says what is computed; applying it to a
 * {@link gradus.layers.LayerOutput} says where. From an {@link gradus.layers.Input} outputs are symbols that become a
 * {@link gradus.layers.Model}; from a tensor they are computed at once. A model is lowered into a
 * {@link gradus.graph.Graph}, in which its weights are parameters named {@code layer/kernel}.
 */
package gradus.layers;
