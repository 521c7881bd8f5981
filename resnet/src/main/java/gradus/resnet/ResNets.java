package gradus.resnet;

import gradus.layers.Initializers;
import gradus.resnet.ResNet.Begin;
import gradus.resnet.ResNet.End;
import gradus.resnet.ResNet.Kind;
import gradus.tensor.GradusException;
import gradus.tensor.Shape;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;

/** The usual residual networks, by name. Each has the input and the classes it is known for; both can be changed. */
public final class ResNets {
    private static final Shape PICTURE = Shape.of(224, 224, 3);
    private static final Shape SMALL_PICTURE = Shape.of(32, 32, 3);
    private static final int[] DEPTHS_50 = {3, 4, 6, 3};

    private static final Map<String, Supplier<ResNet>> BY_NAME = new LinkedHashMap<>();

    static {
        BY_NAME.put("resnet50", ResNets::course);
        BY_NAME.put("resnet50-nb001", ResNets::secondNotebook);
        BY_NAME.put("resnet50-224", () -> keras("resnet50", DEPTHS_50));
        BY_NAME.put("resnet101-224", () -> keras("resnet101", 3, 4, 23, 3));
        BY_NAME.put("resnet152-224", () -> keras("resnet152", 3, 8, 36, 3));
        BY_NAME.put("resnet18", () -> torch("resnet18", Kind.BASIC, 2, 2, 2, 2));
        BY_NAME.put("resnet34", () -> torch("resnet34", Kind.BASIC, DEPTHS_50));
        BY_NAME.put("resnet50v1.5", () -> torch("resnet50v1.5", Kind.BOTTLENECK, DEPTHS_50));
        BY_NAME.put("resnet101v1.5", () -> torch("resnet101v1.5", Kind.BOTTLENECK, 3, 4, 23, 3));
        BY_NAME.put("resnet152v1.5", () -> torch("resnet152v1.5", Kind.BOTTLENECK, 3, 8, 36, 3));
        BY_NAME.put("resnet50v2", () -> kerasV2("resnet50v2", DEPTHS_50));
        BY_NAME.put("resnet101v2", () -> kerasV2("resnet101v2", 3, 4, 23, 3));
        BY_NAME.put("resnet152v2", () -> kerasV2("resnet152v2", 3, 8, 36, 3));
        for (int depth : new int[] {20, 32, 44, 56, 110}) {
            BY_NAME.put("resnet" + depth, () -> cifar(depth));
        }
    }

    private ResNets() {}

    /** The names that {@link #byName} knows. */
    public static List<String> names() {
        return List.copyOf(BY_NAME.keySet());
    }

    /** @throws GradusException for an unknown name, listing the known ones */
    public static ResNet byName(String name) {
        Supplier<ResNet> network = BY_NAME.get(name);
        if (network == null) {
            throw new GradusException("no architecture '" + name + "'; there are " + String.join(", ", names()));
        }
        return network.get();
    }

    /** ResNet-50 of the course: 64 x 64 x 3 pictures, 6 classes, 23,600,006 parameters. */
    public static ResNet course() {
        var stages = List.of(
                Stage.bottleneck(64, 3, 1),
                Stage.bottleneck(128, 4, 2),
                Stage.bottleneck(256, 6, 2),
                Stage.bottleneck(512, 3, 2));
        return new ResNet(
                "ResNet50",
                Shape.of(64, 64, 3),
                6,
                Begin.NOTEBOOK,
                Kind.BOTTLENECK,
                Blocks.of(),
                stages,
                End.AVERAGE_POOL_2,
                false);
    }

    /** The second notebook as it is coded: 126 filters in stage 3, stride 1 in stage 5; 23,610,822 parameters. */
    public static ResNet secondNotebook() {
        return course().stage(3, Stage.of(Filters.of(126, 126, 512), 4, 2)).stage(5, Stage.bottleneck(512, 3, 1));
    }

