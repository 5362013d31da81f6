"""Where data of models may come from: CSV, packed CSV, Parquet, Arrow; all give the same."""

import gzip
import json

import numpy
import pyarrow
import pyarrow.csv
import pyarrow.feather
import pyarrow.parquet
import pytest

from models_of_r import good

ROWS = 3000


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """The same table in every form, in a folder."""
    folder = tmp_path_factory.mktemp("inputs")
    chance = numpy.random.default_rng(11)
    x, town = chance.normal(size=ROWS), chance.choice(["Ulm", "Bonn", "Köln", "Aue"], ROWS)
    wet = chance.random(ROWS) < 0.3
    y = 1 + 2 * x + (town == "Ulm") - 0.5 * wet + chance.normal(size=ROWS)
    missing = chance.random(ROWS) < 0.02
    table = pyarrow.table(
        {
            "y": y,
            "x": pyarrow.array(x, mask=missing),
            "town": pyarrow.array(town, mask=numpy.roll(missing, 5)),
            "wet": pyarrow.array(wet, mask=numpy.roll(missing, 9)),
        }
    )
    pyarrow.csv.write_csv(table, folder / "data.csv")
    text = (folder / "data.csv").read_bytes()
    (folder / "data.csv.gz").write_bytes(gzip.compress(text))
    (folder / "windows.csv").write_bytes(b"\xef\xbb\xbf" + text.replace(b"\n", b"\r\n"))
    pyarrow.parquet.write_table(table, folder / "data.parquet", row_group_size=700)
    pyarrow.feather.write_feather(table, folder / "data.arrow", compression="uncompressed")
    coded = table.set_column(2, "town", table["town"].dictionary_encode())
    pyarrow.parquet.write_table(coded, folder / "coded.parquet")
    return folder


FORMS = ("data.csv.gz", "windows.csv", "data.parquet", "data.arrow", "coded.parquet")


def fit(data, form, tmp_path):
    good("model", "fit", "y ~ x * town + wet", data / form, "-o", tmp_path / f"{form}.json")
    return json.loads((tmp_path / f"{form}.json").read_text())


def test_fits_are_the_same(data, tmp_path):
    first = fit(data, "data.csv", tmp_path)
    for form in FORMS:
        # The call has the name of the data.
        assert unnamed(fit(data, form, tmp_path)) == unnamed(first), form


def unnamed(model):
    return {key: value for key, value in model.items() if key != "call"}


def test_predictions_are_the_same(data, tmp_path):
    fit(data, "data.csv", tmp_path)
    asked = ("model", "predict", tmp_path / "data.csv.json")
    first = good(*asked, data / "data.csv", "--se", "-o", "-").out
    assert first.count("\n") == ROWS + 1 and "NA" in first
    for form in FORMS:
        assert good(*asked, data / form, "--se", "-o", "-").out == first, form


def test_predictions_go_to_files(data, tmp_path):
    fit(data, "data.csv", tmp_path)
    asked = ("model", "predict", tmp_path / "data.csv.json", data / "data.csv")
    good(*asked, "-o", tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text() == good(*asked, "-o", "-").out
