"""The caller's side of the map protocol: items into the events of chunks, answers into results.

Columns of numbers travel as plain buffers where the function can read those, else as
JSON. numpy and pandas are used when the items are theirs, and never loaded here.
"""

import array
import base64
import json
import sys
from collections.abc import Mapping

from . import codec
from .kinds import KINDS

# What a column of both is.
WIDER = {("bool", "int"): "int", ("bool", "float"): "float", ("float", "int"): "float"}
# For the module array, and for numpy.
CODES = {"float": "d", "int": "q", "bool": "b"}
BUFFERS = {"float": "<f8", "int": "<i8", "bool": "i1"}
MOST_INT = 2**63 - 1
NOT_A_NUMBER, INFINITE = float("nan"), float("inf")


class Items:
    """What a map works on, with a place for each item."""

    def __init__(self, items):
        # A groupby of pandas yields pairs, as a dict does with `items`.
        grouped = hasattr(items, "groups") and hasattr(items, "ngroups")
        if type(items).__name__ == "DataFrame":
            raise TypeError("rows of a DataFrame are not items: group it first, or pass a list")
        if isinstance(items, Mapping) or grouped:
            pairs = list(items if grouped else items.items())
            self.labels = [label for label, _ in pairs]
            self.items = [item for _, item in pairs]
        else:
            self.labels = None
            self.items = list(items)
        self.count = len(self.items)

    def label(self, place):
        return self.labels[place] if self.labels else place

    def shape(self, results):
        """Results in the form of the items."""
        return results if self.labels is None else dict(zip(self.labels, results))

    def prepare(self, said, kind=None):
        """Settles how all items are written, by what the function said of itself."""
        if kind not in (None, *KINDS):
            raise ValueError("item is one of %s, not %r" % (", ".join(KINDS), kind))
        kind = kind or self.fitting(said.get("item", "json"))
        self.header = {"map": "chunk", "item": kind}
        self.in_columns = kind != "json"
        self.as_buffers = "columns" in said.get("formats", ())
        self.ids = None
        if not self.in_columns:
            return
        self.items = [columns_of(item, kind) for item in self.items]
        self.names = [name for name, _ in self.items[0]]
        self.types = self.common_types()
        columns = [{"name": n, "type": t} for n, t in zip(self.names, self.types)]
        self.header["columns"] = columns
        if kind == "dict":
            self.ids = [scalar(self.label(place)) for place in range(self.count)]
            self.header["by"] = {"name": "id", "type": type_of(self.ids) or "text"}

    def fitting(self, wanted):
        """The kind that the function wants, unless these items cannot be had as that."""
        if all(type(item).__name__ == "DataFrame" for item in self.items):
            return "frame"
        return wanted if wanted != "frame" and all(map(is_column, self.items)) else "json"

    def common_types(self):
        """One type for each column of all items: what an item is must not depend on its chunk."""
        found = [None] * len(self.names)
        for place, item in enumerate(self.items):
            if len(item) != len(found):
                raise TypeError("item %s has other columns than the first" % self.label(place))
            for n, (_, values) in enumerate(item):
                try:
                    found[n] = common(found[n], type_of(values))
                except TypeError as error:
                    raise TypeError("item %s: %s" % (self.label(place), error)) from None
        return [found or "float" for found in found]

    def encode(self, places):
        """The event of the chunk with the items at these places."""
        items = [self.items[place] for place in places]
        header = dict(self.header, count=len(items))
        if not self.in_columns:
            return self.as_json(header, items)
        if self.as_buffers:
            return self.buffers(header, items, places)
        found = []
        lists = [[written(values, t, found) for (_, values), t in zip(item, self.types)] for item in items]
        if self.ids is not None:
            ids = written([self.ids[place] for place in places], header["by"]["type"], found)
            name = self.names[0]
            body = [{"id": i, "values": v[0], "name": name} for i, v in zip(ids, lists)]
        else:
            body = lists if header["item"] == "frame" else [one for one, in lists]
        more = {"nonfinite": True} if found else {}
        return codec.plain({"squall": header, "items": body, **more}).encode()

    def as_json(self, header, items):
        """Items as they are; whether a number among them needs a tag is seen by its not being JSON."""
        try:
            body, more = codec.plain(items), ""
        except (TypeError, ValueError):
            body = codec.text(items)
            more = ',"nonfinite":true' if '{"squall":"' in body else ""
        return ('{"squall":%s,"items":%s%s}' % (codec.plain(header), body, more)).encode()

    def buffers(self, header, items, places):
        body = {"lengths": [len(item[0][1]) if item else 0 for item in items]}
        columns, pieces, at = [], [], 0
        for n, (name, kind) in enumerate(zip(self.names, self.types)):
            parts = [item[n][1] for item in items]
            if kind == "text":
                values = [None if v is None else str(v) for part in parts for v in listed(part)]
                columns.append({"name": name, "type": kind, "values": values})
                continue
            column = joined(parts, kind)
            columns.append({"name": name, "type": kind, "at": at})
            padding = -len(column) % 8
            pieces += (column, bytes(padding))
            at += len(column) + padding
        if self.ids is not None:
            body["ids"] = written([self.ids[place] for place in places], header["by"]["type"], [])
        head = codec.plain({"squall": dict(header, columns=columns), **body})
        data = base64.b64encode(b"".join(pieces))
        # By hand, because it is last by the protocol, and needs no look for what to escape.
        return b'%s,"data":"%s"}' % (head[:-1].encode(), data)


