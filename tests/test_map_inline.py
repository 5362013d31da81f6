"""`squall map ... --to inline` writes what pandas writes, byte for byte.

Whatever is odd in CSV is in here at least once. Each case runs with one thread and
with several, because the number of threads must not show in the result.
"""

import io
import json
import random
import subprocess

import pandas as pd
import pytest

import harness

# pandas says so when a sum is too large; the tests are about what it is then.
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")

FUNCTIONS = ["sum", "mean", "min", "max", "std", "count", "median", "q0.25", "q0.9"]


def run(*arguments, stdin=None):
    command = [harness.binary(), "map", *map(str, arguments)]
    return subprocess.run(command, input=stdin, capture_output=True, timeout=harness.DEADLINE)


def ours(data: bytes, function: str, folder, *options, by="id", value="value") -> bytes:
    path = folder / "data.csv"
    path.write_bytes(data)
    results = []
    for threads in (1, 3):
        done = run(function, path, "--by", by, "--value", value, "--to", "inline", "--parallel", threads, *options)
        assert done.returncode == 0, done.stderr.decode()
        results.append(done.stdout)
    assert results[0] == results[1]
    return results[0]


def pandas(data: bytes, function: str, by="id", value="value") -> bytes:
    # In pieces, as it does by default, pandas would infer a type for each of them.
    frame = pd.read_csv(io.BytesIO(data), low_memory=False)
    groups = frame.groupby(by)[value]
    if function.startswith("q"):
        return groups.quantile(float(function[1:])).to_csv().encode()
    return getattr(groups, function)().to_csv().encode()


def same(data, folder, functions=FUNCTIONS, **columns):
    data = data.encode() if isinstance(data, str) else data
    for function in functions:
        assert ours(data, function, folder, **columns) == pandas(data, function, **columns), function


ODD = {
    "plain": "id,time,value\n2,0,1.5\n1,0,2\n2,1,3\n",
    "no newline at the end": "id,value\n1,2\n1,3",
    "CRLF": "id,value\r\n1,2.5\r\n2,3\r\n1,4\r\n",
    "CR": "id,value\r1,2.5\r2,3\r1,4\r",
    "mixed line ends": "id,value\n1,2.5\r\n2,3\r1,4\n",
    "byte order mark": "\ufeffid,value\n1,2\n",
    "byte order mark and quotes": '\ufeff"id","value"\n"1","2"\n',
    "quotes": 'id,value\n"a,b",1\n"a""b",2\nc"d,3\n"e"f,4\n"g"h"i",5\n',
    "newlines in quotes": 'id,value\n"a\nb",1\n"a\n\n b",2\n"a\nb",3\n',
    "quoted elsewhere": 'id,text,value\n1,"x,\n""y""",2\n2,"",3\n1,z,4\n',
    "quoted numbers": 'id,value\n"1","2.5"\n1,3\n',
    "blank lines": "\n \nid,value\n\n1,2\n  \n\t\n2,3\n\n",
    "unnamed first column": ",id,value\n0,1,2.5\n1,2,3\n",
    "row names without header": "id,value\n7,1,2.5\n8,2,3.5\n9,1\n",
    "comma at the end of rows": "id,value,\n1,2,\n2,3,\n",
    "short rows": "id,time,value\n1,0,2\n2,0\n3\n1,1,5\n",
    "doubled names": "id,value,value,id\n1,2,3,4\n5,6,7,8\n",
    "other order": "value,x,id\n1.5,a,1\n2.5,b,2\n3.5,c,1\n",
    "missing values": "id,value\n1,\n1,NA\n2,nan\n2,4\n3,N/A\n4,null\n4,None\n5,<NA>\n5,-nan\n1,#N/A N/A\n",
    "missing everywhere": "id,value\n1,\n2,\n",
    "missing ids": "id,value\n1,2\n,3\nNA,4\n2,5.5\n",
    "missing ids first": "id,value\n,3\n1,0.1\n1,0.2\n2,5.5\n",
    "missing text ids": "id,value\na,2\n,3\nNULL,4\nb,5.5\n",
    "only missing ids": "id,value\n,2\n,3\n",
    "negative ids": "id,value\n-5,1\n10,2\n9,3\n-5,4\n0,5\n",
    "integers as text order": "id,value\n10,1\n9,2\n100,3\n",
    "text ids": "id,value\nb,1\na10,2\na9,3\nB,4\né,5\nz,6\n",
    "ids almost numbers": "id,value\n1,1\n2x,2\n10,3\n",
    "codes with zeros": "id,value\n007,0.1\n7,0.2\n07,0.3\n8,1\n",
    "codes with zeros, and text": "id,value\n007,1\n7,2\nx,3\n007,4\n",
    "ids of floats": "id,value\n1.5,1\n2,2\n2.0,3\n1e1,4\n-0.5,5\ninf,6\n",
    "ids of booleans": "id,value\nTrue,1\nfalse,2\nTRUE,3\n",
    "ids with signs and blanks": "id,value\n+1,1\n 1,2\n1 ,3\n2,4\n",
    "ids beyond 64 bits": "id,value\n99999999999999999999999,1\n18446744073709551615,2\n3,4\n",
    "long ids": "id,value\n1234567890123456789,1\n-9223372036854775808,2\n12345678901234567890,3\n",
    "integers": "id,value\n1,2\n1,-3\n2,0\n",
    "an integer sum beyond 64 bits": "id,value\n1,9223372036854775807\n1,5\n2,-9223372036854775807\n2,-9\n",
    "large integers among floats": "id,value\n1,9007199254740993\n1,9223372036854775808\n2,0.5\n",
    "negative zero": "id,value\n1,-0.0\n2,-0.0\n2,-0.0\n3,1.5\n",
    "negative zero as integer": "id,value\n1,-0\n2,-0\n2,-0\n3,4\n",
    "negative zero among floats": "id,value\n1,-0\n2,1.5\n",
    "sums too large": "id,value\n1,1e308\n1,1e308\n1,-1e308\n2,-1e308\n2,-1e308\n",
    "sums too large, unsorted": "id,value\n2,1e308\n1,1e308\n2,1e308\n1,1e308\n2,-1e308\n1,1\n",
    "infinities": "id,value\n1,inf\n1,1\n2,-inf\n2,Infinity\n3,-INF\n3,+inf\n4,iNf\n",
    "tiny": "id,value\n1,5e-324\n1,1e-400\n2,2.2250738585072011e-308\n",
    "spellings": "id,value\n1,1.\n1,.5\n2,1e5\n2,1E-5\n3,+7\n3, 8 \n4,1e99999\n4,0.30000000000000004\n",
    "digits": "id,value\n1,0.1234567890123456789012345\n2,123456789012345678901234567890.5\n3,0.000000000000000000012345\n",
    "names to be quoted": '"a,b","say ""hi"""\n1,2\n',
    "one row": "id,value\nx,1\n",
}


