"""What a function tries against its neighbours, its engine and its machine.

Each attempt has a positive control: the same attempt where it should succeed,
so that a failing attempt means a wall and not a typing mistake."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import harness
from harness import eventually, unique

# Runs what the test sends: an attempt is then a few lines beside its test.
PROBE = """
import ctypes, errno, glob, json, os, re, resource, signal, socket, subprocess, sys, time, traceback

libc = ctypes.CDLL(None, use_errno=True)


def syscall(number, *arguments):
    ctypes.set_errno(0)
    result = libc.syscall(ctypes.c_long(number), *arguments)
    return errno.errorcode.get(ctypes.get_errno(), "ok") if result == -1 else "ok"


def attempt(call, *arguments, **more):
    try:
        call(*arguments, **more)
        return "ok"
    except OSError as error:
        return errno.errorcode.get(error.errno, type(error).__name__)
    except ValueError as error:
        return type(error).__name__


def read(path):
    try:
        with open(path, "rb") as file:
            return file.read(65536).decode(errors="replace")
    except OSError as error:
        return None


def handler(event, context):
    scope = dict(globals(), args=event.get("args"), context=context)
    exec(event["code"], scope)
    return scope.get("result")
"""


class Probes:
    def __init__(self, functions):
        self.functions = functions

    def make(self, **settings) -> str:
        source = {"app.py": PROBE, "secret.txt": "the secret of this package"}
        return self.functions.make(source, **{"MemorySize": 256, **settings})

    def run(self, name, code, **args):
        return self.functions.call(name, {"code": code, "args": args})


@pytest.fixture(scope="module")
def probes(module_functions):
    return Probes(module_functions)


@pytest.fixture(scope="module")
def probe(probes):
    """Runs code inside one function, and gives its `result`."""
    name = probes.make()
    return lambda code, **args: probes.run(name, code, **args)


def locally(code, **args):
    """The same code in a process of the test: the positive control where one is needed."""
    script = f"{PROBE}\nimport sys\nprint(json.dumps(handler(json.load(sys.stdin), None)))"
    event = json.dumps({"code": code, "args": args})
    done = subprocess.run([sys.executable, "-c", script], input=event, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


# Files


def test_the_code_of_others_and_the_data_directory_are_out_of_sight(engine, probe, functions):
    marker = unique("marker")
    functions.make({"app.py": "def handler(e, c): pass\n", "secret.txt": marker})
    paths = [str(path) for path in engine.data.rglob("*") if path.is_file()]
    holders = [path for path in paths if marker.encode() in Path(path).read_bytes()]
    assert holders, "control: the test itself finds the other function's secret on disk"
    credentials = str(engine.data / "credentials.json")
    assert credentials in paths

    read_all = "result = [path for path in args['paths'] if read(path) is not None]"
    assert set(locally(read_all, paths=paths)) == set(paths)
    assert probe(read_all, paths=paths) == []
    assert probe(read_all, paths=["/var/task/secret.txt", "/var/task/app.py"]) == [
        "/var/task/secret.txt",
        "/var/task/app.py",
    ]
    parents = [str(parent) for parent in engine.data.parents if len(parent.parts) > 1] + [str(engine.data)]
    listed = probe("result = {p: attempt(os.listdir, p) for p in args['paths']}", paths=parents)
    assert listed.pop("/tmp") == "ok" if "/tmp" in listed else True
    assert "ok" not in listed.values(), listed


def test_the_whole_visible_disk_holds_no_secret_of_others(engine, probe, functions):
    marker = unique("marker")
    functions.make(
        {"app.py": "def handler(e, c): pass\n", "secret.txt": marker},
        Environment={"Variables": {"SECRET": marker}},
    )
    search = """
import os
needles = [needle.encode() for needle in args["needles"]]
found = []
for top in ("/var", "/opt", "/tmp", "/etc", "/home", "/root", "/run", "/srv", "/mnt", "/media", "/dev", "/work"):
    for folder, _, names in os.walk(top):
        for name in names:
            path = os.path.join(folder, name)
            try:
                if os.path.isfile(path) and os.path.getsize(path) < 1 << 24:
                    with open(path, "rb") as file:
                        content = file.read()
                    found += [path for needle in needles if needle in content]
            except OSError:
                pass
