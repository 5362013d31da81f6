"""Where figures go: one section per script in RESULTS.md, between its marks."""

import os
import platform
import subprocess
from datetime import datetime, timezone
from pathlib import Path

PATH = Path(__file__).resolve().parent / "RESULTS.md"
HEAD = """# Results

Written by `make bench`; each section by one script of this folder, measured in one
run on the machine it names. Nothing is claimed elsewhere that is not in here.
"""


def machine() -> str:
    """The machine in one line, without its name."""
    model = "unknown processor"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(": ")[2]
            break
    memory = next(
        int(line.split()[1]) >> 20
        for line in Path("/proc/meminfo").read_text().splitlines()
        if line.startswith("MemTotal")
    )
    return (
        f"{os.cpu_count()} x {model}, {memory} GB, Linux {platform.release().split('-')[0]}, "
        f"Python {platform.python_version()}"
    )


def when() -> str:
    return datetime.now(timezone.utc).strftime("%Y-%m-%d")


def commit() -> str:
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=PATH.parent, capture_output=True, text=True
    )
    return done.stdout.strip() or "unknown"


def table(titles, rows) -> str:
    """A table that reads well both as text and as Markdown."""
    cells = [[str(cell) for cell in row] for row in [titles, *rows]]
    widths = [max(len(row[n]) for row in cells) for n in range(len(titles))]
    lines = ["| " + " | ".join(cell.ljust(widths[n]) for n, cell in enumerate(row)) + " |" for row in cells]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def write_section(name: str, text: str):
    """Replaces the section of this name, or adds it at the end."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    old = PATH.read_text() if PATH.exists() else HEAD
    section = f"{begin}\n{text.strip()}\n{end}"
    if begin in old:
        before, _, rest = old.partition(begin)
        _, _, after = rest.partition(end)
        new = before + section + after
    else:
        new = old.rstrip() + "\n\n" + section + "\n"
    PATH.write_text(new)
