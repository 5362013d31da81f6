"""A web app: upload a CSV, see what is in it, download a chart of it as PNG."""

import io
import os

# Where matplotlib keeps what it knows of fonts: a function can write to /tmp alone.
os.environ.setdefault("XDG_CACHE_HOME", "/tmp")

import matplotlib
import pandas
from flask import Flask, jsonify, request, send_file

matplotlib.use("Agg")
from matplotlib import pyplot

app = Flask(__name__)

PAGE = """<!doctype html>
<html lang="en">
<title>What is in a CSV</title>
<style>body { font: 1rem/1.5 system-ui; max-width: 40rem; margin: 3rem auto; padding: 0 1rem }</style>
<h1>What is in a CSV</h1>
<form method="post" enctype="multipart/form-data">
  <p><input type="file" name="table" accept=".csv,text/csv" required>
  <p><button formaction="summary">Summary</button> <button formaction="chart.png">Chart</button>
</form>
"""


class Mistake(Exception):
    """Of whoever asks, told with status 400."""


@app.errorhandler(Mistake)
def told(mistake):
    return jsonify(error=str(mistake)), 400


@app.get("/")
def page():
    return PAGE


@app.post("/summary")
def summary():
    numbers = uploaded()
    columns = {name: column(numbers[name]) for name in numbers.columns}
    return jsonify(rows=len(numbers), columns=columns)


@app.post("/chart.png")
def chart():
    numbers = uploaded()
    figure, axes = pyplot.subplots(figsize=(8, 4.5), layout="constrained")
    try:
        numbers.plot(ax=axes)
        content = io.BytesIO()
        figure.savefig(content, format="png", dpi=100)
    finally:
        # Figures are kept until they are closed, and this process serves on.
        pyplot.close(figure)
    content.seek(0)
    return send_file(content, mimetype="image/png", as_attachment=True, download_name="chart.png")


def uploaded():
    """The columns of numbers of the table that was sent."""
    file = request.files.get("table")
    if file is None:
        raise Mistake("send a CSV file as the form's field `table`")
    try:
        table = pandas.read_csv(file)
    except (ValueError, UnicodeDecodeError) as error:
        raise Mistake(f"this is not a CSV file: {error}") from None
    numbers = table.select_dtypes("number")
    if numbers.empty:
        raise Mistake("there is no column of numbers in it")
    return numbers


def column(values):
    said = {"count": values.count(), "mean": values.mean(), "min": values.min(), "max": values.max()}
    # JSON has no NaN.
    return {name: float(value) if pandas.notna(value) else None for name, value in said.items()}
