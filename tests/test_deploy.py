"""All five templates on the engine: begun, deployed, asked, changed, taken back, removed; and
nothing is left of them.
"""

import io
import json
import re
import subprocess

import pandas
import pytest

import harness
from deploy_cli import Folder, fetch
from harness import eventually
from listings import difference, listing

NUMBERS = "name,height,weight\na,1.7,60\nb,1.8,70\nc,1.9,80\n"


class Story:
    """What one template is for, and a change of it that can be seen from outside."""

    def __init__(self, folder):
        self.folder = folder

    def fetch(self, method, path="/", **more):
        return fetch(method, self.url + path, **more)

    def status(self) -> dict:
        return self.folder.run("status", "--json", fails=0).json

    @property
    def url(self) -> str:
        return self.status()["url"].rstrip("/")

    def works(self):
        """The service does what the template promises."""
        raise NotImplementedError

    def change(self):
        """Of the code alone."""
        raise NotImplementedError

    def is_changed(self) -> bool:
        raise NotImplementedError


class CsvFeatures(Story):
    table = "id,time,value\n" + "".join(f"{n % 7},{n},{n * 0.5}\n" for n in range(70))

    def send(self, **options):
        answer = self.fetch("PUT", params=options, data=self.table)
        assert answer.status_code == 200, answer.text
        return pandas.read_csv(io.StringIO(answer.text), index_col="id")

    def works(self):
        spread = self.send(chunksize=2)
        assert list(spread.index) == list(range(7))
        pandas.testing.assert_frame_equal(spread, self.send(invoke_lambda=False))
        got = self.fetch("GET")
        assert got.status_code == 405 and "PUT" in got.headers["allow"]

    def change(self):
        with open(self.folder.path / "features.py", "a") as file:
            file.write("\n\nfirst = features\n\n\ndef features(values: pandas.Series):\n")
            file.write('    return {**first(values), "changed": 1}\n')

    def is_changed(self):
        return "changed" in self.send().columns


class Handler(Story):
    def ask(self):
        points = {"x": [1, 2, 3, 4], "y": [2.1, 3.9, 6.2, 7.8]}
        answer = self.fetch("POST", json=points)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def works(self):
        assert self.ask()["m"] == pytest.approx(1.94)

    def change(self):
        self.folder.edit("handler.py", '"m":', '"changed": True, "m":')

    def is_changed(self):
        return "changed" in self.ask()


class RModel(Story):
    """The model answers alone and in R: both the same."""

    def ask(self, path="/admission-r", rank=1, **more):
        return self.fetch("GET", path, params={"gre": 800, "gpa": 4, "rank": rank, **more})

    def works(self):
        for path in ["/admission", "/admission-r"]:
            answers = [self.ask(path, rank) for rank in [1, 4]]
            assert [answer.status_code for answer in answers] == [200, 200], answers[0].text
            assert [answer.json()["admitted"] for answer in answers] == [True, False]
            for wrong in [{"rank": 5}, {"gre": "many"}]:
                bad = self.ask(path, **wrong)
                assert bad.status_code == 400
                assert bad.json()["httpStatus"] == 400 and bad.json()["request_id"]
                assert next(iter(wrong)) in bad.json()["message"]
        native, in_r = (self.ask(path).json()["fit"] for path in ["/admission", "/admission-r"])
        assert abs(native - in_r) < 1e-12

    def change(self):
        with open(self.folder.path / "service.R", "a") as file:
            file.write("\nfirst <- predict_admission\n")
            file.write("predict_admission <- function(applicant) c(first(applicant), list(changed = TRUE))\n")

    def is_changed(self):
        return "changed" in self.ask().json()


class WebApp(Story):
    def send(self, path):
        return self.fetch("POST", f"/{path}", files={"table": ("numbers.csv", NUMBERS)})

    def works(self):
        assert "<form" in self.fetch("GET").text
        assert self.send("summary").json()["columns"]["weight"]["mean"] == 70
        chart = self.send("chart.png")
        assert chart.headers["content-type"] == "image/png"
        assert chart.content.startswith(b"\x89PNG\r\n\x1a\n")
        assert self.fetch("POST", "/summary").status_code == 400

    def change(self):
        self.folder.edit("app.py", "<h1>What is in a CSV</h1>", "<h1>changed</h1>")

    def is_changed(self):
        return "<h1>changed</h1>" in self.fetch("GET").text


