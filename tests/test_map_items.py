"""What a function is given of a chunk, and what comes back: the Python guest, asked with
events that are written by hand from docs/map-protocol.md."""

import importlib.metadata
import json
import math
import struct

import pytest
import requests

from harness import ROOT, error_of, payload_of, tail_of, zip_of
from map_events import DESCRIBE, FORMATS, chunk, results_of
from test_runtimes import RIC, installed

NAN, INF = math.nan, math.inf
# Two items, one of them short, with all that floats may be.
FLOATS = [[1.5, -0.0, NAN, 1e300], [INF, -INF], [2.0]]
MOST_ANSWER = 6 * 1024 * 1024

SHOW = """
import math

def plain(value):
    # Texts, so that the answer's own way with numbers does not matter here.
    return [type(one).__name__ + " " + repr(one) for one in value]

def show(item, kind=None):
    name = type(item).__name__
    if name == "list":
        return {"type": name, "values": plain(item)}
    if name == "dict":
        return {"type": name, "values": plain(item["values"]), "id": repr(item["id"]), "name": item["name"]}
    if name == "ndarray":
        item[:1] = item[:1]  # a function may write into what it is given
        return {"type": name, "dtype": str(item.dtype), "values": plain(item.tolist())}
    if name == "Series":
        item.iloc[:1] = item.iloc[:1]
        return {"type": name, "dtype": str(item.dtype), "values": plain(item.tolist()),
                "name": item.name, "index": repr(item.index)}
    return {"type": name, "columns": list(item.columns), "dtypes": [str(it) for it in item.dtypes],
            "values": [plain(item.iloc[:, at].tolist()) for at in range(item.shape[1])],
            "index": repr(item.index)}
"""


@pytest.fixture(scope="module")
def science(publish_layer):
    return [publish_layer("numpy"), publish_layer("pandas", "python-dateutil", "six")]


@pytest.fixture(scope="module")
def ask(awslambda):
    """Sends an event as it is; the answer of the function."""

    def ask(name, event):
        event = event if isinstance(event, bytes) else json.dumps(event).encode()
        return payload_of(awslambda.invoke(FunctionName=name, Payload=event))

    return ask


@pytest.fixture(scope="module")
def shower(module_functions, science):
    return module_functions.make(
        "import pandas\n" + SHOW, Handler="app.show", MemorySize=1024, Timeout=60, Layers=science
    )


@pytest.fixture(scope="module")
def bare_shower(module_functions):
    """The same without any library."""
    return module_functions.make(SHOW, Handler="app.show", Timeout=60)


def shown(values, kind=float):
    return [f"{kind.__name__} {value!r}" for value in values]


# What a function is given


@pytest.mark.parametrize("format", FORMATS)
def test_floats_of_every_kind(shower, ask, format):
    items = [{"value": values} for values in FLOATS]
    floats = [shown(values) for values in FLOATS]
    indexes = [f"RangeIndex(start=0, stop={len(it)}, step=1)" for it in FLOATS]

    def given(kind, **more):
        return results_of(ask(shower, chunk(kind, items, format, **more)))

    assert given("list") == [{"type": "list", "values": it} for it in floats]
    assert given("array") == [{"type": "ndarray", "dtype": "float64", "values": it} for it in floats]
    assert given("series") == [
        {"type": "Series", "dtype": "float64", "values": it, "name": "value", "index": index}
        for it, index in zip(floats, indexes)
    ]
    assert given("frame") == [
        {"type": "DataFrame", "columns": ["value"], "dtypes": ["float64"], "values": [it], "index": index}
        for it, index in zip(floats, indexes)
    ]
    assert given("dict", ids=["a", "b,\n", ""], id_type="text") == [
        {"type": "dict", "values": it, "id": repr(id), "name": "value"}
        for it, id in zip(floats, ["a", "b,\n", ""])
    ]


@pytest.mark.parametrize("format", FORMATS)
def test_integers_and_flags_keep_their_type(shower, ask, format):
    integers = [[2**63 - 1, -(2**63)], [0, 1]]
    flags = [[True], [False, True, False]]
    for values, kind, dtype, python in ((integers, "int", "int64", int), (flags, "bool", "bool", bool)):
        items = [{"value": one} for one in values]
        event = lambda item: chunk(item, items, format, {"value": kind})
        assert [it["values"] for it in results_of(ask(shower, event("list")))] == [
            shown(one, python) for one in values
        ]
        for item in ("array", "series"):
            answer = results_of(ask(shower, event(item)))
            assert [it["values"] for it in answer] == [shown(one, python) for one in values]
            assert {it["dtype"] for it in answer} == {dtype}


