#!/bin/sh
# Embeds the classifier in the program of src/ in three ways, and checks that each does what the README says:
#   run.sh JARS
# JARS: the folder of gradus-engine.jar, gradus-layers.jar, gradus-resnet.jar (after a build: app/target/lib).
# Needs a JDK 25 or newer, found as ./gradus finds it; downloads nothing. Exit status 0: all three work.
set -eu

[ $# -eq 1 ] || { echo "usage: $0 JARS" >&2; exit 2; }
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
jdk=$("$here/../../gradus" --java-home)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

# From here on as in a project that depends on gradus-resnet: the three jars and nothing else.
mkdir "$work/lib"
for module in engine layers resnet; do
    cp "$1/gradus-$module.jar" "$work/lib"
done
unset CLASSPATH JDK_JAVA_OPTIONS JAVA_TOOL_OPTIONS
export LC_ALL=C # decimal points
cd "$work"

fail() {
    printf 'embedding: %s; it printed:\n' "$1" >&2
    cat "$2" >&2
    exit 1
}

# expect FILE PATTERN WHAT: some line of FILE matches.
expect() { grep -q "$2" "$1" || fail "$3" "$1"; }

# guesses FILE: the three lines of names and probabilities.
guesses() { grep -E '^[a-z]+ [01]\.[0-9]{3}$' "$1" || true; }

# -Werror: a program compiled against the library sees no warning but that of the incubator module, and needs no flag.
"$jdk/bin/javac" -Xlint:all,-incubating -Werror -p lib -d classes "$here/src/module-info.java" "$here"/src/example/*.java
"$jdk/bin/java" -p lib:classes -m example/example.MakeFiles model.safetensors disk.png 2>make.log || fail "MakeFiles failed" make.log

# (a) Module path, no flag: the SIMD backend.
"$jdk/bin/java" -p lib:classes -m example/example.Classify model.safetensors disk.png >module-path.log 2>&1 ||
    fail "failed on the module path" module-path.log
expect module-path.log '^simd: ' "no SIMD on the module path"
guesses module-path.log >wanted
[ "$(wc -l <wanted)" -eq 3 ] || fail "not three guesses on the module path" module-path.log

# (b) Class path, no flag: the reference backend, which says how to get SIMD; and with that flag, SIMD.
"$jdk/bin/java" -cp 'lib/*:classes' example.Classify model.safetensors disk.png >class-path.log 2>&1 ||
    fail "failed on the class path" class-path.log
expect class-path.log '^reference backend' "no reference backend on the class path"
expect class-path.log 'computing with the reference backend' "no warning on the class path"
expect class-path.log "add '--add-modules jdk.incubator.vector' to the java command line" "no hint at SIMD on the class path"
guesses class-path.log | cmp -s - wanted || fail "other guesses on the class path" class-path.log
"$jdk/bin/java" --add-modules jdk.incubator.vector -cp 'lib/*:classes' example.Classify model.safetensors disk.png \
    >class-path-simd.log 2>&1 || fail "failed on the class path with the flag" class-path-simd.log
expect class-path-simd.log '^simd: ' "no SIMD on the class path with the flag"
guesses class-path-simd.log | cmp -s - wanted || fail "other guesses on the class path with the flag" class-path-simd.log

# (c) A run-time image of its own: nothing in it but these modules, those of the JDK they name, and what those need.
"$jdk/bin/jlink" --module-path lib:classes --add-modules example --launcher classify=example/example.Classify \
    --strip-debug --no-header-files --no-man-pages --output image >jlink.log 2>&1 || fail "jlink failed" jlink.log
image/bin/java --list-modules 2>list.log | sed 's/@.*//' | sort >modules
printf '%s\n' example gradus.engine gradus.layers gradus.resnet java.base java.datatransfer java.desktop java.prefs java.xml \
    jdk.incubator.vector | sort | cmp -s - modules || fail "the image holds other modules" modules
rm -r lib classes # whatever it needs is in it
image/bin/classify model.safetensors disk.png >image.log 2>&1 || fail "failed as an image" image.log
expect image.log '^simd: ' "no SIMD in the image"
guesses image.log | cmp -s - wanted || fail "other guesses in the image" image.log

echo "module path:  $(grep '^simd: ' module-path.log)"
echo "class path:   $(grep '^reference backend' class-path.log)"
echo "jlink image:  $(du -sk image | cut -f 1) KB, $(grep '^simd: ' image.log)"
cat wanted
