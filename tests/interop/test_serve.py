"""`calve serve` as a process: cycles by the clock, signals, reloads, tables that fail, and another calve beside it."""

import contextlib
import json
import signal
import threading
import time

from . import program
from .configuration import Configuration
from .test_run import make, numbers

NOW = "now64(3, 'UTC')"


class Serving:
    """A running `calve serve`: what it has said so far, line by line."""

    def __init__(self, config, *arguments, **options):
        self.process = config.start("serve", *arguments, **options)
        self.lines, self.told = [], []
        self.readers = [threading.Thread(target=self._read, args=pair) for pair in ((self.process.stderr, self.lines), (self.process.stdout, self.told))]
        for reader in self.readers:
            reader.start()

    @staticmethod
    def _read(stream, into):
        for line in stream:
            into.append(line.rstrip("\n"))

    def wait(self, words, after=0, seconds=30):
        """The number of the first line from `after` on that holds the words."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for number, line in enumerate(self.lines[after:], after):
                if words in line:
                    return number
            assert self.process.poll() is None or words in "\n".join(self.lines[after:]), "it ended\n" + "\n".join(self.lines)
            time.sleep(0.02)
        raise AssertionError(f"'{words}' was not said within {seconds} s\n" + "\n".join(self.lines))

    def end(self, number=signal.SIGTERM, code=143, seconds=40):
        if number:
            self.process.send_signal(number)
        assert self.process.wait(timeout=seconds) == code, "\n".join(self.lines)
        for reader in self.readers:
            reader.join(timeout=10)


@contextlib.contextmanager
def serving(config, *arguments, **options):
    running = Serving(config, *arguments, **options)
    try:
        yield running
    finally:
        if running.process.poll() is None:
            running.process.kill()
            running.process.wait()


def test_once(cold, hot, duckdb):
    make(hot, "a", "b")
    config = Configuration(hot).write("a", {"source": "b", "after": ["a"]})
    outcome = program.run("serve", "--config", config.file, "--once", "--json")
    assert [(table["name"], table["rows"]) for table in outcome.json["tables"]] == [("a", 100), ("b", 100)]
    assert "serving 2 tables" in outcome.err and "cycle ended: 2 tables: 2 done; 200 rows in" in outcome.err
    config.write("a", "none")
    failed = program.run("serve", "--config", config.file, "--once", code=program.PARTLY)
    assert failed.out == "" and "error: none" in failed.err


def test_cycle_after_cycle_until_it_is_told_to_stop(any_cold, hot, http_server, duckdb):
    make(hot, "a", rows=1)
    with http_server(hot) as server:
        config = Configuration(hot, server.url).write("a", schedule={"every": "1s"})
        with serving(config, "--json") as running:
            at = running.wait("cycle ended")
            for n in range(1, 4):
                server.query(f"INSERT INTO a SELECT {NOW}, {n}")
                at = running.wait("a: 1 rows up to", at + 1)
            began = time.monotonic()
            running.end()
            assert time.monotonic() - began < 5 and running.lines[-1].endswith("calve: stopping")
            assert all(line[:4].isdigit() and line[19] == "Z" for line in running.lines), "each line tells when"
            assert sum(json.loads(line)["rows"] for line in running.told) == 4, "a line for each cycle"
        # What came in while it was away comes in at once.
        server.query(f"INSERT INTO a SELECT {NOW}, 4")
        config.write("a", schedule={"every": "7d"})
        with serving(config) as running:
            running.wait("a: 1 rows up to")
            assert "next cycle at" in running.lines[running.wait("(schedule)")]
            running.end(signal.SIGINT, 130)
    assert numbers(duckdb, any_cold, "a") == [0, 1, 2, 3, 4]


def test_a_configuration_read_again(cold, hot, http_server, duckdb):
    make(hot, "a", "b", rows=3)
    with http_server(hot) as server:
        config = Configuration(hot, server.url).write("a", schedule={"every": "7d"})
        with serving(config) as running:
            running.wait("next cycle at")
            good = config.file.read_text()
            for bad, word in [(good.replace('"7d"', '"7 fortnights"'), "schedule.every"), ("tables: [", "calve.yaml"), (None, "calve.yaml")]:
                config.file.unlink()
                if bad is not None:
                    config.file.write_text(bad)
                at = len(running.lines)
                running.process.send_signal(signal.SIGHUP)
                at = running.wait("the old one stays in force", at)
                assert word in "\n".join(running.lines[at:at + 3])
            config.write("a", "b", schedule={"every": "1s"})
            at = len(running.lines)
            running.process.send_signal(signal.SIGHUP)
            running.wait("2 tables, every 1s", at)
            running.wait("b: 3 rows up to", at)
            running.end()
    assert numbers(duckdb, cold, "b") == [0, 1, 2]


def test_a_table_that_fails_again_and_again_is_put_aside(cold, hot, http_server, duckdb):
    make(hot, "good", rows=1)
    with http_server(hot) as server:
        config = Configuration(hot, server.url).write("good", "gone", {"source": "good", "name": "child", "target": "cold.child", "after": ["gone"]},
                                                      schedule={"every": "1s"})
        with serving(config) as running:
            at = running.wait("gone: skipped, put aside until", seconds=60)
            assert sum("error: gone" in line for line in running.lines) == 5
            running.wait("child: skipped, it comes after gone, which was skipped: put aside", at)
            server.query(f"INSERT INTO good SELECT {NOW}, 1")
            at = running.wait("good: 1 rows", at)
            # It may be mended by then, and a reload says so.
            server.query("CREATE TABLE gone AS good ENGINE = MergeTree ORDER BY ts")
            server.query("INSERT INTO gone SELECT * FROM good")
            running.process.send_signal(signal.SIGHUP)
            running.wait("gone: 2 rows", at)
            running.wait("child: 2 rows", at)
            running.end()
    assert numbers(duckdb, cold, "good") == numbers(duckdb, cold, "child") == [0, 1]


def test_a_run_beside_it(cold, hot, http_server, duckdb):
    make(hot, *"abc", rows=2000)
    with http_server(hot) as server:
        config = Configuration(hot, server.url).write(*"abc", schedule={"every": "1s"})
        with serving(config, "--json") as running:
            for n in range(6):
                server.query(f"INSERT INTO a SELECT {NOW}, {2000 + n}")
                told = config.run()
                assert {told[name]["state"] for name in "abc"} <= {"done", "skipped"}
            running.end()
        config.run()
    assert numbers(duckdb, cold, "a") == list(range(2006)) and numbers(duckdb, cold, "c") == list(range(2000))


def test_told_to_stop_in_the_middle_of_a_load(any_cold, hot, http_server, duckdb):
    hot.execute("CREATE TABLE big (ts DateTime64(3, 'UTC'), n UInt32, text String) ENGINE = MergeTree ORDER BY ts",
                f"INSERT INTO big SELECT toDateTime64('2024-08-01 00:00:00', 3, 'UTC') + INTERVAL number SECOND, number, randomPrintableASCII(300) FROM numbers(1000000)")
    make(hot, "next")
    with http_server(hot) as server:
        config = Configuration(hot, server.url).write("big", {"source": "next", "after": ["big"]}, schedule={"every": "1h"}, defaults={"chunk": {"rows": 200000}})
        with serving(config) as running:
            end = time.monotonic() + 60
            while time.monotonic() < end and not (any_cold.table("big").exists() and any_cold.table("big").snapshots()):
                time.sleep(0.01)
            running.end()
        chunks = len(any_cold.table("big").snapshots())
        assert 0 < chunks < 6 and not any_cold.table("next").exists()
        assert any("next: stopped before it began" in line for line in running.lines)
        assert config.run()["big"]["chunks"] == 6 - chunks, "what was committed is not read again"
    assert duckdb.query(f"SELECT count(*) AS c, count(DISTINCT n) AS d FROM {duckdb.source(any_cold.table('big'))}").to_pylist() == [{"c": 1000000, "d": 1000000}]


def test_a_server_that_is_away_for_a_while(cold, hot, http_server, duckdb):
    make(hot, "a", rows=5)
    with http_server(hot) as server:
        config = Configuration(hot, server.url).write("a", schedule={"every": "1s"}, source={"connect_timeout": "1s"})
    with serving(config) as running:
        at = running.wait("error: a", seconds=60)
        running.wait("next cycle at", at)
        running.end()
    assert not cold.table("a").exists()


def test_what_is_wrong_at_the_start(cold, hot):
    make(hot, "a")
    config = Configuration(hot).write("a", schedule={"cron": "* * *"})
    assert "schedule.cron" in program.run("serve", "--config", config.file, code=program.USAGE).err
    config.write("a", schedule={"cron": "0 3 * * *", "timezone": "Europe/Nowhere"})
    assert "Europe/Nowhere" in program.run("serve", "--config", config.file, code=program.USAGE).err
