"""Runs a program and says what it cost: wall and CPU time with its children's, and the peak memory of its largest process.

The kernel counts a forking parent's memory as the child's until it executes the new program: whoever calls this must stay
small, which is why nothing here or in bench/run loads the engine or Arrow.
"""

import dataclasses
import os
import re
import signal
import subprocess
import threading
import time

LINES_OF_AN_ERROR = 12


class RunError(Exception):
    """A program that failed, with the end of what it said."""


@dataclasses.dataclass
class Cost:
    wall_s: float
    cpu_s: float
    peak_rss_mb: float
    server_cpu_s: float = 0.0


def run(command, log, env=None, timeout_s=600, server=None, cwd=None, given=os.devnull):
    """Runs `command` to its end and returns (Cost, its standard output). Standard error goes to the file `log`; the file `given` is its
    standard input."""
    server_before_s = cpu_of(server.pid) if server else 0.0
    with open(log, "wb") as errors, open(given, "rb") as stdin:
        began = time.monotonic()
        child = subprocess.Popen(command, stdin=stdin, stdout=subprocess.PIPE, stderr=errors, env=env,
                                 cwd=cwd, start_new_session=True)
        timed_out = threading.Event()

        def give_up():
            timed_out.set()
            os.killpg(child.pid, signal.SIGKILL)

        timer = threading.Timer(timeout_s, give_up)
        timer.start()
        try:
            output = child.stdout.read()  # ends when the last holder of the pipe does
            _, status, usage = os.wait4(child.pid, 0)
        finally:
            timer.cancel()
        wall_s = time.monotonic() - began
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0 or timed_out.is_set():
        how = f"did not end within {timeout_s} s" if timed_out.is_set() else f"ended with {child.returncode}"
        with open(log, "ab") as errors:
            errors.write(output)
        raise RunError(f"{os.path.basename(command[0])} {how}\n{tail(log)}")
    cost = Cost(wall_s, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)
    if server:
        cost.server_cpu_s = cpu_of(server.pid) - server_before_s
    return cost, output.decode(errors="replace")


def cpu_of(pid):
    """User and system seconds that a running process has used."""
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def tail(path):
    """The lines that tell of an error, or else the last ones."""
    with open(path, encoding="utf-8", errors="replace") as file:
        lines = file.read().splitlines()
    telling = [line for line in lines if re.search(r"error|exception|fatal|cannot", line, re.I) and not line.startswith("\tat ")]
    return "\n".join(line[:500] for line in (telling[:LINES_OF_AN_ERROR] or lines[-LINES_OF_AN_ERROR:]))


class Server:
    """A program that prints its port when it is ready and ends on SIGTERM."""

    def __init__(self, command, log, env=None):
        self._log = open(log, "wb")
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self._log, env=env)
        self.pid = self._process.pid
        line = self._process.stdout.readline().strip()
        if not line.isdigit():
            self.close()
            raise RunError(f"{command[1]} did not start\n{tail(log)}")
        self.port = int(line)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._log.close()
