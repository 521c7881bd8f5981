package gradus.data;

import gradus.io.FileException;
import java.io.BufferedInputStream;
import java.io.DataInputStream;
import java.io.EOFException;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.IntStream;
import java.util.zip.GZIPInputStream;
import java.util.zip.ZipException;

/** Opens data sets by a short description, as it is given on a command line. */
public final class Datasets {
    /** The descriptions {@link #open} knows. */
    public static final List<String> KNOWN = List.of(
            "generated[:COUNT]      hand signs 0..5, 64x64, made up; COUNT for training (6000), tests on top",
            "signs:DIR              labels.csv with split,file,label beside the files it names",
            "images:DIR             DIR/CLASS/*, or DIR/{train,val,test}/CLASS/*",
            "cifar10:FILE[,FILE..]  CIFAR-10 in its binary form; files with 'test' in their name are the test part",
            "idx:DIR                MNIST's files, plain or .gz; or idx:IMAGES,LABELS");

    private static final List<String> CIFAR10 =
            List.of("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck");

    private static final int CIFAR_RECORD = 1 + 3 * 32 * 32;

    private Datasets() {}

    /** As {@link #open(String, long, int, int)}, with seed 0 and pictures of their own size. */
    public static DataSplit open(String spec) {
        return open(spec, 0, 0, 0);
    }

    /**
     * Opens a data set.
     *
     * <p>Sets without a validation or test part of their own have a tenth of the training files put aside for it, chosen by
     * a hash of the file's name or the record's number, so that it is the same tenth every time.
     *
     * @param spec one of {@link #KNOWN}
     * @param seed what {@code generated} pictures depend on; without influence on the others
     * @param height of the pictures, resized if they have another one; 0 for their own (of {@code images:} the first one's)
     * @param width likewise; both or none must be 0
     * @throws DataException for an unknown description, a file that is missing or damaged, or a label out of range
     */
    public static DataSplit open(String spec, long seed, int height, int width) {
        if (height < 0 || width < 0 || (height == 0) != (width == 0)) {
            throw new DataException("picture size %dx%d: give both sides, or 0 and 0".formatted(height, width));
        }
        int colon = spec.indexOf(':');
        String kind = colon < 0 ? spec : spec.substring(0, colon);
        String rest = colon < 0 ? "" : spec.substring(colon + 1);
        if (rest.isBlank() && List.of("signs", "images", "cifar10", "idx").contains(kind)) {
            throw new DataException("'" + spec + "' names no file; known are" + known());
        }
        var split = switch (kind) {
            case "generated" -> generated(rest, seed);
            case "signs" -> signs(path(rest, ""));
            case "images" -> images(path(rest, ""), height, width);
            case "cifar10" -> cifar10(paths(rest));
            case "idx" -> idx(paths(rest));
            default -> throw new DataException("unknown data set '" + spec + "'; known are" + known());
        };
        return height == 0
                ? split
                : new DataSplit(
                        split.train().resized(height, width),
                        split.validation().resized(height, width),
                        split.test().resized(height, width));
    }

    private static String known() {
        return ":\n  " + String.join("\n  ", KNOWN);
    }

    private static List<Path> paths(String text) {
        var paths = new ArrayList<Path>();
        for (String part : text.split("[," + File.pathSeparator + "]")) {
            if (!part.isBlank()) {
                paths.add(path(part.strip(), ""));
            }
        }
        return paths;
    }

    /** @throws DataException for text that cannot be a path, which depends on the system's encoding of names */
    private static Path path(String text, String where) {
        try {
            return Path.of(text);
        } catch (InvalidPathException e) {
            throw new DataException(
                    where + "'" + text.replaceAll("\\p{Cntrl}", "?") + "' cannot be the name of a file here ("
                            + e.getReason() + "); rename it, or use a locale that has its characters",
                    e);
        }
    }

    // --- generated ---

    private static DataSplit generated(String text, long seed) {
        int count;
        try {
            count = text.isEmpty() ? 6000 : Integer.parseInt(text);
        } catch (NumberFormatException e) {
            throw new DataException("generated:" + text + ": COUNT must be a number, for instance generated:6000", e);
        }
        if (count < 1) {
            throw new DataException("generated:" + text + ": COUNT must be 1 or more");
        }
        int rest = Math.clamp(count / 10, 60, 600);
        return new DataSplit(
                HandSigns.generate(count, seed),
                HandSigns.generate(rest, new Rng(seed, 1).bits()),
                HandSigns.generate(rest, new Rng(seed, 2).bits()));
    }

    // --- signs ---

