"""Fits for bench/models.py: the same columns of numbers for everybody, each in a process of its own."""

import json
import statistics
import subprocess
from pathlib import Path

import numpy
import pandas
import pyarrow
import pyarrow.csv

from models_peers import APPLICANTS, REQUIREMENTS, Failed, rscript
from peers import environment_of, harness
from spending import spend

HOST = Path(__file__).resolve().parent / "models_fit_host.py"
ROWS, COLUMNS = 1_000_000, 10


def measure(folder: Path, timer, rounds, say, outcome) -> dict:
    python = environment_of(REQUIREMENTS) / "bin" / "python"
    shapes = {"400": admission(folder / "400.bin"), "1e6": large(folder / "1e6.bin", folder / "1e6.csv")}
    seen = {}
    for size, (path, rows, columns) in shapes.items():
        shape = (path, rows, columns, 3)
        contenders = {
            "Squall": [timer, "fit", *shape],
            "R, glm.fit": rscript("glm.fit", *shape),
            "R, glm": rscript("glm", *shape),
            "statsmodels": [python, HOST, "statsmodels", *shape],
            "scikit-learn, lbfgs": [python, HOST, "lbfgs", *shape],
            "scikit-learn, newton-cholesky": [python, HOST, "newton-cholesky", *shape],
        }
        turns = []
        for turn in range(rounds):
            say(f"fits of {size} rows, turn {turn + 1} of {rounds}")
            turns.append({name: outcome(lambda: in_memory(command)) for name, command in contenders.items()})
        seen[size] = {"turns": turns, "data_mb": path.stat().st_size / 2**20}
    say("fits from a CSV")
    table, out = folder / "1e6.csv", folder / "out.json"
    formula = "y ~ " + " + ".join(f"x{n + 1}" for n in range(COLUMNS))
    commands = {
        "Squall": [harness.binary(), "model", "fit", formula, table, "--family", "binomial", "-o", out],
        "R, read.csv and glm": rscript("glm.csv", table),
        "statsmodels, pandas": [python, HOST, "statsmodels.csv", table],
    }
    turns = [
        {name: outcome(lambda: from_csv(command)) for name, command in commands.items()} for _ in range(min(rounds, 2))
    ]
    seen["csv"] = {"turns": turns, "csv_mb": table.stat().st_size / 2**20}
    return seen


def in_memory(command) -> dict:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if done.returncode:
        raise Failed(done.stderr.strip()[-300:])
    said = json.loads(done.stdout)
    seconds = said["seconds"] if isinstance(said["seconds"], list) else [said["seconds"]]
    return {**said, "seconds": statistics.median(seconds), "coefficients": [float(one) for one in said["coefficients"]]}


def from_csv(command) -> dict:
    """A whole process: its libraries, the table, the fit."""
    found = Path(command[0])
    if not found.is_absolute():
        command = ["/usr/bin/env", *command]
    return spend(command)


# The response is the last column.


def admission(path: Path):
    """The applicants, their rank as three columns of 0 and 1."""
    data = pandas.read_csv(APPLICANTS)
    ranks = [(data["rank"] == rank).astype(float) for rank in (2, 3, 4)]
    columns = [data["gre"], data["gpa"], *ranks, data["admit"]]
    numpy.vstack([column.astype(float) for column in columns]).tofile(path)
    return path, len(data), len(columns) - 1


def large(path: Path, table: Path):
    random = numpy.random.default_rng(5)
    # Six digits, as measurements have, so that the CSV holds the same numbers.
    x = random.normal(size=(COLUMNS, ROWS)).round(6)
    eta = 0.3 + numpy.linspace(-0.5, 0.5, COLUMNS) @ x
    y = (random.random(ROWS) < 1 / (1 + numpy.exp(-eta))).astype(float)
    numpy.vstack([x, y]).tofile(path)
    named = {f"x{n + 1}": column for n, column in enumerate(x)}
    pyarrow.csv.write_csv(pyarrow.table({**named, "y": y.astype(int)}), table)
    return path, ROWS, COLUMNS
