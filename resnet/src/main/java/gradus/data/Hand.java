package gradus.data;

/**
 * A posed hand in three dimensions: a list of tapered capsules, two end spheres and what is between them. Lengths are
 * centimetres. In the hand's own frame the wrist is the origin, fingers point to +y, the thumb side is +x and the palm
 * faces +z; {@link #turn} brings it into the camera's frame, where x points right, y up and z to the viewer.
 *
 * <p>Proportions are those of an adult hand, 18 cm long, and vary with the person.
 */
final class Hand {
    /** What a capsule is, for colouring. */
    static final int PALM = 0;

    static final int FINGER = 1;
    static final int TIP = 2;
    static final int ARM = 3;
    static final int SLEEVE = 4;

    private static final int THUMB = 0;
    private static final int INDEX = 1;
    private static final int MIDDLE = 2;
    private static final int RING = 3;
    private static final int LITTLE = 4;

    /** Knuckles (x, y, z), lengths of the three phalanges, and radii at the four joints of fingers 1..4. */
    private static final double[][] KNUCKLE = {{}, {2.9, 8.9, 0}, {1.0, 9.3, -0.15}, {-0.9, 8.9, -0.1}, {-2.7, 8.0, 0.1}
    };

    private static final double[][] PHALANX = {
        {4.4, 3.3, 2.8}, {4.4, 2.6, 2.1}, {4.9, 3.0, 2.2}, {4.5, 2.8, 2.2}, {3.5, 2.1, 1.9}
    };
    private static final double[][] RADIUS = {
        {1.35, 1.1, 0.98, 0.72},
        {1.0, 0.9, 0.8, 0.6},
        {1.02, 0.92, 0.82, 0.62},
        {0.97, 0.87, 0.78, 0.6},
        {0.88, 0.76, 0.68, 0.52}
    };

    /** Number of capsules, and per capsule: both ends (x, y, z, radius), its kind, and the direction of its back. */
    int count;

    final double[] ends = new double[40 * 8];
    final int[] kind = new int[40];
    final double[] back = new double[40 * 3];

    /** The number of capsules that belong to the hand itself; those after it are forearm and sleeve. */
    int handCount;

    /** Which of the five fingers are raised, thumb first, and the capsule of each one's last phalanx. */
    final boolean[] raised = new boolean[5];

    final int[] tip = new int[5];

    private final Rng rng;
    private final boolean plain;
    private final double length;
    private final double thickness;
    private final double breadth;

    /** Joint positions of each finger, four points from knuckle to tip. */
    private final double[][][] joint = new double[5][4][];

    private final double[][] backOf = new double[5][];

    private Hand(Rng rng, boolean plain) {
        this.rng = rng;
        this.plain = plain;
        length = rng.uniform(0.88, 1.12);
        thickness = rng.uniform(0.84, 1.16);
        breadth = rng.uniform(0.95, 1.18);
    }

    /**
     * A hand that shows {@code number} fingers, 0..5, to someone in front of it or at its thumb's side.
     *
     * @param plain whether raised fingers are straight, folded ones closed, and the thumb is clearly in or out
     */
    static Hand showing(int number, boolean fromSide, boolean plain, Rng rng) {
        var hand = new Hand(rng, plain);
        switch (number) {
            case 0 -> hand.zero(fromSide);
            case 1 -> hand.one();
            case 2 -> hand.two();
            case 3 -> hand.three();
            case 4 -> hand.four();
            default -> hand.five();
        }
        hand.palm();
        for (int f = THUMB; f <= LITTLE; f++) {
            hand.flesh(f);
        }
        hand.handCount = hand.count;
        return hand;
    }

