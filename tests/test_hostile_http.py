"""Requests that no honest client sends, to both ports: each is answered or its connection is
closed, none is taken for another, nothing answers 5xx, nothing waits for ever, and the next
client is served."""

import contextlib
import os
import socket
import struct
import threading

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import hpack
import hyperframe.frame
import pytest

import harness
from raw_http import Raw, ask
from test_s3_access import public_read

PORTS = ("gateway", "api")
# Short, so that what waits for a limit of time does not wait long.
SHORT = {"SQUALL_HEADER_SECONDS": "1", "SQUALL_BODY_STALL_SECONDS": "1", "SQUALL_ANSWER_STALL_SECONDS": "1"}


@pytest.fixture(scope="module")
def own():
    """An engine whose patience is short."""
    with harness.running_engine(environment=SHORT) as engine:
        yield engine
        assert engine.alive(), engine.log()


@pytest.fixture(params=PORTS)
def url(request, own):
    """Each of the two ports. Afterwards it still serves."""
    url = getattr(own, request.param)
    yield url
    answer = ask(url, b"GET /_squall/health HTTP/1.1\r\nhost: localhost\r\n\r\n")
    assert answer.status in (200, 403, 404), answer


def head(first="GET / HTTP/1.1", *lines, host="localhost") -> bytes:
    lines = [first, *([f"host: {host}"] if host is not None else []), *lines]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def refused(url: str, data: bytes, *statuses: int):
    """It is answered with one of these, and the connection ends: what follows is not read."""
    with Raw(url) as raw:
        raw.send(data)
        answer = raw.answer()
        assert answer is not None, "closed without a word"
        assert answer.status in statuses, answer
        assert raw.ended()


def served(url: str, data: bytes) -> harness.Answer:
    """It is an ordinary request for the port; nothing comes after its answer."""
    with Raw(url) as raw:
        raw.send(data)
        answer = raw.answer()
        assert answer is not None and answer.status < 500 and answer.status not in (400, 421), answer
        raw.send(head("GET / HTTP/1.1", "connection: close"))
        last = raw.answer()
        assert last is None or last.status in (200, 403, 404), last
        assert raw.ended()
        return answer


# Where a message ends


@pytest.mark.parametrize(
    "lines",
    [
        ["content-length: 5", "content-length: 6"],
        ["content-length: 5, 6"],
        ["content-length: 5, 5"],
        ["content-length: +5"],
        ["content-length: -5"],
        ["content-length: 0x5"],
        ["content-length: 5 5"],
        ["content-length: 99999999999999999999999"],
        ["content-length:"],
        ["transfer-encoding: gzip"],
        ["transfer-encoding: gzip, chunked"],
        ["transfer-encoding: chunked, identity"],
        ["transfer-encoding: chunked, chunked"],
        ["transfer-encoding: xchunked"],
        ["transfer-encoding: chunkedx"],
        ["transfer-encoding: \x0bchunked"],
        ["transfer-encoding: 'chunked'"],
        ["transfer-encoding: chunked", "transfer-encoding: chunked"],
        ["transfer-encoding: identity", "transfer-encoding: chunked"],
        ["transfer-encoding: chunked", "transfer-encoding: identity"],
        ["transfer-encoding:"],
        ["transfer-encoding: chunked", "transfer-encoding: gzip", "content-length: 5"],
        ["content-length : 5"],
        ["transfer-encoding : chunked"],
        [" content-length: 5"],
        ["x: y", " content-length: 5"],
        ["x: y", "\tcontent-length: 5"],
        ["content length: 5"],
        [": 5"],
        ["x\x00y: 5"],
        ["x: a\x00b"],
        ["x: a\rb"],
        ["no colon"],
    ],
)
def test_a_head_with_two_meanings_is_refused(url, lines):
    smuggled = b"0\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: localhost\r\n\r\n"
    refused(url, head("POST / HTTP/1.1", *lines) + smuggled, 400)


