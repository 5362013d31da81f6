"""Templates and forks: load the function once, then make instances of it.

The engine asks for a fork with a packet that carries three descriptors: the new
instance's channel, its log pipe and its control socket. The fork becomes process
1 of a pid namespace of its own, builds its private /tmp, gives up every
privilege, and then makes the process that runs the function.
"""

import _socket
import ctypes
import fcntl
import gc
import json
import os
import stat
import struct
import sys
import time

import squall_errors
import squall_load
import squall_serve

CONTROL = 3
PACKET = 128 * 1024
# Linux 6.1 and later; elsewhere it is an error, and nothing changes.
MADV_COLLAPSE = 25
LARGE_PAGE = 2 << 20
# So much of a mapping must be in use for it to become large pages.
DENSE = 0.8
# More files of control groups than come along.
MOST_DOORS = 8

# Linux, the same on every architecture.
CLONE_NEWNS, CLONE_NEWIPC, CLONE_NEWPID = 0x00020000, 0x08000000, 0x20000000
MS_NOSUID, MS_NODEV, MS_NOEXEC = 2, 4, 8
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_SECCOMP = 1, 4, 22
PR_CAPBSET_DROP, PR_CAP_AMBIENT = 24, 47
PR_CAP_AMBIENT_CLEAR_ALL = 4
SECCOMP_MODE_FILTER = 2
CAP_SYS_ADMIN = 21
CAPABILITY_VERSION_3 = 0x20080522
SIGKILL = 9
SYS_PIDFD_OPEN = 434

# What breaks in a fork shows as a thread or as an open descriptor, so no library is
# condemned by its name: torch, tensorflow, jax and grpc can be forked until they
# are first used, and cannot afterwards.
#
# jemalloc's thread (pyarrow brings it, and so does pandas where it finds pyarrow)
# only tidies up; jemalloc is ready for forks and works on without it.
HARMLESS_THREADS = ("jemalloc_bg_thd",)
HARMLESS_DEVICES = ("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom")

libc = ctypes.CDLL(None, use_errno=True)


def check(result, step):
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, "%s: %s" % (step, os.strerror(error)))
    return result


def run_template():
    """Loads the function, says so, and forks until the engine is gone."""
    control = _socket.socket(fileno=CONTROL)
    control.setblocking(True)
    try:
        handler = squall_load.load()
    except squall_load.InitError as error:
        squall_errors.log(error.logged)
        control.send(json.dumps({"init_error": {"error": error.error}}).encode())
        return
    warm_up()
    gc.collect()
    gc.freeze()
    make_large()
    unsafe = unsafe_to_fork()
    squall_serve.flush()
    control.send(json.dumps({"ready": {"unsafe_to_fork": unsafe}}).encode())
    # Where forks are unsafe the engine lets go of this process, unless the
    # function's owner knows better.
    Forks(control, handler).run()


def warm_up():
    """Runs once what every instance would otherwise do for the first time."""
    meta = {"id": "", "arn": "", "deadline": 0}
    squall_serve.run(lambda event, context: event, meta, b"{}", os.environ)


def make_large():
    """Brings dense memory into large pages. A fork copies an entry for each page, and there
    are 512 times fewer of them; what a fork writes to is copied in small ones."""
    with open("/proc/self/smaps") as maps:
        for start, end in dense(maps):
            libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), MADV_COLLAPSE)


