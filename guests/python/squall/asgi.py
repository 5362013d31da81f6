"""Asking an ASGI app: FastAPI, Starlette, Quart, Django and their kin.

All requests of a process run in one event loop, one after the other: pools and clients
that an app made for its loop stay good. The loop stands still between them.
"""

import asyncio
import sys


class Asgi:
    def __init__(self, app, environ):
        self.app = app
        self.loop = None
        self.state = {}
        # An event loop does not survive a fork, so where instances are forks of this
        # process each begins its own. Everywhere else the init phase is the time for it.
        if "squall_fork" not in sys.modules or environ.get("SQUALL_START") == "spawn":
            self.begin()

    def begin(self):
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        self.lifespan = Lifespan(self.app, self.state)
        loop.run_until_complete(self.lifespan.start())
        self.loop = loop

    def ask(self, request):
        """The app's (status, headers, body)."""
        if self.loop is None:
            self.begin()
        return self.loop.run_until_complete(self.exchange(request))

    async def exchange(self, request):
        exchange = Exchange(request)
        scope = scope_of(request, dict(self.state))
        try:
            await self.app(scope, exchange.receive, exchange.send)
        except Exception:
            # Frameworks answer with their own error page, and raise for the log.
            if not exchange.done.is_set():
                raise
            import traceback

            print("[ERROR] " + traceback.format_exc().rstrip("\n").replace("\n", "\r"))
        if not exchange.done.is_set():
            raise RuntimeError("the app did not finish its response")
        return exchange.status, exchange.headers, b"".join(exchange.body)


class Exchange:
    """The two ends that an app is given for one request."""

    def __init__(self, request):
        self.unread = request.body
        self.was_read = False
        self.status, self.headers, self.body = None, [], []
        self.done = asyncio.Event()

    async def receive(self):
        if self.was_read:
            # Nobody can go away before the answer: who waits for that, waits for its end.
            await self.done.wait()
            return {"type": "http.disconnect"}
        self.was_read = True
        return {"type": "http.request", "body": self.unread, "more_body": False}

    async def send(self, message):
        kind = message["type"]
        if kind == "http.response.start" and self.status is None:
            self.status = message["status"]
            pairs = message.get("headers") or ()
            self.headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in pairs]
        elif kind == "http.response.body" and self.status is not None:
            if self.done.is_set():
                return
            self.body.append(bytes(message.get("body") or b""))
            if not message.get("more_body"):
                self.done.set()
        else:
            raise RuntimeError("the app sent %r out of turn" % kind)


class Lifespan:
    """Tells an app that it begins. That it ends nobody can tell: instances just vanish."""

    def __init__(self, app, state):
        self.app, self.state = app, state
        self.started, self.failed, self.task = None, None, None

    async def start(self):
        """Returns when the app is ready, or does not care; raises what it failed with."""
        loop = asyncio.get_running_loop()
        self.started = loop.create_future()
        self.told = False
        self.task = loop.create_task(self.run())
        await self.started

    async def run(self):
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self.state}
        try:
            await self.app(scope, self.receive, self.send)
        except Exception:
            # An app that knows no lifespans raises, by the protocol.
            pass
        if not self.started.done():
            self.started.set_result(None)

    async def receive(self):
        if self.told:
            await asyncio.get_running_loop().create_future()
        self.told = True
        return {"type": "lifespan.startup"}

    async def send(self, message):
        if self.started.done():
            return
        if message["type"] == "lifespan.startup.failed":
            reason = message.get("message") or "no reason given"
            self.started.set_exception(RuntimeError("the app's startup failed: %s" % reason))
        else:
            self.started.set_result(None)


def scope_of(request, state):
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": request.protocol.rpartition("/")[2],
        "method": request.method,
        "scheme": request.scheme,
        # By the specification the path has the root in front.
        "path": (request.root + request.path).decode("utf-8", "replace"),
        "raw_path": request.raw_path.encode("utf-8"),
        "query_string": request.query.encode("utf-8"),
        "root_path": request.root.decode("utf-8", "replace"),
        "headers": headers_of(request),
        "client": (request.client, 0) if request.client else None,
        "server": (request.host, request.port),
        "state": state,
        "aws.event": request.event,
        "aws.context": request.context,
    }


def headers_of(request):
    pairs = [(n.encode("latin-1", "replace"), v.encode("utf-8")) for n, v in request.headers]
    # The body may have been unpacked on its way.
    pairs = [pair for pair in pairs if pair[0] != b"content-length"]
    pairs.append((b"content-length", b"%d" % len(request.body)))
    return pairs
