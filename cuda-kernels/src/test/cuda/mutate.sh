#!/bin/bash
# Shows that the tests of run.sh can fail: breaks the kernels one line at a time, in a copy, and expects each break to be found.
# Takes about three minutes. Exit code 0: every break was found. 1: some were not. 3: no g++ here.
set -uo pipefail
cd "$(dirname "$0")"
CXX=${CXX:-g++}
command -v "$CXX" > /dev/null || { echo "mutate.sh: $CXX is not on this machine" >&2; exit 3; }
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
missed=0
breaking() { # file, sed script, test, flags
    rm -rf "$WORK/src"
    mkdir -p "$WORK/src/main" "$WORK/src/test"
    cp -r ../../main/cuda "$WORK/src/main/"
    cp -r . "$WORK/src/test/cuda"
    sed -i -E "$2" "$WORK/src/main/cuda/$1"
    if cmp -s "../../main/cuda/$1" "$WORK/src/main/cuda/$1"; then
        echo "NOTHING BROKEN  $1: $2"
        missed=1
        return
    fi
    if ! (cd "$WORK/src/test/cuda" && "$CXX" -std=c++17 -O1 -w ${4:-} -DGRADUS_EMULATION -I. -I../../main/cuda "$3.cpp" -o "$WORK/test"); then
        echo "DOES NOT COMPILE  $1: $2"
        missed=1
    elif timeout 60 "$WORK/test" > "$WORK/out" 2>&1; then
        echo "NOT FOUND  $1: $2"
        missed=1
    else
        echo "found  $1: $2"
    fi
}
FIRST_BARRIER='0,/__syncthreads\(\);/s/__syncthreads\(\);//'
# barriers, waits and fences
breaking product.cuh 's,__syncthreads\(\); // this stage.*,,' convolution -DPRECISION=0
breaking product.cuh 's,waitCopies<STAGES - 2>\(\);,,' convolution -DPRECISION=1
breaking product.cuh 's,waitCopies<STAGES - 2>\(\);,waitCopies<STAGES - 1>();,' convolution -DPRECISION=2
breaking product.cuh 's,publishShared\(\);,,' hopper
breaking product.cuh 's,waitProducts<1>\(\);,,' hopper
breaking product.cuh 's,AHEAD = STAGES - 2,AHEAD = STAGES - 1,' hopper
breaking Hopper.cu "$FIRST_BARRIER" hopper
breaking Ladder.cu "$FIRST_BARRIER" ladder
breaking Reduction.cu "$FIRST_BARRIER" reduction
breaking Normalization.cu "$FIRST_BARRIER" normalization
# indices, bounds, layouts
breaking product.cuh 's,tapStepH;,tapStepW;,' convolution -DPRECISION=0
breaking Convolution.cu 's,first = 0;,first = 0; step = stride;,' convolution -DPRECISION=0
breaking product.cuh 's,bool valid = left > STEP \* i;,bool valid = left >= STEP * i;,' convolution -DPRECISION=0
breaking product.cuh 's/toTf32\(low\.y\), toTf32\(high\.y\)/toTf32(high.y), toTf32(low.y)/' convolution -DPRECISION=1
breaking product.cuh 's,row & 7,row \& 3,' hopper
# formulas
breaking Normalization.cu 's,n \* share,n,' normalization
breaking Pooling.cu 's,\(before && other == v\),false,' pooling
breaking Elementwise.cu 's,bits < threshold,bits <= threshold,' elementwise
breaking Loss.cu 's,label < classes,label <= classes,' loss
[ $missed = 0 ] && echo "every break was found"
exit $missed
