"""Fits by libraries of Python, each in a process of its own; for bench/models.py.

    python models_fit_host.py statsmodels|lbfgs|newton-cholesky COLUMNS.bin ROWS COLUMNS TIMES
    python models_fit_host.py statsmodels.csv TABLE.csv

Prints one line of JSON: seconds of each fit, coefficients, memory.
"""

import json
import sys
import time
from pathlib import Path

import numpy


def main():
    kind, file = sys.argv[1:3]
    if kind == "statsmodels.csv":
        import pandas
        import statsmodels.api as sm
        import statsmodels.formula.api as smf

        data = pandas.read_csv(file)
        names = " + ".join(name for name in data.columns if name != "y")
        fit = smf.glm(f"y ~ {names}", data, family=sm.families.Binomial()).fit()
        print(json.dumps({"coefficients": list(fit.params), "memory_mb": memory("VmHWM")}))
        return
    rows, columns, times = map(int, sys.argv[3:])
    data = numpy.fromfile(file).reshape(columns + 1, rows)
    y = data[-1].copy()
    work = FITS[kind](data[:-1], y)
    del data
    held = memory("VmRSS")
    seconds = []
    for _ in range(times + 1):
        before = time.perf_counter()
        coefficients, iterations = work()
        seconds.append(time.perf_counter() - before)
    said = {"seconds": seconds[1:], "coefficients": coefficients, "iterations": iterations}
    print(json.dumps({**said, "memory_mb": memory("VmHWM"), "held_mb": held}))


def statsmodels(columns, y):
    import statsmodels.api as sm

    x = numpy.column_stack([numpy.ones(len(y)), *columns])

    def work():
        fit = sm.GLM(y, x, family=sm.families.Binomial()).fit()
        return list(fit.params), int(fit.fit_history["iteration"])

    return work


def scikit(solver):
    def prepare(columns, y):
        from sklearn.linear_model import LogisticRegression

        x = numpy.column_stack(columns)

        def work():
            fit = LogisticRegression(C=numpy.inf, solver=solver, max_iter=1000).fit(x, y)
            return [*fit.intercept_.tolist(), *fit.coef_[0].tolist()], int(fit.n_iter_[0])

        return work

    return prepare


FITS = {"statsmodels": statsmodels, "lbfgs": scikit("lbfgs"), "newton-cholesky": scikit("newton-cholesky")}


def memory(field) -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) / 1024
    return float("nan")


main()
