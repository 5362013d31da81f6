"""Errors in the shape that AWS's Python runtime gives them."""

import sys
import traceback


def make_error(message, kind, stack=(), request_id=""):
    return {
        "errorMessage": message,
        "errorType": kind,
        "requestId": request_id,
        "stackTrace": list(stack),
    }


class InitError(Exception):
    """The function could not be loaded; carries what the client is to see."""

    def __init__(self, message, kind, stack=(), log_stack=None):
        super().__init__(message)
        self.error = make_error(message, kind, stack)
        #: What the log is to say, where that is more than the client hears.
        self.logged = make_error(message, kind, log_stack) if log_stack else self.error


def frames(error, skip):
    """The stack without the runtime's own frames at its top."""
    return traceback.format_list(traceback.extract_tb(error.__traceback__)[skip:])


def indent(line):
    bare = line.lstrip(" ")
    return "\u00a0" * (len(line) - len(bare)) + bare


def log(error):
    """Writes an error to the function's log the way AWS shows it there."""
    text = "[ERROR] %s: %s" % (error["errorType"], error["errorMessage"])
    if not error["errorMessage"]:
        text = "[ERROR] %s" % error["errorType"]
    if error["stackTrace"]:
        # AWS keeps one record in one line of the pipe: \r inside, \n at its end,
        # and indentation that log viewers do not strip.
        lines = "".join(error["stackTrace"]).rstrip("\n").split("\n")
        text += "\rTraceback (most recent call last):\r" + "\r".join(map(indent, lines))
    sys.stdout.flush()
    sys.stderr.flush()
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