@pytest.mark.parametrize("format", FORMATS)
def test_a_frame_has_all_columns(shower, ask, format):
    types = {"time": "int", "place": "text", "": "bool"}
    items = [
        {"time": [3, 1], "value": [0.5, NAN], "place": ["ä\"", None], "": [True, False]},
        {"time": [7], "value": [-INF], "place": [""], "": [False]},
    ]
    answer = results_of(ask(shower, chunk("frame", items, format, types)))
    assert [it["columns"] for it in answer] == [["time", "value", "place", ""]] * 2
    for it in answer:
        dtypes = it["dtypes"]
        assert (dtypes[0], dtypes[1], dtypes[3]) == ("int64", "float64", "bool")
        assert dtypes[2] in ("object", "str")
    first, second = (it["values"] for it in answer)
    assert first == [
        shown([3, 1], int),
        shown([0.5, NAN]),
        ["str 'ä\"'", "float nan"],
        shown([True, False], bool),
    ]
    assert second == [shown([7], int), shown([-INF]), ["str ''"], shown([False], bool)]
    assert [it["index"] for it in answer] == [f"RangeIndex(start=0, stop={n}, step=1)" for n in (2, 1)]


@pytest.mark.parametrize("format", FORMATS)
def test_ids_keep_their_type(bare_shower, ask, format):
    items = [{"value": [1.0]}, {"value": [2.0]}]
    for ids, kind in (([-5, 2**62], "int"), ([0.5, INF], "float"), ([False, True], "bool"), (["", "ü"], "text")):
        event = chunk("dict", items, format, ids=ids, id_type=kind)
        assert [it["id"] for it in results_of(ask(bare_shower, event))] == [repr(id) for id in ids]


@pytest.mark.parametrize("format", FORMATS)
def test_lists_and_dicts_need_no_library(bare_shower, ask, format):
    items = [{"value": values} for values in FLOATS]
    answer = results_of(ask(bare_shower, chunk("list", items, format)))
    assert [it["values"] for it in answer] == [shown(values) for values in FLOATS]
    answer = results_of(ask(bare_shower, chunk("dict", items, format, ids=[1, 2, 3])))
    assert [it["values"] for it in answer] == [shown(values) for values in FLOATS]


def test_json_items_are_given_as_they_are(functions, ask):
    name = functions.make("def f(x):\n    return [type(x).__name__, x]\n", Handler="app.f")
    items = [1, "é", None, {"a": [1.5]}, [True]]
    for format in ("json", "zlib"):
        answer = results_of(ask(name, chunk("json", items, format)))
        assert answer == [[type(item).__name__, item] for item in items]
    event = {
        "squall": {"map": "chunk", "item": "json", "count": 1},
        "items": [{"x": {"squall": "-inf"}}],
        "nonfinite": True,
    }
    assert results_of(ask(name, event)) == [["dict", {"x": -INF}]]


def test_many_items_arrive_each_in_its_place(bare_shower, shower, ask):
    lengths = [n % 7 + 1 for n in range(500)]
    items = [{"value": [n + row / 8 for row in range(length)]} for n, length in enumerate(lengths)]
    for kind, name in (("list", bare_shower), ("array", shower), ("series", shower)):
        answer = results_of(ask(name, chunk(kind, items, "columns")))
        assert [it["values"] for it in answer] == [shown(item["value"]) for item in items]


def test_no_item_sees_what_another_did(functions, ask, science):
    name = functions.make(
        """
        import pandas

        def series(s):
            seen = [s.sum(), s.index.name, s.name]
            s.index.name, s.name = "mine", "mine"
            s.iloc[:] = 0
            return seen

        def f(x):
            if isinstance(x, pandas.Series):
                return series(x)
            if isinstance(x, pandas.DataFrame):
                return series(x["value"])
            seen = sum(x)
            x[:] = [0] * len(x)
            return seen
        """,
        Handler="app.f",
        MemorySize=1024,
        Timeout=60,
        Layers=science,
    )
    items = [{"value": [1.0, float(n)]} for n in range(4)]
    for format in FORMATS:
        for kind in ("series", "frame"):
            answer = results_of(ask(name, chunk(kind, items, format)))
            assert answer == [[1.0 + n, None, "value"] for n in range(4)], kind
        for kind in ("list", "array"):
            assert results_of(ask(name, chunk(kind, items, format))) == [1.0 + n for n in range(4)]


