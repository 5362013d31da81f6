"""The section of bench/map.py in RESULTS.md."""

import results

NAMES = {
    "pool": "multiprocessing.Pool",
    "joblib": "joblib",
    "dask": "dask.distributed",
    "ray": "ray",
    "lithops": "Lithops, localhost",
    "ministack": "MiniStack, story's threads",
}
COUNTS = (1_000, 10_000, 100_000)
IDEAL_BUSY = 2.5
HOW = """
How it is measured. `squall map` is the whole process: it reads a CSV (`id,time,value`),
groups it, sends chunks over HTTP to function instances in their jails, keeps every result
in its journal, and writes a CSV. `squall.map` and the peers have their items in memory,
as arrays of numpy, and workers that are started and have run; what counts is the call,
from the list of items to the list of results. Each peer runs with the best of its chunk
sizes that were tried; dask, ray and Lithops have none of their own that would help, so
their items were put into lists by hand. Ratios are medians of the ratios within turns.
Memory is the proportional share (PSS) of all processes of a contender at its peak. MiniStack gets lists as JSON through boto3
in sixteen threads.

What the others do not do: multiprocessing.Pool and joblib keep no results of a run that
fails, and a worker that dies takes the run with it; none of them isolates one item's
files and memory from another's, tells the item that killed its worker from those beside
it in a chunk, keeps results for the next run, or sends a second copy of a straggler. They
do less, and start no engine: the functions of a Pool are there by fork.
"""
WHO_FAILS = """
A thousand items, each a task of its own or, with us, in learned chunks; twenty raise, one
ends its process. "Run again" counts runs of items beyond the first one of each; all but
the poison item's are work of others that was lost.
"""


def report(measured, arguments) -> str:
    parts = [
        "## Map: functions over items",
        f"{results.when()}, {results.commit()}, {results.machine()}.",
        seed(measured),
        chunks(measured),
        busy(measured),
        memory(measured),
        failures(measured),
        large(measured),
        http(measured),
        unavailable(measured),
        HOW,
    ]
    return "\n\n".join(part.strip() for part in parts if part)


def find(measured, *path):
    """What stands there; None where it was not measured or failed."""
    for key in path:
        if not isinstance(measured, dict):
            return None
        measured = measured.get(key)
    return None if isinstance(measured, dict) and "failed" in measured else measured


def show(value, form) -> str:
    return "-" if value is None else form(value)


def per_item(seconds, count) -> str:
    return show(seconds, lambda s: f"{s:.3f} s, {1e6 * s / count:.1f} us")


def peers_of(measured):
    return [(name, NAMES[name], seen) for name, seen in measured["peers"].items()]


def seed(measured) -> str:
    rows = []
    for title, pick in (
        ("`squall map`, arrays", lambda n: find(measured, "ours", f"array {n}", "seconds")),
        ("`squall map`, Series", lambda n: find(measured, "ours", f"series {n}", "seconds")),
        ("`squall map`, lists", lambda n: find(measured, "ours", f"list {n}", "seconds")),
        ("pandas and a Pool, file to file", lambda n: find(measured, "ours", f"script {n}", "seconds")),
        ("`squall.map`, arrays in memory", lambda n: find(measured, "ours", "library", f"total {n}", "seconds")),
    ):
        rows.append([title, *(per_item(pick(count), count) for count in COUNTS), "", ""])
    for _, title, seen in peers_of(measured):
        middle = 10_000 if find(seen, "total 10000") else 1_000
        rows.append(
            [
                title,
                *(per_item(find(seen, f"total {count}", "peer"), count) for count in COUNTS),
                show(find(seen, f"total {middle}", "cli ratio"), "{:.2f}".format),
                show(find(seen, f"total {middle}", "library ratio"), "{:.2f}".format),
            ]
        )
    if all(cell in ("-", "") for row in rows for cell in row[1:]):
        return ""
    titles = ["sum of 100 values", *(f"{count:,} items" for count in COUNTS), "`squall map` / it", "`squall.map` / it"]
    return "### Seconds, and microseconds per item\n\n" + results.table(titles, rows)


def chunks(measured) -> str:
    def row(title, each, auto):
        cells = [show(each(chunk), lambda s: f"{1e6 * s:.1f} us") for chunk in (1, 10, 100)]
        return [title, *cells, show(auto, lambda s: f"{1e6 * s:.1f} us")]

    def ours(*path):
        seconds = find(measured, "ours", *path, "seconds")
        return None if seconds is None else seconds / 10_000

    rows = [
        row("`squall map`", lambda chunk: ours(f"chunk {chunk}"), ours("array 10000")),
        row("`squall.map`", lambda chunk: ours("library", f"chunk {chunk}"), ours("library", "total 10000")),
    ]
    for _, title, seen in peers_of(measured):
        best = find(seen, "total 10000", "peer")
        best = None if best is None else best / 10_000
        rows.append(row(title, lambda chunk, seen=seen: find(seen, f"chunk {chunk}", "each"), best))
    if all(cell == "-" for row in rows for cell in row[1:4]):
        return ""
    return "### Per item, by the size of chunks\n\n" + results.table(["", "1", "10", "100", "auto, or the best"], rows)