@pytest.mark.parametrize("name", ODD)
def test_odd_files_give_what_pandas_gives(name, tmp_path):
    columns = {}
    if name == "names to be quoted":
        columns = {"by": "a,b", "value": 'say "hi"'}
    same(ODD[name], tmp_path, **columns)


def test_doubled_names_are_told_apart_as_pandas_does(tmp_path):
    same(ODD["doubled names"], tmp_path, by="id.1", value="value.1")


def test_a_header_alone_gives_a_header(tmp_path):
    for data in (b"id,value\n", b"id,value"):
        assert ours(data, "sum", tmp_path) == b"id,value\n"


def random_file(seed: int) -> bytes:
    """Thousands of rows, so that groups cross the blocks in which a file is read."""
    dice = random.Random(seed)
    groups = dice.choice([1, 3, 40, 4000])
    ids = dice.choice(["{}", "{}", "{}.5", "k{}", '"k,{}"', "{:03}", "1{:018}"])
    values = dice.choice(
        [
            lambda: repr(dice.random()),
            lambda: repr(dice.gauss(0, 1e6)),
            lambda: str(dice.randint(-999, 999)),
            lambda: f"{dice.uniform(0, 100):.2f}",
            lambda: dice.choice(["", "NA", repr(dice.random())]),
            lambda: repr(10 ** dice.uniform(-30, 30)),
        ]
    )
    rows = [dice.randrange(groups) for _ in range(dice.choice([100, 30_000]))]
    if dice.random() < 0.5:
        rows.sort()
    missing = dice.choice([0, 0, 0.001])
    lines = ["id,time,value"]
    lines += [f"{'' if dice.random() < missing else ids.format(row)},{at},{values()}" for at, row in enumerate(rows)]
    return dice.choice(["\n", "\r\n"]).join(lines).encode() + b"\n"


@pytest.mark.parametrize("seed", range(24))
def test_random_files_give_what_pandas_gives(seed, tmp_path):
    functions = random.Random(seed).sample(FUNCTIONS[1:], 3)
    same(random_file(seed), tmp_path, ["sum", *functions])


