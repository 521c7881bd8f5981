package gradus.layers;

final class Diagram {
    private Diagram() {}

    static String dot(Model model) {
        return "";
    }

    static String svg(Model model) {
        return "";
    }
}