@pytest.mark.parametrize("swapped", [False, True])
def test_chunks_count_beside_a_length_and_the_connection_ends(url, swapped):
    lines = ["content-length: 4", "transfer-encoding: chunked"]
    lines = lines[::-1] if swapped else lines
    smuggled = b"0\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: localhost\r\n\r\n"
    with Raw(url) as raw:
        raw.send(head("POST / HTTP/1.1", *lines) + smuggled)
        assert raw.answer().status < 500
        assert raw.ended(), "what stands behind is no request of this client"


def test_chunks_of_http_1_0_are_refused(url):
    refused(url, head("POST / HTTP/1.0", "transfer-encoding: chunked") + b"0\r\n\r\n", 400)


@pytest.mark.parametrize(
    "chunks",
    [
        b"zz\r\n",
        b"-1\r\nx\r\n0\r\n\r\n",
        b"+1\r\nx\r\n0\r\n\r\n",
        b"0x1\r\nx\r\n0\r\n\r\n",
        b"1 1\r\nx\r\n0\r\n\r\n",
        b"ffffffffffffffffff\r\n",
        b"10000000000000000\r\n",
        b"1\nx\n0\n\n",
        b"1;a\nb\r\nx\r\n0\r\n\r\n",
        b"1\r\nxy\r\n0\r\n\r\n",
        b"1\r\nx0\r\n\r\n",
        b"\r\n1\r\nx\r\n0\r\n\r\n",
        b"1;" + b"x" * 100_000 + b"\r\nx\r\n0\r\n\r\n",
        b"0\r\n" + b"x: y\r\n" * 10_000 + b"\r\n",
        b"0\r\nno colon\r\n\r\n",
    ],
)
def test_garbled_chunks_end_the_connection(url, chunks):
    with Raw(url) as raw:
        raw.send(head("POST / HTTP/1.1", "transfer-encoding: chunked") + chunks)
        answer = raw.answer()
        # A port that does not want the body may have answered before it came.
        assert answer is None or 400 <= answer.status < 500, answer
        assert raw.ended()


@pytest.mark.parametrize(
    "chunks",
    [
        b"0\r\n\r\n",
        b"1\r\nx\r\n0\r\n\r\n",
        b"1;name=value\r\nx\r\n0\r\n\r\n",
        b'1;name="a b"\r\nx\r\n0\r\n\r\n',
        b"001\r\nx\r\n000\r\n\r\n",
        b"1\r\nx\r\n0\r\nTrailer: of no use\r\nHost: evil.com\r\nContent-Length: 9\r\n\r\n",
        b"1 \r\nx\r\n0\r\n\r\n",
    ],
)
def test_chunks_with_all_that_they_may_have_are_taken(url, chunks):
    served(url, head("POST / HTTP/1.1", "transfer-encoding: Chunked") + chunks)


# Whose request it is


@pytest.mark.parametrize(
    "data",
    [
        head(host=None),
        head("GET / HTTP/1.1", "host: localhost"),
        head("GET / HTTP/1.1", "host: evil.com"),
        head(host=""),
        head(host="local host"),
        head(host="a@localhost"),
        head(host="localhost/path"),
        head(host="localhost:port"),
        head(host="localhost:99999"),
        head(host="localhost, evil.com"),
        head(host="[::1"),
        head(host="\xe9.localhost"),
        head(host="a" * 300),
        head("GET http://a@localhost/ HTTP/1.1"),
        head("GET http:///path HTTP/1.1"),
        head("GET localhost HTTP/1.1"),
        head("GET * HTTP/1.1"),
        head("GET path HTTP/1.1"),
        head("GET //[/ HTTP/1.1 x"),
    ],
)
def test_a_request_must_say_for_whom_it_is(url, data):
    refused(url, data, 400)


