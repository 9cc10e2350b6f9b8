"""Spark and calve commit to one Hadoop table on one file system at the same time, neither waiting for the other. Java looks
whether a version is there and then renames over it, so what calve publishes in between is replaced: calve must notice, and
must build upon nothing that may still be replaced."""

import collections
import contextlib
import json
import pathlib
import shutil
import sqlite3
import subprocess
import sys
import threading
import time

import pytest
from conftest import need

from . import program
from .other_engines import Trades, assert_rows

CHUNK = 20  # rows of a commit
WINDOW = 10 * CHUNK


class Spark:
    """Another process's Spark at work (spark_appender.py), whose renames come late."""

    def __init__(self, cold, folder):
        shim = folder / "late_rename.so"
        subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-o", shim, pathlib.Path(__file__).with_name("late_rename.c"), "-ldl"], check=True, capture_output=True)
        self.delay_file = folder / "delay_ms"
        self.delay(0)
        with open(folder / "spark.log", "w") as log:
            self.process = subprocess.Popen([sys.executable, "-m", "interop.spark_appender", str(cold.warehouse), "cold.trades", str(folder / "spark")],
                                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, cwd=pathlib.Path(__file__).parents[1],
                                            env={**program.environment(), "CALVE_DEPS": str(program.DEPS), "LD_PRELOAD": str(shim), "CALVE_RENAME_DELAY": str(self.delay_file), "TZ": "UTC"})
        assert self.process.stdout.readline() == "ready\n", (folder / "spark.log").read_text()
        self.rows, self.commits, self.lost = [], 0, []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self):
        for line in self.process.stdout:
            told = json.loads(line)
            if "rows" in told:
                self.rows += told["rows"]
                self.commits += 1
            else:
                self.lost.append(told["lost"])

    def delay(self, milliseconds):
        self.delay_file.write_text(str(milliseconds))

    def end(self):
        self.process.stdin.close()
        self._reader.join(60)
        self.process.wait(60)


@contextlib.contextmanager
def spark_at_work(cold, folder):
    folder.mkdir()
    (folder / "spark").mkdir()
    spark = Spark(cold, folder)
    try:
        yield spark
    finally:
        spark.process.stdin.close() if spark.process.poll() is None and not spark.process.stdin.closed else None
        with contextlib.suppress(subprocess.TimeoutExpired):
            spark.process.wait(60)
        spark.process.kill()


@pytest.mark.spark
def test_both_commit_freely_and_nothing_is_lost(cold, hot, http_server, duckdb, tmp_path):
    need(shutil.which("java") and any((program.DEPS / "spark" / "jars").glob("*.jar")), "Spark is not installed")
    with http_server(hot) as server:
        trades = Trades(hot, "append", server)
        trades.insert(0, WINDOW)
        trades.offload(WINDOW)
        commits, count = 1, WINDOW
        with spark_at_work(cold, tmp_path / "beside") as other:
            for delay, wanted in ((0, 8), (40, 8)):
                other.delay(delay)
                before, begun, runs = other.commits, time.monotonic(), 0
                while (passed := time.monotonic() - begun) < 6 or (passed < 90 and other.commits - before < wanted):
                    trades.insert(count, WINDOW)
                    count += WINDOW
                    # A commit for every few rows; no lease, and another calve at the same table.
                    racers = [program.start(*trades.arguments(count, "--lease", "0", "--chunk-rows", str(CHUNK))) for _ in range(2)]
                    for racer in racers:
                        out, err = racer.communicate(timeout=120)
                        assert racer.returncode == program.DONE or "in a row were lost" in err or "not known whether" in err, err
                    runs += 1
                    found = trades.in_cold(duckdb, ["sequence"])
                    assert len(set(found)) == len(found), "no row is there twice, at any moment"
                print(f"renames {delay} ms late: {runs} times two runs of calve and {other.commits - before} commits of Spark in {passed:.0f} s")
            other.delay(0)
            other.end()
        trades.offload(count)
        assert_rows([row[0] for row in trades.in_cold(duckdb, ["sequence"])], [*range(count), *other.rows])
    assert not [error for error in other.lost if "CommitFailed" not in error], other.lost
    # Each side's commits, each once, in the history that the table has: what calve's runs were told of their windows, and Spark of its inserts.
    chain = trades.table.metadata
    by = collections.Counter("calve" if "calve.commit-id" in snapshot["summary"] else "spark" for snapshot in chain["snapshots"])
    ids = [snapshot["summary"]["calve.commit-id"] for snapshot in chain["snapshots"] if "calve.commit-id" in snapshot["summary"]]
    with sqlite3.connect(cold.journal) as journal:
        told = {run[0] for run in journal.execute("SELECT snapshot_id FROM calve_runs WHERE status = 'success' AND snapshot_id IS NOT NULL")}
    lost = told - {snapshot["snapshot-id"] for snapshot in chain["snapshots"]}
    assert not lost, f"{len(lost)} of {len(told)} commits that calve took for committed are not in the table"
    print(f"commits: calve {by['calve']}, spark {by['spark']}; Spark gave up {len(other.lost)}")
    assert by["spark"] == other.commits >= 16 and len(set(ids)) == len(ids) == by["calve"] >= 24
    assert sum(int(snapshot["summary"].get("calve.rows", 0)) for snapshot in chain["snapshots"]) == count
