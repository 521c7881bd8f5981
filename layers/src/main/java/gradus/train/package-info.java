/**
 * Training of models: losses, metrics, optimizers, learning rates, callbacks, model files.
 *
 * <pre>
 * var training = Training.compile(
 *         model, Adam.of(Schedule.cosine(1e-3, 2000).warmUp(100)), SparseCategoricalCrossentropy.of(),
 *         List.of(new Metric.Accuracy()), Backends.open());
 * training.fit(train, validation, FitOptions.of(20).callbacks(new SaveCheckpoint(file, "val_accuracy", Map.of())));
 * training.evaluate(test).accuracy();
 * Checkpoint.load(file).model().predict(x);
 * Checkpoint.load(file).resume(Backends.open()).fit(train, validation, FitOptions.of(30));
 * </pre>
 *
 * Names, defaults and arithmetic are those of Keras 3. One seed of the model and one of the data give the same bits in
 * every run, for any number of threads, and after any interruption.
 */
package gradus.train;