result = found
"""
    assert probe(search, needles=[marker, engine.secret_key]) == []
    assert probe(search, needles=["the secret of this package"]) == ["/var/task/secret.txt"]


def test_the_engine_s_keys_are_not_in_any_environment(engine, probe):
    look = """
seen = [json.dumps(dict(os.environ))]
for path in glob.glob("/proc/[0-9]*/environ") + glob.glob("/proc/[0-9]*/cmdline"):
    seen.append(read(path) or "")
result = ["".join(seen).count(text) for text in args["texts"]]
"""
    keys, own = probe(look, texts=[engine.secret_key, "AWS_LAMBDA_FUNCTION_NAME"])
    assert own >= 1
    assert keys == 0


def test_proc_is_no_way_out(engine, probe):
    code = """
result = {}
for kind in ("root", "cwd", "exe"):
    for path in glob.glob(f"/proc/[0-9]*/{kind}"):
        try:
            target = os.readlink(path)
        except OSError:
            continue
        result[path] = [target, os.path.exists(path + args["file"])]
"""
    file = str(engine.data / "credentials.json")
    assert any(exists for _, exists in locally(code, file=file).values())
    seen = probe(code, file=file)
    assert seen, "control: its own entries are there"
    assert not any(exists for _, exists in seen.values())


def test_only_tmp_can_be_written(probe):
    code = """
result = {}
for folder in args["folders"]:
    path = os.path.join(folder, "probe-file")
    result[folder] = attempt(open, path, "w")
for path in args["files"]:
    result[path] = attempt(os.open, path, os.O_WRONLY)
for path in args["files"]:
    result["chmod " + path] = attempt(os.chmod, path, 0o777)
"""
    folders = ["/", "/var", "/var/task", "/var/runtime", "/opt", "/etc", "/usr", "/usr/lib", "/bin", "/proc", "/sys", "/home", "/root", "/run"]
    files = ["/var/task/app.py", "/etc/hosts", "/etc/resolv.conf", "/usr/bin/env", "/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger", "/dev/sda", "/dev/mem", "/dev/kmsg"]
    seen = probe(code, folders=[*folders, "/tmp"], files=files)
    assert seen.pop("/tmp") == "ok"
    assert "ok" not in seen.values(), {key: value for key, value in seen.items() if value == "ok"}


def test_devices_are_the_harmless_ones(probe):
    code = "result = sorted(name for name in os.listdir('/dev') if os.path.exists('/dev/' + name) and not os.path.isdir('/dev/' + name))"
    seen = set(probe(code))
    assert {"null", "zero", "urandom"} <= seen
    assert seen <= {"null", "zero", "full", "random", "urandom", "tty", "stdin", "stdout", "stderr", "ptmx", "fd", "core"}
    mknod = "import stat\nresult = [attempt(os.mknod, '/tmp/disk', 0o600 | stat.S_IFBLK, os.makedev(8, 0)), attempt(os.mkfifo, '/tmp/fifo' + str(time.time()))]"
    disk, fifo = probe(mknod)
    assert (disk != "ok", fifo) == (True, "ok")


# Processes


def test_other_processes_are_out_of_sight(engine, probe):
    code = """
child = subprocess.Popen(["sleep", "60"])
while not read(f"/proc/{child.pid}/cmdline"):  # empty for a moment while it starts
    time.sleep(0.01)
pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
lines = [(read(f"/proc/{pid}/cmdline") or "").replace(chr(0), " ") for pid in pids]
own_child = attempt(os.kill, child.pid, signal.SIGKILL)
child.wait()
result = [len(pids), lines, own_child, os.getpid()]
"""
    count, lines, own_child, _ = probe(code)
    assert own_child == "ok", "control: its own child can be seen and ended"
    assert any("sleep 60" in line for line in lines)
    assert count < 12, lines
    assert not any("squall up" in line or "pytest" in line for line in lines)


def test_other_processes_cannot_be_signalled(engine, probe, functions):
    victim = functions.make("def handler(event, context):\n    return event\n")
    functions.call(victim, 1)
    listing = json.loads(engine.cli("--data", engine.data, "ps", "--json").stdout)
    (pid,) = [entry["pid"] for entry in listing["instances"] if entry["function"] == victim]
    os.kill(pid, 0)  # control: the test can
    code = """
result = {}
for pid in args["pids"]:
    try:
        line = read(f"/proc/{pid}/cmdline") or ""
        os.kill(pid, 0)
        result[pid] = line.replace(chr(0), " ")
    except OSError:
        pass
