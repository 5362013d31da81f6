"""`squall.map`: from inside a function (or anywhere else) over the instances of another.

Items go out in chunks through Invoke of AWS Lambda, some at once, and their results
come back in order.
"""

import time

from .client import Answered, Client, Errored, InvokeError, TryAgain
from .failures import ItemError, MapError
from .job import MOST_REFUSALS, Job, cannot_start, wait_before
from .sending import Items

__all__ = ["InvokeError", "ItemError", "MapError", "map"]


def map(
    function,
    items,
    chunksize=None,
    concurrency=None,
    retries=1,
    on_error="stop",
    item=None,
    qualifier=None,
    backups=True,
):
    """Calls a function for every item and returns the results, in order.

    function     name or ARN of a Lambda function, whose handler takes chunks: every
                 Python handler on Squall's engine, `squall.mapped(handler)` elsewhere
    items        lists, numpy arrays, pandas Series or anything that JSON can hold; from an
                 iterable (the answer is a list), or from a dict or a groupby of pandas (the
                 answer is a dict with the same keys)
    chunksize    how many items travel together; learned if None
    concurrency  how many chunks are under way at once; learned if None
    retries      how often an item is tried again after an exception of the handler
    on_error     "stop": after the first failure nothing more is sent, and `MapError` is
                 raised; "collect": an `ItemError` stands in the place of each failed result
    item         how the handler wants an item: "series", "array", "list", "frame", "dict"
                 or "json"; what the function says of itself if None
    qualifier    a version or an alias
    backups      whether a chunk that takes very long is sent a second time; the first
                 answer counts. An item may run twice, then and after a lost connection.
    """
    if on_error not in ("stop", "collect"):
        raise ValueError('on_error is "stop" or "collect", not %r' % (on_error,))
    for name, value in (("chunksize", chunksize), ("concurrency", concurrency)):
        if value is not None and value < 1:
            raise ValueError("%s is at least 1, not %r" % (name, value))
    source = Items(items)
    if not source.count:
        return source.shape([])
    target = Target(Client(), function, qualifier)
    try:
        source.prepare(target.describe(), item)
        job = Job(target, source, chunksize, concurrency, retries, on_error, backups)
        job.run()
    finally:
        target.client.close()
    if job.error:
        raise job.error
    if job.failed and on_error == "stop":
        raise MapError(job.failures(), source.count)
    return source.shape(job.results)


class Target:
    """The function that is called."""

    def __init__(self, client, function, qualifier):
        self.client, self.function, self.qualifier = client, function, qualifier

    def invoke(self, event):
        return self.client.invoke(self.function, event, self.qualifier)

    def describe(self):
        """What the function says of its items."""
        for attempt in range(MOST_REFUSALS):
            answer = self.invoke(b'{"squall":{"map":"describe"}}')
            if not isinstance(answer, TryAgain):
                break
            time.sleep(wait_before(attempt))
        else:
            raise InvokeError("%s is not answering: %s" % (self.function, answer.reason))
        if isinstance(answer, Errored) and answer.ends_all:
            raise cannot_start(self.function, answer)
        said = answer.value.get("squall") if is_object(answer) else None
        if not isinstance(said, dict):
            raise InvokeError(
                "%s takes no chunks; its handler needs `handler = squall.mapped(handler)`"
                % self.function
            )
        return said


def is_object(answer):
    return isinstance(answer, Answered) and isinstance(answer.value, dict)
