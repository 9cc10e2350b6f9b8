"""`calve restore`: what a table lacks of cold comes back as it was, each row once, whatever becomes of the runs before."""

import os
import random
import signal
import subprocess
import sys
import time

import pytest
import trades_database

from conftest import Cold, Hot

from . import canonical, program, servers, test_types
from .test_existing_tables import pyiceberg_catalog
from .test_retire import HOURLY, before, retire
from .test_verify import verify
from .trades import create_trades, insert_trades, instant, offload_trades, text, through

ROWS = 4_000  # sixteen hours and forty minutes
RANGE = ["--from", "2024-08-09", "--to", "2024-08-10"]
TOTALS = "SELECT count(), uniqExact(sequence), sum(sequence), sum(price), sum(toUnixTimestamp64Milli(ts)) FROM "


def arguments(hot, into, *more, source=None, target="cold.trades", cursor="ts", range=RANGE):
    return ["restore", "--source", source or hot.url, "--target-table", target, "--timestamp-col", cursor, "--into", into, *range,
            *hot.cold.arguments, "--progress", "never", "--json", *more]


def restore(hot, into, *more, code=program.DONE, timeout=120, **options):
    return program.run(*arguments(hot, into, *more, **options), code=code, timeout=timeout).json


def inserted(told):
    return told["rows"]["inserted"]


def multiset(hot, table, columns="*"):
    return sorted(map(repr, hot.rows(f"SELECT {columns} FROM {table}")[1]))


@pytest.fixture
def offloaded(hot, sql_cold):
    create_trades(hot)
    insert_trades(hot, 0, ROWS)
    offload_trades(hot, ROWS, "--partition-by", "days(ts)")
    return hot


def create_empty(hot, name, *more):
    hot.execute(f"CREATE TABLE {name} AS trades ENGINE = MergeTree ORDER BY ts", *more)


# --- the whole way -------------------------------------------------------------------------------------------------------


def test_into_a_table_that_is_made(offloaded):
    told = restore(offloaded, "fresh", "--create")
    assert "CREATE TABLE" in told["created"] and told["rows"] == {"cold": ROWS, "before": 0, "inserted": ROWS, "changed": 0}
    columns = "ts, sequence, symbol, price, side"
    assert multiset(offloaded, "fresh", "ts, toUInt64(sequence), symbol, price, side") == multiset(offloaded, "trades", columns)
    again = restore(offloaded, "fresh")
    assert inserted(again) == 0 and again["inserts"] == 0 and again["buckets"] == {"compared": 17, "equal": 17}
    assert again["rows"]["before"] == ROWS


def test_over_http(offloaded, http_server):
    create_empty(offloaded, "fresh")
    with http_server(offloaded) as server:
        told = restore(offloaded, "fresh", source=server.url)
        assert inserted(told) == ROWS and inserted(restore(offloaded, "fresh", source=server.url)) == 0
        inserts = [q for q in server.queries() if q["sql"].startswith("INSERT")]
        assert all(q["query_id"].startswith("calve-") and q["parameters"]["insert_deduplicate"] == "0" for q in inserts)
        assert server.query("SELECT count() FROM fresh") == str(ROWS)
    assert multiset(offloaded, "fresh") == multiset(offloaded, "trades")


def test_a_range(offloaded):
    create_empty(offloaded, "fresh")
    told = restore(offloaded, "fresh", range=["--from", "2024-08-09T02:00:00Z", "--to", "2024-08-09T03:30:00Z"])
    assert inserted(told) == 90 * 4 and told["buckets"]["compared"] == 2
    assert offloaded.value("SELECT min(ts), max(ts) FROM fresh") == "2024-08-09 02:00:00.000\t2024-08-09 03:29:00.000"
    # A wider one takes what is left of the same hour.
    told = restore(offloaded, "fresh", range=["--from", "2024-08-09T01:30:00Z", "--to", "2024-08-09T04:00:00Z"])
    assert inserted(told) == 60 * 4 and offloaded.value("SELECT count() FROM fresh") == str(150 * 4)
    assert inserted(restore(offloaded, "fresh", "--all", range=[])) == ROWS - 600
    assert multiset(offloaded, "fresh") == multiset(offloaded, "trades")