    /** All fingers bent to meet the thumb in a ring; less often a fist. */
    private void zero(boolean fromSide) {
        if (rng.chance(0.15)) {
            for (int f = INDEX; f <= LITTLE; f++) {
                fold(f, 0);
            }
            thumbOver(rng.chance(0.5) ? INDEX : MIDDLE);
            return;
        }
        // Seen from the front, only fingers that are well bent cannot be taken for raised ones.
        double flex = fromSide ? rng.uniform(38, 66) : rng.uniform(56, 76);
        double bend = fromSide ? rng.uniform(48, 82) : rng.uniform(66, 96);
        double tip = rng.uniform(20, 50);
        double more = rng.normal(0, 6); // little finger further bent than the index, or less
        for (int f = INDEX; f <= LITTLE; f++) {
            finger(
                    f,
                    flex + more * (f - 2) + rng.normal(0, 4),
                    bend + rng.normal(0, 5),
                    tip,
                    (2.4 - f) * rng.uniform(-5, 1));
        }
        double[] a = joint[INDEX][3];
        double[] b = joint[MIDDLE][3];
        double t = rng.uniform(-0.1, 0.8);
        double gap = rng.uniform(0.9, 1.9);
        thumbTo(
                new double[] {
                    a[0] + t * (b[0] - a[0]) + rng.normal(0, 0.3),
                    a[1] + t * (b[1] - a[1]) - gap,
                    a[2] + t * (b[2] - a[2]) + 0.3
                },
                0.5,
                0.3,
                0.8);
    }

    private void one() {
        int which = rng.chance(0.99) ? INDEX : LITTLE;
        double loose = loose(0.4, 0.6);
        raise(which, loose(0.12, 0.8), rng.normal(which == INDEX ? 3 : -6, 6));
        for (int f = INDEX; f <= LITTLE; f++) {
            if (f != which) {
                fold(f, loose);
            }
        }
        foldThumb(which == INDEX ? (rng.chance(0.7) ? MIDDLE : RING) : (rng.chance(0.5) ? INDEX : MIDDLE));
    }

    private void two() {
        double loose = loose(0.4, 0.6);
        if (rng.chance(0.01)) { // thumb and index, as Germans count
            raise(INDEX, 0, rng.normal(2, 5));
            for (int f = MIDDLE; f <= LITTLE; f++) {
                fold(f, loose * 0.5);
            }
            thumbOut(rng.uniform(30, 80), 0.1);
            return;
        }
        double bent = loose(0.25, 0.85);
        double spread = rng.chance(0.25) ? rng.uniform(-2, 4) : rng.uniform(4, 22);
        double lean = rng.normal(0, 4);
        raise(INDEX, bent * rng.uniform(0.5, 1), spread * 0.6 + lean);
        raise(MIDDLE, bent * rng.uniform(0.5, 1), -spread * 0.6 + lean);
        fold(RING, loose);
        fold(LITTLE, loose);
        foldThumb(RING);
    }

    private void three() {
        double bent = loose(0.25, 0.85);
        if (rng.chance(0.04)) { // index, middle and ring, the thumb holds the little finger
            double spread = rng.uniform(0, 14);
            raise(INDEX, bent, spread);
            raise(MIDDLE, bent, rng.normal(0, 2));
            raise(RING, bent, -spread);
            fold(LITTLE, rng.uniform(0, 0.7));
            thumbOver(LITTLE);
            return;
        }
        double spread = rng.chance(0.25) ? rng.uniform(-2, 4) : rng.uniform(4, 22);
        double lean = rng.normal(0, 4);
        raise(INDEX, bent * rng.uniform(0.5, 1), spread * 0.6 + lean);
        raise(MIDDLE, bent * rng.uniform(0.5, 1), -spread * 0.6 + lean);
        double loose = loose(0.4, 0.6);
        fold(RING, loose);
        fold(LITTLE, loose * 0.8);
        thumbOut(rng.uniform(plain ? 45 : 30, 75), rng.uniform(-0.1, 0.4));
    }

    private void four() {
        fan();
        double[] target = {rng.uniform(-2.4, 1.3) * breadth, rng.uniform(4.6, 8.0), rng.uniform(1.9, 2.8)};
        thumbTo(target, rng.uniform(0, 0.35), 0.7, rng.uniform(0.5, 0.9));
    }

    private void five() {
        fan();
        if (rng.chance(plain ? 0 : 0.12)) { // the thumb points at the viewer, before the edge of the palm
            raised[THUMB] = true;
            double side = rng.uniform(0.25, 0.6);
            double up = rng.uniform(0.35, 0.8);
            chain(THUMB, new double[][] {
                unit(side, 0.75, 0.6),
                unit(side * rng.uniform(0.3, 1), up, 0.8),
                unit(side * rng.uniform(-0.3, 0.8), up, 0.6)
            });
        } else {
            thumbOut(rng.uniform(plain ? 45 : 26, 78), rng.uniform(-0.15, 0.5));
        }
    }

