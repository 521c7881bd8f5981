/**
 * Residual networks. {@link gradus.resnet.Blocks} has the identity and the convolutional block as functions,
 * {@link gradus.resnet.ResNet} describes a network of them, {@link gradus.resnet.ResNets} has the known ones by name.
 */
package gradus.resnet;