class Pipeline(Story):
    """Raw data lands, is cleaned, a model is fitted, and the next prediction is another."""

    def predict(self):
        return self.fetch("GET", "/predict", params={"x": 10})

    def works(self):
        # What was in the folder `data` is on its way since the deployment.
        first = eventually(lambda: self.answer(), "a first prediction", every=0.1)
        s3 = self.folder.cloud.client("s3")
        rows = "x,y\n" + "".join(f"{x},{1000 + x}\n" for x in range(200))
        (raw,) = (name for name in self.status()["buckets"] if "-raw-" in name)
        s3.put_object(Bucket=raw, Key="more.csv", Body=rows.encode())
        eventually(lambda: (self.answer() or first)["rows"] > first["rows"], "a new model", every=0.1)
        assert self.answer()["y"] > first["y"]

    def answer(self):
        answer = self.predict()
        return answer.json() if answer.status_code == 200 else None

    def change(self):
        with open(self.folder.path / "predict.py", "a") as file:
            file.write("\n\nfirst = handler\n\n\ndef handler(event, context):\n")
            file.write('    return {**first(event, context), "headers": {"x-changed": "yes"}}\n')

    def is_changed(self):
        return "x-changed" in self.predict().headers


STORIES = {
    "csv-features": CsvFeatures,
    "handler": Handler,
    "r-model": RModel,
    "pipeline": Pipeline,
    "web-app": WebApp,
}


@pytest.mark.parametrize("template", STORIES)
def test_a_template_from_init_to_undeploy(fresh_engine, tmp_path, template):
    before = listing(fresh_engine)
    folder = Folder(tmp_path / "mine", fresh_engine)
    story = STORIES[template](folder)
    folder.run("init", "--template", template, "--name", "mine", "--yes", fails=0)

    first = folder.deploy("--json").json
    assert first["release"] == 1 and first["changed"]
    story.works()
    assert not story.is_changed()

    # Again: nothing.
    again = folder.deploy("--json").json
    assert again["steps"] == [] and again["release"] == 1
    assert "nothing to do" in folder.deploy().said

    # The code alone: no layer is made again, and the second release answers at once.
    story.change()
    assert folder.run("diff", "--json", fails=0).json["changed"]
    layers = listing(fresh_engine).get("layers")
    assert folder.update("--json").json["release"] == 2
    assert story.is_changed()
    assert listing(fresh_engine).get("layers") == layers
    assert folder.deploy("--json").json["steps"] == []

    # And back. Nothing is made; what differs from the folder is told, and can be deployed again.
    folder.run("rollback", fails=0)
    assert not story.is_changed()
    assert story.status()["release"] == 1
    folder.run("rollback", "2", fails=0)
    assert story.is_changed()

    folder.undeploy()
    assert difference(before, listing(fresh_engine)) == {}
    assert "nothing" in folder.undeploy().said


# What a deployment is careful with


HELLO = """
import os


def lambda_handler(event, context):
    return {"statusCode": 200, "body": "one"}
"""


@pytest.fixture
def hello(engine, tmp_path):
    """A project that needs nothing, on the shared engine."""
    name = harness.unique("hello")[:20]
    folder = Folder(tmp_path / name, engine)
    folder.write(**{"squall.toml": f'[project]\nname = "{name}"\n\n[functions.web]\nurl = true\n', "handler.py": HELLO})
    folder.name = name
    yield folder
    folder.undeploy()
    assert not [n for names in listing(engine).values() for n in names if n.startswith(name)]


def url_of(folder) -> str:
    return folder.run("status", "--json", fails=0).json["urls"]["web"]


def test_everything_carries_the_tags_of_project_and_stage(hello, engine):
    hello.deploy()
    wanted = {"squall:project": hello.name, "squall:stage": "dev"}
    function = engine.client("lambda").get_function(FunctionName=f"{hello.name}-dev-web")
    assert wanted.items() <= function["Tags"].items()
    iam = engine.client("iam")
    role = function["Configuration"]["Role"].rpartition("/")[2]
    tags = {tag["Key"]: tag["Value"] for tag in iam.get_role(RoleName=role)["Role"]["Tags"]}
    assert wanted.items() <= tags.items()
    group = engine.client("logs").describe_log_groups(logGroupNamePrefix=f"/aws/lambda/{hello.name}-")["logGroups"][0]
    assert group["retentionInDays"] == 14


