"""What a person sees, in a real (pseudo-)terminal of several sizes."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
import unicodedata

import pytest

from . import program
from .configuration import Configuration
from .test_run import insert, make, minute

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Screen:
    """calve in a terminal of that width; all that it wrote there."""

    def __init__(self, *arguments, columns=80, rows=24, env=None):
        self.master, slave = pty.openpty()
        self.resize(columns, rows)

        def take_terminal():
            os.setsid()
            fcntl.ioctl(slave, termios.TIOCSCTTY, 0)

        self.process = subprocess.Popen(program.command(*arguments), stdin=slave, stdout=slave, stderr=slave, preexec_fn=take_terminal,
                                        env={**program.environment(), "TERM": "xterm-256color", **(env or {})})
        os.close(slave)
        self.text = ""

    def resize(self, columns, rows=24):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self, until=None, seconds=60):
        """All that comes until it ends, or until these words were there."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and not (until and until(self.text)):
            if not select.select([self.master], [], [], 0.1)[0]:
                continue
            try:
                piece = os.read(self.master, 65536)
            except OSError:
                break  # the other end is closed
            if not piece:
                break
            self.text += piece.decode(errors="replace")
        assert time.monotonic() < end, self.text
        return self.text

    def end(self):
        self.read()
        os.close(self.master)
        program.see(["terminal"], self.text, "")
        return self.process.wait(30)


def width(line):
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 0 if unicodedata.combining(c) else 1 for c in ESCAPES.sub("", line))


@pytest.fixture
def three(cold, hot):
    make(hot, "bronze_trades_of_a_long_name", "b", "`取引`", rows=10)
    config = Configuration(hot).write({"source": "bronze_trades_of_a_long_name", "layer": "bronze"}, {"source": "b", "layer": "silver"}, {"source": "`取引`", "name": "取引", "target": "cold.取引"})
    config.run("--until", minute(5), code=None)
    return config


def test_status_fits_the_terminal(three):
    for columns in (40, 60, 80, 120, 200):
        screen = Screen("status", "--config", three.file, columns=columns)
        assert screen.end() == program.DONE
        lines = screen.text.rstrip("\r\n").split("\r\n")
        assert all(width(line) <= columns for line in lines), screen.text
        assert len(lines) == 4 and "TABLE" in lines[0] and "LAG" in lines[0] and "STATE" in lines[0]
        assert ("LAYER" in lines[0]) == (columns >= 120) and ("BYTES" in lines[0]) == (columns >= 120), screen.text
        assert "\x1b[31mstale\x1b[0m" in lines[1], "a word as well as a colour"
        if columns >= 80:
            assert "WATERMARK" in lines[0] and "bronze_trades_of_a_long_name" in lines[1]
    for env in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        screen = Screen("status", "--config", three.file, env=env)
        screen.end()
        assert "stale" in screen.text and "\x1b" not in screen.text
    plain = program.run("status", "--config", three.file)
    assert "\x1b" not in plain.out and minute(5) in plain.out and "SNAPSHOTS" in plain.out
    assert "\x1b[31m" in program.run("status", "--config", three.file, env={"CLICOLOR_FORCE": "1"}).out


def test_watching(three, hot):
    screen = Screen("status", "--config", three.file, "--watch", "200ms", columns=100)
    screen.read(lambda text: text.count("TABLE") >= 2)
    assert screen.text.startswith("\x1b[?1049h\x1b[?25l") and screen.text.count("\x1b[H") >= 2, "it is drawn over in place"
    assert not re.search(r"[^\r]\n", screen.text)
    hot.execute(insert("b", 10, 90))
    three.run("--until", minute(80), code=None)
    screen.read(lambda text: re.search(r"cold\.b .* 81 ", text))
    screen.resize(40)
    at = len(screen.text)
    screen.read(lambda text: text[at:].count("TABLE") >= 3)
    last = screen.text[screen.text.rindex("\x1b[H"):]
    assert all(width(line) <= 40 for line in last.split("\r\n")), [(width(line), line) for line in last.split("\r\n")]
    os.write(screen.master, b"\x03")  # Ctrl-C
    assert screen.end() == 130
    assert "\x1b[?25h\x1b[?1049l" in screen.text[-60:], "the terminal is as it was"
    # A configuration that is wrong for a moment is shown as such.
    good = three.file.read_text()
    screen = Screen("status", "--config", three.file, "--watch", "200ms")
    screen.read(lambda text: "TABLE" in text)
    three.file.write_text("tables: [")
    screen.read(lambda text: "error: " in text)
    three.file.write_text(good)
    at = len(screen.text)
    screen.read(lambda text: "TABLE" in text[at:])
    os.write(screen.master, b"\x03")
    assert screen.end() == 130


def test_watching_without_a_terminal(three):
    running = program.start("status", "--config", three.file, "--watch", "200ms")
    lines = [running.stdout.readline() for _ in range(10)]
    running.send_signal(15)
    running.communicate(timeout=30)
    assert running.returncode == 143 and sum("TABLE" in line for line in lines) >= 2 and "\x1b" not in "".join(lines)
    assert "too often" in program.run("status", "--config", three.file, "--watch", "1ms", code=program.USAGE).err


def test_progress_of_everything_that_takes_long(cold, hot, http_server):
    hot.execute("CREATE TABLE a (ts DateTime64(3, 'UTC'), n UInt32, text String) ENGINE = MergeTree PARTITION BY toDate(ts) ORDER BY ts",
                "INSERT INTO a SELECT toDateTime64('2024-08-09 00:00:00', 3, 'UTC') + INTERVAL number * 100 MILLISECOND, number, repeat('x', 20) FROM numbers(200000)")
    table = ["--warehouse", f"file://{cold.warehouse}", "--target-table", "cold.a"]
    with http_server(hot) as server:
        config = Configuration(hot, server.url).write("a", defaults={"chunk": {"rows": 20000}})
        commands = [
            (["run", "--config", config.file], r"reading +\d+% \[[#.]+\] .*rows/s.* left"),
            (["verify", "--config", config.file], r"reading +\d+% \[[#.]+\] .*rows/s.* left"),
            (["restore", "--config", config.file, "--table", "a", "--all", "--into", "back", "--create"], r"restoring +\d+% \[[#.]+\] .*rows/s"),
            (["maintain", *table, "--compact"], r"compacting +\d+% \[[#.]+\] .*rows/s"),
            (["maintain", *table, "--expire", "--snapshots-older-than", "0s"], r"deleting +\d+% \[[#.]+\]"),
            (["maintain", *table, "--orphans"], r"listing +\d+ files"),
            (["retire", "--config", config.file, "--older-than", "1d"], r"dropping +\d+% \[[#.]+\]"),
        ]
        for arguments, shown in commands:
            screen = Screen(*arguments, columns=100)
            assert screen.end() == program.DONE, screen.text
            assert re.search(shown, screen.text), (arguments, screen.text)
            drawn = re.split(r"[\r\n]+", screen.text)
            assert all(width(line) <= 100 for line in drawn if "%" in line), screen.text
            # Nothing of the bars is left: the last line that was drawn is taken away before the result.
            assert "% [" not in ESCAPES.sub("", screen.text.rsplit("\x1b[K", 1)[1])
        dumb = Screen("verify", "--config", config.file, env={"TERM": "dumb"})
        dumb.end()
        assert "\x1b" not in dumb.text and "\r\x1b" not in dumb.text and "% [" not in dumb.text
