#!/bin/sh
# The traces of the first seeds must be the same with gcc and clang:
#   compilers.sh BUILD_FOLDER SEEDS [PROGRAM]     raft_simulation (the default) or group_simulation
# Builds the simulation once more, with the other compiler, below the build folder.
set -eu
build=$1
seeds=$2
program=${3:-raft_simulation}
source=$(cd "$(dirname "$0")/../../.." && pwd)
mine=$(sed -n 's/^CMAKE_CXX_COMPILER:[A-Z]*=//p' "$build/CMakeCache.txt")
other=$(case "$mine" in *clang*) command -v g++ ;; *) command -v clang++ ;; esac) || {
  echo "only one compiler is installed: nothing to compare"
  exit 77
}
cmake -S "$source" -B "$build/other-compiler" -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo \
  -DCMAKE_CXX_COMPILER="$other" > /dev/null
cmake --build "$build/other-compiler" --target "$program" > /dev/null
"$build/$program" --seeds "$seeds" --traces --allow-zero > "$build/$program-traces-mine"
"$build/other-compiler/$program" --seeds "$seeds" --traces --allow-zero > "$build/$program-traces-other"
diff "$build/$program-traces-mine" "$build/$program-traces-other" > /dev/null || {
  echo "the traces differ between $mine and $other, from seed" \
    "$(diff "$build/$program-traces-mine" "$build/$program-traces-other" | sed -n 's/^< \([0-9]*\) .*/\1/p' | head -1)"
  exit 1
}
echo "$seeds seeds of $program: the same traces with $(basename "$mine") and $(basename "$other")"
