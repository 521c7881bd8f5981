/**
 * Trained networks of other programs: files of Keras, torchvision and ONNX become models, and models become such files.
 * Everything read is data from a fixed vocabulary; nothing in a file names code.
 */
package gradus.importer;
