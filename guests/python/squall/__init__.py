"""Squall inside a function.

`mapped(f)` makes a handler of a function of one item, for AWS Lambda and for any
other Python runtime client; under Squall's own client every handler is served like
that. `map(function, items)` fans out from inside of a function.

What is seldom used is imported when it is asked for: this package is loaded at every
start.
"""

from .chunk import mapped
from .kinds import KINDS

__all__ = ["KINDS", "InvokeError", "ItemError", "MapError", "map", "mapped"]

FROM_FANOUT = ("InvokeError", "ItemError", "MapError", "map")


def __getattr__(name):
    if name not in FROM_FANOUT:
        raise AttributeError("module %r has no attribute %r" % (__name__, name))
    from . import fanout

    return getattr(fanout, name)
