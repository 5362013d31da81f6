"""What is measured: Squall and the engines beside it, behind one small face.

A peer starts on free ports, takes functions, and says how to sign for it.
Peers are installed under .cache/, into an environment of Python or an npm prefix
of their own, the first time they are needed.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))
import clouds  # noqa: E402
import harness  # noqa: E402
from clouds import Unavailable, environment_of, free_port, wait_for_http  # noqa: E402
from layers import layer_zip  # noqa: E402

CACHE = ROOT / ".cache"
# Of the same release as the s3s that Squall speaks S3 with.
S3S_FS = "0.14.1"
# The last line of versions that runs without an account at its maker.
SERVERLESS = ("serverless@3.40.0", "serverless-offline@13.9.0")
SCIENCE_LAYERS = (("numpy",), ("scipy",), ("pandas", "python-dateutil", "six"))


class Peer:
    """The face; a subclass starts the process and fills in `api` and the keys."""

    name = "peer"
    region = "us-east-1"
    access_key = secret_key = "test"
    api = ""
    process = None

    def __enter__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="squall-bench-"))
        try:
            self.start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, *_):
        if self.process and self.process.poll() is None:
            # The whole session: peers leave workers behind otherwise.
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def spawn(self, command, environment, cwd=None):
        log = open(self.folder / "log", "ab")
        self.process = subprocess.Popen(
            [str(word) for word in command],
            cwd=cwd or self.folder,
            env={**harness.clean_environment(), **environment},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )

    def pid(self) -> int:
        return self.process.pid

    def client(self, service="lambda", **config):
        settings = {"retries": {"total_max_attempts": 1}, "read_timeout": 300}
        return boto3.client(
            service,
            endpoint_url=self.api,
            region_name=self.region,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            config=Config(**{**settings, **config}),
        )

    def create(self, name: str, source: str, science=False, memory=512):
        client = self.client()
        request = {
            "FunctionName": name,
            "Role": "arn:aws:iam::000000000000:role/any",
            "Runtime": "python3.11",
            "Handler": "app.handler",
            "Timeout": 120,
            "MemorySize": memory,
            "Code": {"ZipFile": harness.zip_of({"app.py": source})},
        }
        if science:
            request["Layers"] = self.science_layers(client)
        client.create_function(**request)
        client.get_waiter("function_active_v2").wait(FunctionName=name)

    def science_layers(self, client) -> list[str]:
        arns = []
        for distributions in SCIENCE_LAYERS:
            name = "-".join(distributions)
            answer = client.publish_layer_version(
                LayerName=name, Content={"ZipFile": layer_zip(*distributions)}
            )
            arns.append(answer["LayerVersionArn"])
        return arns

    @property
    def address(self) -> str:
        return urlsplit(self.api).netloc

    def signed_invoke(self, name: str, event=None) -> bytes:
        """A whole HTTP request, signed; valid for some minutes."""
        body = json.dumps(event).encode()
        url = f"{self.api}/2015-03-31/functions/{name}/invocations"
        request = AWSRequest("POST", url, data=body, headers={"Content-Type": "application/json"})
        credentials = Credentials(self.access_key, self.secret_key)
        SigV4Auth(credentials, "lambda", self.region).add_auth(request)
        head = f"POST {urlsplit(url).path} HTTP/1.1\r\nHost: {self.address}\r\n"
        head += "".join(f"{key}: {value}\r\n" for key, value in request.headers.items())
        return (head + f"Content-Length: {len(body)}\r\n\r\n").encode() + body


class Squall(Peer):
    name = "Squall"

    def start(self):
        self.engine = harness.Engine(self.folder / "data").start()
        self.process = self.engine.process
        self.api, self.region = self.engine.api, self.engine.region
        self.access_key, self.secret_key = self.engine.access_key, self.engine.secret_key

    def __exit__(self, *_):
        if getattr(self, "engine", None) and self.engine.alive():
            self.engine.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def start_cloud(peer: Peer, cloud: clouds.Cloud):
    """The same process as in the tests."""
    port = free_port()
    peer.api = f"http://127.0.0.1:{port}"
    peer.spawn(*cloud.command(environment_of(cloud.requirements), port))
    wait_for_http(peer.api + cloud.health(), peer.process)


class MiniStack(Peer):
    name = "MiniStack"

    def start(self):
        start_cloud(self, clouds.MiniStack())


class Moto(Peer):
    """Keeps everything in memory, or in temporary files where it is large."""

    name = "moto"

    def start(self):
        start_cloud(self, clouds.Moto())


class S3sFs(Peer):
    """The sample server of the s3s project: the same protocol code over plain files, not synced."""

    name = "s3s-fs"

    def start(self):
        home = CACHE / "s3s-fs"
        if not (home / "bin" / "s3s-fs").exists():
            print(f"building s3s-fs {S3S_FS} into {home}", file=sys.stderr)
            command = ["cargo", "install", "--quiet", "--locked", "--root", home, "--version", S3S_FS]
            if subprocess.run([*command, "--features", "binary", "s3s-fs"]).returncode:
                raise Unavailable("cargo could not build it")
        port = free_port()
        self.api = f"http://127.0.0.1:{port}"
        root = self.folder / "root"
        root.mkdir()
        keys = ("--access-key", self.access_key, "--secret-key", self.secret_key)
        self.spawn([home / "bin" / "s3s-fs", *keys, "--host", "127.0.0.1", "--port", port, root], {"RUST_LOG": "error"})
        wait_for_http(self.api, self.process)


class ServerlessOffline(Peer):
    """Knows only the functions of its serverless.yml, and runs them from a folder."""

    name = "serverless-offline"

    def start(self):
        self.prefix = CACHE / "serverless-offline"
        if not (self.prefix / "node_modules" / "serverless-offline").exists():
            if not shutil.which("npm"):
                raise Unavailable("npm is not installed")
            print(f"installing {' '.join(SERVERLESS)} into {self.prefix}", file=sys.stderr)
            self.prefix.mkdir(parents=True, exist_ok=True)
            (self.prefix / "package.json").write_text('{"private": true}\n')
            command = ["npm", "install", "--no-audit", "--no-fund", "--silent", *SERVERLESS]
            if subprocess.run(command, cwd=self.prefix).returncode:
                raise Unavailable("npm could not install it")
        self.functions = {}

    def create(self, name, source, science=False, memory=512):
        self.functions[name] = memory
        (self.folder / f"{name}.py").write_text(source)
        if self.process:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        port = free_port()
        self.api = f"http://127.0.0.1:{port}"
        entries = "".join(
            f"  {key}:\n    handler: {key}.handler\n    name: {key}\n    memorySize: {size}\n"
            for key, size in self.functions.items()
        )
        (self.folder / "serverless.yml").write_text(
            "service: bench\nframeworkVersion: '3'\nplugins:\n  - serverless-offline\n"
            "provider:\n  name: aws\n  runtime: python3.11\n  region: us-east-1\n  timeout: 120\n"
            f"custom:\n  serverless-offline:\n    lambdaPort: {port}\n    httpPort: {free_port()}\n"
            f"    websocketPort: {free_port()}\n"
            f"functions:\n{entries}"
        )
        link = self.folder / "node_modules"
        if not link.exists():
            link.symlink_to(self.prefix / "node_modules")
        environment = {
            "SLS_TELEMETRY_DISABLED": "1",
            "SLS_NOTIFICATIONS_MODE": "off",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            # Its Python is the one that has the libraries: it knows no layers.
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        }
        self.spawn([self.prefix / "node_modules" / ".bin" / "sls", "offline"], environment)
        wait_for_http(self.api, self.process)
