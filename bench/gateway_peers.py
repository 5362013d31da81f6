"""Who takes part in bench/gateway.py, and what each is asked."""

import shutil
import signal
import subprocess
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

import peers
from clouds import free_port, wait_for_http
from models_peers import APPLICANTS, QUERY, REQUIREMENTS, Failed
from peers import ROOT, Unavailable, environment_of, harness

HERE = Path(__file__).resolve().parent
PAGE = "<!doctype html><title>page</title>" + "<p>a page of one kilobyte</p>" * 34
PAGE = (PAGE + " " * 1024)[:1024]
ORIGIN = "https://pages.example"
NOOP = 'def handler(event, context):\n    return {"statusCode": 200, "body": "{\\"ok\\": true}"}\n'
RULES = {"AllowOrigins": [ORIGIN], "AllowMethods": ["GET"], "AllowHeaders": ["x-api-key"]}


@dataclass
class Asked:
    """One request, as a client sends it again and again."""

    target: str
    headers: dict = field(default_factory=dict)

    def request(self, address: str) -> bytes:
        return request_of(address, self.target, self.headers)


def request_of(address, target, headers) -> bytes:
    lines = [f"GET {target} HTTP/1.1"]
    if "host" not in {name.lower() for name in headers}:
        lines.append(f"Host: {address}")
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


class Contender:
    """The face: a server on a port, and what it can be asked."""

    name = "contender"
    #: Of what it is asked, for the measurement with silent connections.
    silent = "page"

    def __init__(self, folder: Path):
        self.folder = folder
        self.process = None

    def __enter__(self):
        try:
            self.start()
            for asked in self.asked().values():
                request = urllib.request.Request(f"http://{self.address}{asked.target}", headers=asked.headers)
                with urllib.request.urlopen(request, timeout=60) as answer:
                    if answer.status != 200:
                        raise Failed(f"{asked.target}: {answer.status}")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def pids(self) -> list[int]:
        return [self.process.pid, *harness.descendants(self.process.pid)]

    def run(self, *command, **how):
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        log = open(self.folder / f"{type(self).__name__}.log", "ab")
        command = [str(word).replace("PORT", str(self.port)) for word in command]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, **how)
        wait_for_http(f"http://{self.address}/", self.process)


class Squall(Contender):
    name = "Squall"
    silent = "page"

    def __init__(self, folder):
        super().__init__(folder)
        self.peer = peers.Squall()

    def start(self):
        self.peer.__enter__()
        self.process = None
        self.address = self.peer.engine.gateway.removeprefix("http://")
        self.gateway = self.peer.client("apigatewayv2")
        self.site()
        self.model()
        self.peer.create("noop", NOOP)
        self.open, self.closed = self.api("open"), self.api("closed", CorsConfiguration=RULES)
        self.key = self.make_key()

    def __exit__(self, *_):
        self.peer.__exit__(None, None, None)

    def pids(self):
        # What runs functions is there with or without connections.
        return [self.peer.engine.process.pid]

    def site(self):
        s3 = self.peer.client("s3")
        s3.create_bucket(Bucket="pages")
        s3.put_object(Bucket="pages", Key="page.html", Body=PAGE.encode(), ContentType="text/html")

    def model(self):
        fitted = self.folder / "admission.json"
        command = [harness.binary(), "model", "fit", "admit ~ gre + gpa + factor(rank)", APPLICANTS, "--family", "binomial"]
        done = subprocess.run([*command, "-o", fitted], capture_output=True, text=True)
        if done.returncode:
            raise Failed(done.stderr[-300:])
        s3 = self.peer.client("s3")
        s3.create_bucket(Bucket="models")
        s3.put_object(Bucket="models", Key="admission.json", Body=fitted.read_bytes())

    def api(self, name, **settings) -> str:
        api = self.gateway.create_api(Name=name, ProtocolType="HTTP", **settings)["ApiId"]
        self.gateway.create_stage(ApiId=api, StageName="$default", AutoDeploy=True)
        function = self.peer.client().get_function(FunctionName="noop")["Configuration"]["FunctionArn"]
        own = {"IntegrationType": "AWS_PROXY", "PayloadFormatVersion": "1.0"}
        for key, how in {
            "GET /noop": {**own, "PayloadFormatVersion": "2.0", "IntegrationUri": function},
            "GET /model": {
                **own,
                "IntegrationSubtype": "Squall-Model",
                "RequestParameters": {"model": "s3://models/admission.json"},
            },
            "GET /pages/{path+}": {
                **own,
                "IntegrationSubtype": "Squall-Site",
                "RequestParameters": {"bucket": "pages"},
            },
        }.items():
            to = self.gateway.create_integration(ApiId=api, **how)["IntegrationId"]
            self.gateway.create_route(
                ApiId=api, RouteKey=key, Target=f"integrations/{to}", ApiKeyRequired=name == "closed"
            )
        self.peer.client().add_permission(
            FunctionName="noop",
            StatementId=name,
            Action="lambda:InvokeFunction",
            Principal="apigateway.amazonaws.com",
            SourceArn=f"arn:aws:execute-api:{self.peer.region}:{function.split(':')[4]}:{api}/*",
        )
        return api

    def make_key(self) -> str:
        rest = self.peer.client("apigateway")
        plan = rest.create_usage_plan(
            name="bench",
            apiStages=[{"apiId": self.closed, "stage": "$default"}],
            quota={"limit": 2_000_000_000, "period": "MONTH"},
        )
        key = rest.create_api_key(name="bench", enabled=True)
        rest.create_usage_plan_key(usagePlanId=plan["id"], keyId=key["id"], keyType="API_KEY")
        return key["value"]

    def asked(self):
        known = {"x-api-key": self.key, "Origin": ORIGIN}
        seen = {}
        for name, path in (("page", "/pages/page.html"), ("model", f"/model?{QUERY}"), ("function", "/noop")):
            seen[name] = Asked(f"/execute-api/{self.open}{path}")
            seen[f"{name}, key"] = Asked(f"/execute-api/{self.closed}{path}", known)
        return seen


