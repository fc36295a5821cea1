#!/usr/bin/env python3
"""Writes common/stats/{normal,noncentral_t,robust,bootstrap,paired,wilcoxon,equivalence,multiple,
correlation,kolmogorov_smirnov,proportion}_oracle.inc.

The values that the tests beside them compare with. Recorded with scipy 1.17.1, numpy 2.4.6,
statsmodels 0.15.0 and, for the two distributions, mpmath 1.3.0, at enough digits that every double
is right (pip install scipy==1.17.1 numpy==2.4.6 statsmodels==0.15.0 mpmath==1.3.0). Takes two or
three minutes. Run in the root of the tree:

  python3 tools/oracles/stats.py
"""

import warnings

import mpmath
import numpy
import scipy
import statsmodels
from mpmath import mp
from scipy import optimize, stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower
from statsmodels.stats.weightstats import DescrStatsW

assert scipy.__version__ == "1.17.1" and numpy.__version__ == "2.4.6"
assert statsmodels.__version__ == "0.15.0" and mpmath.__version__ == "1.3.0"

warnings.filterwarnings("ignore", module="scipy")


def number(value):
    """C++ source of a double; NaN stands for what is undefined."""
    value = float(value)
    if numpy.isnan(value):
        return "kUndefined"
    return repr(value) if numpy.isfinite(value) else ("-" if value < 0 else "") + "HUGE_VAL"


def listed(values):
    return "{%s}" % ", ".join(number(v) for v in values)


class Oracle:
    """One .inc file, with a table for each name."""

    def __init__(self, name, source="scipy " + scipy.__version__):
        self.path = "common/stats/%s_oracle.inc" % name
        self.text = "// %s, written by tools/oracles/stats.py.\n" % source

    def table(self, name, columns, rows):
        self.text += "// %s\n#ifdef PERENNIAL_%s_ORACLE\n" % (columns, name)
        for row in rows:
            cells = [cell if isinstance(cell, str)
                     else listed(cell) if isinstance(cell, (list, tuple, numpy.ndarray))
                     else number(cell) for cell in row]
            self.text += "{%s},\n" % ", ".join(cells)
        self.text += "#endif\n"

    def write(self):
        with open(self.path, "w") as out:
            out.write(self.text)


def normal():
    mp.dps = 50
    oracle = Oracle("normal", "mpmath " + mpmath.__version__)
    xs = [-37.5, -37, -36.5, -35.5, -30, -20.25, -12, -8.5, -5, -3.1, -2, -1, -0.5, -1e-3, -1e-12, 0,
          1e-9, 0.1, 0.7, 1, 1.5, 2.5, 4, 6, 8]
    oracle.table("CDF", "x, P(Z <= x)", [(x, mp.ncdf(x)) for x in xs if x > -37.2])
    # erfc keeps its digits where 1 - P does not.
    log_cdf = lambda x: mp.log(mp.erfc(-mp.mpf(x) / mp.sqrt(2)) / 2)
    oracle.table("LOG_CDF", "x, log P(Z <= x)",
                 [(x, log_cdf(x)) for x in xs + [-38, -50, -100, -1e4, -1e8]])

    def quantile(p):
        p = mp.mpf(p)
        start = float(stats.norm.ppf(float(p)))
        return mp.findroot(lambda x: log_cdf(x) - mp.log(p), start)

    ps = [1e-300, 1e-200, 1e-100, 1e-30, 1e-12, 1e-6, 1e-3, 0.005, 0.01, 0.025, 0.07, 0.075, 0.08,
          0.1, 0.25, 0.3, 0.45, 0.4999, 0.5001, 0.55, 0.75, 0.9, 0.925, 0.95, 0.975, 0.995, 0.9999,
          1 - 2.0 ** -30, 1 - 2.0 ** -53]
    oracle.table("QUANTILE", "p, x with P(Z <= x) = p", [(p, quantile(p)) for p in ps])
    oracle.write()


