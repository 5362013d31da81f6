"""Who takes part in bench/models.py as a server: Squall's two ways, and beside them plumber, Rserve
and FastAPI. Each starts, is asked until it answers, and says what a request to it is made of.
"""

import json
import os
import shutil
import signal
import socket
import statistics
import struct
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

from peers import Squall, environment_of, free_port, harness

HERE = Path(__file__).resolve().parent
R = HERE / "models_r.R"
SERVICE = HERE / "models_service.py"
REQUIREMENTS = HERE / "models.txt"
APPLICANTS = HERE.parent / "crates" / "project" / "templates" / "r-model" / "applicants.csv"
WANTED = {"gre": 800, "gpa": 4, "rank": 1}
QUERY = "gre=800&gpa=4&rank=1"
#: Long enough for a first start that reads everything from the disk.
START = 60
EVERY = 0.001


class Failed(Exception):
    """A contender did not do it; the text says why."""


def rscript(*arguments) -> list[str]:
    return ["Rscript", "--vanilla", str(R), *map(str, arguments)]


def needs_r_package(name: str):
    """From Debian, where it can be had and this user may install it."""
    package = f"r-cran-{name.lower()}"
    probe = ["Rscript", "-e", f"library({name})"]
    if subprocess.run(probe, capture_output=True).returncode and os.getuid() == 0 and shutil.which("apt-get"):
        print(f"installing {package}", file=sys.stderr)
        command = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", package]
        subprocess.run(command, capture_output=True, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})
    if subprocess.run(probe, capture_output=True).returncode:
        raise Failed(f"R has no package {name}; Debian has it as {package}")


