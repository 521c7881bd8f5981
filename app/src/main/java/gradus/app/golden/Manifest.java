package gradus.app.golden;

import gradus.backend.BackendProvider.Precision;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The table of tolerances of a folder: one row per file and expected tensor, columns found by their headings. */
final class Manifest {
    static final String FILE = "manifest.tsv";

    /** @param exact no arithmetic is involved: the result must equal the truth */
    record Row(double float64, double float32, boolean exact) {
        /** For coarser roundings than float32's, its bound by so much more. */
        double bound(Precision precision) {
            return exact
                    ? 0
                    : precision == Precision.FLOAT64
                            ? float64
                            : float32 * precision.roundoff() / Precision.FLOAT32.roundoff();
        }
    }

    private final Map<String, Map<String, Row>> rows = new LinkedHashMap<>();
    private final String missing;

    private Manifest(String missing) {
        this.missing = missing;
    }

    /**
     * Reads the table. A folder without one gives a manifest that complains when it is asked for a tolerance, for not
     * every group needs one.
     *
     * @throws GoldenException for a table that cannot be understood, with the line
     */
    static Manifest read(Path folder) {
        Path path = folder.resolve(FILE);
        List<String> lines;
        try {
            lines = Files.readAllLines(path);
        } catch (NoSuchFileException e) {
            return new Manifest("there is no " + FILE + " in " + folder + ", which holds the tolerances");
        } catch (IOException e) {
            throw new GoldenException("cannot read " + path + ": " + e, e);
        }
        var manifest = new Manifest(null);
        List<String> head =
                lines.isEmpty() ? List.of() : Arrays.asList(lines.getFirst().split("\t", -1));
        for (String column : List.of("file", "tensor", "tol_f64", "tol_f32")) {
            if (!head.contains(column)) {
                throw new GoldenException(
                        path + ": the first line must name the columns file, tensor, tol_f64, tol_f32;"
                                + " there is no " + column);
            }
        }
        for (int i = 1; i < lines.size(); i++) {
            if (lines.get(i).isBlank()) {
                continue;
            }
            String[] cells = lines.get(i).split("\t", -1);
            try {
                manifest.rows
                        .computeIfAbsent(cells[head.indexOf("file")], f -> new LinkedHashMap<>())
                        .put(cells[head.indexOf("tensor")], row(head, cells));
            } catch (ArrayIndexOutOfBoundsException | NumberFormatException e) {
                throw new GoldenException(path + " line " + (i + 1) + " is not a row of the table: " + lines.get(i), e);
            }
        }
        return manifest;
    }

    private static Row row(List<String> head, String[] cells) {
        int note = head.indexOf("note");
        return new Row(
                bound(cells[head.indexOf("tol_f64")]),
                bound(cells[head.indexOf("tol_f32")]),
                note >= 0 && note < cells.length && cells[note].strip().equals("exact"));
    }

    private static double bound(String cell) {
        double bound = Double.parseDouble(cell);
        if (!(bound >= 0 && bound < Double.POSITIVE_INFINITY)) {
            throw new NumberFormatException("a tolerance must be a number >= 0");
        }
        return bound;
    }

    /** Files of the table that the folder should hold. */
    Iterable<String> files() {
        return rows.keySet();
    }

    /**
     * The rows of a file by tensor.
     *
     * @throws GoldenException if there is no table, or none for this file
     */
    Map<String, Row> rows(String file) {
        if (missing != null) {
            throw new GoldenException(missing);
        }
        Map<String, Row> of = rows.get(file);
        if (of == null) {
            throw new GoldenException(FILE + " has no rows for this file, so its tolerances are unknown");
        }
        return of;
    }
}
