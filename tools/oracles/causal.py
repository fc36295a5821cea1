#!/usr/bin/env python3
"""Writes causal/estimators/{regression,average_effect}_oracle.inc and
causal/diagnostics/diagnostics_oracle.inc.

The values that the tests beside them compare with. Recorded with numpy 2.4.6, scipy 1.17.1,
statsmodels 0.15.0, scikit-learn 1.9.1 and causallib 0.10.0 (pip install numpy==2.4.6 scipy==1.17.1
statsmodels==0.15.0 scikit-learn==1.9.1; pip install --no-deps causallib==0.10.0). Takes some
seconds. Run in the root of the tree:

  python3 tools/oracles/causal.py
"""

import importlib.metadata
import warnings

import numpy
import pandas
import scipy
import sklearn
import statsmodels
import statsmodels.api as sm
from causallib.estimation import IPW, TMLE, StratifiedStandardization
from scipy import special, stats
from sklearn.calibration import calibration_curve
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from statsmodels.treatment.treatment_effects import TreatmentEffect

assert numpy.__version__ == "2.4.6" and scipy.__version__ == "1.17.1"
assert statsmodels.__version__ == "0.15.0" and sklearn.__version__ == "1.9.1"
assert importlib.metadata.version("causallib") == "0.10.0"

warnings.simplefilter("ignore")
SOURCE = "numpy %s, scipy %s, statsmodels %s, scikit-learn %s, causallib 0.10.0" % (
    numpy.__version__, scipy.__version__, statsmodels.__version__, sklearn.__version__)


def cell(value):
    if isinstance(value, str):
        return value
    if isinstance(value, (bool, numpy.bool_)):
        return "true" if value else "false"
    if isinstance(value, (list, tuple, numpy.ndarray)):
        return "{%s}" % ", ".join(cell(v) for v in numpy.asarray(value).ravel())
    if isinstance(value, (int, numpy.integer)):
        return str(int(value))
    return repr(float(value))


class Oracle:
    """One .inc file, with a table for each name."""

    def __init__(self, path):
        self.path = path
        self.text = "// %s; written by tools/oracles/causal.py.\n" % SOURCE

    def table(self, name, columns, rows):
        self.text += "// %s\n#ifdef PERENNIAL_%s_ORACLE\n" % (columns, name)
        for row in rows:
            self.text += "{%s},\n" % ", ".join(cell(c) for c in row)
        self.text += "#endif\n"

    def write(self):
        with open(self.path, "w") as out:
            out.write(self.text)


def significant(x):
    """Four digits, so that the tables stay short."""
    return numpy.vectorize(lambda v: float("%.4g" % v))(x)


def standardized(x, w):
    center = numpy.average(x, axis=0, weights=w)
    scale = numpy.sqrt(numpy.average((x - center) ** 2, axis=0, weights=w))
    scale[scale <= 1e-12 * abs(x).max(axis=0)] = numpy.inf
    return (x - center) / scale, center, scale


def original(b, mean, center, scale):
    b = numpy.atleast_2d(b) / scale
    return b.ravel(), numpy.atleast_1d(mean) - b @ center


def ridge_rows(rng):
    for n, p, weighted, penalty, kind in [
            (12, 2, False, 0.0, "plain"), (25, 4, True, 0.0, "plain"), (25, 4, False, 0.3, "plain"),
            (30, 5, True, 1e-3, "plain"), (30, 4, False, 0.0, "offset"),
            (20, 4, False, 0.0, "duplicate"), (20, 4, True, 0.0, "constant"),
            (6, 9, False, 0.0, "wide"), (6, 9, True, 0.05, "wide")]:
        x = rng.normal(size=(n, p))
        if kind not in ("offset", "duplicate"):
            x *= 10.0 ** rng.integers(-3, 4, size=p)
        if kind == "offset":
            x = 1e6 + numpy.round(x, 3)
        if kind == "duplicate":
            x = numpy.round(x, 2)
            x[:, 3] = x[:, 0] - 2 * x[:, 1]
        if kind == "constant":
            x[:, 2] = 0.1
        if kind not in ("offset", "duplicate"):
            x = significant(x)
        y = significant(3 + x @ rng.normal(size=p) / x.std(axis=0).max() + rng.normal(size=n))
        w = significant(rng.uniform(0.1, 3, size=n)) if weighted else numpy.ones(n)
        if weighted:
            w[1] = 0
        z, center, scale = standardized(x, w)
        if penalty > 0:
            fit = Ridge(alpha=penalty * w.sum(), solver="svd").fit(z, y, sample_weight=w)
            b, mean = fit.coef_, fit.intercept_
        elif kind == "plain":
            fit = sm.WLS(y, sm.add_constant(z), weights=w).fit(method="qr")
            b, mean = fit.params[1:], fit.params[0]
        else:
            # Least norm by the singular value decomposition.
            root = numpy.sqrt(w)
            mean = numpy.average(y, weights=w)
            b = numpy.linalg.pinv(root[:, None] * z, rcond=1e-8) @ (root * (y - mean))
        b, intercept = original(b, mean, center, scale)
        yield n, p, x, y, w, penalty, b, mean, intercept[0]


