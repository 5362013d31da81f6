"""The items of a chunk, as the function wants them."""

import binascii
import json
import math

from . import quick_series
from .codec import untag
from .kinds import BadChunk, load

NUMBERS = {"float": "d", "int": "q", "bool": "?"}
DTYPES = {"float": "<f8", "int": "<i8", "bool": "?"}
INFINITE = {None: math.nan, "inf": math.inf, "-inf": -math.inf}
# A chunk comes without spaces, and the data at its end: it need not be searched for
# the end of a text, only for a quote.
DATA, END = b',"data":"', b'"}'


def parse(payload):
    """The event of a chunk; its data, if there is any, still in base64."""
    start = payload.find(DATA)
    if start > 0 and payload.endswith(END):
        first, last = start + len(DATA), len(payload) - len(END)
        if payload.find(b'"', first, last) < 0:
            event = json.loads(payload[:start] + b"}")
            event["data"] = memoryview(payload)[first:last]
            return event
    return json.loads(payload)


def items(event, kind):
    """How many items there are, and an iterator over them."""
    try:
        count = event["squall"]["count"]
        return count, read(event, kind, count)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        reason = "%s: %s" % (type(error).__name__, error)
        raise BadChunk("the event of this chunk is not as it should be: " + reason) from None


def read(event, kind, count):
    if kind == "json" or "columns" not in event["squall"]:
        return listed_values(event, kind, count)
    if "data" in event:
        table = Table.of_columns(event)
    else:
        listed = listed_items(event, count)
        if kind == event["squall"]["item"] == "dict":
            return with_infinite(event, listed)
        table = Table.of_items(event, listed)
    if len(table.lengths) != count:
        raise ValueError("there are %d items, not %d" % (len(table.lengths), count))
    return MAKERS[kind](table)


def listed_items(event, count):
    if "zlib" in event:
        import zlib

        listed = json.loads(zlib.decompress(binascii.a2b_base64(event["zlib"])))
    else:
        listed = event["items"]
    if type(listed) is not list or len(listed) != count:
        raise ValueError("there are not %d items" % count)
    return listed


def listed_values(event, kind, count):
    if kind != "json":
        raise ValueError("JSON values cannot be given as %r" % kind)
    listed = listed_items(event, count)
    return iter([untag(item) for item in listed] if event.get("nonfinite") else listed)


def with_infinite(event, listed):
    """Dicts as they were sent, but for the numbers that JSON cannot write."""
    if event.get("nonfinite"):
        (column,) = event["squall"]["columns"]
        ids_are_floats = event["squall"]["by"]["type"] == "float"
        for item in listed:
            if column["type"] == "float":
                item["values"] = floats(item["values"])
            if ids_are_floats:
                (item["id"],) = floats([item["id"]])
    return iter(listed)


def floats(values):
    return [value if value.__class__ is float else INFINITE[value] for value in values]


