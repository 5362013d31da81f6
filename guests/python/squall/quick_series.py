"""Making many short Series: pandas' constructor takes longer than most functions of them."""

chosen = None


def maker(pandas, numpy):
    """A function of (array, index, name) that makes a Series without copying."""
    global chosen
    if chosen is None:
        chosen = inner(pandas, numpy) or outer(pandas)
    return chosen


def outer(pandas):
    Series = pandas.Series
    return lambda array, index, name: Series(array, index=index, name=name, copy=False)


def inner(pandas, numpy):
    """The constructor's last steps alone, which take half its time; None where this
    version of pandas has other ones."""
    try:
        from pandas.core.internals.managers import SingleBlockManager

        block = SingleBlockManager.from_array
        wrap = pandas.Series._from_mgr

        def make(array, index, name):
            manager = block(array, index)
            series = wrap(manager, manager.axes)
            series._name = name
            return series

        return make if proven(make, outer(pandas), pandas, numpy) else None
    except Exception:
        return None


def proven(make, known, pandas, numpy):
    for array in (numpy.array([3.0, 1.0, numpy.nan]), numpy.array([2, 1]), numpy.array([])):
        index = pandas.RangeIndex(len(array))
        ours, theirs = make(array, index, "name"), known(array, index, "name")
        same = ours.equals(theirs) and ours.dtype == theirs.dtype and repr(ours) == repr(theirs)
        if not (same and ours.name == theirs.name and ours.index is index):
            return False
        if not (ours.sort_values().equals(theirs.sort_values()) and ours.sum() == theirs.sum()):
            return False
    return True
