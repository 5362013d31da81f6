"""What is wrong with a model, its data or its formula is said, with its place, and nothing breaks:
no panic, no runaway memory, no half-written file. Needs no R."""

import gzip
import json
import os
import random
import struct
import subprocess
import sys

import pytest

import harness
from models_of_r import LOCALE, squall

MEMORY_MB = 400
#: What is unpacked from a model file is at most 1 GiB.
UNPACKED_MB = 1024
ROWS = [(n % 2 if n % 7 else 1 - n % 2, 400 + 10 * (n % 40), 2 + n % 20 / 10, n % 4 + 1) for n in range(120)]
DATA = "admit,gre,gpa,rank\n" + "".join(f"{admit},{gre},{gpa},r{rank}\n" for admit, gre, gpa, rank in ROWS)
FORMULA = "admit ~ gre + gpa + rank"
GOOD = "gre,gpa,rank\n500,3,r1\n"


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    """A folder with a model, as .json and as .rds."""
    folder = tmp_path_factory.mktemp("fitted")
    (folder / "data.csv").write_text(DATA)
    said = squall(
        "model", "fit", FORMULA, folder / "data.csv", "--family", "binomial", "-o", folder / "m.json", "--rds", folder / "m.rds"
    )
    assert said.code == 0, said.err
    return folder


def fails(said, *words):
    assert said.code != 0, said.out
    assert "panicked" not in said.err and "RUST_BACKTRACE" not in said.err, said.err
    for word in words:
        assert word in said.err, (word, said.err)


def fit(tmp_path, formula, data, *more):
    (tmp_path / "data.csv").write_bytes(data if isinstance(data, bytes) else data.encode())
    return squall("model", "fit", formula, tmp_path / "data.csv", "-o", tmp_path / "m.json", *more)


def predict(tmp_path, model, data, *more):
    (tmp_path / "new.csv").write_bytes(data if isinstance(data, bytes) else data.encode())
    return squall("model", "predict", model, tmp_path / "new.csv", "--no-r", "-o", "-", *more)


# New data

BAD_DATA = {
    "an unknown level": ("gre,gpa,rank\n500,3,r1\n500,3,r5\n", ("rank", "r5", "r1, r2, r3, r4", "2")),
    "no such column": ("gre,rank\n500,r1\n", ("gpa",)),
    "text for a number": ("gre,gpa,rank\n500,3,r1\n500,many,r1\n", ("gpa", "many", "2")),
    "half a number": ("gre,gpa,rank\n500,3.1.2,r1\n", ("gpa", "3.1.2")),
    "a long row": ("gre,gpa,rank\n500,3,r1\n500,3,r1,9\n", ("row 2", "4")),
    "an open quote": ('gre,gpa,rank\n500,3,"r1\n', ()),
    "nothing": ("", ()),
    "no text at all": (b"gre,gpa,rank\n500,3,\xff\xfe\n", ()),
}


@pytest.mark.parametrize("case", BAD_DATA)
@pytest.mark.parametrize("model", ["m.json", "m.rds"])
def test_bad_rows_are_named(fitted, tmp_path, case, model):
    data, words = BAD_DATA[case]
    fails(predict(tmp_path, fitted / model, data), *words)


def test_what_is_missing_gives_na_and_what_is_too_much_is_ignored(fitted, tmp_path):
    data = "other,gre,gpa,rank\nx,500,3,r1\ny,NA,3,r1\nz,500,,r1\nw,500,3,NA\nshort,500\nv,500,3,r4\n"
    said = predict(tmp_path, fitted / "m.rds", data)
    assert said.code == 0, said.err
    lines = said.out.split()
    assert [line == "NA" for line in lines] == [False, False, True, True, True, True, False]
    assert predict(tmp_path, fitted / "m.rds", "gre,gpa,rank\n").out.split() == ["fit"]


def test_an_output_that_cannot_be_written_is_said(fitted, tmp_path):
    (tmp_path / "new.csv").write_text(GOOD)
    fails(squall("model", "predict", fitted / "m.json", tmp_path / "new.csv", "-o", tmp_path / "none" / "out.csv"), "none")
    fails(squall("model", "predict", fitted / "absent.rds", tmp_path / "new.csv", "-o", "-"), "absent.rds")


# Models


