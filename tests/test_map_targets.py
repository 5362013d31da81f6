"""`squall map --to aws`: the same calls go wherever AWS's clients would send them, with the
keys that these would find, over TLS."""

import asyncio
import contextlib
import ssl
import subprocess
import threading

import pandas as pd
import pytest

import harness
from map_cli import Map, profile

OPTIONS = ["--by", "id", "--value", "value", "--item", "list", "--payload", "json"]


@pytest.fixture
def squall_map(engine, tmp_path):
    return Map(engine, tmp_path)


@pytest.fixture(scope="module")
def double(module_functions):
    return module_functions.make("def handler(values: list):\n    return values[0] * 2\n")


FRAME = pd.DataFrame({"id": range(20), "value": range(20)})
DOUBLED = pd.DataFrame({"id": range(20), "value": range(0, 40, 2)}).to_csv(index=False)


def test_aws_is_where_its_variables_and_profiles_say(squall_map, engine, double, tmp_path):
    environment = profile(tmp_path / "aws", engine)
    environment["AWS_ENDPOINT_URL"] = engine.api
    done = squall_map.run(double, FRAME, *OPTIONS, "--to", "aws", environment=environment)
    assert done.output == DOUBLED
    environment.pop("AWS_ENDPOINT_URL")
    done = squall_map.run(
        double, FRAME, *OPTIONS, "--to", "aws", "--endpoint", engine.api, environment=environment
    )
    assert done.output == DOUBLED


def test_without_keys_or_region_aws_is_not_called(squall_map, engine, double, tmp_path):
    data = squall_map.file(FRAME)
    call = lambda environment: squall_map.call(double, data, *OPTIONS, "--to", "aws", environment=environment)
    nothing = harness.clean_environment(AWS_SHARED_CREDENTIALS_FILE="/dev/null")
    done = call(nothing)
    assert done.returncode == 2 and "there are no keys for AWS" in done.stderr
    done = call({**nothing, "AWS_PROFILE": "gone"})
    assert done.returncode == 2 and 'profile "gone"' in done.stderr
    keys = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "x"}
    done = call({**nothing, **keys})
    assert done.returncode == 2 and "AWS_REGION" in done.stderr
    # Keys that the endpoint does not know: refused at once.
    done = call({**nothing, **keys, "AWS_ENDPOINT_URL": engine.api})
    assert done.returncode == 2 and "security token" in done.stderr


def test_an_endpoint_where_nobody_is(squall_map, engine, double, tmp_path):
    environment = profile(tmp_path / "aws", engine)
    there = ["--endpoint", "http://127.0.0.1:1"]
    done = squall_map.call(double, squall_map.file(FRAME), *OPTIONS, *there, environment=environment)
    assert done.returncode == 2 and "nothing answers at 127.0.0.1:1" in done.stderr


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """A certificate authority of our own, and a certificate of it for localhost."""
    folder = tmp_path_factory.mktemp("tls")
    new = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]

    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    openssl("req", "-x509", *new, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=test authority")
    openssl("req", *new[:-2], "-keyout", "own.key", "-out", "own.csr", "-subj", "/CN=localhost")
    (folder / "names").write_text("subjectAltName = DNS:localhost\n")
    openssl(
        *("x509", "-req", "-in", "own.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"),
        *("-days", "2", "-extfile", "names", "-out", "own.pem"),
    )
    return folder


@contextlib.contextmanager
def behind_tls(engine, folder):
    """Takes TLS off, and hands everything on to the engine; gives the port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "own.pem", folder / "own.key")
    host, _, port = engine.api.removeprefix("http://").partition(":")

    async def pump(reader, writer):
        with contextlib.suppress(ConnectionError):
            while piece := await reader.read(1 << 16):
                writer.write(piece)
                await writer.drain()
        writer.close()

    async def serve(reader, writer):
        inner, out = await asyncio.open_connection(host, int(port))
        await asyncio.gather(pump(reader, out), pump(inner, writer))

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    start = asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    server = asyncio.run_coroutine_threadsafe(start, loop).result(harness.DEADLINE)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(harness.DEADLINE)


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "AWS_CA_BUNDLE"])
def test_https_with_an_authority_that_is_trusted(squall_map, engine, double, authority, tmp_path, variable):
    with behind_tls(engine, authority) as port:
        environment = profile(tmp_path / "aws", engine)
        environment["AWS_ENDPOINT_URL"] = f"https://localhost:{port}"
        environment[variable] = str(authority / "ca.pem")
        done = squall_map.run(double, FRAME, *OPTIONS, "--to", "aws", environment=environment)
        assert done.output == DOUBLED
        listed = subprocess.run(
            [str(harness.binary()), "functions"], capture_output=True, text=True, env=environment, check=True
        )
        assert double in listed.stdout


def test_https_with_an_authority_that_nobody_knows(squall_map, engine, double, authority, tmp_path):
    with behind_tls(engine, authority) as port:
        environment = profile(tmp_path / "aws", engine)
        environment["AWS_ENDPOINT_URL"] = f"https://localhost:{port}"
        data = squall_map.file(FRAME)
        done = squall_map.call(double, data, *OPTIONS, "--to", "aws", environment=environment)
        assert done.returncode == 2
        assert "no safe connection" in done.stderr and "AWS_CA_BUNDLE" in done.stderr
        environment["AWS_CA_BUNDLE"] = "/dev/null"
        done = squall_map.call(double, data, *OPTIONS, "--to", "aws", environment=environment)
        assert done.returncode == 2 and "no certificates to trust" in done.stderr
        # The name on the certificate counts.
        environment["AWS_CA_BUNDLE"] = str(authority / "ca.pem")
        environment["AWS_ENDPOINT_URL"] = f"https://127.0.0.1:{port}"
        done = squall_map.call(double, data, *OPTIONS, "--to", "aws", environment=environment)
        assert done.returncode == 2 and "no safe connection" in done.stderr
