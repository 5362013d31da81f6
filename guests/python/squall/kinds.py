"""How a function wants its items: told by the event, by the function's settings, or
read from its signature."""

import importlib.util
import os
import sys

KINDS = ("series", "array", "list", "frame", "dict", "json")

BY_ANNOTATION = {
    "Series": "series",
    "ndarray": "array",
    "NDArray": "array",
    "DataFrame": "frame",
    "list": "list",
    "List": "list",
    "dict": "dict",
    "Dict": "dict",
}
# Other libraries have a Series, too.
ANNOTATED_IN = ("", "builtins", "typing", "pd", "pandas", "np", "numpy", "npt")
BY_NAME = {
    "series": "series",
    "array": "array",
    "frame": "frame",
    "df": "frame",
    "values": "list",
    "list": "list",
    "item": "dict",
    "row": "dict",
    "event": "dict",
}

TAKES_ARGUMENTS, TAKES_KEYWORDS = 0x04, 0x08


def described(error, kind):
    """An exception that says, by its name, that no chunk of this form can be served."""
    error.__name__ = error.__qualname__ = kind
    return error


class BadChunk(Exception):
    pass


class WrongKind(Exception):
    pass


described(BadChunk, "Squall.BadChunk")
described(WrongKind, "Squall.ItemKind")


class Signature:
    """What is to be known of the parameters of a user's function."""

    def __init__(self, function):
        parameters, self.required = parameters_of(function)
        names = [name for name, _ in parameters]
        self.name, self.annotation = parameters[0] if parameters else ("", None)
        #: Whether it is a handler, with event and context.
        self.with_context = self.required > 1 or names[1:2] == ["context"]
        self.takes_nothing = not parameters and takes_nothing(function)

    def check(self):
        """Refuses what would fail with every single item."""
        if self.required > 2 or self.takes_nothing:
            raise WrongKind(
                "the function takes %d values; a map gives it an item, or an item and a context" % self.required
            )


def takes_nothing(function):
    code = getattr(function, "__code__", None)
    return code is not None and code.co_argcount == 0 and not code.co_flags & TAKES_ARGUMENTS


def parameters_of(function):
    """Name and annotation of each parameter that has a position; how many must be given."""
    code = getattr(function, "__code__", None)
    plain = type(function).__name__ == "function" and not hasattr(function, "__wrapped__")
    if plain and not code.co_flags & (TAKES_ARGUMENTS | TAKES_KEYWORDS):
        names = code.co_varnames[: code.co_argcount]
        annotations = getattr(function, "__annotations__", None) or {}
        found = [(name, annotations.get(name)) for name in names]
        return found, len(names) - len(function.__defaults__ or ())
    # Slow to import, and seldom needed.
    import inspect

    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return [], 1  # not written in Python, and not described
    found = [
        one
        for one in signature.parameters.values()
        if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)
    ]
    required = sum(one.default is one.empty for one in found)
    annotation = lambda one: None if one.annotation is one.empty else one.annotation
    return [(one.name, annotation(one)) for one in found], required


def kind_of(signature, asked=None):
    signature.check()
    kind = asked or os.environ.get("SQUALL_ITEM")
    if kind:
        if kind not in KINDS:
            raise WrongKind("there is no kind of items called %r" % (kind,))
        return kind
    kind = by_annotation(signature.annotation) or BY_NAME.get(signature.name)
    if kind:
        return kind
    if signature.with_context:
        return "dict"
    if "pandas" in sys.modules:
        return "series"
    return "array" if "numpy" in sys.modules else "list"


def by_annotation(annotation):
    if annotation is None:
        return None
    if isinstance(annotation, str):
        place, _, name = annotation.partition("[")[0].strip().rpartition(".")
    else:
        annotation = getattr(annotation, "__origin__", None) or annotation
        name = getattr(annotation, "__name__", "")
        place = getattr(annotation, "__module__", "") or ""
    return BY_ANNOTATION.get(name) if place.partition(".")[0] in ANNOTATED_IN else None


def available(library):
    """Whether the function could import it. It is not imported: that is slow."""
    if library in sys.modules:
        return sys.modules[library] is not None
    try:
        return importlib.util.find_spec(library) is not None
    except (ImportError, ValueError):
        return False


def load(library, kind):
    try:
        return __import__(library)
    except ImportError as error:
        raise WrongKind("items of the kind %r need %s: %s" % (kind, library, error)) from None
