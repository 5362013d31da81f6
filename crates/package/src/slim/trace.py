"""Finds which files of its libraries a function opens.

Started in a jail as `trace.py PLAN`, where PLAN is JSON: the handler, where code and
layers are, events to send it, whether to run tests. What it finds is one line of JSON
behind a mark that only who started it knows.
"""

import json
import os
import sys
import traceback

plan = json.loads(sys.argv[1])
opened = set()


def watch(name, arguments):
    if name == "open" or name == "import":
        path = arguments[0 if name == "open" else 1]
        if type(path) is bytes:
            path = os.fsdecode(path)
        if type(path) is str:
            opened.add(path)


sys.addaudithook(watch)
sys.path.insert(0, plan["runtime"])
import bootstrap

sys.argv = [""]
bootstrap.set_search_path(plan["task"], plan["layers"], plan["packages"])
import squall_load

squall_load.prepare_interpreter()


class Context:
    function_name = "import-test"
    function_version = "$LATEST"
    invoked_function_arn = "arn:aws:lambda:us-east-1:000000000000:function:import-test"
    memory_limit_in_mb = os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
    aws_request_id = "00000000-0000-0000-0000-000000000000"
    log_group_name = "/aws/lambda/import-test"
    log_stream_name = "import-test"
    client_context = None
    identity = None

    def get_remaining_time_in_millis(self):
        return 60000


def attempt(work):
    """None, or what went wrong as one line."""
    try:
        work()
    except BaseException as error:
        traceback.print_exc()
        return "%s: %s" % (type(error).__name__, error)
    return None


found = {"load": None, "events": [], "tests": None, "tests_failed": None}
handler = None


def load():
    global handler
    handler = squall_load.load()


def run_tests():
    import pytest

    code = int(
        pytest.main(["-q", "-x", "-p", "no:cacheprovider", "--rootdir", plan["task"]] + plan["tests"])
    )
    found["tests"] = code


found["load"] = attempt(load)
if handler is not None:
    for name in plan["events"]:
        with open(os.path.join(plan["task"], name)) as file:
            text = file.read()
        found["events"].append(attempt(lambda: handler(json.loads(text), Context())))
    if plan["tests"]:
        os.chdir(plan["task"])
        found["tests_failed"] = attempt(run_tests)

for module in list(sys.modules.values()):
    for name in ("__file__", "__cached__"):
        path = getattr(module, name, None)
        if type(path) is str:
            opened.add(path)
# Libraries that the loader opened, and no audit saw.
with open("/proc/self/maps") as maps:
    for line in maps:
        parts = line.split(None, 5)
        if len(parts) == 6:
            opened.add(parts[5].strip())

roots = [os.path.join(root, "python") + os.sep for root in plan["layers"]]
inside = set()
for path in opened:
    path = os.path.normpath(os.path.join(plan["task"], path))
    for root in roots:
        if path.startswith(root):
            inside.add(path[len(root) :])
found["opened"] = sorted(inside)
sys.stdout.flush()
sys.stderr.flush()
os.write(1, ("\n%s%s\n" % (plan["mark"], json.dumps(found))).encode())
os._exit(0)
