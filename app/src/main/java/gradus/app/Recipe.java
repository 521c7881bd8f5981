package gradus.app;

import gradus.data.Augmentation;
import gradus.data.Preprocess;
import gradus.train.Adam;
import gradus.train.AdamW;
import gradus.train.Optimizer;
import gradus.train.RmsProp;
import gradus.train.Schedule;
import gradus.train.Sgd;
import gradus.train.WeightDecay;

/**
 * How a network is trained on a kind of data: the one place where the defaults of {@code gradus train} stand.
 *
 * @param model architecture, a name of {@link gradus.resnet.ResNets}
 * @param examples size of the generated training set; 0 for data that comes from files
 * @param epochs passes over the training pictures
 * @param batch pictures in a step
 * @param optimizer sgd, adam, adamw or rmsprop
 * @param learningRate highest rate: reached after the warm-up, then falling to 0 along half a cosine
 * @param warmUp epochs, perhaps a fraction of one, in which the rate rises from 0
 * @param weightDecay of kernels
 * @param labelSmoothing share of the target that is spread over all classes
 * @param momentum of batch norm's moving statistics: a short training needs less than Keras's 0.99, or they lag behind
 * @param average share of the old value in the running average of the weights, 0 for none
 * @param augmentation random changes to training pictures
 * @param preprocess from bytes to the network's numbers
 * @param small share of the epochs, the first ones, in which pictures are scaled down to 5/8 of their size, as far as that
 *     makes whole epochs: steps take half the time and teach nearly as much (Howard's progressive resizing); the learning
 *     rate stays at its highest meanwhile
 * @param trainOnValidation whether the validation part is trained on too, and only the test part held out
 */
record Recipe(
        String model,
        int examples,
        int epochs,
        int batch,
        String optimizer,
        double learningRate,
        double warmUp,
        double weightDecay,
        double labelSmoothing,
        double momentum,
        double average,
        Augmentation augmentation,
        Preprocess preprocess,
        double small,
        boolean trainOnValidation) {

    /** Made-up hand signs: the complete 50-layer network in a few minutes on two cores. */
    private static final Recipe GENERATED = new Recipe(
            "resnet50",
            24800,
            2,
            16,
            "adam",
            1.5e-3,
            0.25,
            0,
            0.1,
            0.9,
            0,
            Augmentation.NONE,
            Preprocess.STANDARDIZE,
            0.5,
            false);

    /** The 1080 photographs of hand signs, judged on 120 others. */
    private static final Recipe SIGNS = new Recipe(
            "resnet50", 0, 22, 32, "adam", 2e-3, 1.5, 0, 0.05, 0.9, 0, Augmentation.SIGNS, Preprocess.TF, 0, true);

    /** CIFAR-10 with the network made for it (He et al., 2015). */
    private static final Recipe CIFAR10 = new Recipe(
            "resnet20", 0, 40, 64, "sgd", 0.1, 2, 5e-4, 0.1, 0.9, 0, Augmentation.CIFAR, Preprocess.TORCH, 0.5, false);

    /** Folders of pictures, and anything else. */
    private static final Recipe IMAGES = new Recipe(
            "resnet50",
            0,
            30,
            32,
            "adam",
            1e-3,
            2,
            0,
            0.05,
            0.9,
            0,
            Augmentation.SIGNS.withRotate(8),
            Preprocess.UNIT,
            0,
            false);

    /** The recipe for a data set as {@link gradus.data.Datasets#open} describes it. */
    static Recipe of(String data) {
        return switch (kind(data)) {
            case "generated" -> GENERATED;
            case "signs" -> SIGNS;
            case "cifar10" -> CIFAR10;
            default -> IMAGES;
        };
    }

    /** The word before the colon: generated, signs, cifar10, images, idx. */
    static String kind(String data) {
        int colon = data.indexOf(':');
        return colon < 0 ? data : data.substring(0, colon);
    }

    /** The data set's description with the number of generated pictures in it, if it does not say one itself. */
    String data(String asked) {
        return asked.equals("generated") ? "generated:" + examples : asked;
    }

    /** The weight decay that goes with an optimizer: where the recipe has none, AdamW, which is Adam with one, has Keras's. */
    double weightDecay(String otherOptimizer) {
        return weightDecay == 0 && otherOptimizer.equals("adamw")
                ? AdamW.of().weightDecay().rate()
                : weightDecay;
    }

    /** How many epochs begin with small pictures; the last epoch never does. */
    int smallEpochs() {
        return Math.min((int) (small * epochs), epochs - 1);
    }

    /** @param samples training pictures in an epoch */
    Schedule schedule(int samples) {
        long stepsPerEpoch = (samples + batch - 1L) / batch;
        long all = Math.max(1, epochs * stepsPerEpoch);
        long rise = Math.min(Math.round(warmUp * stepsPerEpoch), all - 1);
        long level = Math.clamp(smallEpochs() * stepsPerEpoch - rise, 0, all - rise);
        Schedule fall = Schedule.cosine(learningRate, all - rise - level);
        return (level == 0 ? fall : Schedule.constant(learningRate).then(level, fall)).warmUp(rise);
    }

    /** @throws UsageException for an optimizer that does not exist */
    Optimizer optimizer(int samples) {
        Schedule rate = schedule(samples);
        var decay = WeightDecay.ofKernels(weightDecay);
        return switch (optimizer) {
            case "sgd" ->
                Sgd.of(rate).momentum(0.9).nesterov(true).weightDecay(decay).average(average);
            // second moments over about a hundred steps: trainings here have a thousand, not a hundred thousand
            case "adam" -> Adam.of(rate).betas(0.9, 0.99).weightDecay(decay).average(average);
            case "adamw" -> AdamW.of(rate).betas(0.9, 0.99).weightDecay(decay).average(average);
            case "rmsprop" -> RmsProp.of(rate).weightDecay(decay).average(average);
            default ->
                throw new UsageException("--optimizer must be sgd, adam, adamw or rmsprop, not '" + optimizer + "'");
        };
    }
}
