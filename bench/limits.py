"""What the machine itself allows: the shortest ping-pong with a Python process,
and the shortest way to a new process that has everything loaded."""

import os
import socket
import statistics
import subprocess
import sys
import time


def socket_ping_pong(seconds=3.0) -> dict:
    """One byte to a Python process and back, over a socket pair: no protocol, no engine."""
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        ours.close()
        while theirs.recv(64):
            theirs.sendall(b"x")
        os._exit(0)
    theirs.close()
    samples = []
    end = time.perf_counter() + seconds
    while (before := time.perf_counter()) < end:
        ours.sendall(b"x")
        ours.recv(64)
        samples.append(time.perf_counter() - before)
    ours.close()
    os.waitpid(pid, 0)
    samples.sort()
    return {
        "p50_ms": 1000 * samples[len(samples) // 2],
        "p99_ms": 1000 * samples[len(samples) * 99 // 100],
        "per_second": len(samples) / seconds,
    }


def bare_fork(times=50) -> dict:
    """A fork of a process with numpy, pandas and scipy.stats that computes and answers."""
    import numpy
    import pandas
    import scipy.stats

    def work():
        frame = pandas.DataFrame({"x": numpy.arange(20.0)})
        frame["y"] = 3 * frame.x + 1
        return scipy.stats.linregress(frame.x, frame.y).slope

    # Not called before the fork: what the first call costs is part of a cold start.
    samples = []
    for _ in range(times):
        reader, writer = os.pipe()
        before = time.perf_counter()
        pid = os.fork()
        if pid == 0:
            os.write(writer, str(work()).encode())
            os._exit(0)
        os.close(writer)
        os.read(reader, 64)
        samples.append(1000 * (time.perf_counter() - before))
        os.close(reader)
        os.waitpid(pid, 0)
    return {"p50_ms": statistics.median(samples), "max_ms": max(samples)}


def fresh_process(script: str, times=5, folder=None) -> dict:
    """`python -c`, from start to end, with its libraries in the page cache: those that
    are installed, or those of an unpacked layer, which has no byte code and cannot be written."""
    command, environment = [sys.executable, "-c", script], dict(os.environ)
    if folder:
        command = [sys.executable, "-S", "-B", "-c", script]
        environment["PYTHONPATH"] = str(folder)
    samples = []
    for n in range(times + 1):
        before = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
        if n:  # the first one reads from the disk
            samples.append(1000 * (time.perf_counter() - before))
    return {"p50_ms": statistics.median(samples), "max_ms": max(samples)}
