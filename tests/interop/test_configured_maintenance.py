"""Maintenance by the configuration: `calve maintain --config`, and `calve serve` between its cycles."""

import collections
import os
import re
import subprocess
import time

import pytest

from . import program, readers
from .configuration import Configuration
from .prometheus import samples, scrape
from .test_metrics import listening
from .test_run import insert, make, minute, numbers
from .test_serve import NOW, serving

CYCLES = 24
SOON = {"schedule": {"every": "1s", "maintain_every": "1s"}}


def maintain(config, *arguments, code=program.DONE):
    outcome = program.run("maintain", "--config", config.file, "--json", *arguments, code=code)
    return {table["name"]: table for table in outcome.json["tables"]}


def verify(config):
    assert program.run("verify", "--config", config.file, "--json").json["equal"]


@pytest.mark.spark
def test_cycles_with_maintenance_after_every_fourth(any_cold, hot, four):
    """Two tables, one of them with changing rows: after each maintenance a partition has two small files at most, and four engines read the rows."""
    make(hot, "trades", rows=0)
    make(hot, "candles", rows=0, engine="ReplacingMergeTree ORDER BY (ts, n)")
    config = Configuration(hot).write(
        {"source": "trades", "partition_by": ["hours(ts)"]}, {"source": "candles", "partition_by": ["hours(ts)"]},
        defaults={"maintain": {"snapshots_older_than": "1s"}})
    for cycle in range(CYCLES):
        for table in ("trades", "candles"):
            hot.execute(insert(table, cycle * 15, 15))
        if cycle > 2 and cycle % 3 == 0:  # late ones, and newer versions of rows that are in cold
            hot.execute(insert("trades", 10_000 + cycle, 1).replace("+ INTERVAL number MINUTE", f"+ INTERVAL {cycle * 15 - 20} MINUTE"))
            hot.execute(insert("candles", cycle * 15 - 20, 5))
        config.run("--until", minute(cycle * 15 + 15))
        if cycle % 4 < 3:
            continue
        for name, told in maintain(config).items():
            live = [task.file.file_path for task in four[0].load(any_cold.table(name)).scan().plan_files()]
            assert told["after"]["data_files"] == len(live)
            assert max(collections.Counter(path.rsplit("/", 1)[0] for path in live).values()) <= 2, live
    verify(config)
    for name in ("trades", "candles"):
        table = any_cold.table(name)
        assert len(table.snapshots()) < 20
        rows = [reader.rows(table, ["ts", "n"]) for reader in four]
        assert all(sorted(each) == sorted(rows[0]) for each in rows[1:])
    found = numbers(four[1], any_cold, "trades")
    assert found == sorted([*range(15 * CYCLES), *(10_000 + cycle for cycle in range(3, CYCLES, 3))])


@pytest.mark.slow
@pytest.mark.spark
def test_a_thousand_cycles_with_maintenance_every_hour(tmp_path, four):
    """Ten days on a clock of their own, in a process of their own (cli/thousand_cycles_test.cc): what grows with time is bounded; four engines read every row once."""
    binary = program.BINARY.parent / "calve_cli_test"
    assert binary.exists(), "make unit builds it"
    done = subprocess.run([binary, "--gtest_also_run_disabled_tests", "--gtest_filter=*ThousandCycles*"], capture_output=True, text=True, timeout=900,
                          env={**os.environ, "CALVE_KEEP_TABLE": str(tmp_path / "w")})
    assert done.returncode == 0, done.stdout
    count = int(re.search(r"^(\d+) rows$", done.stdout, re.MULTILINE)[1])
    table = readers.Table(tmp_path / "w" / "warehouse", "cold", "trades")
    for reader in four:
        assert sorted(int(row[0][1]) for row in reader.rows(table, ["id"])) == list(range(1, count + 1)), reader.name


