"""Data sets and results in the formats that people have: what pandas, polars, pyarrow and
DuckDB write is read, and what is written is read by all of them."""

import gzip
import io
import json

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.feather
import pyarrow.ipc
import pyarrow.parquet as pq
import pytest

from map_cli import Map

# Answers of every kind, by the number that is the item's only value.
ANSWERS = {
    "integers": [1, -2, 2**62],
    "floats": [0.1, 1e16, -0.0],
    "both": [1, 2.5, 3],
    "gaps": [1, None, 3],
    "flags": [True, False, True],
    "flags with gaps": [True, None, False],
    "text": ["plain", 'a,"b"\n', "ü"],
    "text with gaps": ["x", None, ""],
    "mixed": [1, "x", None],
    "nothing": [None, None, None],
    "odd numbers": [float("inf"), float("nan"), 1.0],
    "keys": [{"m": 1, "c": 0.5}, {"c": 2, "m": 3, "p": "x"}, {"m": 5, "c": None}],
}

ANSWER = f"""
ANSWERS = {ANSWERS!r}

def handler(values):
    kind, item = divmod(int(values[0]), 10)
    return list(ANSWERS.values())[kind][item]
""".replace("inf", "float('inf')").replace("nan", "float('nan')")


@pytest.fixture(scope="module")
def answer(module_functions):
    return module_functions.make(ANSWER)


@pytest.fixture(scope="module")
def total(module_functions):
    return module_functions.make("def handler(values):\n    return sum(values)\n")


@pytest.fixture
def squall_map(engine, tmp_path):
    return Map(engine, tmp_path)


def asked(squall_map, answer, kind: str, extension: str) -> bytes:
    values = [list(ANSWERS).index(kind) * 10 + item for item in range(3)]
    data = squall_map.folder / "data.csv"
    pd.DataFrame({"id": ["a", "b", "c"], "value": values}).to_csv(data, index=False)
    out = squall_map.folder / f"out.{extension}"
    squall_map.run(answer, data, "--by", "id", "--value", "value", "--item", "list", "-o", out)
    return out.read_bytes()


def as_pandas(kind: str) -> pd.DataFrame:
    """The table that pandas makes of the same answers."""
    answers = ANSWERS[kind]
    rows = answers if isinstance(answers[0], dict) else [{"value": answer} for answer in answers]
    frame = pd.DataFrame.from_records(rows)
    frame.insert(0, "id", ["a", "b", "c"])
    return frame


@pytest.mark.parametrize("kind", ANSWERS)
def test_results_as_csv_are_those_of_pandas_byte_for_byte(squall_map, answer, kind):
    assert asked(squall_map, answer, kind, "csv").decode() == as_pandas(kind).to_csv(index=False)


def plain(rows):
    """Rows in which what is missing is None, however a library says it."""
    return [[None if value is None or value != value else value for value in row] for row in rows]


def expected(kind: str):
    frame = as_pandas(kind)
    if kind == "mixed":
        # A file has one type for each column.
        frame["value"] = ["1", "x", None]
    return plain(frame.astype(object).values.tolist())


@pytest.mark.parametrize("kind", ANSWERS)
def test_results_as_parquet_are_read_by_all(squall_map, answer, kind):
    file = asked(squall_map, answer, kind, "parquet")
    path = squall_map.folder / "out.parquet"
    rows = expected(kind)
    frame = pd.read_parquet(io.BytesIO(file))
    assert plain(frame.astype(object).values.tolist()) == rows
    assert plain(pl.read_parquet(io.BytesIO(file)).rows()) == rows
    assert plain(duckdb.sql(f"from '{path}'").fetchall()) == rows
    assert pq.ParquetFile(path).metadata.row_group(0).column(0).compression == "ZSTD"


@pytest.mark.parametrize("kind", ANSWERS)
def test_results_as_arrow_are_read_by_all(squall_map, answer, kind):
    file = asked(squall_map, answer, kind, "arrow")
    rows = expected(kind)
    table = pa.ipc.open_file(io.BytesIO(file)).read_all()
    assert plain(zip(*(column.to_pylist() for column in table.columns))) == rows
    frame = pd.read_feather(io.BytesIO(file))
    assert plain(frame.astype(object).values.tolist()) == rows
    assert plain(pl.read_ipc(io.BytesIO(file)).rows()) == rows


@pytest.mark.parametrize("kind", ANSWERS)
def test_results_as_lines_of_json_are_read_by_all(squall_map, answer, kind):
    file = asked(squall_map, answer, kind, "jsonl")
    lines = [json.loads(line) for line in file.splitlines()]
    finite = [[None if value in (float("inf"),) else value for value in row] for row in
              plain(as_pandas(kind).astype(object).values.tolist())]
    assert [list(line.values()) for line in lines] == finite
    assert all(list(line) == list(as_pandas(kind)) for line in lines)
    assert len(pd.read_json(io.BytesIO(file), lines=True)) == 3
    assert len(pl.read_ndjson(io.BytesIO(file))) == 3