# Which kind it is


KINDS = """
import {library}
from typing import Dict, List

def by_annotation(x: {annotation}): return type(x).__name__
def by_text(x: "{annotation}"): return type(x).__name__
def series(series): return type(series).__name__
def array(array): return type(array).__name__
def frame(df): return type(df).__name__
def values(values): return type(values).__name__
def row(row): return type(row).__name__
def unknown(x): return type(x).__name__
def optional(x, scale=2.0): return type(x).__name__
def event_only(event): return type(event).__name__
def handler(event, context): return type(event).__name__
def named_context(x, context=None): return type(x).__name__ + str(context is not None)

class Callable:
    def __call__(self, values): return type(values).__name__
    def method(self, series): return type(series).__name__
callable = Callable()
method = callable.method
builtin = len
"""


@pytest.mark.parametrize(
    "library, annotation, kind, default",
    [
        ("json", "list", "list", "list"),
        ("json", "List[float]", "list", "list"),
        ("json", "dict", "dict", "list"),
        ("numpy", "numpy.ndarray", "array", "array"),
        ("pandas", "pandas.Series", "series", "series"),
        ("pandas", "pandas.DataFrame", "frame", "series"),
    ],
)
def test_the_kind_is_read_from_the_signature(functions, awslambda, ask, science, library, annotation, kind, default):
    name = functions.make(
        KINDS.format(library=library, annotation=annotation),
        Handler="app.unknown",
        MemorySize=1024,
        Timeout=60,
        Layers=science,
    )
    expected = {
        "by_annotation": kind,
        "by_text": kind,
        "series": "series",
        "array": "array",
        "frame": "frame",
        "values": "list",
        "row": "dict",
        "unknown": default,
        "optional": default,
        "event_only": "dict",
        "handler": "dict",
        "named_context": "dict",
        "callable": "list",
        "method": "series",
        "builtin": default,
    }
    if (library, annotation) != ("pandas", "pandas.Series"):
        # Each takes a new template: the rest is asked once.
        expected = {key: expected[key] for key in ("by_annotation", "by_text", "unknown")}
    for attribute, item in expected.items():
        awslambda.update_function_configuration(FunctionName=name, Handler=f"app.{attribute}")
        awslambda.get_waiter("function_updated_v2").wait(FunctionName=name)
        said = ask(name, DESCRIBE)["squall"]
        assert said["item"] == item, attribute
        assert (said["numpy"], said["pandas"]) == (True, True)
        assert {"json", "zlib", "columns"} <= set(said["formats"])


def test_a_setting_of_the_function_decides_before_its_signature(functions, ask):
    name = functions.make(
        "def f(values: list): return type(values).__name__\n",
        Handler="app.f",
        Environment={"Variables": {"SQUALL_ITEM": "dict"}},
    )
    said = ask(name, DESCRIBE)["squall"]
    assert (said["item"], said["numpy"], said["pandas"]) == ("dict", False, False)
    # And the event before both.
    assert results_of(ask(name, chunk("list", [{"v": [1.0]}], "columns"))) == ["list"]


def test_handlers_get_the_item_as_their_event(functions, ask):
    name = functions.make(
        """
        def handler(event, context):
            assert context.function_name and context.get_remaining_time_in_millis() > 0
            return {"id": event["id"], event["name"]: sum(event["values"])}
        """
    )
    items = [{"value": [1.0, 2.0]}, {"value": [4.0]}]
    for format in FORMATS:
        answer = results_of(ask(name, chunk("dict", items, format, ids=["a", "b"], id_type="text")))
        assert answer == [{"id": "a", "value": 3.0}, {"id": "b", "value": 4.0}]
    # Everything else is theirs as before.
    event = {"id": 1, "values": [5], "name": "x", "squall": "of my own"}
    assert ask(name, event) == {"id": 1, "x": 5}


