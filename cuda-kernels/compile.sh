#!/bin/bash
# The kernels as PTX text: src/main/cuda/*.cu -> src/main/resources/gradus/cuda/ptx/MODULE.TARGET.ptx.
#
#   compile.sh          compiles and writes the resources, and checks what ptxas says of registers, spills and shared memory
#                       against kernels.budget
#   compile.sh check    the same, but writes nothing, and checks that what is committed is of these sources
#
# Needs nvcc (13.0 wrote what is committed). It numbers registers differently from run to run, so that text cannot be compared
# with text: sources.sha256 beside the PTX says what sources it is of (PtxTest compares as well, also where there is no nvcc).
# Exit code 0: done, agrees. 1: differs, or a kernel exceeds its budget. 3: no nvcc here, nothing was checked.
#
# Comments are left out, as they name the compiler's build, and so is white space (a tenth of the text). The PTX version that nvcc
# writes is its own release's; the instructions used here are older, so the directive is set to the oldest that ptxas accepts them
# in, and drivers from CUDA 11.8 on (12.0 for sm_90a) load the text.
set -euo pipefail
cd "$(dirname "$0")"
NVCC=$(command -v nvcc || { test -x /usr/local/cuda/bin/nvcc && echo /usr/local/cuda/bin/nvcc; } || true)
if [ -z "$NVCC" ]; then
    echo "compile.sh: nvcc is not on this machine; the committed PTX stays as it is" >&2
    exit 3
fi
RESOURCES=src/main/resources/gradus/cuda/ptx
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
mode=${1:-write}

# all sources in the order of their names, as one number
sources() {
    (cd src/main/cuda && cat $(ls -- *.cu *.cuh | LC_ALL=C sort) | sha256sum | cut -d ' ' -f 1)
}

# module, source, target, flags
modules() {
    for family in Elementwise Reduction Pooling Normalization Loss Probe; do
        echo "$family $family compute_75"
    done
    for family in MatMul Convolution; do
        echo "$family.float32 $family compute_75 -DPRECISION=0"
        echo "$family.float32 $family compute_80 -DPRECISION=0"
        echo "$family.tf32 $family compute_80 -DPRECISION=1"
        echo "$family.bf16 $family compute_80 -DPRECISION=2"
    done
    echo "Ladder Ladder compute_80"
    echo "MatMul.hopper Hopper sm_90a"
}

compile() { # module source target flags
    local out="$WORK/$1.$3.ptx" version=7.8 arch=${3/compute/sm}
    [ "$3" = sm_90a ] && version=8.0
    "$NVCC" -std=c++17 ${4:-} -ptx -arch="${3/sm_/compute_}" -o "$WORK/$1.$3.raw" "src/main/cuda/$2.cu"
    sed -e 's,^\.version .*,.version '$version',' -e '/\.pragma "used_bytes_mask/d' -e 's,[ \t]*//.*$,,' -e '/^[ \t]*$/d' \
        -e 's,^[ \t]*,,' -e 's,[ \t][ \t]*, ,g' -e 's/, /,/g' "$WORK/$1.$3.raw" > "$out"
    # what the driver of a newer device will do: every target of PTX is assembled for the device it is measured on as well
    for real in $arch $([ "$3" = sm_90a ] || echo sm_90); do
        "$(dirname "$NVCC")/ptxas" -v -arch="$real" -o "$WORK/$1.$3.$real.cubin" "$out" 2> "$WORK/$1.$3.$real.report" || {
            cat "$WORK/$1.$3.$real.report" >&2
            return 1
        }
    done
}

status=0
while read -r module source target flags; do
    [ -f "src/main/cuda/$source.cu" ] || continue
    compile "$module" "$source" "$target" "$flags"
    if [ "$mode" = check ] && [ ! -f "$RESOURCES/$module.$target.ptx" ]; then
        echo "MISSING $module.$target.ptx: run compile.sh and commit" >&2
        status=1
    fi
done < <(modules)

# kernel registers spill-bytes shared-bytes, the largest over the devices that it was assembled for
cat "$WORK"/*.report | awk '
    /Function properties for/ { name = $NF }
    /bytes stack frame/ { spill = $5 + $9; stack = $1 }
    /Used [0-9]+ registers/ {
        match($0, /Used [0-9]+/); r = substr($0, RSTART + 5, RLENGTH - 5)
        s = 0; if (match($0, /[0-9]+ bytes smem/)) { s = substr($0, RSTART, RLENGTH) + 0 }
        if (r > reg[name]) reg[name] = r + 0
        if (spill > sp[name]) sp[name] = spill + 0
        if (s > sm[name]) sm[name] = s
        seen[name] = 1
    }
    END { for (n in seen) print n, reg[n] + 0, sp[n] + 0, sm[n] + 0 }' | sort > "$WORK/usage"

# every line of the budget: pattern, registers, spilled bytes, shared bytes; the first that matches a kernel counts
if ! awk 'NR == FNR { if ($1 != "" && $1 !~ /^#/) { pattern[++n] = $1; r[n] = $2; s[n] = $3; m[n] = $4 } next }
    { for (i = 1; i <= n; i++) if ($1 ~ "^(" pattern[i] ")$") break
      if (i > n) { print "NO BUDGET " $1; bad = 1 }
      else if ($2 > r[i] || $3 > s[i] || $4 > m[i]) {
          print "OVER BUDGET " $1 ": " $2 " registers, " $3 " bytes spilled, " $4 " bytes shared; allowed " r[i] ", " s[i] ", " m[i]; bad = 1 } }
    END { print FNR " kernels within their budget: " (bad ? "no" : "yes"); exit bad }' kernels.budget "$WORK/usage"; then
    status=1
fi
if [ "$mode" = check ]; then
    if [ "$(sources)" != "$(cat "$RESOURCES/sources.sha256")" ]; then
        echo "OUTDATED: the sources have changed since the PTX was written; run compile.sh and commit" >&2
        status=1
    fi
    [ $status = 0 ] && echo "PTX is fresh: $(ls "$RESOURCES"/*.ptx | wc -l) modules"
else
    mkdir -p "$RESOURCES"
    rm -f "$RESOURCES"/*.ptx
    cp "$WORK"/*.ptx "$RESOURCES/"
    sources > "$RESOURCES/sources.sha256"
    cat "$WORK/usage"
    du -bc "$RESOURCES"/*.ptx
fi
exit $status