"""
    reached = probe(code, pids=[pid, engine.process.pid, os.getpid(), os.getppid()])
    assert not any("squall up" in line or "pytest" in line for line in reached.values()), reached
    assert functions.call(victim, 2) == 2


def test_killing_everything_it_can_reaches_only_itself(engine, probes, functions):
    victim = functions.make("n = 0\ndef handler(event, context):\n    global n\n    n += 1\n    return n\n")
    assert functions.call(victim) == 1
    killer = probes.make()
    functions_error = functions.fail(killer, {"code": "attempt(os.kill, -1, signal.SIGKILL)\nos._exit(9)"})
    assert functions_error["errorType"] == "Runtime.ExitError"
    assert functions.call(victim) == 2, "the neighbour is the same process as before"
    assert engine.alive()
    # The killer's function lives on in a new instance.
    assert probes.run(killer, "result = 'back'") == "back"


# The kernel's doors

SYSCALLS = {  # x86_64
    "ptrace": (101, "ctypes.c_long(16), ctypes.c_long(1), None, None"),
    "mount": (165, "b'tmpfs', b'/tmp', b'tmpfs', ctypes.c_ulong(0), None"),
    "umount2": (166, "b'/tmp', ctypes.c_int(2)"),
    "pivot_root": (155, "b'/tmp', b'/tmp'"),
    "unshare-user": (272, "ctypes.c_ulong(0x10000000)"),
    "unshare-mount": (272, "ctypes.c_ulong(0x00020000)"),
    "unshare-net": (272, "ctypes.c_ulong(0x40000000)"),
    "setns": (308, "ctypes.c_int(0), ctypes.c_int(0)"),
    "reboot": (169, "ctypes.c_ulong(0xfee1dead), ctypes.c_ulong(672274793), ctypes.c_ulong(0), None"),
    "init_module": (175, "None, ctypes.c_ulong(0), b''"),
    "bpf": (321, "ctypes.c_int(0), None, ctypes.c_uint(0)"),
    "kexec_load": (246, "ctypes.c_ulong(0), ctypes.c_ulong(0), None, ctypes.c_ulong(0)"),
    "keyctl": (250, "ctypes.c_int(0), ctypes.c_int(-1), ctypes.c_int(0)"),
    "add_key": (248, "b'user', b'x', b'x', ctypes.c_ulong(1), ctypes.c_int(-4)"),
    "perf_event_open": (298, "None, ctypes.c_int(0), ctypes.c_int(-1), ctypes.c_int(-1), ctypes.c_ulong(0)"),
    "userfaultfd": (323, "ctypes.c_int(0)"),
    "sethostname": (170, "b'evil', ctypes.c_ulong(4)"),
    "settimeofday": (164, "(ctypes.c_long * 2)(0, 0), None"),
    "chroot": (161, "b'/tmp'"),
    "setuid": (105, "ctypes.c_uint(0)"),
    "setgid": (106, "ctypes.c_uint(0)"),
    "process_vm_readv": (310, "ctypes.c_int(1), None, ctypes.c_ulong(0), None, ctypes.c_ulong(0), ctypes.c_ulong(0)"),
    "swapon": (167, "b'/tmp/x', ctypes.c_int(0)"),
    "open_by_handle_at": (304, "ctypes.c_int(-100), None, ctypes.c_int(0)"),
}


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the numbers of system calls differ elsewhere")
@pytest.mark.parametrize("door", SYSCALLS)
def test_the_kernel_s_doors_are_shut(probe, door):
    number, arguments = SYSCALLS[door]
    code = f"result = syscall({number}, {arguments})"
    assert probe("result = syscall(39)") == "ok", "control: a call that everybody may make"
    seen = probe(code)
    # process_vm_readv of nothing returns 0 where it is allowed at all.
    assert seen != "ok", f"{door} succeeded"
    assert seen in ("EPERM", "ENOSYS", "EACCES", "EINVAL", "ESRCH"), seen


def test_mount_works_for_the_test_where_that_is_permitted():
    """The control of the mount attempt: the same call in a namespace of the test's own."""
    code = """
libc.unshare(0x10000000 | 0x00020000)
result = syscall(165, b"tmpfs", b"/tmp", b"tmpfs", ctypes.c_ulong(0), None)
"""
    allowed = subprocess.run(["unshare", "--user", "--mount", "true"], capture_output=True).returncode == 0
    if allowed:
        assert locally(code) == "ok"