@pytest.mark.parametrize(
    "data",
    [
        head(host="evil.com"),
        head(host="x.lambda-url.us-east-1.evil.com"),
        head(host="localhost.evil.com:8080"),
        head(host="127.0.0.1.nip.io"),
        head("GET http://evil.com/ HTTP/1.1"),
        head("GET http://evil.com:80/ HTTP/1.1", host="evil.com"),
    ],
)
def test_names_of_others_are_not_served(url, data):
    """A page of another site may have its name lead here (DNS rebinding)."""
    with Raw(url) as raw:
        raw.send(data)
        answer = raw.answer()
        assert answer.status == 421, answer
        assert answer.headers["content-type"] == "application/problem+json"
        assert b"hosts" in answer.body, "it says what to do"
        raw.send(head())
        assert raw.answer().status < 421, "the connection is as good as before"


@pytest.mark.parametrize(
    "data",
    [
        head(host="LOCALHOST:1"),
        head(host="127.0.0.1"),
        head(host="[::1]:8080"),
        head(host="x.localhost"),
        head(host="x.lambda-url.eu-west-1.on.aws"),
        head(host="squall"),
        head("GET http://localhost/ HTTP/1.1", host="evil.com"),
        head("GET http://localhost HTTP/1.1"),
        head("OPTIONS * HTTP/1.1"),
        head("GET / HTTP/1.0", host=None),
        b"\r\n\r\n" + head(),
    ],
)
def test_our_own_names_are_served(url, data):
    with Raw(url) as raw:
        raw.send(data)
        assert raw.answer().status in (200, 400 if b"OPTIONS *" in data else 404, 403, 404, 405)


@pytest.mark.parametrize("target", ["evil.com:443", "localhost:80", "/"])
def test_this_is_no_tunnel(url, target):
    refused(url, head(f"CONNECT {target} HTTP/1.1"), 400, 405)


@pytest.mark.parametrize("method", ["TRACE", "BREW", "get", "X" * 1000, "PRINT", "PROPFIND", "M-SEARCH"])
def test_unknown_methods_are_refused_by_the_port(url, method):
    with Raw(url) as raw:
        raw.send(head(f"{method} / HTTP/1.1", "content-length: 0"))
        answer = raw.answer()
        assert 400 <= answer.status < 500, answer


@pytest.mark.parametrize(
    "data",
    [
        b"GET /\r\n",
        b"GET /\r\n\r\n",
        b"GET / HTTP/0.9\r\n\r\n",
        b"GET / HTTP/1.2\r\nhost: localhost\r\n\r\n",
        b"GET / HTTP/3\r\nhost: localhost\r\n\r\n",
        b"GET / http/1.1\r\nhost: localhost\r\n\r\n",
        b"GET  / HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"GET /\tHTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"GET /a b HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"GET /\x00 HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"GET /\x7f HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"GET HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b" GET / HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"G\x01T / HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
        b"\x00" * 100 + b"\r\n\r\n",
        b"\r" + head(),
        head().replace(b"\r\n", b"\r"),
    ],
)
def test_what_is_not_http_1_is_refused(url, data):
    with Raw(url) as raw:
        raw.send(data)
        raw.socket.shutdown(socket.SHUT_WR)
        answer = raw.answer()
        assert answer is None or answer.status == 400, answer
        assert raw.ended()


@pytest.mark.parametrize(
    "path",
    ["/%00", "/a%00b", "/%2e%2e/%2e%2e/etc/passwd", "/..//..//etc/passwd", "//evil.com/", "/%", "/%zz", "/%ff%fe"]
    + ["/a/./b/../../..", "/\\..\\", "/;/..;/", "/" + "%2f" * 1000, "/?" + "&" * 10_000, "/?a=%00&=%", "/\xff"],
)
def test_paths_with_tricks_are_answered(url, path):
    answer = ask(url, head(f"GET {path} HTTP/1.1", "connection: close"))
    assert answer is not None and answer.status < 500, answer
    assert b"root:" not in answer.body


# How much there may be