def test_events_with_spaces_and_in_another_order(bare_shower, ask):
    data = "AAAAAAAA8D8="  # 1.0
    event = json.dumps(
        {
            "data": data,
            "more": {"data": "x"},
            "lengths": [1],
            "squall": {
                "columns": [{"at": 0, "type": "float", "name": 'a,"data":"'}],
                "count": 1,
                "item": "list",
                "map": "chunk",
                "new": 1,
            },
        },
        indent=1,
    )
    assert results_of(ask(bare_shower, event.encode())) == [{"type": "list", "values": ["float 1.0"]}]
    compact = chunk("list", [{'a,"data":"': [1.0]}], "columns")
    assert results_of(ask(bare_shower, compact)) == [{"type": "list", "values": ["float 1.0"]}]
    later = compact.removesuffix(b"}") + b',"later":"x"}'
    assert results_of(ask(bare_shower, later)) == [{"type": "list", "values": ["float 1.0"]}]


# What comes back

RETURNS = """
import datetime, decimal, enum, fractions
import numpy, pandas

class Colour(enum.IntEnum):
    RED = 7

class Circle(list):
    pass

circle = []
circle.append(circle)
RESULTS = {results}

def f(values):
    return RESULTS[int(values[0])]
"""


def returned(functions, ask, science, results):
    source = RETURNS.replace("{results}", "[" + ", ".join(results) + "]")
    name = functions.make(source, Handler="app.f", MemorySize=1024, Timeout=60, Layers=science)
    items = [{"value": [float(n)]} for n in range(len(results))]
    return ask(name, chunk("list", items, "columns"))


def test_results_of_every_type(functions, ask, science):
    cases = {
        "1": 1,
        "10**30": 10**30,
        "0.1": 0.1,
        "True": True,
        "None": None,
        "'ä\\n'": "ä\n",
        "(1, 2)": [1, 2],
        "float('nan')": NAN,
        "-float('inf')": -INF,
        "{'a': float('inf'), 'b': [float('nan')]}": {"a": INF, "b": [NAN]},
        "{1: 2, None: 3, True: 4}": {"1": 4, "null": 3},
        "{(1, 'a'): 2, numpy.int64(3): 4}": {"(1, 'a')": 2, "3": 4},
        "Colour.RED": 7,
        "numpy.float64(0.5)": 0.5,
        "numpy.float64('nan')": NAN,
        "numpy.float32(0.5)": 0.5,
        "numpy.longdouble(0.5)": 0.5,
        "numpy.float32('inf')": INF,
        "numpy.int64(-3)": -3,
        "numpy.uint64(2**64 - 1)": 2**64 - 1,
        "numpy.bool_(True)": True,
        "numpy.str_('x')": "x",
        "numpy.array(4)": 4,
        "numpy.array([[1.5, numpy.nan]])": [[1.5, NAN]],
        "pandas.NA": None,
        "pandas.NaT": None,
        "pandas.Series({'mean': 1.5, 'n': 2})": {"mean": 1.5, "n": 2.0},
        "pandas.Series([1, 2], index=[0.5, 3])": {"0.5": 1, "3.0": 2},
        "{'a': numpy.float32(1), 'b': pandas.NA}": {"a": 1.0, "b": None},
    }
    answer = returned(functions, ask, science, list(cases))
    assert answer["errors"] == []
    for case, result, expected in zip(cases, results_of(answer), cases.values()):
        assert repr(result) == repr(expected), case


def test_decimals_keep_all_their_digits(functions, awslambda):
    name = functions.make(
        """
        import decimal
        VALUES = ["0.1000000000000000000000000001", "NaN", "-Infinity", "1E+3"]
        def f(values):
            return {"d": decimal.Decimal(VALUES[int(values[0])]), "n": 1}
        """,
        Handler="app.f",
    )
    items = [{"value": [float(n)]} for n in range(4)]
    body = awslambda.invoke(FunctionName=name, Payload=chunk("list", items, "json"))["Payload"].read()
    assert b'{"d":0.1000000000000000000000000001,"n":1}' in body
    assert [it["d"] for it in results_of(json.loads(body))[2:]] == [-INF, 1000.0]


