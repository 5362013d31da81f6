"""What is said of items that failed."""

# The table names this many items of each kind of error.
EXAMPLES = 5


class ItemError(Exception):
    """One item that failed, and why."""

    def __init__(self, id, kind, message, stack=(), attempts=1):
        super().__init__("%s: %s: %s" % (id, kind, message))
        #: The item's key where items have keys, else its place.
        self.id = id
        #: The name of the exception that the handler raised, or AWS's word for how it ended.
        self.kind = kind
        self.message = message
        self.stack = list(stack)
        #: How often it was tried.
        self.attempts = attempts

    def __reduce__(self):
        return ItemError, (self.id, self.kind, self.message, self.stack, self.attempts)


class MapError(Exception):
    """Items failed; `failures` has one `ItemError` for each."""

    def __init__(self, failures, count):
        self.failures, self.count = failures, count
        super().__init__("%d of %d items failed\n%s" % (len(failures), count, table(failures)))

    def __reduce__(self):
        return MapError, (self.failures, self.count)


def table(failures):
    """A line for each kind of error: how many, the first one's message, which items."""
    kinds = {}
    for failure in failures:
        kinds.setdefault(failure.kind, []).append(failure)
    lines = []
    for kind, those in sorted(kinds.items(), key=lambda pair: -len(pair[1])):
        names = ", ".join(str(failure.id) for failure in those[:EXAMPLES])
        more = ", ..." if len(those) > EXAMPLES else ""
        message = (those[0].message.splitlines() or [""])[0]
        lines.append("%6d  %s: %s  (%s%s)" % (len(those), kind, message, names, more))
    return "\n".join(lines)
