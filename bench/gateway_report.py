"""The section of bench/gateway.py in RESULTS.md."""

import results
from models_report import dig, failures, median, ratio, show, verdict

TO_REACH = {"added_us": 60, "per_second": 20_000, "idle_mb": 150}
ROWS = (
    ("a page of 1 KB", "Squall", "page"),
    ("the same, with key, plan, metering, CORS", "Squall", "page, key"),
    ("a page of 1 KB", "nginx", "page"),
    ("a native model", "Squall", "model"),
    ("the same, with key, plan, metering, CORS", "Squall", "model, key"),
    ("a function that does nothing", "Squall", "function"),
    ("the same, with key, plan, metering, CORS", "Squall", "function, key"),
    ("a function that does nothing", "FastAPI, uvicorn", "function"),
    ("a function that does nothing", "MiniStack", "function"),
)
#: Beside whom the others are.
BASE = {"page": ("nginx", "page"), "function": ("FastAPI, uvicorn", "function")}
HOW = """
How it is measured. All servers run on the machine that also runs the clients, one after the other, each started
anew in each turn; figures are medians over the turns, ratios medians of ratios within turns. "One client" is one
keep-alive connection of bench/loadgen; "64 connections" is wrk with one thread. The page is an object in a
bucket behind a route, for nginx a file, with two workers and an access log as Squall has one. The function is
Python's in each case: for Squall in a jailed process behind an HTTP API, for FastAPI a coroutine inside the server
itself (two workers, uvloop, httptools, no log), for MiniStack a Lambda function behind its HTTP API. "Added" is the
median time of one client beside that of a program of a few lines which answers with the same bytes whatever
comes: all that the gateway does, the model's prediction included. Silent connections were each answered once
before and are asked once more at the end. Memory is the proportional share of the server's processes; of Squall that of the engine,
without the instances of functions.
"""


def report(measured) -> str:
    parts = [
        "## Gateway: a page, a model, a function",
        f"{results.machine()}; {results.when()}, commit {results.commit()}.",
        serving(measured.get("serving")),
        goals(measured.get("serving")),
        idle(measured.get("idle")),
        failures(measured),
        HOW,
    ]
    return "\n\n".join(part.strip() for part in parts if part)


def serving(turns) -> str:
    if not turns:
        return ""
    rows = []
    for title, who, what in ROWS:
        one, many = (who, what, "one"), (who, what, "many")
        base = BASE.get(what.partition(",")[0])
        rows.append(
            (
                title,
                who,
                show(micro(median(turns, *one, "p50_ms")), "{:,.0f} us"),
                show(median(turns, *one, "per_second")),
                show(median(turns, *many, "per_second")),
                show(median(turns, *many, "p50_ms"), "{:.2f} ms"),
                show(median(turns, *many, "p99_ms"), "{:.2f} ms"),
                show(ratio(turns, (*many, "per_second"), (*base, "many", "per_second")), "{:.2f}x") if base else "-",
            )
        )
    titles = ("what", "who", "p50, one client", "requests/s", "64 connections, requests/s", "p50", "p99", "beside nginx or FastAPI")
    return results.table(titles, rows)


def micro(millis):
    return None if millis is None else 1000 * millis


def goals(turns) -> str:
    if not turns:
        return ""
    lines = []
    for name in ("model, key", "page, key"):
        added = [
            1000 * (dig(turn, "Squall", name, "one", "p50_ms") - dig(turn, "bare", "p50_ms"))
            for turn in turns
            if dig(turn, "Squall", name, "one", "p50_ms") and dig(turn, "bare", "p50_ms")
        ]
        if added:
            value = sorted(added)[len(added) // 2]
            lines.append(
                f"- Added by the gateway with key, plan, metering and CORS, {name.partition(',')[0]} "
                f"(to reach: under {TO_REACH['added_us']} us): {value:.0f} us ({verdict(value < TO_REACH['added_us'])})."
            )
    for name in ("page", "page, key", "model", "model, key"):
        value = median(turns, "Squall", name, "many", "per_second")
        if value:
            lines.append(
                f"- Requests/s beside wrk on two processors, {name} (to reach: {TO_REACH['per_second']:,}): {value:,.0f} "
                f"({verdict(value >= TO_REACH['per_second'])})."
            )
    faster = ratio(turns, ("Squall", "function", "many", "per_second"), ("MiniStack", "function", "many", "per_second"))
    if faster:
        lines.append(f"- The function behind MiniStack's HTTP API: Squall gives {faster:,.0f} times its requests/s.")
    return "\n".join(lines)


def idle(measured) -> str:
    if not measured:
        return ""
    rows = []
    for name, seen in measured.items():
        if "failed" in seen:
            continue
        alone, beside = seen["alone"], seen["beside"]
        each = 1024 * (beside["memory_mb"] - alone["memory_mb"]) / seen["connections"]
        rows.append(
            (
                name,
                f"{alone['memory_mb']:,.0f} MB",
                f"{beside['memory_mb']:,.0f} MB",
                f"{each:.1f} KB",
                f"{1000 * alone['one']['p50_ms']:,.0f} us",
                f"{1000 * beside['one']['p50_ms']:,.0f} us",
                f"{beside['many']['per_second']:,.0f}",
                f"{seen['kept']:,} of {seen['connections']:,}",
            )
        )
    titles = ("silent connections", "memory before", "with them", "each", "p50, one client, before", "with them", "64 more: requests/s", "answered at the end")
    text = results.table(titles, rows)
    ours = measured.get("Squall", {}).get("beside")
    if ours:
        most = TO_REACH["idle_mb"]
        text += (
            f"\n\n- Memory of the engine with {measured['Squall']['connections']:,} silent connections "
            f"(to reach: under {most} MB): {ours['memory_mb']:,.0f} MB ({verdict(ours['memory_mb'] < most)})."
        )
    return text
