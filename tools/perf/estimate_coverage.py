#!/usr/bin/env python3
"""How often the intervals of //causal:estimate hold the true average effect, on simulated tables.

  tools/bazel build //causal:estimate
  python3 tools/perf/estimate_coverage.py --estimate bazel-bin/causal/estimation/estimate
      [--design slopes|steps|both] [--units 400] [--tables 100] [-- flags of estimate, as --model net]

Needs Python's standard library alone. Prints, for each estimator, over the tables: the mean error of
the estimate (bias), its standard deviation, the mean standard error that was said, the share of 95 %
intervals that hold the mean effect of the table's units (of 400, 0.05 about that of the population, -3) with
the 95 % interval of that share (Wilson), and seconds a table.

A table is a clinic's: age, body mass index (a tenth missing), severity, region (a text, a twentieth
missing), whether treated, cost. Age, severity and region move both treatment and cost: the arms'
means differ by 3.4 ("slopes") from the effect, which is -3 on average and grows with age. Of the
design "steps" the cost climbs at thresholds instead.
"""

import argparse
import csv
import json
import math
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile
import time

REGIONS = ("North, rural", "South", "East", 'West "old" town')


def write_table(path, design, units, seed):
    """Returns the mean effect of the units."""
    draw = random.Random(f"{design} {seed}")
    effects = []
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("age", "bmi, kg/m2", "severity", "region", "treated", "cost"))
        for _ in range(units):
            age, bmi, severity = draw.gauss(60, 10), draw.gauss(27, 4), draw.random()
            region = draw.choice(REGIONS)
            decades = (age - 60) / 10
            south = region == "South"
            odds = 0.8 * decades + 1.5 * (severity - 0.5) + 0.5 * south
            treated = draw.random() < 1 / (1 + math.exp(-odds))
            effects.append(decades - 3)
            if design == "slopes":
                cost = 20 + 3 * decades + 8 * severity
            else:
                cost = 20 + 6 * (decades > 0) + 8 * (severity > 0.5 and decades > -0.5)
            cost += 0.3 * (bmi - 27) + 2 * south + draw.gauss(0, 3)
            if treated:
                cost += effects[-1]
            writer.writerow((
                f"{age:.1f}",
                "" if draw.random() < 0.1 else f"{bmi:.2f}",
                f"{severity:.3f}",
                "" if draw.random() < 0.05 else region,
                "yes" if treated else "no",
                f"{cost:.3f}",
            ))
    return statistics.fmean(effects)


def average_effects(program, table, folder, flags):
    """Yields (estimator, estimate, standard error or None, low, high)."""
    command = [program, "--data", str(table), "--treatment", "treated", "--outcome", "cost",
               "--threads", "1", "--out", str(folder), *flags]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        sys.exit(f"{' '.join(command)}\n{ended.stderr}")
    result = json.loads((folder / "estimate.json").read_text(encoding="utf-8"))
    for effect in result["effects"]:
        if effect["estimand"] == "ate":
            yield (effect["estimator"], effect["value"], effect.get("standard_error"),
                   effect.get("low"), effect.get("high"))


def wilson(held, of):
    z = statistics.NormalDist().inv_cdf(0.975)
    share = held / of
    centre = (share + z * z / (2 * of)) / (1 + z * z / of)
    half = z / (1 + z * z / of) * math.sqrt(share * (1 - share) / of + z * z / (4 * of * of))
    return centre - half, centre + half


def measure(program, design, units, tables, flags):
    rows = {}
    begin = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(tables):
            table = pathlib.Path(folder, "table.csv")
            truth = write_table(table, design, units, seed)
            for name, value, error, low, high in average_effects(
                    program, table, pathlib.Path(folder, f"out_{seed}"), flags):
                held = None if error is None else low <= truth <= high
                rows.setdefault(name, []).append((value - truth, error, held))
    seconds = (time.monotonic() - begin) / tables
    for name, values in rows.items():
        errors = [value for value, _, _ in values]
        cells = [design, str(units), name, f"{statistics.fmean(errors):.2f}",
                 f"{statistics.stdev(errors):.2f}"]
        if values[0][1] is None:
            cells += ["", ""]
        else:
            held = sum(value for _, _, value in values)
            low, high = wilson(held, len(values))
            cells += [f"{statistics.fmean(error for _, error, _ in values):.2f}",
                      f"{held / len(values):.2f} [{low:.2f}, {high:.2f}]"]
        print("| " + " | ".join(cells + [f"{seconds:.1f}"]) + " |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--estimate", required=True, help="the program of //causal:estimate")
    parser.add_argument("--design", choices=("slopes", "steps", "both"), default="both")
    parser.add_argument("--units", type=int, default=400)
    parser.add_argument("--tables", type=int, default=100)
    parser.add_argument("flags", nargs="*", help="after --: flags of the program")
    arguments = parser.parse_args()
    if arguments.units < 20 or arguments.tables < 2:
        parser.error("at least 20 units and 2 tables are needed")
    print("| design | units | estimator | bias | SD | said | coverage | s |")
    print("|---|---|---|---|---|---|---|---|")
    for design in ("slopes", "steps") if arguments.design == "both" else (arguments.design,):
        measure(str(pathlib.Path(arguments.estimate).resolve()), design, arguments.units,
                arguments.tables, arguments.flags)


if __name__ == "__main__":
    main()