def test_a_role_may_no_more_than_the_project_says(hello, engine):
    toml = (hello.path / "squall.toml").read_text()
    hello.write(**{"squall.toml": toml + 'reads = ["lake/raw/"]\n\n[buckets.lake]\n[buckets.other]\n'})
    hello.deploy()
    function = engine.client("lambda").get_function(FunctionName=f"{hello.name}-dev-web")
    iam, role = engine.client("iam"), function["Configuration"]["Role"].rpartition("/")[2]
    assert iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"] == []
    (policy,) = iam.list_role_policies(RoleName=role)["PolicyNames"]
    text = json.dumps(iam.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"])
    assert '"*"' not in text and "s3:*" not in text and "PutObject" not in text and "-other-" not in text
    assert "s3:GetObject" in text and "-lake-" in text and "/raw/*" in text


def test_a_failing_import_leaves_the_old_version_answering(hello):
    hello.deploy()
    hello.edit("handler.py", "import os", "import oss")
    done = hello.run("update")
    assert done.returncode == 1 and "oss" in done.stderr and "handler.py" in done.stderr
    assert fetch("GET", url_of(hello)).text == "one"
    hello.edit("handler.py", "import oss", "import os")
    assert hello.deploy("--json").json["steps"] == []


def test_the_new_code_answers_as_soon_as_update_ends(hello):
    hello.deploy()
    url = url_of(hello)
    for n in range(5):
        (hello.path / "handler.py").write_text(HELLO.replace("one", f"change {n}"))
        hello.update()
        assert fetch("GET", url).text == f"change {n}"


def test_no_request_fails_while_an_update_happens(hello):
    """The alias moves last, and moves at once."""
    import threading

    hello.deploy()
    url, seen, stop = url_of(hello), [], threading.Event()

    def ask():
        while not stop.is_set():
            answer = fetch("GET", url)
            seen.append((answer.status_code, answer.text))

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        hello.edit("handler.py", '"one"', '"two"')
        hello.update()
        eventually(lambda: (200, "two") in seen, "the new code")
    finally:
        stop.set()
        asking.join()
    assert set(seen) == {(200, "one"), (200, "two")}
    switch = seen.index((200, "two"))
    assert all(answer == (200, "two") for answer in seen[switch:]), "it went back"


def test_ten_releases_are_kept(hello, engine):
    for n in range(13):
        (hello.path / "handler.py").write_text(HELLO.replace("one", f"release {n + 1}"))
        hello.deploy()
    versions = engine.client("lambda").list_versions_by_function(FunctionName=f"{hello.name}-dev-web")["Versions"]
    assert len(versions) == 1 + 10
    status = hello.run("status", "--json", fails=0).json
    assert status["release"] == 13 and status["releases"] == list(range(4, 14))
    hello.run("rollback", "4", fails=0)
    assert fetch("GET", url_of(hello)).text == "release 4"
    assert "3" in hello.refused("rollback", "3")


def test_equal_input_makes_equal_packages(hello, tmp_path, engine):
    """Whatever the order, time and owner of files: unchanged code uploads nothing."""
    hello.write(**{"a/one.txt": "1", "b/two.txt": "2"})
    hello.deploy()
    sha = engine.client("lambda").get_function_configuration(FunctionName=f"{hello.name}-dev-web")["CodeSha256"]
    for path in sorted(hello.path.rglob("*.*"), reverse=True):
        content = path.read_bytes()
        path.unlink()
        path.write_bytes(content)
    (hello.path / "__pycache__").mkdir()
    (hello.path / "__pycache__" / "handler.cpython-311.pyc").write_bytes(b"any")
    (hello.path / ".git").mkdir()
    (hello.path / ".git" / "HEAD").write_text("any")
    assert hello.deploy("--json").json["steps"] == []
    now = engine.client("lambda").get_function_configuration(FunctionName=f"{hello.name}-dev-web")["CodeSha256"]
    assert now == sha


def test_keep_data(hello, engine):
    toml = (hello.path / "squall.toml").read_text()
    hello.write(**{"squall.toml": toml + "\n[buckets.lake]\n"})
    hello.deploy()
    (bucket,) = hello.run("status", "--json", fails=0).json["buckets"]
    s3 = engine.client("s3")
    s3.put_object(Bucket=bucket, Key="kept", Body=b"mine")
    hello.undeploy("--keep-data")
    assert s3.get_object(Bucket=bucket, Key="kept")["Body"].read() == b"mine"
    assert not listing(engine).get("functions") or not [
        name for name in listing(engine)["functions"] if name.startswith(hello.name)
    ]
    # The next deployment finds it again.
    hello.deploy()
    assert s3.get_object(Bucket=bucket, Key="kept")["Body"].read() == b"mine"
    # And a bucket with versions and an unfinished upload goes whole.
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket=bucket, Key="kept", Body=b"second")
    s3.delete_object(Bucket=bucket, Key="kept")
    s3.create_multipart_upload(Bucket=bucket, Key="never done")


