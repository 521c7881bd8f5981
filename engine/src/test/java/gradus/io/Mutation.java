package gradus.io;

import java.util.Arrays;
import java.util.Random;

/** Damages bytes at random: one to four bytes changed, now and then the end cut off or a part repeated. */
final class Mutation {
    private Mutation() {}

    static byte[] of(byte[] good, Random random) {
        byte[] bad = good.clone();
        for (int n = 1 + random.nextInt(4); n > 0; n--) {
            int i = random.nextInt(bad.length);
            bad[i] = switch (random.nextInt(3)) {
                case 0 -> (byte) random.nextInt(256);
                case 1 -> (byte) (bad[i] ^ 1 << random.nextInt(8));
                default -> bad[random.nextInt(bad.length)];
            };
        }
        return switch (random.nextInt(8)) {
            case 0 -> Arrays.copyOf(bad, random.nextInt(bad.length));
            case 1 -> Arrays.copyOf(bad, bad.length + random.nextInt(16));
            case 2 -> {
                int from = random.nextInt(bad.length);
                int to = random.nextInt(bad.length);
                System.arraycopy(bad, from, bad, to, Math.min(bad.length - Math.max(from, to), random.nextInt(32)));
                yield bad;
            }
            default -> bad;
        };
    }
}
