package gradus.layers;

/** The layers that a model file can hold, inputs and nested models aside: the compiler sees that none is forgotten. */
sealed interface StoredLayer extends Layer
        permits Conv2D,
                BatchNormalization,
                Activation,
                LeakyReLU,
                Clip,
                Add,
                Subtract,
                Multiply,
                Average,
                Concatenate,
                ZeroPadding2D,
                ChannelPadding,
                MaxPooling2D,
                AveragePooling2D,
                GlobalMaxPooling2D,
                GlobalAveragePooling2D,
                Flatten,
                Reshape,
                Dense,
                Dropout {}
