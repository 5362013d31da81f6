"""What the tests of the CSV service share: routes, and functions behind them."""

import contextlib
import io
import json

import pandas

from harness import call, unique

TOTAL = """
import json

def handler(values):
    return sum(values)
"""
# Sums like Python's own are not pandas', whose order of additions is another.
WHOLE = "import numpy\n\n\ndef handler(values: numpy.ndarray):\n    return values.sum()\n"


class Routes:
    """Makes routes on paths of their own, and removes them at the end."""

    def __init__(self, engine):
        self.engine = engine
        self.made = []

    def add(self, function, path=None, cors=(), **options) -> str:
        """The URL."""
        path = path or "/" + unique("route")
        route = {"path": path, "type": "map", "function": function, "options": options, "cors": list(cors)}
        answer = call(self.engine, "PUT", "/_squall/routes", json.dumps(route).encode(), service="squall")
        assert answer.status == 200, answer
        self.made.append(path)
        return json.loads(answer.body)["url"]

    def remove(self, path):
        return call(self.engine, "DELETE", f"/_squall/routes?path={path}", service="squall")

    def remove_all(self):
        for path in self.made:
            self.remove(path)


@contextlib.contextmanager
def routes_of(engine):
    routes = Routes(engine)
    try:
        yield routes
    finally:
        routes.remove_all()


def csv_of(table: pandas.DataFrame) -> bytes:
    return table.to_csv(index=False).encode()


def table_of(answer) -> pandas.DataFrame:
    assert answer.status_code == 200, answer.text
    return pandas.read_csv(io.StringIO(answer.text))


def error_of(answer, status, kind) -> dict:
    """The error's object, after a look at what all errors have."""
    assert answer.status_code == status, (answer.status_code, answer.text)
    error = answer.json()
    assert (error["errorType"], error["httpStatus"]) == (kind, status), error
    assert error["message"] and error["request_id"] == answer.headers["x-amzn-requestid"]
    return error
