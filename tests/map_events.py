"""Writes the events of a map, and reads their answers: a second implementation of
docs/map-protocol.md, written from that page alone."""

import base64
import json
import math
import struct
import zlib

FORMATS = ("json", "zlib", "columns")
DESCRIBE = {"squall": {"map": "describe"}}
PACKED = {"float": "<%dd", "int": "<%dq", "bool": "<%d?"}


def chunk(kind, items, format, types=None, ids=None, id_type="int", **header) -> bytes:
    """The event of a chunk. An item is a dict of columns, {name: list}; for the kind
    `json` it is anything. `types` has the columns that are not floats."""
    types = types or {}
    head = {"map": "chunk", "item": kind, "count": len(items), **header}
    if kind == "json":
        return _dump({"squall": head, **_listed(items, format)})
    names = list(items[0])
    head["columns"] = [{"name": name, "type": types.get(name, "float")} for name in names]
    if ids is not None:
        head["by"] = {"name": "id", "type": id_type}
    if format == "columns":
        return _columns(head, items, ids, id_type)
    nonfinite = False
    listed = []
    for place, item in enumerate(items):
        lists = [_json_values(item[name], types.get(name, "float")) for name in names]
        nonfinite = nonfinite or any(
            not math.isfinite(value)
            for name in names
            if types.get(name, "float") == "float"
            for value in item[name]
        )
        if kind == "frame":
            listed.append(lists)
        elif kind == "dict":
            (one,) = _json_values([ids[place]], id_type)
            nonfinite = nonfinite or (id_type == "float" and not math.isfinite(ids[place]))
            listed.append({"id": one, "values": lists[0], "name": names[0]})
        else:
            listed.append(lists[0])
    event = {"squall": head, **_listed(listed, format)}
    if nonfinite:
        event["nonfinite"] = True
    return _dump(event)


def _json_values(values, kind):
    if kind != "float":
        return list(values)
    return [float(value) if math.isfinite(value) else _odd(value) for value in values]


def _odd(value):
    return None if math.isnan(value) else "inf" if value > 0 else "-inf"


def _listed(listed, format):
    if format == "zlib":
        return {"zlib": base64.b64encode(zlib.compress(_dump(listed))).decode()}
    return {"items": listed}


def _columns(head, items, ids, id_type):
    data = b""
    for column in head["columns"]:
        values = [value for item in items for value in item[column["name"]]]
        if column["type"] == "text":
            column["values"] = values
            continue
        column["at"] = len(data)
        packed = struct.pack(PACKED[column["type"]] % len(values), *values)
        data += packed + bytes(-len(packed) % 8)
    event = {"squall": head, "lengths": [len(next(iter(item.values()))) for item in items]}
    if ids is not None:
        event["ids"] = _json_values(ids, id_type)
    event["data"] = base64.b64encode(data).decode()
    return _dump(event)


def _dump(value) -> bytes:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def results_of(answer) -> list:
    """The results of an answer, in which an item that failed is (errorType, errorMessage)."""
    results = [untag(result) for result in answer["results"]]
    for place, error in answer.get("errors", ()):
        assert results[place] is None
        results[place] = (error["errorType"], error["errorMessage"])
    for seconds in answer["took"].values():
        assert seconds >= 0
    return results


def untag(value):
    if isinstance(value, dict):
        if set(value) == {"squall"}:
            return float(value["squall"])
        return {name: untag(one) for name, one in value.items()}
    if isinstance(value, list):
        return [untag(one) for one in value]
    return value
