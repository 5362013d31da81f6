"""The section of bench/models.py in RESULTS.md."""

import statistics

import results

TO_REACH = {"plumber": 50, "row_us": 2, "bare": 1.3, "cold": 15, "fit": 5, "memory_mb": 64}
SERVERS = (
    ("Squall, native route", "native"),
    ("Squall, `model serve`", "Squall, `model serve`"),
    ("Squall, R handler", "R handler"),
    ("plumber", "plumber"),
    ("plumber, a connection for each request", "plumber, a connection each"),
    ("Rserve (its own protocol)", "Rserve"),
    ("FastAPI, statsmodels", "FastAPI, statsmodels"),
    ("FastAPI, rpy2", "FastAPI, rpy2"),
    ("Rscript, a process for each", "Rscript"),
)
HOW = """
How it is measured. One logistic model (400 rows, two numbers and a factor of four levels) is asked
for one applicant, by GET with the fields in the query, over keep-alive connections by
bench/loadgen, in processes of their own on the same machine; Rserve through its own protocol and a
client of a few lines. Both routes of Squall pass its gateway and the engine around it; `model
serve` is the same server without them. The R handler does what plumber's does: it makes a data frame
of three fields and calls `predict`. plumber's answers to a kept connection leave in two
pieces and wait for TCP's delayed acknowledgement, so it is measured with a connection for each
request, too. "Cold" is from the start of a process to its first answer, page cache warm; for the
R handler it is a call of an instance that did not exist before (all others are held busy), forked
from the function's template. The bare `predict` is a loop in R. A row in process is a
program of the crate `model` alone. Fits in memory begin with columns of numbers, each in a fresh process, the
median of three; memory is the most that the process had in use, beside what it had before the fit began.
From a CSV it is a whole process with its libraries. Errors are the largest relative difference
of a coefficient to R's. Medians over the turns, ratios are medians of the ratios within turns;
contenders take turns, each is started anew in each.
"""


def report(measured) -> str:
    parts = [
        "## Models: served and fitted",
        f"{results.machine()}; {results.when()}, commit {results.commit()}.",
        serving(measured.get("serving")),
        goals(measured.get("serving"), measured.get("row")),
        fits(measured.get("fit")),
        from_csv(measured.get("fit")),
        failures(measured),
        HOW,
    ]
    return "\n\n".join(part.strip() for part in parts if part)


def dig(turn, *path):
    for name in path:
        turn = turn.get(name) if isinstance(turn, dict) else None
    return turn


def median(turns, *path):
    values = [value for turn in turns if (value := dig(turn, *path)) is not None]
    return statistics.median(values) if values else None


def ratio(turns, above, below):
    """The median of the ratios of two figures, each within one turn."""
    found = [dig(turn, *above) / dig(turn, *below) for turn in turns if dig(turn, *above) and dig(turn, *below)]
    return statistics.median(found) if found else None


def show(value, form="{:,.0f}") -> str:
    return "-" if value is None else form.format(value)


def verdict(reached: bool) -> str:
    return "reached" if reached else "not reached"


def serving(turns) -> str:
    if not turns:
        return ""
    rows = []
    for title, key in SERVERS:
        one, eight = (key, "1"), (key, "8")
        rows.append(
            (
                title,
                show(median(turns, *one, "per_second")) + "/s" if median(turns, *one, "per_second") else "-",
                show(median(turns, *one, "p50_ms"), "{:.3f} ms"),
                show(median(turns, *eight, "per_second")) + "/s" if median(turns, *eight, "per_second") else "-",
                show(median(turns, *eight, "p50_ms"), "{:.3f} ms"),
                show(ratio(turns, ("native", "1", "per_second"), (*one, "per_second")), "{:,.1f}x"),
                show(median(turns, key, "cold_ms"), "{:,.1f} ms"),
            )
        )
    titles = ("one prediction", "1 client", "p50", "8 clients", "p50 of 8", "native route is", "cold")
    return results.table(titles, rows)