    private static DataSplit signs(Path folder) {
        var csv = folder.resolve("labels.csv");
        var text = new String(ImageInput.bytes(csv), StandardCharsets.UTF_8);
        if (text.startsWith("\ufeff")) { // as editors on Windows put before UTF-8
            text = text.substring(1);
        }
        var files = List.of(new ArrayList<Path>(), new ArrayList<Path>(), new ArrayList<Path>());
        var labels = List.of(new ArrayList<Integer>(), new ArrayList<Integer>(), new ArrayList<Integer>());
        var parts = List.of("train", "val", "test");
        int number = 0;
        for (String line : text.lines().toList()) {
            number++;
            if (number == 1 && line.startsWith("split,") || line.isBlank()) {
                continue;
            }
            int first = line.indexOf(',');
            int last = line.lastIndexOf(',');
            int part = first < 0 ? -1 : parts.indexOf(line.substring(0, first));
            if (part < 0 || last == first) {
                throw new DataException(
                        csv + ", line " + number + ": expected train|val|test,FILE,LABEL and found '" + line + "'");
            }
            int label;
            try {
                label = Integer.parseInt(line.substring(last + 1).strip());
            } catch (NumberFormatException e) {
                label = -1;
            }
            if (label < 0 || label >= HandSigns.LABELS.size()) {
                throw new DataException(
                        csv + ", line " + number + ": label '" + line.substring(last + 1) + "' is not in 0..5");
            }
            var file = folder.resolve(path(line.substring(first + 1, last), csv + ", line " + number + ": "));
            if (!Files.isRegularFile(file)) {
                throw new DataException(file + ": no such file, but " + csv + " names it in line " + number);
            }
            files.get(part).add(file);
            labels.get(part).add(label);
        }
        var size = files.stream()
                .flatMap(List::stream)
                .findFirst()
                .map(ImageInput::size)
                .orElseThrow(() -> new DataException(csv + ": lists no files"));
        var sets = IntStream.range(0, 3)
                .mapToObj(p -> (Dataset) new ImageFiles(
                        "signs " + parts.get(p),
                        size.height(),
                        size.width(),
                        HandSigns.LABELS,
                        List.copyOf(files.get(p)),
                        ints(labels.get(p))))
                .toList();
        return new DataSplit(sets.get(0), sets.get(1), sets.get(2));
    }

    // --- folders of pictures ---

    private static DataSplit images(Path folder, int height, int width) {
        var train = folder.resolve("train");
        if (!Files.isDirectory(train)) {
            var found = scan(folder, classes(folder), height, width);
            return divide(found, true);
        }
        var labels = classes(train);
        var first = scan(train, labels, height, width);
        var validation = firstFolder(folder, "val", "validation");
        var test = firstFolder(folder, "test");
        var divided = validation == null
                ? divide(first, false)
                : new DataSplit(first, scan(validation, labels, first.height(), first.width()), first.subset());
        return test == null
                ? divided
                : new DataSplit(
                        divided.train(), divided.validation(), scan(test, labels, first.height(), first.width()));
    }

    private static Path firstFolder(Path in, String... names) {
        for (String name : names) {
            if (Files.isDirectory(in.resolve(name))) {
                return in.resolve(name);
            }
        }
        return null;
    }

    private static List<String> classes(Path folder) {
        var names = list(folder).stream()
                .filter(Files::isDirectory)
                .map(p -> p.getFileName().toString())
                .filter(n -> !n.startsWith("."))
                .toList();
        if (names.isEmpty()) {
            throw new DataException(folder + ": no folders in it; expected one folder of pictures for each class");
        }
        return names;
    }

    private static List<Path> list(Path folder) {
        try (var entries = Files.list(folder)) {
            // By name, whatever the file system's order: labels and splits must not depend on it.
            return entries.sorted((a, b) ->
                            a.getFileName().toString().compareTo(b.getFileName().toString()))
                    .toList();
        } catch (IOException e) {
            throw new DataException(folder + ": not a folder that can be read", e);
        }
    }

    private static Dataset scan(Path folder, List<String> labels, int height, int width) {
        var files = new ArrayList<Path>();
        var label = new ArrayList<Integer>();
        for (String name : classes(folder)) {
            int index = labels.indexOf(name);
            if (index < 0) {
                throw new DataException(
                        folder.resolve(name) + ": the training part has no class of this name; it has " + labels);
            }
            for (Path file : list(folder.resolve(name))) {
                if (isPicture(file)) {
                    files.add(file);
                    label.add(index);
                }
            }
        }
        if (files.isEmpty()) {
            throw new DataException(folder + ": no pictures (jpg, jpeg, png, gif, bmp) in its class folders");
        }
        var size = height > 0 ? new ImageInput.Size(height, width) : ImageInput.size(files.getFirst());
        return new ImageFiles(folder.toString(), size.height(), size.width(), labels, List.copyOf(files), ints(label));
    }