    /** How far something is from straight or closed: 0 mostly and in plain hands, else up to {@code most}. */
    private double loose(double chance, double most) {
        return !plain && rng.chance(chance) ? rng.uniform(0, most) : 0;
    }

    /** Fingers 1..4 raised together, apart or side by side, straight or clawed. */
    private void fan() {
        double bent = loose(0.25, 0.85);
        double spread = rng.chance(0.25) ? rng.uniform(-0.1, 0.2) : rng.uniform(plain ? 0.35 : 0.2, 1.15);
        double lean = rng.normal(0, 3);
        double more = rng.chance(0.3) ? rng.normal(0, 0.25) : 0; // the bend grows or shrinks towards the little finger
        double apart = spread > 0.2 && rng.chance(0.4) ? rng.uniform(0, 18) : 0; // the little finger from the others
        int odd = rng.chance(plain ? 0 : 0.06) ? INDEX + rng.below(4) : 0; // one finger more bent than the others
        for (int f = INDEX; f <= LITTLE; f++) {
            double angle = new double[] {0, 14, 3, -8, -22}[f] * spread
                    + lean
                    + rng.normal(0, 1.5)
                    - (f == LITTLE ? apart : 0);
            double own = f == odd ? rng.uniform(0.4, 1) : 0;
            raise(f, Math.clamp(bent + own + more * (f - 2), 0, 1.25), angle);
        }
    }

    /** @param bent 0 for straight, 1 for half bent (a hook) */
    private void raise(int f, double bent, double spread) {
        raised[f] = true;
        finger(
                f,
                rng.normal(4, 6) + bent * rng.uniform(5, 30),
                Math.max(0, rng.normal(6, 5)) + bent * 42,
                3 + bent * 22,
                spread);
    }

    /** @param loose 0 for a fist, 1 when the fingertip is as far from the palm as for holding a bottle */
    private void fold(int f, double loose) {
        finger(
                f,
                rng.normal(80, 6) - 18 * loose,
                rng.normal(104, 5) - 30 * loose,
                rng.uniform(40, 70) - 20 * loose,
                (2.4 - f) * rng.uniform(-3, 2));
    }

    private void foldThumb(int over) {
        double style = rng.uniform();
        if (style < 0.6) {
            thumbOver(over);
        } else if (style < 0.85) { // its tip at a fingertip: the folded fingers and the thumb make a ring
            double[] tip = joint[over][3];
            thumbTo(
                    new double[] {
                        tip[0] + rng.uniform(0.2, 0.8), tip[1] - rng.uniform(0.4, 1.2), tip[2] + rng.uniform(0.4, 1.2)
                    },
                    0.5,
                    0.3,
                    0.7);
        } else { // beside the hand, against the index finger
            thumbTo(new double[] {2.7 * breadth, rng.uniform(7.0, 8.6), rng.uniform(2.0, 2.8)}, 0.6, 0.7, 0.4);
        }
    }

    /** Across the middle phalanx of a folded finger. */
    private void thumbOver(int f) {
        double[] a = joint[f][1];
        double[] b = joint[f][2];
        double t = rng.uniform(0.2, 0.9);
        thumbTo(
                new double[] {
                    a[0] + t * (b[0] - a[0]) + rng.normal(0.2, 0.4),
                    a[1] + t * (b[1] - a[1]) - 0.3,
                    Math.max(a[2], b[2]) + rng.uniform(0.9, 1.4)
                },
                0.6,
                0.45,
                0.65);
    }

    /** Stretched, {@code degrees} from the direction of the fingers; {@code forward} tilts it out of the palm's plane. */
    private void thumbOut(double degrees, double forward) {
        raised[THUMB] = true;
        double base = degrees * rng.uniform(0.85, 1.05) + 8;
        double bend = rng.uniform(-14, 22); // a hitch-hiker's thumb bends outwards
        double[] d0 = inPlane(base, forward + 0.25);
        double[] d1 = inPlane(degrees - bend * 0.3, forward);
        double[] d2 = inPlane(degrees - bend, forward * 0.6);
        chain(THUMB, new double[][] {d0, d1, d2});
    }

    private static double[] inPlane(double degrees, double forward) {
        double a = Math.toRadians(degrees);
        return unit(StrictMath.sin(a), StrictMath.cos(a), forward);
    }