def robust_rows(rng):
    """HC3: by statsmodels where there is no penalty, else by whole matrices."""
    for n, p, penalty, kind in [(14, 2, 0.0, "plain"), (40, 4, 0.0, "plain"), (30, 4, 0.2, "plain"),
                                (20, 4, 0.0, "duplicate"), (15, 3, 1e-3, "constant"),
                                (6, 9, 0.05, "plain")]:
        x = significant(rng.normal(size=(n, p)) * 10.0 ** rng.integers(-2, 3, size=p))
        if kind == "duplicate":
            x = significant(rng.integers(-9, 10, size=(n, p)))
            x[:, 3] = x[:, 0] - 2 * x[:, 1]
        if kind == "constant":
            x[:, 2] = 0.1
        z, center, scale = standardized(x, numpy.ones(n))
        y = significant(1 + z.sum(axis=1) + (0.2 + abs(z[:, 0])) * rng.normal(size=n))
        points = significant(center + rng.normal(size=(3, p)) * numpy.where(
            numpy.isfinite(scale), scale, 1))
        if kind == "duplicate":
            points[:, 3] = points[:, 0] - 2 * points[:, 1]
        design = sm.add_constant(z, has_constant="add")
        at = sm.add_constant((points - center) / scale, has_constant="add")
        if penalty == 0 and kind == "plain":
            covariance = sm.OLS(y, design).fit(method="qr").get_robustcov_results("HC3").cov_params()
        else:
            inverse = numpy.linalg.pinv(
                design.T @ design + n * penalty * numpy.diag([0.0] + [1.0] * p), rcond=1e-9)
            hat = design @ inverse @ design.T
            lost = (y - hat @ y) / (1 - numpy.diag(hat))
            covariance = inverse @ design.T @ numpy.diag(lost ** 2) @ design @ inverse
        yield n, p, x, y, penalty, points, numpy.einsum("ij,jk,ik->i", at, covariance, at)


def cross_validated_rows(rng):
    for n, p, noise, weighted in [(20, 5, 1.0, False), (40, 8, 5.0, True), (12, 15, 1.0, False),
                                  (30, 4, 0.05, False), (30, 3, 100.0, False)]:
        x = significant(rng.normal(size=(n, p)) * rng.uniform(0.1, 4, size=p))
        y = significant(x[:, 0] - x[:, 1] + noise * rng.normal(size=n))
        w = significant(rng.uniform(0.1, 3, size=n)) if weighted else numpy.ones(n)
        z, center, scale = standardized(x, w)
        share = w / w.sum()
        scores = []
        for step in range(37):
            penalty = 10.0 ** (-6 + step / 4)
            # The hat matrix, intercept and all.
            design = numpy.hstack([numpy.ones((n, 1)), z])
            shrink = penalty * numpy.diag([0.0] + [1.0] * p)
            hat = design @ numpy.linalg.solve(design.T @ (share[:, None] * design) + shrink,
                                              design.T * share)
            df = numpy.trace(hat)
            rss = share @ (y - hat @ y) ** 2
            if 1 - df / n > 1e-6:
                scores.append((rss / (1 - df / n) ** 2, penalty))
        yield n, p, x, y, w, min(scores)[1]


