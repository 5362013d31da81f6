"""R as a layer for AWS, packages of R as layers: built, tried where no R is, and run."""

import hashlib
import io
import json
import os
import platform
import shutil
import subprocess
import zipfile

import pytest

import harness
from deploy_cli import Folder, fetch
from harness import payload_of, zip_of

pytestmark = pytest.mark.skipif(not shutil.which("Rscript"), reason="there is no R on this machine")

LIMIT = 250 << 20

MODEL = """
fit <- glm(am ~ wt, family = binomial, data = mtcars)

predict_one <- function(wt) {
  list(p = predict(fit, data.frame(wt = wt), type = "response"),
       home = R.home(), r = as.character(getRversion()),
       json = as.character(packageVersion("jsonlite")), from = find.package("jsonlite"))
}

maps <- function(event) {
  lines <- readLines("/proc/self/maps")
  unique(sub("^[^/]*", "", lines[grepl("/", lines, fixed = TRUE)]))
}

texts <- function(text) {
  latin <- iconv(text, "UTF-8", "latin1")
  list(upper = toupper(text), bytes = as.integer(charToRaw(latin)), back = iconv(latin, "latin1", "UTF-8"),
       winter = format(.POSIXct(0), tz = "Europe/Berlin", "%H:%M %Z"), tools = Sys.which(c("sh", "none")))
}
"""