    /**
     * The second notebook as its text describes it: stage 5 has stride 2, and its identity blocks have 256, 256, 2048
     * filters where the code has 512, 512, 2048.
     */
    public static ResNet secondNotebookText() {
        Stage five = Stage.bottleneck(512, 3, 2).identityFilters(Filters.of(256, 256, 2048));
        return course().stage(5, five);
    }

    /** Version 1 as in keras.applications: stride on the first 1x1, biases, epsilon 1.001e-5. */
    private static ResNet keras(String name, int... depths) {
        var blocks = Blocks.of().naming(Naming.APPLICATIONS).epsilon(1.001e-5).shortcutFirst(true);
        return new ResNet(
                name,
                PICTURE,
                1000,
                Begin.IMAGENET,
                Kind.BOTTLENECK,
                blocks,
                stages(Kind.BOTTLENECK, depths),
                End.GLOBAL_AVERAGE,
                false);
    }

    /** As in torchvision: stride on the 3x3 (version 1.5), no biases, symmetric padding, epsilon 1e-5. */
    private static ResNet torch(String name, Kind kind, int... depths) {
        return new ResNet(
                name,
                PICTURE,
                1000,
                Begin.IMAGENET,
                kind,
                torchBlocks(),
                stages(kind, depths),
                End.GLOBAL_AVERAGE,
                false);
    }

    private static Blocks torchBlocks() {
        return Blocks.of()
                .naming(Naming.APPLICATIONS)
                .initializer(Initializers.heNormal())
                .epsilon(1e-5)
                .momentum(0.9)
                .unbiased(true)
                .bias(false)
                .strideOnKernel(true)
                .symmetric(true);
    }

    /** Version 2, pre-activation, as in keras.applications: there the last block of a stage has the stride. */
    private static ResNet kerasV2(String name, int... depths) {
        var stages = List.of(
                Stage.bottleneck(64, depths[0], 2),
                Stage.bottleneck(128, depths[1], 2),
                Stage.bottleneck(256, depths[2], 2),
                Stage.bottleneck(512, depths[3], 1));
        var blocks = Blocks.of().naming(Naming.APPLICATIONS).epsilon(1.001e-5).shortcutFirst(true);
        return new ResNet(
                name,
                PICTURE,
                1000,
                Begin.PREACTIVATION,
                Kind.PREACTIVATION,
                blocks,
                stages,
                End.GLOBAL_AVERAGE,
                false);
    }

    private static List<Stage> stages(Kind kind, int... depths) {
        return kind == Kind.BOTTLENECK
                ? List.of(
                        Stage.bottleneck(64, depths[0], 1),
                        Stage.bottleneck(128, depths[1], 2),
                        Stage.bottleneck(256, depths[2], 2),
                        Stage.bottleneck(512, depths[3], 2))
                : List.of(
                        Stage.basic(64, depths[0], 1),
                        Stage.basic(128, depths[1], 2),
                        Stage.basic(256, depths[2], 2),
                        Stage.basic(512, depths[3], 2));
    }

    /**
     * The CIFAR networks of He et al. (2015): depth 6 n + 2 on 32 x 32 x 3 pictures, 3 stages of n blocks with 16,
     * 32, 64 filters, parameter-free shortcuts. {@code kind(Kind.BASIC)} gives them projections.
     *
     * @throws GradusException unless depth is 6 n + 2
     */
    public static ResNet cifar(int depth) {
        int n = (depth - 2) / 6;
        if (n < 1 || depth != 6 * n + 2) {
            throw new GradusException("CIFAR ResNets have 6 n + 2 layers (20, 32, 44, 56, 110), not " + depth);
        }
        return new ResNet(
                "resnet" + depth,
                SMALL_PICTURE,
                10,
                Begin.CIFAR,
                Kind.BASIC_PADDED,
                torchBlocks(),
                List.of(Stage.basic(16, n, 1), Stage.basic(32, n, 2), Stage.basic(64, n, 2)),
                End.GLOBAL_AVERAGE,
                false);
    }
}
