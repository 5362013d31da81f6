"""Hunger and spite: what a function does to eat the machine, while a neighbour goes
on working and the engine stays up."""

import json
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import harness
from conftest import Functions
from harness import eventually


@pytest.fixture(scope="module")
def arena():
    """An engine for what may go wrong badly."""
    with harness.running_engine() as engine:
        yield engine


@pytest.fixture
def arena_functions(arena):
    made = Functions(arena.client("lambda"))
    yield made
    made.remove_all()


@pytest.fixture
def neighbour(arena, arena_functions):
    """Calls a bystander all the while; every call must succeed."""
    name = arena_functions.make("def handler(event, context):\n    return event\n")
    assert arena_functions.call(name, 0) == 0

    def during(action, *arguments):
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(action, *arguments)
            n = 0
            while not running.done():
                n += 1
                assert arena_functions.call(name, n) == n
            assert arena.alive(), arena.log()
            assert arena_functions.call(name, "after") == "after"
            return running.result()

    return during


def hostile(functions, body, **settings) -> str:
    source = "import os, sys, time, signal, subprocess\ndef handler(event, context):\n    if event == 'calm':\n        return 'calm'\n"
    source += "".join(f"    {line}\n" for line in textwrap.dedent(body).strip().splitlines())
    return functions.make(source, **{"Timeout": 5, "MemorySize": 256, **settings})


def assert_recovers(functions, name):
    assert functions.call(name, "calm") == "calm"


def test_a_fork_bomb(arena, arena_functions, neighbour):
    name = hostile(
        arena_functions,
        """
        count = 0
        while True:
            try:
                if os.fork() == 0:
                    signal.signal(signal.SIGTERM, signal.SIG_IGN)
                    while True:
                        try:
                            os.fork()
                        except OSError:
                            time.sleep(1)
            except OSError:
                time.sleep(0.1)
        """,
    )
    before = harness.descendants(arena.process.pid)
    error = neighbour(arena_functions.fail, name)
    assert error["errorType"] in ("Sandbox.Timedout", "Runtime.ExitError", "Runtime.OutOfMemory")
    # A template or a helper more, but no brood.
    eventually(lambda: len(harness.descendants(arena.process.pid) - before) < 12, "the end of the brood")
    assert_recovers(arena_functions, name)


def test_an_eater_of_memory(arena_functions, neighbour):
    name = hostile(
        arena_functions,
        """
        eaten = []
        while True:
            eaten.append(bytearray(os.urandom(1 << 20)))
        """,
    )
    error = neighbour(arena_functions.fail, name)
    assert error["errorType"] in ("Runtime.OutOfMemory", "Runtime.ExitError", "MemoryError")
    assert_recovers(arena_functions, name)


def test_an_eater_of_memory_by_children(arena_functions, neighbour):
    name = hostile(
        arena_functions,
        """
        eat = "import time\\nx = [bytearray(b'x' * (1 << 20)) for _ in range(150)]\\nprint(len(x), flush=True)\\ntime.sleep(60)"
        children = [subprocess.Popen([sys.executable, "-c", eat], stdout=subprocess.PIPE) for _ in range(8)]
        return sum(child.stdout.readline() == b"150\\n" for child in children)
        """,
        Timeout=20,
    )
    answer = neighbour(arena_functions.invoke, name)
    body = json.loads(answer["Payload"].read())
    # 1,200 MB do not fit into 256: not all of the children can have been fed.
    if "FunctionError" not in answer:
        assert body < 8
    assert_recovers(arena_functions, name)


def test_a_filler_of_tmp(arena_functions, neighbour):
    name = hostile(
        arena_functions,
        """
        written = 0
        with open("/tmp/fill", "wb") as file:
            try:
                while True:
                    written += file.write(bytes(1 << 20))
                    file.flush()
            except OSError as error:
                number = error.errno
        os.remove("/tmp/fill")
        return [written, number]
        """,
        MemorySize=1024,
        Timeout=30,
    )
    import errno

    written, number = neighbour(arena_functions.call, name)
    assert number == errno.ENOSPC
    assert 400 << 20 <= written <= 512 << 20
    assert_recovers(arena_functions, name)


def test_a_filler_of_tmp_with_little_memory(arena_functions, neighbour):
    """/tmp lies in memory here; AWS gives a disk. Either it fits, or the function is stopped."""
    name = hostile(
        arena_functions,
        """
        with open("/tmp/fill", "wb") as file:
            for _ in range(500):
                file.write(bytes(1 << 20))
        return "fits"
        """,
        MemorySize=128,
        Timeout=30,
    )
    answer = neighbour(arena_functions.invoke, name)
    if "FunctionError" not in answer:
        assert json.loads(answer["Payload"].read()) == "fits"
    assert_recovers(arena_functions, name)


def test_gigabytes_of_log(arena, arena_functions, neighbour):
    name = hostile(
        arena_functions,
        """
        line = b"x" * 1023 + b"\\n"
        block = line * 1024
        for _ in range(2048):
            os.write(1, block)
        return "flooded"
        """,
        Timeout=60,
    )
    answer = neighbour(arena_functions.invoke, name)
    body = json.loads(answer["Payload"].read())
    assert body == "flooded" or body["errorType"] == "Sandbox.Timedout"
    stored = sum(path.stat().st_size for path in arena.data.rglob("*") if path.is_file())
    assert stored < 400 << 20
    with open(f"/proc/{arena.process.pid}/status") as status:
        (resident,) = [int(line.split()[1]) for line in status if line.startswith("VmRSS")]
    assert resident < 512 << 10, "kB held by the engine"
    assert_recovers(arena_functions, name)


