"""Sends a table of series to the service, and reads the features of each back.

    python client.py ADDRESS [series] [values of each]

Compare `invoke_lambda` True and False to see what spreading over instances is worth.
"""

import io
import sys
import time

import numpy
import pandas
import requests


def series(count, length, seed=0):
    """A long table: id, time, value."""
    random = numpy.random.default_rng(seed)
    return pandas.DataFrame(
        {
            "id": numpy.repeat(numpy.arange(count), length),
            "time": numpy.tile(numpy.arange(length), count),
            "value": random.normal(size=count * length),
        }
    )


def extract(url, table, **options):
    """The features of each id, as a table with the ids as its index."""
    answer = requests.put(url, params=options, data=table.to_csv(index=False).encode())
    if not answer.ok:
        raise RuntimeError(f"{answer.status_code}: {answer.json()['message']}")
    return pandas.read_csv(io.StringIO(answer.text), index_col=options.get("id_column", "id"))


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    count, length = (int(word) for word in (sys.argv[2:4] + ["1000", "100"])[:2])
    table = series(count, length)
    for spread in (False, True):
        for chunksize in (1, 10, "auto"):
            started = time.perf_counter()
            features = extract(sys.argv[1], table, chunksize=chunksize, invoke_lambda=spread)
            seconds = time.perf_counter() - started
            print(f"invoke_lambda={spread!s:5} chunksize={chunksize:<4} {seconds:7.3f} s")
    print(features.head())


if __name__ == "__main__":
    main()
