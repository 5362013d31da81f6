"""The handler of functions that need more than their own: an app, secrets, a rest that
did not fit into the package, or to be kept warm.

Works wherever Python functions run, on nothing but the standard library. What it is
to do stands in the environment:

SQUALL_HANDLER    `module.function`, the user's handler; or
SQUALL_APP        `module:object`, an app that speaks WSGI or ASGI
SQUALL_SECRETS    parameters of SSM that become variables (`secrets.py`)
SQUALL_REST       an archive in a bucket, with its SQUALL_REST_SHA256 (`rest.py`)

All is made ready while this module is imported: that is the init phase, which is paid
for once.
"""

import functools
import importlib
import json
import os

from . import chunk
from .kinds import described


class ImportModuleError(Exception):
    pass


class UserCodeSyntaxError(Exception):
    pass


class HandlerNotFound(Exception):
    pass


class MalformedHandlerName(Exception):
    pass


# By the names that AWS's runtime gives to the same mistakes of an unwrapped handler.
described(ImportModuleError, "Runtime.ImportModuleError")
described(UserCodeSyntaxError, "Runtime.UserCodeSyntaxError")
described(HandlerNotFound, "Runtime.HandlerNotFound")
described(MalformedHandlerName, "Runtime.MalformedHandlerName")


def make(environ=os.environ):
    """The handler that this environment asks for."""
    if environ.get("SQUALL_REST"):
        from . import rest

        rest.put_onto_path(environ)
    if environ.get("SQUALL_SECRETS"):
        from . import secrets

        secrets.put_into(environ)
    if environ.get("SQUALL_APP"):
        from . import web

        return wrapped(web.handler_of(app_of(environ["SQUALL_APP"]), environ))
    name = environ.get("SQUALL_HANDLER")
    if not name:
        raise MalformedHandlerName("neither SQUALL_HANDLER nor SQUALL_APP is set")
    return wrapped(handler_of(name))


def handler_of(name):
    """The function that `module.function` names."""
    module, dot, attribute = name.rpartition(".")
    if not dot:
        raise MalformedHandlerName("Bad handler '%s': it has no dot" % name)
    return attribute_of(module_of(module), module, attribute)


def app_of(name):
    """The object that `module:object` names; `module:function()` is what that returns."""
    module, colon, path = name.partition(":")
    if not (module and colon and path):
        raise MalformedHandlerName("Bad app '%s': it is not like module:object" % name)
    is_factory = path.endswith("()")
    found = module_of(module)
    for attribute in path.removesuffix("()").split("."):
        found = attribute_of(found, module, attribute)
    return found() if is_factory else found


def module_of(name):
    name = name.replace("/", ".")
    try:
        return importlib.import_module(name)
    except ImportError as error:
        # Otherwise it would be this module that AWS's runtime says it could not import.
        failure = ImportModuleError("Unable to import module '%s': %s" % (name, error))
        raise failure.with_traceback(error.__traceback__) from None
    except SyntaxError as error:
        message = "Syntax error in module '%s': %s" % (name, error)
        raise UserCodeSyntaxError(message).with_traceback(error.__traceback__) from None


def attribute_of(found, module, attribute):
    try:
        return getattr(found, attribute)
    except AttributeError:
        message = "Handler '%s' missing on module '%s'" % (attribute, module)
        raise HandlerNotFound(message) from None


def wrapped(function):
    """A handler that serves the events of a map, and those that keep instances warm."""

    @functools.wraps(function)
    def handler(event, context):
        if type(event) is dict and "squall" in event:
            if chunk.is_map(event):
                return json.loads(chunk.serve(function, event, context))
            from . import warm

            if warm.is_warm(event):
                return warm.answer(event, context)
        return function(event, context)

    # By this our own runtime client finds what a map is to call.
    handler.squall_mapped = getattr(function, "squall_mapped", function)
    return handler


handler = make()
