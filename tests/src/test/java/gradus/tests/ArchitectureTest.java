package gradus.tests;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;

import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.junit.AnalyzeClasses;
import com.tngtech.archunit.junit.ArchTest;
import com.tngtech.archunit.lang.ArchRule;
import gradus.layers.Layer;
import java.io.ObjectInputStream;
import java.util.stream.Stream;

/**
 * The structure of Gradus as rules: {@code app -> resnet -> layers -> engine}, arrows one way only.
 *
 * <p>Module descriptors say the same for modules; these rules say it for packages, and for what a descriptor cannot
 * express: who may use the Vector API, what reading a file may never do, and that packages form no cycle.
 */
@AnalyzeClasses(packages = "gradus", importOptions = ImportOption.DoNotIncludeTests.class)
class ArchitectureTest {

    private static final String[] ENGINE = {
        "gradus.tensor..",
        "gradus.io..",
        "gradus.backend..",
        "gradus.op..",
        "gradus.graph..",
        "gradus.plan..",
        "gradus.eager.."
    };
    private static final String[] LAYERS = {"gradus.layers..", "gradus.train.."};
    private static final String[] RESNET = {
        "gradus.resnet..", "gradus.data..", "gradus.importer..", "gradus.classifier.."
    };
    private static final String[] CUDA = {"gradus.cuda.."};
    private static final String[] APP = {"gradus.app.."};

    private static final String VECTOR_API = "jdk.incubator.vector..";
    private static final String SIMD_BACKEND = "gradus.backend.simd..";

    /** A new package must be entered above, so that no class escapes the other rules. */
    @ArchTest
    static final ArchRule every_package_belongs_to_a_module =
            classes().should().resideInAnyPackage(all(ENGINE, LAYERS, RESNET, CUDA, APP));

    @ArchTest
    static final ArchRule engine_depends_on_the_jdk_only = classes()
            .that()
            .resideInAnyPackage(ENGINE)
            .should()
            .onlyDependOnClassesThat()
            .resideInAnyPackage(all(ENGINE, "java..", VECTOR_API));

    @ArchTest
    static final ArchRule layers_depend_on_engine_and_jdk_only = classes()
            .that()
            .resideInAnyPackage(LAYERS)
            .should()
            .onlyDependOnClassesThat()
            .resideInAnyPackage(all(LAYERS, ENGINE, "java.."));

    /** {@code javax.imageio} is the JDK's image decoder, part of {@code java.desktop}. */
    @ArchTest
    static final ArchRule resnet_depends_on_layers_engine_and_jdk_only = classes()
            .that()
            .resideInAnyPackage(RESNET)
            .should()
            .onlyDependOnClassesThat()
            .resideInAnyPackage(all(RESNET, LAYERS, ENGINE, "java..", "javax.imageio.."));

    @ArchTest
    static final ArchRule cuda_depends_on_engine_and_jcuda_only = classes()
            .that()
            .resideInAnyPackage(CUDA)
            .should()
            .onlyDependOnClassesThat()
            .resideInAnyPackage(all(CUDA, ENGINE, "java..", "jcuda.."));

    /** It is found as a service, and may be missing. */
    @ArchTest
    static final ArchRule nobody_names_the_cuda_backend = noClasses()
            .that()
            .resideOutsideOfPackages(CUDA)
            .should()
            .dependOnClassesThat()
            .resideInAnyPackage(CUDA);

    /** All else of the backend can be tested with a driver of its own. */
    @ArchTest
    static final ArchRule only_the_binding_sees_jcuda = noClasses()
            .that()
            .doNotHaveSimpleName("JCudaBinding")
            .and()
            .resideOutsideOfPackage("jcuda..")
            .and()
            .haveNameNotMatching(".*JCudaBinding\\$.*")
            .should()
            .dependOnClassesThat()
            .resideInAnyPackage("jcuda..");

    /** Where the Vector API is missing, everything but the SIMD backend must still load. */
    @ArchTest
    static final ArchRule only_the_simd_backend_sees_the_vector_api = noClasses()
            .that()
            .resideOutsideOfPackage(SIMD_BACKEND)
            .should()
            .dependOnClassesThat()
            .resideInAPackage(VECTOR_API);

    /** A weight file is data: reading one never names a class to load and never restores an object. */
    @ArchTest
    static final ArchRule files_are_data_only = noClasses()
            .that()
            .resideInAPackage("gradus.io..")
            .should()
            .callMethod(Class.class, "forName", String.class)
            .orShould()
            .callMethod(Class.class, "forName", String.class, boolean.class, ClassLoader.class)
            .orShould()
            .callMethod(Class.class, "forName", Module.class, String.class)
            .orShould()
            .callMethod(ClassLoader.class, "loadClass", String.class)
            .orShould()
            .dependOnClassesThat()
            .areAssignableTo(ObjectInputStream.class);

    /** What a program does stands in its text. Arrays of HDF5's library have a rank that only they know. */
    @ArchTest
    static final ArchRule no_reflection = noClasses()
            .that()
            .haveNameNotMatching(".*Hdf5Reader(\\$.*)?")
            .should()
            .dependOnClassesThat()
            .resideInAPackage("java.lang.reflect..");

    /** From there on compiler and tests ask for the rest: how it is written, read and differentiated. */
    @ArchTest
    static final ArchRule every_layer_can_be_stored = classes()
            .that()
            .resideInAPackage("gradus.layers..")
            .and()
            .implement(Layer.class)
            .and()
            .areRecords()
            .and()
            .doNotHaveSimpleName("Input")
            .should()
            .implement("gradus.layers.StoredLayer");

    @ArchTest
    static final ArchRule packages_form_no_cycle =
            slices().matching("gradus.(**)").should().beFreeOfCycles();

    private static String[] all(Object... packages) {
        return Stream.of(packages)
                .flatMap(p -> p instanceof String[] several ? Stream.of(several) : Stream.of((String) p))
                .toArray(String[]::new);
    }
}
