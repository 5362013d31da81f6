"""A deployment beside Zappa's, to the same endpoint, in one run; and what packages weigh.

The template csv-features goes to MiniStack by both: first, again without any change, and after
a change of the code. Squall deploys to its own engine, too, until the new code has answered.

    python bench/deploy.py [--quick] [--only zappa,ministack,engine,sizes] [--no-write]
"""

import argparse
import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import results
from deploy_report import report

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))
import clouds  # noqa: E402
import harness  # noqa: E402
from deploy_cli import Folder, fetch  # noqa: E402

ZAPPA = Path(__file__).with_name("zappa.txt")
#: The oldest complaint of all trackers.
SCIENCE = ("pandas", "scipy", "scikit-learn")
TABLE = b"id,time,value\n1,1,2.5\n1,2,3.5\n2,1,1\n2,2,4\n"
PARTS = ("zappa", "ministack", "engine", "sizes")


def main():
    arguments = parse()
    # What was downloaded once is not downloaded for any of them again: Zappa has its virtual
    # environment, and uv its wheels.
    shared = Path(tempfile.mkdtemp(prefix="squall-bench-"))
    measured = {name: [] for name in PARTS[:3]}
    try:
        warm_up(shared)
        for turn in range(arguments.rounds):
            for name in arguments.only:
                if name in measured:
                    say(f"{name}, turn {turn + 1} of {arguments.rounds}")
                    measured[name].append(outcome(CONTENDERS[name], shared, turn))
        if "sizes" in arguments.only:
            say("sizes")
            measured["sizes"] = outcome(sizes, shared, 0)
    finally:
        shutil.rmtree(shared, ignore_errors=True)
    print(json.dumps(measured, indent=1), file=sys.stderr)
    text = report(measured)
    print(text)
    if not arguments.no_write:
        results.write_section("deploy", text)


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one turn, to try the script")
    parser.add_argument("--no-write", action="store_true", help="leave RESULTS.md alone")
    parser.add_argument("--only", type=lambda text: text.split(","), default=list(PARTS))
    arguments = parser.parse_args()
    arguments.rounds = 1 if arguments.quick else 3
    return arguments


def say(text):
    print(f"  {text}", file=sys.stderr, flush=True)


def outcome(step, *arguments):
    """A contender that fails at something is a result too, and no reason to stop."""
    try:
        return step(*arguments)
    except (clouds.Unavailable, Exception) as error:  # noqa: BLE001
        say(f"failed: {error}")
        return {"failed": f"{type(error).__name__}: {error}"[:2000]}


def seconds(work) -> float:
    before = time.perf_counter()
    work()
    return time.perf_counter() - before


# Zappa


def zappa(shared: Path, turn: int) -> dict:
    home = clouds.environment_of(ZAPPA)
    with clouds.MiniStack() as cloud, tempfile.TemporaryDirectory() as folder:
        project = Path(folder)
        service = (Path(__file__).with_name("zappa_service.py")).read_text()
        (project / "app.py").write_text(service)
        (project / "zappa_settings.json").write_text(json.dumps({"dev": ZAPPA_SETTINGS}))
        environment = {
            **cloud.client_environment(),
            "VIRTUAL_ENV": str(home),
            "PATH": f"{home / 'bin'}:{os.environ['PATH']}",
            "HOME": str(shared),
        }

        def run(*words):
            command = [home / "bin" / "zappa", *words]
            done = subprocess.run(
                command, cwd=project, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True
            )
            if done.returncode:
                raise RuntimeError(f"zappa {words[0]}: {done.stdout[-500:]} {done.stderr[-500:]}")

        seen = {"first": seconds(lambda: run("deploy", "dev"))}
        assert b"1.0" in ask_zappa(cloud, "PUT", "/", TABLE), "the service is not right"
        seen["again"] = seconds(lambda: run("update", "dev"))
        (project / "app.py").write_text(service.replace("RELEASE = 1", "RELEASE = 2"))
        seen["update"] = seconds(lambda: run("update", "dev"))
        assert json.loads(ask_zappa(cloud, "GET", "/release")) == {"release": 2}
        seen["undeploy"] = seconds(lambda: run("undeploy", "dev", "-y"))
    return seen


ZAPPA_SETTINGS = {
    "app_function": "app.app",
    "project_name": "csv-features",
    "runtime": "python3.11",
    "s3_bucket": "zappa-packages",
    "aws_region": "us-east-1",
    "memory_size": 512,
    # The lightest of its ways: no CloudFormation, no API Gateway, nothing kept warm.
    "apigateway_enabled": False,
    "function_url_enabled": True,
    "keep_warm": False,
    "touch": False,
}


def ask_zappa(cloud, method, path, body=b"") -> bytes:
    """A request as a function URL hands it on, by invocation: its address is on AWS."""
    event = {
        "version": "2.0",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"host": "any", "content-type": "text/csv"},
        "requestContext": {
            "http": {"method": method, "path": path, "sourceIp": "127.0.0.1"},
            "domainName": "any",
            "stage": "$default",
        },
        "body": base64.b64encode(body).decode(),
        "isBase64Encoded": True,
    }
    answer = cloud.client("lambda").invoke(FunctionName="csv-features-dev", Payload=json.dumps(event).encode())
    answer = harness.payload_of(answer)
    assert answer["statusCode"] == 200, answer
    body = answer["body"]
    return base64.b64decode(body) if answer.get("isBase64Encoded") else body.encode()