def goals(turns, row) -> str:
    lines = []

    def goal(text, value, form, reached):
        if value is not None:
            lines.append(f"- {text}: {form.format(value)} ({verdict(reached(value))}).")

    if turns:
        native = ("native", "1", "per_second")
        for name in ("plumber", "plumber, a connection each"):
            goal(
                f"Native route beside {name}, requests/s of one client (to reach: {TO_REACH['plumber']} times)",
                ratio(turns, native, (name, "1", "per_second")),
                "{:,.0f} times",
                lambda value: value >= TO_REACH["plumber"],
            )
        goal(
            f"R handler warm beside a bare `predict` and its data frame (to reach: {TO_REACH['bare']} times)",
            in_micros(turns, "handler_p50_us"),
            "{:.2f} times",
            lambda value: value <= TO_REACH["bare"],
        )
        goal("R handler warm beside a bare `predict` alone", in_micros(turns, "p50_us"), "{:.2f} times", lambda value: value <= TO_REACH["bare"])
        goal(
            f"R cold by fork beside Rscript (to reach: {TO_REACH['cold']} times faster)",
            ratio(turns, ("Rscript", "cold_ms"), ("R handler", "cold_ms")),
            "{:.1f} times",
            lambda value: value >= TO_REACH["cold"],
        )
    if row and "failed" not in row:
        goal(
            f"One row in process (to reach: under {TO_REACH['row_us']} us)",
            row["row_us"],
            "{:.2f} us",
            lambda value: value < TO_REACH["row_us"],
        )
        lines.append(f"- A row of many in process: {row['batch_row_us']:.3f} us.")
    return "\n".join(lines)


def in_micros(turns, name):
    found = [
        1000 * dig(turn, "R handler", "1", "p50_ms") / dig(turn, "bare", name)
        for turn in turns
        if dig(turn, "R handler", "1", "p50_ms") and dig(turn, "bare", name)
    ]
    return statistics.median(found) if found else None


# Fits

FITTERS = ("Squall", "R, glm.fit", "R, glm", "statsmodels", "scikit-learn, lbfgs", "scikit-learn, newton-cholesky")


def fits(measured) -> str:
    if not measured:
        return ""
    rows = []
    for name in FITTERS:
        small, large = measured["400"]["turns"], measured["1e6"]["turns"]
        extra = [
            turn[name]["memory_mb"] - turn[name]["held_mb"] for turn in large if "memory_mb" in turn.get(name, {})
        ]
        rows.append(
            (
                name,
                show(milli(median(small, name, "seconds")), "{:.3f} ms"),
                show(error(small, name), "{:.0e}"),
                show(median(large, name, "seconds"), "{:.3f} s"),
                show(ratio(large, (name, "seconds"), ("Squall", "seconds")), "{:.1f}x"),
                show(error(large, name), "{:.0e}"),
                show(statistics.median(extra) if extra else None, "{:,.0f} MB"),
                show(median(large, name, "memory_mb"), "{:,.0f} MB"),
            )
        )
    titles = ("logistic fit in memory", "400 x 5", "off", "1e6 x 10", "Squall is", "off", "memory for the fit", "most in all")
    text = results.table(titles, rows)
    faster = ratio(measured["1e6"]["turns"], ("R, glm.fit", "seconds"), ("Squall", "seconds"))
    most = median(measured["1e6"]["turns"], "Squall", "memory_mb")
    if faster and most:
        bound = measured["1e6"]["data_mb"] + TO_REACH["memory_mb"]
        text += (
            f"\n\n- Fit of 1e6 x 10 beside `glm.fit` (to reach: {TO_REACH['fit']} times faster): {faster:.1f} times "
            f"({verdict(faster >= TO_REACH['fit'])}).\n- Memory of that process (to reach: the data and "
            f"{TO_REACH['memory_mb']} MB, {bound:.0f} MB): {most:.0f} MB ({verdict(most <= bound)})."
        )
    return text


def milli(seconds):
    return None if seconds is None else 1000 * seconds


def error(turns, name):
    found = []
    for turn in turns:
        ours, theirs = dig(turn, name, "coefficients"), dig(turn, "R, glm.fit", "coefficients")
        if ours and theirs:
            found.append(max(abs(a - b) / abs(b) for a, b in zip(ours, theirs, strict=True)))
    return max(found) if found else None


def from_csv(measured) -> str:
    if not measured or "csv" not in measured:
        return ""
    turns, rows = measured["csv"]["turns"], []
    for name in turns[0]:
        rows.append(
            (
                name,
                show(median(turns, name, "seconds"), "{:.2f} s"),
                show(median(turns, name, "cpu"), "{:.2f} s"),
                show(median(turns, name, "memory"), "{:,.0f} MB"),
                show(ratio(turns, (name, "seconds"), ("Squall", "seconds")), "{:.1f}x"),
            )
        )
    head = f"a CSV of {measured['csv']['csv_mb']:.0f} MB, 1e6 x 10, to a model"
    return results.table((head, "time", "processor", "most memory", "Squall is"), rows)


def failures(measured) -> str:
    lines = []

    def look(path, value):
        if isinstance(value, dict):
            for name, inner in value.items():
                if name.endswith("failed"):
                    lines.append(f"- {', '.join(path)}: {str(inner).splitlines()[0]}")
                else:
                    look([*path, name], inner)
        elif isinstance(value, list):
            for inner in value:
                look(path, inner)

    look([], measured)
    return "Failed:\n\n" + "\n".join(dict.fromkeys(lines)) if lines else ""
