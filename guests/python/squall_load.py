"""Finding the handler that a function names, with AWS's words where it fails."""

import importlib
import os
import sys

from squall_errors import InitError, frames


def prepare_interpreter():
    """What `site` gives to every script, without the machine's site-packages."""
    import site

    import squall_context

    site.setquit()
    site.sethelper()
    site.setcopyright()
    squall_context.install_logging()


def load():
    """Returns the handler named by `_HANDLER`, or raises InitError."""
    name = os.environ["_HANDLER"]
    try:
        module_name, attribute = name.rsplit(".", 1)
    except ValueError as error:
        raise InitError(
            "Bad handler '%s': %s" % (name, error), "Runtime.MalformedHandlerName"
        ) from None
    module_name = module_name.replace("/", ".")
    if module_name in sys.builtin_module_names:
        raise InitError(
            "Cannot use built-in module %s as a handler module" % module_name,
            "Runtime.BuiltInModuleConflict",
        )
    module = import_module(module_name)
    try:
        return getattr(module, attribute)
    except AttributeError:
        raise InitError(
            "Handler '%s' missing on module '%s'" % (attribute, module_name),
            "Runtime.HandlerNotFound",
        ) from None


def import_module(name):
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise InitError(
            "Unable to import module '%s': %s" % (name, error),
            "Runtime.ImportModuleError",
            # AWS tells nobody where it was. Callers hear the same from us; the log says it.
            log_stack=frames(error, skip=own_frames(error)),
        ) from None
    except SyntaxError as error:
        stack = ['  File "%s" Line %s\n    %s' % (error.filename, error.lineno, error.text)]
        raise InitError(
            "Syntax error in module '%s': %s" % (name, error),
            "Runtime.UserCodeSyntaxError",
            stack,
        ) from None
    except Exception as error:
        raise InitError(
            str(error), type(error).__name__, frames(error, skip=own_frames(error))
        ) from None


# The wrapper that loads a handler or an app for whoever deployed it (`squall/entry.py`).
WRAPPER = os.path.join("squall", "entry.py")


def own_frames(error):
    """How many frames at the top of a stack belong to the import machinery."""
    count = 0
    trace = error.__traceback__
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if not (file == __file__ or "importlib" in file or file.endswith(WRAPPER)):
            break
        count += 1
        trace = trace.tb_next
    return count

