"""`squall.map` against an endpoint that misbehaves, and its signatures beside botocore's.

Here the caller's side runs in this process, as it may outside of Lambda. The engine and
the guest's side of chunks come in tests/test_map_in_function.py.
"""

import datetime
import random
import sys
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from odd_lambda import Death, OddLambda, items_of

sys.path.append(str(Path(__file__).resolve().parent.parent / "guests" / "python"))
from squall import client, fanout, signing  # noqa: E402
from squall.client import InvokeError  # noqa: E402
from squall.failures import ItemError, MapError  # noqa: E402

THROTTLED = (429, {"X-Amzn-ErrorType": "TooManyRequestsException"}, {"Message": "Rate Exceeded."})


@pytest.fixture
def lambdas(monkeypatch):
    """Starts an endpoint and points this process at it."""
    running = []

    def start(function, mood=None, **said):
        described = {"item": "array", "formats": ["json", "columns"], "numpy": True, "pandas": True, **said}
        one = OddLambda(function, mood, described).__enter__()
        running.append(one)
        for name, value in one.environment().items():
            monkeypatch.setenv(name, value)
        return one

    yield start
    for one in running:
        one.__exit__()


@pytest.fixture(autouse=True)
def no_thread_is_left():
    yield
    left = [thread.name for thread in threading.enumerate() if thread.name == "squall-map"]
    assert not left


def total(values):
    return float(np.sum(values))


def arrays(count, seed=1):
    dice = np.random.default_rng(seed)
    return [dice.normal(size=dice.integers(1, 20)) for _ in range(count)]


# Signatures


NOW = datetime.datetime(2026, 3, 1, 12, 30, 5, tzinfo=datetime.timezone.utc)
ODD_URLS = (
    "https://lambda.eu-north-1.amazonaws.com/",
    "https://lambda.eu-north-1.amazonaws.com",
    "http://127.0.0.1:3001/2015-03-31/functions/f/invocations",
    "http://127.0.0.1:3001/2015-03-31/functions/arn%3Aaws%3Alambda%3Aeu-north-1%3A1%3Afunction%3Af/invocations",
    "http://[::1]:3001/2015-03-31/functions/f/invocations?Qualifier=%24LATEST",
    "https://host/a%20b/%C3%A9/~x_y-z.1",
    "https://host/p?b=2&a=1&a=0&c&d=&e=%2F%20",
    "https://host/p?a-b=1&a=2&ab=3",
)


@pytest.mark.parametrize("url", ODD_URLS)
@pytest.mark.parametrize("token", [None, "to/ken+=="])
@pytest.mark.parametrize("body", [b"", b"{}", "\u00e9\u4e16".encode(), bytes(range(256)) * 300])
def test_signatures_are_botocore_s(monkeypatch, url, token, body):
    headers = {
        "Content-Type": "application/json",
        "X-Odd": "  two   blanks \t here ",
        "x-amz-Z": "\u00e9",
        "X-Amzn-Trace-Id": "Root=1-2-3",
    }
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda *_, **__: NOW)
    theirs = AWSRequest("POST", url, data=body, headers=headers)
    SigV4Auth(Credentials("AKID", "se/cret+", token), "lambda", "eu-north-1").add_auth(theirs)
    keys = signing.Credentials("AKID", "se/cret+", token)
    ours = signing.sign(keys, "POST", url, headers, body, "eu-north-1", "lambda", NOW)
    assert ours["Authorization"] == theirs.headers["Authorization"]
    assert ours.get("X-Amz-Security-Token") == theirs.headers.get("X-Amz-Security-Token")
    # The key is kept for the day, not for ever.
    tomorrow = signing.sign(keys, "POST", url, headers, body, "eu-north-1", "lambda", NOW + datetime.timedelta(1))
    assert "/20260302/" in tomorrow["Authorization"]
    assert keys.signing_key("20260301", "eu-north-1", "lambda") != keys.signing_key("20260302", "eu-north-1", "lambda")


def test_where_requests_go():
    keys = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "s"}
    assert client.Client({**keys, "AWS_REGION": "us-west-2"}).endpoint == "https://lambda.us-west-2.amazonaws.com"
    chinese = client.Client({**keys, "AWS_DEFAULT_REGION": "cn-north-1"})
    assert chinese.endpoint == "https://lambda.cn-north-1.amazonaws.com.cn"
    both = {"AWS_ENDPOINT_URL": "http://x:1", "AWS_ENDPOINT_URL_LAMBDA": "http://y:2/"}
    assert client.Client({**keys, **both}).endpoint == "http://y:2"
    with pytest.raises(InvokeError, match="AWS_ACCESS_KEY_ID"):
        client.Client({"AWS_REGION": "us-west-2"})
    with pytest.raises(InvokeError, match="not an http address"):
        client.Client({**keys, "AWS_ENDPOINT_URL": "localhost:3001"})