class Nginx(Contender):
    """Two workers, an access log like ours."""

    name = "nginx"

    def start(self):
        program = shutil.which("nginx") or "/usr/sbin/nginx"
        if not Path(program).exists():
            raise Unavailable("nginx is not installed: apt-get install nginx-light")
        home = self.folder / "nginx"
        (home / "html").mkdir(parents=True, exist_ok=True)
        (home / "html" / "page.html").write_text(PAGE)
        (home / "html" / "index.html").write_text(PAGE)
        home.chmod(0o755)
        self.folder.chmod(0o755)
        configuration = home / "nginx.conf"
        temporary = "".join(f"{kind}_temp_path {home}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        self.port = free_port()
        configuration.write_text(
            f"daemon off; worker_processes 2; pid {home}/pid; worker_rlimit_nofile 15000;"
            "events { worker_connections 12000; }"
            f"http {{ types {{ text/html html; }} access_log {home}/access.log; {temporary}"
            f"keepalive_requests 1000000000; keepalive_timeout 600s; sendfile on; tcp_nopush on; open_file_cache max=100;"
            f"server {{ listen 127.0.0.1:{self.port} backlog=4096; root {home}/html; }} }}\n"
        )
        log = open(self.folder / "nginx.log", "ab")
        self.address = f"127.0.0.1:{self.port}"
        command = [program, "-e", f"{home}/error.log", "-c", str(configuration)]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_for_http(f"http://{self.address}/", self.process)

    def asked(self):
        return {"page": Asked("/page.html")}


class FastApi(Contender):
    """Two workers: there are two processors."""

    name = "FastAPI, uvicorn"
    silent = "function"

    def start(self):
        python = environment_of(REQUIREMENTS) / "bin" / "python"
        how = ["--workers", "2", "--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "error"]
        how += ["--timeout-keep-alive", "600", "--backlog", "4096"]
        self.run(python, "-m", "uvicorn", "gateway_service:app", "--port", "PORT", *how, cwd=HERE)

    def asked(self):
        return {"function": Asked("/noop")}


class MiniStack(Contender):
    """An HTTP API before the same function."""

    name = "MiniStack"
    silent = "function"

    def __init__(self, folder):
        super().__init__(folder)
        self.peer = peers.MiniStack()

    def start(self):
        self.peer.__enter__()
        self.process = self.peer.process
        self.address = self.peer.address
        self.peer.create("noop", NOOP)
        functions, gateway = self.peer.client(), self.peer.client("apigatewayv2")
        arn = functions.get_function(FunctionName="noop")["Configuration"]["FunctionArn"]
        self.id = gateway.create_api(Name="bench", ProtocolType="HTTP")["ApiId"]
        gateway.create_stage(ApiId=self.id, StageName="$default", AutoDeploy=True)
        how = {"IntegrationType": "AWS_PROXY", "PayloadFormatVersion": "2.0", "IntegrationUri": arn}
        to = gateway.create_integration(ApiId=self.id, **how)["IntegrationId"]
        gateway.create_route(ApiId=self.id, RouteKey="GET /noop", Target=f"integrations/{to}")

    def __exit__(self, *_):
        self.peer.__exit__(None, None, None)

    def asked(self):
        return {"function": Asked(f"/_aws/execute-api/{self.id}/$default/noop")}


CONTENDERS = (Squall, Nginx, FastApi, MiniStack)
