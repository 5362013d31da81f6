"""Apps that speak WSGI or ASGI, behind API Gateway and function URLs, unchanged.

`handler_of(app)` makes a handler of an app. What is here turns events into requests
and what an app says into answers, for the payload formats 1.0 and 2.0; `wsgi` and
`asgi` speak to the apps.
"""

import base64
import inspect
import os
import traceback
import urllib.parse

# What belongs to one connection, or is decided by the bytes that the gateway sends.
NOT_THE_APPS = ("connection", "content-length", "keep-alive", "transfer-encoding", "upgrade")
TEXT = ("application/json", "application/javascript", "application/xml", "image/svg+xml")
FAILED = (500, [("content-type", "text/plain; charset=utf-8")], b"Internal Server Error")


def handler_of(app, environ=os.environ):
    """A Lambda handler that asks `app`."""
    if interface_of(app, environ.get("SQUALL_INTERFACE")) == "asgi":
        from .asgi import Asgi

        ask = Asgi(app, environ).ask
    else:
        from .wsgi import ask_wsgi

        ask = lambda request: ask_wsgi(app, request)

    def handler(event, context):
        request = Request(event, context)
        try:
            answer = ask(request)
        except Exception:
            # The caller gets an answer and not a broken gateway; the log gets the reason.
            print("[ERROR] " + traceback.format_exc().rstrip("\n").replace("\n", "\r"))
            answer = FAILED
        return request.answer(*answer)

    return handler


def interface_of(app, asked=None):
    """`asgi` for what is called with a scope and awaited, else `wsgi`."""
    if asked:
        if asked not in ("asgi", "wsgi"):
            raise ValueError("SQUALL_INTERFACE is asgi or wsgi, not %r" % asked)
        return asked
    if not callable(app):
        raise TypeError("%r is no app: it cannot be called" % type(app).__name__)
    call = app if inspect.isroutine(app) else type(app).__call__
    if inspect.iscoroutinefunction(app) or inspect.iscoroutinefunction(call):
        return "asgi"
    try:
        parameters = inspect.signature(app).parameters.values()
    except (TypeError, ValueError):
        return "wsgi"
    required = [one for one in parameters if one.default is one.empty and one.kind < one.VAR_POSITIONAL]
    # (scope, receive, send); a WSGI app takes (environ, start_response).
    return "asgi" if len(required) == 3 else "wsgi"