def dense(maps):
    """The large pages' worth of each mapping that is private, writable, of no file, and
    nearly full: the rest of it will be in use, as zeros."""
    mapping = None
    for line in maps:
        words = line.split()
        if words[0] == "Anonymous:" and mapping:
            start, end = mapping
            whole = -(-start // LARGE_PAGE) * LARGE_PAGE, end // LARGE_PAGE * LARGE_PAGE
            if whole[0] < whole[1] and int(words[1]) * 1024 >= (end - start) * DENSE:
                yield whole
        elif not words[0].endswith(":"):
            is_plain = words[1] == "rw-p" and words[4] == "0"
            mapping = [int(number, 16) for number in words[0].split("-")] if is_plain else None


def unsafe_to_fork():
    """What would not survive a fork, or None. tests/test_fork_safety.py has the cases.

    Seen here: pools of threads that wait for work (OpenMP under scikit-learn, xgboost,
    lightgbm, numba and torch; polars, tensorflow, jax, duckdb, grpc channels), threads
    of the module's own, connections, event loops and files that forks would share.
    A few of those would survive (Arrow's threads, duckdb's); they cannot be told from
    the others, and SQUALL_START=fork is there for them.

    Not seen: memory that is shared on purpose (locks and arrays of multiprocessing),
    and what the module has remembered of its own process, such as its number.
    """
    return live_threads() or shared_descriptor()


def live_threads():
    """Whose threads a fork would lose.

    Libraries such as OpenBLAS stop their threads just before a fork and start them
    again when they need them; a thread that is left after a trial belongs to somebody
    who does not.
    """
    squall_serve.flush()
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    # A thread that has been joined is listed for another moment.
    for _ in range(10):
        count = len([name for name in thread_names() if name not in HARMLESS_THREADS]) - 1
        if count == 0:
            return None
        time.sleep(0.005)
    return "%d live thread%s" % (count, "" if count == 1 else "s")


def thread_names():
    for thread in os.listdir("/proc/self/task"):
        try:
            with open("/proc/self/task/%s/comm" % thread) as file:
                yield file.read().rstrip("\n")
        except OSError:
            pass  # it has ended


def shared_descriptor():
    """What forks would take turns with: they would read each other's answers from a
    connection, lose events of a shared loop, and move each other's place in a file."""
    for name in sorted(os.listdir("/proc/self/fd"), key=int):
        descriptor = int(name)
        if descriptor <= CONTROL:
            continue
        try:
            target = os.readlink("/proc/self/fd/" + name)
            status = os.fstat(descriptor)
        except OSError:
            continue  # the one that listed the others
        if stat.S_ISDIR(status.st_mode) or target in HARMLESS_DEVICES:
            continue
        if target.startswith("/"):
            if not is_mapped(descriptor, status):
                return "open file %s" % target
        else:
            # "socket:[1234]", "pipe:[1234]", "anon_inode:[eventpoll]"
            kind = target.rpartition("anon_inode:")[2].strip("[]").partition(":")[0]
            return "open %s" % kind
    return None


def is_mapped(descriptor, status):
    """Whether a file is there to be mapped, only to be read: its place in the file
    means nothing then."""
    if fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE != os.O_RDONLY:
        return False
    with open("/proc/self/maps") as maps:
        inodes = {line.split(None, 5)[4] for line in maps}
    return str(status.st_ino) in inodes


def prepare_for_maps():
    """Whoever forks twice may serve a map. Not done sooner: the first fork is waited for."""
    if "squall_guest" not in sys.modules:
        try:
            squall_serve.map_side().prepare()
        except Exception:
            pass  # then an instance that needs it will say why


class Forks:
    def __init__(self, control, handler):
        self.control = control
        self.handler = handler
        self.own_pids = os.open("/proc/self/ns/pid", os.O_RDONLY)

    def run(self):
        space = _socket.CMSG_SPACE(3 * 4)
        while True:
            data, ancillary, _, _ = self.control.recvmsg(PACKET, space)
            if not data:
                return
            descriptors = [
                fd for _, _, raw in ancillary for fd in struct.unpack("3i", raw[:12])
            ]
            request = json.loads(data)
            try:
                handle = self.fork(request, descriptors)
                answer = {"forked": None}
            except OSError as error:
                handle, answer = None, {"failed": {"reason": str(error)}}
            for fd in descriptors:
                os.close(fd)
            self.answer(answer, handle)
            self.bury()
            prepare_for_maps()

    def answer(self, answer, handle):
        rights = []
        if handle is not None:
            rights = [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, struct.pack("i", handle))]
        text = '"forked"' if "forked" in answer else json.dumps(answer)
        self.control.sendmsg([text.encode()], rights)
        if handle is not None:
            os.close(handle)

    def fork(self, request, descriptors):
        """Makes process 1 of a new instance; returns a handle on it."""
        isolated = request["isolated"]
        if isolated:
            check(libc.unshare(CLONE_NEWPID), "new pid namespace")
        try:
            pid = os.fork()
        except OSError:
            self.return_home(isolated)
            raise
        if pid == 0:
            try:
                self.become_instance(request, descriptors)
            except BaseException as error:
                os.write(2, ("cannot start the instance: %s\n" % error).encode())
            finally:
                os._exit(1)
        self.return_home(isolated)
        return check(libc.syscall(SYS_PIDFD_OPEN, pid, 0), "watch the fork")

    def return_home(self, isolated):
        """The template's later children are born in its own pid namespace again."""
        if isolated:
            check(libc.setns(self.own_pids, CLONE_NEWPID), "return to own pid namespace")

    def bury(self):
        """Reaps forks that have ended."""
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            pass

    def become_instance(self, request, descriptors):
        channel, logs, control = descriptors
        self.control.close()
        os.close(self.own_pids)
        control = _socket.socket(fileno=control)
        control.setblocking(True)
        # Into its own control group first, so that as little as possible is counted
        # against the template.
        word, ancillary, _, _ = control.recvmsg(16, _socket.CMSG_SPACE(MOST_DOORS * 4))
        if not word:
            os._exit(0)
        enter_groups(control, ancillary)
        os.dup2(logs, 1)
        os.dup2(logs, 2)
        os.close(logs)
        os.setsid()
        be_first_to_go()
        if request["isolated"]:
            own_namespaces(request["tmp_mb"])
            drop_privileges(request["filters"])
        pid = os.fork()
        if pid:
            # The function runs under the same user: it must not reach in here.
            libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
            os.close(channel)
            watch(pid, control)
        control.close()
        if not request["isolated"]:
            libc.prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0)
        os.environ.update(request["environment"])
        reseed()
        squall_serve.serve(self.handler, os.environ, squall_serve.Channel(channel))