def test_only_what_is_missing(offloaded):
    """Rows that the table has stay, also those that only it has; of equal rows as many are added as are missing."""
    create_empty(offloaded, "fresh", "INSERT INTO fresh SELECT * FROM trades WHERE sequence % 3 = 0 AND sequence >= 8",
                 "INSERT INTO fresh SELECT ts, sequence + 1000000, symbol, price, side FROM trades WHERE sequence BETWEEN 100 AND 109")
    before = int(offloaded.value("SELECT countIf(sequence < 1000000) FROM fresh"))
    dry = restore(offloaded, "fresh", "--dry-run")
    assert inserted(dry) == ROWS - before and dry["inserts"] == 0 and "INSERT INTO" in dry["insert"]
    assert offloaded.value("SELECT countIf(sequence < 1000000) FROM fresh") == str(before)
    assert inserted(restore(offloaded, "fresh", "--memory", "1")) == ROWS - before
    assert offloaded.value("SELECT count(), uniqExact(sequence) FROM fresh") == f"{ROWS + 10}\t{ROWS + 10}"
    assert inserted(restore(offloaded, "fresh")) == 0


def test_equal_rows_are_counted(offloaded):
    insert_trades(offloaded, ROWS, 4)
    insert_trades(offloaded, ROWS, 4)
    insert_trades(offloaded, ROWS, 4)
    offload_trades(offloaded, ROWS + 4)
    create_empty(offloaded, "fresh", f"INSERT INTO fresh SELECT * FROM trades WHERE sequence = {ROWS} LIMIT 1")
    wanted = ROWS + 12
    assert inserted(restore(offloaded, "fresh")) == wanted - 1
    assert offloaded.value(f"SELECT count(), countIf(sequence = {ROWS}) FROM fresh") == f"{wanted}\t3"
    assert inserted(restore(offloaded, "fresh")) == 0


def test_by_key_changed_rows_are_left_alone(offloaded):
    create_empty(offloaded, "fresh", "INSERT INTO fresh SELECT ts, sequence, symbol, price + (sequence = 7), side FROM trades WHERE sequence < 20")
    told = restore(offloaded, "fresh", "--key", "sequence")
    assert told["rows"]["inserted"] == ROWS - 20 and told["rows"]["changed"] == 1 and any("other values" in n for n in told["notes"])
    assert offloaded.value("SELECT count(), uniqExact(sequence) FROM fresh") == f"{ROWS}\t{ROWS}"
    assert inserted(restore(offloaded, "fresh", "--key", "sequence")) == 0


def test_back_into_the_source_itself(offloaded):
    """Rows that hot has let go come back; the next offload takes none of them for late."""
    expected = multiset(offloaded, "trades")
    offloaded.execute("ALTER TABLE trades DELETE WHERE ts < '2024-08-09 10:00:00' SETTINGS mutations_sync = 1")
    assert inserted(restore(offloaded, "trades")) == 2_400
    assert multiset(offloaded, "trades") == expected
    told = offload_trades(offloaded, ROWS, "--lookback", "30d")
    assert told["rows"] == 0 and told["late"]["rows"] == 0
    assert verify(offloaded, "trades")["equal"]


def test_what_was_retired_comes_back(hot, sql_cold):
    create_trades(hot, engine=HOURLY)
    insert_trades(hot, 0, ROWS)
    offload_trades(hot, ROWS)
    expected = multiset(hot, "trades")
    retire(hot, *before(2_400))
    assert hot.value("SELECT count() FROM trades") == str(ROWS - 2_400)
    assert inserted(restore(hot, "trades")) == 2_400 and multiset(hot, "trades") == expected
    assert inserted(restore(hot, "trades")) == 0
    told = offload_trades(hot, ROWS, "--lookback", "3000d")
    assert told["rows"] == 0 and told["late"]["rows"] == 0, told


def test_as_of(offloaded, sql_cold):
    """Rows that another engine deleted later, by snapshot and by time."""
    [snapshot] = sql_cold.table("trades").snapshots()
    time.sleep(0.01)
    moment = text(instant(0).fromtimestamp(time.time(), instant(0).tzinfo))
    time.sleep(0.01)
    pyiceberg_catalog(sql_cold).load_table("cold.trades").delete("sequence < 500")
    create_empty(offloaded, "now")
    assert inserted(restore(offloaded, "now")) == ROWS - 500
    told = restore(offloaded, "now", "--snapshot", snapshot["snapshot-id"])
    assert inserted(told) == 500 and told["snapshot_id"] == snapshot["snapshot-id"]
    assert multiset(offloaded, "now") == multiset(offloaded, "trades")
    create_empty(offloaded, "by_time")
    assert inserted(restore(offloaded, "by_time", "--as-of", moment)) == ROWS
    assert "reach back" in restore(offloaded, "by_time", "--as-of", "2020-01-01", code=program.USAGE)["error"]["message"]
    assert "no snapshot 7" in restore(offloaded, "by_time", "--snapshot", "7", code=program.USAGE)["error"]["message"]


