"""`calve serve` under a service manager: what it says over NOTIFY_SOCKET, and the units that ask it to."""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.request

import pytest
import yaml
from conftest import need

from . import leaks, program, servers
from .configuration import Configuration
from .prometheus import soon
from .test_run import make
from .test_serve import serving

SYSTEMD = program.ROOT / "packaging" / "systemd"


class Manager:
    """systemd's end of the socket: said[n] is what one datagram had, as a mapping."""

    def __init__(self, address):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self.socket.bind(address.replace("@", "\0", 1) if address.startswith("@") else address)
        self.said = []

    def hear(self, wait=0.0):
        """Everything that came until now, and what comes within so many seconds."""
        end = time.monotonic() + wait
        while True:
            self.socket.settimeout(max(0.0, end - time.monotonic()) or None if wait else 0)
            try:
                text = self.socket.recv(4096).decode()
            except (BlockingIOError, TimeoutError):
                return self.said
            self.said.append(dict(line.split("=", 1) for line in text.splitlines()))
            if wait and time.monotonic() >= end:
                return self.said

    def wait(self, key, value=None, after=0, seconds=30):
        """The number of the first message from `after` on that has it."""
        end = time.monotonic() + seconds
        while True:
            self.hear()
            for number, message in enumerate(self.said[after:], after):
                if key in message and (value is None or value in message[key]):
                    return number
            assert time.monotonic() < end, f"{key}={value} was not said: {self.said[-5:]}"
            time.sleep(0.01)

    def environment(self, address, watchdog=None):
        return {"NOTIFY_SOCKET": address, **({"WATCHDOG_USEC": str(int(watchdog * 1e6))} if watchdog else {})}


@pytest.fixture(params=["path", "abstract"])
def address(request, tmp_path):
    return str(tmp_path / "n") if request.param == "path" else f"@calve-test-{os.getpid()}-{time.monotonic_ns()}"


def test_its_life_as_a_service(cold, hot, http_server, address):
    make(hot, "a", rows=3)
    manager = Manager(address)
    with http_server(hot) as server:
        config = Configuration(hot, server.url).write("a", schedule={"every": "7d"})
        with serving(config, env=manager.environment(address)) as running:
            # Ready is said when whoever hears it can connect, and when signals are heard.
            ready = manager.wait("READY", "1")
            url = re.search(r"listening at (\S+):", running.lines[running.wait("listening at")])[1]
            with urllib.request.urlopen(url + "/healthz", timeout=5) as answer:
                assert answer.status == 200
            assert not any("RELOADING" in message or "WATCHDOG" in message for message in manager.said)
            manager.wait("STATUS", "cycle: 0 of 1 tables done: a")
            waits = manager.wait("STATUS", "next cycle at 20", after=ready)
            assert re.fullmatch(r"next cycle at \S+:00:00Z \(schedule\)", manager.said[waits]["STATUS"])

            before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
            running.process.send_signal(signal.SIGHUP)
            reload = manager.wait("RELOADING", "1", after=waits)
            assert before <= int(manager.said[reload]["MONOTONIC_USEC"]) <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
            again = manager.wait("READY", "1", after=reload)
            assert "was read again" in manager.said[again]["STATUS"]

            config.file.write_text("tables: [")
            running.process.send_signal(signal.SIGHUP)
            reload = manager.wait("RELOADING", "1", after=again)
            again = manager.wait("READY", "1", after=reload)
            assert "was not read again" in manager.said[again]["STATUS"], "the unit is not left reloading"
            running.end()
            stop = manager.wait("STOPPING", "1", after=again)
            assert "EXTEND_TIMEOUT_USEC" not in manager.said[stop], "nothing runs"


def test_what_does_not_start_is_not_ready(cold, hot, tmp_path):
    make(hot, "a")
    manager = Manager(str(tmp_path / "n"))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        config = Configuration(hot).write("a", serve={"listen": f"127.0.0.1:{taken.getsockname()[1]}"})
        program.run("serve", "--config", config.file, "--listen", f"127.0.0.1:{taken.getsockname()[1]}", env=manager.environment(str(tmp_path / "n")), code=program.USAGE)
    assert manager.hear() == []
    outcome = program.run("serve", "--config", config.file, env={"NOTIFY_SOCKET": "nowhere"}, code=program.USAGE)
    assert "NOTIFY_SOCKET" in outcome.err and "remedy: unset it" in outcome.err
    # A manager that is gone is a warning; the work is done.
    outcome = program.run("serve", "--config", config.file, "--once", env={"NOTIFY_SOCKET": str(tmp_path / "gone")})
    assert "could not be told" in outcome.err and "100 rows in" in outcome.err


