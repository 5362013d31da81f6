"""Packages whose handler is `squall.entry.handler`, as `squall deploy` makes them."""

import sys

from harness import ROOT, zip_of

GUEST = ROOT / "guests" / "python"
if str(GUEST) not in sys.path:
    sys.path.append(str(GUEST))


def library() -> dict:
    """The files of the package `squall`, by their paths in a zip."""
    return {f"squall/{path.name}": path.read_bytes() for path in sorted((GUEST / "squall").glob("*.py"))}


def wrapped(files, app=None, handler="app.handler", environment=None, **settings):
    """Arguments for `functions.make`: the code, and what tells the wrapper about it."""
    if isinstance(files, str):
        files = {"app.py": files}
    names = {"SQUALL_APP": app} if app else {"SQUALL_HANDLER": handler}
    return {
        "source": zip_of({**library(), **files}),
        "Handler": "squall.entry.handler",
        "Environment": {"Variables": {**names, **(environment or {})}},
        **settings,
    }
