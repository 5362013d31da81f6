"""Other people's AWS, to deploy to: moto and MiniStack, each a process in a Python environment
of its own. They have the faces of `harness.Engine` that a deployment needs: an address, keys,
clients.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import boto3
from botocore.config import Config

import harness

#: Environments lie beside the one that runs this, wherever that is cached.
ENVIRONMENTS = Path(sys.prefix).parent if sys.prefix != sys.base_prefix else harness.ROOT / ".cache"


class Unavailable(Exception):
    """It cannot be had here; the reason is its text."""


def free_port() -> int:
    """For programs that cannot be given port 0."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for_http(url: str, process: subprocess.Popen, seconds=60):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if process.poll() is not None:
            raise Unavailable(f"it ended with {process.returncode} while starting")
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.1)
    raise Unavailable(f"it did not answer within {seconds} s")


def environment_of(requirements: Path) -> Path:
    """A Python environment with what this file lists, made the first time; its folder."""
    home = ENVIRONMENTS / requirements.stem
    done = subprocess.run(
        [harness.ROOT / ".ci" / "venv", home, requirements], capture_output=True, text=True
    )
    if done.returncode:
        raise Unavailable(f"pip could not install {requirements.name}: {done.stderr[-500:]}")
    return home


class Cloud:
    """The face; a subclass says what to start."""

    name = "cloud"
    region = "us-east-1"
    access_key = secret_key = "test"
    account = "000000000000"
    api = ""
    process = None
    #: What a signal to it is to reach.
    requirements: Path
    #: Whether functions run there.
    invokes = False

    def command(self, home: Path, port: int) -> tuple[list, dict]:
        raise NotImplementedError

    def health(self) -> str:
        raise NotImplementedError

    def __enter__(self):
        home = environment_of(self.requirements)
        self.folder = Path(tempfile.mkdtemp(prefix="squall-cloud-"))
        try:
            port = free_port()
            self.api = f"http://127.0.0.1:{port}"
            command, environment = self.command(home, port)
            with open(self.folder / "log", "ab") as log:
                self.process = subprocess.Popen(
                    [str(word) for word in command],
                    cwd=self.folder,
                    env={**harness.clean_environment(), **environment},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            wait_for_http(self.api + self.health(), self.process)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, *_):
        if self.process and self.process.poll() is None:
            # The whole session: it may have left workers behind.
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def log(self) -> str:
        with contextlib.suppress(OSError):
            return (self.folder / "log").read_text(errors="replace")[-20_000:]
        return ""

    def client(self, service: str, **config):
        settings = {"retries": {"total_max_attempts": 1}, "read_timeout": 2 * harness.DEADLINE}
        return boto3.client(
            service,
            endpoint_url=self.api,
            region_name=self.region,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            config=Config(**{**settings, **config}),
        )

    def client_environment(self) -> dict:
        return harness.clean_environment(
            AWS_ENDPOINT_URL=self.api,
            AWS_ACCESS_KEY_ID=self.access_key,
            AWS_SECRET_ACCESS_KEY=self.secret_key,
            AWS_DEFAULT_REGION=self.region,
            AWS_REGION=self.region,
        )


class Moto(Cloud):
    name = "moto"
    account = "123456789012"
    requirements = Path(__file__).with_name("moto.txt")

    def command(self, home, port):
        return [home / "bin" / "moto_server", "-H", "127.0.0.1", "-p", port], {}

    def health(self):
        return "/moto-api/"


class MiniStack(Cloud):
    name = "MiniStack"
    requirements = Path(__file__).with_name("ministack.txt")
    invokes = True

    def command(self, home, port):
        environment = {
            "GATEWAY_PORT": str(port),
            "LAMBDA_EXECUTOR": "local",
            "PATH": f"{home / 'bin'}:{os.environ['PATH']}",
            # It hands this on to functions that are executables; Python's know it anyway.
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        }
        return [home / "bin" / "ministack"], environment

    def health(self):
        return "/_ministack/health"