# Results


@pytest.mark.parametrize("chunksize", [None, 1, 7, 1000])
@pytest.mark.parametrize("formats", [["json"], ["json", "columns"]])
def test_results_are_in_the_order_of_the_items(lambdas, chunksize, formats):
    items = arrays(300)
    lambdas(total, formats=formats)
    # By json it is a list, which numpy sums in the same order.
    assert fanout.map("f", items, chunksize=chunksize) == [total(item) for item in items]


def test_every_item_is_run_once(lambdas):
    one = lambdas(lambda values: int(values[0]))
    assert fanout.map("f", [[n] for n in range(2000)], backups=False) == list(range(2000))
    assert sorted(int(item[0]) for item in one.calls) == list(range(2000))
    sizes = [chunk["squall"]["count"] for chunk in one.chunks()]
    # It was learned that chunks are worth while, and their last ones are small.
    assert sizes[0] == 1 and max(sizes) > 20 and sizes[-1] < max(sizes)


@pytest.mark.parametrize(
    ("items", "kind"),
    [
        ([np.array([1.5, np.nan, -np.inf])], "float"),
        ([np.array([1.5], dtype=np.float32), [1, 2]], "float"),
        ([[1, 2, None]], "float"),
        ([[1, 2], (3,), range(4)], "int"),
        ([np.array([1, 2], dtype=np.uint8), [np.int64(3)], []], "int"),
        ([np.array([7], dtype=np.uint64), np.array([-7])], "int"),
        ([np.array([2**63], dtype=np.uint64)], "float"),
        ([[True, False], np.array([True])], "bool"),
        ([[True], [2]], "int"),
        ([["a", None, "\u00e9"], pd.Series(["b", None])], "text"),
        ([pd.Series([1, None], dtype="Int64"), pd.Series([1.5])], "float"),
        ([pd.to_datetime(pd.Series(["2024-01-01", None]))], "text"),
        ([[]], "float"),
    ],
)
@pytest.mark.parametrize("formats", [["json"], ["json", "columns"]])
def test_types_of_columns(lambdas, items, kind, formats):
    one = lambdas(lambda values: [str(value) for value in values], formats=formats)
    fanout.map("f", items, chunksize=1)
    assert {chunk["squall"]["columns"][0]["type"] for chunk in one.chunks()} == {kind}
    flat = [value for item in one.calls for value in list(item)]
    if kind == "float":
        expected = [float("nan") if value is None or value is pd.NA else float(value) for item in items for value in item]
        words = {None: np.nan, "inf": np.inf, "-inf": -np.inf}
        seen = [words[value] if value in words else value for value in flat]
        assert len(seen) == len(expected)
        # Chunks are under way together: in whatever order they came.
        np.testing.assert_array_equal(sorted(seen, key=str), sorted(expected, key=str))
        odd = any(not np.isfinite(value) for value in expected)
        assert formats == ["json", "columns"] or any("nonfinite" in chunk for chunk in one.chunks()) == odd


