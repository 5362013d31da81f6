"""Holds many keep-alive connections open, each of which was answered once; for bench/gateway.py.

    python gateway_idle.py HOST:PORT COUNT

Reads the request from standard input, up to a NUL; prints how many connections were answered. At the
end of its input it asks once more on each, and prints how many were still there.
"""

import asyncio
import resource
import sys

AT_ONCE = 200


async def exchange(reader, writer, request):
    writer.write(request)
    await writer.drain()
    head = await reader.readuntil(b"\r\n\r\n")
    lengths = [line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    await reader.readexactly(int(lengths[0]))
    if b" 200 " not in head.split(b"\r\n")[0]:
        raise ConnectionError(head.decode(errors="replace"))


async def attempt(turns, work):
    async with turns:
        try:
            return await asyncio.wait_for(work(), 60)
        except (OSError, asyncio.IncompleteReadError, asyncio.TimeoutError, LookupError):
            return None


async def main(host, port, count):
    text = ""
    while not text.endswith("\0"):
        text += sys.stdin.read(1)
    request = text[:-1].replace("\n", "\r\n").encode()
    turns = asyncio.Semaphore(AT_ONCE)

    async def connect():
        # Small buffers: what this process keeps is not what is measured.
        reader, writer = await asyncio.open_connection(host, port, limit=8192)
        await exchange(reader, writer, request)
        return reader, writer

    opened = await asyncio.gather(*(attempt(turns, connect) for _ in range(count)))
    opened = [connection for connection in opened if connection]
    print(len(opened), flush=True)
    await asyncio.to_thread(sys.stdin.read)

    async def again(connection):
        await exchange(*connection, request)
        return True

    kept = await asyncio.gather(*(attempt(turns, lambda c=connection: again(c)) for connection in opened))
    print(sum(one is True for one in kept), flush=True)


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    host, _, port = sys.argv[1].partition(":")
    asyncio.run(main(host, int(port), int(sys.argv[2])))
