"""Models that R fits in the test run, what R says of them, and `squall model` asked the same.

tests/models/*.R hold the models; `make.R` writes them and R's answers, once per session.
"""

import csv
import dataclasses
import io
import json
import math
import os
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import harness

SOURCES = Path(__file__).resolve().parent / "models"
#: Each model's own text, by name: known before R has run.
LINES = {
    name: text
    for file in ("linear.R", "factors.R", "generalized.R")
    for name, text in re.findall(r'^add\("([^"]+)"(.*?)(?=^\S|\Z)', (SOURCES / file).read_text(), re.M | re.S)
}
NAMES = list(LINES)
#: Those that `squall model fit` shall find, and those whose summary it shall print.
FITTED = [name for name, line in LINES.items() if "fit = TRUE" in line]
SUMMARISED = [name for name, line in LINES.items() if "summary = TRUE" in line]
REFUSED = re.findall(r'^refuse\("([^"]+)"', (SOURCES / "refused.R").read_text(), re.M)
R_IS_HERE = bool(shutil.which("Rscript"))
WITHOUT_R = "there is no R on this machine: models are NOT compared with R's"
#: The same order of texts in R as in the CSVs, and UTF-8.
LOCALE = {"LC_ALL": "C.UTF-8"}


class Failed(Exception):
    """A command that was to succeed."""


@dataclasses.dataclass
class Said:
    code: int
    out: str
    err: str

    def table(self) -> dict[str, list[float]]:
        """Columns of numbers; what is NA is NaN."""
        rows = list(csv.reader(io.StringIO(self.out)))
        return {name: [number(row[at]) for row in rows[1:]] for at, name in enumerate(rows[0])}


def number(cell: str) -> float:
    return math.nan if cell in ("NA", "NaN", "") else float(cell)


def squall(*words) -> Said:
    done = subprocess.run(
        [str(word) for word in (harness.binary(), *words)],
        capture_output=True,
        stdin=subprocess.DEVNULL,
        env=harness.clean_environment(**LOCALE),
        timeout=harness.DEADLINE,
    )
    return Said(done.returncode, done.stdout.decode(), done.stderr.decode())


def good(*words) -> Said:
    said = squall(*words)
    if said.code:
        raise Failed(f"exit code {said.code} of {' '.join(str(word) for word in words)}\n{said.err}")
    return said


def run_script(name: str, *arguments):
    command = ["Rscript", "--vanilla", SOURCES / name, *arguments]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, env={**os.environ, **LOCALE})
    assert done.returncode == 0, done.stderr


def unhex(values) -> list[float]:
    """As make.R writes numbers: all their bits, and null for NA."""
    return [math.nan if value is None or value == "NaN" else float.fromhex(value) for value in values]


class Made:
    """A folder of models, and the commands that were started on them."""

    def __init__(self, folder: Path):
        self.folder = folder
        run_script("make.R", folder)
        self.said = json.loads((folder / "models.json").read_text())
        self.models = {model["name"]: model for model in self.said["models"]}
        self.refused = {model["name"]: model for model in self.said["refused"]}
        self.fitted = [name for name, model in self.models.items() if model["fit"]]
        # Commands are small and many: they run beside the tests that wait for them.
        self.pool = ThreadPoolExecutor(os.cpu_count())
        self.started = {}

    def close(self):
        self.pool.shutdown(cancel_futures=True)

    def path(self, *parts) -> Path:
        return self.folder / "".join(parts)

    def ask(self, key, command):
        """The outcome of a command that was started under this key, or is now."""
        return self.start(key, command).result()

    def start(self, key, command):
        if key not in self.started:
            self.started[key] = self.pool.submit(command)
        return self.started[key]


def difference(seen: float, expected: float, least=0.0) -> float:
    """Relative, to `least` where both are smaller; infinite where only one is missing."""
    if math.isnan(seen) or math.isnan(expected):
        return 0.0 if math.isnan(seen) and math.isnan(expected) else math.inf
    if seen == expected:
        return 0.0
    if math.isinf(seen) or math.isinf(expected):
        return math.inf
    return abs(seen - expected) / max(abs(seen), abs(expected), least)


def worst(seen, expected, least=0.0) -> float:
    assert len(seen) == len(expected), f"{len(seen)} rows in place of {len(expected)}"
    return max((difference(a, b, least) for a, b in zip(seen, expected)), default=0.0)


def largest(values) -> float:
    return max((abs(value) for value in values if not math.isnan(value)), default=0.0)