# --- types ---------------------------------------------------------------------------------------------------------------

STATES = ["--set", "agg_count=arrayReduce('countState', range(toUInt64(agg_count)))", "--set", "agg_sum=arrayReduce('sumState', [agg_sum])"]


def test_every_type(cold, hot):
    columns = ", ".join(f"`{case.name}` {case.type}" for case in test_types.CASES)
    hot.execute("SET flatten_nested = 0, allow_experimental_bfloat16_type = 1",
                f"CREATE TABLE every (row UInt32, ts DateTime64(3, 'UTC'), {columns}) ENGINE = MergeTree ORDER BY row",
                test_types.insert("every", test_types.CASES), "CREATE TABLE again AS every")
    hot.offload("every", *(option for case in test_types.CASES for option in case.options))
    refused = restore(hot, "again", target="cold.every", code=program.USAGE)["error"]
    assert "agg_count" in refused["message"] and "--set" in refused["remedy"]
    told = restore(hot, "again", *STATES, target="cold.every")
    assert inserted(told) == test_types.ROWS and told["columns_set"] == ["agg_count", "agg_sum"]
    selected = ", ".join(f"{(case.select or '{c}').format(c=f'`{case.name}`')} AS `{case.name}`" for case in test_types.CASES)
    (names, expected), (_, rows) = [hot.rows(f"SELECT {selected} FROM {table} ORDER BY row") for table in ("every", "again")]
    for name, was, now in zip(names, zip(*expected), zip(*rows)):
        canonical.assert_same_rows(list(enumerate(was)), list(enumerate(now)), ["row", name], name)
    assert inserted(restore(hot, "again", *STATES, target="cold.every")) == 0
    made = restore(hot, "made", "--create", target="cold.every")
    assert inserted(made) == test_types.ROWS and inserted(restore(hot, "made", target="cold.every")) == 0


@pytest.mark.parametrize("kind, column", [
    ("DateTime64(0, 'UTC')", "ts"), ("Decimal(18, 2)", "price"), ("UInt8", "sequence"), ("Enum8('BTCUSDT' = 1)", "symbol"),
    ("FixedString(7)", "symbol"), ("Date", "side"),
])
def test_values_that_do_not_fit_are_refused_before_they_change(hot, sql_cold, kind, column):
    """A value that changed on its way would be missing again in the next run, and come twice."""
    hot.execute("CREATE TABLE trades (ts DateTime64(3, 'UTC'), sequence UInt64, symbol String, price Decimal(18, 8), side String) "
                "ENGINE = MergeTree ORDER BY ts",
                "INSERT INTO trades SELECT toDateTime64('2024-08-09 00:00:00.5', 3, 'UTC'), 300, 'Ω', 1.12345678, 'buy'")
    hot.offload("trades")
    types = {"ts": "DateTime64(3, 'UTC')", "sequence": "UInt64", "symbol": "String", "price": "Decimal(18, 8)", "side": "String", column: kind}
    hot.execute("CREATE TABLE narrow (" + ", ".join(f"{n} {t}" for n, t in types.items()) + ") ENGINE = MergeTree ORDER BY ts")
    told = restore(hot, "narrow", code=None)
    assert told["exit_code"] in (program.FAILED, program.USAGE) and column in told["error"]["message"]
    assert hot.value("SELECT count() FROM narrow") == "0"


