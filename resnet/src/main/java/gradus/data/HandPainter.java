package gradus.data;

import java.util.Arrays;

/**
 * Draws {@link Hand}s. The capsules are filled into a depth buffer of twice the picture's resolution, with the surface's
 * normal at each point; light, shadows and skin are then computed per point, and the picture is composed over a background
 * at its final size. One painter serves one thread.
 */
final class HandPainter {
    private static final int OUT = HandSigns.SIZE;
    private static final int S = 2 * OUT;
    private static final float EMPTY = -1e9f;

    private final float[] depth = new float[S * S];
    private final float[] nx = new float[S * S];
    private final float[] ny = new float[S * S];
    private final float[] nz = new float[S * S];
    private final float[] along = new float[S * S];
    private final byte[] owner = new byte[S * S];
    private final float[] near = new float[S * S];
    private final float[] weight = new float[S * S];
    private final float[] scratch = new float[S * S];
    private final float[] light = new float[OUT * OUT];
    private final float[] picture = new float[OUT * OUT * 3];
    private final float[] cover = new float[OUT * OUT];
    private final float[] blurred = new float[OUT * OUT];

    private Rng rng;
    private float[] skin;

    /** The camera: rotation from the hand's frame, pixels (of the depth buffer) per centimetre, and position. */
    private double[] view;

    private double scale;
    private double centreX;
    private float axisX;
    private float axisY;
    private float axisZ;
    private double centreY;

    /** A picture of a hand that shows {@code number}: SIZE x SIZE x 3 bytes. */
    byte[] paint(int number, Rng random) {
        rng = random;
        double[] lamp = {rng.uniform(-0.9, 0.9), rng.uniform(-0.1, 1), rng.uniform(0.45, 1.3)};
        background();
        if (!(number == 0 && rng.chance(0.03))) {
            Hand hand = pose(number);
            fill(hand);
            for (int attempt = 1; attempt < 20 && !clear(hand); attempt++) {
                hand = pose(number);
                fill(hand);
            }
            Arrays.fill(cover, 0);
            shade(hand, lamp);
        }
        return develop();
    }

    private Hand pose(int number) {
        boolean ring = number == 0;
        // A ring is recognised from the thumb's side; spread fingers would hide each other from there.
        boolean fromSide = ring && rng.chance(0.65);
        // Few are loosely posed: with many, a short training learns neither these nor the others well.
        boolean plain = rng.chance(0.97);
        Hand hand = Hand.showing(number, fromSide, plain, rng);
        double yaw = !fromSide
                ? clamp(rng.normal(0, 13), 29)
                : rng.chance(0.75) ? rng.uniform(-90, -30) : rng.uniform(40, 85);
        double pitch = clamp(rng.normal(2, 9), 24);
        double roll = clamp(rng.normal(0, 24), 55);
        if (rng.chance(0.01)) {
            yaw += 180; // the back of the hand
        }
        int side = rng.chance(0.5) ? 1 : -1;
        view = times(rotation(2, roll), times(rotation(0, pitch), rotation(1, yaw)));
        for (int i = 0; i < 9; i += 3) {
            view[i] *= side;
        }
        // The arm comes from below and bends at the wrist only as far as wrists do.
        double a = Math.toRadians(clamp(roll * rng.uniform(0.5, 1.1) + rng.normal(0, 9), 115));
        double tilt = Math.toRadians(rng.uniform(-20, 30));
        double[] below = {
            StrictMath.sin(a) * StrictMath.cos(tilt), -StrictMath.cos(a) * StrictMath.cos(tilt), StrictMath.sin(tilt)
        };
        double[] arm = new double[3];
        for (int i = 0; i < 3; i++) {
            arm[i] = view[i] * below[0] + view[3 + i] * below[1] + view[6 + i] * below[2];
        }
        for (int k = 0; k < 12 && -arm[1] < 0.8; k++) {
            arm[1] -= 0.25;
            double l = Math.sqrt(arm[0] * arm[0] + arm[1] * arm[1] + arm[2] * arm[2]);
            for (int i = 0; i < 3; i++) {
                arm[i] /= l;
            }
        }
        hand.arm(arm, rng.chance(0.08) ? rng.uniform(3, 14) : 99);
        hand.turn(view);
        place(hand);
        return hand;
    }

