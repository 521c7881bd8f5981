/**
 * Pictures and their labels: made up ({@link gradus.data.HandSigns}), read from files ({@link gradus.data.Datasets},
 * {@link gradus.data.ImageInput}), changed at random ({@link gradus.data.Augmentation}) and fed to a network in batches
 * ({@link gradus.data.BatchPipeline}).
 *
 * <p>Pixels are unsigned bytes, row by row, channels innermost, until {@link gradus.data.Preprocess} turns them into
 * float32. What is random depends on a seed alone. Everything that is wrong with a file is a
 * {@link gradus.data.DataException} that names it.
 */
package gradus.data;