def test_what_the_configuration_says_of_each_table(cold, hot):
    make(hot, "a", "b", rows=0)
    config = Configuration(hot).write("a", {"source": "b", "maintain": {"compact": False, "orphans": False}}, defaults={"maintain": {"manifests": False, "min_files": 2}},
                                      metrics={"directory": str(cold.folder)})
    # A new table in the configuration is no reason to be woken.
    told = maintain(config)
    assert told["a"]["absent"] and told["b"]["absent"]
    for cycle in range(2):
        hot.execute(insert("a", cycle * 10, 10), insert("b", cycle * 10, 10))
        config.run("--until", minute(cycle * 10 + 9))
    dry = maintain(config, "--dry-run")
    assert dry["a"]["compact"]["files_removed"] == 2 and dry["a"]["before"] == dry["a"]["after"]
    told = maintain(config)
    assert set(told["a"]) == {"table", "name", "before", "compact", "expire", "after", "orphans", "kept", "listed", "uploads", "folders", "notes", "dry_run"}
    assert told["a"]["after"]["data_files"] == 1
    assert set(told["b"]) == {"table", "name", "before", "expire", "after", "dry_run"} and told["b"]["after"]["data_files"] == 2
    # An option asks for one thing, of one table, and its number goes first.
    only = maintain(config, "--table", "b", "--compact", "--min-files", "2")
    assert set(only) == {"b"} and only["b"]["compact"]["files_removed"] == 2 and "expire" not in only["b"]
    assert maintain(config, "--compact", "--min-files", "9")["a"]["compact"]["groups"] == 0
    metrics = samples((cold.folder / "calve_maintain.prom").read_text())
    assert metrics["offload_compacted_files_total"] == {frozenset({("table", "a")}): 2, frozenset({("table", "b")}): 2}
    assert metrics["offload_maintenance_total"][frozenset({("table", "b"), ("status", "success")})] == 3
    for wrong in (["--table", "c"], ["--target-table", "cold.a"], ["--older-than", "1h"], ["--compact", "--keep-snapshots", "3"]):
        outcome = program.run("maintain", "--config", config.file, *wrong, code=program.USAGE)
        assert "remedy" in outcome.err


def test_serve_maintains_between_its_cycles(any_cold, hot, http_server, duckdb):
    make(hot, "a", rows=0)
    with http_server(hot) as server:
        serve_and_maintain(any_cold, Configuration(hot, server.url), server, duckdb)


def serve_and_maintain(cold, config, server, duckdb):
    config.write("a", "not_offloaded_yet", defaults={"maintain": {"snapshots_older_than": "1s"}}, **SOON)
    rows = 0
    with serving(config, "--listen", "127.0.0.1:0") as running:
        url = listening(running)
        end = time.monotonic() + 40
        while True:
            server.query(f"INSERT INTO a SELECT {NOW}, {rows}")
            rows += 1
            time.sleep(0.3)
            seen = scrape(url)
            done = seen.get("offload_compacted_files_total", {}).get(frozenset({("table", "a")}), 0)
            expired = seen.get("offload_expired_snapshots_total", {}).get(frozenset({("table", "a")}), 0)
            if done >= 6 and expired >= 3:
                break
            assert time.monotonic() < end, running.lines
        assert seen["offload_table_data_files"][frozenset({("table", "a")})] <= 3
        assert not any("not_offloaded_yet" in name for labels in seen["offload_maintenance_total"] for _, name in labels)
        running.wait("compacted ")
        running.end()
    assert not [line for line in running.lines if "maintenance of" in line], running.lines
    config.run("--table", "a")
    verify_a = program.run("verify", "--config", config.file, "--table", "a", "--json").json
    assert verify_a["equal"] and numbers(duckdb, cold, "a") == list(range(rows))


def test_what_a_table_refuses_is_said_once_and_counted(cold, hot):
    hot.execute("CREATE TABLE a (ts DateTime64(3, 'UTC'), n UInt32) ENGINE = MergeTree ORDER BY ts", f"INSERT INTO a SELECT {NOW}, 1")
    config = Configuration(hot).write({"source": "a", "properties": {"gc.enabled": "false"}}, **SOON)
    with serving(config, "--listen", "127.0.0.1:0") as running:
        url = listening(running)
        failed = frozenset({("table", "a"), ("status", "failed")})
        end = time.monotonic() + 30
        while scrape(url).get("offload_maintenance_total", {}).get(failed, 0) < 3:
            assert time.monotonic() < end, running.lines
            time.sleep(0.2)
        running.end()
    said = [line for line in running.lines if "maintenance of a" in line]
    assert len(said) == 1 and "gc.enabled" in said[0]
