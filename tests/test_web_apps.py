"""Apps behind the gateway, unchanged: a Flask app that takes a CSV and gives a PNG, a
FastAPI app with a lifespan; by function URLs and HTTP APIs, asked by requests."""

import importlib.metadata
import re
import shutil
import subprocess
import sys

import pytest
import requests

from harness import ROOT
from test_function_urls import allow_public_url
from wrapped import wrapped

PANDAS = [("numpy",), ("pandas", "python-dateutil", "six")]

FLASK = """
import io, struct, zlib

import pandas
from flask import Flask, jsonify, redirect, request, send_file, session, url_for

app = Flask(__name__)
app.secret_key = "known to all"


@app.post("/upload")
def upload():
    table = pandas.read_csv(request.files["table"])
    return jsonify(rows=len(table), mean=table["value"].mean(), by=request.form["by"])


@app.get("/chart.png")
def chart():
    width = request.args.get("width", type=int)
    raw = b"".join(b"\\0" + bytes(width) for _ in range(3))
    def part(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    png = b"\\x89PNG\\r\\n\\x1a\\n" + part(b"IHDR", struct.pack(">IIBBBBB", width, 3, 8, 0, 0, 0, 0))
    png += part(b"IDAT", zlib.compress(raw)) + part(b"IEND", b"")
    return send_file(io.BytesIO(png), mimetype="image/png", download_name="chart.png", as_attachment=True)


@app.get("/count")
def count():
    session["count"] = session.get("count", 0) + 1
    return redirect(url_for("counted"))


@app.get("/counted")
def counted():
    answer = jsonify(count=session.get("count"))
    answer.set_cookie("other", "1")
    answer.set_cookie("third", "2")
    return answer


@app.get("/fail")
def fail():
    raise ValueError("inside")
"""

FASTAPI = """
import asyncio
from contextlib import asynccontextmanager

from fastapi import BackgroundTasks, FastAPI, HTTPException, Request, UploadFile
from fastapi.responses import StreamingResponse
from pydantic import BaseModel


@asynccontextmanager
async def lifespan(app):
    yield {"loop": asyncio.get_running_loop(), "served": []}


app = FastAPI(lifespan=lifespan)


class Point(BaseModel):
    x: float
    y: float


@app.post("/norm")
async def norm(point: Point):
    await asyncio.sleep(0)
    return {"norm": (point.x**2 + point.y**2) ** 0.5}


@app.get("/items/{name}")
def item(name: str, request: Request):
    if name == "none":
        raise HTTPException(404, "no such item")
    return {"name": name, "url": str(request.url), "here": str(request.url_for("item", name=name))}


@app.post("/size")
async def size(file: UploadFile):
    return {"size": len(await file.read()), "name": file.filename}


@app.get("/stream")
async def stream():
    async def parts():
        for n in range(3):
            yield b"%d\\n" % n
    return StreamingResponse(parts(), media_type="application/octet-stream")


@app.get("/served")
async def served(request: Request, later: BackgroundTasks):
    state = request.state
    later.add_task(state.served.append, 1)
    return {"served": len(state.served), "same": state.loop is asyncio.get_running_loop()}
"""


def needed_by(*distributions) -> tuple:
    """These and all that they need, without what only their extras do."""
    found, todo = set(), list(distributions)
    while todo:
        name = re.sub(r"[-_.]+", "-", todo.pop()).lower()
        if name not in found:
            found.add(name)
            for line in importlib.metadata.requires(name) or []:
                if "extra ==" not in line and "python_version <" not in line and "platform" not in line:
                    todo.append(re.match(r"[\w.-]+", line)[0])
    return tuple(sorted(found))


@pytest.fixture(scope="module")
def site(awslambda, module_functions, publish_layer):
    """Makes a function of an app; its name and the address of its function URL."""

    def make(source, needs, layers=(), **more):
        settings = wrapped(source, app="app:app", MemorySize=1024, Timeout=60, **more)
        settings["Layers"] = [publish_layer(*needed_by(*needs)), *(publish_layer(*layer) for layer in layers)]
        name = module_functions.make(**settings)
        made = awslambda.create_function_url_config(FunctionName=name, AuthType="NONE")
        allow_public_url(awslambda, name)
        return name, made["FunctionUrl"].rstrip("/")

    return make


@pytest.fixture(scope="module")
def flask_site(site):
    return site(FLASK, ["flask"], PANDAS)


@pytest.fixture(scope="module")
def fastapi_site(site):
    return site(FASTAPI, ["fastapi", "python-multipart"])


def test_a_flask_app_takes_a_csv_and_gives_a_png(local_names, flask_site):
    check_flask(flask_site[1])


def check_flask(url):
    table = "id,value\n" + "".join(f"{n},{n / 2}\n" for n in range(1001))
    # As a browser sends it: several parts, which are no text as a whole.
    sent = requests.post(url + "/upload", files={"table": ("a.csv", table)}, data={"by": "größe"})
    assert sent.status_code == 200, sent.text
    assert sent.json() == {"rows": 1001, "mean": 250.0, "by": "größe"}

    chart = requests.get(url + "/chart.png?width=300")
    assert chart.headers["content-type"] == "image/png"
    assert "chart.png" in chart.headers["content-disposition"]
    assert chart.content.startswith(b"\x89PNG\r\n\x1a\n") and chart.content.endswith(b"IEND\xaeB`\x82")
    head = requests.head(url + "/chart.png?width=300")
    assert (head.status_code, head.content) == (200, b"")


def test_sessions_cookies_and_links_of_a_flask_app(local_names, flask_site):
    url = flask_site[1]
    with requests.Session() as browser:
        for count in (1, 2, 3):
            answer = browser.get(url + "/count")
            assert answer.url == url + "/counted", "a link leads to where the app is"
            assert answer.json() == {"count": count}
        assert {"session", "other", "third"} <= set(browser.cookies.keys())