def busy(measured) -> str:
    rows, ours, library = [], [], []
    for _, title, seen in peers_of(measured):
        if one := find(seen, "busy"):
            rows.append([title, *over(one["peer"]), f"{one['cli ratio']:.2f}", f"{one['library ratio']:.2f}"])
            ours.append(one["cli"])
            library.append(one["library"])
    if not rows:
        return ""
    first = [["`squall map`", *over(median(ours)), "", ""], ["`squall.map`", *over(median(library)), "", ""]]
    titles = ["1,000 items of 5 ms", "time", "over the ideal 2.5 s", "`squall map` / it", "`squall.map` / it"]
    return "### Work that takes longer\n\n" + results.table(titles, first + rows)


def over(seconds) -> list[str]:
    return [f"{seconds:.2f} s", f"{100 * (seconds / IDEAL_BUSY - 1):.1f} %"]


def median(values):
    values = sorted(values)
    return values[len(values) // 2]


def memory(measured) -> str:
    megabytes = "{:.0f} MB".format
    counts = (1_000, *COUNTS[1:])
    rows = [["Squall: engine, instances, `squall map`", *(show(find(measured, "ours", f"memory {n}"), megabytes) for n in counts)]]
    for _, title, seen in peers_of(measured):
        rows.append([title, *(show(find(seen, f"memory {n}"), megabytes) for n in counts)])
    if all(cell == "-" for row in rows for cell in row[1:]):
        return ""
    return "### Peak memory\n\n" + results.table(["", *(f"{n:,} items" for n in counts)], rows)


def failures(measured) -> str:
    rows = []
    for title, seen in [
        ("`squall map`", find(measured, "ours", "survive")),
        *((title, find(seen, "survive")) for _, title, seen in peers_of(measured)),
    ]:
        if seen:
            again = max(0, seen["again"] - max(0, seen["poison"] - 1))
            what = "" if seen["good"] else "; ".join(seen.get("words", ()))
            rows.append([title, f"{seen['good']} of 979", show(seen.get("seconds"), "{:.2f} s".format), again, seen["poison"], what[:80]])
    if not rows:
        return ""
    titles = ["2 % raise, one is poison", "results of the good", "time", "run again in vain", "runs of the poison", ""]
    return "### Failures\n\n" + results.table(titles, rows) + "\n" + WHO_FAILS


def large(measured) -> str:
    seen = find(measured, "ours", "large")
    if not seen:
        return ""
    rows = [
        [f"{one['groups']:,}", f"{one['rows']:,}", f"{one['bytes'] / 1e6:,.0f} MB", one["limit"] or "-",
         per_item(one["seconds"], one["groups"]), f"{one['memory']:.0f} MB"]
        for one in seen
    ]
    titles = ["groups, scattered", "rows", "CSV", "--memory", "time, per group", "peak of `squall map`"]
    return "### Many groups, and more than memory\n\n" + results.table(titles, rows)


def http(measured) -> str:
    seen = (measured.get("http") or {}).get("seen")
    if not seen:
        return ""
    counts = sorted({count for spent in seen.values() for count in spent})
    rows = []
    for key, title in (
        ("squall, auto", "Squall, learned chunks"),
        ("squall, 5", "Squall, chunks of 5"),
        ("squall, 100", "Squall, chunks of 100"),
        ("one", "Flask and pandas, one process"),
        ("fan", "Flask, two workers over HTTP, chunks of 100"),
        ("fan, chunks of 5", "Flask, two workers over HTTP, chunks of 5"),
        ("upload", "the bare upload"),
    ):
        cells = []
        for count in counts:
            spent, ours = seen.get(key, {}).get(count), seen.get("squall, auto", {}).get(count)
            if not spent:
                cells += ["-", ""]
                continue
            # The slow ones were not asked in every turn.
            ratio = median([a / b for a, b in zip(ours or (), spent, strict=False)]) if ours else None
            cells += [f"{1000 * median(spent):.0f} ms", show(ratio, "{:.2f}".format)]
        rows.append([title, *cells])
    titles = ["the story: PUT of a CSV", *(cell for count in counts for cell in (f"{count:,} ids", "Squall's share"))]
    return "### Over HTTP, series of pandas\n\n" + results.table(titles, rows)


def unavailable(measured) -> str:
    lines = []
    for _, title, seen in peers_of(measured):
        for reason in {seen.get("unavailable"), seen.get("failed")} - {None}:
            lines.append(f"{title} was not measured: {reason}.")
        for part, one in seen.items():
            if isinstance(one, dict) and "failed" in one:
                lines.append(f"{title}, {part}: {one['failed']}.")
    for part, one in measured["ours"].items():
        if isinstance(one, dict) and "failed" in one:
            lines.append(f"Squall, {part}: {one['failed']}.")
    http_failed = measured.get("http") or {}
    if isinstance(http_failed.get("failed"), str):
        lines.append(f"Over HTTP: {http_failed['failed']}.")
    elif http_failed.get("failed"):
        lines += [f"Over HTTP, {key}: {reason}." for key, reason in http_failed["failed"].items()]
    return "\n".join(lines)
