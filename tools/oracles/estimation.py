"""Reference values of causal/estimation/nhefs_oracle.inc, by scikit-learn and NumPy.

  python3 tools/oracles/estimation.py NHEFS.csv > causal/estimation/nhefs_oracle.inc

NHEFS.csv is causallib's file (third_party/causallib). The effect of qsmk on wt82_71 by AIPW with
the nuisances of --model linear: a ridge regression in each arm and a logistic regression, both on
standardised covariates, five folds stratified by arm, propensities kept in [0.01, 0.99]. The folds
are drawn anew SPLITS times: the mean of the estimates, their standard deviation over splits, and
the mean standard error.
"""

import sys

import numpy as np
import pandas
import sklearn
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import StratifiedKFold

SPLITS = 50
NUMBERS = ["sex", "race", "age", "smokeintensity", "smokeyrs", "wt71"]
CATEGORIES = ["education", "exercise", "active"]


def nuisances(x, t, y, seed):
    mu = np.zeros((2, len(y)))
    e = np.zeros(len(y))
    for fit, rest in StratifiedKFold(5, shuffle=True, random_state=seed).split(x, t):
        for arm in (0, 1):
            units = fit[t[fit] == arm]
            center, scale = x[units].mean(0), x[units].std(0)
            scale[scale == 0] = 1
            ridge = Ridge(alpha=1e-3 * len(units)).fit((x[units] - center) / scale, y[units])
            mu[arm, rest] = ridge.predict((x[rest] - center) / scale)
        center, scale = x[fit].mean(0), x[fit].std(0)
        logistic = LogisticRegression(C=1 / (1e-4 * len(fit)), tol=1e-10, max_iter=10000)
        logistic.fit((x[fit] - center) / scale, t[fit])
        e[rest] = logistic.predict_proba((x[rest] - center) / scale)[:, 1]
    return mu, np.clip(e, 0.01, 0.99)


def estimates(x, t, y, seed):
    mu, e = nuisances(x, t, y, seed)
    n = len(y)
    score = mu[1] - mu[0] + t * (y - mu[1]) / e - (1 - t) * (y - mu[0]) / (1 - e)
    att = (t - (1 - t) * e / (1 - e)) * (y - mu[0])
    w1, w0 = t / e, (1 - t) / (1 - e)
    share = t.mean()
    return {
        "aipw_ate": (score.mean(), score.std() / np.sqrt(n)),
        "aipw_att": (att.sum() / t.sum(),
                     ((att - t * att.sum() / t.sum()) / share).std() / np.sqrt(n)),
        "hajek_ate": ((w1 * y).sum() / w1.sum() - (w0 * y).sum() / w0.sum(), 0.0),
        "naive": (y[t == 1].mean() - y[t == 0].mean(), 0.0),
    }


def main():
    data = pandas.read_csv(sys.argv[1]).dropna(subset=["wt82_71"])
    columns = [data[name].to_numpy(float) for name in NUMBERS]
    for name in CATEGORIES:
        columns += [(data[name] == level).to_numpy(float) for level in sorted(data[name].unique())]
    x = np.column_stack(columns)
    t = data["qsmk"].to_numpy(int)
    y = data["wt82_71"].to_numpy(float)
    runs = [estimates(x, t, y, seed) for seed in range(SPLITS)]
    print(f"// Made by tools/oracles/estimation.py: scikit-learn {sklearn.__version__}, "
          f"NumPy {np.__version__}, {SPLITS} splits.")
    print("// Estimator, mean over splits, standard deviation over splits, mean standard error.")
    print("struct NhefsReference {\n  double mean;\n  double deviation;\n  double error;\n};")
    for name in runs[0]:
        values = [run[name][0] for run in runs]
        errors = [run[name][1] for run in runs]
        words = "".join(word.capitalize() for word in name.split("_"))
        print(f"constexpr NhefsReference k{words} = {{{np.mean(values):.6f}, "
              f"{np.std(values, ddof=1):.6f}, {np.mean(errors):.6f}}};")


if __name__ == "__main__":
    main()
