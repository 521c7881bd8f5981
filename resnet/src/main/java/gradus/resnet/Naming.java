package gradus.resnet;

/**
 * How the layers of a residual network are called. Weight files name tensors after layers, so files of different origin
 * need different schemes. A method returns null where a scheme leaves the name to Keras's numbering (activation_1,
 * add_2).
 *
 * <p>A leaf says which convolution of a block is meant: "2a", "2b", "2c" on the main path, "1" on the shortcut.
 */
public enum Naming {
    /**
     * {@code conv_2a2a}, {@code bn_2a2a}, {@code relu_2a2a}, {@code add_2a}, {@code relu_2a}: every layer has a name.
     */
    COURSE {
        @Override
        String stem(String what) {
            return switch (what) {
                case "padding" -> "zero_padding";
                case "conv" -> "conv_1";
                case "bn" -> "bn_1";
                case "relu" -> "relu_1";
                case "pool_padding" -> "pool_padding";
                case "pool" -> "max_pool";
                default -> what; // input, avg_pool, flatten, post_bn, post_relu
            };
        }

        @Override
        String leaf(String what, int stage, int block, String leaf) {
            return what + "_" + stage + letter(block) + leaf;
        }

        @Override
        String block(String what, int stage, int block) {
            return (what.equals("out") ? "relu" : what) + "_" + stage + letter(block);
        }
    },

    /** {@code conv1}, {@code bn1}, {@code conv_2a2a}, {@code bn_2a2a}, the rest numbered: as the second notebook. */
    NOTEBOOK {
        @Override
        String stem(String what) {
            return switch (what) {
                case "conv" -> "conv1";
                case "bn" -> "bn1";
                case "avg_pool" -> what;
                default -> null;
            };
        }

        @Override
        String leaf(String what, int stage, int block, String leaf) {
            return what.equals("conv") || what.equals("bn") ? COURSE.leaf(what, stage, block, leaf) : null;
        }

        @Override
        String block(String what, int stage, int block) {
            return null;
        }
    },

    /** {@code res2a_branch2a}, {@code bn2a_branch2a}, the rest numbered: the other notebooks and Keras up to 2.2. */
    BRANCH {
        @Override
        String stem(String what) {
            return switch (what) {
                case "padding" -> "conv1_pad";
                case "pool_padding" -> "pool1_pad";
                case "conv" -> "conv1";
                case "bn" -> "bn_conv1";
                case "avg_pool" -> what;
                default -> null;
            };
        }

        @Override
        String leaf(String what, int stage, int block, String leaf) {
            String prefix = switch (what) {
                case "conv" -> "res";
                case "bn" -> "bn";
                default -> null;
            };
            return prefix == null ? null : prefix + stage + letter(block) + "_branch" + leaf;
        }

        @Override
        String block(String what, int stage, int block) {
            return null;
        }
    },

    /** {@code conv2_block1_1_conv}, {@code conv2_block1_1_bn}, {@code conv2_block1_out}: keras.applications. */
    APPLICATIONS {
        @Override
        String stem(String what) {
            return switch (what) {
                case "padding" -> "conv1_pad";
                case "conv", "bn", "relu" -> "conv1_" + what;
                case "pool_padding" -> "pool1_pad";
                case "pool" -> "pool1_pool";
                case "input", "flatten" -> null;
                default -> what; // avg_pool, post_bn, post_relu
            };
        }

        @Override
        String leaf(String what, int stage, int block, String leaf) {
            int number = leaf.equals("1") ? 0 : leaf.charAt(1) - 'a' + 1;
            return "conv" + stage + "_block" + (block + 1) + "_" + number + "_" + what;
        }

        @Override
        String block(String what, int stage, int block) {
            return "conv" + stage + "_block" + (block + 1) + "_" + what;
        }
    },

    /** {@code layer1.0.conv1}, {@code layer1.0.bn1}, {@code layer1.0.downsample.0}: modules of torchvision. */
    TORCH {
        @Override
        String stem(String what) {
            return switch (what) {
                case "conv", "bn" -> what + "1";
                case "pool" -> "maxpool";
                case "avg_pool" -> "avgpool";
                default -> what; // input, padding, relu, pool_padding, flatten
            };
        }

        @Override
        String leaf(String what, int stage, int block, String leaf) {
            String module = leaf.equals("1")
                    ? "downsample." + (what.equals("bn") ? "1" : what.equals("conv") ? "0" : what)
                    : what + (leaf.charAt(1) - 'a' + 1);
            return block(module, stage, block);
        }

        @Override
        String block(String what, int stage, int block) {
            return "layer" + (stage - 1) + "." + block + "." + what;
        }
    };

    /**
     * Outside the blocks: input, padding, conv, bn, relu, pool_padding, pool, avg_pool, flatten, post_bn, post_relu.
     */
    abstract String stem(String what);

    /** Of one convolution in a block: conv, bn, relu, pad. Stages count from 2, blocks from 0. */
    abstract String leaf(String what, int stage, int block, String leaf);

    /** Of a block: add, out, preact_bn, preact_relu. */
    abstract String block(String what, int stage, int block);

    /** The classifier: {@code fc6} for six classes, {@code predictions} in keras.applications, {@code fc} in torchvision. */
    String classifier(int classes) {
        return switch (this) {
            case APPLICATIONS -> "predictions";
            case TORCH -> "fc";
            default -> "fc" + classes;
        };
    }

    /** Blocks are a, b, c, ...; stages of more than 26 blocks go on with b26, b27, ... */
    private static String letter(int block) {
        return block < 26 ? String.valueOf((char) ('a' + block)) : "b" + block;
    }
}