def enter_groups(control, ancillary):
    """Moves this process itself, which the kernel does at once. Where it does not get in,
    it waits until the engine has moved it."""
    doors = [fd for _, _, raw in ancillary for (fd,) in struct.iter_unpack("i", raw)]
    if not doors:
        return
    entered = True
    for door in doors:
        try:
            os.write(door, b"0")
        except OSError:
            entered = False
        os.close(door)
    control.send(b"in" if entered else b"out")
    if not entered and not control.recv(16):
        os._exit(0)


def be_first_to_go():
    """When the machine runs out of memory, an instance goes before its template."""
    with open("/proc/self/oom_score_adj", "w") as file:
        file.write("500")


def own_namespaces(tmp_mb):
    """A private /tmp, /dev/shm and /proc."""
    check(libc.unshare(CLONE_NEWNS | CLONE_NEWIPC), "new mount namespace")
    old = os.open("/tmp", os.O_RDONLY | os.O_DIRECTORY)
    names = os.listdir(old)
    mount(b"tmpfs", b"/tmp", MS_NOSUID | MS_NODEV, b"mode=1777,size=%dm" % tmp_mb)
    mount(b"tmpfs", b"/dev/shm", MS_NOSUID | MS_NODEV, b"mode=1777,size=64m")
    mount(b"proc", b"/proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, None)
    if names:
        copy_tmp(old, names)
    os.close(old)


def copy_tmp(old, names):
    """What the function put into /tmp while it was loaded, every instance finds."""
    import shutil

    for name in names:
        source = "/proc/self/fd/%d/%s" % (old, name)
        target = "/tmp/" + name
        if os.path.isdir(source) and not os.path.islink(source):
            shutil.copytree(source, target, symlinks=True)
        else:
            shutil.copy2(source, target, follow_symlinks=False)


def mount(kind, target, flags, options):
    check(libc.mount(kind, target, kind, ctypes.c_ulong(flags), options), "mount %r" % target)


def drop_privileges(filters):
    """Nothing is left afterwards that could undo a wall."""
    libc.prctl(PR_CAPBSET_DROP, CAP_SYS_ADMIN, 0, 0, 0)
    check(libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0), "drop capabilities")
    header = struct.pack("Ii", CAPABILITY_VERSION_3, 0)
    check(libc.capset(header, bytes(24)), "drop capabilities")
    for text in filters:
        install_filter(text)


def install_filter(text):
    import binascii

    code = ctypes.create_string_buffer(binascii.a2b_base64(text))
    count = (len(code) - 1) // 8
    program = struct.pack("HxxxxxxQ", count, ctypes.addressof(code))
    check(
        libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program, 0, 0),
        "install the system call filter",
    )


def watch(pid, control):
    """Process 1: outlives the function only to say how it ended."""
    while True:
        ended, status = os.waitpid(-1, 0)
        if ended == pid:
            break
    try:
        control.send(json.dumps({"exited": {"status": status & 0xFFFF}}).encode())
    finally:
        os._exit(0)


def reseed():
    """Forks of one template must not draw the same random numbers."""
    loaded = sys.modules
    if "random" in loaded:
        loaded["random"].seed()
    if "numpy.random" in loaded:
        loaded["numpy.random"].seed()
    if "ssl" in loaded:
        loaded["ssl"].RAND_add(os.urandom(32), 32.0)
