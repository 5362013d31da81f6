"""An issuer of tokens, as real as a test needs one: its keys are served over HTTP, change,
and are away at times. Tokens are made by PyJWT."""

import base64
import contextlib
import http.server
import json
import threading
import time

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm


class Key:
    """One key of an issuer; its public half can be shown as a JWK."""

    def __init__(self, kind="rsa", name="key-1", **more):
        self.name = name
        self.more = more
        self.kind = kind
        if kind == "rsa":
            self.private = rsa.generate_private_key(public_exponent=65537, key_size=more.pop("bits", 2048))
            self.algorithm = "RS256"
        elif kind == "ed25519":
            self.private, self.algorithm = ed25519.Ed25519PrivateKey.generate(), "EdDSA"
        else:
            self.private = ec.generate_private_key({"p256": ec.SECP256R1(), "p384": ec.SECP384R1()}[kind])
            self.algorithm = {"p256": "ES256", "p384": "ES384"}[kind]

    def jwk(self) -> dict:
        how = {"rsa": RSAAlgorithm, "ed25519": OKPAlgorithm}.get(self.kind, ECAlgorithm)
        shown = how.to_jwk(self.private.public_key(), as_dict=True)
        shown.pop("key_ops", None)
        named = {} if self.name is None else {"kid": self.name}
        return {**shown, **named, "use": "sig", **self.more}

    def pem(self) -> bytes:
        return self.private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    def token(self, claims, algorithm=None, headers=None) -> str:
        named = {} if self.name is None else {"kid": self.name}
        return jwt.encode(claims, self.private, algorithm or self.algorithm, {**named, **(headers or {})})


def key_set(*keys) -> dict:
    return {"keys": [key if isinstance(key, dict) else key.jwk() for key in keys]}


def as_data(keys: dict) -> str:
    text = base64.b64encode(json.dumps(keys).encode()).decode()
    return f"data:application/json;base64,{text}"


def claims(issuer, **more) -> dict:
    now = int(time.time())
    own = {"iss": issuer, "aud": "app", "sub": "me", "iat": now, "exp": now + 600, **more}
    return {name: value for name, value in own.items() if value is not None}


class Issuer:
    """Serves what it says of itself, and its keys."""

    def __init__(self, *keys):
        self.keys = key_set(*keys)
        self.asked = []
        # What to answer instead: (status, headers, body), or None to hang up.
        self.instead = []
        issuer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                issuer.asked.append(self.path)
                answer = issuer.answer(self.path)
                if answer is None:
                    self.close_connection = True
                    return
                status, headers, body = answer
                self.send_response(status)
                for name, value in {"content-length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.jwks = f"{self.url}/keys"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, path):
        if self.instead:
            return self.instead[0]
        if path == "/.well-known/openid-configuration":
            said = {"issuer": self.url, "jwks_uri": self.jwks}
            return 200, {}, json.dumps(said).encode()
        if path == "/keys":
            return 200, {}, json.dumps(self.keys).encode()
        return 404, {}, b""

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