def test_what_is_refused_before_it_is_sent(lambdas):
    one = lambdas(total)
    for items, reason in (
        ([["a"], [1]], "item 1: a column holds both text and int"),
        ([pd.DataFrame({"x": [1], "y": [2]}), [1]], "DataFrame cannot be given as item='array'"),
        ([[1], [object()]], "item 1: object is no value of a column"),
        ([{1, 2}], "set is not JSON serializable"),
    ):
        with pytest.raises((TypeError, ValueError), match=reason):
            fanout.map("f", items, item="array" if "DataFrame" in reason else None)
    with pytest.raises(TypeError, match="group it first"):
        fanout.map("f", pd.DataFrame({"x": [1]}))
    for wrong in ({"on_error": "ignore"}, {"chunksize": 0}, {"concurrency": 0}, {"item": "tuple"}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            fanout.map("f", [[1]], **wrong)
    assert one.calls == []


def test_keys_come_back(lambdas):
    lambdas(total)
    assert fanout.map("f", {"b": [1, 2], 7: [3]}) == {"b": 3.0, 7: 3.0}
    frame = pd.DataFrame({"id": [2, 1, 2, 10], "value": [1.0, 2.0, 3.0, 4.0]})
    assert fanout.map("f", frame.groupby("id")["value"]) == frame.groupby("id")["value"].sum().to_dict()
    assert fanout.map("f", []) == [] and fanout.map("f", {}) == {}
    assert fanout.map("f", (np.array([n]) for n in range(3))) == [0.0, 1.0, 2.0]
    assert fanout.map("f", np.arange(6.0).reshape(2, 3)) == [3.0, 12.0]


def test_frames_and_dicts(lambdas):
    one = lambdas(len, item="dict")
    frame = pd.DataFrame({"id": ["b", "a", "b"], "n": [1, 2, 3], "x": [0.5, None, 1.5], "t": ["u", None, "w"]})
    fanout.map("f", frame.groupby("id")["n"], chunksize=5)
    assert one.calls == [
        {"id": "a", "values": [2], "name": "n"},
        {"id": "b", "values": [1, 3], "name": "n"},
    ]
    assert one.chunks()[0]["squall"]["by"] == {"name": "id", "type": "text"}
    one.calls.clear()
    fanout.map("f", dict(iter(frame.groupby("id"))), chunksize=5)
    assert one.chunks()[-1]["squall"]["item"] == "frame"
    names = [(column["name"], column["type"]) for column in one.chunks()[-1]["squall"]["columns"]]
    assert names == [("id", "text"), ("n", "int"), ("x", "float"), ("t", "text")]
    assert [list(column) for column in one.calls[1]] == [["b", "b"], [1, 3], [0.5, 1.5], ["u", "w"]]
    one.calls.clear()
    fanout.map("f", [{"any": ["json", np.float64(1)]}, "text"], chunksize=5)
    assert one.calls == [{"any": ["json", 1.0]}, "text"]


def test_numbers_that_json_cannot_write_come_back(lambdas):
    lambdas(lambda values: {"deep": [{"squall": "nan"}, {"squall": "inf"}], "squall": 1})
    (result,) = fanout.map("f", [[1]])
    assert np.isnan(result["deep"][0]) and result["deep"][1] == np.inf and result["squall"] == 1


# Failures


def poisonous(values):
    if values[0] % 50 == 7:
        raise ValueError(f"bad {int(values[0])}")
    if values[0] == 120:
        raise Death("Runtime.OutOfMemory")
    return int(values[0])


def test_failures_are_collected(lambdas):
    one = lambdas(poisonous)
    results = fanout.map("f", [[n] for n in range(200)], chunksize=16, on_error="collect", retries=2)
    failed = {n: result for n, result in enumerate(results) if isinstance(result, ItemError)}
    assert sorted(failed) == [7, 57, 107, 120, 157]
    assert [result for n, result in enumerate(results) if n not in failed] == [n for n in range(200) if n not in failed]
    assert (failed[7].id, failed[7].kind, failed[7].message, failed[7].attempts) == (7, "ValueError", "bad 7", 3)
    assert (failed[120].kind, failed[120].attempts) == ("Runtime.OutOfMemory", 1)
    seen = [int(item[0]) for item in one.calls]
    assert seen.count(7) == 3
    # Only what was in the chunk of the poison item ran again, no more than once a halving.
    assert all(seen.count(n) == 1 for n in range(200) if n not in failed and not 112 <= n < 128)
    assert all(seen.count(n) <= 6 for n in range(112, 128))


def test_the_first_failure_stops(lambdas):
    one = lambdas(poisonous)
    with pytest.raises(MapError) as caught:
        fanout.map("f", [[n] for n in range(100_000)], chunksize=10)
    error = caught.value
    # Several chunks with a bad item are under way at once: any of them may be the first.
    first = error.failures[0].message
    assert first.startswith("bad ") and len(one.calls) < 10_000
    assert "of 100000 items failed" in str(error) and f"ValueError: {first}" in str(error)


def test_the_table_of_failures():
    failures = [ItemError(f"i{n}", "ValueError", "bad\nsecond line") for n in range(7)]
    text = str(MapError([ItemError("x", "Runtime.ExitError", ""), *failures], 10))
    assert text.splitlines() == [
        "8 of 10 items failed",
        "     7  ValueError: bad  (i0, i1, i2, i3, i4, ...)",
        "     1  Runtime.ExitError:   (x)",
    ]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((200, {"X-Amz-Function-Error": "Unhandled"}, {"errorType": "Runtime.ImportModuleError", "errorMessage": "No module"}), "No module"),
        ((404, {"X-Amzn-ErrorType": "ResourceNotFoundException"}, {"Message": "Function not found: f"}), "Function not found: f"),
        ((403, {"X-Amzn-ErrorType": "AccessDeniedException:http://x"}, {"Message": "not yours"}), "AccessDeniedException: not yours"),
        ((200, {"X-Amz-Function-Error": "Unhandled"}, {"errorType": "Squall.ItemKind", "errorMessage": "no pandas"}), "no pandas"),
    ],
)
@pytest.mark.parametrize("when", [0, 5])
def test_what_ends_a_job(lambdas, answer, said, when):
    lambdas(total, lambda number, event: answer if number >= when else None)
    with pytest.raises(InvokeError, match=said):
        fanout.map("f", arrays(200), chunksize=1, on_error="collect")


def test_a_handler_that_takes_no_chunks(lambdas):
    lambdas(total, lambda number, event: (200, {}, {"statusCode": 200}))
    with pytest.raises(InvokeError, match="squall.mapped"):
        fanout.map("f", arrays(2))