def test_the_marks_of_a_jail(probe):
    status = probe("result = dict(line.split(':\\t', 1) for line in read('/proc/self/status').splitlines() if ':\\t' in line)")
    for kind in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
        assert int(status[kind], 16) == 0, kind
    assert status["NoNewPrivs"].strip() == "1"
    assert status["Seccomp"].strip() == "2"
    assert int(probe("result = os.getuid()")) != 0
    namespaces = probe("result = {kind: os.readlink('/proc/self/ns/' + kind) for kind in ('user', 'mnt', 'pid', 'ipc', 'uts')}")
    for kind, theirs in namespaces.items():
        assert theirs != os.readlink(f"/proc/self/ns/{kind}"), kind


def test_process_one_of_an_instance_has_no_rights_to_borrow(probe):
    """It runs as the same user, so the function could write into its memory."""
    status = probe("result = read('/proc/1/status')")
    rights = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    for kind in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
        assert int(rights[kind], 16) == 0, kind
    assert rights["NoNewPrivs"].strip() == "1"
    assert rights["Seccomp"].strip() == "2"


def test_programs_with_the_setuid_bit_gain_nothing(probe):
    code = """
seen = subprocess.run(args["command"], capture_output=True, text=True, stdin=subprocess.DEVNULL)
result = [seen.returncode, seen.stdout]
"""
    assert probe(code, command=["id", "-u"])[0] == 0
    for command in (["su", "-c", "id -u"], ["mount", "-t", "tmpfs", "none", "/tmp"]):
        try:
            returncode, output = probe(code, command=command)
        except AssertionError:
            continue  # not even there
        assert returncode != 0 or output.strip() != "0"


def test_limits_can_only_be_lowered(probe):
    code = """
result = {}
for name in ("RLIMIT_NOFILE", "RLIMIT_NPROC", "RLIMIT_CORE", "RLIMIT_MEMLOCK"):
    kind = getattr(resource, name)
    soft, hard = resource.getrlimit(kind)
    raised = attempt(resource.setrlimit, kind, (soft, hard + 1)) if hard >= 0 else "unlimited"
    lowered = attempt(resource.setrlimit, kind, (soft, hard))
    result[name] = [soft, hard, raised, lowered]
"""
    seen = probe(code)
    for name, (_, _, raised, lowered) in seen.items():
        assert lowered == "ok", name
        assert raised != "ok", name
    assert 0 < seen["RLIMIT_NOFILE"][1] <= 4096
    assert probe("result = attempt(os.nice, -5)") != "ok"
    assert probe("result = attempt(os.nice, 1)") == "ok"
    groups = "result = [attempt(open, path, 'w') for path in glob.glob('/sys/fs/cgroup/**/*.max', recursive=True)[:50]]"
    assert "ok" not in probe(groups)


# The Runtime API of others

STRANGER = """
import concurrent.futures, http.client
ports = set()
for path in ("/proc/net/tcp", "/proc/net/tcp6"):
    for line in (read(path) or "").splitlines()[1:]:
        fields = line.split()
        if fields[3] == "0A":
            ports.add(int(fields[1].rpartition(":")[2], 16))

def ask(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/2018-06-01/runtime/invocation/next")
        answer = connection.getresponse()
        return [port, answer.status, answer.getheader("Lambda-Runtime-Aws-Request-Id")]
    except (OSError, http.client.HTTPException) as error:
        return [port, type(error).__name__, None]
    finally:
        connection.close()

ports = sorted(ports | set(args["ports"]))
with concurrent.futures.ThreadPoolExecutor(32) as pool:
    result = list(pool.map(ask, ports))
"""

SHELL = """#!/bin/sh
api="http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime"
while true; do
    event=$(curl -sS -D /tmp/headers "$api/invocation/next")
    id=$(grep -i '^lambda-runtime-aws-request-id:' /tmp/headers | tr -d '\\r' | cut -d' ' -f2)
    curl -sS -o /dev/null -d "[\\"$AWS_LAMBDA_RUNTIME_API\\", $event]" "$api/invocation/$id/response"
done
"""


