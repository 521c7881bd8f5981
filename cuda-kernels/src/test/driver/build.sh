#!/usr/bin/env bash
# build.sh DIR: the emulated driver, DIR/libcuda.so.1, and beside it a library for every module of kernels. Nothing is done when
# they are there and newer than the sources; without g++ nothing is built, and the tests that need them are skipped.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
kernels=$here/../../main/cuda
out=$1
if ! command -v g++ >/dev/null; then
    echo "no g++: the emulated driver is not built, and the tests on it are skipped"
    exit 0
fi
if [ -e "$out/libcuda.so.1" ] && [ -z "$(find "$here" "$here/../cuda" "$kernels" -newer "$out/libcuda.so.1" -print -quit)" ]; then
    exit 0
fi
rm -rf "$out"
mkdir -p "$out"
out=$(cd "$out" && pwd)
flags=(-std=c++20 -O2 -fPIC -shared -fvisibility=hidden -fno-gnu-unique -DGRADUS_EMULATION -I "$here/../cuda" -I "$kernels" -w)

# module SOURCE NAME FLAGS...
module() {
    source=$kernels/$1.cu
    name=$2
    shift 2
    [ -e "$source" ] || return 0
    g++ -x c++ -E -std=c++20 -DGRADUS_EMULATION -I "$here/../cuda" -I "$kernels" "$@" "$source" |
        grep -oE 'extern "C" +void +[a-z0-9][a-z0-9_]*\(' | sed -E 's/.* ([a-zA-Z0-9_]+)\(/X(\1)/' >"$out/$name.names"
    g++ "${flags[@]}" "$@" "-DSOURCE=\"$source\"" "-DNAMES=\"$out/$name.names\"" "$here/module.cpp" -o "$out/$name.so"
}

jobs=()
for m in Elementwise Reduction Pooling Normalization Loss Probe; do
    module $m $m &
    jobs+=($!)
done
wait "${jobs[@]}"
precision=0
for p in float32 tf32 bf16; do
    module MatMul MatMul.$p -DPRECISION=$precision &
    one=$!
    module Convolution Convolution.$p -DPRECISION=$precision
    wait "$one"
    precision=$((precision + 1))
done
module Hopper MatMul.hopper
g++ -std=c++20 -O2 -fPIC -shared -fvisibility=hidden -Wall -Wextra -Wl,-soname,libcuda.so.1 "$here/driver.cpp" -ldl -o "$out/driver.tmp"
mv "$out/driver.tmp" "$out/libcuda.so.1" # last: it says that all is there
