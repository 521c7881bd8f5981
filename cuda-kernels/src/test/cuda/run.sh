#!/bin/bash
# Runs the kernels on the host (emulation.h) against plain loops, every family and precision, and counts bank conflicts.
# Exit code 0: all agree. 1: some do not. 3: no g++ here, nothing was checked.
# `run.sh thorough` takes every tile with every shape.
set -uo pipefail
cd "$(dirname "$0")"
CXX=${CXX:-g++}
if ! command -v "$CXX" > /dev/null; then
    echo "run.sh: $CXX is not on this machine; the kernels were not checked" >&2
    exit 3
fi
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
FLAGS="-std=c++17 -O1 -g -Wall -Wextra -Wno-unknown-pragmas -Wno-unused-parameter -Werror -DGRADUS_EMULATION -I. -I../../main/cuda"
status=0
check() { # name source flags
    if "$CXX" $FLAGS ${3:-} "$2.cpp" -o "$WORK/$1"; then
        "$WORK/$1" $mode || { echo "FAILED $1 ($?)"; status=1; }
    else
        echo "FAILED $1: does not compile"
        status=1
    fi
}
mode=${1:-}
for family in elementwise reduction loss pooling normalization banks; do
    check $family $family
done
for precision in 0 1 2; do
    check products.$precision convolution -DPRECISION=$precision
done
for source in ladder hopper; do
    [ -f $source.cpp ] && check $source $source
done
[ $status = 0 ] && echo "all kernels agree"
exit $status
