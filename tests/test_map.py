"""`squall map FUNCTION INPUT` over functions of an engine: what comes out is what pandas
computes, whatever the kind of items, the formats and the chunks."""

import io
import json
import random
import subprocess

import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest

import harness
from map_cli import Map

# One function for all kinds. Quarters, so that no order of adding changes a sum.
SUM = """
def handler(item):
    if isinstance(item, dict):
        return sum(item["values"])
    if type(item).__name__ == "DataFrame":
        return item["value"].sum()
    return item.sum() if hasattr(item, "sum") else sum(item)
"""

KINDS = ("series", "array", "list", "dict", "frame")


@pytest.fixture(scope="module")
def science(publish_layer):
    return [publish_layer("numpy"), publish_layer("pandas", "python-dateutil", "six")]


@pytest.fixture(scope="module")
def total(module_functions, science):
    source = {"app.py": "import pandas\n" + SUM}
    return module_functions.make(source, Layers=science, MemorySize=512)


@pytest.fixture(scope="module")
def plain(module_functions):
    return module_functions.make(SUM)


@pytest.fixture
def squall_map(engine, tmp_path):
    return Map(engine, tmp_path)


def table(groups=40, rows=600, seed=1, text=False) -> pd.DataFrame:
    choose = random.Random(seed)
    name = (lambda n: f"site {n}") if text else (lambda n: n * 3)
    ids = [name(choose.randrange(groups)) for _ in range(rows)]
    values = [choose.randrange(-400, 400) / 4 for _ in range(rows)]
    return pd.DataFrame({"id": ids, "time": range(rows), "value": values})


def sums(frame: pd.DataFrame) -> str:
    return frame.groupby("id")["value"].sum().to_csv()


@pytest.mark.parametrize("chunksize", ["1", "7", "auto"])
@pytest.mark.parametrize("payload", ["json", "zlib", "columns"])
@pytest.mark.parametrize("kind", KINDS)
def test_sums_are_those_of_pandas_byte_for_byte(squall_map, total, kind, payload, chunksize):
    frame = table()
    value = [] if kind == "frame" else ["--value", "value"]
    done = squall_map.run(
        total, frame, "--by", "id", *value, "--item", kind, "--payload", payload, "--chunksize", chunksize
    )
    assert done.output == sums(frame)
    groups = frame["id"].nunique()
    assert (done.report["items"], done.report["failed"]) == (groups, 0)
    if chunksize == "1":
        assert done.report["invocations"] == groups


def test_a_function_says_itself_how_it_wants_its_items(squall_map, module_functions, science):
    source = """
        import pandas as pd

        def handler(values: pd.Series):
            return {"name": values.name, "type": type(values).__name__, "n": len(values)}
    """
    name = module_functions.make({"app.py": source}, Layers=science, MemorySize=512)
    frame = table(text=True)
    done = squall_map.run(name, frame, "--by", "id", "--value", "value")
    counts = frame.groupby("id")["value"].size()
    expected = pd.DataFrame({"id": counts.index, "name": "value", "type": "Series", "n": counts.values})
    assert done.output == expected.to_csv(index=False)


def test_a_function_without_numpy_gets_lists(squall_map, plain):
    frame = table(text=True)
    done = squall_map.run(plain, frame, "--by", "id", "--value", "value")
    assert done.output == sums(frame)


WRITERS = {
    "csv": lambda frame, path: frame.to_csv(path, index=False),
    "jsonl": lambda frame, path: frame.to_json(path, orient="records", lines=True),
    "parquet": lambda frame, path: frame.to_parquet(path),
    "arrow": lambda frame, path: pyarrow.feather.write_feather(frame, path),
}


READERS = {
    "csv": pd.read_csv,
    "jsonl": lambda path: pd.read_json(path, lines=True),
    "parquet": pd.read_parquet,
    "arrow": lambda path: pa.ipc.open_file(path).read_all().to_pandas(),
}


@pytest.mark.parametrize("kind", WRITERS)
def test_inputs_of_all_formats_are_read(squall_map, plain, tmp_path, kind):
    frame = table(text=True)
    path = tmp_path / f"data.{kind}"
    WRITERS[kind](frame, path)
    done = squall_map.run(plain, path, "--by", "id", "--value", "value")
    assert done.output == sums(frame)
    unnamed = path.rename(tmp_path / "data")
    done = squall_map.run(plain, unnamed, "--by", "id", "--value", "value", "--input-format", kind)
    assert done.output == sums(frame)


