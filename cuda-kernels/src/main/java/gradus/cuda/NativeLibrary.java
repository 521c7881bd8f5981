package gradus.cuda;

import gradus.backend.BackendException;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.SymbolLookup;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.Optional;
import java.util.function.Supplier;

/**
 * Loads the libraries: the driver's, which must be on the machine, and JCuda's binding to it, which our jar carries.
 *
 * <p>JCuda's own loader writes the binding to a fixed name in the folder of temporary files, and loads a file that is
 * already there as it is: on a shared machine anyone can put code there. Here the binding is written to a fresh folder that
 * only this user can enter, checked against its SHA-256, loaded from there, and deleted.
 */
final class NativeLibrary {
    /** The driver's library; a path here takes another one. */
    static final String DRIVER_PROPERTY = "gradus.cuda.driver";

    private static final String DRIVER = "libcuda.so.1";
    static final String BINDING = "libJCudaDriver-12.6.0-linux-x86_64.so";
    private static final String SHA_256 = "fdc3b4b4fca4f0fab54ff12c0b4d6ad1c5e8d55015b4950834c705e5db301255";
    private static final String TEMPORARY = "java.io.tmpdir";

    private NativeLibrary() {}

    /** Why there is no driver here, or empty once it is loaded. */
    static Optional<String> driverMissing() {
        String os = System.getProperty("os.name") + " " + System.getProperty("os.arch");
        if (!os.equals("Linux amd64")) {
            return Optional.of("it runs on Linux on x86-64, this is " + os);
        }
        String library = System.getProperty(DRIVER_PROPERTY, DRIVER);
        try {
            if (library.indexOf('/') < 0) {
                SymbolLookup.libraryLookup(library, Arena.global());
            } else {
                SymbolLookup.libraryLookup(Path.of(library), Arena.global());
            }
            return Optional.empty();
        } catch (IllegalArgumentException e) {
            return Optional.of("there is no NVIDIA driver (" + library
                    + " cannot be loaded); on a machine with an NVIDIA GPU install the driver");
        } catch (IllegalCallerException e) {
            return Optional.of("native access is denied; add '--enable-native-access=gradus.cuda,jcuda' to the java"
                    + " command line");
        }
    }

    /**
     * Runs what makes JCuda load its binding, with the binding where JCuda looks for it.
     *
     * @throws BackendException if the binding is damaged or cannot be written or loaded
     */
    static <T> T withBinding(Supplier<T> load) {
        try (InputStream in = NativeLibrary.class.getResourceAsStream("lib/" + BINDING)) {
            if (in == null) {
                throw new BackendException("cuda backend: " + BINDING + " is missing in the jar; reinstall it");
            }
            return withBinding(in.readAllBytes(), SHA_256, load);
        } catch (IOException e) {
            throw new BackendException("cuda backend: cannot unpack " + BINDING + ": " + e, e);
        }
    }

    static <T> T withBinding(byte[] library, String sha256, Supplier<T> load) throws IOException {
        Path folder = Files.createTempDirectory(
                "gradus-cuda-", PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
        Path file = folder.resolve(BINDING);
        try {
            Files.write(file, library);
            String found = HexFormat.of().formatHex(sha256(Files.readAllBytes(file)));
            if (!found.equals(sha256)) {
                throw new BackendException("cuda backend: " + BINDING + " has SHA-256 " + found + ", not " + sha256
                        + ": the jar is damaged or was changed; reinstall it");
            }
            synchronized (System.getProperties()) { // JCuda looks at the property when its classes are initialised
                String before = System.setProperty(TEMPORARY, folder.toString());
                try {
                    return load.get();
                } finally {
                    System.setProperty(TEMPORARY, before);
                }
            }
        } catch (LinkageError e) {
            throw new BackendException("cuda backend: the binding to the driver cannot be loaded: " + firstLine(e), e);
        } finally {
            Files.deleteIfExists(file); // what is loaded stays loaded
            Files.deleteIfExists(folder);
        }
    }

    private static byte[] sha256(byte[] data) {
        try {
            return MessageDigest.getInstance("SHA-256").digest(data);
        } catch (NoSuchAlgorithmException e) {
            throw new AssertionError("every JDK has SHA-256", e);
        }
    }

    private static String firstLine(Throwable e) {
        return String.valueOf(e.getMessage()).lines().findFirst().orElse(e.toString());
    }
}