def test_what_cannot_be_written_fails_its_item_alone(functions, ask, science):
    cases = {
        "object()": "Object of type object is not JSON serializable",
        "{'a': {1, 2}}": "Object of type set is not JSON serializable",
        "b'x'": "Object of type bytes is not JSON serializable",
        "datetime.date(2024, 1, 1)": "Object of type date is not JSON serializable",
        "pandas.DataFrame({'a': [1]})": "Object of type DataFrame is not JSON serializable",
        "numpy.datetime64('2024-01-01')": "Object of type date is not JSON serializable",
        "1j": "Object of type complex is not JSON serializable",
        "circle": None,
        "'\\ud800'": None,
        "pandas.Series([1, 2], index=['a', 'a'])": "a Series with equal labels is not a row",
    }
    answer = returned(functions, ask, science, [*cases, "5.0", "{'ok': 1}"])
    results = results_of(answer)
    assert results[-2:] == [5.0, {"ok": 1}]
    assert len(answer["errors"]) == len(cases)
    for (case, message), (kind, said) in zip(cases.items(), results):
        assert kind == "Runtime.MarshalError", case
        assert said.startswith("Unable to marshal response: "), case
        if message:
            assert said == "Unable to marshal response: " + message, case


def test_items_may_return_different_columns(functions, ask):
    name = functions.make(
        "def f(values):\n    return {'c%d' % len(values): 1, 'all': None}\n", Handler="app.f"
    )
    items = [{"v": [1.0]}, {"v": [1.0, 2.0]}]
    assert results_of(ask(name, chunk("list", items, "json"))) == [
        {"c1": 1, "all": None},
        {"c2": 1, "all": None},
    ]


FAILING = """
import sys

class Odd(Exception):
    def __str__(self):
        raise ValueError("no text")

def deep(value):
    return 1 / (value - 1.0)

def f(values):
    value = values[0]
    if value == 2.0:
        raise KeyError("k\\ud800")
    if value == 3.0:
        sys.exit(4)
    if value == 4.0:
        raise MemoryError
    if value == 5.0:
        raise Odd
    if value == 6.0:
        return f(values)
    if value == 7.0:
        sys.exit("done")
    return deep(value)
"""


def test_an_exception_fails_its_item_alone(functions, awslambda):
    name = functions.make(FAILING, Handler="app.f")
    items = [{"value": [float(n)]} for n in range(9)]
    answer = awslambda.invoke(FunctionName=name, Payload=chunk("list", items, "columns"), LogType="Tail")
    log, answer = tail_of(answer), payload_of(answer)
    results = results_of(answer)
    assert results[0] == -1.0 and results[8] == pytest.approx(1 / 7)
    assert [result[0] for result in results[1:8]] == [
        "ZeroDivisionError",
        "KeyError",
        "Runtime.ExitError",
        "MemoryError",
        "Odd",
        "RecursionError",
        "Runtime.ExitError",
    ]
    assert results[1][1] == "float division by zero"
    assert "exit status 4" in results[3][1] and "done" in results[7][1]
    stacks = {place: error["stackTrace"] for place, error in answer["errors"]}
    # The user's frames, and none of ours.
    assert [line.split(", in ")[1].split("\n")[0] for line in stacks[1]] == ["f", "deep"]
    assert '"/var/task/app.py", line 9' in stacks[1][1]
    assert "[ERROR] item 1 of 9: ZeroDivisionError: float division by zero" in log
    # The instance lives on.
    again = awslambda.invoke(FunctionName=name, Payload=chunk("list", items[:1], "json"))
    assert payload_of(again)["results"] == [-1.0]


def test_the_log_of_a_chunk_that_fails_is_bounded(functions, awslambda):
    name = functions.make("def f(values):\n    raise ValueError('no')\n", Handler="app.f")
    items = [{"value": [1.0]}] * 40
    answer = awslambda.invoke(FunctionName=name, Payload=chunk("list", items, "columns"), LogType="Tail")
    log = tail_of(answer)
    assert log.count("[ERROR] item") == 10 and "[ERROR] and 30 items more" in log
    assert results_of(payload_of(answer)) == [("ValueError", "no")] * 40


# Chunks that are not as they should be


def good():
    return json.loads(chunk("list", [{"value": [1.0, 2.0]}, {"value": [3.0]}], "columns"))


def broken(change):
    event = good()
    change(event)
    return event


