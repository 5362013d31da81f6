"""Results as JSON text: what json writes, and what scientists return beside it."""

import decimal
import json
import math
import os
import sys

plain = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode

TAGS = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}
# What json makes a text of where it is a key.
KEYS = (str, int, bool, type(None))


def text(value):
    """The JSON of any result; TypeError or ValueError if there is none."""
    try:
        return plain(value)
    except (TypeError, ValueError):
        return Simple().text(value)


def texts(values):
    """The JSON of a list of results in UTF-8, and [place, exception] of those that have none."""
    try:
        return plain(values).encode(), []
    except (TypeError, ValueError):
        pass
    pieces, failed = [], []
    for place, value in enumerate(values):
        try:
            piece = text(value).encode()
        except Exception as error:
            failed.append((place, error))
            piece = b"null"
        pieces.append(piece)
    return b"[" + b",".join(pieces) + b"]", failed


class Simple:
    """One value as what json can write."""

    def __init__(self):
        # It stands where a decimal stands: numbers of their kind json cannot write.
        self.mark = os.urandom(16).hex()
        self.decimals = []

    def text(self, value):
        parts = plain(self.of(value)).split('"%s"' % self.mark)
        numbers = self.decimals + [""]
        return "".join(part + number for part, number in zip(parts, numbers))

    def of(self, value):
        if isinstance(value, float):
            return float(value) if math.isfinite(value) else tagged(value)
        if value is None or isinstance(value, (str, int)):
            return value
        if isinstance(value, dict):
            return {key(name): self.of(one) for name, one in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.of(one) for one in value]
        if isinstance(value, decimal.Decimal):
            return self.decimal(value)
        return self.of_library(value)

    def decimal(self, value):
        if not value.is_finite():
            return {"squall": "nan"} if value.is_nan() else tagged(value)
        self.decimals.append(str(value))
        return self.mark

    def of_library(self, value):
        numpy = sys.modules.get("numpy")
        if numpy is not None:
            if isinstance(value, numpy.floating):
                return self.of(float(value))
            if isinstance(value, numpy.ndarray):
                return self.of(value.tolist())
            if isinstance(value, numpy.generic):
                simple = value.item()
                if not isinstance(simple, numpy.generic):
                    return self.of(simple)
        pandas = sys.modules.get("pandas")
        if pandas is not None:
            if value is pandas.NA or value is pandas.NaT:
                return None
            if isinstance(value, pandas.Series):
                return self.of_series(value)
        raise TypeError("Object of type %s is not JSON serializable" % type(value).__name__)

    def of_series(self, series):
        row = {key(name): self.of(one) for name, one in series.items()}
        if len(row) < len(series):
            raise ValueError("a Series with equal labels is not a row")
        return row


def tagged(number):
    if number != number:
        return {"squall": "nan"}
    return {"squall": "inf" if number > 0 else "-inf"}


def key(name):
    return name if type(name) in KEYS else str(name)


def untag(value):
    """A parsed result with the numbers that JSON could not write."""
    if type(value) is dict:
        if len(value) == 1:
            tag = value.get("squall")
            if type(tag) is str and tag in TAGS:
                return TAGS[tag]
        return {name: untag(one) for name, one in value.items()}
    if type(value) is list:
        return [untag(one) for one in value]
    return value
