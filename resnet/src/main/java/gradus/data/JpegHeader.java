package gradus.data;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * What ImageIO does not tell about a JPEG. Reading it also hides colour profiles from ImageIO, which would convert by them:
 * networks are trained on the numbers in the file.
 *
 * @param components 1 grey, 3 colour, 4 CMYK; 0 if the file is not a JPEG
 * @param adobe colour transform in Adobe's marker: 0 none, 1 YCbCr, 2 YCCK; -1 without such a marker
 * @param orientation EXIF orientation 1..8, 1 if none is stated
 * @param unmarked whether nothing says that three components are YCbCr, and nothing that they are not
 * @param scans how often the file goes through the pixels: 1 for baseline, about 10 for progressive files
 */
record JpegHeader(int components, int adobe, int orientation, boolean unmarked, long scans) {
    /** @param file its bytes, in which profiles are renamed */
    static JpegHeader of(byte[] file) {
        int components = 0;
        int adobe = -1;
        int orientation = 1;
        boolean marked = false;
        boolean rgb = false;
        if (file.length < 4 || (file[0] & 255) != 0xff || (file[1] & 255) != 0xd8) {
            return new JpegHeader(0, -1, 1, false, 0);
        }
        int at = 2;
        while (at + 4 <= file.length && (file[at] & 255) == 0xff) {
            int marker = file[at + 1] & 255;
            if (marker == 0xff) { // fill byte
                at++;
                continue;
            }
            if (marker == 0xda || marker == 0xd9) { // pixels begin, or the end
                break;
            }
            int length = (file[at + 2] & 255) << 8 | file[at + 3] & 255;
            int end = at + 2 + length;
            if (length < 2 || end > file.length) {
                break;
            }
            boolean frame = marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc;
            if (frame && length >= 8) {
                components = file[at + 9] & 255;
                rgb = end >= at + 19 && file[at + 10] == 'R' && file[at + 13] == 'G' && file[at + 16] == 'B';
            } else if (marker == 0xee && length >= 14 && startsWith(file, at + 4, "Adobe")) {
                adobe = file[at + 15] & 255;
            } else if (marker == 0xe0 && startsWith(file, at + 4, "JFIF")) {
                marked = true;
            } else if (marker == 0xe2 && startsWith(file, at + 4, "ICC_PROFILE")) {
                file[at + 4] = 'x';
            } else if (marker == 0xe1 && startsWith(file, at + 4, "Exif\0\0")) {
                orientation = orientation(
                        ByteBuffer.wrap(file, at + 10, end - at - 10).slice());
            }
            at = end;
        }
        boolean unmarked = components == 3 && !marked && adobe < 0 && !rgb;
        return new JpegHeader(components, adobe, orientation, unmarked, scans(file, at));
    }

    /**
     * The file with JFIF's marker where it has none but must be YCbCr: libjpeg takes three components for that unless they are
     * called R, G, and B, ImageIO only if they are called 1, 2, and 3, or their sizes differ.
     */
    byte[] marked(byte[] file) {
        if (!unmarked) {
            return file;
        }
        byte[] marker = {(byte) 0xff, (byte) 0xe0, 0, 16, 'J', 'F', 'I', 'F', 0, 1, 1, 0, 0, 1, 0, 1, 0, 0};
        var marked = new byte[file.length + marker.length];
        System.arraycopy(file, 0, marked, 0, 2);
        System.arraycopy(marker, 0, marked, 2, marker.length);
        System.arraycopy(file, 2, marked, 2 + marker.length, file.length - 2);
        return marked;
    }

    /** Counts scan markers; a byte 0xff among coded pixels is always followed by 0 or by a marker. */
    private static long scans(byte[] file, int from) {
        long scans = 0;
        for (int i = from; i + 1 < file.length; i++) {
            if (file[i] == (byte) 0xff && file[i + 1] == (byte) 0xda) {
                scans++;
            }
        }
        return scans;
    }

    private static boolean startsWith(byte[] file, int at, String text) {
        for (int i = 0; i < text.length(); i++) {
            if (at + i >= file.length || file[at + i] != text.charAt(i)) {
                return false;
            }
        }
        return true;
    }

    /** Tag 0x112 of the first directory of a TIFF structure; 1 if it is missing or the structure makes no sense. */
    private static int orientation(ByteBuffer tiff) {
        if (tiff.limit() < 8) {
            return 1;
        }
        tiff.order(tiff.get(0) == 'I' ? ByteOrder.LITTLE_ENDIAN : ByteOrder.BIG_ENDIAN);
        int directory = tiff.getInt(4);
        if (tiff.getShort(2) != 42 || directory < 8 || directory > tiff.limit() - 2) {
            return 1;
        }
        int entries = tiff.getShort(directory) & 0xffff;
        for (int i = 0; i < entries; i++) {
            int entry = directory + 2 + 12 * i;
            if (entry > tiff.limit() - 12) {
                return 1;
            }
            if (tiff.getShort(entry) == 0x112) {
                int value = tiff.getShort(entry + 8) & 0xffff;
                return value >= 1 && value <= 8 ? value : 1;
            }
        }
        return 1;
    }
}