    /** Flexion at the three joints and spread towards the thumb, in degrees. */
    private void finger(int f, double flex, double bend, double tip, double spread) {
        double s = Math.toRadians(spread);
        double sin = StrictMath.sin(s);
        double cos = StrictMath.cos(s);
        var directions = new double[3][];
        double angle = 0;
        double[] turns = {flex, bend, tip};
        for (int k = 0; k < 3; k++) {
            angle += Math.toRadians(turns[k]);
            double along = StrictMath.cos(angle);
            directions[k] = new double[] {sin * along, cos * along, StrictMath.sin(angle)};
        }
        chain(f, directions);
    }

    private double[] root(int f) {
        if (f == THUMB) {
            return new double[] {1.9 * breadth, 1.6, 0.6};
        }
        double[] k = KNUCKLE[f];
        return new double[] {k[0] * breadth, k[1], k[2]};
    }

    private double lengthOf(int f, int phalanx) {
        return PHALANX[f][phalanx] * (f == THUMB && phalanx == 0 ? 1 : length);
    }

    private void chain(int f, double[][] directions) {
        double[] p = root(f);
        joint[f][0] = p;
        for (int k = 0; k < 3; k++) {
            double l = lengthOf(f, k);
            double[] d = directions[k];
            p = new double[] {p[0] + d[0] * l, p[1] + d[1] * l, p[2] + d[2] * l};
            joint[f][k + 1] = p;
        }
        backOf(f);
    }

    /** Brings the thumb's tip to a point, starting from a pose bent along the given direction (FABRIK, Aristidou 2011). */
    private void thumbTo(double[] target, double x, double y, double z) {
        double[] d = unit(x, y, z);
        chain(THUMB, new double[][] {d, unit(d[0] * 0.5, 0.6, d[2] * 0.7), unit(-0.3, 0.8, 0.2)});
        double[][] p = joint[THUMB];
        double[] root = p[0];
        for (int round = 0; round < 8; round++) {
            p[3] = target;
            for (int k = 2; k >= 0; k--) {
                p[k] = toward(p[k + 1], p[k], lengthOf(THUMB, k));
            }
            p[0] = root;
            for (int k = 1; k <= 3; k++) {
                p[k] = toward(p[k - 1], p[k], lengthOf(THUMB, k - 1));
            }
        }
        backOf(THUMB);
    }

    private static double[] toward(double[] from, double[] to, double distance) {
        double[] d = unit(to[0] - from[0], to[1] - from[1], to[2] - from[2]);
        return new double[] {from[0] + d[0] * distance, from[1] + d[1] * distance, from[2] + d[2] * distance};
    }

    /** The side on which the nail is: across the last phalanx and the finger's axis of bending. */
    private void backOf(int f) {
        double[] a = joint[f][2];
        double[] b = joint[f][3];
        double[] d = unit(b[0] - a[0], b[1] - a[1], b[2] - a[2]);
        // Fingers bend about the x axis; the thumb's nail faces mostly away from the index finger.
        double[] axis = f == THUMB ? unit(0.3, -0.3, 1) : unit(1, 0, 0);
        backOf[f] =
                unit(d[1] * axis[2] - d[2] * axis[1], d[2] * axis[0] - d[0] * axis[2], d[0] * axis[1] - d[1] * axis[0]);
        if (f != THUMB) {
            backOf[f] = new double[] {-backOf[f][0], -backOf[f][1], -backOf[f][2]};
        }
    }

    private void palm() {
        double t = thickness;
        double w = breadth;
        // The metacarpals overlap into one slab; the balls of the thumb and of the little finger lie in front of it.
        for (int f = INDEX; f <= LITTLE; f++) {
            double[] k = KNUCKLE[f];
            add(PALM, (1.6 - 0.95 * (f - 1)) * w, 0.8, 0, 1.35 * t, k[0] * w, k[1] - 0.3, k[2], 1.12 * t, 0, 0, -1);
        }
        add(PALM, 0.3 * w, 1.5, 0.1, 1.6 * t, 0.5 * w, 7, 0.1, 1.4 * t, 0, 0, -1);
        add(PALM, -1.4 * w, 1.2, 0.5, 1.5 * t, -2.3 * w, 6.3, 0.45, 1.2 * t, 0, 0, -1);
        double[] m = joint[THUMB][1];
        add(PALM, 1.2 * w, 1.6, 0.4, 1.6 * t, m[0] * 0.8 + 0.2, m[1] * 0.8 + 0.4, m[2] * 0.8, 1.4 * t, 0, 0, -1);
        // Skin between thumb and index finger.
        add(PALM, 1.6 * w, 4.2, 0.2, 1.3 * t, m[0] * 0.6 + 0.9, m[1] * 0.6 + 2.4, m[2] * 0.6, 0.9 * t, 0, 0, -1);
    }