def logistic_rows(rng):
    for n, p, classes, weighted, penalty in [
            (40, 2, 2, False, 0.0), (60, 3, 2, True, 0.0), (40, 3, 2, False, 1e-4),
            (40, 3, 2, True, 0.1), (90, 2, 3, False, 0.0), (90, 3, 4, False, 1e-2),
            (60, 2, 3, True, 1e-3), (20, 2, 2, False, 1e-3)]:
        x = rng.normal(size=(n, p)) * rng.uniform(0.1, 30, size=p) + rng.normal(size=p)
        x = significant(x)
        z = (x - x.mean(axis=0)) / x.std(axis=0)
        logits = numpy.hstack([numpy.zeros((n, 1)), z @ rng.normal(size=(p, classes - 1))])
        t = (logits + rng.gumbel(size=logits.shape)).argmax(axis=1)
        if n == 20:
            t = (x[:, 0] > numpy.median(x[:, 0])).astype(int)  # separable
        w = significant(rng.uniform(0.1, 3, size=n)) if weighted else numpy.ones(n)
        z, center, scale = standardized(x, w)
        total = w.sum()
        if penalty == 0 and not weighted:
            model = (sm.Logit if classes == 2 else sm.MNLogit)(t, sm.add_constant(z))
            params = numpy.asarray(model.fit(method="newton", disp=0, tol=1e-14).params)
            params = params.reshape(1 + p, classes - 1)
            b, mean = params[1:].T, params[0]
        elif penalty == 0:
            fit = sm.GLM(t, sm.add_constant(z), family=sm.families.Binomial(),
                         freq_weights=w).fit(tol=1e-14)
            b, mean = fit.params[None, 1:], fit.params[:1]
        else:
            strength = penalty * total * (1 if classes == 2 else 2)
            fit = LogisticRegression(C=1 / strength, solver="newton-cg", tol=1e-13, max_iter=10000)
            fit.fit(z, t, sample_weight=w)
            b, mean = fit.coef_, fit.intercept_
            if classes > 2:
                b, mean = b[1:] - b[0], mean[1:] - mean[0]
        b, _ = original(b, mean, center, scale)
        yield n, p, classes, x, t, w, max(penalty, 1e-12), b, mean


def hajek_by_wls(y, t, w, cluster):
    """The difference of weighted means and its error, by a weighted regression with a sandwich."""
    fit = sm.WLS(y, sm.add_constant(t.astype(float)), weights=w)
    if cluster is None:
        error = fit.fit(cov_type="HC0").bse[1] * numpy.sqrt(len(y) / (len(y) - 1))
    else:
        groups = len(set(cluster))
        error = fit.fit(cov_type="cluster", cov_kwds={"groups": cluster, "use_correction": False}
                        ).bse[1] * numpy.sqrt(groups / (groups - 1))
    return fit.fit().params[1], error


def mean_error(influence, cluster):
    """Of the mean of the influence function, by a regression on a constant with a sandwich."""
    n = len(influence)
    fit = sm.OLS(influence, numpy.ones(n))
    if cluster is None:
        return fit.fit(cov_type="HC0").bse[0] * numpy.sqrt(n / (n - 1))
    groups = len(set(cluster))
    return fit.fit(cov_type="cluster", cov_kwds={"groups": cluster, "use_correction": False}
                   ).bse[0] * numpy.sqrt(groups / (groups - 1))


def fluctuated(y, w, mu, low, high):
    """mu moved by one constant on the logit scale, by a weighted binomial regression."""
    bounded = numpy.clip((mu - low) / (high - low), 0.0005, 0.9995)
    offset = special.logit(bounded)
    kept = w > 0
    fit = sm.GLM((y[kept] - low) / (high - low), numpy.ones(kept.sum()),
                 family=sm.families.Binomial(), offset=offset[kept],
                 var_weights=w[kept]).fit(tol=1e-15, maxiter=200)
    return low + (high - low) * special.expit(offset + fit.params[0])


class Given(LogisticRegression, LinearRegression):
    """A "model" that predicts a column of its input: nuisances that are given."""

    def __init__(self, column=0):
        self.column = column

    def fit(self, x, y=None, sample_weight=None):
        self.classes_ = numpy.array([0, 1])
        return self

    def predict(self, x):
        return numpy.asarray(x)[:, self.column]

    def predict_proba(self, x):
        return numpy.column_stack([1 - self.predict(x), self.predict(x)])


def tmle_by_causallib(t, y, e, mu):
    """Weighted fluctuations, one for each arm, as ours; nothing to clip."""
    x = pandas.DataFrame({"e": e, "mu_0": mu[0], "mu_1": mu[1]})
    model = TMLE(StratifiedStandardization({0: Given(1), 1: Given(2)}), IPW(Given(0)),
                 importance_sampling=True, glm_fit_kwargs={"tol": 1e-15, "maxiter": 200})
    model.fit(x, pandas.Series(t), pandas.Series(y))
    outcome = model.estimate_population_outcome(x, pandas.Series(t))
    return outcome[1] - outcome[0]


