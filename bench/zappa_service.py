"""What the template csv-features does, as a user of Zappa would write it: a table comes in by
PUT, its series are grouped, each gives one row of numbers. In one place: Zappa spreads nothing.
"""

import io

import flask
import pandas

app = flask.Flask(__name__)
RELEASE = 1


def features(series):
    return {"mean": series.mean(), "std": series.std(), "min": series.min(), "max": series.max()}


@app.put("/")
def table():
    rows = pandas.read_csv(io.BytesIO(flask.request.get_data()))
    groups = rows.sort_values("time").groupby("id")["value"]
    found = pandas.DataFrame({key: features(series) for key, series in groups}).T
    return flask.Response(found.to_csv(index_label="id"), mimetype="text/csv")


@app.get("/release")
def release():
    return {"release": RELEASE}