    /** Chooses size and position, applies a slight perspective, and leaves the hand in pixels of the depth buffer. */
    private void place(Hand hand) {
        double distance = rng.uniform(45, 110);
        double left = 1e9;
        double right = -1e9;
        double low = 1e9;
        double high = -1e9;
        for (int i = 0; i < hand.count * 2; i++) {
            double[] e = hand.ends;
            double f = distance / (distance - Math.clamp(e[i * 4 + 2], -20, 20));
            e[i * 4] *= f;
            e[i * 4 + 1] *= f;
            e[i * 4 + 2] *= f;
            e[i * 4 + 3] *= f;
            if (i < hand.handCount * 2) {
                left = Math.min(left, e[i * 4] - e[i * 4 + 3]);
                right = Math.max(right, e[i * 4] + e[i * 4 + 3]);
                low = Math.min(low, e[i * 4 + 1] - e[i * 4 + 3]);
                high = Math.max(high, e[i * 4 + 1] + e[i * 4 + 3]);
            }
        }
        double size = Math.max(right - left, high - low);
        scale = Math.min(2 * rng.uniform(2.2, 3.6), (S + 2) / size);
        centreX = within(S - scale * (right - left)) - scale * left;
        centreY = within(S - scale * (high - low)) + scale * high;
        for (int i = 0; i < hand.count * 2; i++) {
            hand.ends[i * 4] = centreX + scale * hand.ends[i * 4];
            hand.ends[i * 4 + 1] = centreY - scale * hand.ends[i * 4 + 1];
            hand.ends[i * 4 + 2] *= scale;
            hand.ends[i * 4 + 3] *= scale;
        }
    }

    /** Where to begin something that leaves this much room, mostly near the middle, a little outside at times. */
    private double within(double room) {
        double t = rng.chance(0.5) ? rng.uniform() : (rng.uniform() + rng.uniform()) / 2;
        return -4 + t * (room + 8);
    }

    /** Whether each raised fingertip is seen: behind others, or outside of the picture, it would make the label wrong. */
    private boolean clear(Hand hand) {
        var seen = new int[hand.count];
        for (byte c : owner) {
            if (c >= 0) {
                seen[c]++;
            }
        }
        for (int f = 0; f < 5; f++) {
            double r = hand.ends[hand.tip[f] * 8 + 7];
            if (hand.raised[f] && seen[hand.tip[f]] < 0.7 * Math.PI * r * r) {
                return false;
            }
        }
        return true;
    }

    private void fill(Hand hand) {
        Arrays.fill(depth, EMPTY);
        Arrays.fill(owner, (byte) -1);
        for (int c = 0; c < hand.count; c++) {
            double[] e = hand.ends;
            int k = c * 8;
            double dx = e[k + 4] - e[k];
            double dy = e[k + 5] - e[k + 1];
            double dz = e[k + 6] - e[k + 2];
            double length = Math.sqrt(dx * dx + dy * dy + dz * dz);
            int steps = 1 + (int) (length / (0.4 * Math.min(e[k + 3], e[k + 7]) + 0.2));
            axisX = (float) (dx / length);
            axisY = (float) (-dy / length);
            axisZ = (float) (dz / length);
            for (int s = 0; s <= steps; s++) {
                double t = (double) s / steps;
                float r = (float) (e[k + 3] + t * (e[k + 7] - e[k + 3]));
                float x = (float) (e[k] + t * dx);
                float y = (float) (e[k + 1] + t * dy);
                if (x + r > 0 && x - r < S && y + r > 0 && y - r < S) {
                    ball(c, s == 0 || s == steps, (float) t, x, y, (float) (e[k + 2] + t * dz), r);
                }
            }
        }
    }