    private static boolean isPicture(Path file) {
        String name = file.getFileName().toString().toLowerCase(Locale.ROOT);
        return !name.startsWith(".")
                && (name.endsWith(".jpg")
                        || name.endsWith(".jpeg")
                        || name.endsWith(".png")
                        || name.endsWith(".gif")
                        || name.endsWith(".bmp"));
    }

    private static int[] ints(List<Integer> list) {
        return list.stream().mapToInt(Integer::intValue).toArray();
    }

    /** Puts a tenth aside for validation and, if asked, another for the test. */
    private static DataSplit divide(Dataset data, boolean test) {
        var part = new int[data.size()];
        for (int i = 0; i < part.length; i++) {
            part[i] = new Rng(
                            data instanceof ImageFiles
                                    ? hash(Path.of(data.source(i)).getFileName().toString())
                                    : i)
                    .below(10);
        }
        return new DataSplit(
                data.subset(where(part, test ? 2 : 1, 9)),
                data.subset(where(part, 0, 0)),
                data.subset(test ? where(part, 1, 1) : new int[0]));
    }

    private static int[] where(int[] part, int from, int to) {
        return IntStream.range(0, part.length)
                .filter(i -> part[i] >= from && part[i] <= to)
                .toArray();
    }

    private static long hash(String text) {
        long h = 0;
        for (byte b : text.getBytes(StandardCharsets.UTF_8)) {
            h = h * 1099511628211L + b;
        }
        return h;
    }

    // --- CIFAR-10 ---

    private static DataSplit cifar10(List<Path> files) {
        var train = new ArrayList<Path>();
        var test = new ArrayList<Path>();
        for (Path file : files) {
            (file.getFileName().toString().contains("test") ? test : train).add(file);
        }
        var divided = divide(cifar10("cifar10 train", train), false);
        return new DataSplit(divided.train(), divided.validation(), cifar10("cifar10 test", test));
    }

    private static Dataset cifar10(String name, List<Path> files) {
        var pixels = new ArrayList<byte[]>();
        var labels = new ArrayList<Integer>();
        for (Path file : files) {
            var bytes = ImageInput.bytes(file);
            if (bytes.length == 0 || bytes.length % CIFAR_RECORD != 0) {
                throw new DataException(
                        "%s: %d bytes are not whole CIFAR-10 records of %d bytes (label, 1024 red, green, blue);"
                                        .formatted(file, bytes.length, CIFAR_RECORD)
                                + " the file is truncated or of another kind");
            }
            for (int at = 0; at < bytes.length; at += CIFAR_RECORD) {
                int label = bytes[at] & 255;
                if (label > 9) {
                    throw new DataException(
                            file + ", record " + at / CIFAR_RECORD + ": label " + label + " is not in 0..9");
                }
                var picture = new byte[CIFAR_RECORD - 1];
                for (int p = 0; p < 1024; p++) {
                    for (int c = 0; c < 3; c++) {
                        picture[p * 3 + c] = bytes[at + 1 + c * 1024 + p];
                    }
                }
                pixels.add(picture);
                labels.add(label);
            }
        }
        return new Images(name, 32, 32, 3, CIFAR10, pixels.toArray(byte[][]::new), ints(labels));
    }

    // --- IDX ---

    private static DataSplit idx(List<Path> paths) {
        if (paths.size() == 2) {
            var data = idx(paths.get(0), paths.get(1));
            return divide(data, true);
        }
        if (paths.size() != 1) {
            throw new DataException("idx: expected one folder, or one file of images and one of labels, not "
                    + paths.size() + " paths");
        }
        var train = pair(paths.getFirst(), "train");
        var test = pair(paths.getFirst(), "t10k");
        if (train == null && test == null) {
            throw new DataException(
                    paths.getFirst() + ": found neither train-images-idx3-ubyte[.gz] nor t10k-images-idx3-ubyte[.gz]"
                            + " with their labels-idx1-ubyte");
        }
        if (train == null) {
            return new DataSplit(test.subset(), test.subset(), test);
        }
        var divided = divide(train, test == null);
        return test == null ? divided : new DataSplit(divided.train(), divided.validation(), test);
    }

    private static Dataset pair(Path folder, String part) {
        var images = either(folder, part + "-images-idx3-ubyte");
        var labels = either(folder, part + "-labels-idx1-ubyte");
        return images == null || labels == null ? null : idx(images, labels);
    }