def noncentral_t_cdf(t, f, delta, digits=170):
    """Lenth's series (AS 243) at many digits: exact but for the last of them."""
    mp.dps = digits
    t, f, delta = mp.mpf(t), mp.mpf(f), mp.mpf(delta)
    if t < 0:
        return 1 - noncentral_t_cdf(-t, f, -delta, digits)
    x = t * t / (t * t + f)
    half = delta * delta / 2
    total = mp.mpf(0)
    # Poisson weights, until they are below the digits.
    p = mp.exp(-half)
    q = delta * mp.exp(-half) / mp.sqrt(2) / mp.gamma(mp.mpf(3) / 2)
    # I_x(a, b) falls in a by x^a (1 - x)^b / (a B(a, b)) for each step.
    b = f / 2
    a1, a2 = mp.mpf(1) / 2, mp.mpf(1)
    i1 = mp.betainc(a1, b, 0, x, regularized=True)
    i2 = 1 - (1 - x) ** b
    d1 = x ** a1 * (1 - x) ** b / (a1 * mp.beta(a1, b))
    d2 = x ** a2 * (1 - x) ** b / (a2 * mp.beta(a2, b))
    j = 0
    while True:
        term = p * i1 + q * i2
        total += term
        if j > half and abs(p) + abs(q) < mp.mpf(10) ** (5 - digits):
            break
        i1 -= d1
        i2 -= d2
        d1 *= x * (a1 + b) / (a1 + 1)
        d2 *= x * (a2 + b) / (a2 + 1)
        a1 += 1
        a2 += 1
        j += 1
        p *= half / j
        q *= half / (j + mp.mpf(1) / 2)
    return mp.erfc(delta / mp.sqrt(2)) / 2 + total / 2


def noncentral_t():
    oracle = Oracle("noncentral_t", "mpmath " + mpmath.__version__)
    cases = [(t, f, delta) for f in [0.5, 1, 2, 4, 9, 19, 30.5, 99, 1000, 1e6]
             for delta in [-20, -3, -0.25, 0, 1, 2.5, 8] for t in [-12, -2.1, -0.3, 0, 0.01, 1, 2.8, 30]]
    cases += [(t, f, d) for f in [1, 19, 500] for d in [-50, 50, 100] for t in [-3, 2, 40, 60, 110]]
    rows = [(t, f, d, noncentral_t_cdf(t, f, d)) for t, f, d in cases]
    oracle.table("CDF", "t, degrees of freedom, delta, P(T <= t)",
                 [row for row in rows if row[3] > mp.mpf(10) ** -110])
    oracle.table("SCIPY_CDF", "the same by scipy %s" % scipy.__version__,
                 [(t, f, d, stats.nct.cdf(t, f, d)) for f in [3, 9, 19, 99] for d in [-2, 0.5, 3]
                  for t in [-1, 0.5, 2.1, 4]])
    oracle.write()


def samples(rng):
    return [numpy.array([0.7]), numpy.array([2.0, 1.0]), numpy.array([0.61, 0.63, 0.658]),
            numpy.array([3.0, 3.0, 1.0, -7.5]), numpy.array([0.1] * 5), rng.normal(size=5),
            1e9 + rng.normal(size=8), rng.integers(0, 4, size=11).astype(float),
            rng.lognormal(size=20) - 1, rng.standard_cauchy(size=37).round(3)]


def robust():
    rng = numpy.random.default_rng(1)
    data = samples(rng)
    oracle = Oracle("robust")
    oracle.table("LOCATION", "values, median, interquartile mean, mean trimmed by 0.1",
                 [(v, numpy.median(v), stats.trim_mean(v, 0.25), stats.trim_mean(v, 0.1))
                  for v in data])
    oracle.table("QUANTILE", "values, q, quantile",
                 [(v, q, numpy.quantile(v, q)) for v in data
                  for q in [0, 0.025, 0.1, 1 / 3, 0.5, 0.77, 0.975, 1]])
    oracle.write()


def brackets(data, statistic, level, **kwargs):
    """Ends of the percentile and of the BCa interval, each between two bounds.

    Of 400,000 resamples. The bounds are the ends at a coverage a little higher and a little lower:
    what an interval of 40,000 resamples meets, of smooth and of discrete distributions alike.
    """
    result = stats.bootstrap(data, statistic, n_resamples=400000, batch=20000, method="percentile",
                             rng=numpy.random.default_rng(3), **kwargs)
    ends = []
    for method in ["percentile", "BCa"]:
        outer, inner = (
            stats.bootstrap(data, statistic, n_resamples=0, method=method, bootstrap_result=result,
                            confidence_level=1 - (1 - level) * factor, **kwargs).confidence_interval
            for factor in [0.82, 1.18])
        ends.append([outer.low, inner.low, inner.high, outer.high])
    return ends + [result.standard_error]