    /** One of the balls a capsule is made of. Those inside of it have a tube's normals, across the axis. */
    private void ball(int c, boolean end, float t, float cx, float cy, float cz, float r) {
        int y0 = Math.max(0, (int) Math.ceil(cy - r));
        int y1 = Math.min(S - 1, (int) Math.floor(cy + r));
        float inverse = 1 / r;
        for (int y = y0; y <= y1; y++) {
            float dy = y - cy;
            float half = (float) Math.sqrt(Math.max(0, r * r - dy * dy));
            int x0 = Math.max(0, (int) Math.ceil(cx - half));
            int x1 = Math.min(S - 1, (int) Math.floor(cx + half));
            for (int x = x0; x <= x1; x++) {
                float dx = x - cx;
                float h = (float) Math.sqrt(Math.max(0, r * r - dy * dy - dx * dx));
                int p = y * S + x;
                if (cz + h > depth[p]) {
                    depth[p] = cz + h;
                    float u = dx * inverse;
                    float v = -dy * inverse;
                    float w = h * inverse;
                    float slant = end ? 0 : u * axisX + v * axisY + w * axisZ;
                    nx[p] = u - slant * axisX;
                    ny[p] = v - slant * axisY;
                    nz[p] = w - slant * axisZ;
                    along[p] = t;
                    owner[p] = (byte) c;
                }
            }
        }
    }

    /** Computes the colour of every point of the hand and lays it over the background, shadow first. */
    private void shade(Hand hand, double[] lamp) {
        double norm = 1 / Math.sqrt(lamp[0] * lamp[0] + lamp[1] * lamp[1] + lamp[2] * lamp[2]);
        float lx = (float) (lamp[0] * norm);
        float ly = (float) (lamp[1] * norm);
        float lz = (float) (lamp[2] * norm);
        occlusion();
        skin = skinTone();
        float[] sleeve = anyColour();
        float ambient = (float) rng.uniform(0.4, 0.85);
        float hard = (float) rng.uniform(0, 0.6); // how dark the hand's shadow on itself is
        float crease = (float) rng.uniform(0, 0.2);
        float deep = (float) rng.uniform(0.1, 0.7);
        float red = (float) rng.uniform(0, 0.12);
        float gain = (float) rng.uniform(0.95, 1.2);
        float rim = (float) rng.uniform(0, 0.25);
        float palmRed = (float) rng.uniform(0, 0.08);
        float reach = (float) (2.5 * scale);
        var hue = new float[OUT * OUT * 3];
        for (int y = 0; y < S; y++) {
            for (int x = 0; x < S; x++) {
                int p = y * S + x;
                int c = owner[p];
                if (c < 0) {
                    continue;
                }
                int kind = hand.kind[c];
                float lambert = Math.max(0, (nx[p] * lx + ny[p] * ly + nz[p] * lz + 0.25f) / 1.25f);
                float sky = 0.85f + 0.15f * ny[p];
                float value = ambient * sky + (1 - ambient) * lambert * (1 - hard * shadowed(x, y, lx, ly, lz, reach));
                value *= 1 - rim * (1 - nz[p]) * (1 - nz[p]);
                value *= 1 - deep * near[p];
                float facing = (float)
                        (nx[p] * hand.back[c * 3] + ny[p] * hand.back[c * 3 + 1] + nz[p] * hand.back[c * 3 + 2]);
                float r = skin[0];
                float g = skin[1];
                float b = skin[2];
                float t = along[p];
                switch (kind) {
                    case Hand.SLEEVE -> {
                        r = sleeve[0];
                        g = sleeve[1];
                        b = sleeve[2];
                    }
                    case Hand.TIP -> {
                        g *= 1 - red * t;
                        b *= 1 - red * t;
                        if (facing > 0.72f && t > 0.45f) { // the nail
                            r = r * 0.75f + 62;
                            g = g * 0.75f + 50;
                            b = b * 0.75f + 48;
                        } else {
                            value *= 1 - crease * bump(t * 6);
                        }
                    }
                    case Hand.FINGER -> value *= 1 - crease * Math.max(bump(t * 6), bump((1 - t) * 6));
                    case Hand.PALM -> {
                        value *= 1 - crease * lines(x, y, depth[p]);
                        g *= 1 - palmRed;
                        b *= 1 - palmRed;
                    }
                    default -> {}
                }
                int o = ((y >> 1) * OUT + (x >> 1)) * 3;
                float v = value * gain * 0.25f;
                hue[o] += r * v;
                hue[o + 1] += g * v;
                hue[o + 2] += b * v;
                cover[o / 3] += 0.25f;
            }
        }
        castShadow(lx, ly);
        for (int p = 0; p < OUT * OUT; p++) {
            for (int k = 0; k < 3; k++) {
                picture[p * 3 + k] = picture[p * 3 + k] * (1 - cover[p]) + hue[p * 3 + k];
            }
        }
    }