class StoppedServer:
    """Takes connections, and answers none: a cycle that asks it takes as long as its time-outs."""

    def __init__(self):
        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        self.socket.listen(64)
        self.url = f"http://default@127.0.0.1:{self.socket.getsockname()[1]}/default"


def test_the_watchdog_hears_of_a_long_cycle(cold, hot, tmp_path):
    """Long is not hung: while a cycle waits for ClickHouse the loop says that it is there, also while it stops; and the stop asks for the time that it may take."""
    make(hot, "a", rows=1)
    manager = Manager(str(tmp_path / "n"))
    server = StoppedServer()
    config = Configuration(hot, server.url).write("a", schedule={"every": "7d"})
    with serving(config, "--stop-limit", "2s", env=manager.environment(str(tmp_path / "n"), watchdog=0.4)) as running:
        manager.wait("STATUS", "cycle since")
        began, before = time.monotonic(), len(manager.said)
        soon(lambda: sum("WATCHDOG" in message for message in manager.hear()[before:]) >= 6, 20)
        assert time.monotonic() - began > 0.8, "at half of the time that is asked for, not all the time"
        assert not any("next cycle at" in message.get("STATUS", "") for message in manager.said), "it is still the first cycle"
        running.process.send_signal(signal.SIGTERM)
        stop = manager.wait("STOPPING", "1")
        assert 10_000_000 < int(manager.said[stop]["EXTEND_TIMEOUT_USEC"]) <= 12_000_000, "the stop limit and a little"
        running.end(number=None)
        manager.hear()


def test_a_reader_of_the_log_that_stops_is_no_hang(cold, hot, tmp_path):
    """Nobody reads stderr: neither the cycle nor the loop waits for that for ever, and the watchdog hears of both. (That the loop is not heard of where it
    hangs itself: AliveWaiter.SaysNothingBeforeItHasLooked.)"""
    make(hot, "a", rows=1)
    manager = Manager(str(tmp_path / "n"))
    reader, writer = os.pipe()
    server = StoppedServer()
    config = Configuration(hot, server.url).write("a", schedule={"every": "7d"}, source={"connect_timeout": "1s", "idle_timeout": "1s"})
    process = subprocess.Popen(program.command("serve", "--config", config.file), stderr=writer, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
                               env=program.environment(**manager.environment(str(tmp_path / "n"), watchdog=4)))
    try:
        cycle = manager.wait("STATUS", "cycle since")
        os.set_blocking(writer, False)  # the same for calve; it goes back before calve writes again
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(writer, b"x" * 4096)
        os.set_blocking(writer, True)
        # The cycle fails, says so to nobody, and the loop goes on to the next.
        after = manager.wait("STATUS", "next cycle at", after=cycle)
        manager.wait("WATCHDOG", "1", after=after)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 143
    finally:
        process.kill()
        process.wait()
        os.close(reader)
        os.close(writer)


# --- units ----------------------------------------------------------------------------------------------------------------

@pytest.fixture
def units(tmp_path):
    """As they are installed, with a program that is there."""
    need(shutil.which("systemd-analyze"), "systemd-analyze is missing")
    for path in SYSTEMD.iterdir():
        (tmp_path / path.name).write_text(path.read_text().replace("@bindir@/calve", str(program.BINARY)))
    return tmp_path


def test_systemd_takes_the_units(units):
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", *(units / path.name for path in SYSTEMD.iterdir())], capture_output=True, text=True,
                          env={**os.environ, "SYSTEMD_LOG_LEVEL": "info"})
    complaints = [line for line in done.stderr.splitlines() if "calve" in line]
    assert done.returncode == 0 and not complaints, done.stderr
    # The check can fail.
    broken = units / "calve-broken.service"
    broken.write_text((units / "calve.service").read_text().replace("Type=notify", "Type=notify\nWatchdogsSec=1").replace(str(program.BINARY), "/nonexistent/calve"))
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", broken], capture_output=True, text=True)
    assert "WatchdogsSec" in done.stderr and "/nonexistent/calve" in done.stderr