class Http:
    """A server in a process of its own, that answers GET of `target`."""

    name = target = ""

    def __init__(self, model: Path):
        self.model, self.port = model, free_port()
        self.prepare()

    def prepare(self):
        """What is there before the clock runs."""

    def command(self) -> list[str]:
        raise NotImplementedError

    def __enter__(self):
        before = time.perf_counter()
        self.process = subprocess.Popen(
            self.command(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=harness.clean_environment(),
            start_new_session=True,
        )
        try:
            self.first_answer(before)
        except BaseException:
            self.__exit__()
            raise
        self.cold_ms = 1000 * (time.perf_counter() - before)
        # Nobody reads it any more, and a full pipe would stop the server.
        threading.Thread(target=self.process.stderr.read, daemon=True).start()
        return self

    def __exit__(self, *_):
        with_group = os.getpgid(self.process.pid) if self.process.poll() is None else None
        if with_group:
            os.killpg(with_group, signal.SIGKILL)
        self.process.wait()

    def first_answer(self, before):
        while True:
            if self.process.poll() is not None:
                raise Failed(f"it ended with {self.process.returncode}: {self.process.stderr.read()[-300:]!r}")
            try:
                self.probability = self.ask()
                return
            except ConnectionError:
                if time.perf_counter() - before > START:
                    raise Failed(f"no answer within {START} s") from None
                time.sleep(EVERY)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def request(self) -> bytes:
        return f"GET {self.target} HTTP/1.1\r\nHost: {self.address}\r\n\r\n".encode()

    def ask(self) -> float:
        answer = exchange(self.address, self.request())
        value = json.loads(answer)
        return value["fit"] if "fit" in value else value["probability"]

    def load(self, loadgen, clients, seconds) -> dict:
        return run_loadgen(loadgen, self.address, self.request(), clients, seconds)


def exchange(address: str, request: bytes) -> bytes:
    """The body of one answer; a connection of its own."""
    host, port = address.split(":")
    with socket.create_connection((host, int(port)), timeout=START) as connection:
        connection.sendall(request)
        seen = b""
        while True:
            head, found, body = seen.partition(b"\r\n\r\n")
            if found:
                status = int(head.split()[1])
                lengths = [int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
                if lengths and len(body) >= lengths[0]:
                    if status != 200:
                        raise Failed(f"status {status}: {body[:300]!r}")
                    return body
            piece = connection.recv(65536)
            if not piece:
                raise ConnectionError("it closed the connection")
            seen += piece


def run_loadgen(loadgen, address, request: bytes, clients, seconds) -> dict:
    file = Path(loadgen).with_name(f"models-{os.getpid()}.request")
    file.write_bytes(request)
    try:
        command = [loadgen, "load", address, file, clients, "seconds", seconds]
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    finally:
        file.unlink()
    if done.returncode:
        raise Failed(done.stderr.strip()[:300])
    seen = json.loads(done.stdout)
    if seen["errors"]:
        raise Failed(f"{seen['errors']} errors, the first: {seen['first_error']}"[:300])
    return seen


class Plumber(Http):
    name = "plumber"
    target = f"/predict?{QUERY}"

    def prepare(self):
        needs_r_package("plumber")

    def command(self):
        return rscript("plumber", self.model, self.port)


class FastApi(Http):
    target = f"/predict?{QUERY}"

    def prepare(self):
        self.python = environment_of(REQUIREMENTS) / "bin" / "python"

    def command(self):
        return [str(self.python), str(SERVICE), self.kind, str(self.data()), str(self.port)]


class Statsmodels(FastApi):
    name, kind = "FastAPI, statsmodels", "statsmodels"

    def data(self):
        return APPLICANTS


class Rpy2(FastApi):
    name, kind = "FastAPI, rpy2", "rpy2"

    def data(self):
        return self.model


class Serve(Http):
    """Our own server of one model, without an engine around it."""

    name = "Squall, `model serve`"
    target = f"/?{QUERY}"

    def command(self):
        return [str(harness.binary()), "model", "serve", str(self.model), "--port", str(self.port), "--set", "coerce=true"]


class Rserve(Http):
    """Not HTTP: its own protocol, by as small a client as there can be."""

    name = "Rserve"
    EVALUATE = f"admission({WANTED['gre']}, {WANTED['gpa']}, {WANTED['rank']})$probability"

    def prepare(self):
        needs_r_package("Rserve")

    def command(self):
        return rscript("rserve", self.model, self.port)

    def request(self) -> bytes:
        text = self.EVALUATE.encode() + b"\0"
        text += b"\0" * (-len(text) % 4)
        # CMD_eval with one DT_STRING.
        parameter = struct.pack("<I", 4 | len(text) << 8) + text
        return struct.pack("<IIII", 3, len(parameter), 0, 0) + parameter

    def connect(self) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=START)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if not read_exactly(connection, 32).startswith(b"Rsrv"):
            raise Failed("that is no Rserve")
        return connection

    def ask(self) -> float:
        with self.connect() as connection:
            return evaluate(connection, self.request())

    def load(self, loadgen, clients, seconds) -> dict:
        request, start = self.request(), threading.Barrier(clients)

        def client(_):
            samples = []
            with self.connect() as connection:
                start.wait()
                end = time.perf_counter() + seconds
                while (before := time.perf_counter()) < end:
                    evaluate(connection, request)
                    samples.append(time.perf_counter() - before)
            return samples

        with ThreadPoolExecutor(clients) as pool:
            samples = [one for some in pool.map(client, range(clients)) for one in some]
        return {"per_second": len(samples) / seconds, "p50_ms": 1000 * statistics.median(samples)}


def read_exactly(connection, count) -> bytes:
    seen = b""
    while len(seen) < count:
        piece = connection.recv(count - len(seen))
        if not piece:
            raise ConnectionError("it closed the connection")
        seen += piece
    return seen


def evaluate(connection, request) -> float:
    connection.sendall(request)
    status, length = struct.unpack("<II8x", read_exactly(connection, 16))
    body = read_exactly(connection, length)
    if status & 0xFFFF != 1:
        raise Failed(f"Rserve answered {status:#x}")
    # DT_SEXP with its length, an array of doubles with its length, one double.
    return struct.unpack("<d", body[8:16])[0]


# Squall's engine

HANDLER = """
model <- readRDS("model.rds")
calls <- 0

answer <- function(event, context) {
  asked <- event$queryStringParameters
  list(
    statusCode = 200L,
    headers = list("content-type" = "application/json"),
    body = sprintf('{"probability":%.17g}', admission(asked$gre, asked$gpa, asked$rank))
  )
}

admission <- function(gre, gpa, rank) {
  row <- data.frame(gre = as.numeric(gre), gpa = as.numeric(gpa), rank = factor(rank, 1:4))
  unname(predict(model, row, type = "response"))
}

once <- function(gre, gpa, rank, gate = NULL) {
  calls <<- calls + 1
  if (!is.null(gate)) {
    connection <- socketConnection("127.0.0.1", gate, open = "r+b", blocking = TRUE, timeout = 60)
    writeBin(charToRaw("here"), connection)
    readBin(connection, "raw", 1)
    close(connection)
  }
  list(call = calls, probability = admission(gre, gpa, rank))
}
"""


class Engine:
    """One engine with the model behind both routes."""

    def __init__(self, model: Path):
        self.peer, self.model = Squall(), model

    def __enter__(self):
        self.peer.__enter__()
        try:
            self.build()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.peer.__exit__(None, None, None)

    def build(self):
        s3 = self.peer.client("s3")
        s3.create_bucket(Bucket="models")
        s3.put_object(Bucket="models", Key="admission.rds", Body=self.model.read_bytes())
        functions, self.client = self.peer.client(), self.peer.client(max_pool_connections=100)
        code = {"ZipFile": harness.zip_of({"service.R": HANDLER, "model.rds": self.model.read_bytes()})}
        for name, handler in (("r-route", "service.answer"), ("r-once", "service.once")):
            functions.create_function(
                FunctionName=name, Role=harness.ROLE, Runtime="r", Handler=handler, Timeout=60, MemorySize=512, Code=code
            )
            functions.get_waiter("function_active_v2").wait(FunctionName=name)
        arn = functions.get_function(FunctionName="r-route")["Configuration"]["FunctionArn"]
        account = arn.split(":")[4]
        functions.add_permission(
            FunctionName="r-route",
            StatementId="gateway",
            Action="lambda:InvokeFunction",
            Principal="apigateway.amazonaws.com",
            SourceArn=f"arn:aws:execute-api:{self.peer.region}:{account}:*",
        )
        gateway = self.peer.client("apigatewayv2")
        api = gateway.create_api(Name="bench", ProtocolType="HTTP")["ApiId"]
        gateway.create_stage(ApiId=api, StageName="$default", AutoDeploy=True)
        parts = {"ApiId": api, "IntegrationType": "AWS_PROXY"}
        native = gateway.create_integration(
            **parts,
            IntegrationSubtype="Squall-Model",
            PayloadFormatVersion="1.0",
            RequestParameters={"model": "s3://models/admission.rds", "coerce": "true"},
        )
        handler = gateway.create_integration(**parts, IntegrationUri=arn, PayloadFormatVersion="2.0")
        for path, made in (("native", native), ("r", handler)):
            target = f"integrations/{made['IntegrationId']}"
            gateway.create_route(ApiId=api, RouteKey=f"ANY /{path}", Target=target)
        self.path = f"/execute-api/{api}"
        self.address = urlsplit(self.peer.engine.gateway).netloc

    def cold(self, times) -> list[float]:
        """Milliseconds to an answer of instances that did not exist before: all that do are busy."""
        samples = []

        def call(**event):
            return harness.payload_of(
                self.client.invoke(FunctionName="r-once", Payload=json.dumps({**WANTED, **event}).encode())
            )

        assert call()["call"] == 1
        with harness.Gate() as gate, ThreadPoolExecutor(times + 1) as pool:
            holders = []
            try:
                for n in range(times):
                    holders.append(pool.submit(call, gate=gate.port))
                    gate.wait_for(n + 1)
                    before = time.perf_counter()
                    answer = call()
                    samples.append(1000 * (time.perf_counter() - before))
                    if answer["call"] != 1:
                        raise Failed("that was not a new instance")
            finally:
                gate.open()
            for holder in holders:
                holder.result()
        return samples


class Route:
    """A route of the engine, with the face of a server."""

    def __init__(self, engine: Engine, path: str):
        self.engine, self.address = engine, engine.address
        self.target = f"{engine.path}/{path}?{QUERY}"

    request, ask, load = Http.request, Http.ask, Http.load


def fresh_rscript(model: Path) -> float:
    """Milliseconds of a whole process that predicts once."""
    before = time.perf_counter()
    done = subprocess.run(rscript("once", model), capture_output=True)
    spent = 1000 * (time.perf_counter() - before)
    if done.returncode:
        raise Failed(done.stderr.decode()[-300:])
    return spent


def r_is_here() -> bool:
    return bool(shutil.which("Rscript"))