def test_columns(offloaded):
    offloaded.execute("CREATE TABLE less (ts DateTime64(3, 'UTC'), sequence UInt64, price Decimal(38, 8), note String DEFAULT 'new', "
                      "twice UInt64 MATERIALIZED sequence * 2) ENGINE = MergeTree ORDER BY ts")
    error = restore(offloaded, "less", code=program.USAGE)["error"]
    assert "symbol, side" in error["message"] and "--exclude symbol" in error["remedy"]
    told = restore(offloaded, "less", "--exclude", "symbol", "--exclude", "side")
    assert inserted(told) == ROWS and any("note" in note for note in told["notes"])
    assert offloaded.value("SELECT count(), sum(twice = sequence * 2), any(note) FROM less") == f"{ROWS}\t{ROWS}\tnew"
    offloaded.execute("TRUNCATE TABLE less")
    more = ["--exclude", "symbol", "--exclude", "side", "--set", "note=concat(symbol, '/', side)"]
    assert inserted(restore(offloaded, "less", *more)) == ROWS and inserted(restore(offloaded, "less", *more)) == 0
    assert offloaded.value("SELECT uniqExact(note) FROM less") == "6"
    for wrong in (["--exclude", "nonsense"], ["--set", "nonsense=1"], ["--set", "twice=1"], ["--key", "symbol"]):
        assert restore(offloaded, "less", *more[:4], *wrong, code=program.USAGE)["error"]["message"]
    offloaded.execute("TRUNCATE TABLE less")
    assert restore(offloaded, "less", *more[:4], "--set", "note=nonsense(1)", code=None)["exit_code"] != program.DONE


def test_rows_from_before_a_column(hot, sql_cold):
    """NULL in cold is the column's default in ClickHouse: as in parts that were written before it was added."""
    create_trades(hot)
    insert_trades(hot, 0, 400)
    offload_trades(hot, 400)
    hot.execute("ALTER TABLE trades ADD COLUMN kind LowCardinality(String), ADD COLUMN day Date32 DEFAULT '2024-01-01', ADD COLUMN n Nullable(Int8), "
                "ADD COLUMN e Enum8('x' = 3, 'y' = 4), ADD COLUMN a Array(Int8)",
                "INSERT INTO trades SELECT ts + toIntervalHour(2), sequence + 400, symbol, price, side, 'late', '2024-08-09', 5, 'y', [1] FROM trades")
    hot.offload("trades", "--until", "2024-08-09T12:00:00Z")
    expected = multiset(hot, "trades")
    create_empty(hot, "fresh")
    assert inserted(restore(hot, "fresh")) == 800
    assert multiset(hot, "fresh") == expected and inserted(restore(hot, "fresh")) == 0
    hot.execute("CREATE TABLE moving AS trades ENGINE = MergeTree ORDER BY ts", "ALTER TABLE moving MODIFY COLUMN kind LowCardinality(String) DEFAULT symbol")
    error = restore(hot, "moving", code=program.FAILED)["error"]
    assert "kind" in error["message"] and "--set 'kind=ifNull(kind" in error["remedy"]
    told = restore(hot, "moving", "--set", "kind=ifNull(kind, symbol)")
    assert inserted(told) + told["rows"]["before"] == 800


# --- tables --------------------------------------------------------------------------------------------------------------


def test_a_missing_table_is_told_how_to_be_made(offloaded):
    error = restore(offloaded, "nowhere", code=program.USAGE)["error"]
    assert "nowhere" in error["message"] and "CREATE TABLE `default`.`nowhere`" in error["remedy"]
    offloaded.execute(error["remedy"].split("\n", 1)[1])
    assert inserted(restore(offloaded, "nowhere")) == ROWS


@pytest.mark.parametrize("engine", ["ReplacingMergeTree ORDER BY (symbol, ts, sequence)", "SummingMergeTree(price) ORDER BY (symbol, ts, sequence)"])
def test_engines_that_merge(offloaded, engine):
    offloaded.execute(f"CREATE TABLE merged AS trades ENGINE = {engine}", "INSERT INTO merged SELECT * FROM trades WHERE sequence % 2 = 0")
    told = restore(offloaded, "merged")
    assert inserted(told) == ROWS // 2 and inserted(restore(offloaded, "merged")) == 0
    offloaded.execute("OPTIMIZE TABLE merged FINAL")
    assert multiset(offloaded, "merged") == multiset(offloaded, "trades")
    assert inserted(restore(offloaded, "merged")) == 0


def test_engines_that_are_refused(offloaded):
    offloaded.execute("CREATE TABLE swallows AS trades ENGINE = Null", "CREATE TABLE mixes AS trades ENGINE = ReplacingMergeTree ORDER BY sequence")
    assert "Null" in restore(offloaded, "swallows", code=program.USAGE)["error"]["message"]
    assert "ts" in restore(offloaded, "mixes", code=program.USAGE)["error"]["message"]


