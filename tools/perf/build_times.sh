#!/bin/bash
# Measures what docs/PERFORMANCE.md says of the build, on copies of this repository in a scratch folder
# (the commit at HEAD). Leaves this clone and its caches alone. About 15 minutes on 2 cores.
#
#   bash tools/perf/build_times.sh [SCRATCH_FOLDER]
set -euo pipefail
repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
scratch=$(mktemp -d "${1:-/tmp}/perennial-times.XXXXXX")
export PERENNIAL_CACHE=$scratch/cache
quiet=(--noshow_progress --color=no --curses=no --ui_event_filters=-info --test_summary=none)

bazel() { # CLONE COMMAND...
  local clone=$1
  shift
  (cd "$scratch/$clone" && tools/bazel --output_user_root="$scratch/$clone.bazel" "$@")
}
finish() {
  for clone in first second; do
    if [[ -d $scratch/$clone ]]; then bazel "$clone" shutdown || true; fi
  done
  chmod -R u+w "$scratch" && rm -rf "$scratch"
}
trap finish EXIT

timed() { # NAME COMMAND...
  local name=$1 start end
  shift
  start=$(date +%s.%N)
  "$@" >"$scratch/log" 2>&1 || { tail -n 30 "$scratch/log"; echo "$name: FAILED"; exit 1; }
  end=$(date +%s.%N)
  printf '%-62s %7.1f s\n' "$name" "$(awk "BEGIN { print $end - $start }")"
}

git clone -q "$repository" "$scratch/first"
timed "fetch of everything, empty caches" bazel first build "${quiet[@]}" --nobuild //...
timed "clean build //... and test //..." bazel first test "${quiet[@]}" //...
timed "no change, test //..." bazel first test "${quiet[@]}" //...

learner=$scratch/first/continual/learners/er.cc
sed -i 's/class ExperienceReplay final/class ExperienceReplayer final/; s/  ExperienceReplay(const/  ExperienceReplayer(const/; s/make_unique<ExperienceReplay>/make_unique<ExperienceReplayer>/' "$learner"
timed "changed learner, test //continual/learners:learners_test" \
  bazel first test "${quiet[@]}" //continual/learners:learners_test

git clone -q "$repository" "$scratch/second"
# Without network: a namespace of its own has no interface but loopback.
offline() { unshare --net bash -c 'ip link set lo up 2>/dev/null; "$@"' offline "$@"; }
export -f bazel
export scratch
timed "second clone, warm caches, no network: build and test //..." \
  offline bash -c 'bazel second test "$@"' second "${quiet[@]}" //...
timed "second clone, no network: //continual:experiment, smoke" \
  offline bash -c 'bazel second run "$@"' second "${quiet[@]::4}" //continual:experiment -- \
  --config smoke --out "$scratch/smoke"
