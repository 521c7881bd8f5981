package gradus.layers;

import gradus.backend.Noise;
import java.nio.charset.StandardCharsets;

/** Seeds for parts of a model, made of the model's seed and the part's name, so that they depend on nothing else. */
final class Seeds {
    private Seeds() {}

    /** FNV-1a of the name, mixed with the seed. */
    static long derive(long seed, String name) {
        long hash = 0xCBF29CE484222325L;
        for (byte b : name.getBytes(StandardCharsets.UTF_8)) {
            hash = (hash ^ (b & 0xFF)) * 0x100000001B3L;
        }
        return Noise.mix(hash ^ Noise.mix(seed + 0x9E3779B97F4A7C15L));
    }
}