def test_views_and_ttl(offloaded):
    create_empty(offloaded, "fed", "CREATE TABLE sums (symbol String, n UInt64) ENGINE = SummingMergeTree ORDER BY symbol",
                 "CREATE MATERIALIZED VIEW feeder TO sums AS SELECT symbol, count() AS n FROM fed GROUP BY symbol")
    assert any("feeder" in note for note in restore(offloaded, "fed")["notes"])
    offloaded.execute("CREATE TABLE gone AS trades ENGINE = MergeTree ORDER BY ts TTL toDateTime(ts) + INTERVAL 7 DAY "
                      "SETTINGS merge_with_ttl_timeout = 1000000")
    error = restore(offloaded, "gone", code=program.USAGE)["error"]
    assert "TTL" in error["message"] and "--force" in error["remedy"] and offloaded.value("SELECT count() FROM gone") == "0"
    offloaded.execute("CREATE TABLE kept AS trades ENGINE = MergeTree ORDER BY ts TTL toDateTime(ts) + INTERVAL 70 YEAR")
    assert inserted(restore(offloaded, "kept")) == ROWS


def test_rows_that_vanish_are_told(offloaded):
    """A row policy, a TTL, a limit: whatever takes rows away, the run does not claim that they are in."""
    create_empty(offloaded, "fresh")
    told = restore(offloaded, "fresh", "--setting", "limit=1000", code=program.FAILED)
    assert "are not in" in told["error"]["message"]


def test_usage(offloaded):
    assert "--to" in restore(offloaded, "trades", range=["--from", "2024-08-09"], code=program.USAGE)["error"]["message"]
    assert restore(offloaded, "trades", range=["--from", "2024-08-10", "--to", "2024-08-09"], code=program.USAGE)["error"]
    assert restore(offloaded, "trades", target="cold.nothing", code=program.USAGE)["error"]
    assert inserted(restore(offloaded, "trades", range=["--from", "2031-01-01", "--to", "2032-01-01"])) == 0
    assert "calve restore" in program.run("restore", "--help").out


@pytest.mark.skipif(not servers.OLD_SERVER.exists(), reason="the old server is not installed")
def test_an_old_server_is_refused(offloaded, tmp_path):
    with servers.debians(tmp_path / "old") as server:
        error = restore(offloaded, "trades", source=server.url, code=program.USAGE)["error"]
        assert "18.16" in error["message"] and "newer" in error["remedy"]


# --- interrupted ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [{"kind": "cut_request", "after_bytes": 60_000}, {"kind": "cut_request", "after_bytes": 2_000},
                                   {"kind": "lost_answer"}, {"kind": "exception_first", "code": 241}], ids=lambda f: f["kind"])
def test_a_connection_that_breaks(offloaded, http_server, fault):
    create_empty(offloaded, "fresh", "INSERT INTO fresh SELECT * FROM trades WHERE sequence % 7 = 0")
    small = ["--setting", "min_insert_block_size_rows=100", "--setting", "min_insert_block_size_bytes=0", "--setting", "max_block_size=100"]
    with http_server(offloaded) as server:
        # Of an INSERT's two requests the first tries the statement, without rows.
        server.fault("slow", match="^INSERT", after_bytes=0)
        server.fault(match="^INSERT", **fault)
        told = restore(offloaded, "fresh", *small, source=server.url, code=program.FAILED)
        if fault["kind"] != "exception_first":
            assert told["error"]["kind"] == "unknown-outcome" and "again" in told["error"]["remedy"], told
        count = int(server.query("SELECT count() FROM fresh"))
        assert count == ROWS or fault["kind"] != "lost_answer"
        server.clear()
        assert inserted(restore(offloaded, "fresh", *small, source=server.url)) == ROWS - count
    assert multiset(offloaded, "fresh") == multiset(offloaded, "trades")


SLOW = ["--set", "side=if(sleepEachRow(0.002) = 0, CAST(side, 'Enum8(\\'buy\\' = 1, \\'sell\\' = 2)'), 'buy')",
        "--setting", "function_sleep_max_microseconds_per_block=0"]


