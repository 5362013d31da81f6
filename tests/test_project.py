"""`squall init`, and what a folder is taken for: by its files, with and without a squall.toml."""

import json
import subprocess
import sys
import tomllib

import pytest

import harness
from deploy_cli import Folder, one_error

TEMPLATES = ("csv-features", "handler", "r-model", "pipeline", "web-app")
PYTHON = "def lambda_handler(event, context):\n    return 'here'\n"


@pytest.fixture
def folder(engine, tmp_path):
    return Folder(tmp_path / "new", engine)


def files(folder) -> set:
    return {str(path.relative_to(folder.path)) for path in folder.path.rglob("*") if path.is_file()}


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_template_is_a_whole_project(folder, template):
    done = folder.run("init", "--template", template, "--name", "mine", "--yes", fails=0)
    assert {"squall.toml", "README.md"} <= files(folder)
    assert any("test" in name for name in files(folder)), "its test"
    toml = tomllib.loads((folder.path / "squall.toml").read_text())
    assert toml["project"]["name"] == "mine"
    assert "squall deploy" in done.said
    readme = (folder.path / "README.md").read_text()
    assert "squall deploy" in readme and "squall undeploy" in readme


@pytest.mark.parametrize("template", [name for name in TEMPLATES if name != "r-model"])
def test_the_tests_of_a_template_pass(folder, template):
    """As its README says: with nothing but the libraries."""
    folder.run("init", "--template", template, "--name", "mine", "--yes", fails=0)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=folder.path,
        capture_output=True,
        text=True,
        env=harness.clean_environment(),
        timeout=3 * harness.DEADLINE,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_init_writes_over_nothing(folder):
    folder.write(**{"squall.toml": '[project]\nname = "old"\n', "handler.py": "mine = 1\n"})
    before = {name: (folder.path / name).read_text() for name in files(folder)}
    stderr = folder.refused("init", "--template", "handler", "--yes")
    assert "squall.toml" in one_error(stderr)
    assert {name: (folder.path / name).read_text() for name in files(folder)} == before
    (folder.path / "squall.toml").unlink()
    folder.run("init", "--template", "handler", "--yes")
    assert (folder.path / "handler.py").read_text() == "mine = 1\n"


def test_init_into_a_folder_of_its_own(folder):
    folder.run("init", "sub/shop", "--template", "handler", "--yes", fails=0)
    toml = tomllib.loads((folder.path / "sub" / "shop" / "squall.toml").read_text())
    assert toml["project"]["name"] == "shop"


def test_a_template_that_is_not_there(folder):
    stderr = folder.refused("init", "--template", "webapp", "--yes")
    assert "web-app" in stderr
    assert files(folder) == set()


def test_a_folder_name_becomes_a_name(engine, tmp_path):
    folder = Folder(tmp_path / "My Project_2 (new)", engine)
    folder.run("init", "--template", "handler", "--yes", fails=0)
    name = tomllib.loads((folder.path / "squall.toml").read_text())["project"]["name"]
    assert name == "my-project-2-new"


def test_a_name_that_cannot_be_one(folder):
    stderr = folder.refused("init", "--template", "handler", "--name", "Not Good", "--yes")
    assert "lower-case" in stderr
    assert files(folder) == set()


# Detection


@pytest.mark.parametrize(
    "written, expected",
    [
        ({"handler.py": PYTHON}, {"handler": "handler.lambda_handler"}),
        ({"handler.py": PYTHON, "requirements.txt": "six\n"}, {"requirements": "requirements.txt"}),
        ({"app.py": "from flask import Flask\n\napp = Flask(__name__)\n"}, {"app": "app:app"}),
        ({"main.py": "from fastapi import FastAPI\n\nservice = FastAPI()\n"}, {"app": "main:service"}),
        ({"handler.R": "handler <- function(event, context) 1\n", "DESCRIPTION": "Package: x\n"}, {"runtime": "r"}),
        ({"Cargo.toml": '[package]\nname = "x"\n', "src/main.rs": "fn main() {}\n"}, {"runtime": "provided.al2023"}),
    ],
    ids=["handler", "requirements", "flask", "fastapi", "r", "rust"],
)
def test_init_finds_what_is_there(folder, written, expected):
    folder.write(**written)
    folder.run("init", "--yes", fails=0)
    toml = tomllib.loads((folder.path / "squall.toml").read_text())
    (function,) = toml["functions"].values()
    said = (folder.path / "squall.toml").read_text()
    for key, value in expected.items():
        assert function.get(key) == value or f'{key} = "{value}"' in said, said
    for name, text in written.items():
        assert (folder.path / name).read_text() == text, "init changed a file of the user's"


def test_no_file_at_all(fresh_engine, tmp_path):
    """Story: a folder with a handler deploys, and it is said what was assumed."""
    folder = Folder(tmp_path / "alone", fresh_engine).write(**{"handler.py": PYTHON})
    done = folder.deploy()
    assert "handler.lambda_handler" in done.said and "python3." in done.said
    seen = fresh_engine.client("lambda").list_functions()["Functions"]
    assert [f["FunctionName"] for f in seen] == ["alone-dev-handler"]
    invoked = fresh_engine.client("lambda").invoke(FunctionName="alone-dev-handler", Qualifier="live")
    assert json.loads(invoked["Payload"].read()) == "here"
    assert not (folder.path / "squall.toml").exists()


def test_commands_work_from_a_folder_below(fresh_engine, tmp_path):
    folder = Folder(tmp_path / "above", fresh_engine).write(
        **{"squall.toml": '[project]\nname = "above"\n[functions.web]\n', "handler.py": PYTHON, "sub/notes.txt": ""}
    )
    below = Folder(folder.path / "sub", fresh_engine)
    below.deploy()
    assert below.run("status", "--json", fails=0).json["release"] == 1


def test_the_schema_is_one_and_takes_the_templates(folder):
    """What editors read agrees with what the program takes; Rust tests look closer."""
    schema = json.loads((harness.ROOT / "docs" / "squall.schema.json").read_text())
    assert schema["additionalProperties"] is False
    folder.run("init", "--template", "pipeline", "--name", "mine", "--yes", fails=0)
    toml = tomllib.loads((folder.path / "squall.toml").read_text())
    assert set(toml) <= set(schema["properties"])