    private static float bump(float x) {
        return x > 1 ? 0 : 1 - x * x;
    }

    /** The palm's main lines, 1 on a line and 0 elsewhere. */
    private float lines(int x, int y, float z) {
        double vx = (x - centreX) / scale;
        double vy = (centreY - y) / scale;
        double vz = z / scale;
        double px = view[0] * vx + view[3] * vy + view[6] * vz;
        double py = view[1] * vx + view[4] * vy + view[7] * vz;
        double pz = view[2] * vx + view[5] * vy + view[8] * vz;
        if (pz < 0.3 || py < 1) {
            return 0;
        }
        double life = Math.abs(Math.sqrt((px - 3.6) * (px - 3.6) + (py - 3.2) * (py - 3.2)) - 3.4);
        double heart = Math.abs(py - 7.3 + 0.1 * (px - 1) * (px - 1) - 0.15 * px);
        double head = Math.abs(py - 5.7 - 0.25 * px);
        double d = Math.min(Math.min(life, heart), Math.max(head, Math.abs(px) - 2.2));
        return d > 0.35 ? 0 : (float) (1 - d / 0.35);
    }

    /** How much of the way to the lamp is blocked by the hand itself, 0 or more than 0 up to 1 for deep shadow. */
    private float shadowed(int x, int y, float lx, float ly, float lz, float reach) {
        float z = depth[y * S + x];
        float blocked = 0;
        for (int s = 1; s <= 5; s++) {
            float d = reach * s * 0.2f;
            int qx = x + Math.round(lx * d);
            int qy = y - Math.round(ly * d);
            if (qx < 0 || qy < 0 || qx >= S || qy >= S) {
                break;
            }
            float above = depth[qy * S + qx] - (z + lz * d);
            if (above > 0) {
                blocked = Math.max(blocked, Math.min(1, above / (0.5f * (float) scale)));
            }
        }
        return blocked;
    }

    /** Leaves in {@code near} how deep each point lies below its surroundings, 0..1: creases and gaps are dark. */
    private void occlusion() {
        for (int p = 0; p < S * S; p++) {
            boolean on = owner[p] >= 0;
            near[p] = on ? depth[p] : 0;
            weight[p] = on ? 1 : 0;
        }
        int radius = Math.max(2, (int) Math.round(0.9 * scale));
        box(near, scratch, S, radius);
        box(weight, scratch, S, radius);
        float k = (float) (1 / (1.6 * scale));
        for (int p = 0; p < S * S; p++) {
            if (owner[p] >= 0) {
                float below = near[p] / weight[p] - depth[p];
                near[p] = Math.clamp(below * k, 0, 1);
            }
        }
    }

    private void castShadow(float lx, float ly) {
        float strength = (float) Math.max(0, rng.uniform(-0.1, 0.55));
        double distance = rng.uniform(0, 9);
        int dx = (int) Math.round(-lx * distance);
        int dy = (int) Math.round(ly * distance);
        int radius = 1 + (int) (distance * rng.uniform(0.1, 0.5));
        for (int y = 0; y < OUT; y++) {
            int sy = Math.clamp(y - dy, 0, OUT - 1);
            for (int x = 0; x < OUT; x++) {
                light[y * OUT + x] = cover[sy * OUT + Math.clamp(x - dx, 0, OUT - 1)];
            }
        }
        box(light, blurred, OUT, radius);
        box(light, blurred, OUT, radius);
        float blue = (float) rng.uniform(0.8, 1);
        for (int p = 0; p < OUT * OUT; p++) {
            float s = strength * light[p];
            picture[p * 3] *= 1 - s;
            picture[p * 3 + 1] *= 1 - s * (1 + blue) / 2;
            picture[p * 3 + 2] *= 1 - s * blue;
        }
    }