    private void flesh(int f) {
        tip[f] = count + 2;
        double[] r = RADIUS[f];
        double[] b = backOf[f];
        for (int k = 0; k < 3; k++) {
            double[] p = joint[f][k];
            double[] q = joint[f][k + 1];
            double end = k == 2 ? r[3] : r[k + 1];
            double shorten = k == 2 ? end * thickness * 0.8 / lengthOf(f, k) : 0; // the tip's sphere ends at the tip
            add(
                    k == 2 ? TIP : f == THUMB && k == 0 ? PALM : FINGER,
                    p[0],
                    p[1],
                    p[2],
                    r[k] * thickness,
                    q[0] + (p[0] - q[0]) * shorten,
                    q[1] + (p[1] - q[1]) * shorten,
                    q[2] + (p[2] - q[2]) * shorten,
                    end * thickness,
                    b[0],
                    b[1],
                    b[2]);
        }
    }

    /**
     * Adds the forearm.
     *
     * @param d its direction, a unit vector in the hand's frame; (0, -1, 0) is a straight wrist
     * @param sleeve where a sleeve begins, centimetres from the wrist, or a large number for a bare arm
     */
    void arm(double[] d, double sleeve) {
        double t = thickness;
        for (int s = -1; s <= 1; s++) { // side by side: the arm is wider than thick
            double x = s * 1.05 * breadth;
            double wide = s * 0.9;
            add(ARM, x, 1.0, 0, 1.5 * t, x + d[0] * 5, d[1] * 5, d[2] * 5, 1.7 * t, 0, 0, -1);
            add(
                    ARM,
                    x + d[0] * 5,
                    d[1] * 5,
                    d[2] * 5,
                    1.7 * t,
                    x + d[0] * 18 + wide,
                    d[1] * 18,
                    d[2] * 18,
                    2.8 * t,
                    0,
                    0,
                    -1);
        }
        add(ARM, d[0] * 18, d[1] * 18, d[2] * 18, 3.7 * t, d[0] * 50, d[1] * 50, d[2] * 50, 4.2 * t, 0, 0, -1);
        if (sleeve < 30) {
            double r = 3.6 + 0.05 * sleeve;
            add(
                    SLEEVE,
                    d[0] * sleeve,
                    d[1] * sleeve,
                    d[2] * sleeve,
                    r,
                    d[0] * 50,
                    d[1] * 50,
                    d[2] * 50,
                    r + 3,
                    0,
                    0,
                    -1);
        }
    }

    private void add(
            int k,
            double x0,
            double y0,
            double z0,
            double r0,
            double x1,
            double y1,
            double z1,
            double r1,
            double bx,
            double by,
            double bz) {
        int e = count * 8;
        ends[e] = x0;
        ends[e + 1] = y0;
        ends[e + 2] = z0;
        ends[e + 3] = r0;
        ends[e + 4] = x1;
        ends[e + 5] = y1;
        ends[e + 6] = z1;
        ends[e + 7] = r1;
        kind[count] = k;
        back[count * 3] = bx;
        back[count * 3 + 1] = by;
        back[count * 3 + 2] = bz;
        count++;
    }

    /** Applies a 3x3 matrix, row by row, to everything. */
    void turn(double[] m) {
        for (int i = 0; i < count * 2; i++) {
            apply(m, ends, i * 4);
        }
        for (int i = 0; i < count; i++) {
            apply(m, back, i * 3);
        }
    }

    private static void apply(double[] m, double[] v, int at) {
        double x = v[at];
        double y = v[at + 1];
        double z = v[at + 2];
        v[at] = m[0] * x + m[1] * y + m[2] * z;
        v[at + 1] = m[3] * x + m[4] * y + m[5] * z;
        v[at + 2] = m[6] * x + m[7] * y + m[8] * z;
    }

    private static double[] unit(double x, double y, double z) {
        double l = Math.max(1e-9, Math.sqrt(x * x + y * y + z * z));
        return new double[] {x / l, y / l, z / l};
    }
}
