package gradus.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.zip.GZIPOutputStream;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class DatasetsTest {
    @TempDir
    Path dir;

    private static String fails(String spec) {
        return assertThrows(DataException.class, () -> Datasets.open(spec)).getMessage();
    }

    private static void assertContains(String text, String part) {
        assertTrue(text.contains(part), text);
    }

    private static void png(Path file, int size, int grey) throws IOException {
        Files.createDirectories(file.getParent());
        var image = new BufferedImage(size, size, BufferedImage.TYPE_INT_RGB);
        for (int i = 0; i < size * size; i++) {
            image.setRGB(i % size, i / size, grey * 0x010101);
        }
        ImageIO.write(image, "png", file.toFile());
    }

    @Test
    void unknownKindsListTheKnownOnes() {
        for (String spec : List.of("mnist", "", "cifar100:x", "signs", "idx:")) {
            assertContains(fails(spec), "cifar10:FILE");
        }
        assertContains(fails("generated:many"), "number");
        assertContains(fails("generated:0"), "1 or more");
        assertThrows(DataException.class, () -> Datasets.open("generated:6", 0, 32, 0));
    }

    @Test
    void generated() {
        var split = Datasets.open("generated:12", 5, 0, 0);
        assertEquals(12, split.train().size());
        assertEquals(60, split.validation().size());
        assertEquals(60, split.test().size());
        var small = Datasets.open("generated:12", 5, 32, 48).train();
        assertEquals(32 * 48 * 3, small.imageSize());
        small.image(0, new byte[small.imageSize()]);
        var first = HandSignsTest.pixels(split.train(), 0);
        assertTrue(!Arrays.equals(first, HandSignsTest.pixels(split.test(), 0)));
    }

    @Test
    void signs() throws IOException {
        png(dir.resolve("train_signs/0_a (1).png"), 8, 10);
        png(dir.resolve("val_signs/1_b.png"), 8, 20);
        png(dir.resolve("test_signs/5_c.png"), 8, 30);
        var csv = dir.resolve("labels.csv");
        Files.writeString(
                csv,
                "split,file,label\n"
                        + "train,train_signs/0_a (1).png,0\n"
                        + "val,val_signs/1_b.png,1\n"
                        + "test,test_signs/5_c.png,5\n");
        var split = Datasets.open("signs:" + dir);
        assertEquals(0, split.train().label(0));
        assertEquals(1, split.validation().label(0));
        assertEquals(5, split.test().label(0));
        assertEquals(30, HandSignsTest.pixels(split.test(), 0)[7]);
        var both = split.train().concat(split.validation());
        assertEquals(20, HandSignsTest.pixels(both, 1)[0]);
        assertContains(both.source(1), "1_b.png");

        Files.writeString(csv, "train,train_signs/0_a (1).png,6\n");
        assertContains(fails("signs:" + dir), "label '6'");
        Files.writeString(csv, "train,train_signs/0_a (1).png,x\n");
        assertContains(fails("signs:" + dir), "line 1");
        Files.writeString(csv, "split,file,label\nother,train_signs/0_a (1).png,1\n");
        assertContains(fails("signs:" + dir), "line 2");
        Files.writeString(csv, "train,train_signs/none.png,1\n");
        assertContains(fails("signs:" + dir), "none.png");
        Files.writeString(csv, "\ufeffsplit,file,label\ntrain,train_signs/0_a (1).png,3\n");
        assertEquals(3, Datasets.open("signs:" + dir).train().label(0));
        Files.writeString(csv, "split,file,label\ntrain,a\0b.png,1\n");
        assertContains(fails("signs:" + dir), "line 2: 'a?b.png' cannot be the name of a file");
        Files.writeString(csv, "split,file,label\n");
        assertContains(fails("signs:" + dir), "no files");
        assertContains(fails("signs:" + dir.resolve("nowhere")), "no such file");
    }

    @Test
    void foldersByClass() throws IOException {
        for (int i = 0; i < 60; i++) {
            png(dir.resolve("one").resolve((i % 2 == 0 ? "cat/" : "dog/") + i + ".png"), 4, i);
        }
        var split = Datasets.open("images:" + dir.resolve("one"));
        assertEquals(List.of("cat", "dog"), split.train().labels());
        assertEquals(
                60,
                split.train().size() + split.validation().size() + split.test().size());
        assertTrue(split.train().size() >= 40
                && split.validation().size() > 0
                && split.test().size() > 0);
        // Each file is in exactly one part, and in the same one every time.
        var again = Datasets.open("images:" + dir.resolve("one"), 99, 6, 6);
        assertEquals(6, again.test().height());
        for (int i = 0; i < split.test().size(); i++) {
            assertEquals(split.test().source(i), again.test().source(i));
        }
        assertEquals(
                Integer.parseInt(Path.of(split.train().source(0))
                        .getFileName()
                        .toString()
                        .replace(".png", "")),
                HandSignsTest.pixels(split.train(), 0)[0]);

        png(dir.resolve("two/train/a/1.png"), 4, 1);
        png(dir.resolve("two/train/b/2.png"), 4, 2);
        png(dir.resolve("two/validation/b/3.png"), 4, 3);
        png(dir.resolve("two/test/b/4.png"), 8, 4);
        var given = Datasets.open("images:" + dir.resolve("two"));
        assertEquals(2, given.train().size());
        assertEquals(1, given.validation().label(0));
        assertEquals(4, given.test().height());
        assertEquals(4, HandSignsTest.pixels(given.test(), 0)[0]);
        png(dir.resolve("two/test/c/4.png"), 8, 4);
        assertContains(fails("images:" + dir.resolve("two")), "class");

        Files.createDirectories(dir.resolve("empty/a"));
        assertContains(fails("images:" + dir.resolve("empty")), "no pictures");
        assertContains(fails("images:" + dir.resolve("empty/a")), "no folders");
        assertContains(fails("images:" + dir.resolve("nowhere")), "nowhere");
    }

    /** What a network is judged on is what it predicts from: the middle of a picture file, not all of it squeezed. */
    @Test
    void framedAsTheNetworkSeesThem() throws IOException {
        var image = new BufferedImage(40, 20, BufferedImage.TYPE_INT_RGB);
        for (int i = 0; i < 40 * 20; i++) {
            image.setRGB(i % 40, i / 40, i % 40 * 6 * 0x010101);
        }
        for (String split : List.of("train", "test")) {
            Path file = dir.resolve(split + "/a/wide.png");
            Files.createDirectories(file.getParent());
            ImageIO.write(image, "png", file.toFile());
        }
        var pictures = new Pictures(16, 16, 3, Preprocess.UNIT, 18);
        var test = Datasets.open("images:" + dir).test();
        var seen = test.subset(0).concat(test).framed(pictures);
        var expected =
                pictures.framed(ImageInput.read(dir.resolve("test/a/wide.png"))).pixels();
        assertArrayEquals(expected, HandSignsTest.pixels(seen, 0));
        assertArrayEquals(expected, HandSignsTest.pixels(seen, 1));
        assertTrue(!Arrays.equals(expected, HandSignsTest.pixels(test.resized(16, 16), 0)));
    }

    @Test
    void cifar() throws IOException {
        var bytes = new byte[3073 * 30];
        for (int i = 0; i < 30; i++) {
            bytes[i * 3073] = (byte) (i % 10);
            Arrays.fill(bytes, i * 3073 + 1, i * 3073 + 1025, (byte) 1);
            Arrays.fill(bytes, i * 3073 + 1025, i * 3073 + 2049, (byte) 2);
            Arrays.fill(bytes, i * 3073 + 2049, (i + 1) * 3073, (byte) i);
        }
        var train = Files.write(dir.resolve("data_batch_1.bin"), bytes);
        var test = Files.write(dir.resolve("test_batch.bin"), Arrays.copyOf(bytes, 3073 * 2));
        var split = Datasets.open("cifar10:" + train + "," + test);
        assertEquals(30, split.train().size() + split.validation().size());
        assertTrue(split.validation().size() > 0);
        assertEquals(2, split.test().size());
        assertEquals(1, split.test().label(1));
        assertArrayEquals(new byte[] {1, 2, 1, 1, 2, 1}, Arrays.copyOf(HandSignsTest.pixels(split.test(), 1), 6));
        assertEquals("frog", split.test().labels().get(6));

        Files.write(test, Arrays.copyOf(bytes, 4000));
        assertContains(fails("cifar10:" + test), "truncated");
        bytes[3073] = 10;
        Files.write(train, bytes);
        assertContains(fails("cifar10:" + train), "label 10");
        assertContains(fails("cifar10:" + dir.resolve("none.bin")), "no such file");
    }

    private static byte[] idx(int magic, int... dims) {
        int size = Arrays.stream(dims).reduce(1, (a, b) -> a * b);
        var b = ByteBuffer.allocate(4 + 4 * dims.length + size).putInt(magic);
        Arrays.stream(dims).forEach(b::putInt);
        for (int i = 0; i < size; i++) {
            b.put((byte) (i % 10));
        }
        return b.array();
    }

    private static byte[] gzip(byte[] bytes) throws IOException {
        var out = new ByteArrayOutputStream();
        try (var zip = new GZIPOutputStream(out)) {
            zip.write(bytes);
        }
        return out.toByteArray();
    }

    @Test
    void idxFiles() throws IOException {
        Files.write(dir.resolve("train-images-idx3-ubyte"), idx(0x803, 40, 2, 3));
        Files.write(dir.resolve("train-labels-idx1-ubyte"), idx(0x801, 40));
        Files.write(dir.resolve("t10k-images-idx3-ubyte.gz"), gzip(idx(0x803, 7, 2, 3)));
        Files.write(dir.resolve("t10k-labels-idx1-ubyte.gz"), gzip(idx(0x801, 7)));
        var split = Datasets.open("idx:" + dir);
        assertEquals(40, split.train().size() + split.validation().size());
        assertEquals(7, split.test().size());
        assertEquals(1, split.test().channels());
        assertEquals(6, split.test().label(6));
        assertArrayEquals(new byte[] {6, 7, 8, 9, 0, 1}, HandSignsTest.pixels(split.test(), 1));
        assertArrayEquals(
                new byte[] {6, 6, 6, 7, 7, 7},
                Arrays.copyOf(HandSignsTest.pixels(split.test().rgb(), 1), 6));
        assertEquals(8, Datasets.open("idx:" + dir, 0, 8, 8).test().width());
    }

    @Test
    void damagedIdxFiles() throws IOException {
        var images = dir.resolve("images");
        var labels = Files.write(dir.resolve("labels"), idx(0x801, 20));
        String spec = "idx:" + images + "," + labels;
        assertContains(fails(spec), "no such file");
        Files.write(images, idx(0x803, 20, 2, 2));
        assertEquals(
                20,
                Arrays.stream(Datasets.open(spec).train().counts()).sum()
                        + Datasets.open(spec).validation().size()
                        + Datasets.open(spec).test().size());
        Files.write(images, idx(0x801, 20));
        assertContains(fails(spec), "begins with 00000801");
        Files.write(images, Arrays.copyOf(idx(0x803, 20, 2, 2), 50));
        assertContains(fails(spec), "truncated");
        Files.write(images, idx(0x803, 19, 2, 2));
        assertContains(fails(spec), "19 pictures");
        Files.write(
                images,
                ByteBuffer.allocate(16)
                        .putInt(0x803)
                        .putInt(2)
                        .putInt(1 << 30)
                        .putInt(1 << 30)
                        .array());
        assertContains(fails(spec), "dimension");
        byte[] zipped = gzip(idx(0x803, 20, 2, 2));
        Files.write(images, Arrays.copyOf(zipped, zipped.length / 2));
        assertContains(fails(spec), "truncated");
        zipped[zipped.length - 5] ^= 1; // in the checksum
        Files.write(images, zipped);
        assertContains(fails(spec), "images");
        Files.write(images, Arrays.copyOf(idx(0x803, 20, 2, 2), 100));
        assertContains(fails(spec), "more");
        for (boolean zip : new boolean[] {false, true}) { // 784 million bytes out of a few
            byte[] head = ByteBuffer.allocate(1000)
                    .putInt(0x803)
                    .putInt(1_000_000)
                    .putInt(28)
                    .putInt(28)
                    .array();
            Files.write(images, zip ? gzip(head) : head);
            assertContains(fails(spec), "cannot hold the 784000000 that its header speaks of");
        }
        Files.write(images, new byte[] {0x1f, (byte) 0x8b, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9});
        assertContains(fails(spec), "images");
        Files.write(images, new byte[0]);
        assertContains(fails(spec), "truncated");
        assertContains(fails("idx:" + dir.resolve("nothing")), "train-images");
    }

    @Test
    void viewsCheckTheirArguments() {
        var data = HandSigns.generate(6, 1);
        assertThrows(DataException.class, () -> data.subset(6));
        assertThrows(DataException.class, () -> data.concat(data.resized(32, 32)));
        assertThrows(
                DataException.class,
                () -> data.concat(new Images("x", 64, 64, 3, List.of("a"), new byte[0][], new int[0])));
        assertThrows(
                DataException.class, () -> new Images("x", 1, 1, 1, List.of("a"), new byte[][] {{1}}, new int[] {1}));
        assertThrows(
                DataException.class,
                () -> new Images("x", 1, 1, 1, List.of("a"), new byte[][] {{1, 2}}, new int[] {0}));
        assertThrows(DataException.class, () -> new Images("x", 1, 1, 1, List.of("a"), new byte[][] {{1}}, new int[0]));
        assertEquals(data.label(4), data.slice(3, 6).label(1));
        assertEquals(12, data.concat(data).size());
    }
}
