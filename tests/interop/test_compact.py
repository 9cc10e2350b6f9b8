"""calve maintain --compact: the same rows in fewer files, for every engine; the watermark where it was."""

import signal
import threading
import time

import pytest

from . import program
from .other_engines import SparkAtWork, Trades
from .test_crash import cold_totals, hot_totals
from .test_expire import maintain
from .test_late import verify
from .trades import COLUMN_NAMES, create_trades, insert_trades, offload_trades


def fill(hot, windows, rows=400, *options):
    create_trades(hot)
    for count in range(rows, rows * windows + 1, rows):
        insert_trades(hot, count - rows, rows)
        offload_trades(hot, count, "--partition-by", "symbol", *options)


@pytest.mark.spark
def test_the_same_rows_in_fewer_files(cold, hot, four):
    fill(hot, 5)
    table = cold.table("trades")
    rows = sorted(four[0].rows(table, COLUMN_NAMES))
    properties = table.properties
    dry = maintain(cold, "--compact", "--dry-run")
    assert (dry["compact"]["files_removed"], dry["compact"]["files_added"]) == (15, 3) and dry["before"] == dry["after"]
    done = maintain(cold, "--compact", "--expire", "--snapshots-older-than", "0s")
    assert (done["before"]["data_files"], done["after"]["data_files"]) == (15, 3)
    assert done["after"]["bytes"] < done["before"]["bytes"] and done["compact"]["rows"] == 2000
    assert done["expire"]["data_files"] == 0, "the newest window's snapshot, which the watermark is read from, has them"
    assert table.properties == properties and table.current_snapshot()["summary"]["operation"] == "replace"
    for reader in four:
        assert sorted(reader.rows(table, COLUMN_NAMES)) == rows, reader.name
    assert maintain(cold, "--compact")["compact"]["groups"] == 0
    assert offload_trades(hot, 2000)["rows"] == 0
    insert_trades(hot, 2000, 400)
    assert offload_trades(hot, 2400)["rows"] == 400
    verify(hot)
    ended = maintain(cold, "--expire", "--snapshots-older-than", "0s")
    assert ended["expire"]["data_files"] == 15
    for reader in four[:2]:
        assert len(reader.rows(table, ["sequence"])) == 2400, reader.name


def test_killed_at_random_moments(cold, hot, duckdb):
    fill(hot, 5, 40000)
    table = cold.table("trades")
    totals = hot_totals(hot)
    began = time.monotonic()
    program.run("maintain", *cold.arguments, "--target-table", "cold.trades", "--compact", "--dry-run")
    start = time.monotonic() - began
    for i in range(6):
        running = program.start("maintain", *cold.arguments, "--target-table", "cold.trades", "--compact")
        time.sleep(start + i * 0.03)
        running.send_signal(signal.SIGKILL)
        running.communicate(timeout=60)
        assert cold_totals(duckdb, table) == totals
    maintain(cold, "--compact")
    assert cold_totals(duckdb, table) == totals
    assert table.current_snapshot()["summary"]["total-data-files"] == "3"
    assert offload_trades(hot, 200000)["rows"] == 0


@pytest.mark.spark
def test_what_sparks_delete_files_take_out_stays_out(cold, hot, spark, duckdb):
    trades = Trades(hot, "append")
    for count in range(40, 241, 40):
        trades.insert(count - 40, 40)
        trades.offload(count)
    job = SparkAtWork(spark, trades)
    job.append()
    job.delete_by_position()
    done = maintain(cold, "--compact")
    assert done["before"]["delete_files"] == 1 and done["compact"]["rows_deleted"] == 2 and done["after"]["data_files"] == 1
    trades.check(duckdb, 240)
    assert {row.sequence for row in spark.sql(trades.table, "SELECT sequence FROM {t}").collect()} == {*range(240), *trades.foreign}
    job.delete()  # of the new file's rows, by position
    job.compact()
    trades.insert(240, 40)
    trades.offload(280)
    trades.check(duckdb, 280)


def test_options(cold, hot):
    fill(hot, 2)
    assert "--compact" in maintain(cold, "--min-files", "3", "--orphans", code=program.USAGE).err
    assert "2 or more" in maintain(cold, "--compact", "--min-files", "1", code=program.USAGE).err
    assert maintain(cold, "--compact")["compact"]["groups"] == 0
    assert maintain(cold, "--compact", "--min-files", "2")["compact"]["files_removed"] == 6
    text = program.run("maintain", *cold.arguments, "--target-table", "cold.trades", "--compact", "--manifests").out
    assert "none worth compacting" in text and "none worth rewriting" in text and "after: 3 snapshots" in text


def test_behind_a_rest_catalog(rest_cold, hot, duckdb, pyiceberg):
    """Apache Iceberg's own server takes each commit, and does what it is told."""
    fill(hot, 5)
    table = rest_cold.table("trades")
    done = maintain(rest_cold, "--compact", "--manifests")
    assert (done["before"]["data_files"], done["after"]["data_files"]) == (15, 3)
    insert_trades(hot, 2000, 400)
    assert offload_trades(hot, 2400)["rows"] == 400
    ended = maintain(rest_cold, "--expire", "--snapshots-older-than", "0s", "--keep-snapshots", "2")
    assert ended["after"]["snapshots"] == 2 == len(table.snapshots()) and ended["expire"]["data_files"] == 15
    assert len(pyiceberg.rows(table, ["sequence"])) == 2400
    assert cold_totals(duckdb, table) == hot_totals(hot)
    verify(hot)


def test_beside_runs_that_write(sql_cold, hot, duckdb):
    """Windows land while everything is maintained without a pause; both only try again."""
    fill(hot, 2, 40)
    stopping, told = threading.Event(), []

    def keep_maintaining():
        while not stopping.is_set():
            told.append(program.run("maintain", *sql_cold.arguments, "--target-table", "cold.trades", "--json", "--compact", "--min-files", "2",
                                    "--manifests", "--expire", "--snapshots-older-than", "0s", code=None))

    thread = threading.Thread(target=keep_maintaining)
    thread.start()
    try:
        for count in range(120, 401, 40):
            insert_trades(hot, count - 40, 40)
            assert offload_trades(hot, count)["rows"] == 40
    finally:
        stopping.set()
        thread.join()
    done = [outcome.json["tables"][0] for outcome in told if outcome.code == program.DONE]
    assert sum(outcome["compact"]["files_removed"] for outcome in done) > 10 and sum(outcome["expire"]["snapshots"] for outcome in done) > 3
    assert not [outcome for outcome in told if outcome.code not in (program.DONE, program.FAILED)]
    assert cold_totals(duckdb, sql_cold.table("trades")) == hot_totals(hot)
    verify(hot)
