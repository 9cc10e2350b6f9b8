"""calve maintain --orphans: what a killed run left goes, what any snapshot or a running commit needs stays."""

import os
import signal
import time

import pytest

from . import program
from .test_crash import cold_totals, hot_totals
from .trades import create_trades, insert_trades, offload_trades, through

OPTIONS = ["--partition-by", "bucket(3, symbol)", "--property", "commit.manifest.min-count-to-merge=2"]


def maintain(cold, *more, code=program.DONE, table="cold.trades"):
    outcome = program.run("maintain", *cold.arguments, "--target-table", table, "--orphans", "--json", *more, code=code)
    return outcome.json["tables"][0] if code == program.DONE else outcome


def files_of(cold):
    return {path for path in cold.warehouse.rglob("*") if path.is_file() and "cold/trades/" in str(path)}


def make_old(cold, days=30):
    long_ago = time.time() - days * 86_400
    for path in files_of(cold):
        os.utime(path, (long_ago, long_ago))


def referenced(table, pyiceberg):
    """Every file that PyIceberg finds from the current metadata, as paths, and the hadoop catalog's own."""
    loaded = pyiceberg.load(table)
    found = {loaded.metadata_location, *(entry.metadata_file for entry in loaded.metadata.metadata_log)}
    for snapshot in loaded.metadata.snapshots:
        found.add(snapshot.manifest_list)
        for manifest in snapshot.manifests(loaded.io):
            found.add(manifest.manifest_path)
            found |= {entry.data_file.file_path for entry in manifest.fetch_manifest_entry(loaded.io)}
    return {location.removeprefix("file://") for location in found}


def killed_midway(hot, cold, count):
    """Kills runs until one leaves Parquet files that no snapshot knows; how many files it left."""
    for _ in range(20):
        before = files_of(cold)
        running = program.start(*hot.arguments("trades", "--until", through(count), *OPTIONS))
        while running.poll() is None and not any(p.suffix == ".parquet" for p in files_of(cold) - before):
            time.sleep(0.002)
        running.send_signal(signal.SIGKILL)
        running.communicate(timeout=60)
        if running.returncode != program.DONE and files_of(cold) - before:
            return len(files_of(cold) - before)
    pytest.fail("no run could be killed while it wrote")


def test_debris_of_killed_runs_is_removed(any_cold, hot, duckdb, pyiceberg):
    create_trades(hot)
    table = any_cold.table("trades")
    for count in (400, 800, 1200):
        insert_trades(hot, count - 400, 400)
        offload_trades(hot, count, *OPTIONS)
    insert_trades(hot, 1200, 1_000_000)
    left = killed_midway(hot, any_cold, 1_001_200)
    offload_trades(hot, 1_001_200, *OPTIONS)
    totals = cold_totals(duckdb, table)
    assert totals == hot_totals(hot)

    young = maintain(any_cold)
    assert young["orphans"]["files"] == 0 and young["kept"]["young"] >= left
    make_old(any_cold)
    before = files_of(any_cold)
    dry = maintain(any_cold, "--dry-run")
    assert dry["orphans"]["files"] >= left and dry["orphans"]["files_deleted"] == 0 and files_of(any_cold) == before
    done = maintain(any_cold)
    assert done["orphans"]["files_deleted"] == dry["orphans"]["files"]
    assert done["kept"]["in_doubt"] == 0
    kept = {str(path) for path in files_of(any_cold) if path.name != "version-hint.text"}
    assert kept == referenced(table, pyiceberg)
    assert cold_totals(duckdb, table) == totals
    for snapshot in table.snapshots():
        duckdb.query(f"SELECT count(*) FROM {duckdb.source(table, snapshot['snapshot-id'])}")
    assert maintain(any_cold)["orphans"]["files"] == 0
    assert offload_trades(hot, 1_001_200, *OPTIONS)["rows"] == 0


def test_a_run_at_the_same_time_loses_nothing(any_cold, hot, duckdb):
    create_trades(hot)
    insert_trades(hot, 0, 400)
    offload_trades(hot, 400, *OPTIONS)
    insert_trades(hot, 400, 2_000_000)
    killed_midway(hot, any_cold, 2_000_400)
    make_old(any_cold)
    running = program.start(*hot.arguments("trades", "--until", through(2_000_400), *OPTIONS))
    removed = 0
    while running.poll() is None:
        removed += maintain(any_cold)["orphans"]["files_deleted"]
    _, err = running.communicate(timeout=60)
    assert running.returncode == program.DONE, err
    removed += maintain(any_cold)["orphans"]["files_deleted"]
    assert removed > 0
    assert cold_totals(duckdb, any_cold.table("trades")) == hot_totals(hot)


def test_the_age_has_a_lower_limit(cold, hot):
    create_trades(hot)
    insert_trades(hot, 0, 400)
    offload_trades(hot, 400)
    debris = cold.warehouse / "cold/trades/data/debris.parquet"
    debris.write_bytes(b"PAR1")
    refused = maintain(cold, "--older-than", "5m", code=program.USAGE)
    assert "--no-live-writers" in refused.err and refused.json["exit_code"] == program.USAGE
    os.utime(debris, (time.time() - 600,) * 2)
    assert maintain(cold, "--older-than", "5m", "--no-live-writers")["orphans"]["files_deleted"] == 1
    assert not debris.exists()


def test_what_cannot_be_read_keeps_everything(cold, hot):
    create_trades(hot)
    insert_trades(hot, 0, 400)
    offload_trades(hot, 400)
    (cold.warehouse / "cold/trades/data/debris.parquet").write_bytes(b"PAR1")
    make_old(cold)
    manifest = next(path for path in files_of(cold) if path.name.endswith("-m0.avro"))
    manifest.write_bytes(manifest.read_bytes()[:100])
    before = files_of(cold)
    failed = maintain(cold, code=program.FAILED)
    assert manifest.name in failed.err
    assert files_of(cold) == before
    maintain(cold, table="cold.none", code=program.USAGE)
    program.run("maintain", *cold.arguments, "--target-table", "cold.trades", code=program.USAGE)


def test_a_table_that_is_not_there(cold, hot):
    """Each command that works on cold tables says which one may have been meant."""
    create_trades(hot)
    insert_trades(hot, 0, 4)
    offload_trades(hot, 4)
    named = ["--target-table", "cold.trade", *cold.arguments]
    for command in (["maintain", "--compact"], ["status"], ["verify", "--cold-only"], ["restore", "--source", hot.url, "--timestamp-col", "ts", "--into", "x", "--all"]):
        outcome = program.run(*command, *named, code=program.USAGE)
        assert "there is no table cold.trade " in outcome.err and "Did you mean cold.trades?" in outcome.err, outcome
    assert "no such namespace, but cold." in program.run("status", "--target-table", "gold.trades", *cold.arguments, code=program.USAGE).err