def test_the_runtime_api_of_another_instance_does_not_talk_to_strangers(probe, functions):
    shell = functions.make({"bootstrap": SHELL}, Runtime="provided.al2023", Handler="any")
    address, value = functions.call(shell, 1)  # control: its own instance is served
    assert value == 1
    port = int(address.rpartition(":")[2])
    with ThreadPoolExecutor(1) as pool:
        stranger = pool.submit(probe, STRANGER, ports=[port])
        n = 0
        while not stranger.done():
            n += 1
            assert functions.call(shell, n)[1] == n, "an event went astray"
        answers = stranger.result()
    assert port in [entry[0] for entry in answers]
    for port, status, request_id in answers:
        assert request_id is None, answers
        assert status != 200, answers
    assert functions.call(shell, 2)[1] == 2


def test_unix_sockets_of_others_are_out_of_reach(engine, probe):
    code = """
result = []
for path in args["paths"]:
    client = socket.socket(socket.AF_UNIX)
    result.append(attempt(client.connect, path))
server = socket.socket(socket.AF_UNIX)
server.bind("/tmp/own-%d" % time.time_ns())
server.listen()
result.append(attempt(socket.socket(socket.AF_UNIX).connect, server.getsockname()))
"""
    paths = [str(path) for path in engine.data.rglob("*") if path.is_socket()]
    paths += ["/var/run/docker.sock", "/run/dbus/system_bus_socket", "/run/systemd/private"]
    *others, own = probe(code, paths=paths)
    assert own == "ok"
    assert "ok" not in others


def test_descriptors_of_the_engine_do_not_leak(probe):
    code = """
result = {}
for name in os.listdir("/proc/self/fd"):
    try:
        result[name] = os.readlink(f"/proc/self/fd/{name}")
    except OSError:
        pass
"""
    seen = probe(code)
    assert len(seen) < 16, seen
    assert not [target for target in seen.values() if "squall" in target or ".db" in target or "/tmp/" in target], seen


# The network


def test_without_a_network_only_the_engine_is_in_reach(engine, probes, functions, gate):
    reach = """
def reach(host, port):
    try:
        socket.create_connection((host, port), timeout=5).close()
        return "ok"
    except OSError as error:
        return type(error).__name__

url = os.environ.get("AWS_ENDPOINT_URL", "")
host, _, port = url.partition("//")[2].partition(":")
result = {
    "gate": reach("127.0.0.1", args["gate"]),
    "world": reach("192.0.2.1", 80) if args["world"] else None,
    "engine": reach(host, int(port or 0)),
    "links": sorted(os.listdir("/sys/class/net")) if os.path.exists("/sys/class/net") else None,
    "lines": len((read("/proc/net/tcp") or "").splitlines()),
}
if result["engine"] == "ok":
    import urllib.request
    with urllib.request.urlopen(url + "/_squall/health", timeout=5) as answer:
        result["health"] = answer.status
"""
    open_name = probes.make()
    assert probes.run(open_name, reach, gate=gate.port, world=False)["gate"] == "ok"  # control
    shut_name = functions.make(PROBE, Environment={"Variables": {"SQUALL_NETWORK": "none"}}, MemorySize=256)
    seen = probes.run(shut_name, reach, gate=gate.port, world=True)
    assert seen["gate"] != "ok", seen
    assert seen["world"] != "ok", seen
    assert seen["engine"] == "ok", seen
    assert seen["health"] == 200
    # Answers and logs work all the same.
    answer = functions.invoke(shut_name, {"code": "print('heard')\nresult = 1"}, LogType="Tail")
    assert "heard" in harness.tail_of(answer)


def test_listeners_in_networks_that_are_gone_are_closed(engine, functions, awslambda):
    """Each network had a listener of the engine's, which stayed open until its end."""

    def open_sockets():
        folder = f"/proc/{engine.process.pid}/fd"
        targets = []
        for name in os.listdir(folder):
            try:
                targets.append(os.readlink(f"{folder}/{name}"))
            except OSError:
                pass  # closed meanwhile
        return len([target for target in targets if target.startswith("socket:")])

    before = open_sockets()
    alone = {"Variables": {"SQUALL_NETWORK": "none"}}
    names = [functions.make(PROBE, Environment=alone, MemorySize=256) for _ in range(4)]
    for name in names:
        assert functions.call(name, {"code": "result = 1"})
    assert open_sockets() >= before + len(names)
    for name in names:
        awslambda.delete_function(FunctionName=name)
    # One more or less may be a client's connection.
    eventually(lambda: open_sockets() <= before + 1, "the listeners are closed")