def test_a_log_without_end_does_not_outlive_the_timeout(arena_functions, neighbour):
    name = hostile(
        arena_functions,
        """
        block = (b"x" * 1023 + b"\\n") * 64
        while True:
            os.write(1, block)
        """,
        Timeout=2,
    )
    answer = neighbour(arena_functions.invoke, name)
    assert json.loads(answer["Payload"].read())["errorType"] == "Sandbox.Timedout"
    assert_recovers(arena_functions, name)


def test_a_child_that_floods_the_log_does_not_hold_up_the_answer(arena_functions, neighbour):
    name = hostile(
        arena_functions,
        """
        if os.fork() == 0:
            while True:
                os.write(1, b"y" * 4096)
        return "answered"
        """,
        Timeout=20,
    )
    answer = neighbour(arena_functions.invoke, name)
    assert json.loads(answer["Payload"].read()) == "answered"


def test_one_endless_line_of_log(arena_functions, neighbour):
    name = hostile(
        arena_functions,
        """
        for _ in range(256):
            os.write(1, b"x" * (1 << 20))
        return "done"
        """,
        Timeout=60,
    )
    answer = neighbour(arena_functions.invoke, name)
    assert json.loads(answer["Payload"].read()) == "done"
    assert_recovers(arena_functions, name)


def test_all_descriptors_closed(arena_functions, neighbour):
    name = hostile(arena_functions, "\nos.closerange(0, 4096)\nreturn 'closed'\n")
    answer = neighbour(arena_functions.invoke, name)
    body = json.loads(answer["Payload"].read())
    assert body == "closed" or body["errorType"] in ("Runtime.ExitError", "Sandbox.Timedout", "OSError")
    assert_recovers(arena_functions, name)


def test_garbage_on_every_descriptor(arena_functions, neighbour):
    name = hostile(
        arena_functions,
        """
        for fd in range(0, 64):
            try:
                os.write(fd, b"\\xff\\x00garbage\\n" * 100)
            except OSError:
                pass
        return "done"
        """,
    )
    answer = neighbour(arena_functions.invoke, name)
    body = json.loads(answer["Payload"].read())
    assert body == "done" or body["errorType"]
    assert_recovers(arena_functions, name)


def test_sigterm_ignored_past_the_timeout(arena, arena_functions, neighbour):
    mark = str(harness.uuid.uuid4().int % 10**9)
    name = hostile(
        arena_functions,
        f"""
        for number in range(1, 65):
            try:
                signal.signal(number, signal.SIG_IGN)
            except (OSError, ValueError):
                pass
        subprocess.Popen(["setsid", "sleep", "{mark}"])
        while True:
            pass
        """,
        Timeout=2,
    )
    error = neighbour(arena_functions.fail, name)
    assert error["errorType"] == "Sandbox.Timedout"
    eventually(lambda: not processes_with(mark), "the end of what it left behind")
    assert_recovers(arena_functions, name)


def processes_with(mark) -> list:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if mark.encode() in path.read_bytes():
                found.append(path)
        except OSError:
            pass
    return found


def test_processes_left_behind_end_with_their_function(arena, arena_functions):
    mark = str(harness.uuid.uuid4().int % 10**9)
    name = hostile(arena_functions, f"\nsubprocess.Popen(['setsid', 'sleep', '{mark}'])\nreturn 'left'\n")
    assert arena_functions.call(name) == "left"
    eventually(lambda: processes_with(mark), "control: it is seen while it lives")
    arena.client("lambda").delete_function(FunctionName=name)
    eventually(lambda: not processes_with(mark), "the end of what it left behind")


def test_many_files_and_deep_folders(arena_functions, neighbour):
    name = hostile(
        arena_functions,
        """
        files = []
        try:
            while True:
                files.append(open("/tmp/%d" % len(files), "w"))
        except OSError as error:
            number = error.errno
        count = len(files)
        for file in files:
            file.close()
        for _ in range(500):
            os.mkdir("d" if os.getcwd() != "/var/task" else "/tmp/d")
            os.chdir("d" if os.getcwd() != "/var/task" else "/tmp/d")
        return [count, number]
        """,
        Timeout=20,
    )
    import errno

    count, number = neighbour(arena_functions.call, name)
    assert number == errno.EMFILE and count <= 4096


def test_a_spinner_does_not_starve_the_engine(arena_functions, neighbour):
    name = hostile(
        arena_functions,
        """
        for _ in range(8):
            if os.fork() == 0:
                while True:
                    pass
        while True:
            pass
        """,
        Timeout=3,
    )
    assert neighbour(arena_functions.fail, name)["errorType"] == "Sandbox.Timedout"
    assert_recovers(arena_functions, name)


def test_a_template_that_is_hostile_while_loading(arena_functions, neighbour):
    """What a module does at import happens in the template."""
    name = arena_functions.make(
        """
        import os, threading, time
        for _ in range(50):
            threading.Thread(target=time.sleep, args=(3600,), daemon=True).start()
        print("loading", flush=True)

        def handler(event, context):
            return [event, threading.active_count()]
        """
    )
    assert neighbour(arena_functions.call, name, 1)[0] == 1
    ends = arena_functions.make("import os\nos._exit(0)\n")
    assert neighbour(arena_functions.fail, ends)["errorType"] == "Runtime.ExitError"