def r_says(expression: str) -> str:
    command = ["Rscript", "--vanilla", "-e", f"cat(sprintf('%.17g', {expression}))"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def squall(*words, cache, fails=0, **environment):
    command = [str(harness.binary()), *map(str, words)]
    env = harness.clean_environment(XDG_CACHE_HOME=str(cache), **environment)
    done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=600)
    assert done.returncode == fails, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """Of this file alone: a layer with R that was built is taken by every deployment to AWS."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def built(cache):
    """The build starts what it made in a jail that shows a shell and no R."""
    return json.loads(squall("layer", "build", "r", "--packages", "jsonlite", "--json", cache=cache).stdout)


def digest(path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_it_holds_what_is_loaded_and_no_documentation(built):
    assert built["language"] == "r" and built["packages"].keys() == {"jsonlite"}
    assert built["unpacked_bytes"] < built["plain_bytes"] and built["unpacked_bytes"] < LIMIT
    r = next(part for part in built["parts"] if part["name"] == "R")
    assert r["bytes"] < r["plain_bytes"] * 0.6, r
    with zipfile.ZipFile(built["path"]) as archive:
        entries = archive.infolist()
        names = [entry.filename for entry in entries]
        assert sum(entry.file_size for entry in entries) == built["unpacked_bytes"]
    assert {"bootstrap", "r/bin/squall", "r/home/lib/libR.so", "r/home/library/stats/R/stats.rdb"} <= set(names)
    assert "r/site-library/jsonlite/DESCRIPTION" in names
    for part in ("help", "html", "doc", "demo", "tests", "include"):
        assert not [name for name in names if f"/{part}/" in name and "library" in name], part
    for unused in ("tcltk", "translations", "R_X11.so", "cairo.so"):
        assert not [name for name in names if unused in name], unused
    # The C library and its loader, as those of Lambda are older.
    assert any(name.startswith("r/lib/ld-linux") for name in names) and "r/lib/libc.so.6" in names
    modes = {entry.filename: entry.external_attr >> 16 for entry in entries}
    assert modes["bootstrap"] & 0o777 == 0o755 == modes["r/bin/squall"] & 0o777
    assert not [name for name, mode in modes.items() if mode & 0o170000 != 0o100000], "plain files, no links"


def test_what_did_not_change_is_built_once_and_always_the_same(built, cache, tmp_path):
    path = harness.Path(built["path"])
    before = (path.stat().st_mtime_ns, digest(path))
    out = tmp_path / "r.zip"
    again = squall("layer", "build", "r", "--packages", "jsonlite", "--out", out, "--json", cache=cache)
    assert json.loads(again.stdout) == built
    assert (path.stat().st_mtime_ns, digest(out)) == before
    words = ("layer", "build", "r", "--packages", "jsonlite", "--no-test", "--json")
    other = json.loads(squall(*words, cache=tmp_path / "other").stdout)
    assert (other["sha256"], other["hash"]) == (built["sha256"], built["hash"])
    said = squall("layer", "build", "r", "--packages", "jsonlite", cache=cache)
    assert "shared libraries" in said.stdout and "MB" in said.stdout and "of the 250 MB" in said.stderr


def unpacked(layer: str, root):
    """A root with the layer at /opt, a shell with its libraries, and nothing else."""
    shell = shutil.which("sh")
    needed = subprocess.run(["ldd", shell], capture_output=True, text=True, check=True).stdout.split()
    for path in [shell, *(word for word in needed if word.startswith("/"))]:
        to = root / path.lstrip("/")
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(os.path.realpath(path), to)
    (root / "bin").mkdir(exist_ok=True)
    if not (root / "bin/sh").exists():
        shutil.copy(os.path.realpath(shell), root / "bin/sh")
    for folder in ("tmp", "dev", "opt"):
        (root / folder).mkdir()
    (root / "dev/null").touch()
    with zipfile.ZipFile(layer) as archive:
        archive.extractall(root / "opt")
        for entry in archive.infolist():
            os.chmod(root / "opt" / entry.filename, entry.external_attr >> 16)


def check(root, *packages):
    command = ["unshare", "--user", "--map-root-user", "chroot", root, "/opt/bootstrap", "check", *packages]
    environment = {"PATH": os.environ["PATH"], "TZ": ":UTC"}
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=harness.DEADLINE)


def test_it_runs_where_there_is_nothing_else(built, tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    unpacked(built["path"], root)
    done = check(root, "stats", "methods", "splines", "parallel", "jsonlite")
    if "unshare" in done.stderr:
        pytest.skip(f"this machine lets nobody change the root: {done.stderr}")
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert told["r"] == built["version"] and told["packages"]["jsonlite"] == built["packages"]["jsonlite"]
    # What is not in it is not found elsewhere: neither a package nor a library.
    assert check(root, "tcltk").returncode == 1
    os.rename(root / "opt/r/lib/libblas.so.3", root / "opt/r/lib/gone")
    assert check(root, "stats").returncode != 0


@pytest.fixture(scope="module")
def layer(built, engine):
    """Published as any layer is, through a bucket, as it is too large for a call."""
    s3, bucket = engine.client("s3"), harness.unique("layers")
    s3.create_bucket(Bucket=bucket)
    s3.upload_file(built["path"], bucket, "r.zip")
    awslambda = engine.client("lambda")
    made = awslambda.publish_layer_version(
        LayerName=harness.unique("r"), Content={"S3Bucket": bucket, "S3Key": "r.zip"}
    )
    return made["LayerVersionArn"]


@pytest.fixture
def with_layer(functions, layer):
    def make(handler):
        code = zip_of({"model.R": MODEL})
        settings = {"Runtime": "provided.al2023", "MemorySize": 1024, "Timeout": 60, "Layers": [layer]}
        return functions.make(code, Handler=handler, **settings)

    return make


def test_a_function_with_the_layer_predicts(functions, with_layer, built):
    seen = functions.call(with_layer("model.predict_one"), {"wt": 3})
    fit = "predict(glm(am ~ wt, binomial, mtcars), data.frame(wt = 3), type = 'response')"
    assert seen["p"] == float(r_says(fit))
    assert (seen["home"], seen["r"]) == ("/opt/r/home", built["version"])
    assert (seen["from"], seen["json"]) == ("/opt/r/site-library/jsonlite", built["packages"]["jsonlite"])


def test_nothing_of_the_machines_own_r_is_loaded(functions, with_layer):
    files = functions.call(with_layer("model.maps"), {})
    code = [path for path in files if ".so" in path or path.endswith("squall")]
    assert any(path.endswith("/libR.so") for path in code) and any("libc.so" in path for path in code)
    assert not [path for path in code if not path.startswith("/opt/r/")], code


def test_texts_and_zones_are_as_elsewhere(functions, with_layer):
    seen = functions.call(with_layer("model.texts"), {"text": "Grüße"})
    assert seen["upper"] == "GRÜSSE" or seen["upper"] == "GRÜßE"
    assert seen["bytes"] == list("Grüße".encode("latin1")) and seen["back"] == "Grüße"
    assert seen["winter"] == "01:00 CET"
    assert seen["tools"] in (["/bin/sh", ""], ["/usr/bin/sh", ""], {"sh": "/bin/sh", "none": ""}), seen["tools"]


# Deployed

PROJECT = """
[project]
name = "rates"