class Request:
    """An HTTP request, as an event tells it."""

    def __init__(self, event, context):
        about = event.get("requestContext") if type(event) is dict else None
        if type(about) is not dict or not ("http" in about or "httpMethod" in event):
            raise ValueError("an app answers HTTP requests, and this event is none")
        self.event, self.context, self.about = event, context, about
        self.domain = about.get("domainName") or ""
        self.is_second = "http" in about
        (self.read_second if self.is_second else self.read_first)()
        self.headers = [(name.lower(), str(value)) for name, value in self.headers]
        self.named = dict(reversed(self.headers))
        self.body = body_of(event)
        self.split_prefix()
        self.scheme = self.named.get("x-forwarded-proto", "https").partition(",")[0].strip()
        usual = "80" if self.scheme == "http" else "443"
        port = self.named.get("x-forwarded-port", usual).partition(",")[0].strip()
        self.port = int(port if port.isascii() and port.isdigit() else usual)
        self.host = self.domain or "localhost"

    def read_second(self):
        """Payload format 2.0, of function URLs and HTTP APIs."""
        about = self.about["http"]
        self.method, self.protocol = about["method"], about.get("protocol", "HTTP/1.1")
        self.client = about.get("sourceIp", "")
        self.path = self.event.get("rawPath") or "/"
        self.query = self.event.get("rawQueryString") or ""
        self.headers = list((self.event.get("headers") or {}).items())
        cookies = self.event.get("cookies")
        if cookies:
            self.headers.append(("cookie", "; ".join(cookies)))

    def read_first(self):
        """Payload format 1.0, of REST APIs and of HTTP APIs that ask for it."""
        event = self.event
        self.method, self.protocol = event["httpMethod"], self.about.get("protocol", "HTTP/1.1")
        self.client = (self.about.get("identity") or {}).get("sourceIp", "")
        self.path = event.get("path") or "/"
        several, single = event.get("multiValueQueryStringParameters"), event.get("queryStringParameters")
        self.query = urllib.parse.urlencode(several or single or {}, doseq=bool(several))
        several, single = event.get("multiValueHeaders"), event.get("headers")
        if several:
            self.headers = [(name, value) for name, values in several.items() for value in values]
        else:
            self.headers = list((single or {}).items())

    def split_prefix(self):
        """Where the app is mounted (`root`), and the path below it; both without escapes.

        Behind a stage with a name all paths begin with it on the outside, and links
        that the app makes have to.
        """
        outside = self.path if self.is_second else self.about.get("path") or self.path
        path, outside = self.unescaped(self.path), self.unescaped(outside)
        root = b""
        if path != outside and outside.endswith(path):
            # REST APIs take the stage away themselves.
            root = outside[: -len(path)].rstrip(b"/")
        elif path == outside and self.about.get("stage", "$default") != "$default":
            stage = b"/" + self.about["stage"].encode()
            if path == stage or path.startswith(stage + b"/"):
                root, path = stage, path[len(stage) :] or b"/"
        # Our own engine can be asked by a path in place of a host. Nobody else may say
        # where the app is.
        prefix, identity = self.named.get("x-forwarded-prefix"), self.about.get("apiId")
        known = ("/execute-api/%s" % identity, "/lambda-url/%s" % identity)
        if self.domain.endswith(".localhost") and prefix in known:
            root = prefix.encode() + root
        self.root, self.path = root, path
        self.raw_path = urllib.parse.quote_from_bytes(path, safe="/:@!$&'()*+,;=~")

    def unescaped(self, path):
        """Function URLs and REST APIs give paths as they came, HTTP APIs without escapes."""
        by_api = self.event.get("version") is not None and ".lambda-url." not in self.domain
        return path.encode() if by_api else urllib.parse.unquote_to_bytes(path)

    def answer(self, status, headers, body):
        """What a handler returns for it; `headers` are pairs of texts."""
        kept = [(name.lower(), value) for name, value in headers]
        kept = [(name, value) for name, value in kept if name not in NOT_THE_APPS]
        said = {"statusCode": status, **body_said(dict(kept), body)}
        if self.is_second:
            cookies = [value for name, value in kept if name == "set-cookie"]
            joined = {}
            for name, value in kept:
                if name != "set-cookie":
                    joined[name] = joined[name] + ", " + value if name in joined else value
            said["headers"] = joined
            if cookies:
                said["cookies"] = cookies
        else:
            several = {}
            for name, value in kept:
                several.setdefault(name, []).append(value)
            said["multiValueHeaders"] = several
        return said


def body_of(event):
    body = event.get("body") or ""
    if event.get("isBase64Encoded"):
        return base64.b64decode(body)
    return body.encode("utf-8", "surrogatepass") if isinstance(body, str) else b""


def body_said(headers, body):
    """Text as text, because it is shorter and can be read; everything else in base64."""
    if is_text(headers):
        try:
            return {"body": body.decode("utf-8"), "isBase64Encoded": False}
        except UnicodeDecodeError:
            pass
    return {"body": base64.b64encode(body).decode("ascii"), "isBase64Encoded": True}


def is_text(headers):
    if "content-encoding" in headers:
        return False
    kind, _, parameters = headers.get("content-type", "").lower().partition(";")
    kind = kind.strip()
    if "charset=" in parameters and "utf-8" not in parameters:
        return False
    return kind.startswith("text/") or kind in TEXT or kind.endswith(("+json", "+xml"))