def stream(frame, path):
    table = pa.Table.from_pandas(frame)
    with pa.ipc.new_stream(path, table.schema) as out:
        out.write_table(table, max_chunksize=1000)


def csv_by_zstd(frame, path):
    with pa.CompressedOutputStream(str(path), "zstd") as out:
        out.write(frame.to_csv(index=False).encode())


def by_duckdb(frame, path):
    duckdb.sql(f"copy frame to '{path}'")


WRITERS = {
    "pandas.parquet": lambda frame, path: frame.to_parquet(path),
    "pandas.feather": lambda frame, path: frame.to_feather(path),
    "gzip.parquet": lambda frame, path: frame.to_parquet(path, compression="gzip"),
    "groups.parquet": lambda frame, path: frame.to_parquet(path, row_group_size=777),
    "polars.parquet": lambda frame, path: pl.from_pandas(frame).write_parquet(path),
    "polars.arrow": lambda frame, path: pl.from_pandas(frame).write_ipc(path),
    "lz4.ipc": lambda frame, path: pl.from_pandas(frame).write_ipc(path, compression="lz4"),
    "zstd.ipc": lambda frame, path: pl.from_pandas(frame).write_ipc(path, compression="zstd"),
    "stream.arrow": stream,
    "duckdb.parquet": by_duckdb,
    "data.csv": lambda frame, path: frame.to_csv(path, index=False),
    "data.csv.gz": lambda frame, path: frame.to_csv(path, index=False),
    "data.csv.zst": csv_by_zstd,
    "data.jsonl": lambda frame, path: frame.to_json(path, orient="records", lines=True, date_format="iso"),
    "data.jsonl.gz": lambda frame, path: path.write_bytes(
        gzip.compress(frame.to_json(orient="records", lines=True, date_format="iso").encode())),
}


@pytest.fixture(scope="module")
def frame():
    choose = np.random.default_rng(4)
    rows = 5000
    return pd.DataFrame({
        "other": choose.integers(0, 9, rows).astype("int8"),
        "id": choose.integers(0, 300, rows),
        "when": pd.date_range("2024-01-01", periods=rows, freq="s"),
        # Quarters, so that no order of adding changes a sum.
        "value": np.where(choose.random(rows) < 0.01, np.nan, choose.integers(-400, 400, rows) / 4),
        "name": choose.choice(["a", "b", None], rows),
    })


def inline(squall_map, function, path, by):
    done = squall_map.call(function, path, "--to", "inline", "--by", by, "--value", "value", "-q")
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("to", ["inline", "local"])
@pytest.mark.parametrize("name", WRITERS)
def test_data_sets_of_all_libraries_give_the_same(squall_map, total, frame, name, to):
    path = squall_map.folder / name
    WRITERS[name](frame, path)
    grouped = frame.fillna({"value": 0}).groupby("id")["value"].sum().to_csv()
    if to == "inline":
        assert inline(squall_map, "sum", path, "id") == grouped
    else:
        filled = squall_map.folder / f"filled-{name}"
        WRITERS[name](frame.fillna({"value": 0}), filled)
        done = squall_map.run(total, filled, "--by", "id", "--value", "value", "--item", "list")
        assert done.output == grouped


def test_text_and_dates_as_ids(squall_map, frame):
    path = squall_map.folder / "data.parquet"
    days = frame.assign(day=frame["when"].dt.date)
    days.to_parquet(path)
    for by in ["name", "day", "other"]:
        assert inline(squall_map, "count", path, by) == days.groupby(by)["value"].count().to_csv()


def test_files_that_cannot_be_used_say_why(squall_map):
    folder = squall_map.folder
    nested = folder / "nested.parquet"
    pq.write_table(pa.table({"id": [1], "value": [[1.0]]}), nested)
    broken = folder / "broken.parquet"
    broken.write_bytes(nested.read_bytes()[:-1])
    said = {
        nested: "column \"value\"",
        broken: "this is not Parquet: it does not end as one",
    }
    for path, text in said.items():
        done = squall_map.call("sum", path, "--to", "inline", "--by", "id", "--value", "value")
        assert done.returncode != 0
        assert text in done.stderr, done.stderr
    done = squall_map.call("sum", nested, "--to", "inline", "--by", "id", "--value", "x")
    assert 'no column "x"' in done.stderr and '"id", "value"' in done.stderr