def test_the_drop_ins_of_the_documentation(cold, hot, units, tmp_path):
    """docs/install.md: systemd takes them, and calve finds the password where systemd puts it."""
    page = (program.ROOT / "docs" / "install.md").read_text()
    blocks = re.findall(r"^```ini\n(.*?)^```", page, re.M | re.S)
    assert len(blocks) == 2
    (units / "calve.service.d").mkdir()
    for wrong in ("", "LoadCredentials=x"):
        (units / "calve.service.d" / "local.conf").write_text("\n".join([*blocks, wrong]))
        done = subprocess.run(["systemd-analyze", "verify", "--man=no", units / "calve.service"], capture_output=True, text=True)
        assert ("LoadCredentials" in done.stderr) == bool(wrong) and done.stderr.count("local.conf") == bool(wrong), done.stderr
    (yaml_block,) = re.findall(r"^```yaml\n(.*?)^```", page, re.M | re.S)
    make(hot, "a")
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "clickhouse").write_text("sesame-of-systemd\n")
    leaks.secret("sesame-of-systemd")
    with servers.over_libchdb(hot.directory, user="calve", password="sesame-of-systemd") as server:
        config = Configuration(hot, server.url)
        config.content["source"] = yaml.safe_load(yaml_block.replace("http://calve@clickhouse:8123/k2", server.url))["source"]
        config.write("a")
        program.run("run", "--config", config.file, env={"CREDENTIALS_DIRECTORY": str(credentials)})


def test_they_are_locked_up(units):
    for name in ("calve.service", "calve-run.service"):
        done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager", units / name], capture_output=True, text=True)
        score = re.search(r"Overall exposure level for \S+: ([\d.]+) (\w+)", done.stdout)
        assert score, done.stdout + done.stderr
        print(name, score[1], score[2])
        assert float(score[1]) <= 2.0, done.stdout


def test_their_command_lines_are_calves(cold, hot, units):
    make(hot, "a")
    config = Configuration(hot).write("a")
    for name, more in (("calve.service", ["--once"]), ("calve-run.service", [])):
        text = (units / name).read_text()
        words = re.search(r"^ExecStart=\S+ (.*)$", text, re.M)[1].replace("/etc/calve/calve.yaml", str(config.file)).split()
        program.run(*words, *more)
    # A stop has more time than calve gives a cycle by default.
    assert int(re.search(r"^TimeoutStopSec=(\d+)$", (units / "calve.service").read_text(), re.M)[1]) > 25 + 10


def test_its_system_calls_are_let_through(cold, hot, http_server, tmp_path, units):
    """Those of a whole life, a SQLite journal and HTTP included, are in the filter of the unit: systemd itself is not to be had here, its lists are."""
    need(shutil.which("strace"), "strace is missing")
    text = (units / "calve.service").read_text()

    def calls(group):
        said = subprocess.run(["systemd-analyze", "syscall-filter", group], capture_output=True, text=True, check=True).stdout
        names = set()
        for line in said.splitlines()[1:]:
            word = line.strip()
            if word.startswith("@"):
                names |= calls(word)
            elif re.fullmatch(r"\w+", word):
                names.add(word)
        return names

    allowed = set()
    for line in re.findall(r"^SystemCallFilter=(.*)$", text, re.M):
        groups = set().union(*(calls(word.lstrip("~")) for word in line.split()))
        allowed = allowed - groups if line.startswith("~") else allowed | groups
    assert "read" in allowed and "mount" not in allowed
    make(hot, "a", rows=100)
    with http_server(hot) as server:
        config = Configuration(hot, server.url).write("a")
        log = tmp_path / "calls"
        for words in (["serve", "--once", "--listen", "127.0.0.1:0"], ["run"]):
            done = subprocess.run(["strace", "-f", "-qq", "-e", "trace=all", "-e", "signal=none", "-o", log, *program.command(*words, "--config", config.file)],
                                  capture_output=True, text=True, env=program.environment())
            assert done.returncode == 0, done.stderr
            used = set(re.findall(r"^\d+ +(?:<\.\.\. )?(\w+)(?:\(| resumed)", log.read_text(), re.M))
            assert {"execve", "openat", "connect"} <= used
            assert used - allowed <= {"execve", "fchown"}, used - allowed  # the start itself; SQLite, where it is root's, as here
            families = set(re.findall(r"socket\((AF_\w+)", log.read_text()))
            assert families <= set(re.search(r"^RestrictAddressFamilies=(.*)$", text, re.M)[1].split()), families
            # MemoryDenyWriteExecute=: no memory is made executable that can be written.
            assert not re.search(r"(mmap|mprotect)\([^)]*PROT_WRITE\|PROT_EXEC", log.read_text())
            late = log.read_text().split("connect(", 1)[1]
            assert not re.search(r"mprotect\([^)]*PROT_EXEC", late), "code is made while it runs"
