#!/usr/bin/env bash
# Proves and measures the CUDA backend on a machine that has a GPU and no Java.
#
#   cuda-kernels/check-gpu.sh pack DIR    on a machine that builds: everything the other needs, in one folder
#   DIR/check-gpu.sh run [RESULTS]        on the machine with the GPU (driver 580 or newer; nvcc and Python with PyTorch if the
#                                         figures of cuBLAS, cuDNN and compute-sanitizer are wanted): correctness, then the
#                                         table against PyTorch, then shares of the device's limits, into RESULTS
#                                         (gpu-results.md); below 8 minutes on an H200
#
# Exit status of run: 0 all is correct, 1 something is not, 2 it cannot run here.
# GRADUS_JAVA_OPTS: more options for the JVM. CHECK_GPU_SMALL=1: small cases alone, to test this script on an emulated driver.
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
    say "runtime"
    "$jdk/bin/jlink" --add-modules java.se,jdk.unsupported,jdk.incubator.vector --strip-debug --no-man-pages --no-header-files \
        --output "$out/runtime" || exit 2
    cp -r app/target/lib "$out/lib"
    cp -r tests/src/test/resources/golden "$out/golden"
    # The complete set of reference cases where it lies beside the project.
    if [ -d ../shared/golden ]; then cp -r ../shared/golden "$out/golden-complete"; fi
    cp -r cuda-kernels/target/test-classes "$out/test-classes"
    ./mvnw -q -pl . dependency:copy -Dmdep.stripVersion=true "-DoutputDirectory=$out" \
        "-Dartifact=org.junit.platform:junit-platform-console-standalone:6.1.3" || exit 2
    cp "$here/check-gpu.sh" "$here/check-gpu.py" "$out/"
    git log -1 --format='%h of %cs' >"$out/revision" 2>/dev/null || echo unknown >"$out/revision"
    say "ready: $(du -sh "$out" | cut -f1) in $out; copy it to the machine with the GPU and run ./check-gpu.sh run there"
}

options=(-XX:+UseParallelGC -XX:MaxRAMPercentage=60 --enable-native-access=gradus.cuda,jcuda)

gradus() {
    # shellcheck disable=SC2086 # options are words
    "$here/runtime/bin/java" "${options[@]}" ${GRADUS_JAVA_OPTS:-} -p "$here/lib" -m gradus.app/gradus.app.Main "$@"
}

failed=0
late=FAILED # what a check that takes too long is

# check NAME SECONDS CMD...: a line for the table; what it printed is kept.
check() {
    name=$1 limit=$2
    shift 2
    start=$SECONDS
    say "$name"
    # A function cannot be run by timeout, a shell that knows it can.
    timeout "$limit" bash -c 'source "$0" functions; "$@"' "$here/check-gpu.sh" "$@" >"$work/out" 2>&1
    status=$?
    cp "$work/out" "$work/$(echo "$name" | tr -c 'a-zA-Z0-9\n' _).log"
    # golden ends with 'N passed, N failed', the suite with a count of tests, others with what they say
    what=$(grep -E 'passed, [0-9]+ failed|tests (successful|failed)|ERROR SUMMARY|same bits' "$work/out" | sed 's/[][|]//g' | tr -s ' \n' ' ')
    [ -n "$what" ] || what=$(grep -v '^$' "$work/out" | tail -n 1 | tr '|' '/')
    [ "$status" -ne 124 ] || what="not done after $limit s; $what"
    if [ "$status" -eq 0 ]; then
        verdict=passed
    elif [ "$status" -eq 124 ] && [ "$late" != FAILED ]; then
        verdict=$late
    else
        verdict=FAILED
        failed=1
        tail -n 5 "$work/out" >&2
    fi
    printf '| %s | %s | %s | %d s |\n' "$name" "$verdict" "$what" $((SECONDS - start)) >>"$work/checks"
}

agreement() {
    # shellcheck disable=SC2086
    "$here/runtime/bin/java" --add-modules jdk.incubator.vector --enable-native-access=ALL-UNNAMED ${GRADUS_JAVA_OPTS:-} \
        -Dgradus.test.backend=cuda -Dgradus.test.times="$1" \
        -cp "$here/junit-platform-console-standalone.jar:$here/test-classes:$here/lib/*" \
        org.junit.platform.console.ConsoleLauncher execute --select-class gradus.backend.agreement.AgreementTest \
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
    say "gradus $precision $*"
    timeout 90 bash -c 'source "$0" functions; "$@"' "$here/check-gpu.sh" \
        gradus bench --backend cuda --precision "$precision" --resident --seconds "$seconds" "$@" \
        >>"$work/measured" 2>>"$work/measured.err" || {
        echo "# failed: $precision $*" >>"$work/measured"
        tail -n 1 "$work/measured.err" >&2
    }
}