def test_long_lines_and_many_headers_are_refused_by_name(url):
    refused(url, head("GET /" + "x" * 65_600 + " HTTP/1.1"), 414, 431)
    refused(url, head("GET / HTTP/1.1", "x: " + "y" * 70_000), 431)
    refused(url, head("GET / HTTP/1.1", *(f"x-{n}: y" for n in range(200))), 431)
    refused(url, head("GET / HTTP/1.1", "x" * 70_000 + ": y"), 431, 400)
    refused(url, b"G" * 100_000, 431, 400)
    # Not cut: all or none.
    lines = [f"x-{n}: y" for n in range(90)]
    assert ask(url, head("GET / HTTP/1.1", *lines)).status < 500


def test_a_body_beyond_the_limit_is_refused_once_it_was_sent(url):
    size = 64 << 20
    with Raw(url) as raw:
        sent = head("POST /2015-03-31/functions/f/invocations HTTP/1.1", f"content-length: {size}")
        raw.send(sent)
        for _ in range(size >> 20):
            raw.send(bytes(1 << 20))
        answer = raw.answer()
        assert answer.status == 413, answer
        raw.send(head())
        assert raw.answer().status < 500, "it was read to its end"


def test_a_body_that_nobody_waits_for_is_not_asked_for(url):
    """`Expect: 100-continue`: the refusal comes before the body."""
    lines = ["expect: 100-continue", f"content-length: {1 << 40}"]
    with Raw(url) as raw:
        raw.send(head("POST / HTTP/1.1", *lines, host="evil.com"))
        assert raw.answer().status == 421


# How long it may take


def test_a_head_that_drips_is_cut_off(url):
    with Raw(url) as raw:
        stop = threading.Event()

        def drip():
            with contextlib.suppress(OSError):
                raw.socket.sendall(b"GET / HTTP/1.1\r\nhost: localhost\r\n")
                while not stop.wait(0.05):
                    raw.socket.sendall(b"x: y\r\n")

        dripping = threading.Thread(target=drip)
        dripping.start()
        try:
            answer = raw.answer()
            assert answer is None or answer.status == 408, answer
            assert raw.ended()
        finally:
            stop.set()
            dripping.join()


@pytest.mark.parametrize("first", [b"", b"G", b"P", b"PRI", b"GET / HTTP/1.1\r\n", head()[:-2], head()])
def test_a_connection_that_says_no_more_is_closed(url, first):
    with Raw(url) as raw:
        raw.send(first)
        while raw.more():
            pass
        assert raw.seen.count(b"HTTP/1.1 ") == (first == head())


def test_a_body_that_drips_for_too_long_and_one_that_stops_get_408(url):
    with Raw(url) as raw:
        raw.send(head("POST / HTTP/1.1", "content-length: 100") + b"only this")
        answer = raw.answer()
        # What answers without a look at the body need not wait for it.
        assert answer is not None and 400 <= answer.status < 500, answer
        assert raw.ended()


def test_an_answer_that_nobody_reads_is_given_up(own, bucket_page):
    """Its slot and its memory are free again, though the client keeps the connection."""
    bucket, _ = bucket_page
    request = head(f"GET /s3-website/{bucket}/large HTTP/1.1")
    before = open_files(own)
    with contextlib.ExitStack() as stack:
        for _ in range(20):
            raw = stack.enter_context(Raw(own.gateway))
            raw.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            raw.send(request)
            assert raw.more()
        # Each was being answered; the store may have opened a file or two besides.
        harness.eventually(lambda: open_files(own) <= before + 5, "they are closed")


def open_files(engine) -> int:
    return len(os.listdir(f"/proc/{engine.process.pid}/fd"))


@pytest.fixture(scope="module")
def bucket_page(own):
    """A website with a page that fills every buffer between."""
    s3 = own.client("s3")
    bucket = harness.unique("bucket")
    s3.create_bucket(Bucket=bucket)
    s3.put_bucket_website(Bucket=bucket, WebsiteConfiguration={"IndexDocument": {"Suffix": "index.html"}})
    s3.delete_public_access_block(Bucket=bucket)
    s3.put_bucket_policy(Bucket=bucket, Policy=public_read(bucket, Resource=f"arn:aws:s3:::{bucket}/*"))
    s3.put_object(Bucket=bucket, Key="index.html", Body=b"<p>hello")
    s3.put_object(Bucket=bucket, Key="large", Body=bytes(64 << 20))
    return bucket, s3


