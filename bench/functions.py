"""The handlers that are measured: the same source for every engine."""

# serverless-offline waits for ever for a handler that returns None, or anything
# else that JavaScript takes for false; so every handler here returns something.
NOOP = """
def handler(event, context):
    return {"ok": True}
"""

# One import of each library that a data scientist waits for, and a small result.
SCIENCE = """
import socket

import numpy
import pandas
import scipy.stats

calls = 0


def handler(event, context):
    global calls
    calls += 1
    if event.get("gate"):
        # Stays busy until the benchmark closes this connection.
        with socket.create_connection(("127.0.0.1", event["gate"])) as gate:
            gate.sendall(b"here")
            gate.recv(1)
    frame = pandas.DataFrame({"x": numpy.arange(20.0)})
    frame["y"] = 3 * frame.x + 1
    fit = scipy.stats.linregress(frame.x, frame.y)
    return {"call": calls, "slope": float(fit.slope)}
"""

# The same work without any engine.
SCIENCE_SCRIPT = """
import numpy, pandas, scipy.stats
frame = pandas.DataFrame({"x": numpy.arange(20.0)})
frame["y"] = 3 * frame.x + 1
print(scipy.stats.linregress(frame.x, frame.y).slope)
"""

SLEEP = """
import time


def handler(event, context):
    time.sleep(1)
    return {"ok": True}
"""

NUMPY_GATE = """
import socket

import numpy


def handler(event, context):
    total = float(numpy.arange(1000.0).sum())
    with socket.create_connection(("127.0.0.1", event["gate"])) as gate:
        gate.recv(1)
    return total
"""