def test_cut_off_models_are_refused(fitted, tmp_path):
    for name in ("m.rds", "m.json"):
        whole = (fitted / name).read_bytes()
        for share in (0, 0.01, 0.3, 0.9, 0.999):
            (tmp_path / name).write_bytes(whole[: int(len(whole) * share)])
            fails(predict(tmp_path, tmp_path / name, GOOD))


def test_changed_models_never_break_it(fitted, tmp_path):
    chance = random.Random(3)
    inside = gzip.decompress((fitted / "m.rds").read_bytes())
    for n in range(60):
        changed = bytearray(inside)
        for _ in range(1 + n % 3):
            changed[chance.randrange(len(changed))] = chance.randrange(256)
        (tmp_path / "m.rds").write_bytes(gzip.compress(bytes(changed), 1) if n % 2 else bytes(changed))
        said = predict(tmp_path, tmp_path / "m.rds", GOOD)
        assert said.code in (0, 1, 2) and "panicked" not in said.err, said


def header(version=3) -> bytes:
    return b"X\n" + struct.pack(">iii", version, 0x040202, 0x030500) + struct.pack(">i", 5) + b"UTF-8"


def integers(*values) -> bytes:
    return struct.pack(f">{len(values)}i", *values)


ZEROS = gzip.compress(bytes(1 << 24), 1)
HOSTILE = {
    # A list in a list in a list, and so on.
    "deep": header() + integers(19, 1) * 400_000 + integers(254),
    # A pairlist that has only beginnings of attributes.
    "deep attributes": header() + integers(0x202) * 400_000,
    # Vectors that promise more than there is.
    "long numbers": header() + integers(14, 0x7FFFFFFF),
    "very long list": header() + integers(19, -1, 0x7FFFFF, 0x7FFFFFFF),
    "negative length": header() + integers(16, -5),
    "a name that is not there": header() + integers(0x5FF),
    "an unknown kind": header() + integers(77),
    # Members of gzip, 16 MB each, four gigabytes in all.
    "many zeros": gzip.compress(header() + integers(14, 0x7FFFFFFF)) + ZEROS * 256,
    "only zeros": ZEROS * 256,
    "names without end": gzip.compress(header()) + gzip.compress(integers(1, 0x40009, 1 << 24)) + ZEROS * 256,
    "not a model at all": b"gre,gpa\n1,2\n",
    "half of gzip": gzip.compress(header())[:12],
    "bzip2 by name": b"BZh9" + bytes(100),
    "xz by name": b"\xfd7zXZ\x00" + bytes(100),
    "deep JSON": b'{"squall_model": 1, "terms": ' + b"[" * 200_000,
    "JSON of another kind": b'{"squall_model": 99}',
    "a model of nothing": b'{"squall_model": 1}',
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_models_are_refused_in_little_memory(case, tmp_path):
    (tmp_path / "m.rds").write_bytes(HOSTILE[case])
    (tmp_path / "new.csv").write_text(GOOD)
    code, errors, memory = watched("model", "predict", tmp_path / "m.rds", tmp_path / "new.csv", "--no-r", "-o", "-")
    assert code in (1, 2), (code, errors)
    assert "panicked" not in errors, errors
    assert memory < MEMORY_MB + (UNPACKED_MB if HOSTILE[case].endswith(ZEROS) else 0), memory


def test_a_sequence_of_two_thousand_million_costs_nothing(tmp_path):
    """R writes `1:2e9` as three numbers; whoever unrolls them needs 16 GB."""
    name = integers(1, 0x40009, 14) + b"compact_intseq" + integers(1, 0x40009, 4) + b"base" + integers(2, 0x0D, 1, 13, 254)
    state = integers(14, 3) + struct.pack(">ddd", 2e9, 1, 1)
    (tmp_path / "m.rds").write_bytes(header() + integers(238) + name + state + integers(254))
    (tmp_path / "new.csv").write_text(GOOD)
    code, errors, memory = watched("model", "predict", tmp_path / "m.rds", tmp_path / "new.csv", "--no-r", "-o", "-")
    assert code in (1, 2) and "panicked" not in errors, (code, errors)
    assert memory < MEMORY_MB, memory


# A process counts as its own peak what its parent had when it began.
LAUNCHER = """
import os, sys
pid = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ)
_, status, usage = os.wait4(pid, 0)
print(os.waitstatus_to_exitcode(status), usage.ru_maxrss / 1024)
"""


def watched(*words):
    """Exit code, errors and the most memory in MB."""
    command = [sys.executable, "-I", "-S", "-c", LAUNCHER, harness.binary(), *words]
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, env={**os.environ, **LOCALE}, timeout=harness.DEADLINE
    )
    code, memory = done.stdout.split()[-2:]
    return int(code), done.stderr, float(memory)


