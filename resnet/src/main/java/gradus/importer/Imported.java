package gradus.importer;

import gradus.data.Pictures;
import gradus.layers.Model;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * A network as it came out of a file.
 *
 * @param model with its weights
 * @param format of the file
 * @param labels names of the classes, empty if neither file nor options say; of 1000 classes those of ImageNet are taken then
 * @param pictures how pictures become inputs, empty if neither file nor options say and the format has no custom
 * @param metadata what else the file says, as text
 * @param report what became of each tensor
 */
public record Imported(
        Model model,
        Format format,
        List<String> labels,
        Optional<Pictures> pictures,
        Map<String, String> metadata,
        Report report) {
    /** The same with one more note in the report. */
    Imported noting(String note) {
        var notes = new ArrayList<>(report.notes());
        notes.add(note);
        var noted = new Report(
                report.matched(), report.ignored(), report.unmatched(), report.missing(), report.misfits(), notes);
        return new Imported(model, format, labels, pictures, metadata, noted);
    }
}
