"""The section of bench/deploy.py in RESULTS.md."""

import statistics

import results

MB = 1_000_000
LIMIT_MB = 262
TO_REACH_UPDATE = 1.0
HOW = """
How it is measured. Both deploy what the template csv-features does: a table in by PUT, its series
grouped, a row of numbers for each; Zappa as a Flask app of one function, Squall as a map route (on
MiniStack with the coordinator, this binary as a function of its own, and an HTTP API). What each
downloads was downloaded before: Zappa packs a virtual environment that is there, uv has its
wheels. Zappa runs its lightest way: a function URL in place of CloudFormation and API Gateway,
nothing kept warm, no request at the end. It knows no update of code alone and no deployment
without changes: it packs and uploads everything each time. "First" is with Squall's cache empty,
"requirements known" a project of another name whose requirements were built before. After each
first deployment and update of Zappa and of the engine's the service was asked, and answered.
Medians over the turns; ratios are medians of the ratios within turns; contenders take turns.
"""


def report(measured) -> str:
    parts = [
        "## Deploy: a project to an endpoint",
        f"{results.when()}, {results.commit()}, {results.machine()}.",
        times(measured),
        answers(measured),
        sizes(measured.get("sizes")),
        failures(measured),
        HOW,
    ]
    return "\n\n".join(part.strip() for part in parts if part)


def good(turns) -> list:
    return [turn for turn in turns if "failed" not in turn]


def median(turns, name):
    values = [turn[name] for turn in good(turns) if name in turn]
    return statistics.median(values) if values else None


def ratio(measured, other, theirs, ours):
    pairs = zip(measured.get("zappa", ()), measured.get(other, ()))
    found = [a[theirs] / b[ours] for a, b in pairs if theirs in a and ours in b]
    return statistics.median(found) if found else None


def show(value, form="{:.2f} s") -> str:
    return "-" if value is None else form.format(value)


def times(measured) -> str:
    rows = []
    for title, theirs, ours in (
        ("first deployment", "first", "first"),
        ("first, requirements known", "first", "first_cached"),
        ("again, nothing changed", "again", "again"),
        ("a change of the code", "update", "update"),
        ("undeploy", "undeploy", "undeploy"),
    ):
        rows.append(
            (
                title,
                show(median(measured.get("zappa", ()), theirs)),
                show(median(measured.get("ministack", ()), ours)),
                show(ratio(measured, "ministack", theirs, ours), "{:.0f} times"),
                show(median(measured.get("engine", ()), ours)),
            )
        )
    titles = ("csv-features", "Zappa to MiniStack", "Squall to MiniStack", "faster", "Squall to its engine")
    return results.table(titles, rows)


def answers(measured) -> str:
    value = median(measured.get("engine", ()), "update_and_answer")
    if value is None:
        return ""
    verdict = "reached" if value < TO_REACH_UPDATE else "not reached"
    return (
        "From the command `squall update` to the first answer of the new code, on the engine: "
        f"{value:.2f} s (to reach: under {TO_REACH_UPDATE:.0f} s; {verdict})."
    )


def sizes(seen) -> str:
    if not seen or "failed" in seen:
        return ""
    names = {"plain": "`uv pip install --target`", "ours": "Squall", "slim": "Squall `--slim`"}
    rows = []
    for key, title in names.items():
        size = seen.get(key)
        if size:
            fits = "yes" if size["unpacked"] <= LIMIT_MB * MB else "no"
            rows.append((title, f"{size['unpacked'] / MB:.0f} MB", f"{size['zip'] / MB:.0f} MB", fits))
    versions = ", ".join(one.replace("==", " ") for one in seen["versions"])
    return f"{versions}, with what they require:\n\n" + results.table(
        ("package", "unpacked", "zipped", "fits Lambda's 250 MiB"), rows
    )


def failures(measured) -> str:
    lines = []
    for name, turns in measured.items():
        for turn in turns if isinstance(turns, list) else [turns]:
            if "failed" in turn:
                lines.append(f"- {name}: {turn['failed'].splitlines()[0]}")
    return "Failed:\n\n" + "\n".join(lines) if lines else ""