def test_an_answer_that_is_none(lambdas):
    lambdas(total, lambda number, event: (200, {}, {"results": []}) if number else None)
    with pytest.raises(ValueError, match="0 results for 5 items"):
        fanout.map("f", arrays(5), chunksize=5)


# Refusals


def test_throttling_and_lost_connections_are_waited_out(lambdas):
    dice, lock = random.Random(3), threading.Lock()

    def mood(number, event):
        with lock:
            roll = dice.random()
        if roll < 0.2:
            return THROTTLED
        if roll < 0.3:
            raise ConnectionError
        if roll < 0.4:
            return 500, {}, {"Message": "internal"}
        return None

    lambdas(total, mood)
    items = arrays(150)
    assert fanout.map("f", items, chunksize=3, concurrency=8) == [total(item) for item in items]


def test_throttled_for_ever_is_an_error(lambdas, monkeypatch):
    monkeypatch.setattr("squall.job.LONGEST_WAIT", 0.01)
    lambdas(total, lambda number, event: THROTTLED if number else None)
    with pytest.raises(InvokeError, match="Rate Exceeded"):
        fanout.map("f", arrays(5), on_error="collect")


def test_refusals_beside_one_that_runs_are_waited_out(lambdas, monkeypatch):
    """One place, and a function that holds it for as long as it takes the others to be refused often."""
    monkeypatch.setattr("squall.job.LONGEST_WAIT", 0.001)
    refused, enough = [], threading.Event()

    def mood(number, event):
        if event["squall"]["map"] == "describe" or items_of(event)[0][0] == 0:
            return None
        if not enough.is_set():
            refused.append(number)
            if len(refused) > 60:
                enough.set()
            return THROTTLED
        return None

    def hold(values):
        if values[0] == 0:
            assert enough.wait(30)
        return int(values[0])

    one = lambdas(hold, mood)
    assert fanout.map("f", [[n] for n in range(8)], chunksize=1, concurrency=4) == list(range(8))
    assert len(one.calls) == 8


def test_no_more_at_once_than_was_said(lambdas):
    one = lambdas(total)
    fanout.map("f", arrays(200), chunksize=1, concurrency=3)
    assert one.most_at_once <= 3


def test_functions_that_wait_are_called_more_at_once(lambdas):
    barrier = threading.Barrier(12)

    def wait(values):
        barrier.wait(30)
        return 1

    def mood(number, event):
        return None if event["squall"]["map"] == "describe" or number > 40 else (200, {}, {"results": [1], "took": {"wall": 1.0, "cpu": 0.0}})

    # The first answers say that they waited; then twelve must be in at once to go on.
    one = lambdas(wait, mood)
    assert fanout.map("f", [[n] for n in range(40 + 48)], chunksize=1, backups=False) == [1] * 88
    assert one.most_at_once >= 12


def test_a_straggler_is_overtaken_by_its_backup(lambdas):
    late, release = threading.Event(), threading.Event()

    def mood(number, event):
        if number == 4 and not late.is_set():
            late.set()
            # Not answered before the map has ended without it.
            assert release.wait(30)
        return None

    lambdas(lambda values: int(values[0]), mood)
    try:
        assert fanout.map("f", [[n] for n in range(60)], chunksize=1, concurrency=2) == list(range(60))
    finally:
        release.set()
    assert late.is_set()


def test_chunks_stay_below_what_lambda_takes(lambdas):
    one = lambdas(lambda text: len(text))
    items = [{"text": "x" * 900_000} for _ in range(12)]
    assert fanout.map("f", items, chunksize=12) == [1] * 12
    assert max(chunk["squall"]["count"] for chunk in one.chunks()) <= 4


def test_an_item_that_is_too_large_fails_alone(lambdas):
    def mood(number, event):
        if event["squall"]["map"] == "chunk" and any(len(item["t"]) > 1000 for item in event["items"]):
            return 413, {"X-Amzn-ErrorType": "RequestTooLargeException"}, {"Message": "too large"}
        return None

    lambdas(lambda item: len(item["t"]), mood)
    results = fanout.map("f", [{"t": "x" * (2000 if n == 5 else n)} for n in range(20)], chunksize=20, on_error="collect")
    assert [n for n, result in enumerate(results) if isinstance(result, ItemError)] == [5]
    assert results[5].kind == "RequestTooLargeException"


def test_connections_are_kept(lambdas):
    ports = set()
    one = lambdas(total)
    answer = one.answer

    def note(request, body):
        ports.add(request.client_address)
        answer(request, body)

    one.answer = note
    fanout.map("f", arrays(100), chunksize=1, concurrency=4)
    # That of this thread, which asked for the kind, and those of the four.
    assert len(ports) <= 5
