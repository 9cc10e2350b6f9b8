"""Rows that are inserted behind the watermark: found by the next cycle, appended once, and nothing else is."""

import concurrent.futures
import json
import random
import time

import pytest

from . import program
from .trades import create_trades, insert_trades, offload_trades, through

KEYED = "(ts DateTime64(3, 'UTC'), id UInt64, note String) ENGINE = MergeTree ORDER BY ts"


def cold_ids(duckdb, table, column="sequence"):
    return sorted(row[column] for row in duckdb.query(f"SELECT {column} FROM {duckdb.source(table)}").to_pylist())


def verify(hot, *more, code=program.DONE):
    return program.run("verify", "--source", hot.url, "--source-table", "trades", "--target-table", "cold.trades",
                       "--timestamp-col", "ts", *hot.cold.arguments, "--json", *more, code=code).json


def test_late_rows_are_appended_once(any_cold, hot, duckdb):
    create_trades(hot)
    insert_trades(hot, 0, 200)
    insert_trades(hot, 400, 400)
    offload_trades(hot, 800)
    insert_trades(hot, 200, 200)  # of the same two hours, behind the watermark
    late = offload_trades(hot, 800)["late"]
    assert late["rows"] == 200 and late["buckets"] >= 1 and late["snapshot_id"]
    table = any_cold.table("trades")
    assert cold_ids(duckdb, table) == list(range(800))
    summary = table.snapshots()[-1]["summary"]
    assert summary["calve.kind"] == "late" and summary["calve.rows"] == "200"
    assert summary["calve.window-to"] == summary["calve.window-from"] == through(800)
    before = len(table.snapshots())
    again = offload_trades(hot, 800)
    assert again["late"] == {"buckets": 0, "rows": 0, "files": 0, "bytes": 0, "rows_removed": 0, "snapshot_id": None}
    assert len(any_cold.table("trades").snapshots()) == before, "nothing was late, nothing is committed"
    assert verify(hot)["equal"] is True
    # The watermark went on from where it was.
    insert_trades(hot, 800, 40)
    assert offload_trades(hot, 840)["rows"] == 40
    assert cold_ids(duckdb, any_cold.table("trades")) == list(range(840))


def test_late_rows_of_the_window_before_and_new_rows_in_one_insert(cold, hot, duckdb):
    create_trades(hot)
    insert_trades(hot, 100, 300)
    offload_trades(hot, 400)
    insert_trades(hot, 0, 100)
    insert_trades(hot, 400, 100)
    result = offload_trades(hot, 500)
    assert result["rows"] == 100 and result["late"]["rows"] == 100
    assert cold_ids(duckdb, cold.table("trades")) == list(range(500))


