"""TLS of the gateway, with clients that check certificates as they should: Python's, curl."""

import datetime
import ipaddress
import json
import os
import shutil
import socket
import ssl
import subprocess
import time

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

import harness
from raw_http import Raw

TLS = {"SQUALL_GATEWAY_TLS": "127.0.0.1:0"}


@pytest.fixture(scope="module")
def own():
    """An engine that makes its own certificates, for both ports."""
    names = {"SQUALL_API_TLS": "127.0.0.1:0", "SQUALL_TLS_HOSTS": "shop.test,10.9.8.7", "SQUALL_HOSTS": "shop.test"}
    with harness.running_engine(environment={**TLS, **names}) as engine:
        yield engine
        assert engine.alive(), engine.log()


def port_of(url: str) -> int:
    return int(url.rsplit(":", 1)[1])


def trusting(engine) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=engine.ready["tls_authority"])


def connect(engine, name, context=None, url=None):
    """Agrees on keys under a name; the socket."""
    context = context or trusting(engine)
    raw = socket.create_connection(("127.0.0.1", port_of(url or engine.ready["gateway_tls"])), harness.DEADLINE)
    return context.wrap_socket(raw, server_hostname=name)


def test_the_address_is_told_everywhere(own):
    ready = own.ready
    assert ready["gateway_tls"].startswith("https://127.0.0.1:")
    assert ready["api_tls"].startswith("https://127.0.0.1:")
    kept = json.loads((own.data / "engine.json").read_text())
    assert kept["gateway_tls"] == ready["gateway_tls"]
    assert kept["tls_authority"] == ready["tls_authority"]
    info = json.loads(harness.call(own, "GET", "/_squall/info", service="squall").body)
    assert info["gateway_tls"] == ready["gateway_tls"]


def test_the_authoritys_key_is_for_its_owner_alone(own):
    for name in ("local-authority.json", "local-authority.pem"):
        assert os.stat(own.data / name).st_mode & 0o077 == 0


@pytest.mark.parametrize(
    "name",
    ["localhost", "x.localhost", "abc.execute-api.us-east-1.localhost", "abc.lambda-url.us-east-1.localhost"]
    + ["127.0.0.1", "::1", "shop.test", "10.9.8.7", "b.s3-website.localhost", socket.gethostname().lower()],
)
def test_its_own_certificates_hold_for_its_names(own, name):
    with connect(own, name) as stream:
        certificate = stream.getpeercert()
        begins = ssl.cert_time_to_seconds(certificate["notBefore"])
        ends = ssl.cert_time_to_seconds(certificate["notAfter"])
        assert begins < time.time() < ends
        assert ends - time.time() < 100 * 86400


def test_for_other_names_they_do_not(own):
    with pytest.raises(ssl.SSLCertVerificationError):
        connect(own, "evil.com")
    with pytest.raises(ssl.SSLCertVerificationError):
        connect(own, "localhost", ssl.create_default_context())