BROKEN = {
    "no count": lambda it: it["squall"].pop("count"),
    "wrong count": lambda it: it["squall"].update(count=3),
    "lengths too long": lambda it: it.update(lengths=[2, 2]),
    "lengths negative": lambda it: it.update(lengths=[4, -1]),
    "lengths of text": lambda it: it.update(lengths=["2", "1"]),
    "at behind the end": lambda it: it["squall"]["columns"][0].update(at=8),
    "at negative": lambda it: it["squall"]["columns"][0].update(at=-8),
    "unknown type": lambda it: it["squall"]["columns"][0].update(type="date"),
    "no base64": lambda it: it.update(data="?"),
    "data is no text": lambda it: it.update(data=5),
    "no items": lambda it: it.pop("data"),
    "items no list": lambda it: (it.pop("data"), it.update(items={})),
    "unknown event": lambda it: it["squall"].update(map="reduce"),
    "no ids": lambda it: it["squall"].update(item="dict"),
    "map no text": lambda it: it["squall"].update(map=[1]),
    "get no text": lambda it: it["squall"].update(get=5),
    "put no text": lambda it: it["squall"].update(put=["http://x"]),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_chunk_is_refused_as_a_whole(bare_shower, awslambda, case):
    event = json.dumps(broken(BROKEN[case])).encode()
    error = error_of(awslambda.invoke(FunctionName=bare_shower, Payload=event))
    assert error["errorType"] == "Squall.BadChunk", error


@pytest.mark.parametrize("head, count", [("def f():", 0), ("def f(a, b, c):", 3)])
def test_a_function_that_takes_no_item_is_refused_as_a_whole(functions, awslambda, head, count):
    name = functions.make(head + "\n    return 1\n", Handler="app.f")
    for event in (json.dumps({"squall": {"map": "describe"}}), json.dumps(good())):
        error = error_of(awslambda.invoke(FunctionName=name, Payload=event.encode()))
        assert error["errorType"] == "Squall.ItemKind"
        assert f"takes {count} values" in error["errorMessage"]


def test_a_kind_that_cannot_be_given_is_refused_as_a_whole(bare_shower, awslambda):
    for kind, why in (("series", "numpy"), ("array", "numpy"), ("frame", "numpy"), ("tuple", "tuple")):
        event = chunk(kind, [{"value": [1.0]}], "columns")
        error = error_of(awslambda.invoke(FunctionName=bare_shower, Payload=event))
        assert error["errorType"] == "Squall.ItemKind" and why in error["errorMessage"]


# The package


def test_functions_can_import_the_package(functions, ask):
    name = functions.make(
        """
        import squall
        from squall import mapped

        @mapped
        def f(values):
            return max(values)

        where = squall.__file__
        """,
        Handler="app.f",
    )
    assert ask(name, DESCRIBE)["squall"]["item"] == "list"
    assert results_of(ask(name, chunk("list", [{"v": [1.0, 2.0]}], "columns"))) == [2.0]
    # What is no event of a map is the function's one argument.
    assert ask(name, [5, 6]) == 6


def test_a_module_of_the_users_own_with_that_name_wins(functions, ask):
    name = functions.make(
        {
            "app.py": "import squall\ndef f(values):\n    return squall.mine(values)\n",
            "squall.py": "def mine(values):\n    return ['mine', sum(values)]\n",
        },
        Handler="app.f",
    )
    assert results_of(ask(name, chunk("list", [{"v": [1.0, 2.0]}], "columns"))) == [["mine", 3.0]]


def squall_package() -> dict:
    folder = ROOT / "guests" / "python" / "squall"
    return {f"squall/{file.name}": file.read_bytes() for file in folder.glob("*.py")}


def test_under_the_official_client_a_function_is_wrapped(functions, ask, awslambda):
    """As on AWS: awslambdaric, and the package beside the function."""
    sources = {
        "app.py": """
            import decimal
            from squall import mapped

            def f(values):
                if len(values) == 1:
                    raise ValueError("too short")
                if len(values) == 3:
                    return {"nan": float("nan"), "d": decimal.Decimal("0.5")}
                return sum(values)

            handler = mapped(f)

            @mapped
            def with_context(event, context):
                return [context.function_name, event]
        """,
        **squall_package(),
        **installed(*RIC),
        "bootstrap": "#!/bin/sh\n"
        'export PYTHONPATH="$LAMBDA_TASK_ROOT"\n'
        'exec python3 -m awslambdaric "$_HANDLER"\n',
    }
    name = functions.make(sources, Runtime="provided.al2023", MemorySize=256)
    said = ask(name, DESCRIBE)["squall"]
    assert said["item"] == "list" and set(said["formats"]) == set(FORMATS)
    items = [{"v": [1.0, 2.0]}, {"v": [1.0]}, {"v": [1.0] * 3}]
    for format in FORMATS:
        results = results_of(ask(name, chunk("list", items, format)))
        assert results[:2] == [3.0, ("ValueError", "too short")]
        assert math.isnan(results[2]["nan"]) and results[2]["d"] == 0.5
    assert ask(name, [1, 2, 3, 4]) == 10
    bad = chunk("series", items, "columns")
    error = error_of(awslambda.invoke(FunctionName=name, Payload=bad))
    assert error["errorType"] in ("Squall.ItemKind", "Squall.BadChunk")

    other = functions.make(sources, Runtime="provided.al2023", Handler="app.with_context", MemorySize=256)
    assert ask(other, {"a": 1}) == [other, {"a": 1}]
    event = chunk("dict", [{"v": [1.0]}], "json", ids=[7])
    assert results_of(ask(other, event)) == [[other, {"id": 7, "values": [1.0], "name": "v"}]]


# By reference


@pytest.fixture
def loan(engine, s3, bucket):
    signer = engine.client("s3", signature_version="s3v4")

    def lend(body) -> dict:
        s3.put_object(Bucket=bucket, Key="chunk", Body=body)
        at = {"Bucket": bucket, "ExpiresIn": 600}
        link = lambda what, key: signer.generate_presigned_url(
            what, {"Bucket": bucket, "Key": key}, ExpiresIn=600
        )
        return {"get": link("get_object", "chunk"), "put": link("put_object", "answer")}

    return lend


@pytest.fixture(scope="module")
def summer(module_functions):
    return module_functions.make(
        "def f(values):\n    return sum(values) if values[0] else 'x' * int(values[1])\n",
        Handler="app.f",
        MemorySize=512,
        Timeout=60,
    )


def test_a_chunk_may_lie_in_the_store(ask, summer, loan):
    items = [{"v": [1.0] * 100_000}] * 10
    body = chunk("list", items, "columns")
    assert len(body) > MOST_ANSWER
    answer = ask(summer, {"squall": {"map": "chunk", **loan(body)}})
    assert results_of(answer) == [100_000.0] * 10


def test_an_answer_that_is_too_large_is_put_into_the_store(ask, summer, loan, s3, bucket):
    items = [{"v": [0.0, 1_000_000.0]}] * 7
    small = {"squall": {"map": "chunk", **loan(chunk("list", items, "json"))}}
    assert ask(summer, small) == {"squall": {"put": True}}
    stored = json.loads(s3.get_object(Bucket=bucket, Key="answer")["Body"].read())
    assert results_of(stored) == ["x" * 1_000_000] * 7
    # An event that was sent as it is may say where, too.
    s3.delete_object(Bucket=bucket, Key="answer")
    event = chunk("list", items, "columns", put=small["squall"]["put"])
    assert ask(summer, event) == {"squall": {"put": True}}
    assert s3.head_object(Bucket=bucket, Key="answer")["ContentLength"] > MOST_ANSWER


def test_a_signature_for_another_name_of_the_engine_is_kept(ask, summer, loan, engine, s3, bucket):
    """The coordinator may know the engine by a name that means nothing inside a function."""
    from elsewhere import Elsewhere

    twin = Elsewhere("http://coordinator.invalid:9")
    twin.access_key, twin.secret_key, twin.region = engine.access_key, engine.secret_key, engine.region
    s3.put_object(Bucket=bucket, Key="chunk", Body=chunk("list", [{"v": [1.0, 2.0]}], "json"))
    signer = twin.client("s3", signature_version="s3v4")
    get = signer.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "chunk"})
    assert get.startswith("http://coordinator.invalid:9/")
    assert results_of(ask(summer, {"squall": {"map": "chunk", "get": get}})) == [3.0]


def test_what_cannot_be_fetched_is_said(awslambda, summer, loan, s3, bucket):
    lent = loan(b"{}")
    refused = [
        (lent["get"], "Squall.BadChunk", "not a chunk"),
        (lent["get"].replace("/chunk?", "/other?"), "Squall.Exchange", "403"),
        ("ftp://x/y", "Squall.Exchange", "ftp"),
        ("https://169.254.169.254/latest", "Squall.Exchange", "neither S3"),
        ("https://s3.amazonaws.com@127.0.0.1/x", "Squall.Exchange", "neither S3"),
    ]
    for get, kind, why in refused:
        event = json.dumps({"squall": {"map": "chunk", "get": get}}).encode()
        error = error_of(awslambda.invoke(FunctionName=summer, Payload=event))
        assert error["errorType"] == kind and why in error["errorMessage"], error