[functions.model]
runtime = "r"
handler = "model.predict_one"
packages = ["jsonlite"]
memory = 1024
url = true
"""


class RFolder(Folder):
    cache = None

    def environment(self):
        return {**super().environment(), "XDG_CACHE_HOME": str(self.cache)}


def folder_at(path, engine, cache, to_aws=False, project=PROJECT):
    folder = RFolder(path, engine, to_aws=to_aws)
    folder.cache = cache
    return folder.write(**{"squall.toml": project, "model.R": MODEL})


def zip_at(awslambda, name):
    link = awslambda.get_function(FunctionName=name)["Code"]["Location"]
    return zipfile.ZipFile(io.BytesIO(fetch("GET", link).content)).namelist()


def test_on_aws_a_function_in_r_gets_the_layer_that_was_built(fresh_engine, tmp_path, built, cache):
    folder = folder_at(tmp_path / "p", fresh_engine, cache, to_aws=True)
    folder.deploy()
    awslambda = fresh_engine.client("lambda")
    config = awslambda.get_function_configuration(FunctionName="rates-dev-model")
    layers = [layer["Arn"].split(":")[6] for layer in config["Layers"]]
    assert (config["Runtime"], layers) == ("provided.al2023", ["rates-dev-r", "rates-dev-deps"])
    assert zip_at(awslambda, "rates-dev-model") == ["model.R"]
    answer = awslambda.invoke(FunctionName="rates-dev-model", Qualifier="live", Payload=b'{"wt": 3}')
    assert payload_of(answer)["home"] == "/opt/r/home"
    assert folder.deploy("--json").json["steps"] == []
    folder.undeploy()
    assert awslambda.list_layers()["Layers"] == []


def test_without_a_layer_the_client_in_r_goes_along_and_that_is_said(fresh_engine, tmp_path):
    project = PROJECT.replace('packages = ["jsonlite"]\n', "")
    folder = folder_at(tmp_path / "p", fresh_engine, tmp_path / "cache", to_aws=True, project=project)
    said = folder.deploy().stderr
    assert "squall layer build r" in said
    names = zip_at(fresh_engine.client("lambda"), "rates-dev-model")
    assert {"bootstrap", "model.R", "squall_runtime.R"} <= set(names)


def test_on_the_engine_only_the_code_and_its_packages_go_along(fresh_engine, tmp_path, cache):
    folder = folder_at(tmp_path / "p", fresh_engine, cache)
    folder.deploy()
    awslambda = fresh_engine.client("lambda")
    config = awslambda.get_function_configuration(FunctionName="rates-dev-model")
    assert (config["Runtime"], config["Handler"]) == ("r", "model.predict_one")
    assert zip_at(awslambda, "rates-dev-model") == ["model.R"]
    answer = awslambda.invoke(FunctionName="rates-dev-model", Qualifier="live", Payload=b'{"wt": 3}')
    seen = payload_of(answer)
    assert seen["from"] == "/opt/r/site-library/jsonlite" and seen["home"] != "/opt/r/home"
    folder.edit("squall.toml", 'runtime = "r"', 'runtime = "r4.0"')
    said = folder.refused("deploy", "-y")
    assert "there is no R 4.0 on this machine, which has R" in said


# Where packages come from

TINY = """
Package: tinypkg
Version: {version}
Title: Says Its Version
Description: Says its version, and needs another package.
License: MIT
Author: Nobody
Maintainer: Nobody <nobody@example.com>
Imports: tinybase
"""
BASE = TINY.replace("tinypkg", "tinybase").replace("Imports: tinybase\n", "").strip() + "\n"


def source(folder, name, description, code, exports):
    package = folder / name
    (package / "R").mkdir(parents=True, exist_ok=True)
    (package / "DESCRIPTION").write_text(description.strip() + "\n")
    (package / "NAMESPACE").write_text("".join(f"export({export})\n" for export in exports))
    (package / "R" / "code.R").write_text(code)
    done = subprocess.run(["R", "CMD", "build", name], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """A repository of CRAN's form, with a package in a new version and an old one."""
    root = tmp_path_factory.mktemp("repository")
    work, new = root / "work", root / "src" / "contrib"
    old = new / "Archive" / "tinypkg"
    work.mkdir()
    old.mkdir(parents=True)
    source(work, "tinybase", BASE.format(version="0.1"), 'base <- function() "base"\n', ["base"])
    for version, to in (("1.0", old), ("1.1", new)):
        code = f'value <- function() paste(tinybase::base(), "{version}")\n'
        source(work, "tinypkg", TINY.format(version=version), code, ["value"])
        shutil.move(work / f"tinypkg_{version}.tar.gz", to)
    shutil.move(work / "tinybase_0.1.tar.gz", new)
    index = f"tools::write_PACKAGES('{new}', type = 'source')"
    subprocess.run(["Rscript", "-e", index], check=True, capture_output=True)
    return root.as_uri()