run() {
    results=${1:-gpu-results.md}
    [ -x "$here/runtime/bin/java" ] || die "no runtime beside this script: make the folder with 'check-gpu.sh pack DIR' and run its copy"
    work=$(mktemp -d)
    export work
    trap 'rm -rf "$work"' EXIT
    # A case of one small kernel: says in one line why there is no GPU.
    if ! gradus golden "$here/golden" --backend cuda --group activation >"$work/first" 2>&1 && ! grep -q 'passed,' "$work/first"; then
        die "$(tail -n 1 "$work/first")"
    fi
    if [ "${CHECK_GPU_SMALL:-}" = 1 ]; then
        seconds=0.1 shapes=3 matrix=128 cases=(infer64_b1) training=() groups=(dense loss) precisions=(float32)
    else
        seconds=2 shapes=40 matrix=8192 cases=(infer224_b1 infer224_b128) training=(train224_b128) groups=()
        precisions=(float32 tf32 bf16)
    fi

    # ---- correctness ----
    if [ "${CHECK_GPU_SMALL:-}" = 1 ]; then
        for g in "${groups[@]}"; do check "golden cases, float32, $g" 120 gradus golden "$here/golden" --backend cuda --group "$g"; done
    else
        golden=$here/golden-complete
        [ -d "$golden" ] || golden=$here/golden
        check "golden cases, float32" 120 gradus golden "$golden" --backend cuda
        check "golden cases, float32, unfused" 120 gradus golden "$golden" --backend cuda --unfused
        # Single operations: in longer chains coarser factors turn ReLUs on or off.
        ops=conv2d,dense,batch_norm,activation,pool,pad_add,loss,optimizer
        check "golden cases of operations, tf32 (bounds x 2^13)" 60 gradus golden "$golden" --backend cuda --precision tf32 --group $ops
        check "golden cases of operations, bf16 (bounds x 2^16)" 60 gradus golden "$golden" --backend cuda --precision bf16 --group $ops
    fi
    check "agreement with the reference, $shapes random shapes a method" 150 agreement "$shapes"
    if [ "${CHECK_GPU_SMALL:-}" = 1 ]; then
        echo "| run to run | not run | too much for an emulated driver | |" >>"$work/checks"
    else
        check "run to run, one epoch of 240 pictures" 150 same_bits --examples 240
    fi
    if command -v compute-sanitizer >/dev/null && [ "${CHECK_GPU_SMALL:-}" != 1 ]; then
        late=unfinished # it slows programs down many times: what was clean until then is no failure
        check "compute-sanitizer memcheck" 75 sanitized memcheck conv2d,batch_norm,pool,dense
        check "compute-sanitizer racecheck" 45 sanitized racecheck dense,batch_norm
        late=FAILED
    else
        echo "| compute-sanitizer | not run | it is not on the PATH | |" >>"$work/checks"
    fi

    # ---- speed ----
    : >"$work/measured"
    for p in "${precisions[@]}"; do
        for c in "${cases[@]}" ${training[@]+"${training[@]}"}; do measure "$p" "$c"; done
        measure "$p" --matmul "$matrix"
    done
    : >"$work/profile"
    if [ "${CHECK_GPU_SMALL:-}" != 1 ]; then
        say "profile"
        timeout 60 bash -c 'source "$0" functions; "$@"' "$here/check-gpu.sh" \
            gradus bench --backend cuda --precision bf16 --seconds 2 --profile train224_b128 >"$work/profile" 2>&1
    fi
    if command -v python3 >/dev/null; then
        say "PyTorch"
        timeout 150 python3 "$here/check-gpu.py" measure "$seconds" "$matrix" "${CHECK_GPU_SMALL:-0}" >"$work/pytorch" 2>"$work/pytorch.err" ||
            { echo "# $(tail -n 1 "$work/pytorch.err")" >>"$work/pytorch"; }
        python3 "$here/check-gpu.py" report "$work" "$(cat "$here/revision")" >"$results" || die "no report"
    else
        { cat "$work/checks" "$work/measured"; } >"$results"
    fi
    say "wrote $results after $SECONDS s"
    exit "$failed"
}

case "${1:-}" in
pack) shift && pack "$@" ;;
run) shift && run "$@" ;;
functions) ;; # sourced: functions alone
*) die "usage: check-gpu.sh pack DIR | check-gpu.sh run [RESULTS]" ;;
esac