# Squall


def squall_project(folder: Path, cloud, shared: Path, cache: Path, **how) -> Folder:
    project = Benched(folder, cloud, **how)
    project.shared, project.cache = shared, cache
    project.run("init", "--template", "csv-features", "--name", "csv-features", "--yes", fails=0)
    return project


class Benched(Folder):
    """With a cache of its own for what Squall built, and one for what uv has downloaded."""

    def environment(self):
        return {
            **super().environment(),
            "XDG_CACHE_HOME": str(self.cache),
            "UV_CACHE_DIR": str(self.shared / "uv"),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        }

    def change(self, release: int):
        """Another code, and the same meaning."""
        with open(self.path / "features.py", "a") as file:
            file.write(f"\n\nRELEASE = {release}\n")


def ministack(shared: Path, turn: int) -> dict:
    with clouds.MiniStack() as cloud, tempfile.TemporaryDirectory() as folder:
        return steps(Path(folder), cloud, shared, to_aws=True)


def engine(shared: Path, turn: int) -> dict:
    with harness.running_engine() as cloud, tempfile.TemporaryDirectory() as folder:
        return steps(Path(folder), cloud, shared)


def steps(folder: Path, cloud, shared: Path, **how) -> dict:
    seen = {}
    # Nothing built before; then another project that has the same requirements.
    for name in ("first", "first_cached"):
        project = squall_project(folder / name, cloud, shared, folder / "cache", **how)
        seen[name] = seconds(lambda: project.deploy())
        if name == "first":
            project.undeploy()
    seen["again"] = seconds(lambda: project.deploy())
    project.change(2)
    seen["update"] = seconds(lambda: project.update())
    if not how:
        project.change(3)
        url = project.run("status", "--json", fails=0).json["url"]
        seen["update_and_answer"] = seconds(lambda: (project.update(), answered(url)))
    seen["undeploy"] = seconds(lambda: project.undeploy())
    return seen


def answered(url):
    answer = fetch("PUT", url, data=TABLE)
    assert answer.status_code == 200 and answer.text.startswith("id,"), answer.text


def warm_up(shared: Path):
    """Downloads what is needed, so that no contender is measured at it."""
    with harness.running_engine() as cloud, tempfile.TemporaryDirectory() as folder:
        squall_project(Path(folder) / "p", cloud, shared, Path(folder) / "cache").deploy()


# Sizes


def sizes(shared: Path, turn: int) -> dict:
    seen = {}
    with tempfile.TemporaryDirectory() as folder, harness.running_engine() as cloud:
        folder = Path(folder)
        for name, options in (("ours", ()), ("slim", ("--slim",))):
            project = Benched(folder / name, cloud)
            project.shared, project.cache = shared, folder / "cache"
            project.write(
                **{
                    "squall.toml": f'[project]\nname = "{name}"\n\n[functions.fit]\nurl = true\n',
                    "requirements.txt": "\n".join(SCIENCE) + "\n",
                    "handler.py": SCIENCE_HANDLER,
                    "test_handler.py": SCIENCE_TEST,
                }
            )
            (package,) = project.run("package", *options, "--json", fails=0, deadline=600).json
            seen[name] = weigh(package)
            # It is not only small: it runs.
            url = project.deploy(*options, "--json").json["url"]
            answer = fetch("POST", url)
            assert answer.status_code == 200 and answer.json()["slope"] == 2, answer.text
        # The same versions, as an installer leaves them.
        found = package["report"]["distributions"]
        versions = [f"{one['name']}=={one['version']}" for one in found]
        plain, uv = folder / "plain", Path(sys.executable).with_name("uv")
        subprocess.run([uv, "pip", "install", "--quiet", "--no-deps", "--target", plain, *versions], check=True)
        seen["plain"] = {"unpacked": unpacked(plain), "zip": zipped(plain, folder / "plain.zip")}
        seen["versions"] = [one for one in versions if one.partition("==")[0] in SCIENCE]
    return seen


SCIENCE_HANDLER = """
import numpy
import pandas
import scipy.stats
import sklearn.linear_model


def lambda_handler(event, context):
    frame = pandas.DataFrame({"x": numpy.arange(10.0), "y": 2 * numpy.arange(10.0) + 1})
    line = scipy.stats.linregress(frame.x, frame.y)
    model = sklearn.linear_model.LinearRegression().fit(frame[["x"]], frame.y)
    return {"slope": round(line.slope, 6), "coef": float(model.coef_[0])}
"""
SCIENCE_TEST = """
from handler import lambda_handler


def test_it():
    assert lambda_handler({}, None)["slope"] == 2
"""


def weigh(package: dict) -> dict:
    zips = [package["code"], *package["layers"]]
    return {
        "unpacked": sum(one["unpacked_bytes"] for one in zips),
        "zip": sum(one["zip_bytes"] for one in zips),
        "rest": bool(package.get("rest")),
    }


def unpacked(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def zipped(folder: Path, path: Path) -> int:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*")):
            archive.write(file, file.relative_to(folder))
    return path.stat().st_size


CONTENDERS = {"zappa": zappa, "ministack": ministack, "engine": engine}


if __name__ == "__main__":
    main()
