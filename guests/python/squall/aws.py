"""Requests to services of AWS while a function starts, with the standard library alone.

Only what an init phase needs: a few requests, each tried again when the network or the
service has a bad moment, all within the time that Lambda gives to it.
"""

import http.client
import os
import time
import urllib.parse

from .signing import Credentials, sign

TRIES = 4
PAUSE_SECONDS = 0.1
TIMEOUT_SECONDS = 10
# Of an error's text.
MOST_SHOWN = 300
THROTTLED = ("Throttl", "TooManyRequests", "SlowDown", "RequestLimitExceeded")


class Failed(Exception):
    """A service did not do what it was asked, and asking again would not help."""


class PassingFailure(Exception):
    """Asked again, it may do it."""


class Service:
    """One service in the function's region, as the function's role."""

    def __init__(self, name, environ=os.environ):
        self.name = name
        self.region = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or "us-east-1"
        own = environ.get("AWS_ENDPOINT_URL_" + name.upper()) or environ.get("AWS_ENDPOINT_URL")
        #: Whether an engine, or something else that is not AWS, answers.
        self.is_elsewhere = bool(own)
        self.endpoint = (own or "https://%s.%s" % (name, self.domain())).rstrip("/")
        self.credentials = Credentials.from_environment(environ)
        if self.credentials is None:
            raise Failed("the function has no keys: AWS_ACCESS_KEY_ID is not set")

    def domain(self):
        return self.region + (".amazonaws.com.cn" if self.region.startswith("cn-") else ".amazonaws.com")

    def send(self, method, url, headers, body=b""):
        """The answer with its body unread, and its connection, which the caller closes."""
        signed = sign(self.credentials, method, url, headers, body, self.region, self.name)
        parts = urllib.parse.urlsplit(url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(parts.netloc, timeout=TIMEOUT_SECONDS)
        target = urllib.parse.urlunsplit(("", "", parts.path or "/", parts.query, ""))
        try:
            connection.request(method, target, body, signed)
            answer = connection.getresponse()
            if answer.status != 200:
                refuse(answer)
        except BaseException:
            connection.close()
            raise
        return answer, connection


def refuse(answer):
    text = answer.read(MOST_SHOWN).decode("utf-8", "replace")
    reason = "%d %s" % (answer.status, text.strip())
    passes = answer.status >= 500 or answer.status in (408, 429)
    raise (PassingFailure if passes or any(word in text for word in THROTTLED) else Failed)(reason)


def insist(call):
    """What `call` returns, tried again where that may help; `Failed` with the reason if not."""
    for attempt in range(TRIES):
        if attempt:
            time.sleep(PAUSE_SECONDS * 3**attempt)
        try:
            return call()
        except PassingFailure as error:
            reason = str(error)
        except (OSError, http.client.HTTPException) as error:
            reason = "%s: %s" % (type(error).__name__, error)
    raise Failed("%s (tried %d times)" % (reason, TRIES))
