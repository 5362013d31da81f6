"""Any table, any chunks, any kind of item, any failures: what `squall map` writes is what pandas
computes directly of the items that can succeed, each exactly once, and the table of failures names
exactly the others.

Cases are drawn from a seed, which is in the name of the test. SQUALL_PROPERTY_CASES asks for more.
"""

import contextlib
import csv
import io
import math
import os
import random
import socketserver
import threading

import pandas as pd
import pytest

from map_cli import Map

CASES = int(os.environ.get("SQUALL_PROPERTY_CASES", "20"))
KINDS = ("series", "array", "list", "dict", "frame")

# What a value tells the function to do: VALUE // STEP is one of these, the rest is a number of
# its own for each item, so that nothing is known of it from an earlier case.
STEP = 10_000_000
ONCE, ALWAYS, EXIT, SLEEP, FILL = range(1, 6)
ERRORS = {
    ALWAYS: "ValueError",
    EXIT: "Runtime.ExitError",
    SLEEP: "Sandbox.Timedout",
    FILL: "Runtime.OutOfMemory",
}

# The same text is run here, to compute what is expected, and in the functions. All sums are of
# quarters, so that no order of adding changes them.
FEATURES = '''
import math


def features(values, who=None):
    values = list(values)
    finite = [value for value in values if math.isfinite(value)]
    row = {"n": len(values), "missing": sum(map(math.isnan, values)), "sum": sum(finite)}
    row["last"] = values[-1]
    if len(values) % 2:
        row["odd"] = f"a text, {len(finite)} \\"long\\"\\nor so"
    if who is not None:
        row["who"] = str(who)
    return row
'''

HANDLER = f'''
import os
import socket
import time

import pandas as pd
{FEATURES}

def asked_before(number):
    """Counts in the test's process: this one may be gone, and is not the only one."""
    with socket.create_connection(("127.0.0.1", int(os.environ["COUNTER"]))) as counter:
        counter.sendall(f"{{number}}\\n".encode())
        return counter.makefile().readline() != "1\\n"


def obey(values):
    told = [divmod(value, {STEP}) for value in values if math.isfinite(value)]
    # All are asked, so that an item that is told more than once raises once all the same.
    if not all([asked_before(number) for order, number in told if order == {ONCE}]):
        raise KeyError("once")
    for order, _ in told:
        if order == {ALWAYS}:
            raise ValueError("never")
        if order == {EXIT}:
            os._exit(3)
        if order == {SLEEP}:
            time.sleep(600)
        if order == {FILL}:
            bytearray(1 << 30)


def handler(item):
    values = item["values"] if isinstance(item, dict) else item
    values = values["value"] if isinstance(values, pd.DataFrame) else values
    values = values if isinstance(values, list) else values.tolist()
    obey(values)
    return features(values, item["id"] if isinstance(item, dict) else None)
'''

space = {}
exec(FEATURES, space)  # noqa: S102  (our own text, from above)
features = space["features"]


@contextlib.contextmanager
def counting():
    """Counts, for each number that is sent, how often it came; the port where that is done."""
    seen, lock = {}, threading.Lock()

    class Counter(socketserver.StreamRequestHandler):
        def handle(self):
            number = self.rfile.readline()
            with lock:
                seen[number] = seen.get(number, 0) + 1
                self.wfile.write(f"{seen[number]}\n".encode())

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Counter) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@pytest.fixture(scope="module")
def function(module_functions, publish_layer):
    layers = [publish_layer("numpy"), publish_layer("pandas", "python-dateutil", "six")]
    with counting() as port:
        yield module_functions.make(
            {"app.py": HANDLER},
            Layers=layers,
            MemorySize=512,
            Timeout=2,
            Environment={"Variables": {"COUNTER": str(port)}},
        )


# Tables

IDS = {
    "ints": lambda choose: str(choose.randrange(-30, 300)),
    "long ints": lambda choose: str(choose.choice([-1, 1]) * (2**62 + choose.randrange(100))),
    "floats": lambda choose: choose.choice(["{:.2f}", "{}", "{:e}"]).format(choose.randrange(-40, 400) / 4),
    "bools": lambda choose: choose.choice(["True", "False"]),
    "texts": lambda choose: choose.choice(
        ["a,b", 'the "best"', "two\nlines", "ümläut", "a", "b ", " b", "", "#", "7,5", "'", '"', "日本", "x" * 300]
    )
    + choose.choice(["", "", "1", "2"]),
    "mixed": lambda choose: choose.choice(["1", "1.0", "007", "x", "-1", "1e3", "inf", "True", "2024-01-31", "0x1F"]),
}
MISSING = ["", "NaN", "NA", "null"]


def values_of(choose):
    """Draws values as they may be written in one column."""
    kind = choose.choice(["ints", "floats", "odd"])
    if kind == "ints":
        return lambda: str(choose.randrange(-1000, 1000))
    some = ["{:.2f}", "{}", "{:e}"] if kind == "odd" else ["{}"]
    rare = [*MISSING, "inf", "-inf", "1"] if kind == "odd" else ["0.0"]
    return lambda: (
        choose.choice(rare)
        if choose.random() < 0.2
        else choose.choice(some).format(choose.randrange(-4000, 4000) / 4)
    )