class Table:
    """Columns with the rows of all items, one item behind the other."""

    def __init__(self, header, columns, lengths, ids):
        self.heads = header["columns"]
        #: Lists, or bytes of the data with what numpy needs to read them.
        self.columns = columns
        self.lengths = lengths
        self.ids = ids

    @classmethod
    def of_columns(cls, event):
        header, lengths = event["squall"], event["lengths"]
        # A bytearray, so that a function may write into its arrays. Popped: it may be large.
        data = bytearray(binascii.a2b_base64(event.pop("data")))
        if min(lengths, default=0) < 0:
            raise ValueError("an item has less than no rows")
        rows = sum(lengths)
        columns = []
        for head in header["columns"]:
            if head["type"] == "text":
                columns.append(head["values"])
                if len(head["values"]) != rows:
                    raise ValueError("a column has not %d rows" % rows)
            else:
                columns.append(Buffer(data, head, rows))
        return cls(header, columns, lengths, cls.ids_of(event, header))

    @staticmethod
    def ids_of(event, header):
        ids = event.get("ids")
        if ids is not None and header["by"]["type"] == "float":
            return floats(ids)
        return ids

    @classmethod
    def of_items(cls, event, listed):
        header = event["squall"]
        kind, heads = header["item"], header["columns"]
        ids = None
        if kind == "dict":
            ids = [item["id"] for item in listed]
            if header["by"]["type"] == "float":
                ids = floats(ids)
            listed = [item["values"] for item in listed]
        parts = listed if kind == "frame" else [[values] for values in listed]
        lengths = [len(part[0]) if part else 0 for part in parts]
        columns = []
        for place, head in enumerate(heads):
            whole = []
            for part, length in zip(parts, lengths):
                if len(part) != len(heads) or len(part[place]) != length:
                    raise ValueError("an item's columns are not alike")
                whole += part[place]
            if head["type"] == "float" and event.get("nonfinite"):
                whole = floats(whole)
            columns.append(whole)
        return cls(header, columns, lengths, ids)

    def spans(self):
        start = 0
        for length in self.lengths:
            yield start, start + length
            start += length

    def only(self):
        (head,) = self.heads
        return head["name"], head["type"], self.columns[0]

    def only_lists(self):
        """The name of the column, and an iterator over a list for each item."""
        name, _, column = self.only()
        if isinstance(column, Buffer):
            # One after the other: all numbers at once are four times what they were.
            cut = column.list_of
            return name, (cut(start, end) for start, end in self.spans())
        return name, (column[start:end] for start, end in self.spans())

    def only_array(self, numpy):
        name, kind, column = self.only()
        return name, as_array(numpy, kind, column)


class Buffer:
    """A column of plain numbers."""

    def __init__(self, data, head, rows):
        self.kind, at = head["type"], head["at"]
        size = rows if self.kind == "bool" else rows * 8
        self.view = memoryview(data)[at : at + size]
        if at < 0 or len(self.view) != size:
            raise ValueError("the data is shorter than %d rows" % rows)

        self.numbers = self.view.cast(NUMBERS[self.kind])

    def list_of(self, start, end):
        return self.numbers[start:end].tolist()


def as_array(numpy, kind, column):
    if isinstance(column, Buffer):
        return numpy.frombuffer(column.view, DTYPES[kind])
    return numpy.array(column, DTYPES.get(kind, "O"))


def lists(table):
    return table.only_lists()[1]


def dicts(table):
    name, values = table.only_lists()
    if table.ids is None or len(table.ids) != len(table.lengths):
        raise ValueError("ids are missing")
    return ({"id": one, "values": own, "name": name} for one, own in zip(table.ids, values))


def arrays(table):
    numpy = load("numpy", "array")
    return cut(table, table.only_array(numpy)[1])


def cut(table, whole):
    lengths = table.lengths
    if lengths and lengths[0] and lengths.count(lengths[0]) == len(lengths):
        return iter(whole.reshape(len(lengths), lengths[0]))
    return (whole[start:end] for start, end in table.spans())


def series(table):
    numpy, pandas = load("numpy", "series"), load("pandas", "series")
    name, whole = table.only_array(numpy)
    make = quick_series.maker(pandas, numpy)
    return each_series(make, pandas.RangeIndex, cut(table, whole), name)


def each_series(make, make_index, parts, name):
    # One for each length: to make them takes as long as to make a Series.
    indexes = {}
    for part in parts:
        length = len(part)
        index = indexes.get(length)
        if index is None:
            index = indexes[length] = make_index(length)
        yield make(part, index, name)
        # All else of an index is immutable.
        if index.name is not None:
            del indexes[length]


def frames(table):
    numpy, pandas = load("numpy", "frame"), load("pandas", "frame")
    columns = {}
    for place, (head, column) in enumerate(zip(table.heads, table.columns)):
        if head["type"] == "text":
            # As read_csv has what is missing.
            columns[place] = [math.nan if one is None else one for one in column]
        else:
            columns[place] = as_array(numpy, head["type"], column)
    whole = pandas.DataFrame(columns, index=pandas.RangeIndex(sum(table.lengths)))
    # Names may be equal, so they are not the keys above.
    whole.columns = [head["name"] for head in table.heads]
    return (whole.iloc[start:end].reset_index(drop=True) for start, end in table.spans())


MAKERS = {"list": lists, "dict": dicts, "array": arrays, "series": series, "frame": frames}