def effect_rows(rng):
    """Two arms; nuisances are those of statsmodels' TreatmentEffect, which gives the same estimates
    but for TMLE, whose are causallib's."""
    samples = []
    rows = []
    for index, (n, binary) in enumerate([(60, False), (80, True)]):
        x = rng.normal(size=(n, 2))
        t = (rng.uniform(size=n) < special.expit(0.8 * x[:, 0] - 0.3)).astype(int)
        mean = 1 + x[:, 0] + t * (0.7 + 0.5 * x[:, 1])
        y = mean + rng.normal(size=n)
        if binary:
            y = (rng.uniform(size=n) < special.expit(mean - 1)).astype(float)
        cluster = rng.integers(0, 12, size=n)
        design = sm.add_constant(x)
        treatment_model = sm.Logit(t, design).fit(disp=0, tol=1e-14)
        effect = TreatmentEffect(sm.OLS(y, design), t, results_select=treatment_model)
        e = treatment_model.predict()
        mu = [sm.OLS(y[t == a], design[t == a]).fit().predict(design) for a in (0, 1)]
        samples.append((t, y, cluster, e, mu[0], mu[1], binary))
        low, high = (0, 1) if binary else (y.min(), y.max())
        for clustered in (False, True):
            groups = cluster if clustered else None
            add = lambda method, estimand, value, error: rows.append(
                (index, "EffectMethod::k" + method, "Estimand::k" + estimand, clustered, value,
                 error))
            # The average over units.
            w = numpy.where(t == 1, 1 / e, 1 / (1 - e))
            value, error = hajek_by_wls(y, t, w, groups)
            assert numpy.isclose(value, effect.ipw().effect[0], rtol=1e-9)
            add("Hajek", "Ate", value, error)
            terms = numpy.where(t == 1, y / e, -y / (1 - e))
            add("HorvitzThompson", "Ate", terms.mean(), mean_error(terms - terms.mean(), groups))
            scores = mu[1] - mu[0] + numpy.where(t == 1, (y - mu[1]) / e, -(y - mu[0]) / (1 - e))
            assert numpy.isclose(scores.mean(), effect.aipw().effect[0], rtol=1e-9)
            add("Aipw", "Ate", scores.mean(), mean_error(scores - scores.mean(), groups))
            assert numpy.isclose((mu[1] - mu[0]).mean(), effect.ra().effect[0], rtol=1e-9)
            plug = mu[1] - mu[0]
            add("PlugIn", "Ate", plug.mean(), mean_error(plug - plug.mean(), groups))
            star = [fluctuated(y, numpy.where(t == 0, w, 0.0), mu[0], low, high),
                    fluctuated(y, numpy.where(t == 1, w, 0.0), mu[1], low, high)]
            value = (star[1] - star[0]).mean()
            shares = (numpy.concatenate(mu) - low) / (high - low)
            if shares.min() > 0.0005 and shares.max() < 0.9995:
                assert numpy.isclose(value, tmle_by_causallib(t, y, e, mu), rtol=1e-9)
            else:
                assert binary
            terms = star[1] - star[0] + numpy.where(t == 1, (y - star[1]) / e,
                                                    -(y - star[0]) / (1 - e)) - value
            add("Tmle", "Ate", value, mean_error(terms, groups))
            # The average over the treated.
            w = numpy.where(t == 1, 1, e / (1 - e))
            share = t.mean()
            value, error = hajek_by_wls(y, t, w, groups)
            assert numpy.isclose(value, effect.ipw(effect_group=1).effect[0], rtol=1e-9)
            add("Hajek", "Att", value, error)
            terms = numpy.where(t == 1, y, -w * y) / share
            add("HorvitzThompson", "Att", terms.mean(),
                mean_error(terms - t / share * terms.mean(), groups))
            terms = numpy.where(t == 1, 1, -w) * (y - mu[0]) / share
            add("Aipw", "Att", terms.mean(), mean_error(terms - t / share * terms.mean(), groups))
            value = plug[t == 1].mean()
            assert numpy.isclose(value, effect.ra(effect_group=1).effect[0], rtol=1e-9)
            add("PlugIn", "Att", plug[t == 1].mean(),
                mean_error(t / share * (plug - plug[t == 1].mean()), groups))
            star = [fluctuated(y, numpy.where(t == 0, w, 0.0), mu[0], low, high),
                    fluctuated(y, numpy.where(t == 1, 1.0, 0.0), mu[1], low, high)]
            value = (star[1] - star[0])[t == 1].mean()
            terms = numpy.where(t == 1, 1, -w) * (y - star[0]) / share - t / share * value
            add("Tmle", "Att", value, mean_error(terms, groups))
    return samples, rows