    private static Path either(Path folder, String name) {
        for (String file : List.of(name, name + ".gz")) {
            if (Files.isRegularFile(folder.resolve(file))) {
                return folder.resolve(file);
            }
        }
        return null;
    }

    private static Dataset idx(Path images, Path labels) {
        var pixels = new ArrayList<byte[]>();
        int[] dims = idxFile(images, 3, pixels);
        var classes = new ArrayList<byte[]>();
        int[] count = idxFile(labels, 1, classes);
        if (dims[0] != count[0]) {
            throw new DataException(images + " has " + dims[0] + " pictures, " + labels + " " + count[0] + " labels");
        }
        int[] label = classes.stream().mapToInt(b -> b[0] & 255).toArray();
        int largest = IntStream.of(label).max().orElse(0);
        if (largest > 99) {
            throw new DataException(labels + ": label " + largest + " is not in 0..99; is this the file of labels?");
        }
        var names = IntStream.rangeClosed(0, Math.max(9, largest))
                .mapToObj(Integer::toString)
                .toList();
        return new Images(
                "idx " + images.getFileName(), dims[1], dims[2], 1, names, pixels.toArray(byte[][]::new), label);
    }

    /** Reads a file of unsigned bytes with {@code rank} dimensions into one array per entry of the first. */
    private static int[] idxFile(Path file, int rank, List<byte[]> out) {
        try (var in = new DataInputStream(plain(file))) {
            int magic = in.readInt();
            if (magic != (0x800 | rank)) {
                throw new DataException("%s: begins with %08x, an IDX file of unsigned bytes in %d dimensions with %08x"
                        .formatted(file, magic, rank, 0x800 | rank));
            }
            var dims = new int[rank];
            long item = 1;
            for (int d = 0; d < rank; d++) {
                dims[d] = in.readInt();
                if (dims[d] < 0 || d > 0 && (dims[d] == 0 || dims[d] > ImageInput.MAX_SIDE)) {
                    throw new DataException(file + ": dimension " + d + " is " + dims[d]);
                }
                item *= d == 0 ? 1 : dims[d];
            }
            if (item > ImageInput.MAX_PIXELS) {
                throw new DataException(
                        file + ": pictures of " + item + " pixels, at most " + ImageInput.MAX_PIXELS + " are read");
            }
            checkContent(file, item * dims[0]);
            for (int i = 0; i < dims[0]; i++) {
                var entry = new byte[(int) item];
                in.readFully(entry);
                out.add(entry);
            }
            if (in.read() >= 0) { // reaching the end also makes gzip check its sum
                throw new DataException(file + ": more data than its header tells of (" + dims[0] + " entries)");
            }
            return dims;
        } catch (EOFException e) {
            throw new DataException(
                    file + ": ends after " + out.size() + " entries, before its last one; it is truncated", e);
        } catch (ZipException e) {
            throw new DataException(file + ": damaged gzip data (" + e.getMessage() + ")", e);
        } catch (IOException e) {
            throw new DataException(file + ": cannot be read (" + FileException.reason(e) + ")", e);
        } catch (OutOfMemoryError e) {
            int read = out.size();
            out.clear(); // which makes room for the message
            throw new DataException(
                    file + ": no memory for more than " + read + " of its entries; give the JVM more with -Xmx", e);
        }
    }

    /** Before memory is asked for: a deflated block is at most 1032 times as large as its code. */
    private static void checkContent(Path file, long bytes) throws IOException {
        long size = Files.size(file);
        boolean gzip;
        try (var in = Files.newInputStream(file)) {
            gzip = isGzip(in);
        }
        if (bytes > (gzip ? 1032 * size : size)) {
            throw new DataException("%s: damaged or truncated, %d bytes cannot hold the %d that its header speaks of"
                    .formatted(file, size, bytes));
        }
    }

    private static boolean isGzip(InputStream in) throws IOException {
        return in.read() == 0x1f && in.read() == 0x8b;
    }

    private static InputStream plain(Path file) throws IOException {
        if (!Files.isRegularFile(file)) {
            throw new DataException(file + ": no such file");
        }
        var in = new BufferedInputStream(Files.newInputStream(file), 1 << 16);
        try {
            in.mark(2);
            boolean gzip = isGzip(in);
            in.reset();
            return gzip ? new BufferedInputStream(new GZIPInputStream(in, 1 << 16), 1 << 16) : in;
        } catch (IOException | RuntimeException e) {
            in.close();
            throw e;
        }
    }
}
