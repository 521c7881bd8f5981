package example;

import gradus.classifier.Classifier;
import java.nio.file.Path;

/** Says what a picture shows: {@code Classify MODEL PICTURE}. */
class Classify {
    public static void main(String[] args) {
        try (var classifier = Classifier.load(Path.of(args[0]))) {
            System.out.println(classifier.backend());
            for (var guess : classifier.classify(Path.of(args[1]), 3)) {
                System.out.printf("%s %.3f%n", guess.label(), guess.probability());
            }
        }
    }
}