def lock(repository, **versions):
    packages = {name: {"Package": name, "Version": version, "Source": "Repository"} for name, version in versions.items()}
    r = {"Version": "4.2.2", "Repositories": [{"Name": "CRAN", "URL": repository}]}
    return json.dumps({"R": r, "Packages": packages})


ASKING = 'say <- function() list(value = tinypkg::value(), from = dirname(find.package("tinybase")))\n'
LOCKED = '[project]\nname = "locked"\n[functions.say]\nruntime = "r"\nhandler = "say.say"\n'


def say(engine):
    answer = engine.client("lambda").invoke(FunctionName="locked-dev-say", Qualifier="live", Payload=b"{}")
    return payload_of(answer)


def test_a_lock_file_names_versions_and_where_they_come_from(fresh_engine, tmp_path, cache, repository):
    folder = folder_at(tmp_path / "p", fresh_engine, cache, project=LOCKED)
    folder.write(**{"say.R": ASKING, "renv.lock": lock(repository, tinypkg="1.0", tinybase="0.1")})
    assert "say needs what renv.lock says" in folder.deploy().said
    assert say(fresh_engine) == {"value": "base 1.0", "from": "/opt/r/site-library"}
    # The same lock file: nothing is made, and nothing is fetched.
    assert folder.deploy("--json").json["steps"] == []
    folder.write(**{"renv.lock": lock(repository, tinypkg="1.1", tinybase="0.1")})
    folder.deploy()
    assert say(fresh_engine)["value"] == "base 1.1"
    # A version that nobody has: what there is goes along, and that is said.
    folder.write(**{"renv.lock": lock(repository, tinypkg="1.1", tinybase="0.3")})
    said = folder.deploy().stderr
    assert "tinybase 0.3 was asked for, and 0.1 is what there is" in said


def test_a_folder_of_the_user_comes_before_everything(fresh_engine, tmp_path, cache, repository):
    folder = folder_at(tmp_path / "p", fresh_engine, cache, project=LOCKED + 'packages = ["tinypkg"]\n')
    folder.write(**{"say.R": ASKING})
    own = folder.path / "library"
    own.mkdir()
    install = f"install.packages(c('tinypkg', 'tinybase'), lib = '{own}', repos = '{repository}')"
    subprocess.run(["Rscript", "-e", install], check=True, capture_output=True)
    folder.deploy()
    assert say(fresh_engine) == {"value": "base 1.1", "from": "/var/task/library"}
    assert fresh_engine.client("lambda").list_layers()["Layers"] == [], "there is nothing to put into a layer"


def test_what_cannot_be_had_is_told(fresh_engine, tmp_path, cache):
    project = LOCKED + 'packages = ["no.such.package"]\n'
    folder = folder_at(tmp_path / "p", fresh_engine, cache, project=project)
    folder.write(**{"say.R": ASKING})
    said = folder.refused("deploy", "-y")
    assert "no.such.package: this machine's R has it not" in said and "hint:" in said
    folder.write(**{"squall.toml": LOCKED, "renv.lock": '{"Packages": {"../x": {"Version": "1"}}}'})
    assert "../x 1 is no package of R" in folder.refused("deploy", "-y")
    folder.write(**{"renv.lock": "text"})
    assert "it is no lock file of renv" in folder.refused("deploy", "-y")


@pytest.mark.skipif(not shutil.which("apt-get"), reason="this machine is no Debian")
@pytest.mark.skipif(platform.machine() != "x86_64", reason="Debian's packages are those of this machine")
def test_debian_has_packages_too(tmp_path):
    """data.table is not installed; where apt has no lists, it cannot be had, and that is said."""
    command = ["layer", "build", "r", "--packages", "data.table", "--json"]
    known = subprocess.run(["apt-cache", "show", "r-cran-data.table"], capture_output=True)
    if known.returncode:
        assert "data.table" in squall(*command, cache=tmp_path, fails=2).stderr
        return
    assert json.loads(squall(*command, cache=tmp_path).stdout)["packages"].keys() == {"data.table"}