    /** Box blur of a square picture, both directions, edges repeated. */
    private static void box(float[] a, float[] tmp, int n, int radius) {
        float inverse = 1f / (2 * radius + 1);
        for (int y = 0; y < n; y++) {
            int row = y * n;
            float sum = a[row] * radius;
            for (int x = 0; x <= radius; x++) {
                sum += a[row + x];
            }
            for (int x = 0; x < n; x++) {
                tmp[row + x] = sum * inverse;
                sum += a[row + Math.min(n - 1, x + radius + 1)] - a[row + Math.max(0, x - radius)];
            }
        }
        var sums = new float[n];
        for (int x = 0; x < n; x++) {
            sums[x] = tmp[x] * radius;
        }
        for (int y = 0; y <= radius; y++) {
            for (int x = 0; x < n; x++) {
                sums[x] += tmp[y * n + x];
            }
        }
        for (int y = 0; y < n; y++) {
            int add = Math.min(n - 1, y + radius + 1) * n;
            int drop = Math.max(0, y - radius) * n;
            for (int x = 0; x < n; x++) {
                a[y * n + x] = sums[x] * inverse;
                sums[x] += tmp[add + x] - tmp[drop + x];
            }
        }
    }

    private void background() {
        float[] base;
        boolean wall = rng.chance(0.96);
        if (wall) {
            float bright = (float) rng.uniform(150, 245);
            float warm = (float) rng.normal(2, 7);
            base = new float[] {bright + warm, bright + (float) rng.normal(0, 2), bright - warm};
        } else {
            base = anyColour();
        }
        double angle = rng.uniform(0, 2 * Math.PI);
        float slope = (float) (rng.uniform(0, 0.3) / OUT);
        float gx = (float) StrictMath.cos(angle) * slope;
        float gy = (float) StrictMath.sin(angle) * slope;
        float corner = (float) Math.max(0, rng.uniform(-0.1, 0.25)) / (OUT * OUT / 2f);
        float vx = (float) rng.uniform(16, 48);
        float vy = (float) rng.uniform(16, 48);
        for (int y = 0; y < OUT; y++) {
            for (int x = 0; x < OUT; x++) {
                float d = (x - vx) * (x - vx) + (y - vy) * (y - vy);
                float f = (1 + gx * (x - OUT / 2) + gy * (y - OUT / 2)) * (1 - corner * d);
                int o = (y * OUT + x) * 3;
                picture[o] = base[0] * f;
                picture[o + 1] = base[1] * f;
                picture[o + 2] = base[2] * f;
            }
        }
        if (!wall && rng.chance(0.5)) {
            texture();
        }
        if (rng.chance(wall ? 0.05 : 0.5)) {
            region(anyColour());
        }
    }

    /** A few waves of different length and direction. */
    private void texture() {
        for (int k = 0; k < 3; k++) {
            double angle = rng.uniform(0, Math.PI);
            double f = rng.uniform(0.05, 0.6);
            double cx = StrictMath.cos(angle) * f;
            double cy = StrictMath.sin(angle) * f;
            double phase = rng.uniform(0, 6);
            float strength = (float) rng.uniform(0, 0.12);
            for (int p = 0; p < OUT * OUT; p++) {
                float w = 1 + strength * (float) StrictMath.sin((p % OUT) * cx + (p / OUT) * cy + phase);
                picture[p * 3] *= w;
                picture[p * 3 + 1] *= w;
                picture[p * 3 + 2] *= w;
            }
        }
    }

    /** Something else in the picture: one side of a soft straight edge, usually far from the middle. */
    private void region(float[] colour) {
        double angle = rng.uniform(0, 2 * Math.PI);
        float cx = (float) StrictMath.cos(angle);
        float cy = (float) StrictMath.sin(angle);
        float from = (float) rng.uniform(14, 44);
        float soft = (float) rng.uniform(0.3, 2);
        for (int p = 0; p < OUT * OUT; p++) {
            float d = ((p % OUT) - OUT / 2) * cx + ((p / OUT) - OUT / 2) * cy - from;
            float a = Math.clamp(d * soft, 0, 1);
            for (int k = 0; k < 3; k++) {
                picture[p * 3 + k] += a * (colour[k] - picture[p * 3 + k]);
            }
        }
    }

    private float[] anyColour() {
        float bright = (float) rng.uniform(20, 230);
        return new float[] {
            bright + (float) rng.normal(0, 30), bright + (float) rng.normal(0, 22), bright + (float) rng.normal(0, 30)
        };
    }

