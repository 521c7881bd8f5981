package gradus.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import gradus.train.Batch;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BooleanSupplier;
import java.util.function.IntToDoubleFunction;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class BatchPipelineTest {
    private static final Dataset SIGNS = HandSigns.generate(50, 2);

    private static List<Batch> all(BatchPipeline pipeline, int epoch) {
        var list = new ArrayList<Batch>();
        pipeline.epoch(epoch).forEach(list::add);
        return list;
    }

    @Test
    void sameSeedAndEpochGiveTheSameBits() {
        var a = BatchPipeline.training(SIGNS, 16, 7, Augmentation.SIGNS.withCutout(0.2), Preprocess.TORCH);
        var b = BatchPipeline.training(SIGNS, 16, 7, Augmentation.SIGNS.withCutout(0.2), Preprocess.TORCH);
        b.epoch(0).iterator().next(); // what was read before has no influence
        var first = all(a, 3);
        assertEquals(first, all(b, 3));
        assertEquals(List.of(16, 16, 16, 2), first.stream().map(Batch::size).toList());
        assertNotEquals(first, all(a, 4));
        assertNotEquals(first, all(BatchPipeline.training(SIGNS, 16, 8, Augmentation.SIGNS, Preprocess.TORCH), 3));
    }

    @Test
    void everySampleComesOnceAnEpoch() {
        var pipeline = BatchPipeline.training(SIGNS, 8, 1, Augmentation.NONE, Preprocess.RAW);
        assertArrayEquals(
                IntStream.range(0, 50).toArray(),
                IntStream.of(pipeline.order(5)).sorted().toArray());
        int at = 0;
        var pixels = new byte[SIGNS.imageSize()];
        for (var batch : pipeline.epoch(5)) {
            for (int i = 0; i < batch.size(); i++, at++) {
                int index = pipeline.order(5)[at];
                assertEquals(SIGNS.label(index), batch.y().get(i));
                SIGNS.image(index, pixels);
                assertEquals(pixels[77] & 255, batch.x().get(i * pixels.length + 77));
            }
        }
        assertEquals("(2, 64, 64, 3)", all(pipeline, 0).getLast().x().shape().toString());
        assertEquals(null, all(pipeline, 0).getLast().weight());
    }

    @Test
    void lastBatchCanBeDropped() {
        var pipeline = new BatchPipeline(SIGNS, 16, 0, false, Augmentation.NONE, Preprocess.UNIT, true);
        assertEquals(48, pipeline.size());
        assertEquals(3, all(pipeline, 0).size());
        assertThrows(
                DataException.class,
                () -> new BatchPipeline(SIGNS, 51, 0, false, Augmentation.NONE, Preprocess.UNIT, true));
        assertThrows(DataException.class, () -> BatchPipeline.evaluation(SIGNS, 0, Preprocess.UNIT));
        assertThrows(DataException.class, () -> BatchPipeline.evaluation(SIGNS, 1 << 20, Preprocess.UNIT));
        assertThrows(DataException.class, () -> BatchPipeline.evaluation(SIGNS.subset(), 1, Preprocess.UNIT));
    }

    /** Counts reads; fails at one index. */
    private static class Watched implements Dataset {
        private final Dataset of;
        private final AtomicInteger reads;
        private final int bad;

        Watched(Dataset of, AtomicInteger reads, int bad) {
            this.of = of;
            this.reads = reads;
            this.bad = bad;
        }

        @Override
        public String name() {
            return "watched";
        }

        @Override
        public int size() {
            return of.size();
        }

        @Override
        public int height() {
            return of.height();
        }

        @Override
        public int width() {
            return of.width();
        }

        @Override
        public int channels() {
            return of.channels();
        }

        @Override
        public List<String> labels() {
            return of.labels();
        }

        @Override
        public int label(int i) {
            return of.label(i);
        }

        @Override
        public void image(int i, byte[] out) {
            reads.incrementAndGet();
            if (i == bad) {
                throw new IllegalStateException("cannot read this one");
            }
            of.image(i, out);
        }

        @Override
        public String source(int i) {
            return "file-" + i + ".png";
        }
    }

    @Test
    void readingAheadIsBoundedAndStops() throws InterruptedException {
        var reads = new AtomicInteger();
        var pipeline = BatchPipeline.evaluation(new Watched(SIGNS, reads, -1), 5, Preprocess.UNIT);
        try (var batches = pipeline.batches(0)) {
            batches.next();
            Thread.sleep(100);
            assertTrue(reads.get() <= 25, "one batch asked for, " + reads + " samples read");
        }
        int read = reads.get();
        Thread.sleep(100);
        assertEquals(read, reads.get());
        var closed = pipeline.batches(0);
        closed.close();
        assertFalse(closed.hasNext());
        assertThrows(NoSuchElementException.class, closed::next);
    }

    /** Whoever reads ahead when nobody wants more is interrupted: a picture may come from a slow place. */
    @Test
    void closingInterruptsThoseWhoReadAhead() throws InterruptedException {
        var reading = new AtomicInteger();
        var interrupted = new AtomicInteger();
        var never = new CountDownLatch(1);
        Dataset slow = new Watched(SIGNS, new AtomicInteger(), -1) {
            @Override
            public void image(int i, byte[] out) {
                super.image(i, out);
                if (i >= 5) {
                    reading.incrementAndGet();
                    try {
                        never.await();
                    } catch (InterruptedException e) {
                        interrupted.incrementAndGet();
                        throw new DataException("interrupted");
                    }
                }
            }
        };
        try (var batches = BatchPipeline.evaluation(slow, 5, Preprocess.UNIT).batches(0)) {
            batches.next();
            await(() -> reading.get() > 0);
            assertEquals(0, interrupted.get());
        }
        await(() -> interrupted.get() > 0 && interrupted.get() == reading.get());
    }

    private static void await(BooleanSupplier condition) throws InterruptedException {
        for (int i = 0; i < 3000 && !condition.getAsBoolean(); i++) {
            Thread.sleep(10);
        }
        assertTrue(condition.getAsBoolean());
    }

    @Test
    void errorsNameTheFileAndReachTheReader() {
        var pipeline = BatchPipeline.evaluation(new Watched(SIGNS, new AtomicInteger(), 13), 5, Preprocess.UNIT);
        try (var batches = pipeline.batches(0)) {
            batches.next();
            batches.next();
            var e = assertThrows(DataException.class, batches::next);
            assertTrue(e.getMessage().contains("file-13.png"), e.getMessage());
            assertFalse(batches.hasNext());
        }
    }

    @Test
    void preprocessing() {
        byte[] pixel = {(byte) 255, 0, 51};
        assertArrayEquals(new float[] {255, 0, 51}, convert(Preprocess.RAW, pixel));
        assertArrayEquals(new float[] {1, 0, 0.2f}, convert(Preprocess.UNIT, pixel));
        assertArrayEquals(new float[] {1, -1, -0.6f}, convert(Preprocess.TF, pixel), 1e-7f);
        assertArrayEquals(new float[] {51 - 103.939f, -116.779f, 255 - 123.68f}, convert(Preprocess.CAFFE, pixel));
        assertArrayEquals(new float[] {2.2489083f, -2.0357143f, -0.9155556f}, convert(Preprocess.TORCH, pixel), 1e-6f);
        // means 128, 0, 51; squares of deviations 127^2 twice
        byte[] two = {(byte) 255, 0, 51, 1, 0, 51};
        var standard = new float[6];
        Preprocess.STANDARDIZE.convert(two, 6, 3, standard, 0);
        float one = (float) Math.sqrt(3);
        assertArrayEquals(new float[] {one, 0, 0, -one, 0, 0}, standard, 1e-6f);
        assertArrayEquals(new float[] {0, 0, 0}, convert(Preprocess.STANDARDIZE, pixel));
        // a deviation of 2 counts as 4: noise of a dark picture is not blown up
        Preprocess.STANDARDIZE.convert(new byte[] {126, 126, 126, 122, 122, 122}, 6, 3, standard, 0);
        assertArrayEquals(new float[] {0.5f, 0.5f, 0.5f, -0.5f, -0.5f, -0.5f}, standard, 1e-6f);
        var grey = new float[2];
        Preprocess.UNIT.convert(new byte[] {0, (byte) 255}, 2, 1, grey, 0);
        assertArrayEquals(new float[] {0, 1}, grey);
        assertThrows(DataException.class, () -> Preprocess.CAFFE.convert(pixel, 1, 1, grey, 0));
    }

    private static float[] convert(Preprocess mode, byte[] pixel) {
        var out = new float[4];
        mode.convert(pixel, 3, 3, out, 1);
        return Arrays.copyOfRange(out, 1, 4);
    }

    private static byte[] augment(Augmentation a, byte[] in, int height, int width, int index) {
        var out = new byte[in.length];
        a.apply(in, out, height, width, in.length / height / width, 1, 0, index);
        return out;
    }

    @Test
    void augmentationChangesWhatItIsAskedTo() {
        var in = HandSignsTest.pixels(SIGNS, 0);
        assertArrayEquals(in, augment(Augmentation.NONE, in, 64, 64, 0));
        byte[] row = {1, 2, 3, 4};
        byte[] mirrored = {4, 3, 2, 1};
        int flips = 0;
        var crops = new TreeSet<String>();
        for (int i = 0; i < 100; i++) {
            var out = augment(Augmentation.NONE.withFlip(true), row, 1, 4, i);
            assertTrue(Arrays.equals(out, row) || Arrays.equals(out, mirrored));
            flips += Arrays.equals(out, mirrored) ? 1 : 0;
            var shifted = augment(Augmentation.NONE.withCrop(1), row, 1, 4, i);
            crops.add(Arrays.toString(shifted));
        }
        assertEquals(Set.of("[1, 1, 2, 3]", "[1, 2, 3, 4]", "[2, 3, 4, 4]"), crops);
        assertEquals(Augmentation.NONE.withFlip(true).withCrop(4), Augmentation.CIFAR);
        assertTrue(flips > 30 && flips < 70, flips + " of 100 mirrored");
        assertArrayEquals(augment(Augmentation.SIGNS, in, 64, 64, 5), augment(Augmentation.SIGNS, in, 64, 64, 5));
        assertFalse(
                Arrays.equals(augment(Augmentation.SIGNS, in, 64, 64, 5), augment(Augmentation.SIGNS, in, 64, 64, 6)));
        // A flat picture stays flat whatever the geometry, and cutout paints a square of half the side: a quarter at
        // most.
        var flat = new byte[64 * 64 * 3];
        Arrays.fill(flat, (byte) 90);
        assertArrayEquals(
                flat, augment(Augmentation.NONE.withRotate(45).withZoom(0.5).withShift(0.3), flat, 64, 64, 0));
        int painted = 0;
        for (byte b : augment(Augmentation.NONE.withCutout(0.5), flat, 64, 64, 3)) {
            painted += b == 90 ? 0 : 1;
        }
        assertTrue(painted > 0 && painted <= flat.length / 4, painted + " bytes");
        // Brightness adds up to a tenth of white either way, contrast moves away from mid-grey or to it.
        range(75, 105, 90 - 25.5, 90 + 25.5, i -> augment(Augmentation.NONE.withBrightness(0.1), flat, 64, 64, i)[7]);
        range(
                86,
                94,
                127.5 - 37.5 * 1.15,
                127.5 - 37.5 * 0.85,
                i -> augment(Augmentation.NONE.withContrast(0.15), flat, 64, 64, i)[7]);
        byte[] grey = {127};
        range(127, 127, 127, 127, i -> augment(Augmentation.NONE.withContrast(0.15), grey, 1, 1, i)[0]);
        assertThrows(DataException.class, () -> Augmentation.NONE.withShift(-1));
        assertThrows(DataException.class, () -> Augmentation.NONE.withContrast(1));
        assertThrows(DataException.class, () -> Augmentation.NONE.withZoom(Double.NaN));
    }

    /** Over many samples, the least value is at most {@code low}, the largest at least {@code high}, all within bounds. */
    private static void range(double low, double high, double least, double most, IntToDoubleFunction sample) {
        var all = IntStream.range(0, 200).mapToDouble(sample).summaryStatistics();
        assertTrue(all.getMin() <= low && all.getMax() >= high, all.toString());
        assertTrue(all.getMin() >= least - 1 && all.getMax() <= most + 1, all.toString());
    }

    /** Where a bright spot, 20 pixels to the right of the middle, comes to lie: column and row from the middle. */
    private static double[] spot(Augmentation a, int index) {
        int side = 65;
        var in = new byte[side * side];
        for (int y = -2; y <= 2; y++) {
            for (int x = -2; x <= 2; x++) {
                in[(32 + y) * side + 52 + x] = (byte) 200;
            }
        }
        byte[] out = augment(a, in, side, side, index);
        double mass = 0;
        double column = 0;
        double row = 0;
        for (int i = 0; i < out.length; i++) {
            int v = out[i] & 255;
            mass += v;
            column += v * (i % side - 32);
            row += v * (i / side - 32);
        }
        return new double[] {column / mass, row / mass};
    }

    @Test
    void geometryIsWithinItsBoundsAndReachesThem() {
        var rotate = Augmentation.NONE.withRotate(45);
        range(-35, 35, -45, 45, i -> Math.toDegrees(Math.atan2(spot(rotate, i)[1], spot(rotate, i)[0])));
        range(20.1, 19.9, 19.5, 20.5, i -> Math.hypot(spot(rotate, i)[0], spot(rotate, i)[1]));
        var zoom = Augmentation.NONE.withZoom(0.4); // as often larger as smaller
        range(-0.25, 0.25, -Math.log(1.4), Math.log(1.4), i -> Math.log(spot(zoom, i)[0] / 20));
        double mean = IntStream.range(0, 400)
                .mapToDouble(i -> Math.log(spot(zoom, i)[0] / 20))
                .average()
                .orElseThrow();
        assertEquals(0, mean, 0.04);
        var shift = Augmentation.NONE.withShift(0.1);
        range(20 - 5.5, 20 + 5.5, 20 - 6.5, 20 + 6.5, i -> spot(shift, i)[0]);
        range(-5.5, 5.5, -6.5, 6.5, i -> spot(shift, i)[1]);
    }
}
