"""What runs on this machine, and waiting for what is to happen."""

import contextlib
import pathlib
import time


def processes(*words):
    """{process id: parent's} of those whose command line has all of the words."""
    found = {}
    for path in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            line = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if all(word in line for word in words):
                found[int(path.name)] = int((path / "stat").read_text().rpartition(")")[2].split()[1])
    return found


def ancestors(pid):
    parents = processes()
    while (pid := parents.get(pid)):
        yield pid


def wait_for(what, seconds=120):
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.05)
    return found