def test_the_api_is_served_over_tls_too(own):
    answer = httpx.get(f"{own.ready['api_tls']}/_squall/health", verify=trusting(own))
    assert answer.json() == {"status": "ok"}


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_both_versions_are_spoken_and_sessions_resumed(own, version):
    context = trusting(own)
    context.minimum_version = context.maximum_version = version
    raw = socket.create_connection(("127.0.0.1", port_of(own.ready["gateway_tls"])))
    with context.wrap_socket(raw, server_hostname="localhost") as first:
        first.sendall(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
        assert first.recv(9) == b"HTTP/1.1 "
        session = first.session
    raw = socket.create_connection(("127.0.0.1", port_of(own.ready["gateway_tls"])))
    with context.wrap_socket(raw, server_hostname="localhost", session=session) as second:
        assert second.version() == {771: "TLSv1.2", 772: "TLSv1.3"}[int(version)]
        assert second.session_reused


def test_older_versions_are_not(own):
    context = trusting(own)
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises((ssl.SSLError, OSError)):
        connect(own, "localhost", context)


def test_http_2_is_agreed_on(own):
    url = own.ready["gateway_tls"]
    with httpx.Client(http2=True, verify=trusting(own)) as client:
        assert client.get(f"{url}/nothing").http_version == "HTTP/2"
    with httpx.Client(http2=False, verify=trusting(own)) as client:
        assert client.get(f"{url}/nothing").http_version == "HTTP/1.1"


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
def test_curl_trusts_the_file_that_is_told(own):
    url = f"https://abc.execute-api.us-east-1.localhost:{port_of(own.ready['gateway_tls'])}/"
    done = subprocess.run(
        ["curl", "-sS", "--cacert", own.ready["tls_authority"], "-o", os.devnull, "-w", "%{http_code}", url]
        + ["--resolve", f"abc.execute-api.us-east-1.localhost:{port_of(url.rstrip('/'))}:127.0.0.1"],
        capture_output=True,
        text=True,
        timeout=harness.DEADLINE,
    )
    assert (done.returncode, done.stdout) == (0, "404"), done.stderr


def test_the_authority_survives_a_restart(tmp_path):
    engine = harness.Engine(tmp_path / "data", environment=TLS).start()
    try:
        first = open(engine.ready["tls_authority"]).read()
        context = trusting(engine)
        engine.stop()
        engine.start()
        assert open(engine.ready["tls_authority"]).read() == first
        connect(engine, "localhost", context).close()
    finally:
        engine.stop()


def test_what_is_no_tls_is_closed_and_so_is_what_agrees_on_nothing(own):
    url = own.ready["gateway_tls"].replace("https", "http")
    for first in (b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n", b"\x16\x03\x01\x00\x05hello", bytes(100)):
        with Raw(url) as raw:
            raw.send(first)
            while raw.more():
                pass
            assert b"HTTP" not in raw.seen
    assert httpx.get(own.ready["gateway_tls"], verify=trusting(own)).status_code < 500


def test_functions_see_that_they_are_asked_over_tls(own):
    client, name = own.client("lambda"), harness.unique()
    source = "def handler(event, context):\n    return event['headers']\n"
    client.create_function(
        FunctionName=name, Role=harness.ROLE, Runtime="python3.11", Handler="app.handler",
        Code={"ZipFile": harness.zip_of(source)},
    )
    client.add_permission(
        FunctionName=name, StatementId="s", Action="lambda:InvokeFunctionUrl", Principal="*", FunctionUrlAuthType="NONE"
    )
    made = client.create_function_url_config(FunctionName=name, AuthType="NONE")["FunctionUrl"]
    path = f"/lambda-url/{made.split('//')[1].split('.')[0]}"
    # What a client says of itself is not believed.
    lie = {"x-forwarded-proto": "ftp", "x-forwarded-port": "1"}
    seen = httpx.get(own.ready["gateway_tls"] + path, headers=lie, verify=trusting(own)).json()
    assert seen["x-forwarded-proto"] == "https"
    assert seen["x-forwarded-port"] == str(port_of(own.ready["gateway_tls"]))
    assert httpx.get(own.gateway + path, headers=lie).json()["x-forwarded-proto"] == "http"


# Certificates of the user's own


def made(folder, stem, *names, key=None, days=30):
    """A pair of PEM files that signs for itself."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, stem)])
    now = datetime.datetime.now(datetime.UTC)
    alternatives = [
        x509.IPAddress(ipaddress.ip_address(name)) if name[0].isdigit() else x509.DNSName(name) for name in names
    ]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .sign(key, hashes.SHA256())
    )
    paths = folder / f"{stem}.pem", folder / f"{stem}.key"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    paths[1].write_bytes(secret)
    paths[1].chmod(0o600)
    return paths


def given(tmp_path, certificate, key=None):
    settings = {**TLS, "SQUALL_TLS_CERTIFICATE": str(certificate)}
    if key:
        settings["SQUALL_TLS_KEY"] = str(key)
    return harness.Engine(tmp_path / "data", environment=settings)


@pytest.mark.parametrize("kind", ["ec", "rsa"])
def test_files_are_used_and_used_anew_when_they_change(tmp_path, kind):
    new = {"ec": lambda: None, "rsa": lambda: rsa.generate_private_key(65537, 2048)}[kind]
    certificate, key = made(tmp_path, "one", "first.test", "127.0.0.1", key=new())
    engine = given(tmp_path, certificate, key).start()
    try:
        assert "tls_authority" not in engine.ready
        first = ssl.create_default_context(cafile=certificate)
        connect(engine, "first.test", first).close()
        # Rotated, as tools do it: the new files take the places of the old ones.
        other = made(tmp_path, "two", "second.test", key=new())
        second = ssl.create_default_context(cafile=other[0])
        os.replace(other[1], key)
        os.replace(other[0], certificate)

        def is_new():
            try:
                connect(engine, "second.test", second).close()
                return True
            except ssl.SSLError:
                return False

        harness.eventually(is_new, "the new certificate is used")
        certificate.write_text("garbage")
        harness.eventually(lambda: "old ones stay" in engine.log(), "the log tells")
        connect(engine, "second.test", second).close()
    finally:
        engine.stop()


def test_a_folder_of_pairs_is_told_apart_by_names(tmp_path):
    folder = tmp_path / "certificates"
    folder.mkdir()
    pairs = {name: made(folder, name.split(".")[0], name)[0] for name in ("alpha.test", "beta.test")}
    engine = given(tmp_path, folder).start()
    try:
        for name, certificate in pairs.items():
            connect(engine, name, ssl.create_default_context(cafile=certificate)).close()
    finally:
        engine.stop()


def test_both_may_be_in_one_file(tmp_path):
    certificate, key = made(tmp_path, "one", "first.test")
    certificate.write_bytes(certificate.read_bytes() + key.read_bytes())
    certificate.chmod(0o600)
    engine = given(tmp_path, certificate).start()
    try:
        connect(engine, "first.test", ssl.create_default_context(cafile=certificate)).close()
    finally:
        engine.stop()


def test_a_key_that_others_can_read_is_a_warning(tmp_path):
    certificate, key = made(tmp_path, "one", "first.test")
    key.chmod(0o644)
    engine = given(tmp_path, certificate, key).start()
    try:
        assert "can read this key" in engine.log()
    finally:
        engine.stop()


def not_there(folder):
    certificate, key = made(folder, "one", "a.test")
    certificate.unlink()
    return certificate, key, "cannot read"


def no_certificate(folder):
    certificate, key = made(folder, "one", "a.test")
    certificate.write_text("nothing")
    return certificate, key, "no certificate in PEM form"


def no_key(folder):
    certificate, key = made(folder, "one", "a.test")
    key.write_bytes(certificate.read_bytes())
    return certificate, key, "no private key in PEM form"


def another_key(folder):
    certificate, _ = made(folder, "one", "a.test")
    _, key = made(folder, "two", "a.test")
    return certificate, key, "does not belong to the certificate"


def damaged(folder):
    certificate, key = made(folder, "one", "a.test")
    certificate.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    return certificate, key, "cannot be used"


def empty_folder(folder):
    (folder / "none").mkdir()
    return folder / "none", None, "no pair"


@pytest.mark.parametrize("case", [not_there, no_certificate, no_key, another_key, damaged, empty_folder])
def test_files_that_are_no_pair_are_a_mistake_at_the_start(tmp_path, case):
    certificate, key, words = case(tmp_path)
    settings = {**TLS, "SQUALL_TLS_CERTIFICATE": str(certificate), **({"SQUALL_TLS_KEY": str(key)} if key else {})}
    command = [harness.binary(), "up", "--api", "127.0.0.1:0", "--gateway", "127.0.0.1:0", "--data", tmp_path / "d"]
    done = subprocess.run(
        list(map(str, command)),
        env=harness.clean_environment(**settings),
        capture_output=True,
        text=True,
        timeout=harness.DEADLINE,
    )
    assert done.returncode == 2, done.stderr
    assert "hint: " in done.stderr
    assert words in done.stderr
    assert certificate.name in done.stderr or (key and key.name in done.stderr)