# Columns


def is_column(item):
    """Whether an item is one row of values."""
    if isinstance(item, (list, tuple)):
        kinds = set(map(type, item))
        return not any(hasattr(kind, "__len__") and not issubclass(kind, str) for kind in kinds)
    return is_row(item)


def is_row(item):
    """The same, with no look at the values of lists."""
    return getattr(item, "ndim", None) == 1 or isinstance(item, (list, tuple, array.array, range))


def columns_of(item, kind):
    """An item's columns: pairs of name and values."""
    if type(item).__name__ == "DataFrame":
        # By number: names may be equal.
        series = [item.iloc[:, n] for n in range(item.shape[1])]
        if kind == "frame" or len(series) == 1:
            return [(str(one.name), values_of(one)) for one in series]
    elif kind != "frame" and is_row(item):
        name = getattr(item, "name", None)
        return [("value" if name is None else str(name), values_of(item))]
    raise TypeError("%s cannot be given as item=%r" % (type(item).__name__, kind))


def values_of(item):
    """A list, or an array of numpy that holds numbers."""
    if hasattr(item, "to_numpy"):
        values = item.to_numpy()
        if values.dtype.kind in "biuf":
            return values
        if values.dtype.kind in "mM":
            item = item.astype(str).where(item.notna(), None)
        return item.astype(object).where(item.notna(), None).tolist()
    dtype = getattr(item, "dtype", None)
    if dtype is None:
        return item if isinstance(item, (list, tuple, array.array)) else list(item)
    if dtype.kind in "mM":
        return item.astype(str).tolist()
    return item if dtype.kind in "biuf" else item.tolist()


def listed(values):
    return values.tolist() if hasattr(values, "tolist") else values


def scalar(label):
    """An id as JSON can hold it."""
    if hasattr(label, "item"):
        label = label.item()
    return label if isinstance(label, (bool, int, float, str)) else str(label)


def type_of(values):
    """The narrowest type that holds all values; None if there are none."""
    dtype = getattr(values, "dtype", None)
    if dtype is not None:
        if not len(values):
            return None
        if dtype.kind == "u" and values.max() > MOST_INT:
            return "float"
        return {"b": "bool", "f": "float"}.get(dtype.kind, "int")
    found = None
    for kind in set(map(type, values)):
        found = common(found, type_of_class(kind))
    return found


def type_of_class(kind):
    if kind is float or kind is type(None) or issubclass(kind, float):
        return "missing" if kind is type(None) else "float"
    if issubclass(kind, bool) or kind.__name__ in ("bool", "bool_"):
        return "bool"
    if issubclass(kind, int) or hasattr(kind, "__index__"):
        return "int"
    if issubclass(kind, str):
        return "text"
    if hasattr(kind, "__float__"):
        return "float"
    raise TypeError('%s is no value of a column; item="json" sends items as they are' % kind.__name__)


def common(one, other):
    if one is None or other is None or one == other:
        return one or other
    if "missing" in (one, other):
        known = other if one == "missing" else one
        return "text" if known == "text" else "float"
    try:
        return WIDER[tuple(sorted((one, other)))]
    except KeyError:
        raise TypeError("a column holds both %s and %s" % (one, other)) from None


def joined(parts, kind):
    """The bytes of a column that several items have parts of."""
    if all(hasattr(part, "dtype") for part in parts):
        # In one go, where there are many small ones.
        concatenate = sys.modules["numpy"].concatenate
        return concatenate(parts, dtype=BUFFERS[kind], casting="unsafe").tobytes()
    return b"".join([raw(part, kind) for part in parts])


def raw(values, kind):
    """Values as the bytes of their column."""
    if hasattr(values, "dtype"):
        return values.astype(BUFFERS[kind], copy=False).tobytes()
    code = CODES[kind]
    if code == "d":
        try:
            column = array.array("d", values)
        except TypeError:
            column = array.array("d", [NOT_A_NUMBER if v is None else float(v) for v in values])
    else:
        column = array.array(code, values)
    if sys.byteorder == "big":
        column.byteswap()
    return column.tobytes()


def written(values, kind, found):
    """Values for JSON, which has no words for some floats; those are noted in `found`."""
    values = listed(values)
    if kind == "float":
        values = [NOT_A_NUMBER if v is None else float(v) for v in values]
        odd = [v for v in values if v - v != 0.0]
        found += odd
        return [finite(v) for v in values] if odd else values
    if kind == "text":
        return [None if v is None else str(v) for v in values]
    return [{"int": int, "bool": bool}[kind](v) for v in values]


def finite(value):
    if value != value:
        return None
    return {INFINITE: "inf", -INFINITE: "-inf"}.get(value, value)


# Answers


def understood(value, count):
    """(results, errors by place in the chunk, seconds) of a function's answer."""
    if not isinstance(value, dict) or not isinstance(value.get("results"), list):
        raise ValueError("the function's answer is not one to a chunk")
    results = value["results"]
    if len(results) != count:
        raise ValueError("the function gave %d results for %d items" % (len(results), count))
    errors = {
        place: (error.get("errorType") or "Error", error.get("errorMessage") or "", error.get("stackTrace") or [])
        for place, error in value.get("errors") or ()
    }
    return codec.untag(results), errors, value.get("took") or {}