# Several at once


def test_requests_behind_each_other_are_answered_in_order(url):
    paths = [f"/_squall/{n}" for n in range(50)]
    data = b"".join(head(f"GET {path} HTTP/1.1") for path in paths)
    with Raw(url) as raw:
        raw.send(data)
        ids = [raw.answer().headers.get("x-amzn-requestid") for _ in paths]
        assert len(set(ids)) == len(paths)
        raw.send(head("GET / HTTP/1.1", "connection: close"))
        assert raw.answer() and raw.ended()


def test_a_request_behind_one_that_closes_is_not_served(url):
    with Raw(url) as raw:
        raw.send(head("GET / HTTP/1.1", "connection: close") + head())
        assert raw.answer() and raw.ended()


# HTTP/2


class Two:
    """A connection of HTTP/2 that may break its rules."""

    def __init__(self, url, **settings):
        self.raw = Raw(url)
        config = h2.config.H2Configuration(
            validate_outbound_headers=False, normalize_outbound_headers=False, header_encoding="utf-8"
        )
        self.state = h2.connection.H2Connection(config)
        self.state.initiate_connection()
        if settings:
            self.state.update_settings(settings)
        self.flush()
        self.statuses, self.reset, self.ended, self.goodbye = {}, {}, set(), None
        self.unread = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.raw.socket.close()

    def flush(self):
        self.raw.send(self.state.data_to_send())

    def ask(self, headers=None, end=True, **changed) -> int:
        stream = self.state.get_next_available_stream_id()
        plain = {":method": "GET", ":scheme": "http", ":authority": "localhost", ":path": "/", **changed}
        headers = headers or [(name, value) for name, value in plain.items() if value is not None]
        self.state.send_headers(stream, headers, end_stream=end)
        self.flush()
        return stream

    def events(self, piece):
        """Frame by frame: what follows a goodbye in the same piece the library does not take."""
        self.unread += piece
        while self.goodbye is None and len(self.unread) >= 9:
            size = 9 + int.from_bytes(self.unread[:3], "big")
            if len(self.unread) < size:
                return
            frame, self.unread = self.unread[:size], self.unread[size:]
            yield from self.state.receive_data(frame)

    def until(self, done):
        """Reads until this is true; False if the connection ends first."""
        while not done():
            try:
                piece = self.raw.socket.recv(65536)
            except ConnectionResetError:
                piece = b""
            if not piece:
                return False
            for event in self.events(piece):
                if isinstance(event, h2.events.ResponseReceived):
                    self.statuses[event.stream_id] = int(dict(event.headers)[":status"])
                elif isinstance(event, h2.events.StreamReset):
                    self.reset[event.stream_id] = event.error_code
                elif isinstance(event, h2.events.StreamEnded):
                    self.ended.add(event.stream_id)
                elif isinstance(event, h2.events.ConnectionTerminated):
                    self.goodbye = event.error_code
                elif isinstance(event, h2.events.DataReceived):
                    self.state.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            self.flush()
        return True

    def status(self, stream) -> int | None:
        """Of the answer; None if the stream or the connection was broken off."""
        self.until(lambda: stream in self.statuses or stream in self.reset or self.goodbye is not None)
        return self.statuses.get(stream)


