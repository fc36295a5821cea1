#!/bin/bash
# Measures what docs/PERFORMANCE.md says of the harness: its start, what the default experiment costs
# beside its units, and a run of a thousand units. Run it on a quiet machine; about 3 minutes on 2 cores.
#
#   bash tools/perf/harness.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
scratch=$(mktemp -d /tmp/perennial-harness.XXXXXX)
trap 'rm -rf "$scratch"' EXIT
tools/bazel build --noshow_progress --show_result=0 --ui_event_filters=-info \
  //continual:experiment //common/experiment/walk:walk_main
bin=$(tools/bazel info bazel-bin 2>/dev/null)

python3 - "$bin" "$scratch" <<'PYTHON'
import json, os, resource, statistics, subprocess, sys, time

bin, scratch = sys.argv[1:]
experiment = bin + "/continual/experiment"
walk = bin + "/common/experiment/walk/walk_main"


def run(*command):
    """Wall and CPU seconds of a command."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wall = time.monotonic() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, cpu


def median(*command, times=7):
    runs = [run(*command) for _ in range(times)]
    return statistics.median(r[0] for r in runs), statistics.median(r[1] for r in runs)


for flag in "--list", "--help":
    wall, cpu = median(experiment, flag)
    print("%-58s %6.2f s (CPU %.2f s), median of 7" % (flag, wall, cpu))

_, prepared = median(experiment, "--dry_run", times=3)
wall, cpu = run(experiment, "--out", scratch + "/default")
with open(scratch + "/default/run.json") as file:
    info = json.load(file)
units = sum(info["costs"].values())
print("default experiment: %.1f s, CPU %.1f s, of which units %.1f s" % (wall, cpu, units))
print("%-58s %6.2f s" % ("  start, data, peak of the GEMM (as --dry_run)", prepared))
print("%-58s %6.2f s = %.2f %% of the run" % (
    "  the rest: checkpoints, streams, progress, report", cpu - units - prepared,
    100 * (cpu - units - prepared) / cpu))

walkers = ",".join("w%d" % i for i in range(10))
thousand = [walk, "--config", "long", "--set", "walkers=[%s]" % walkers, "--seeds", "0..99"]
one = run(walk, "--config", "long", "--set", "walkers=[w0]", "--seeds", "0", "--out", scratch + "/one")
wall, cpu = run(*thousand, "--out", scratch + "/thousand", "--threads", "2")
print("1,000 units of no work (400 steps, 40 events each): %.1f s, CPU %.1f s: %.1f and %.1f ms a unit" % (
    wall, cpu, wall - one[0], cpu - one[1]))
wall, _ = run(*thousand, "--out", scratch + "/thousand")
print("%-58s %6.2f s" % ("  shown again", wall))
start = time.monotonic()
with open(scratch + "/thousand/summary.json") as file:
    json.load(file)
print("  summary.json %.0f kB, parsed in %.0f ms; report.html %.2f MB" % (
    os.path.getsize(scratch + "/thousand/summary.json") / 1e3, 1e3 * (time.monotonic() - start),
    os.path.getsize(scratch + "/thousand/report.html") / 1e6))
PYTHON
