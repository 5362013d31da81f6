"""Makes the files beside it, as the libraries make them that people use.

    python make.py          in an environment with pandas, pyarrow, polars and duckdb

They are kept, so that the tests need no Python.
"""

import datetime as dt
import decimal
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.feather
import pyarrow.ipc
import pyarrow.parquet as pq

HERE = Path(__file__).parent

# What every library writes: numbers, text and missing values.
COMMON = {
    "id": [3, 1, 2, 1, 3],
    "value": [1.5, None, -2.25, 1e300, 0.1],
    "name": ["a", "ü,\"x\"", None, "", "line\nbreak"],
    "flag": [True, False, True, True, False],
    "gap": [1, None, 3, 4, 5],
}


def common():
    frame = pd.DataFrame(COMMON)
    frame.to_parquet(HERE / "pandas.parquet")
    frame.to_feather(HERE / "pandas.feather")
    frame.set_index("id").to_parquet(HERE / "pandas-index.parquet")
    frame[frame["value"] > 0].to_parquet(HERE / "pandas-unnamed-index.parquet")
    polars = pl.DataFrame(COMMON)
    polars.write_parquet(HERE / "polars.parquet")
    polars.write_ipc(HERE / "polars.arrow")
    polars.write_ipc(HERE / "polars-zstd.arrow", compression="zstd")
    polars.write_ipc_stream(HERE / "polars.arrows")
    table = pa.table(COMMON)
    connection = duckdb.connect()
    connection.register("common", table)
    connection.sql("copy common to '" + str(HERE / "duckdb.parquet") + "'")
    for codec in ["none", "snappy", "gzip", "zstd", "lz4"]:
        pq.write_table(table, HERE / f"pyarrow-{codec}.parquet", compression=codec, row_group_size=2)
    pq.write_table(table, HERE / "pyarrow-v2.parquet", data_page_version="2.0", version="2.6",
                   use_dictionary=False)
    pq.write_table(table, HERE / "pyarrow-bare.parquet", write_statistics=False, store_schema=False)
    with pa.ipc.new_stream(HERE / "pyarrow.arrows", table.schema) as stream:
        stream.write_table(table, max_chunksize=2)
    pa.feather.write_feather(table, HERE / "pyarrow-lz4.feather", compression="lz4")


# One column for each type.
TYPES = {
    "int8": pa.array([1, -128], pa.int8()),
    "uint16": pa.array([1, 65535], pa.uint16()),
    "uint64": pa.array([1, 2**63 - 1], pa.uint64()),
    "large": pa.array([1, 2**64 - 1], pa.uint64()),
    "int_gap": pa.array([7, None], pa.int32()),
    "half": pa.array(np.array([0.5, 2.0], np.float16)),
    "float": pa.array([0.1, None], pa.float32()),
    "none": pa.nulls(2),
    "bool_gap": pa.array([True, None]),
    "text": pa.array(["x", None], pa.string()),
    "large_text": pa.array(["x", "y"], pa.large_string()),
    "category": pa.array(["b", None]).dictionary_encode(),
    "number_category": pa.DictionaryArray.from_arrays(pa.array([1, 0], pa.int8()), pa.array([10, 20])),
    "decimal": pa.array([decimal.Decimal("1.10"), decimal.Decimal("-123456789012345.67")], pa.decimal128(20, 2)),
    "wide_decimal": pa.array([decimal.Decimal("0.3"), None], pa.decimal256(50, 1)),
    "date": pa.array([dt.date(2024, 2, 29), dt.date(1969, 12, 31)]),
    "date64": pa.array([dt.date(2024, 2, 29), None], pa.date64()),
    "second": pa.array([dt.datetime(2024, 1, 2, 3, 4, 5), None], pa.timestamp("s")),
    "milli": pa.array([dt.datetime(2024, 1, 2, 3, 4, 5, 6000), None], pa.timestamp("ms")),
    "micro": pa.array([dt.datetime(2024, 1, 2, 3, 4, 5, 6), None], pa.timestamp("us")),
    "nano": pa.array([1, -1], pa.timestamp("ns")),
    "zoned": pa.array([dt.datetime(2024, 7, 1, 12, tzinfo=dt.timezone.utc), None], pa.timestamp("us", "Europe/Berlin")),
    "time": pa.array([dt.time(1, 2, 3, 4), None], pa.time64("us")),
    "time32": pa.array([dt.time(23, 59, 59), None], pa.time32("s")),
}

# What cannot be a plain column.
REFUSED = {
    "ok": pa.array([1, 2]),
    "list": pa.array([[1, 2], None]),
    "struct": pa.array([{"a": 1}, None]),
    "map": pa.array([[("k", 1)], None], pa.map_(pa.string(), pa.int64())),
    "bytes": pa.array([b"\xff", None]),
    "fixed": pa.array([b"1234", None], pa.binary(4)),
    "duration": pa.array([1, None], pa.duration("s")),
}


def kinds():
    # Parquet knows neither `half` of old nor seconds; each becomes something near.
    pq.write_table(pa.table(TYPES), HERE / "types.parquet")
    pq.write_table(pa.table(REFUSED), HERE / "refused.parquet")
    for name, columns in [("types", TYPES), ("refused", REFUSED)]:
        table = pa.table(columns)
        with pa.ipc.new_file(HERE / f"{name}.arrow", table.schema) as file:
            file.write_table(table)
    old = pa.table({"old": pa.array([dt.datetime(2024, 1, 2, 3, 4, 5)], pa.timestamp("ns"))})
    pq.write_table(old, HERE / "int96.parquet", use_deprecated_int96_timestamps=True)
    duckdb.sql("copy (select [1, 2] as list, {'a': 1} as struct, 1 as ok) to '"
               + str(HERE / "duckdb-nested.parquet") + "'")
    categories = pl.DataFrame({"c": ["x", "y", None, "x"]}, schema={"c": pl.Categorical})
    categories.write_ipc(HERE / "polars-category.arrow")
    categories.write_parquet(HERE / "polars-category.parquet")


def large():
    # One page, small as it lies there.
    zeros = pa.table({"zeros": pa.array(np.zeros(100_000, np.int64))})
    pq.write_table(zeros, HERE / "large-page.parquet", compression="zstd", use_dictionary=False,
                   data_page_size=1 << 30, max_rows_per_page=1 << 30)


def empty():
    table = pa.table({"id": pa.array([], pa.int64()), "name": pa.array([], pa.string())})
    pq.write_table(table, HERE / "no-rows.parquet")
    with pq.ParquetWriter(HERE / "no-groups.parquet", table.schema):
        pass
    with pa.ipc.new_file(HERE / "no-batches.arrow", table.schema):
        pass
    with pa.ipc.new_stream(HERE / "no-batches.arrows", table.schema):
        pass
    pq.write_table(pa.table({}), HERE / "no-columns.parquet")


common()
kinds()
large()
empty()
