"""Signature version 4 of AWS, with the standard library alone.

Written out here because a function may have no boto3, and because making a client of
boto3 takes longer than many a job.
"""

import datetime
import hashlib
import hmac
import os
import urllib.parse

ALGORITHM = "AWS4-HMAC-SHA256"
# Proxies on the way may change these, so they are left out of a signature.
UNSIGNED = ("connection", "expect", "transfer-encoding", "user-agent", "x-amzn-trace-id")


class Credentials:
    """Whose requests these are."""

    def __init__(self, access_key, secret_key, token=None):
        self.access_key, self.secret_key, self.token = access_key, secret_key, token
        self._key_of = None, b""

    @classmethod
    def from_environment(cls, environ=os.environ):
        """As Lambda puts them into every function; None where there are none."""
        access_key = environ.get("AWS_ACCESS_KEY_ID")
        secret_key = environ.get("AWS_SECRET_ACCESS_KEY")
        if not (access_key and secret_key):
            return None
        return cls(access_key, secret_key, environ.get("AWS_SESSION_TOKEN"))

    def signing_key(self, day, region, service):
        """Derived once a day: it takes four hashes."""
        scope, key = self._key_of
        if scope != (day, region, service):
            key = b"AWS4" + self.secret_key.encode()
            for part in (day, region, service, "aws4_request"):
                key = digest(key, part)
            # In one step, because threads share this.
            self._key_of = (day, region, service), key
        return key


def sign(credentials, method, url, headers, body, region, service, now=None):
    """The headers, with those that prove who sends them.

    `url` is what will be sent, so its path and query are already escaped.
    """
    now = now or datetime.datetime.now(datetime.timezone.utc)
    parts = urllib.parse.urlsplit(url)
    stamp = now.strftime("%Y%m%dT%H%M%SZ")
    signed = dict(headers, **{"Host": parts.netloc, "X-Amz-Date": stamp})
    if credentials.token:
        signed["X-Amz-Security-Token"] = credentials.token
    names, lines = canonical_headers(signed)
    request = "\n".join(
        (method, canonical_path(parts.path), canonical_query(parts.query), lines, names)
    )
    request += "\n" + hashlib.sha256(body).hexdigest()
    day = stamp[:8]
    scope = "%s/%s/%s/aws4_request" % (day, region, service)
    hashed = hashlib.sha256(request.encode()).hexdigest()
    key = credentials.signing_key(day, region, service)
    signature = digest(key, "\n".join((ALGORITHM, stamp, scope, hashed))).hex()
    signed["Authorization"] = "%s Credential=%s/%s, SignedHeaders=%s, Signature=%s" % (
        ALGORITHM,
        credentials.access_key,
        scope,
        names,
        signature,
    )
    return signed


def digest(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def canonical_path(path):
    """Escaped once more than it is sent, as every service but S3 wants it."""
    return urllib.parse.quote(path or "/", safe="/~")


def canonical_query(query):
    pairs = (pair.partition("=") for pair in query.split("&") if pair)
    return "&".join("%s=%s" % pair for pair in sorted((name, value) for name, _, value in pairs))


def canonical_headers(headers):
    """(names, lines); the lines end with an empty one, as the form of a request asks."""
    values = {
        name.lower(): " ".join(str(value).split())
        for name, value in headers.items()
        if name.lower() not in UNSIGNED
    }
    names = sorted(values)
    return ";".join(names), "".join("%s:%s\n" % (name, values[name]) for name in names)
