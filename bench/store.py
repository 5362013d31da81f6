"""The object store beside its peers and beside what the disk allows, in one run.

Small objects from 1 and 16 clients, a large one in and out, a list of very many
keys, and what the engine's memory does while 5 GB pass through it.

    python bench/store.py [--quick] [--only squall,ministack,moto,s3s-fs] [--no-write]
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

import results
import store_load
from engine import build_loadgen, outcome, say
from peers import MiniStack, Moto, S3sFs, Squall, Unavailable

PEERS = {"squall": Squall, "ministack": MiniStack, "moto": Moto, "s3s-fs": S3sFs}
SIZES = (1 << 10, 16 << 10)
CLIENTS = (1, 16)
GB = 1 << 30


def main():
    arguments = parse()
    build_loadgen()
    sizes = Amounts(arguments.quick)
    with tempfile.TemporaryDirectory(prefix="squall-bench-", dir=arguments.folder) as folder:
        source = store_load.make_file(Path(folder), "large", sizes.large)
        say("the disk's own limits")
        measured = {"machine": store_load.copy_limits(source, sizes.times)}
        for key in arguments.only:
            print(f"{PEERS[key].name}:", file=sys.stderr, flush=True)
            measured[key] = measure_peer(key, source, sizes, Path(folder))
    print(json.dumps(measured, indent=1), file=sys.stderr)
    text = report(measured, sizes)
    print(text)
    if not arguments.no_write:
        results.write_section("store", text)


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small amounts, to try the script")
    parser.add_argument("--no-write", action="store_true", help="leave RESULTS.md alone")
    parser.add_argument("--only", type=lambda text: text.split(","), default=list(PEERS))
    parser.add_argument("--folder", help="where the large file lies; must be the disk that is measured")
    return parser.parse_args()


class Amounts:
    """How much of everything."""

    def __init__(self, quick):
        self.seconds = 1 if quick else 5
        self.large = 20 << 20 if quick else GB
        self.huge = 100 << 20 if quick else 5 * GB
        self.times = 1 if quick else 3
        self.keys = 1600 if quick else 100_000
        # Some peers take so long for each that all of them would take hours.
        self.fill_seconds = 5 if quick else 45
        self.lists = 3 if quick else 20


def measure_peer(key, source, sizes, folder) -> dict:
    seen = {}
    try:
        with PEERS[key]() as peer:
            store_load.make_bucket(peer)
            for size in SIZES:
                for clients in CLIENTS:
                    name = f"small_{size}_{clients}"
                    say(name)
                    seen[name] = outcome(lambda: store_load.small(peer, size, clients, sizes.seconds))  # noqa: B023
            say("boto3")
            seen["boto"] = outcome(lambda: store_load.boto_small(peer, SIZES[0], sizes.seconds))
            say("large")
            seen["large"] = outcome(lambda: store_load.large(peer, source, sizes.times))
            say("lists")
            seen["lists"] = outcome(lambda: lists(peer, sizes))
            if key == "squall":
                say("memory")
                seen["memory"] = outcome(lambda: memory(peer, folder, sizes))
    except Unavailable as reason:
        say(f"not measured: {reason}")
        return {"unavailable": str(reason)}
    return seen


def lists(peer, sizes) -> dict:
    count = store_load.fill(peer, sizes.keys, sizes.fill_seconds)
    return store_load.lists(peer, count, sizes.lists)


def memory(peer, folder, sizes) -> dict:
    huge = store_load.make_file(folder, "huge", sizes.huge)
    try:
        return store_load.memory_growth(peer, huge)
    finally:
        huge.unlink()


# The report

HOW = """
How it is measured. Client and server share the machine, one server at a time, all on
one disk. Small objects go over keep-alive connections by bench/loadgen, with requests
that were signed before; every body is a new one. The large object comes from a file
that is in the page cache; "signed" means that its SHA-256 is in the signature, which
the server has to check. `cp` is followed by fsync; the hashes are those that S3 asks
for: MD5 for the entity tag, SHA-256 where it is signed; read and hashed one after the
other, by one thread. Squall has written to the disk (fsync) what it acknowledges, in
all of this. The others do not: moto and MiniStack keep objects in memory, s3s-fs
writes files without waiting for the disk. Where a peer was too slow to be given all
keys, the number of its keys is in brackets. MinIO is not there: its server was
not found in the registries that are used here (crates.io, PyPI, npm, Debian).
"""


def report(measured, sizes) -> str:
    machine = measured["machine"]
    keys = [key for key in PEERS if key in measured]

    def row(title, pick, form, limit=""):
        return [title, *(cell(measured[key], pick, form) for key in keys), limit]

    rate, speed, ms, second = "{:,.0f}/s".format, "{:,.0f} MB/s".format, "{:.1f} ms".format, "{:.2f} s".format
    rows = []
    for size in SIZES:
        for what in ("put", "get"):
            for clients in CLIENTS:
                plural = "s" if clients > 1 else ""
                title = f"{what} of {size >> 10} KB, {clients} client{plural}"
                pick = picker(f"small_{size}_{clients}", what, "per_second")
                rows.append(row(title, pick, rate))
    for what in ("put", "get"):
        rows.append(row(f"{what} of 1 KB, boto3", picker("boto", what, "per_second"), rate))
    name = f"{sizes.large / GB:.2g} GB"
    cp = f"{speed(machine['cp'])}, cp"
    rows += [
        row(f"put of {name}", picker("large", "put"), speed, f"{speed(machine['cp_md5'])}, cp and MD5; {cp}"),
        row(f"put of {name}, signed", picker("large", "put_signed"), speed, f"{speed(machine['cp_md5_sha256'])}, cp, MD5 and SHA-256"),
        row(f"get of {name}", picker("large", "get"), speed, f"{speed(machine['read'])}, read"),
    ]  # fmt: skip
    for title, name, form in (
        ("first 1,000 keys", "first_ms", ms),
        ("1,000 keys in the middle", "middle_ms", ms),
        ("all keys", "all_seconds", second),
    ):
        rows.append(row(f"list of {sizes.keys:,}: {title}", counted(name, form, sizes.keys), str))
    parts = [
        "## The object store",
        f"{results.machine()}; {results.when()}, commit {results.commit()}.",
        results.table(["", *(PEERS[key].name for key in keys), "what the machine allows"], rows),
        *(comparison(measured, key) for key in keys if key != "squall"),
        *([shares(measured)] if "large" in measured.get("squall", {}) else []),
        HOW.strip(),
    ]
    return "\n\n".join(part for part in parts if part)


def picker(*path):
    def pick(seen):
        for name in path:
            seen = seen[name]
        return seen

    return pick


def counted(name, form, wanted):
    def pick(seen):
        found = seen["lists"]
        return form(found[name]) + (f" ({found['count']:,})" if found["count"] < wanted else "")

    return pick


def cell(seen, pick, form) -> str:
    try:
        return form(pick(seen))
    except (KeyError, TypeError):
        return "-"


def comparison(measured, key) -> str:
    pairs = [
        (
            f"{what}s of 1 KB, {clients} client{'s' if clients > 1 else ''}",
            picker(f"small_{SIZES[0]}_{clients}", what, "per_second"),
        )
        for what in ("put", "get")
        for clients in CLIENTS
    ]
    pairs += [("large put", picker("large", "put")), ("large get", picker("large", "get"))]
    found = []
    for title, pick in pairs:
        try:
            found.append(f"{title} {pick(measured['squall']) / pick(measured[key]):.1f}x")
        except (KeyError, TypeError, ZeroDivisionError):
            continue
    return f"Squall beside {PEERS[key].name}: {', '.join(found)}." if found else ""


def shares(measured) -> str:
    """What the issue wants to be known of large objects and of memory."""
    machine, large = measured["machine"], measured["squall"]["large"]
    if "put" not in large:
        return ""
    text = (
        f"A large put reaches {large['put'] / machine['cp_md5']:.0%} of cp and MD5, a signed one "
        f"{large['put_signed'] / machine['cp_md5_sha256']:.0%} of cp, MD5 and SHA-256, a get "
        f"{large['get'] / machine['cp_md5']:.0%} of cp and MD5."
    )
    memory = measured["squall"].get("memory", {})
    if "put_mb" in memory:
        text += (
            f" While an object of {memory['gb']:.2g} GB came in, the engine's memory grew by "
            f"{memory['put_mb']:.0f} MB at most (from {memory['before_mb']:.0f} MB), while it went out by "
            f"{memory['get_mb']:.0f} MB."
        )
    return text


if __name__ == "__main__":
    main()
