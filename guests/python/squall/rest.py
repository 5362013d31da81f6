"""What of a package did not fit into it: fetched from a bucket and unpacked as an
instance starts.

It lies in /tmp, under the hash of its content: an instance that is started again in the
same place finds it.
"""

import hashlib
import os
import shutil
import sys
import urllib.parse

from . import aws, unzip
from .kinds import described

FOLDER = "/tmp/squall-rest"
SAFE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._/")


class BadRest(Exception):
    pass


described(BadRest, "Squall.Rest")


def put_onto_path(environ=os.environ, folder=FOLDER):
    """Makes what SQUALL_REST names importable, or raises `BadRest` with the reason."""
    url, digest = environ.get("SQUALL_REST"), environ.get("SQUALL_REST_SHA256", "")
    if not url:
        return
    place = os.path.join(folder, digest[:16] or "unnamed")
    try:
        if not os.path.isdir(place):
            os.makedirs(folder, exist_ok=True)
            aws.insist(lambda: fetch(aws.Service("s3", environ), url, digest, place))
    except (aws.Failed, unzip.BadArchive) as error:
        raise BadRest("the rest of the package cannot be fetched: %s" % error) from None
    except OSError as error:
        raise BadRest("the rest of the package cannot be unpacked: %s" % error) from None
    add_to_path(place, environ)


def add_to_path(place, environ):
    """Behind the code and its layers, where the standard library begins."""
    found = [place]
    version = "python%d.%d" % sys.version_info[:2]
    for inner in (("python",), ("python", "lib", version, "site-packages")):
        folder = os.path.join(place, *inner)
        if os.path.isdir(folder):
            found.insert(0, folder)
    own = (environ.get("LAMBDA_TASK_ROOT", "/var/task"), "/opt/")
    last = max((n + 1 for n, entry in enumerate(sys.path) if entry.startswith(own)), default=0)
    sys.path[last:last] = found


def fetch(service, url, digest, place):
    part = place + ".part"
    shutil.rmtree(part, ignore_errors=True)
    os.mkdir(part)
    seen = hashlib.sha256()
    answer, connection = service.send("GET", address(service, url), {"X-Amz-Content-Sha256": EMPTY})
    try:
        unzip.unpack(answer.read, part, seen.update)
    except unzip.BadArchive:
        # Where the connection broke, the archive is not to blame.
        if not answer.isclosed() or answer.length:
            raise aws.PassingFailure("it ended early") from None
        raise
    finally:
        connection.close()
    if seen.hexdigest() != digest:
        raise aws.Failed("it is not what was deployed: its SHA-256 is %s" % seen.hexdigest())
    os.rename(part, place)


EMPTY = hashlib.sha256(b"").hexdigest()


def address(service, url):
    """Of an object that is named by `s3://BUCKET/KEY`."""
    parts = urllib.parse.urlsplit(url)
    key = parts.path.lstrip("/")
    if parts.scheme != "s3" or not parts.netloc or not key or set(key) - SAFE:
        raise aws.Failed("%r names no object" % url)
    if service.is_elsewhere:
        return "%s/%s/%s" % (service.endpoint, parts.netloc, key)
    return "https://%s.s3.%s/%s" % (parts.netloc, service.domain(), key)
