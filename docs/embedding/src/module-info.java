/** A program that embeds the classifier. The Vector API comes with it: the engine's own descriptor asks for that module. */
module example {
    requires gradus.resnet;
}