BAD = {
    "empty": ("", "there is not even a header"),
    "only blanks": ("\n \n", "there is not even a header"),
    "no such column": ("id,x,y\n1,2,3\n", 'no column "value"; there are "id", "x", "y"'),
    "no header": ("1,2.5\n2,3.5\n", 'no column "id"; there are "1", "2.5"'),
    "text for a number": ("id,value\n1,2\n1,x7\n", 'row 2: column "value": expected a number, found "x7"'),
    "a truth for a number": ("id,value\n1,True\n", 'row 1: column "value"'),
    "a long row": ("id,value\n1,2\n\n3,4,5\n", "row 2: expected 2 fields, found 3"),
    "an open quote": ('id,value\n1,2\n"3,4\n5,6\n', "row 2: a quote is opened and never closed"),
    "an open quote in the header": ('id,"value\n1,2\n', "the header: a quote is opened and never closed"),
    "an integer too wide": ("id,value\n1,2\n1,99999999999999999999\n", "row 2:"),
    "not UTF-8": (b"id,value\n1,2\na\xff,3\n", 'row 2: column "id": not UTF-8 text'),
    "a header that is not UTF-8": (b"id\xff,value\n1,2\n", "the header is not UTF-8 text"),
    "a zero byte": ("id,value\n1,2\x00\n", "row 1:"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files_are_refused_with_the_place(name, tmp_path):
    data, words = BAD[name]
    path = tmp_path / "bad.csv"
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    output = tmp_path / "out.csv"
    done = run("sum", path, "--by", "id", "--value", "value", "--to", "inline", "-o", output)
    assert done.returncode == 2, done.stderr
    assert words in done.stderr.decode()
    assert str(path) in done.stderr.decode()
    assert not output.exists()


def test_the_row_of_an_error_is_right_far_into_a_file(tmp_path):
    lines = ["id,value", *(f"{row // 7},{row}.25" for row in range(200_000))]
    lines[150_001] = "5,oops"
    lines[170_001] = "5,later"
    path = tmp_path / "long.csv"
    path.write_text("\n".join(lines) + "\n")
    for threads in (1, 2, 5):
        done = run("sum", path, "--by", "id", "--value", "value", "--to", "inline", "--parallel", threads)
        assert done.returncode == 2
        assert 'row 150001: column "value": expected a number, found "oops"' in done.stderr.decode()


def test_counting_takes_any_value(tmp_path):
    same("id,value\n1,x\n1,\n2,NA\n2,2026-01-01\n3,True\n", tmp_path, ["count"])


def test_what_is_said_and_where_it_goes(tmp_path):
    path, output = tmp_path / "data.csv", tmp_path / "out.csv"
    path.write_text("id,value\n1,2\n,3\n1,4\n")
    base = ("sum", path, "--by", "id", "--value", "value", "--to", "inline")
    done = run(*base)
    assert done.stdout == b"id,value\n1.0,6\n"
    assert b"3 rows in 1 group, 1 row without an id dropped; " in done.stderr
    done = run(*base, "-o", output, "--json")
    report = json.loads(done.stdout)
    assert {key: report[key] for key in ("rows", "groups", "dropped_rows", "bytes")} == {
        "rows": 3,
        "groups": 1,
        "dropped_rows": 1,
        "bytes": 20,
    }
    assert output.read_bytes() == b"id,value\n1.0,6\n"
    assert done.stderr == b""
    assert run(*base, "--quiet").stderr == b""
    assert run(*base, "--json").returncode == 2
    assert [file.name for file in tmp_path.iterdir() if file.name.startswith(".")] == []


def test_stdin_is_read_once(tmp_path):
    arguments = ("sum", "-", "--by", "id", "--value", "value", "--to", "inline")
    assert run(*arguments, stdin=b"id,value\n1,2\n1,3\n").stdout == b"id,value\n1,5\n"
    done = run(*arguments, stdin=b"id,value\n1,2\n01,3\n")
    assert done.returncode == 2
    assert b"put it into a file first" in done.stderr


def test_memory_is_bounded(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text("id,value\n" + "".join(f"{row},1\n" for row in range(50_000)))
    done = run("sum", path, "--by", "id", "--value", "value", "--to", "inline", "--memory", "1MB")
    assert done.returncode == 3
    assert b"--memory" in done.stderr


def test_what_is_not_built_in_says_so(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text("id,value\n1,2\n")
    done = run("sum", path, "--by", "id", "--value", "value", "--data", tmp_path / "none")
    assert done.returncode == 2
    assert b"--to inline" in done.stderr
    done = run("mode", path, "--by", "id", "--value", "value", "--to", "inline")
    assert done.returncode == 2
    assert b"there are sum, mean" in done.stderr
    done = run("q1.5", path, "--by", "id", "--value", "value", "--to", "inline")
    assert done.returncode == 2