def test_results_are_written_in_all_formats(squall_map, plain, tmp_path):
    frame = table()
    expected = frame.groupby("id", as_index=False)["value"].sum()
    for kind, read in READERS.items():
        path = tmp_path / f"out.{kind}"
        squall_map.run(plain, frame, "--by", "id", "--value", "value", "-o", path)
        pd.testing.assert_frame_equal(read(path), expected, check_index_type=False)
        other = tmp_path / "out"
        squall_map.run(plain, frame, "--by", "id", "--value", "value", "-o", other, "--output-format", kind)
        assert other.read_bytes() == path.read_bytes()


@pytest.mark.parametrize("kind", WRITERS)
def test_built_in_functions_read_and_write_all_formats(squall_map, tmp_path, s3, bucket, kind):
    frame = table(text=True)
    path, out = tmp_path / f"data.{kind}", tmp_path / f"out.{kind}"
    WRITERS[kind](frame, path)
    s3.upload_file(str(path), bucket, path.name)
    options = ["--by", "id", "--value", "value", "--to", "inline"]
    for function in ("sum", "median"):
        expected = getattr(frame.groupby("id")["value"], function)()
        for source in (path, f"s3://{bucket}/{path.name}"):
            done = squall_map.call(function, source, *options)
            assert (done.returncode, done.stdout) == (0, expected.to_csv()), done.stderr
        done = squall_map.call(function, path, *options, "-o", out)
        assert done.returncode == 0, done.stderr
        pd.testing.assert_frame_equal(READERS[kind](out), expected.reset_index())


def test_data_comes_from_stdin_and_goes_to_stdout(squall_map, plain):
    frame = table()
    done = squall_map.call(plain, "-", "--by", "id", "--value", "value", stdin=frame.to_csv(index=False))
    assert (done.returncode, done.stdout) == (0, sums(frame))
    assert done.stderr.startswith("600 rows in 40 items; ")
    quiet = squall_map.call(plain, "-", "--by", "id", "--value", "value", "-q", stdin=frame.to_csv(index=False))
    assert (quiet.stdout, quiet.stderr) == (sums(frame), "")


def test_data_comes_from_a_bucket(squall_map, plain, s3, bucket):
    frame = table(groups=300, rows=40_000)
    s3.put_object(Bucket=bucket, Key="raw/data.csv", Body=frame.to_csv(index=False).encode())
    s3.put_object(Bucket=bucket, Key="raw/data.parquet", Body=frame.to_parquet())
    for key in ("raw/data.csv", "raw/data.parquet"):
        done = squall_map.run(plain, f"s3://{bucket}/{key}", "--by", "id", "--value", "value")
        assert done.output == sums(frame)
    missing = squall_map.call(plain, f"s3://{bucket}/nothing", "--by", "id", "--value", "value")
    assert missing.returncode == 2
    assert "nothing" in missing.stderr or "NotFound" in missing.stderr


def test_lines_of_json_are_items_as_they_are(squall_map, module_functions, tmp_path):
    name = module_functions.make(
        """
        def handler(event, context):
            return {"sum": sum(event["x"]), "tag": event.get("tag")}
        """
    )
    lines = [{"x": [1, 2], "tag": "a"}, {"x": []}, {"x": [0.5], "tag": "b,c"}]
    path = tmp_path / "lines.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    done = squall_map.run(name, path, "--output-format", "jsonl")
    results = [json.loads(line) for line in done.output.splitlines()]
    assert [(result["sum"], result.get("tag")) for result in results] == [(3, "a"), (0, None), (0.5, "b,c")]


def test_an_alias_names_the_version_that_runs(squall_map, awslambda, functions):
    name = functions.make("def handler(values: list):\n    return 1\n")
    awslambda.publish_version(FunctionName=name)
    awslambda.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    code = harness.zip_of("def handler(values: list):\n    return 2\n")
    awslambda.update_function_code(FunctionName=name, ZipFile=code)
    frame = pd.DataFrame({"id": [1], "value": [0.5]})
    for named, result in [(name, 2), (f"{name}:live", 1), (f"{name}:1", 1)]:
        done = squall_map.run(named, frame, "--by", "id", "--value", "value")
        assert done.output == f"id,value\n1,{result}\n", named
    done = squall_map.call(f"{name}:gone", squall_map.file(frame), "--by", "id", "--value", "value")
    assert done.returncode == 2 and "gone" in done.stderr


