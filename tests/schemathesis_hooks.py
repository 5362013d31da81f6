"""What schemathesis must be told of an API of Squall's: what a table looks like, since a schema
says of CSV no more than that it is text, and what one option has to say about another."""

import csv
import io
import json
import os

import schemathesis
from hypothesis import strategies

# The levels of the model's rank are the one thing in which the services differ.
RANKS = os.environ.get("RANKS", "abcd")
CELL = strategies.text(alphabet="ab,;\"'é \t0", max_size=4)
NUMBER = strategies.floats(allow_nan=False, allow_infinity=False)
ROWS = strategies.lists(
    strategies.tuples(CELL, NUMBER.map(repr) | CELL, NUMBER, NUMBER, strategies.sampled_from(RANKS)), max_size=6
)


def table(rows) -> bytes:
    """For maps its first two columns count, for models the others."""
    out = io.StringIO()
    csv.writer(out).writerows([("id", "value", "gre", "gpa", "rank"), *rows])
    return out.getvalue().encode()


KINDS = {
    "text/csv": ROWS.map(table),
    "application/x-ndjson": strategies.lists(NUMBER, max_size=4).map(
        lambda numbers: "\n".join(json.dumps({"id": "a", "value": number}) for number in numbers).encode()
    ),
    "application/vnd.apache.parquet": strategies.binary(max_size=40),
    "application/vnd.apache.arrow.file": strategies.binary(max_size=40),
}
for name, strategy in KINDS.items():
    schemathesis.openapi.media_type(name, strategy)


@schemathesis.hook
def before_load_schema(context, raw_schema):
    """Examples of these kinds are text, and schemathesis takes bytes; they are tried elsewhere."""
    for item in raw_schema["paths"].values():
        for operation in item.values():
            content = operation.get("requestBody", {}).get("content", {}) if isinstance(operation, dict) else {}
            for kind in KINDS:
                content.get(kind, {}).pop("example", None)


@schemathesis.hook
def before_call(context, case, kwargs):
    """`coerce` makes good of a body what its schema calls bad; of the two options that say
    how payloads are packed a request names one; and a bound in time is for slow machines."""
    query = case.query or {}
    if str(query.get("coerce")).lower() in ("true", "false"):
        del query["coerce"]
    if str(query.get("compression")).lower() in ("true", "false") and "format" in query:
        del query["compression"]
    if str(query.get("max_time")).isdigit() and 1 <= int(query["max_time"]) <= 86_400:
        query["max_time"] = 600
