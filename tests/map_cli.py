"""Calls `squall map` for the tests of the map."""

import dataclasses
import json
import os
import subprocess
from pathlib import Path

import pandas as pd

import harness


@dataclasses.dataclass
class Done:
    returncode: int
    #: What is in the file of results; None if there is none.
    output: str | None
    #: What `--json` says of the job.
    report: dict
    stderr: str


class Map:
    def __init__(self, engine, folder: Path):
        self.engine, self.folder = engine, folder

    def file(self, frame: pd.DataFrame) -> Path:
        path = self.folder / "data.csv"
        frame.to_csv(path, index=False)
        return path

    def command(self, *arguments) -> list[str]:
        return [str(harness.binary()), "map", *map(str, arguments), "--data", str(self.engine.data)]

    def call(self, *arguments, stdin="", environment=None, **more):
        """The command as it is; `call(...).stdout` has the result."""
        return subprocess.run(
            self.command(*arguments),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=harness.DEADLINE,
            env=environment or harness.clean_environment(),
            **more,
        )

    def run(self, function, data, *options, fails=0, keep=False, **more) -> Done:
        """A job over a table or a file. What earlier tests left is not taken."""
        data = self.file(data) if isinstance(data, pd.DataFrame) else data
        out = self.folder / "result"
        options = list(map(str, options))
        if "-o" in options:
            out = Path(options[options.index("-o") + 1])
        else:
            options += ["-o", str(out)]
            if "--output-format" not in options:
                options += ["--output-format", "csv"]
            out.unlink(missing_ok=True)
        if not keep:
            options.append("--no-journal")
        done = self.call(function, data, *options, "--json", **more)
        assert done.returncode == fails, (done.returncode, done.stderr)
        output = None
        if out.exists():
            raw = out.read_bytes()
            output = raw.decode(errors="replace")
        return Done(done.returncode, output, json.loads(done.stdout or "{}"), done.stderr)


def profile(folder: Path, engine, name="lab", **config) -> dict:
    """Profile files as `aws configure` writes them; the environment that finds them."""
    folder.mkdir(exist_ok=True)
    (folder / "credentials").write_text(
        f"[{name}]\naws_access_key_id = {engine.access_key}\naws_secret_access_key = {engine.secret_key}\n"
    )
    settings = "".join(f"{key} = {value}\n" for key, value in {"region": engine.region, **config}.items())
    (folder / "config").write_text(f"[profile {name}]\n{settings}")
    return harness.clean_environment(
        AWS_SHARED_CREDENTIALS_FILE=str(folder / "credentials"),
        AWS_CONFIG_FILE=str(folder / "config"),
        AWS_PROFILE=name,
        HOME=os.environ.get("HOME", "/"),
    )