def bootstrap():
    rng = numpy.random.default_rng(2)
    iqm = lambda v, axis=-1: stats.trim_mean(v, 0.25, axis=axis)
    oracle = Oracle("bootstrap")
    settings = [("MeanOf", numpy.mean), ("MedianOf", numpy.median), ("InterquartileMeanOf", iqm)]
    data = [rng.normal(size=12), rng.lognormal(size=25), rng.integers(0, 6, 30).astype(float),
            numpy.arange(1.0, 9) ** 2, rng.exponential(size=60)]
    oracle.table("INTERVAL", "values, statistic, level, outer and inner bound of the low end of the "
                 "percentile interval, inner and outer of the high end, the same of BCa, standard error",
                 [(values, name, level, *brackets((values,), statistic, level))
                  for values in data for name, statistic in settings for level in [0.95, 0.8]])

    # Strata are scipy's several samples, resampled each for itself.
    rows = []
    for sizes in [(4, 9), (5, 5, 5), (12, 3, 7)]:
        parts = tuple(rng.lognormal(size=n) * (i + 1) for i, n in enumerate(sizes))
        strata = numpy.repeat(numpy.arange(len(sizes)), sizes)
        pooled = lambda *v, axis=-1: numpy.mean(numpy.concatenate(v, axis=axis), axis=axis)
        rows.append((numpy.concatenate(parts), "{%s}" % ", ".join(str(s) for s in strata),
                     *brackets(parts, pooled, 0.95, vectorized=True)))
    oracle.table("STRATA", "values, strata, the same of the pooled mean at level 0.95", rows)
    oracle.write()


def pairs(rng):
    result = [([0.61, 0.63], [0.6, 0.65]), ([0.61, 0.63, 0.658], [0.59, 0.6, 0.63]),
              ([1e9, 1e9 + 1, 1e9 + 3], [1e9 - 1, 1e9 + 4, 1e9])]
    for n, shift in [(5, 0.5), (12, 0), (20, 2), (20, 30), (60, -0.1), (200, 3)]:
        result.append((rng.normal(size=n) + shift, rng.normal(size=n)))
    result.append((rng.integers(0, 5, size=15).astype(float), rng.integers(0, 5, size=15).astype(float)))
    return [(numpy.array(a, dtype=float), numpy.array(b, dtype=float)) for a, b in result]


def paired():
    oracle = Oracle("paired")
    rows = []
    for a, b in pairs(numpy.random.default_rng(5)):
        d = a - b
        for level in [0.95, 0.5]:
            test = stats.ttest_rel(a, b)
            interval = test.confidence_interval(level)
            rows.append((a, b, level, d.mean(), d.std(ddof=1), interval.low, interval.high,
                         test.statistic, test.pvalue, d.mean() / d.std(ddof=1), (d > 0).sum(),
                         (d < 0).sum(), (d == 0).sum()))
    oracle.table("PAIRED", "a, b, level, mean, standard deviation, interval, t, p, d_z, wins, losses, "
                 "ties", rows)
    oracle.write()


def wilcoxon():
    rng = numpy.random.default_rng(6)
    oracle = Oracle("wilcoxon")
    data = [[1.0], [-1.0, 2.0], [0.0, 1.0, -2.0], [0.0, 0.0, 3.0], [1.0, 1.0, 1.0],
            [-1.0, -2.0, -3.0, -4.0, -5.0, -6.0]]
    data += [rng.normal(size=n) + shift
             for n, shift in [(5, 0), (10, 0.5), (20, 0.2), (20, 3), (33, -0.4), (50, 0.1), (50, 4),
                              (51, 0.1), (120, -0.2)]]
    data += [rng.integers(-3, 5, size=n).astype(float) for n in [6, 9, 13, 14, 30, 80]]
    data += [rng.integers(1, 6, size=n) * rng.choice([-1.0, 1.0, 1.0], size=n) for n in [8, 13, 40]]
    # Zeros without ties.
    data += [numpy.append(rng.normal(size=n) + 0.3, numpy.zeros(zeros))
             for n, zeros in [(12, 3), (18, 2), (40, 5)]]
    rows = []
    for d in data:
        d = numpy.array(d, dtype=float)
        walsh = [(d[i] + d[j]) / 2 for i in range(len(d)) for j in range(i, len(d))]
        for zeros in ["wilcox", "pratt"]:
            for method in ["auto", "asymptotic"]:
                for correction in [False, True] if method == "asymptotic" else [False]:
                    two, greater, less = (
                        stats.wilcoxon(d, zero_method=zeros, method=method, correction=correction,
                                       alternative=side)
                        for side in ["two-sided", "greater", "less"])
                    # Of one-sided tests the statistic is the sum of the positive ranks.
                    z = stats.wilcoxon(d, zero_method=zeros, method="asymptotic", correction=False,
                                       alternative="greater").zstatistic
                    rows.append((d, "ZeroMethod::k" + zeros.capitalize(),
                                 "WilcoxonMethod::k" + {"auto": "Auto", "asymptotic": "Normal"}[method],
                                 "true" if correction else "false", greater.statistic, two.pvalue,
                                 greater.pvalue, less.pvalue, z, numpy.median(walsh)))
    oracle.table("WILCOXON", "differences, zeros, method, continuity, sum of the positive ranks, p, p "
                 "greater, p less, z, Hodges-Lehmann", rows)
    oracle.write()