    /** From light to dark, redder or yellower; most often in between. */
    private float[] skinTone() {
        float[][] tones = {
            {244, 205, 182}, {228, 178, 148}, {205, 150, 116}, {170, 116, 82}, {122, 80, 56}, {82, 54, 40}
        };
        double t = rng.chance(0.85) ? rng.uniform(0.5, 3.3) : rng.uniform(0, 4.999);
        int i = (int) t;
        float f = (float) (t - i);
        float warm = (float) rng.normal(1, 0.05);
        float green = (float) rng.normal(1, 0.03);
        return new float[] {
            (tones[i][0] + f * (tones[i + 1][0] - tones[i][0])),
            (tones[i][1] + f * (tones[i + 1][1] - tones[i][1])) * green,
            (tones[i][2] + f * (tones[i + 1][2] - tones[i][2])) * warm
        };
    }

    /** The camera: white balance, exposure, contrast, focus and noise. */
    private byte[] develop() {
        double sharp = rng.uniform(0, 0.45); // weight of the two neighbours in each direction
        float side = rng.chance(0.3) ? 0 : (float) sharp / 2;
        float[] gain = {(float) rng.normal(1, 0.05), (float) rng.normal(1, 0.02), (float) rng.normal(1, 0.05)};
        float exposure = (float) rng.normal(1, 0.08);
        float contrast = (float) rng.normal(1, 0.1);
        float noise = rng.chance(0.7) ? 0 : (float) rng.uniform(0.5, 3);
        var out = new byte[OUT * OUT * 3];
        for (int k = 0; k < 3; k++) {
            for (int p = 0; p < OUT * OUT; p++) {
                light[p] = picture[p * 3 + k];
            }
            if (side > 0) {
                soften(side);
            }
            float f = gain[k] * exposure * contrast;
            float shift = 128 * (1 - contrast);
            for (int p = 0; p < OUT * OUT; p++) {
                float v = light[p] * f + shift;
                if (noise > 0) {
                    v += noise * cheapNormal();
                }
                out[p * 3 + k] = (byte) Math.clamp(Math.round(v), 0, 255);
            }
        }
        return out;
    }

    /** Four uniform numbers out of one draw. */
    private float cheapNormal() {
        long b = rng.bits();
        long sum = (b & 0xffff) + (b >>> 16 & 0xffff) + (b >>> 32 & 0xffff) + (b >>> 48);
        return (sum - 131070) * (1.7320508f / 65536);
    }

    private void soften(float side) {
        float middle = 1 - 2 * side;
        for (int y = 0; y < OUT; y++) {
            for (int x = 0; x < OUT; x++) {
                int p = y * OUT + x;
                blurred[p] = middle * light[p] + side * (light[x > 0 ? p - 1 : p] + light[x < OUT - 1 ? p + 1 : p]);
            }
        }
        for (int p = 0; p < OUT * OUT; p++) {
            light[p] = middle * blurred[p]
                    + side * (blurred[p >= OUT ? p - OUT : p] + blurred[p < OUT * (OUT - 1) ? p + OUT : p]);
        }
    }

    private static double clamp(double v, double limit) {
        return Math.clamp(v, -limit, limit);
    }

    /** Rotation about one axis (0 x, 1 y, 2 z) by an angle in degrees, counter-clockwise seen from the axis's tip. */
    private static double[] rotation(int axis, double degrees) {
        double s = StrictMath.sin(Math.toRadians(degrees));
        double c = StrictMath.cos(Math.toRadians(degrees));
        return switch (axis) {
            case 0 -> new double[] {1, 0, 0, 0, c, -s, 0, s, c};
            case 1 -> new double[] {c, 0, s, 0, 1, 0, -s, 0, c};
            default -> new double[] {c, -s, 0, s, c, 0, 0, 0, 1};
        };
    }

    private static double[] times(double[] a, double[] b) {
        var m = new double[9];
        for (int i = 0; i < 9; i++) {
            int r = i / 3 * 3;
            m[i] = a[r] * b[i % 3] + a[r + 1] * b[3 + i % 3] + a[r + 2] * b[6 + i % 3];
        }
        return m;
    }
}
