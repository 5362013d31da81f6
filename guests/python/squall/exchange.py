"""Chunks and answers that are too large for an event: fetched from, and put to, a store."""

import http.client
import os
import re
import time
import urllib.parse

from .kinds import described

TRIES = 3
PAUSE_SECONDS = 0.2
TIMEOUT_SECONDS = 60
# Of an error's text.
MOST_SHOWN = 300
# Of S3, however a bucket is named: in front of it, behind it, or by an endpoint of a VPC.
OF_S3 = re.compile(r"(.+\.)?s3[.-]([a-z0-9-]+\.)*amazonaws\.com(\.cn)?")


class Exchange(Exception):
    pass


described(Exchange, "Squall.Exchange")


def get(url):
    """What lies there. It is refused if it is larger than the function's memory."""
    memory = int(os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE") or 10_240)
    return ask("GET", url, None, memory * 1024 * 1024)


def put(url, body):
    ask("PUT", url, body, MOST_SHOWN)


def ask(method, url, body, most):
    reason = ""
    for attempt in range(TRIES):
        if attempt:
            time.sleep(PAUSE_SECONDS * 2**attempt)
        try:
            status, content = ask_once(method, url, body, most)
        except (OSError, http.client.HTTPException) as error:
            reason = "%s: %s" % (type(error).__name__, error)
            continue
        if status == 200:
            return content
        reason = "%d %s" % (status, content[:MOST_SHOWN].decode("utf-8", "replace"))
        if status < 500:
            break
    raise Exchange("%s of a chunk: %s" % (method, reason))


def ask_once(method, url, body, most):
    parts = urllib.parse.urlsplit(url)
    connection = connect(parts)
    try:
        target = urllib.parse.urlunsplit(("", "", parts.path or "/", parts.query, ""))
        # The signature covers the host of the URL, wherever that is from here.
        connection.request(method, target, body, {"Host": parts.netloc})
        answer = connection.getresponse()
        if answer.status != 200:
            return answer.status, answer.read(MOST_SHOWN)
        content = answer.read(most)
        if answer.read(1):
            raise Exchange("%s of a chunk: it is larger than %d bytes" % (method, most))
        return 200, content
    finally:
        connection.close()


def connect(parts):
    endpoint = urllib.parse.urlsplit(
        os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""
    )
    if parts.scheme not in ("http", "https"):
        raise Exchange("chunks are not fetched by %r" % parts.scheme)
    # Who may send events may not ask through this function what only it can reach.
    if parts.scheme == "https":
        if not is_store(parts.hostname or "", endpoint):
            raise Exchange(
                "chunks are not fetched from %r: it is neither S3 nor AWS_ENDPOINT_URL_S3"
                % parts.hostname
            )
        return http.client.HTTPSConnection(parts.netloc, timeout=TIMEOUT_SECONDS)
    if endpoint.scheme != "http":
        raise Exchange("chunks are not fetched by http, but from AWS_ENDPOINT_URL_S3")
    # An engine on this machine: outside it may have another name.
    return http.client.HTTPConnection(endpoint.netloc, timeout=TIMEOUT_SECONDS)


def is_store(host, endpoint):
    if endpoint.scheme == "https" and endpoint.hostname:
        if host == endpoint.hostname or host.endswith("." + endpoint.hostname):
            return True
    return OF_S3.fullmatch(host) is not None
