#!/usr/bin/env python3
"""Prints the facts that acic2016_test.cc, nhefs_test.cc and lalonde_test.cc compare with.

Recorded with pandas 3.1.1, numpy 2.4.6 and scipy 1.17.1 from the wheels causallib 0.10.0 and causaldata
0.1.4. FOLDER is where both are unpacked:

  python3 tools/oracles/real_data.py FOLDER
"""

import sys

import pandas
from scipy import stats

COVARIATES = ["age", "educ", "black", "hisp", "marr", "nodegree", "re74", "re75"]


def acic2016(folder):
    print("ACIC 2016: treated share, ATE, sd(CATE), ATT")
    for k in range(1, 11):
        z = pandas.read_csv("%s/acic_challenge_2016/zymu_%d.csv" % (folder, k))
        tau = z.mu1 - z.mu0
        print("{%r, %r, %r, %r}," % (float(z.z.mean()), float(tau.mean()), float(tau.std(ddof=0)),
                                     float(tau[z.z == 1].mean())))


def nhefs(folder):
    table = pandas.read_csv(folder + "/nhefs/NHEFS.csv")
    rows = table[["qsmk", "wt82_71", "sex", "race", "age", "education", "smokeintensity", "smokeyrs",
                  "exercise", "active", "wt71"]].dropna()
    gain = rows.groupby("qsmk").wt82_71.mean()
    print("NHEFS: rows, treated, difference", len(rows), rows.qsmk.sum(), repr(float(gain[1] - gain[0])))


def lalonde(folder):
    nsw = pandas.read_stata(folder + "/nsw_mixtape/nsw_mixtape.dta").drop(columns="data_id").astype("f8")
    cps = pandas.read_stata(folder + "/cps_mixtape/cps_mixtape.dta").drop(columns="data_id").astype("f8")
    treated, controls = (nsw[nsw.treat == arm].re78 for arm in (1, 0))
    effect = treated.mean() - controls.mean()
    test = stats.ttest_ind(treated, controls, equal_var=False)
    print("LaLonde: effect, standard error", repr(float(effect)), repr(float(effect / test.statistic)))
    print("means of the trained and the survey", repr(float(treated.mean())),
          repr(float(cps.re78.mean())))
    print("first rows", nsw[nsw.treat == 1][COVARIATES].iloc[0].tolist(),
          cps[COVARIATES].iloc[0].tolist())


def main():
    folder = sys.argv[1]
    acic2016(folder + "/causallib/datasets/data")
    nhefs(folder + "/causallib/datasets/data")
    lalonde(folder + "/causaldata")


if __name__ == "__main__":
    main()
