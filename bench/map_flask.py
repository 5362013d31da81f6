"""The story's server, as one would write it with Flask and pandas; for bench/map.py.

    python map_flask.py one          groups and computes in one process
    python map_flask.py fan          groups, and sends chunks over HTTP to two workers
    python map_flask.py worker       computes the chunks
    python map_flask.py upload       takes the body and does nothing

Prints its port, serves until it is killed.
"""

import json
import logging
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import flask
import pandas as pd
from werkzeug.serving import WSGIRequestHandler, make_server

WORKERS = 2
app = flask.Flask(__name__)
ports = []


def features(values):
    return float(values.sum())


@app.put("/one")
def one():
    frame = pd.read_csv(flask.request.stream)
    result = frame.groupby("id")["value"].apply(features)
    return flask.Response(result.to_csv(), mimetype="text/csv")


@app.put("/fan")
def fan():
    import requests

    frame = pd.read_csv(flask.request.stream)
    groups = [(key, values.tolist()) for key, values in frame.groupby("id")["value"]]
    size = int(flask.request.args.get("chunksize", 5))
    parts = [groups[start : start + size] for start in range(0, len(groups), size)]
    sessions = [requests.Session() for _ in ports]

    def send(numbered):
        number, part = numbered
        answer = sessions[number % WORKERS].post(f"http://127.0.0.1:{ports[number % WORKERS]}/chunk", json=part)
        return answer.json()

    with ThreadPoolExecutor(4 * WORKERS) as pool:
        rows = [row for part in pool.map(send, enumerate(parts)) for row in part]
    result = pd.DataFrame(rows, columns=["id", "value"])
    return flask.Response(result.to_csv(index=False), mimetype="text/csv")


@app.post("/chunk")
def chunk():
    return flask.jsonify([(key, features(pd.Series(values))) for key, values in flask.request.json])


@app.put("/upload")
def upload():
    size = 0
    while piece := flask.request.stream.read(1 << 20):
        size += len(piece)
    return {"size": size}


class KeepAlive(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"


def main():
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    if sys.argv[1] == "fan":
        for _ in range(WORKERS):
            worker = subprocess.Popen([sys.executable, __file__, "worker"], stdout=subprocess.PIPE, text=True)
            ports.append(int(worker.stdout.readline()))
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=KeepAlive)
    print(json.dumps(server.server_port), flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