def test_an_insert_that_still_runs_is_waited_for(offloaded, http_server):
    create_empty(offloaded, "fresh")
    with http_server(offloaded) as server:
        running = program.start(*arguments(offloaded, "fresh", *SLOW, source=server.url))
        deadline = time.monotonic() + 60
        while not any(q["sql"].startswith("INSERT") for q in server.queries()[:-1]) and time.monotonic() < deadline:
            time.sleep(0.05)
        while len([q for q in server.queries() if q["sql"].startswith("INSERT")]) < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.5)
        second = restore(offloaded, "fresh", source=server.url, code=program.FAILED)["error"]
        assert "another restore" in second["message"]
        running.send_signal(signal.SIGKILL)
        running.communicate(timeout=30)
        third = restore(offloaded, "fresh", source=server.url, code=program.FAILED)["error"]
        assert "still running" in third["message"] and "KILL QUERY" in third["remedy"]
        while restore(offloaded, "fresh", source=server.url, code=None)["exit_code"] != program.DONE and time.monotonic() < deadline:
            time.sleep(0.5)
    assert multiset(offloaded, "fresh") == multiset(offloaded, "trades")


@pytest.mark.slow
@pytest.mark.parametrize("way", ["embedded", "http"])
def test_killed_at_random_moments(tmp_path, way, http_server):
    seed = int(os.environ.get("CALVE_CRASH_SEED") or random.SystemRandom().randrange(10**9))
    kills = int(os.environ.get("CALVE_RESTORE_KILLS", "16"))
    print(f"seed {seed}")
    chance = random.Random(seed)
    hot = Hot(tmp_path / "hot", Cold(tmp_path, "sql"))
    create_trades(hot)
    rows = 400_000
    insert_trades(hot, 0, rows)
    insert_trades(hot, 0, 4_000)  # some are twice
    offload_trades(hot, rows)
    rows += 4_000
    whole = ["--all", "--setting", "min_insert_block_size_rows=5000", "--setting", "min_insert_block_size_bytes=0", "--setting", "max_block_size=5000",
             "--memory", "64MiB"]
    create_empty(hot, "usual")
    began = time.monotonic()
    assert inserted(restore(hot, "usual", *whole, range=[])) == rows
    usual = time.monotonic() - began
    expected = hot.value(TOTALS + "trades")

    def rounds(source, value, execute):
        killed, partly = 0, 0
        while killed < kills:
            execute("CREATE OR REPLACE TABLE fresh AS trades ENGINE = MergeTree ORDER BY ts")
            for _ in range(4):
                running = program.start(*arguments(hot, "fresh", *whole, source=source, range=[]))
                time.sleep(usual * chance.uniform(0.1, 1.1))
                running.send_signal(signal.SIGKILL)
                running.communicate(timeout=60)
                killed += running.returncode == -signal.SIGKILL
                count, distinct = map(int, value("SELECT count(), uniqExact(sequence) FROM fresh").split("\t"))
                partly += 0 < count < rows
                assert count <= rows and distinct <= rows - 4_000, f"seed {seed}"
            deadline = time.monotonic() + 60
            while restore(hot, "fresh", *whole, source=source, range=[], code=None)["exit_code"] != program.DONE:
                assert time.monotonic() < deadline
                time.sleep(0.2)  # an INSERT of a killed run may still be at work
            assert value(TOTALS + "fresh") == expected, f"seed {seed}"
            assert inserted(restore(hot, "fresh", *whole, source=source, range=[])) == 0
        print(f"{way}: {killed} kills, {partly} of them left a part of the rows")

    if way == "embedded":
        rounds(None, hot.value, hot.execute)
    else:
        with http_server(hot) as server:
            rounds(server.url, server.query, server.query)


# --- a day of production -------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_day_of_production(tmp_path):
    hot = Hot(tmp_path / "hot", Cold(tmp_path, "sql"))
    subprocess.run([sys.executable, trades_database.__file__, "--data", str(hot.directory), "--lib", str(program.LIBRARY)], check=True)
    hot.offload("bronze_trades", "--until", "2024-08-12T00:00:00Z", cursor="exchange_timestamp")
    hot.execute("CREATE TABLE fresh AS bronze_trades")
    rows = trades_database.COPIES * trades_database.SAMPLE_ROWS
    options = dict(target="cold.bronze_trades", cursor="exchange_timestamp", range=["--all"], timeout=300)
    told = restore(hot, "fresh", **options)
    assert inserted(told) == rows
    print(f"{told['rows_per_second']:,.0f} rows/s into an empty table")
    again = restore(hot, "fresh", **options)
    assert inserted(again) == 0 and again["buckets"]["equal"] == again["buckets"]["compared"]
    print(f"{rows / again['duration_seconds']:,.0f} rows/s compared where nothing is missing")
    assert hot.value("SELECT (SELECT sum(cityHash64(*)) FROM fresh) = (SELECT sum(cityHash64(*)) FROM bronze_trades)") == "1"
