#!/usr/bin/env bash
# Proves and measures the CUDA backend on a machine that has a GPU and no Java.
#
#   cuda-kernels/check-gpu.sh pack DIR    on a machine that builds: everything the other needs, in one folder, and as DIR.tar.gz
#   DIR/check-gpu.sh run [RESULTS]        on the machine with the GPU (driver 580 or newer; nvcc and Python with PyTorch if the
#                                         figures of cuBLAS, cuDNN and compute-sanitizer are wanted): correctness, then the
#                                         table against PyTorch, then shares of the device's limits, into RESULTS
#                                         (gpu-results.md), which is written anew after every part. It takes at most 8 minutes:
#                                         what there is no time for is left out, and RESULTS says so
#
# Exit status of run: 0 nothing is wrong, 1 something is, 2 it cannot run here.
# GRADUS_JAVA_OPTS: more options for the JVM. CHECK_GPU_SECONDS: another limit than 480.
# CHECK_GPU_SMALL=1: small cases alone, to test this script on an emulated driver.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)

say() { printf 'check-gpu: %s\n' "$*" >&2; }
die() {
    say "$*"
    exit 2
}

pack() {
    [ $# -eq 1 ] || die "usage: check-gpu.sh pack DIR"
    root=$(dirname "$here")
    out=$1
    [ ! -e "$out" ] || [ -z "$(ls -A "$out")" ] || die "$out is not empty"
    mkdir -p "$out" && out=$(cd "$out" && pwd)
    jdk=$("$root/gradus" --java-home) || exit 2
    cd "$root" || exit 2
    say "building"
    ./mvnw -q --projects app,cuda-kernels --also-make -DskipTests -Dspotless.check.skip=true package || die "the build failed"
    cp -r app/target/lib "$out/lib"
    cp -r tests/src/test/resources/golden "$out/golden"
    # The complete set of reference cases where it lies beside the project.
    if [ -d ../shared/golden ]; then cp -r ../shared/golden "$out/golden-complete"; fi
    cp -r cuda-kernels/target/test-classes "$out/test-classes"
    ./mvnw -q -pl . dependency:copy -Dmdep.stripVersion=true "-DoutputDirectory=$out" \
        "-Dartifact=org.junit.platform:junit-platform-console-standalone:6.1.3" || exit 2
    say "runtime"
    # What the code and its libraries use of Java, and no more: the whole is to fit where files are limited to 64 MiB.
    modules=$("$jdk/bin/jdeps" --multi-release 25 --ignore-missing-deps --print-module-deps --module-path "$out/lib" \
        "$out"/lib/*.jar "$out"/*.jar "$out/test-classes" | tail -n 1)
    "$jdk/bin/jlink" --add-modules "$modules" --strip-debug --no-man-pages --no-header-files --compress zip-9 \
        --output "$out/runtime" || exit 2
    # shellcheck disable=SC2034 # gradus reads it
    here=$out gradus --version >/dev/null || die "the runtime of $modules does not run gradus"
    cp "$here/check-gpu.sh" "$here/check-gpu.py" "$out/"
    git log -1 --format='%h of %cs' >"$out/revision" 2>/dev/null || echo unknown >"$out/revision"
    tar -C "$(dirname "$out")" -czf "$out.tar.gz" "$(basename "$out")" || exit 2
    say "ready: $out.tar.gz, $(du -h "$out.tar.gz" | cut -f1); on the machine with the GPU:"
    say "    tar xzf $(basename "$out").tar.gz && $(basename "$out")/check-gpu.sh run"
}

options=(-XX:+UseParallelGC -XX:MaxRAMPercentage=60 --enable-native-access=gradus.cuda,jcuda)

gradus() {
    # shellcheck disable=SC2086 # options are words
    "$here/runtime/bin/java" "${options[@]}" ${GRADUS_JAVA_OPTS:-} -p "$here/lib" -m gradus.app/gradus.app.Main "$@"
}

failed=0
late=FAILED # what a check that takes too long is
wrong=      # what in its output says that something is wrong, whatever its status
refused=    # ... that it cannot look at this device
end=0       # of the present phase, in seconds since this script began
running=    # the process group of what is under way

# limited SECONDS CMD...: runs it for so long at most, and not beyond the end of the phase. Sets limit to what it was given, 0 if
# there was no time to begin, and status, which is 124 if it was not done.
limited() {
    limit=$1
    shift
    left=$((end - SECONDS))
    [ "$limit" -le "$left" ] || limit=$left
    if [ "$limit" -lt 5 ]; then
        limit=0 status=0
        return
    fi
    began=$SECONDS
    # A function cannot be run by timeout, a shell that knows it can.
    timeout -k 5 "$limit" bash -c 'source "$0" functions; "$@"' "$here/check-gpu.sh" "$@" &
    running=$!
    wait "$running"
    status=$?
    # What it started and left behind: timeout waits for the shell alone.
    kill -KILL -- "-$running" 2>/dev/null
    running=
    # Where asking it to end was not enough.
    if [ "$status" -eq 137 ] && [ $((SECONDS - began)) -ge "$limit" ]; then status=124; fi
}

# check NAME SECONDS CMD...: a line for the table; what a check that failed has printed is kept beside the report.
check() {
    name=$1
    say "$name"
    start=$SECONDS
    limited "${@:2}" >"$work/out" 2>&1
    # golden ends with 'N passed, N failed', the suite with a count of tests, others with what they say
    what=$(grep -E 'passed, [0-9]+ failed|tests (successful|failed)|ERROR SUMMARY|same bits' "$work/out" | sed 's/[][|]//g' | tr -s ' \n' ' ')
    [ -n "$what" ] || what=$(grep -v '^$' "$work/out" | tail -n 1 | tr '|' '/')
    if [ "$limit" -eq 0 ]; then
        verdict='not run' what='there was no time left'
    elif [ -n "$wrong" ] && grep -E "$wrong" "$work/out" | grep -viE "$refused" >"$work/found"; then
        verdict=FAILED what="$(wc -l <"$work/found") times, first: $(head -n 1 "$work/found" | tr '|' '/')"
    elif [ "$status" -eq 0 ]; then
        verdict=passed
    elif [ -n "$refused" ] && grep -qiE "$refused" "$work/out"; then
        verdict='not run' what=$(grep -m 1 -iE "$refused" "$work/out" | tr '|' '/')
    elif [ "$status" -eq 124 ]; then
        verdict=$late what="not done after $limit s; $what"
        [ "$limit" -eq "$2" ] || verdict=unfinished # it was cut short, not slow
    else
        verdict=FAILED
    fi
    if [ "$verdict" = FAILED ]; then
        failed=1
        tail -n 5 "$work/out" >&2
        mkdir -p "$results.logs" && cp "$work/out" "$results.logs/$(echo "$name" | tr -c 'a-zA-Z0-9\n' _)"
    fi
    line "$name" "$verdict" "$what" "$((SECONDS - start)) s"
}

# line NAME VERDICT WHAT TIME: into the table, and the report with it.
line() {
    printf '| %s | %s | %s | %s |\n' "$@" >>"$work/checks"
    report
}

# The report so far: whole, or as it was before.
report() {
    if ! python3 "$here/check-gpu.py" report "$work" "$(cat "$here/revision")" >"$results.tmp" 2>/dev/null; then
        cat "$work/checks" "$work/measured" >"$results.tmp"
    fi
    mv "$results.tmp" "$results"
}

# Somebody wants this to end.
interrupted() {
    trap '' TERM INT HUP
    [ -z "$running" ] || kill -KILL -- "-$running" 2>/dev/null
    line "${name:-all}" "interrupted" "after $SECONDS s" ""
    say "interrupted; wrote $results"
    exit 1
}

# suite CLASS OPTION...: a class of tests on the device.
suite() {
    # shellcheck disable=SC2086
    "$here/runtime/bin/java" -XX:+UseParallelGC -XX:MaxRAMPercentage=60 --add-modules jdk.incubator.vector \
        --enable-native-access=ALL-UNNAMED ${GRADUS_JAVA_OPTS:-} -Dgradus.test.backend=cuda "${@:2}" \
        -cp "$here/junit-platform-console-standalone.jar:$here/test-classes:$here/lib/*" \
        org.junit.platform.console.ConsoleLauncher execute --select-class "$1" \
        --details=summary --disable-banner --fail-if-no-tests
}

# The same training twice, in two processes: losses and weights to the last bit.
same_bits() {
    for i in 1 2; do
        gradus train --backend cuda --epochs 1 "$@" --out "$work/same$i" >"$work/same$i.log" 2>&1 || {
            tail -n 3 "$work/same$i.log"
            return 1
        }
    done
    find "$work/same1" -name '*.safetensors' | grep -q . || { echo "training wrote no weights" && return 1; }
    (cd "$work/same1" && find . -name '*.safetensors' | sort | xargs sha256sum) >"$work/bits1"
    (cd "$work/same2" && find . -name '*.safetensors' | sort | xargs sha256sum) >"$work/bits2"
    cmp "$work/bits1" "$work/bits2" && echo "same bits: $(wc -l <"$work/bits1") files of weights"
}

sanitized() {
    # --tool memcheck looks at every access of every kernel; the JVM itself is left alone
    compute-sanitizer --tool "$1" --error-exitcode 9 --target-processes all "$here/runtime/bin/java" "${options[@]}" \
        -p "$here/lib" -m gradus.app/gradus.app.Main golden "$here/golden" --backend cuda --group "$2"
}

measure() { # precision, case or option...
    precision=$1
    shift
    name="gradus $precision $*"
    say "$name"
    limited 90 gradus bench --backend cuda --precision "$precision" --resident --seconds "$seconds" "$@" \
        >>"$work/measured" 2>>"$work/measured.err"
    note "$name" "$work/measured" "$work/measured.err"
    report
}

# note NAME FILE ERRORS: into the file, how a measurement ended that gave nothing, or not all.
note() {
    if [ "$limit" -eq 0 ]; then
        echo "# $1: not run, there was no time left" >>"$2"
    elif [ "$status" -eq 124 ]; then
        echo "# $1: not done after $limit s" >>"$2"
    elif [ "$status" -ne 0 ]; then
        echo "# $1: failed: $(tail -n 1 "$3")" >>"$2"
        tail -n 1 "$3" >&2
    fi
}

run() {
    results=${1:-gpu-results.md}
    [ -x "$here/runtime/bin/java" ] || die "no runtime beside this script: make the folder with 'check-gpu.sh pack DIR' and run its copy"
    work=$(mktemp -d)
    export work
    trap 'rm -rf "$work"' EXIT
    trap interrupted TERM INT HUP
    : >"$work/checks"
    : >"$work/measured"
    : >"$work/profile"
    : >"$work/pytorch"
    whole=${CHECK_GPU_SECONDS:-480}
    end=$((whole * 55 / 100)) # correctness
    limited 20 nvidia-smi --query-gpu=name,driver_version,memory.total,clocks.max.sm,power.limit --format=csv,noheader \
        >"$work/device" 2>/dev/null
    [ "$status" -eq 0 ] || : >"$work/device"
    limited 20 nvcc --version >"$work/nvcc" 2>/dev/null
    # A case of one small kernel: says in one line why there is no GPU.
    say "the first kernel"
    name="the first kernel"
    limited 60 gradus golden "$here/golden" --backend cuda --group activation >"$work/first" 2>&1
    if [ "$status" -eq 124 ]; then
        line "$name" FAILED "not done after $limit s" "$limit s"
        say "the first kernel was not done after $limit s; wrote $results"
        exit 1
    elif [ "$status" -ne 0 ] && ! grep -q 'passed,' "$work/first"; then
        die "$(tail -n 1 "$work/first")"
    fi
    small=${CHECK_GPU_SMALL:-0}
    if [ "$small" = 1 ]; then
        seconds=0.1 shapes=3 matrix=128 cases=(infer64_b1) training=() groups=(dense loss) precisions=(float32)
    else
        seconds=2 shapes=40 matrix=8192 cases=(infer224_b1 infer224_b128) training=(train224_b128) groups=()
        precisions=(float32 tf32 bf16)
    fi

    # ---- correctness ----
    if [ "$small" = 1 ]; then
        for g in "${groups[@]}"; do check "golden cases, float32, $g" 120 gradus golden "$here/golden" --backend cuda --group "$g"; done
        check "every kernel of products and convolutions, exact" 600 suite gradus.cuda.ProductsTest
    else
        golden=$here/golden-complete
        [ -d "$golden" ] || golden=$here/golden
        check "golden cases, float32" 120 gradus golden "$golden" --backend cuda
        # All that the speed below is of, in each precision, and layers of ResNet-50
        check "every kernel of products and convolutions, exact" 120 suite gradus.cuda.ProductsTest -Dgradus.test.images=16
        # Single operations: in longer chains coarser factors turn ReLUs on or off.
        ops=conv2d,dense,batch_norm,activation,pool,pad_add,loss,optimizer
        check "golden cases of operations, tf32 (bounds x 2^13)" 60 gradus golden "$golden" --backend cuda --precision tf32 --group $ops
        check "golden cases of operations, bf16 (bounds x 2^16)" 60 gradus golden "$golden" --backend cuda --precision bf16 --group $ops
    fi
    check "agreement with the reference, $shapes random shapes a method" 150 \
        suite gradus.backend.agreement.AgreementTest "-Dgradus.test.times=$shapes"
    if [ "$small" = 1 ]; then
        line "run to run" "not run" "too much for an emulated driver" ""
    else
        check "golden cases, float32, unfused" 120 gradus golden "$golden" --backend cuda --unfused
        check "run to run, one epoch of 240 pictures" 150 same_bits --examples 240
    fi
    if command -v compute-sanitizer >/dev/null; then
        late=unfinished # it slows programs down many times: what was clean until then is no failure
        wrong='^=+ +(Invalid|Misaligned|Error:|Race reported|Program hit)'
        refused='^=+ .*(not supported|unsupported|cannot attach|unable to attach|failed to attach|initialization failed)'
        check "compute-sanitizer memcheck" 75 sanitized memcheck conv2d,batch_norm,pool,dense
        check "compute-sanitizer racecheck" 45 sanitized racecheck dense,batch_norm
        late=FAILED wrong='' refused=''
    else
        line "compute-sanitizer" "not run" "it is not on the PATH" ""
    fi

    # ---- speed ----
    end=$((whole * 80 / 100))
    for p in "${precisions[@]}"; do
        for c in "${cases[@]}" ${training[@]+"${training[@]}"}; do measure "$p" "$c"; done
        measure "$p" --matmul "$matrix"
    done
    if [ "$small" != 1 ]; then
        name=profile
        say "$name"
        limited 60 gradus bench --backend cuda --precision bf16 --seconds 2 --profile train224_b128 >"$work/profile" 2>&1
        note "$name" "$work/profile" "$work/profile"
    fi
    end=$whole
    name=PyTorch
    if command -v python3 >/dev/null; then
        say "$name"
        limited 150 python3 "$here/check-gpu.py" measure "$seconds" "$matrix" "$small" >"$work/pytorch" 2>"$work/pytorch.err"
        note "$name" "$work/pytorch" "$work/pytorch.err"
    fi
    report
    say "wrote $results after $SECONDS s"
    exit "$failed"
}

case "${1:-}" in
pack) shift && pack "$@" ;;
run) shift && run "$@" ;;
functions) ;; # sourced: functions alone
*) die "usage: check-gpu.sh pack DIR | check-gpu.sh run [RESULTS]" ;;
esac