def power_of_t(effect, n, alpha):
    """The power of the two-sided t test of one sample."""
    critical = stats.t.isf(alpha / 2, n - 1)
    delta = mp.mpf(float(effect)) * mp.sqrt(n)
    return float(noncentral_t_cdf(-critical, n - 1, -delta, 60) +
                 noncentral_t_cdf(-critical, n - 1, delta, 60))


def equivalence():
    oracle = Oracle("equivalence", "statsmodels %s, mpmath %s" %
                    (statsmodels.__version__, mpmath.__version__))
    rows = []
    for a, b in pairs(numpy.random.default_rng(7)):
        for low, high, alpha in [(-0.5, 0.5, 0.05), (-0.01, 0.2, 0.01), (1.5, 4, 0.1)]:
            test = DescrStatsW(a - b)
            p, (_, p_low, _), (_, p_high, _) = test.ttost_mean(low, high)
            interval = test.tconfint_mean(2 * alpha)
            rows.append((a, b, low, high, alpha, p_low, p_high, p, interval[0], interval[1]))
    oracle.table("TOST", "a, b, low, high, alpha, p low, p high, p, interval", rows)

    power = TTestPower()
    # Where the power is near 1 statsmodels sometimes has NaN: those rows are left out.
    rows = []
    for n in [2, 3, 5, 10, 20, 50, 1000]:
        for effect in [0, 0.1, 0.5, 1, 3]:
            for alpha in [0.05, 0.001]:
                value = power.power(effect, n, alpha)
                if not numpy.isnan(value):
                    rows.append((n, effect, alpha, value))
    oracle.table("POWER", "n, effect / standard deviation, alpha, power (statsmodels)", rows)

    # statsmodels' solver stops at NaN as well, so these come from the series.
    rows = []
    for n in [2, 3, 5, 10, 20, 50, 400]:
        for alpha in [0.05, 0.01]:
            for target in [0.5, 0.8, 0.95]:
                rows.append((n, alpha, target, optimize.brentq(
                    lambda effect: power_of_t(effect, n, alpha) - target, 0.01, 20 if n > 2 else 130,
                    xtol=1e-14, rtol=1e-14)))
    oracle.table("DETECTABLE", "n, alpha, power, effect / standard deviation (mpmath)", rows)
    rows = []
    for effect in [0.05, 0.2, 0.5, 0.8, 1.5, 3]:
        for alpha in [0.05, 0.01]:
            for target in [0.8, 0.95]:
                z = stats.norm.isf(alpha / 2) + stats.norm.ppf(target)
                # The normal approximation is a little short.
                n = max(2, int((z / effect) ** 2) - 1)
                assert n == 2 or power_of_t(effect, n, alpha) < target
                while power_of_t(effect, n, alpha) < target:
                    n += 1
                rows.append((effect, alpha, target, n))
    oracle.table("REQUIRED", "effect / standard deviation, alpha, power, fewest pairs (mpmath)", rows)
    oracle.write()


def multiple():
    rng = numpy.random.default_rng(8)
    families = [[0.03], [1.0, 0.0], [0.01, 0.04, 0.03, 0.005], [0.5, 0.5, 0.5], [1e-300, 0.2, 0.9, 1e-5],
                [0.02, 0.02, 0.02, 0.9], rng.uniform(size=9), rng.uniform(size=30) ** 6]
    oracle = Oracle("multiple", "statsmodels " + statsmodels.__version__)
    oracle.table("FAMILY", "p, Holm, Benjamini-Hochberg",
                 [(p, multipletests(p, method="holm")[1], multipletests(p, method="fdr_bh")[1])
                  for p in families])
    oracle.write()


