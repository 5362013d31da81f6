"""A zip that is unpacked while it arrives: nothing of it waits on disk or in memory.

Made for archives of our own, which say the size of each entry in front of it. What
comes from elsewhere (entries of unknown size, encrypted ones, zip64) is refused.
"""

import os
import struct
import zlib

PIECE = 256 * 1024
# Names and modes of all entries, at the end of an archive.
MOST_DIRECTORY = 64 * 1024 * 1024
LOCAL, CENTRAL = b"PK\x03\x04", b"PK\x01\x02"
STORED, DEFLATED = 0, 8
ENCRYPTED, SIZES_FOLLOW = 0x1, 0x8
UNKNOWN_SIZE = 0xFFFFFFFF

local_header = struct.Struct("<4xHHHHHIIIHH")
central_header = struct.Struct("<4xHHHHHHIIIHHHHHII")


class BadArchive(Exception):
    pass


class Source:
    """Bytes from a reader, by exact amounts, each seen by `update` (of a hash)."""

    def __init__(self, read, update):
        self.read, self.update = read, update
        self.left = b""

    def piece(self):
        data = self.read(PIECE)
        self.update(data)
        return data

    def exactly(self, count):
        """A few bytes; fewer only where the archive ends."""
        parts, missing = [self.left], count - len(self.left)
        while missing > 0:
            data = self.piece()
            if not data:
                break
            parts.append(data)
            missing -= len(data)
        whole = b"".join(parts)
        self.left = whole[count:]
        return whole[:count]

    def pieces(self, count):
        """Many bytes, in pieces."""
        while count:
            data = self.left or self.piece()
            if not data:
                raise BadArchive("it ends within an entry")
            now, self.left = data[:count], data[count:]
            count -= len(now)
            yield now

    def rest(self, most):
        parts, size = [self.left], len(self.left)
        self.left = b""
        while True:
            data = self.piece()
            if not data:
                return b"".join(parts)
            size += len(data)
            if size > most:
                raise BadArchive("its directory is too large")
            parts.append(data)


def unpack(read, folder, update=lambda data: None):
    """Unpacks what `read(count)` yields into a folder that is there.

    All of it is read, so that a hash that `update` feeds is that of the whole archive.
    """
    source = Source(read, update)
    while True:
        mark = source.exactly(4)
        if mark != LOCAL:
            break
        entry(source, mark, folder)
    modes(mark + source.rest(MOST_DIRECTORY), folder)


def entry(source, mark, folder):
    head = source.exactly(local_header.size - 4)
    if len(head) < local_header.size - 4:
        raise BadArchive("it ends within a header")
    fields = local_header.unpack(mark + head)
    _, flags, method, _, _, crc, packed, size, name_size, extra_size = fields
    name = source.exactly(name_size).decode("utf-8", "replace")
    source.exactly(extra_size)
    if flags & (ENCRYPTED | SIZES_FOLLOW) or UNKNOWN_SIZE in (packed, size):
        raise BadArchive("%s is encrypted, or its size is not told" % name)
    path = place(folder, name)
    if name.endswith("/"):
        os.makedirs(path, exist_ok=True)
        return
    os.makedirs(os.path.dirname(path), exist_ok=True)
    try:
        with open(path, "wb") as file:
            written, seen = inflate(source.pieces(packed), method, name, size, file)
    except zlib.error as error:
        raise BadArchive("%s is damaged: %s" % (name, error)) from None
    if written != size or seen != crc:
        raise BadArchive("%s is damaged" % name)


def inflate(pieces, method, name, size, file):
    """How many bytes were written, and their checksum."""
    if method not in (STORED, DEFLATED):
        raise BadArchive("%s is packed by method %d" % (name, method))
    machine = zlib.decompressobj(-15) if method == DEFLATED else None
    written = crc = 0
    for data in pieces:
        while data:
            # Bounded, because a small piece can become a very large one.
            out = machine.decompress(data, PIECE * 4) if machine else data
            data = machine.unconsumed_tail if machine else b""
            written += len(out)
            if written > size:
                raise BadArchive("%s is larger than it says" % name)
            crc = zlib.crc32(out, crc)
            file.write(out)
    if machine:
        out = machine.flush()
        written, crc = written + len(out), zlib.crc32(out, crc)
        file.write(out)
    return written, crc


def place(folder, name):
    parts = name.rstrip("/").split("/")
    if not name.strip("/") or name.startswith("/") or "\0" in name or {"..", ".", ""} & set(parts):
        raise BadArchive("%r is no name of a file" % name)
    return os.path.join(folder, *parts)


def modes(directory, folder):
    """Programs become executable; that is said at the end of the archive only."""
    at = 0
    while directory[at : at + 4] == CENTRAL and len(directory) - at >= central_header.size:
        fields = central_header.unpack_from(directory, at)
        name_size, extra_size, comment_size = fields[9:12]
        attributes = fields[14]
        at += central_header.size
        name = directory[at : at + name_size].decode("utf-8", "replace")
        at += name_size + extra_size + comment_size
        if attributes >> 16 & 0o111 and not name.endswith("/"):
            os.chmod(place(folder, name), 0o755)