def test_an_app_by_its_path(engine, flask_site):
    """Where names below localhost mean nothing, links have the path in front of them."""
    address = flask_site[1].split("://")[1].split(".")[0]
    url = f"{engine.gateway}/lambda-url/{address}"
    answer = requests.get(url + "/count")
    assert answer.url == url + "/counted"
    assert answer.status_code == 200


def test_errors_of_a_flask_app_are_its_own(local_names, awslambda, engine, flask_site):
    name, url = flask_site
    failed = requests.get(url + "/fail")
    assert failed.status_code == 500
    assert "Internal Server Error" in failed.text and "inside" not in failed.text
    assert requests.get(url + "/nothing").status_code == 404
    assert requests.put(url + "/upload").status_code == 405


def test_a_fastapi_app(local_names, fastapi_site):
    check_fastapi(fastapi_site[1])


def check_fastapi(url):
    assert requests.post(url + "/norm", json={"x": 3, "y": 4}).json() == {"norm": 5.0}
    assert requests.post(url + "/norm", json={"x": "no"}).status_code == 422
    item = requests.get(url + "/items/ä b?q=1").json()
    assert item["name"] == "ä b"
    assert item["here"] == url + "/items/ä b"
    assert requests.get(url + "/items/none").json() == {"detail": "no such item"}
    content = bytes(range(256)) * 400
    assert requests.post(url + "/size", files={"file": ("x.bin", content)}).json() == {"size": 102_400, "name": "x.bin"}
    assert requests.get(url + "/stream").content == b"0\n1\n2\n"
    # The pages that FastAPI makes of itself, too.
    assert "/norm" in requests.get(url + "/openapi.json").json()["paths"]


def test_requests_of_an_instance_share_a_loop_and_a_state(local_names, fastapi_site):
    url = fastapi_site[1]
    seen = [requests.get(url + "/served").json() for _ in range(20)]
    assert all(one["same"] for one in seen)
    # One after the other: the instance that was used last is used again.
    assert max(one["served"] for one in seen) > 0


def test_an_app_behind_an_http_api(local_names, engine, awslambda, flask_site, fastapi_site):
    api = engine.client("apigatewayv2")
    for (name, _), check in ((flask_site, check_flask), (fastapi_site, check_fastapi)):
        arn = awslambda.get_function(FunctionName=name)["Configuration"]["FunctionArn"]
        made = api.create_api(Name=name, ProtocolType="HTTP", Target=arn)
        awslambda.add_permission(
            FunctionName=name, StatementId="api", Action="lambda:InvokeFunction", Principal="apigateway.amazonaws.com"
        )
        check(made["ApiEndpoint"].rstrip("/"))


def test_an_app_that_cannot_be_loaded_says_why(functions):
    for source, app, kind, words in [
        ("import absent", "app:app", "Runtime.ImportModuleError", "Unable to import module 'app': No module named 'absent'"),
        ("", "app:app", "Runtime.HandlerNotFound", "Handler 'app' missing on module 'app'"),
        ("", "nowhere:app", "Runtime.ImportModuleError", "No module named 'nowhere'"),
        ("app = 3", "app:app", "TypeError", "'int' is no app"),
        ("", "app", "Runtime.MalformedHandlerName", "Bad app 'app'"),
        ("def make():\n    raise KeyError('inside')", "app:make()", "KeyError", "inside"),
    ]:
        error = functions.fail(functions.make(**wrapped(source, app=app)))
        assert error["errorType"] == kind, error
        assert words in error["errorMessage"]


def test_the_templates_own_tests(tmp_path):
    """What `squall init --template web-app` writes can be tested where there is no engine."""
    folder = ROOT / "crates" / "project" / "templates" / "web-app"
    shutil.copytree(folder, tmp_path / "web-app")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=tmp_path / "web-app", capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_a_factory_and_a_nested_name(local_names, awslambda, functions):
    source = """
    class Site:
        def app(self, environ, start_response):
            start_response("200 OK", [("content-type", "text/plain")])
            return [environ["PATH_INFO"].encode()]

    def create_app():
        return Site().app

    site = Site()
    """
    for app in ("web/site:create_app()", "web.site:site.app"):
        name = functions.make(**wrapped({"web/__init__.py": "", "web/site.py": source}, app=app))
        url = awslambda.create_function_url_config(FunctionName=name, AuthType="NONE")["FunctionUrl"]
        allow_public_url(awslambda, name)
        assert requests.get(url + "here").text == "/here"


def test_an_app_runs_on_the_library_alone_with_awss_own_client(functions):
    """As on AWS: nothing of Squall's engine is there, only what is in the package."""
    import json

    from test_runtimes import RIC, installed

    bootstrap = '#!/bin/sh\nexport PYTHONPATH="$LAMBDA_TASK_ROOT"\nexec python3 -m awslambdaric "$_HANDLER"\n'
    source = """
    async def app(scope, receive, send):
        if scope["type"] == "lifespan":
            await receive()
            scope["state"]["begun"] = True
            await send({"type": "lifespan.startup.complete"})
            return
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
        await send({"type": "http.response.body", "body": str(scope["state"]).encode()})
    """
    files = {"app.py": source, "bootstrap": bootstrap, **installed(*RIC)}
    name = functions.make(**wrapped(files, app="app:app", Runtime="provided.al2023", MemorySize=256))
    event = {"rawPath": "/", "headers": {}, "requestContext": {"http": {"method": "GET"}}}
    for _ in range(2):
        assert functions.call(name, event)["body"] == "{'begun': True}"
    assert json.dumps(functions.call(name, event)["statusCode"]) == "200"
