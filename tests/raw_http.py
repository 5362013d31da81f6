"""HTTP by hand: bytes on a socket, and what comes back. For what no client would send."""

import contextlib
import socket

from harness import DEADLINE, Answer


class Raw:
    """A connection to `http://HOST:PORT` that sends what it is told."""

    def __init__(self, url: str, wrap=None):
        host, port = url.split("://")[1].rsplit(":", 1)
        self.socket = socket.create_connection((host.strip("[]"), int(port)), timeout=DEADLINE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if wrap:
            self.socket = wrap(self.socket)
        self.seen = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data: bytes):
        # The server may refuse, and close, before everything is sent.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.socket.sendall(data)

    def more(self) -> bool:
        """Reads once; whether there was anything."""
        try:
            piece = self.socket.recv(65536)
        except ConnectionResetError:
            return False
        self.seen += piece
        return bool(piece)

    def answer(self) -> Answer | None:
        """The next answer, with its body; None if the connection ends first."""
        while b"\r\n\r\n" not in self.seen:
            if not self.more():
                assert not self.seen, f"half an answer: {self.seen!r}"
                return None
        head, self.seen = self.seen.split(b"\r\n\r\n", 1)
        first, *lines = head.decode("latin-1").split("\r\n")
        version, status = first.split(" ")[:2]
        assert version in ("HTTP/1.1", "HTTP/1.0"), first
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        if int(status) == 100:
            return Answer(100, headers, b"")
        if headers.get("transfer-encoding") == "chunked":
            return Answer(int(status), headers, self._chunks())
        length = int(headers.get("content-length", 0))
        while len(self.seen) < length and self.more():
            pass
        assert len(self.seen) >= length, "half a body"
        body, self.seen = self.seen[:length], self.seen[length:]
        return Answer(int(status), headers, body)

    def _line(self) -> bytes:
        while b"\r\n" not in self.seen:
            assert self.more(), "half a chunk"
        line, self.seen = self.seen.split(b"\r\n", 1)
        return line

    def _chunks(self) -> bytes:
        body = b""
        while size := int(self._line().split(b";")[0], 16):
            while len(self.seen) < size + 2:
                assert self.more(), "half a chunk"
            body, self.seen = body + self.seen[:size], self.seen[size + 2 :]
        while self._line():
            pass
        return body

    def ended(self) -> bool:
        """Waits for the end; fails if there is another answer before it."""
        assert not self.seen, self.seen
        return not self.more()


def ask(url: str, data: bytes) -> Answer | None:
    with Raw(url) as raw:
        raw.send(data)
        return raw.answer()