@pytest.mark.parametrize(
    "headers",
    [
        [(":method", "GET"), (":scheme", "http"), (":authority", "localhost")],
        [(":method", "GET"), (":authority", "localhost"), (":path", "/")],
        [(":scheme", "http"), (":authority", "localhost"), (":path", "/")],
        [(":method", "GET"), (":scheme", "http"), (":path", "/")],
        [(":method", "GET"), (":scheme", "http"), (":authority", "localhost"), (":path", "")],
        [(":method", "GET"), (":scheme", "http"), (":authority", "localhost"), (":path", "path")],
        [(":method", "GET"), (":scheme", "http"), (":authority", "localhost"), (":path", "/a b")],
        [(":method", "GET"), (":scheme", "http"), (":authority", "localhost"), (":path", "/"), (":path", "/b")],
        [(":method", "GET"), (":method", "POST"), (":scheme", "http"), (":authority", "localhost"), (":path", "/")],
        [(":method", "GET"), (":scheme", "http"), (":authority", "localhost"), (":path", "/"), (":status", "200")],
        [(":method", "GET"), (":scheme", "http"), (":authority", "localhost"), (":path", "/"), (":odd", "1")],
        [(":method", "GET"), (":scheme", "http"), (":authority", "localhost"), ("x", "y"), (":path", "/")],
        [(":method", "GET"), (":scheme", "http"), (":authority", "localhost"), (":path", "/"), ("host", "evil.com")],
        [(":method", "GET"), (":scheme", "http"), (":authority", "a@localhost"), (":path", "/")],
        [(":method", "GET"), (":scheme", "http"), (":authority", "local host"), (":path", "/")],
        [(":method", "GET /x HTTP/1.1\r\nx:"), (":scheme", "http"), (":authority", "localhost"), (":path", "/")],
        [(":method", "GET"), (":scheme", "http"), (":authority", "localhost"), (":path", "/"), ("X-Upper", "1")],
        [(":method", "GET"), (":scheme", "http"), (":authority", "localhost"), (":path", "/"), ("x", "a\r\nb: c")],
        [(":method", "GET"), (":scheme", "http"), (":authority", "localhost"), (":path", "/"), ("x\x00", "a")],
        [(":method", "GET"), (":scheme", "http"), (":authority", "localhost"), (":path", "/"), ("connection", "x")],
        [(":method", "GET"), (":scheme", "http"), (":authority", "localhost"), (":path", "/")]
        + [("transfer-encoding", "chunked")],
        [(":method", "GET"), (":scheme", "http"), (":authority", "localhost"), (":path", "/"), ("te", "gzip")],
        [(":method", "CONNECT"), (":authority", "evil.com:443")],
        [(":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "http"), (":authority", "localhost")]
        + [(":path", "/")],
    ],
)
def test_heads_of_http_2_that_mean_nothing_are_refused(url, headers):
    with Two(url) as two:
        status = two.status(two.ask(headers))
        assert status in (None, 400, 405), status


def test_names_of_others_are_not_served_over_http_2(url):
    with Two(url) as two:
        assert two.status(two.ask(**{":authority": "evil.com"})) == 421
        assert two.status(two.ask()) < 421


def test_a_length_that_is_not_that_of_the_body_is_a_broken_stream(url):
    plain = [(":method", "POST"), (":scheme", "http"), (":authority", "localhost"), (":path", "/")]
    with Two(url) as two:
        for length, body in [("5", b"123"), ("2", b"123"), ("x", b""), ("1, 2", b"1")]:
            stream = two.ask([*plain, ("content-length", length)], end=False)
            with contextlib.suppress(h2.exceptions.ProtocolError):
                two.state.send_data(stream, body, end_stream=True)
            two.flush()
            status = two.status(stream)
            assert status is None or 400 <= status < 500, (length, status)


def test_headers_beyond_all_measure_are_refused_over_http_2(url):
    for lines in ([("x", "y" * 16_000)] * 10, [(f"x-{n}", "y") for n in range(2000)]):
        with Two(url) as two:
            plain = [(":method", "GET"), (":scheme", "http"), (":authority", "localhost"), (":path", "/")]
            assert two.status(two.ask([*plain, *lines])) in (None, 431)


@pytest.mark.parametrize(
    "start",
    [
        b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n",
        b"PRI * HTTP/1.1\r\n\r\n",
        b"PRI / HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nGET / HTTP/1.1\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 100,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + hyperframe.frame.PingFrame(0, b"12345678").serialize(),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x40\x01\x04\x00\x00\x00\x00\x00" + bytes(0x4001),
    ],
)
def test_a_bad_beginning_of_http_2_is_closed(url, start):
    with Raw(url) as raw:
        raw.send(start)
        while raw.more():
            pass
        assert b"HTTP/1" not in raw.seen


def frames_after(two, frames) -> bool:
    """Sends frames of our own making until the server has had enough; whether it had."""
    for _ in range(2000):
        try:
            two.raw.socket.sendall(frames())
        except OSError:
            return True
    return not two.until(lambda: two.goodbye is not None) or two.goodbye is not None


def test_a_flood_of_resets_ends_the_connection(url):
    """CVE-2023-44487: what is begun and broken off at once costs the server, not the client."""
    with Two(url) as two:
        encoder, streams = hpack.Encoder(), iter(range(1, 1 << 30, 2))

        def frames():
            data = b""
            for _ in range(50):
                stream = next(streams)
                block = encoder.encode(
                    [(":method", "GET"), (":scheme", "http"), (":authority", "localhost"), (":path", "/")]
                )
                opened = hyperframe.frame.HeadersFrame(stream, block, flags=["END_HEADERS", "END_STREAM"])
                data += opened.serialize() + hyperframe.frame.RstStreamFrame(stream, 8).serialize()
            return data

        assert frames_after(two, frames)


def test_a_flood_of_continuations_ends_the_connection(url):
    """CVE-2024-27316: a head that never ends."""
    with Two(url) as two:
        two.raw.send(hyperframe.frame.HeadersFrame(1, b"", flags=["END_STREAM"]).serialize())
        block = hpack.Encoder().encode([("x", "y" * 1000)])
        assert frames_after(two, lambda: hyperframe.frame.ContinuationFrame(1, block).serialize())


@pytest.mark.parametrize("kind", ["ping", "settings", "priority", "window", "empty"])
def test_floods_of_small_frames_do_not_stop_others(url, kind):
    frame = {
        "ping": hyperframe.frame.PingFrame(0, b"12345678"),
        "settings": hyperframe.frame.SettingsFrame(0, {4: 1000}),
        "priority": hyperframe.frame.PriorityFrame(1, depends_on=0, stream_weight=1),
        "window": hyperframe.frame.WindowUpdateFrame(0, 1),
        "empty": hyperframe.frame.DataFrame(1, b""),
    }[kind].serialize()
    with Two(url) as two:
        two.raw.socket.settimeout(1)
        with contextlib.suppress(OSError):
            for _ in range(200):
                two.raw.socket.sendall(frame * 100)
        assert ask(url, head()).status < 500


def test_a_client_of_http_2_that_takes_nothing_is_cut_off(own, bucket_page):
    """Its window stays shut: TCP has nothing to complain of."""
    bucket, _ = bucket_page
    with Two(own.gateway) as two:
        two.state.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 0})
        two.flush()
        stream = two.ask(**{":path": f"/s3-website/{bucket}/large"})
        assert two.status(stream) == 200
        assert not two.until(lambda: False), "the connection ends"


def test_more_streams_than_allowed_wait_or_are_refused(url):
    with Two(url) as two:
        two.until(lambda: two.state.remote_settings.max_concurrent_streams < 1000)
        assert two.state.remote_settings.max_concurrent_streams <= 256
        streams = [two.ask() for _ in range(100)]
        assert two.until(lambda: set(streams) <= two.ended)
        assert set(two.statuses.values()) <= {200, 403, 404}


def test_a_reset_socket_is_forgotten(url):
    for data in (b"", b"GET", head("POST / HTTP/1.1", "content-length: 10") + b"x"):
        with Raw(url) as raw:
            raw.send(data)
            raw.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
