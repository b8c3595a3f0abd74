#!/bin/sh
# Many seeds on all cores: soak.sh PROGRAM FROM COUNT. Ends at the first violation with its seed.
set -eu
program=$1
from=$2
count=$3
jobs=$(nproc)
share=$(( (count + jobs - 1) / jobs ))
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
pids=
for job in $(seq 1 "$jobs"); do
  "$program" --seeds "$share" --from $(( from + (job - 1) * share )) > "$folder/$job" 2>&1 &
  pids="$pids $!"
done
failed=0
for pid in $pids; do wait "$pid" || failed=1; done
cat "$folder"/*
exit $failed
