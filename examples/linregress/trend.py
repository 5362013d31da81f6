"""For `squall map`: called once for each series, and answers two columns."""

import numpy
from scipy.stats import linregress


def trend(values: numpy.ndarray):
    fit = linregress(numpy.arange(len(values)), values)
    return {"slope": fit.slope, "r2": fit.rvalue**2}