def test_a_bucket_that_leaves_the_project_with_data_in_it(hello, engine):
    toml = (hello.path / "squall.toml").read_text()
    hello.write(**{"squall.toml": toml + "\n[buckets.lake]\n"})
    hello.deploy()
    (bucket,) = hello.run("status", "--json", fails=0).json["buckets"]
    engine.client("s3").put_object(Bucket=bucket, Key="precious", Body=b"data")
    hello.write(**{"squall.toml": toml})
    done = hello.deploy()
    assert bucket in done.said, "what is left and why has to be said"
    assert engine.client("s3").get_object(Bucket=bucket, Key="precious")["Body"].read() == b"data"


def test_a_folder_is_synced_and_served_as_a_site(hello, engine):
    toml = (hello.path / "squall.toml").read_text()
    hello.write(
        **{
            "squall.toml": toml + '\n[buckets.site]\nfolder = "public"\nsite = true\n',
            "public/index.html": "<h1>hello</h1>",
            "public/js/app.js": "1",
        }
    )
    hello.deploy()
    (bucket,) = hello.run("status", "--json", fails=0).json["buckets"]
    s3 = engine.client("s3")
    assert {e["Key"] for e in s3.list_objects_v2(Bucket=bucket)["Contents"]} == {"index.html", "js/app.js"}
    assert s3.head_object(Bucket=bucket, Key="index.html")["ContentType"].startswith("text/html")
    # What others put there is not the folder's to remove.
    s3.put_object(Bucket=bucket, Key="data/of/others", Body=b"x")
    hello.write(**{"public/index.html": "<h1>again</h1>"})
    hello.deploy()
    keys = {e["Key"] for e in s3.list_objects_v2(Bucket=bucket)["Contents"]}
    assert keys == {"index.html", "js/app.js", "data/of/others"}
    assert s3.get_object(Bucket=bucket, Key="index.html")["Body"].read() == b"<h1>again</h1>"
    assert hello.deploy("--json").json["steps"] == []


def test_json_alone_is_no_yes(hello, engine):
    hello.deploy()
    there = listing(engine)
    assert "-y" in hello.refused("undeploy", "--json")
    assert difference(there, listing(engine)) == {}


def commands_of(readme: str) -> list[str]:
    """The lines of a README that are commands which need nothing but an engine that runs."""
    lines = [line[4:] for line in readme.splitlines() if line.startswith("    ")]
    lines = [re.split(r"\s{3,}", line)[0] for line in lines]
    lasting = ("squall up", "squall dev", "squall deploy", "squall undeploy", "squall logs -f")
    ours = ("curl ", "printf ", "squall ", "Rscript ")
    return [line for line in lines if line.startswith(ours) and not line.startswith(lasting)]


@pytest.mark.parametrize("template", STORIES)
def test_the_commands_of_a_readme_work_as_they_stand(fresh_engine, tmp_path, template):
    folder = Folder(tmp_path / template, fresh_engine)
    folder.run("init", "--template", template, "--yes", fails=0)
    printed = folder.deploy().stdout
    # A page of the project has an address of its own.
    (address,) = [found for found in re.findall(r"http://\S+", printed) if ".s3-website." not in found]
    bucket = next(iter(folder.run("status", "--json", fails=0).json["buckets"]), "")
    (folder.path / "data.csv").write_text("id,time,value,x,y\na,1,2,1,2\na,2,4,2,3\nb,1,3,3,5\n")
    commands = commands_of((folder.path / "README.md").read_text())
    assert [line for line in commands if line.startswith("curl")], commands
    environment = {
        **folder.environment(),
        "SQUALL_DATA": str(fresh_engine.data),
        "PATH": f"{tmp_path / 'bin'}:{folder.environment()['PATH']}",
    }
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "squall").symlink_to(harness.binary())
    for command in commands:
        command = command.replace("ADDRESS", address.rstrip("/")).replace("BUCKET", bucket)
        command = command.replace("curl ", "curl --fail --silent --show-error ")

        def works():
            done = subprocess.run(
                ["bash", "-c", command],
                cwd=folder.path,
                env=environment,
                capture_output=True,
                timeout=harness.DEADLINE,
            )
            # What is on its way through buckets is not there yet.
            assert done.returncode == 0 or b"503" in done.stderr, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
            return done.returncode == 0

        eventually(works, command, every=0.2)