def test_an_item_that_is_too_large_to_be_sent_goes_by_a_bucket(squall_map, module_functions, s3):
    name = module_functions.make(
        """
        def handler(values: list):
            # One answer is too large to be sent as well.
            return "x" * 7_000_000 if len(values) == 2 else sum(values)
        """,
        MemorySize=1024,
        Timeout=120,
    )
    rows = 700_000
    frame = pd.DataFrame({"id": ["big"] * rows + ["long", "long", "small"]})
    frame["value"] = [n / 4 + 1_000_000 for n in range(len(frame))]
    done = squall_map.run(name, frame, "--by", "id", "--value", "value", "--payload", "json")
    results = pd.read_csv(io.StringIO(done.output), dtype=str).set_index("id")["value"]
    assert float(results["big"]) == frame["value"][:rows].sum()
    assert results["long"] == "x" * 7_000_000
    assert float(results["small"]) == frame["value"].iloc[-1]
    made = [it["Name"] for it in s3.list_buckets()["Buckets"] if it["Name"].startswith("squall-jobs-")]
    assert made == ["squall-jobs-000000000000-us-east-1"]
    assert s3.list_objects_v2(Bucket=made[0])["KeyCount"] == 0


def test_what_is_known_is_not_computed_again(squall_map, functions):
    name = functions.make(SUM)
    frame = table()
    options = ["--by", "id", "--value", "value", "--item", "list"]
    first = squall_map.run(name, frame, *options, keep=True)
    assert first.report["known"] == 0
    again = squall_map.run(name, frame, *options, keep=True)
    assert again.report["known"] == again.report["items"] and again.report["invocations"] == 0
    more = pd.concat([frame, pd.DataFrame({"id": [10_000], "time": [0], "value": [2.5]})])
    added = squall_map.run(name, more, *options, keep=True)
    assert added.report["items"] - added.report["known"] == 1
    fresh = squall_map.run(name, frame, *options, "--fresh", keep=True)
    assert fresh.report["known"] == 0
    assert first.output == again.output == fresh.output == sums(frame)
    assert added.output == sums(more)


def test_help_and_mistakes(squall_map, plain, tmp_path):
    text = subprocess.run([harness.binary(), "map", "--help"], capture_output=True, text=True, check=True).stdout
    assert "squall map --resume" in text and "Exit codes:" in text
    data = squall_map.file(table())
    folder = tmp_path / "folder"
    folder.mkdir()
    for arguments, words in [
        (["no-such", data, "--by", "id", "--value", "value"], "squall functions lists"),
        (["not a name", data, "--by", "id", "--value", "value"], "function name"),
        ([plain, data, "--by", "id"], "--value COLUMN"),
        ([plain, data, "--by", "nope", "--value", "value"], "nope"),
        ([plain, data, "--by", "id", "--value", "time2"], "there are"),
        ([plain, data, "--by", "id", "--value", "value", "--item", "frame"], "takes all columns"),
        ([plain, tmp_path / "missing.csv", "--by", "id", "--value", "value"], "cannot read"),
        ([plain, folder, "--by", "id", "--value", "value"], "is a folder"),
        ([plain, data, "--by", "id", "--value", "value", "--json"], "stdout cannot hold both"),
        (["--resume", "j-zzzzzz"], "squall jobs lists"),
        (["--resume", "what"], "squall jobs lists"),
    ]:
        done = squall_map.call(*arguments)
        assert done.returncode == 2, (arguments, done.stderr)
        assert words in done.stderr, (arguments, done.stderr)


BAD = {
    "empty": ("", "empty"),
    "not a number": ("id,value\n1,2\n1,x\n", "row 2"),
    "ragged": ("id,value\n1,2\n1,2,3\n", "row 2"),
    "open quote": ('id,value\n1,"2\n', "quote"),
    "not UTF-8": (b"id,value\n\xff,2\n", "UTF-8"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_data_is_named_and_the_old_output_stays(squall_map, plain, tmp_path, name):
    data, words = BAD[name]
    path, out = tmp_path / "bad.csv", tmp_path / "out.csv"
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    out.write_text("old")
    done = squall_map.call(plain, path, "--by", "id", "--value", "value", "-o", out)
    assert done.returncode == 2, done.stderr
    assert words in done.stderr and "bad.csv" in done.stderr
    assert out.read_text() == "old"
