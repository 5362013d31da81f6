"""What is done to each item in bench/map.py: the same functions for every contender.

An item is a column of values: an array of numpy, a Series of pandas, or a list. This
module is imported by the peers, and its text is the code of the Lambda functions.
"""

import os
import socket
import time

# Without it a function would not be one of numpy's, for an engine that looks.
import numpy

BUSY_SECONDS = 0.005
# Of a thousand items: twenty that raise, and one that takes its process with it.
FAILING, POISON = 50, 333


def total(values):
    return float(sum(values)) if type(values) is list else float(values.sum())


def busy(values):
    """A computation of a few milliseconds on one processor: by its clock, not by the wall's."""
    end = time.thread_time() + BUSY_SECONDS
    while time.thread_time() < end:
        pass
    return float(values[0])


def fragile(values):
    """Item n holds n and a port; each run is reported there, so that they can be counted."""
    number, port = int(values[0]), int(values[1])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as counter:
        counter.sendto(b"%d" % number, ("127.0.0.1", port))
    if number == POISON:
        os._exit(1)
    if number % FAILING == FAILING - 1:
        raise ValueError("bad item %d" % number)
    return float(number)


def arrays(count, width=100):
    """Normal numbers, the same wherever this runs."""
    dice = numpy.random.default_rng(7)
    return list(dice.normal(size=(count, width)))


def numbered(count, port):
    return [numpy.array([number, port], dtype=float) for number in range(count)]