# Fits

BAD_FITS = {
    "a formula that ends": ("admit ~ gre +", (), ("formula",)),
    "no response": ("~ gre", ("--family", "binomial"), ()),
    "no such column": ("admit ~ gre + other", (), ("other",)),
    "an unknown function": ("admit ~ mystery(gre)", (), ("mystery",)),
    "an unknown family": ("admit ~ gre", ("--family", "tweedie"), ("tweedie",)),
    "a link of another family": ("admit ~ gre", ("--family", 'binomial(link = "sqrt")'), ("sqrt",)),
    "counts for a share": ("gre ~ gpa", ("--family", "binomial"), ("0 <= y <= 1",)),
    "a text for a number": ("rank ~ gpa", (), ("rank",)),
    "no such weights": ("admit ~ gre", ("--weights", "heavy"), ("heavy",)),
    "weights of text": ("admit ~ gre", ("--weights", "rank"), ("weights",)),
    "unknown contrasts": ("admit ~ rank", ("--contrasts", "rank=contr.none"), ("contr.none",)),
    "contrasts of a number": ("admit ~ gre", ("--contrasts", "gre=contr.sum"), ("gre",)),
}


@pytest.mark.parametrize("case", BAD_FITS)
def test_fits_that_cannot_be_say_why(tmp_path, case):
    formula, options, words = BAD_FITS[case]
    fails(fit(tmp_path, formula, DATA, *options), *words)
    assert not (tmp_path / "m.json").exists()


BAD_TABLES = {
    "nothing": ("", ()),
    "no rows": ("y,x\n", ()),
    "only rows with NA": ("y,x\n1,NA\nNA,2\n", ("0",)),
    "a long row": ("y,x\n1,2\n3,4\n4,5,6\n", ("3",)),
    "infinite": ("y,x\n1,2\n2,Inf\n3,5\n", ("x",)),
    "negative counts": ("y,x\n1,2\n-2,3\n3,5\n", ("negative",)),
}


@pytest.mark.parametrize("case", BAD_TABLES)
def test_tables_that_cannot_be_fitted_say_why(tmp_path, case):
    data, words = BAD_TABLES[case]
    fails(fit(tmp_path, "y ~ x", data, "--family", "poisson"), *words)


def test_a_cell_that_is_no_number_makes_a_text_of_its_column(tmp_path):
    """As in R: so the message names the column, and what is in it."""
    said = fit(tmp_path, "y ~ x", "y,x\n" + "".join(f"{n},{n * 7 % 5}.{n}\n" for n in range(50)) + "50,oops\n")
    assert said.code != 0 or "xoops" in said.out, said


def test_separation_is_warned_of_as_r_does(tmp_path):
    said = fit(tmp_path, "y ~ x", "y,x\n" + "".join(f"{int(n > 10)},{n}\n" for n in range(20)), "--family", "binomial")
    assert said.code == 0, said.err
    assert "fitted probabilities numerically 0 or 1 occurred" in said.err
    assert json.loads((tmp_path / "m.json").read_text())


def test_singular_designs_are_fitted_and_said(tmp_path):
    rows = "".join(f"{n * n},{n},{2 * n}\n" for n in range(20))
    said = fit(tmp_path, "y ~ x + z", "y,x,z\n" + rows)
    assert said.code == 0 and "1 not defined because of singularities" in said.out, said
    said = predict(tmp_path, tmp_path / "m.json", "x,z\n1,2\n")
    assert said.code == 0 and len(said.out.split()) == 2, said


def test_too_many_levels_are_refused_in_little_memory(tmp_path):
    (tmp_path / "data.csv").write_text("y,x\n" + "".join(f"{n % 10},id{n}\n" for n in range(200_000)))
    code, errors, memory = watched("model", "fit", "y ~ x", tmp_path / "data.csv", "-o", tmp_path / "m.json")
    assert code in (1, 2) and "x" in errors and "levels" in errors, errors
    assert memory < MEMORY_MB, memory