def test_only_what_changed_is_read(cold, hot, http_server):
    create_trades(hot, engine="MergeTree PARTITION BY toDate(ts) ORDER BY ts")
    insert_trades(hot, 0, 40_000)
    with http_server(hot) as server:
        offload_trades(hot, 20_000, source=server.url)
        offload_trades(hot, 20_400, source=server.url)
        asked = [q["sql"] for q in server.queries()]
        assert not any("AS bucket" in sql for sql in asked[len(asked) // 2:]), "no part is new: no bucket is asked for"
        server.query("INSERT INTO trades SELECT toDateTime64('2024-08-12 00:30:00', 3, 'UTC'), 99999999, 'BTCUSDT', 1, 'buy'")
        start = len(server.queries())
        result = offload_trades(hot, 20_400, "--lookback", "30d", source=server.url)
        assert result["late"]["rows"] == 1 and result["late"]["buckets"] == 1
        reading = [q["sql"] for q in server.queries()[start:] if "`price`" in q["sql"] and "FORMAT" in q["sql"].upper()]
        assert reading and all("2024-08-12" in sql for sql in reading), "rows of one hour are read, not of others"
        server.query("OPTIMIZE TABLE trades FINAL")
        assert offload_trades(hot, 20_400, "--lookback", "30d", source=server.url)["late"]["buckets"] == 0, "a merge brings no rows"


def test_beyond_the_horizon_and_switched_off(cold, hot):
    create_trades(hot)
    insert_trades(hot, 400, 400)
    offload_trades(hot, 800)
    insert_trades(hot, 0, 400)
    assert offload_trades(hot, 800, "--lookback", "0s")["late"]["buckets"] == 0
    assert offload_trades(hot, 800, "--lookback", "1h")["late"]["rows"] == 0
    hot.execute("INSERT INTO trades SELECT * FROM trades WHERE sequence = 350")  # a new part
    assert 0 < offload_trades(hot, 800, "--lookback", "2h")["late"]["rows"] < 400, "of the hours that the horizon reaches"


def test_a_lost_journal_costs_a_look_and_doubles_nothing(cold, hot, duckdb):
    create_trades(hot)
    insert_trades(hot, 0, 400)
    offload_trades(hot, 400)
    for file in cold.folder.glob("state.db*"):
        file.unlink()
    late = offload_trades(hot, 400)["late"]
    assert late["buckets"] >= 1 and late["rows"] == 0
    assert offload_trades(hot, 400)["late"]["buckets"] == 0
    for file in cold.folder.glob("state.db*"):
        file.unlink()
    insert_trades(hot, 0, 0)
    hot.execute("INSERT INTO trades SELECT * FROM trades LIMIT 1")  # the same row again: two in hot, one in cold
    assert offload_trades(hot, 400)["late"]["rows"] == 1, "rows without a key are a multiset"
    assert len(cold_ids(duckdb, cold.table("trades"))) == 401


def test_a_rollback_of_late_rows_is_noticed(cold, hot, duckdb, spark):
    """The watermark stays where it is; the rows are missing again."""
    create_trades(hot)
    insert_trades(hot, 100, 300)
    offload_trades(hot, 400)
    window = cold.table("trades").snapshots()[-1]["snapshot-id"]
    insert_trades(hot, 0, 100)
    assert offload_trades(hot, 400)["late"]["rows"] == 100
    spark.sql(cold.table("trades"), f"CALL calve.system.rollback_to_snapshot('{cold.table('trades').ident}', {window})").collect()
    assert len(cold_ids(duckdb, cold.table("trades"))) == 300
    assert offload_trades(hot, 400)["late"]["rows"] == 100
    assert cold_ids(duckdb, cold.table("trades")) == list(range(400))


def test_a_redelivered_row_with_a_key_is_not_doubled(cold, hot, duckdb):
    hot.execute(f"CREATE TABLE keyed {KEYED}",
                "INSERT INTO keyed SELECT toDateTime64('2024-08-09 00:00:00', 3, 'UTC') + number, number, 'first' FROM numbers(100)")
    options = ["--until", "2024-08-09T00:10:00Z", "--key", "id"]
    hot.offload("keyed", *options)
    hot.execute("INSERT INTO keyed SELECT toDateTime64('2024-08-09 00:00:00', 3, 'UTC') + number, number, 'again' FROM numbers(50)",
                "INSERT INTO keyed SELECT toDateTime64('2024-08-09 00:00:30', 3, 'UTC'), 1000, 'late' FROM numbers(2)")
    assert hot.offload("keyed", *options)["late"]["rows"] == 1, "one row is new; it came twice, and is in once"
    assert cold_ids(duckdb, cold.table("keyed"), "id") == [*range(100), 1000]


def test_what_hot_has_let_go_stays_and_what_changed_is_not_taken_for_late(cold, hot, duckdb):
    create_trades(hot)
    insert_trades(hot, 0, 400)
    offload_trades(hot, 400)
    hot.execute("ALTER TABLE trades DELETE WHERE sequence < 100 SETTINGS mutations_sync = 2",
                "ALTER TABLE trades UPDATE price = 1 WHERE sequence = 200 SETTINGS mutations_sync = 2")
    insert_trades(hot, 0, 1)  # a part that is new, in the first hour
    hot.execute("INSERT INTO trades SELECT ts, 9999, symbol, price, side FROM trades WHERE sequence = 201")
    result = offload_trades(hot, 400)
    assert result["late"]["rows"] == 0
    assert any("--key" in note and "cannot be told" in note for note in result["notes"])
    assert cold_ids(duckdb, cold.table("trades")) == list(range(400))
    # With a key there is no doubt: one row is new.
    result = offload_trades(hot, 400, "--key", "sequence")
    assert result["late"]["rows"] == 1
    assert cold_ids(duckdb, cold.table("trades")) == [*range(400), 9999]


def test_a_column_that_came_later_makes_no_row_late(cold, hot, duckdb):
    create_trades(hot)
    insert_trades(hot, 0, 400)
    offload_trades(hot, 400)
    hot.execute("ALTER TABLE trades ADD COLUMN venue String DEFAULT 'x'",
                "INSERT INTO trades (ts, sequence, symbol, price, side) SELECT ts, 5000, symbol, price, side FROM trades LIMIT 1")
    insert_trades_with_venue = "INSERT INTO trades SELECT ts + toIntervalHour(30), sequence + 400, symbol, price, side, 'y' FROM trades WHERE sequence < 40"
    hot.execute(insert_trades_with_venue)
    result = hot.offload("trades", "--until", "2024-08-10T12:00:00Z")
    assert result["rows"] == 40 and result["late"]["rows"] == 1
    assert cold_ids(duckdb, cold.table("trades")) == sorted([*range(440), 5000])


@pytest.mark.parametrize("engine, options", [("ReplacingMergeTree ORDER BY (symbol, ts, sequence)", ["--mode", "append"]), ("Memory", [])])
def test_engines_that_are_not_looked_at(cold, hot, engine, options):
    create_trades(hot, engine=engine)
    insert_trades(hot, 100, 300)
    offload_trades(hot, 400, *options)
    insert_trades(hot, 0, 100)
    result = offload_trades(hot, 400, *options)
    assert result["late"]["buckets"] == 0 and result["late"]["rows"] == 0
    assert any("come late are not looked for" in note for note in result["notes"]), "what is not done is told"


def test_several_calves_find_the_same_late_rows(any_cold, hot, http_server, duckdb):
    create_trades(hot)
    insert_trades(hot, 1000, 3000)
    with http_server(hot) as server:
        offload_trades(hot, 4000, source=server.url)
        server.query("INSERT INTO trades SELECT ts - toIntervalHour(8), sequence - 1000, symbol, price, side FROM trades WHERE sequence < 2000")

        def run(_):
            return program.run(*hot.arguments("trades", "--json", "--until", through(4000), "--lease", "0s", source=server.url), code=None)

        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            outcomes = list(pool.map(run, range(4)))
    assert all(outcome.code == program.DONE for outcome in outcomes), outcomes
    assert sum(json.loads(outcome.out)["late"]["rows"] for outcome in outcomes) == 1000
    assert cold_ids(duckdb, any_cold.table("trades")) == list(range(4000))


def test_killed_while_late_rows_are_looked_for(cold, hot, duckdb):
    create_trades(hot)
    insert_trades(hot, 4000, 400)
    offload_trades(hot, 4400)
    chance = random.Random(11)
    for late in range(0, 1600, 200):
        insert_trades(hot, late + 2400, 200)
        process = program.start(*hot.arguments("trades", "--until", through(4400)))
        time.sleep(chance.uniform(0.1, 0.4))
        process.kill()
        process.communicate()
    offload_trades(hot, 4400)
    assert cold_ids(duckdb, cold.table("trades")) == [*range(2400, 4000), *range(4000, 4400)]
    assert offload_trades(hot, 4400)["late"]["rows"] == 0
