"""Invoke of AWS Lambda over keep-alive connections, with the standard library alone.

An answer is one of the classes below, because what a map does next depends only on
which it is.
"""

import http.client
import json
import os
import socket
import ssl
import threading
import urllib.parse

from .signing import Credentials, sign

PATH = "/2015-03-31/functions/%s/invocations"
CONNECT_SECONDS = 10
# A function runs for 15 minutes at most; somewhat more, so that its own time limit speaks first.
ANSWER_SECONDS = 930
# Answers hold 6 MB at most; what is longer than this is not from Lambda.
MOST_ANSWER = 64 * 1024 * 1024
THROTTLED = ("TooManyRequestsException", "ThrottlingException", "EC2ThrottledException")
TOO_LARGE = ("RequestTooLargeException", "RequestEntityTooLargeException")
# What ends the process ends all items of its chunk; one of them is to blame.
DIED = (
    "Runtime.OutOfMemory",
    "Runtime.ExitError",
    "Sandbox.Timedout",
    "Sandbox.Failure",
    "Function.ResponseSizeTooLarge",
)
NOT_LOADED = (
    "Runtime.ImportModuleError",
    "Runtime.HandlerNotFound",
    "Runtime.MalformedHandlerName",
    "Runtime.BuiltInModuleConflict",
    "Runtime.UserCodeSyntaxError",
    "Runtime.InvalidEntrypoint",
)


class Answered:
    """The function returned this, as parsed JSON."""

    def __init__(self, value):
        self.value = value


class Errored:
    """The function failed; `error` is the object that AWS gives."""

    def __init__(self, error):
        self.kind = error.get("errorType") or "Error"
        self.message = error.get("errorMessage") or ""
        self.stack = error.get("stackTrace") or []

    @property
    def died(self):
        """Whether something ended the process or the answer, not the handler by an exception."""
        return self.kind in DIED or "Task timed out" in self.message

    @property
    def ends_all(self):
        """Whether no other event would fare better: it could not be started, or takes no chunks."""
        return self.kind in NOT_LOADED or self.kind.startswith("Squall.")


class TooLarge(Errored):
    """The event is more than Lambda takes."""

    died = True


class TryAgain:
    """Nothing was said about the function: too many requests, or a lost connection."""

    def __init__(self, reason):
        self.reason = reason


class InvokeError(Exception):
    """No event will be taken: no such function, no permission, no credentials."""


class Client:
    """Invokes functions. Each thread has a connection of its own."""

    def __init__(self, environ=os.environ):
        self.region = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or "us-east-1"
        endpoint = environ.get("AWS_ENDPOINT_URL_LAMBDA") or environ.get("AWS_ENDPOINT_URL")
        #: Whether an engine beside this process answers, and shares its processors with it.
        self.local = bool(endpoint)
        self.endpoint = (endpoint or amazon(self.region)).rstrip("/")
        self.parts = urllib.parse.urlsplit(self.endpoint)
        if self.parts.scheme not in ("http", "https") or not self.parts.hostname:
            raise InvokeError("AWS_ENDPOINT_URL is not an http address: %s" % self.endpoint)
        self.credentials = Credentials.from_environment(environ)
        if self.credentials is None:
            raise InvokeError("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set")
        self.headers = {"Content-Type": "application/json"}
        # By this Lambda notices functions that call themselves without end.
        trace = environ.get("_X_AMZN_TRACE_ID")
        if trace and environ.get("AWS_LAMBDA_FUNCTION_NAME"):
            self.headers["X-Amzn-Trace-Id"] = trace
        # Made once: it reads the certificates of the machine.
        self.tls = ssl.create_default_context() if self.parts.scheme == "https" else None
        self.mine = threading.local()
        self.lock = threading.Lock()
        self.open = set()
        self.closed = False

    def invoke(self, function, event, qualifier=None):
        """Sends an event (bytes of JSON) and waits; one of the classes above."""
        target = PATH % urllib.parse.quote(function, safe="")
        if qualifier:
            target += "?Qualifier=" + urllib.parse.quote(qualifier, safe="")
        signed = sign(
            self.credentials,
            "POST",
            self.endpoint + target,
            self.headers,
            event,
            self.region,
            "lambda",
        )
        try:
            status, headers, body = self.exchange(self.parts.path + target, event, signed)
        except (OSError, http.client.HTTPException) as error:
            self.drop()
            return TryAgain("%s: %s" % (type(error).__name__, error))
        return understand(status, headers, body)

    def exchange(self, target, body, headers):
        connection = self.connection()
        connection.request("POST", target, body, headers)
        answer = connection.getresponse()
        content = answer.read(MOST_ANSWER)
        if answer.will_close or not answer.isclosed():
            self.drop()
        return answer.status, answer.headers, content

    def connection(self):
        connection = getattr(self.mine, "connection", None)
        if connection is None:
            host, port = self.parts.hostname, self.parts.port
            if self.tls:
                connection = http.client.HTTPSConnection(
                    host, port, timeout=CONNECT_SECONDS, context=self.tls
                )
            else:
                connection = http.client.HTTPConnection(host, port, timeout=CONNECT_SECONDS)
            connection.connect()
            connection.sock.settimeout(ANSWER_SECONDS)
            self.mine.connection = connection
            with self.lock:
                self.open.add(connection)
                if self.closed:
                    raise OSError("this client is closed")
        return connection

    def drop(self):
        connection = getattr(self.mine, "connection", None)
        if connection is not None:
            self.mine.connection = None
            with self.lock:
                self.open.discard(connection)
            connection.close()

    def close(self):
        """Ends every request that is under way: its thread gets `TryAgain`."""
        with self.lock:
            self.closed = True
            for connection in self.open:
                try:
                    connection.sock.shutdown(socket.SHUT_RDWR)
                except (OSError, AttributeError):
                    pass  # it has ended by itself


def amazon(region):
    domain = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    return "https://lambda.%s.%s" % (region, domain)


def understand(status, headers, body):
    if status == 200 and not headers.get("X-Amz-Function-Error"):
        try:
            return Answered(json.loads(body) if body else None)
        except ValueError:
            return TryAgain("the answer is not JSON")
    try:
        said = json.loads(body)
    except ValueError:
        said = {}
    if not isinstance(said, dict):
        said = {"errorMessage": str(said)}
    if status == 200:
        error = Errored(said)
        # The function could not fetch its chunk, or put down what it answered.
        return TryAgain(error.message) if error.kind == "Squall.Exchange" else error
    kind = headers.get("X-Amzn-ErrorType") or said.get("__type") or ""
    kind = kind.partition(":")[0].rpartition("#")[2]
    message = said.get("Message") or said.get("message") or "status %d" % status
    if status == 429 or kind in THROTTLED:
        return TryAgain("%s: %s" % (kind or "TooManyRequestsException", message))
    if status == 413 or kind in TOO_LARGE:
        return TooLarge({"errorType": kind or TOO_LARGE[0], "errorMessage": message})
    # A function that is being made or updated is there in a moment.
    if status >= 500 or status == 408 or kind == "ResourceConflictException":
        return TryAgain("%s: %s" % (kind or "status %d" % status, message))
    raise InvokeError("%s: %s" % (kind or "status %d" % status, message))