def cell(choose, text: str) -> str:
    if any(char in text for char in ',"\r\n') or choose.random() < 0.1:
        return '"' + text.replace('"', '""') + '"'
    return text


def table(choose) -> tuple[bytes, str]:
    """A CSV, with the name of its column of ids."""
    kind = choose.choice(list(IDS))
    ids = sorted({IDS[kind](choose) for _ in range(choose.choice([1, 3, 30, 200]))})
    value = values_of(choose)
    lossy = kind not in ("bools", "long ints") and choose.random() < 0.4
    rows = []
    for name in ids:
        rows += [[name, value()] for _ in range(choose.choice([1, 1, 2, 5, 60]))]
    if lossy:
        rows += [[choose.choice(MISSING), value()] for _ in range(choose.randrange(1, 5))]
    for order in orders(choose):
        name = choose.choice(ids)
        rows.append([name, str(order * STEP + choose.getrandbits(23))])
    if choose.random() < 0.8:
        choose.shuffle(rows)

    by = choose.choice(["id", "id", "the id", 'a, "b"', "id\n2"])
    header = [by, "value"]
    for name in choose.sample(["note", "", "Ω"], choose.randrange(3)):
        place = choose.randrange(len(header) + 1)
        header.insert(place, name)
        for at, row in enumerate(rows):
            row.insert(place, f"{name}, {at}")
    if choose.random() < 0.3:
        header.reverse()
        for row in rows:
            row.reverse()
    end = choose.choice(["\n", "\n", "\r\n"])
    text = "".join(
        ",".join(cell(choose, one) for one in row) + end for row in [header, *rows]
    )
    if choose.random() < 0.2:
        text = text.removesuffix(end)
    return (b"\xef\xbb\xbf" if choose.random() < 0.2 else b"") + text.encode(), by


def orders(choose) -> list[int]:
    """What the function is told to do beside its work; some of it takes time."""
    if choose.random() < 0.3:
        return []
    given = [choose.choice([ONCE, ONCE, ALWAYS]) for _ in range(choose.randrange(6))]
    if choose.random() < 0.4:
        given += [EXIT] * choose.randrange(1, 3)
    if choose.random() < 0.15:
        given.append(FILL)
    if choose.random() < 0.06:
        given.append(SLEEP)
    return given


def options(choose, by) -> list[str]:
    kind = choose.choice(KINDS)
    given = ["--by", by, "--item", kind, "--on-error", "collect"]
    given += [] if kind == "frame" else ["--value", "value"]
    given += ["--payload", choose.choice(["json", "zlib", "columns"])]
    given += ["--chunksize", choose.choice(["1", "2", "7", "50", "auto", "auto"])]
    given += ["--retries", choose.choice(["1", "1", "2"])]
    if choose.random() < 0.5:
        given += ["--concurrency", str(choose.randrange(1, 5))]
    if choose.random() < 0.3:
        given += ["--backup-after", choose.choice(["off", "1.5"])]
    if choose.random() < 0.2:
        given += ["--memory", "8MB"]
    return given


# What pandas and the same function say


def expected(data: bytes, by: str, kind: str) -> tuple[str | None, dict[str, set[str]]]:
    """The result as CSV, and the errors that each failing item may end with, by its id."""
    frame = pd.read_csv(io.BytesIO(data), low_memory=False)
    ids, rows, bad, errors = [], [], [], []
    for name, values in frame.groupby(by)["value"]:
        told = {int(value // STEP) for value in values if math.isfinite(value)} & set(ERRORS)
        if told:
            bad.append(name)
            errors.append({ERRORS[order] for order in told})
        else:
            ids.append(name)
            rows.append(features(values.tolist(), name if kind == "dict" else None))
    result = pd.DataFrame(rows)
    result.insert(0, by, pd.Series(ids, dtype=frame[by].dtype))
    written = pd.Series(bad, dtype=frame[by].dtype).to_csv(index=False, header=["id"])
    names = [row[0] for row in list(csv.reader(io.StringIO(written)))[1:]]
    # Where all fail there is no row from which columns could be known.
    return result.to_csv(index=False) if rows else None, dict(zip(names, errors, strict=True))


@pytest.mark.parametrize("seed", range(CASES))
def test_results_and_failures_are_those_of_the_direct_computation(engine, function, tmp_path, seed):
    choose = random.Random(seed)
    data, by = table(choose)
    given = options(choose, by)
    result, fails = expected(data, by, given[3])
    path, failed = tmp_path / "data.csv", tmp_path / "failed.csv"
    path.write_bytes(data)

    squall_map = Map(engine, tmp_path)
    keep = choose.random() < 0.3
    code = 4 if fails else 0
    known = 0
    for _ in range(2 if keep else 1):
        failed.unlink(missing_ok=True)
        done = squall_map.run(function, path, *given, "--failed", failed, fails=code, keep=keep)
        if result is not None:
            assert done.output == result
        rows = list(csv.reader(io.StringIO(failed.read_bytes().decode(), newline=""))) if fails else [["id"]]
        named = {row[0]: row[1] for row in rows[1:]}
        assert named.keys() == fails.keys() and len(rows) - 1 == len(fails)
        assert all(error in fails[name] for name, error in named.items()), (named, fails)
        report = done.report
        succeeded = report["items"] - report["failed"]
        assert report["failed"] == len(fails)
        assert known is None or report["known"] == known, report
        known = succeeded