def balance_rows(rng):
    for n, weighted in [(15, False), (25, True), (40, True)]:
        x = numpy.round(rng.normal(size=n), 1)  # with ties
        t = (rng.uniform(size=n) < 0.45).astype(int)
        w = rng.uniform(0.2, 3, size=n) if weighted else numpy.ones(n)
        a, b, wa, wb = x[t == 1], x[t == 0], w[t == 1], w[t == 0]
        means = numpy.average(a, weights=wa), numpy.average(b, weights=wb)
        smd = (means[0] - means[1]) / numpy.sqrt((a.var(ddof=1) + b.var(ddof=1)) / 2)
        ratio = numpy.cov(a, aweights=wa) / numpy.cov(b, aweights=wb)
        ks = max(abs(wa[a <= v].sum() / wa.sum() - wb[b <= v].sum() / wb.sum()) for v in x)
        if not weighted:
            assert numpy.isclose(ks, stats.ks_2samp(a, b).statistic)
        yield x, t, w, means[0], means[1], smd, float(ratio), ks


def calibration_rows(rng):
    for n, stretch in [(50, 1.0), (80, 2.0)]:
        logits = rng.normal(size=n)
        y = (rng.uniform(size=n) < special.expit(logits)).astype(int)
        p = special.expit(stretch * logits + 0.2)
        observed, predicted = calibration_curve(y, p, n_bins=10, strategy="uniform")
        units = numpy.histogram(p, bins=numpy.linspace(0, 1, 11))[0]
        units = units[units > 0]
        fit = sm.Logit(y, sm.add_constant(special.logit(p))).fit(disp=0, tol=1e-14)
        yield (p, y, units, predicted, observed, (units / n) @ abs(observed - predicted),
               fit.params[0], fit.params[1])


def rate_rows(rng):
    for n, ties in [(7, False), (30, False), (31, True)]:
        tau = rng.normal(size=n)
        priority = numpy.round(tau + rng.normal(size=n), 0 if ties else 12)
        scores = tau + rng.normal(size=n)
        if ties:
            # All orders of equal priorities, on average.
            smoothed = numpy.array([scores[priority == v].mean() for v in priority])
        else:
            smoothed = scores
        order = numpy.argsort(-priority, kind="stable")
        running = numpy.cumsum(smoothed[order])
        u = numpy.arange(1, n + 1) / n
        toc = running / numpy.arange(1, n + 1) - scores.mean()
        yield (priority, scores, toc.mean(), (u * toc).mean(),
               running[n // 2 - 1] / n)


def main():
    rng = numpy.random.default_rng(20201123)
    oracle = Oracle("causal/estimators/regression_oracle.inc")
    oracle.table("RIDGE", "n, p, x, y, weights, penalty, coefficients, mean, intercept",
                 ridge_rows(rng))
    oracle.table("CROSS_VALIDATION", "n, p, x, y, weights, penalty", cross_validated_rows(rng))
    oracle.table("LOGISTIC", "n, p, classes, x, class of row, weights, penalty, coefficients, mean",
                 logistic_rows(rng))
    oracle.table("ROBUST", "n, p, x, y, penalty, points, variances",
                 robust_rows(numpy.random.default_rng(29)))
    oracle.write()

    oracle = Oracle("causal/estimators/average_effect_oracle.inc")
    samples, rows = effect_rows(rng)
    oracle.table("SAMPLE", "treatment, outcome, cluster, e_1, mu_0, mu_1, binary", samples)
    oracle.table("EFFECT", "sample, method, estimand, clustered, value, standard error", rows)
    oracle.write()

    oracle = Oracle("causal/diagnostics/diagnostics_oracle.inc")
    oracle.table("BALANCE", "x, treatment, weights, mean of treated, mean of control, "
                 "standardised difference, variance ratio, Kolmogorov-Smirnov", balance_rows(rng))
    oracle.table("CALIBRATION", "p, y, units, predicted, observed, expected calibration error, "
                 "intercept, slope", calibration_rows(rng))
    oracle.table("RATE", "priority, scores, AUTOC, Qini, gain of the first half", rate_rows(rng))
    oracle.write()


if __name__ == "__main__":
    main()
