"""Runs every benchmark of this folder, or those that are named; each writes its
section of RESULTS.md.

    python bench/run.py            all
    python bench/run.py store      one
"""

import subprocess
import sys
from pathlib import Path

SCRIPTS = ("engine", "store", "map", "map_inline", "deploy", "models", "gateway")


def main():
    chosen = sys.argv[1:] or SCRIPTS
    unknown = set(chosen) - set(SCRIPTS)
    if unknown:
        sys.exit(f"unknown: {', '.join(sorted(unknown))}; there are: {', '.join(SCRIPTS)}")
    folder = Path(__file__).resolve().parent
    failed = [name for name in chosen if subprocess.run([sys.executable, folder / f"{name}.py"]).returncode]
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
