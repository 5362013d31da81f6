"""Asking a WSGI app (PEP 3333): Flask, Django, Bottle and their kin."""

import io
import sys

# Names of CGI's own, without the prefix of headers.
BARE = {"content-type": "CONTENT_TYPE", "content-length": "CONTENT_LENGTH"}


def ask_wsgi(app, request):
    """The app's (status, headers, body)."""
    said, written = [], []

    def start_response(status, headers, exc_info=None):
        if said and exc_info is None:
            raise AssertionError("the app started its response twice")
        said[:] = [int(status.split(" ", 1)[0]), list(headers)]
        return written.append

    parts = app(environ_of(request), start_response)
    try:
        # An app may start its response as late as with the first part.
        written.extend(parts)
    finally:
        if hasattr(parts, "close"):
            parts.close()
    if not said:
        raise AssertionError("the app did not start its response")
    return said[0], said[1], b"".join(written)


def environ_of(request):
    environ = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": request.root.decode("latin-1"),
        "PATH_INFO": request.path.decode("latin-1"),
        "QUERY_STRING": request.query,
        "REQUEST_URI": request.raw_path + ("?" + request.query if request.query else ""),
        "SERVER_NAME": request.host,
        "SERVER_PORT": str(request.port),
        "SERVER_PROTOCOL": request.protocol,
        "REMOTE_ADDR": request.client,
        "CONTENT_LENGTH": str(len(request.body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": request.scheme,
        "wsgi.input": io.BytesIO(request.body),
        "wsgi.errors": sys.stderr,
        # One request at a time in each process, and many processes.
        "wsgi.multithread": False,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        "aws.event": request.event,
        "aws.context": request.context,
    }
    for name, value in request.headers:
        if name == "content-length":
            continue  # of the bytes on their way; the body may have been packed since
        if "_" in name:
            # CGI cannot tell it from its sister with a hyphen, which a proxy may have
            # set for the app to trust.
            continue
        key = BARE.get(name) or "HTTP_" + name.upper().replace("-", "_")
        if key in environ:
            # Cookies have a separator of their own.
            value = environ[key] + ("; " if name == "cookie" else ",") + value
        environ[key] = value
    return environ