def correlation():
    rng = numpy.random.default_rng(9)
    data = [([1.0, 2.0, 3.0], [1.0, 3.0, 2.0]), ([1.0, 2.0, 3.0, 4.0], [4.0, 3.0, 2.0, 1.5]),
            ([1.0, 1.0, 2.0, 2.0], [1.0, 2.0, 2.0, 2.0]), ([12.0, 2, 1, 12, 2], [1.0, 4, 7, 1, 0])]
    for n, slope in [(5, 1), (10, 0.3), (20, 2), (33, 0.2), (34, 0.2), (100, -1), (300, 0.02)]:
        x = rng.normal(size=n)
        data.append((x, slope * x + rng.normal(size=n)))
    for n in [8, 20, 60, 250]:
        data.append((rng.integers(0, 6, n).astype(float), rng.integers(0, 4, n).astype(float)))
    data.append((1e8 + rng.normal(size=15), rng.lognormal(size=15) * 1e-8))
    x = numpy.arange(40.0)
    swapped = x.copy()
    swapped[[3, 4]] = swapped[[4, 3]]
    data += [(x, x ** 3), (x, -swapped), (x, swapped)]
    oracle = Oracle("correlation")
    rows = []
    for x, y in data:
        x, y = numpy.array(x, dtype=float), numpy.array(y, dtype=float)
        pearson = stats.pearsonr(x, y)
        interval = (pearson.confidence_interval(0.9) if len(x) > 3
                    else (numpy.nan, numpy.nan))
        spearman = stats.spearmanr(x, y)
        kendall = stats.kendalltau(x, y)
        rows.append((x, y, pearson.statistic, pearson.pvalue, interval[0], interval[1],
                     spearman.statistic, spearman.pvalue, kendall.statistic, kendall.pvalue))
    oracle.table("PAIR", "x, y, Pearson's r, p, 90 % interval, Spearman's, p, Kendall's tau-b, p", rows)

    # Partial: from the inverse of the correlation matrix, not from residuals.
    rows = []
    for n, k in [(5, 1), (5, 2), (12, 1), (30, 3), (200, 5), (25, 0)]:
        z = rng.normal(size=(k, n)).round(2) + 10
        x = z.sum(axis=0) * 0.7 + rng.normal(size=n)
        y = z[:1].sum(axis=0) - 0.5 * x + rng.normal(size=n)
        cells = [x, y, "{%s}" % ", ".join(listed(c) for c in z)]
        for transform in [numpy.asarray, stats.rankdata]:
            inverse = numpy.linalg.inv(numpy.corrcoef([transform(v) for v in [x, y, *z]]))
            r = -inverse[0, 1] / numpy.sqrt(inverse[0, 0] * inverse[1, 1])
            freedom = n - 2 - k
            t = r * numpy.sqrt(freedom / ((1 - r) * (1 + r)))
            cells += [r, 2 * stats.t.sf(abs(t), freedom)]
        r = cells[3]
        reach = stats.norm.ppf(0.975) / numpy.sqrt(n - k - 3) if n - k > 3 else numpy.nan
        cells += [numpy.tanh(numpy.arctanh(r) - reach), numpy.tanh(numpy.arctanh(r) + reach)]
        rows.append(cells)
    oracle.table("PARTIAL", "x, y, covariates, Pearson's, p, Spearman's, p, 95 % interval of Pearson's",
                 rows)
    oracle.write()


def kolmogorov_smirnov():
    rng = numpy.random.default_rng(10)
    data = [([1.0], [1.0]), ([1.0], [2.0]), ([1.0, 2.0], [1.5])]
    data += [(rng.normal(size=n), rng.normal(size=m) + 0.5) for n, m in [(5, 9), (40, 7)]]
    data += [(rng.integers(0, 5, n).astype(float), rng.integers(1, 6, m).astype(float))
             for n, m in [(8, 8), (30, 13)]]
    oracle = Oracle("kolmogorov_smirnov")
    oracle.table("DISTANCE", "x, y, statistic", [(x, y, stats.ks_2samp(x, y).statistic) for x, y in data])
    oracle.write()


def proportion():
    rows = []
    for count, units in [(0, 1), (1, 1), (0, 12), (12, 12), (1, 3), (7, 10), (3, 50), (411, 1000),
                         (999999, 1000000)]:
        for level in [0.5, 0.9, 0.95, 0.9999]:
            interval = stats.binomtest(count, units).proportion_ci(level, method="wilson")
            rows.append((str(count), str(units), level, interval.low, interval.high))
    oracle = Oracle("proportion")
    oracle.table("WILSON", "count, units, level, low, high", rows)
    oracle.write()


def main():
    normal()
    noncentral_t()
    robust()
    bootstrap()
    paired()
    wilcoxon()
    equivalence()
    multiple()
    correlation()
    kolmogorov_smirnov()
    proportion()


if __name__ == "__main__":
    main()
