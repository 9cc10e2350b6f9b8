"""Tables whose rows change: what is newer in ClickHouse replaces what is older in cold, by key, in one snapshot; what
ClickHouse has forgotten stays; what it says to be deleted goes."""

import random
import time

import pytest

from . import program

COLUMNS = ["ts", "symbol", "price", "version"]
DAY = "2024-08-09"
UNTIL = f"{DAY}T12:00:00Z"

REPLACING = """CREATE TABLE {name} (ts DateTime64(3, 'UTC'), symbol LowCardinality(String), price Int64, version UInt64{more})
ENGINE = ReplacingMergeTree(version{deleted}) PARTITION BY toDate(ts) ORDER BY (symbol, ts)"""
CANDLES = """CREATE TABLE candles (ts DateTime('UTC'), symbol LowCardinality(String), high SimpleAggregateFunction(max, Decimal64(8)),
volume SimpleAggregateFunction(sum, Decimal(38, 8)), trades AggregateFunction(count))
ENGINE = AggregatingMergeTree PARTITION BY toYYYYMM(ts) ORDER BY (symbol, ts)"""


def quotes(hot, name="quotes", more="", deleted=""):
    hot.execute(REPLACING.format(name=name, more=more, deleted=deleted))


def insert(hot, first, count, version, price, name="quotes", more=""):
    """A row a minute; its price tells who wrote it."""
    hot.execute(f"INSERT INTO {name} SELECT toDateTime64('{DAY} 00:00:00', 3, 'UTC') + toIntervalMinute(number), "
                f"['A', 'B'][number % 2 + 1], {price} * 1000 + number, {version}{more} FROM numbers({first}, {count})")


def offload(hot, name="quotes", *more, until=UNTIL, code=program.DONE, **options):
    return hot.offload(name, "--until", until, *more, code=code, **options)


def prices(duckdb, table):
    return sorted(row["price"] for row in duckdb.query(f"SELECT price FROM {duckdb.source(table)}").to_pylist())


def merged_prices(hot, name="quotes"):
    """What ClickHouse itself holds to be the rows."""
    return sorted(int(price) for price in hot.value(f"SELECT price FROM {name} FINAL").split())


def verify(hot, name="quotes", *more, code=program.DONE):
    return program.run("verify", "--source", hot.url, "--source-table", name, "--target-table", f"cold.{name}",
                       "--timestamp-col", "ts", *hot.cold.arguments, "--json", *more, code=code).json


def test_newer_versions_replace_older_ones(any_cold, hot, four):
    quotes(hot)
    insert(hot, 0, 600, 1, 1)
    assert offload(hot, "quotes", "--partition-by", "days(ts)")["rows"] == 600
    insert(hot, 100, 50, 2, 2)  # of two hours
    insert(hot, 300, 1, 2, 3)
    insert(hot, 400, 10, 0, 4)  # older versions that come late change nothing
    result = offload(hot)
    late = result["late"]
    assert (late["rows"], late["rows_removed"]) == (51, 51)
    table = any_cold.table("quotes")
    summary = table.snapshots()[-1]["summary"]
    assert summary["operation"] == "overwrite" and summary["calve.kind"] == "upsert"
    assert summary["added-records"] == "600" and summary["deleted-records"] == "600", "the one file, rewritten"
    assert summary["calve.window-to"] == summary["calve.window-from"], "the watermark stays"
    expected = sorted([2000 + n if 100 <= n < 150 else 3000 + n if n == 300 else 1000 + n for n in range(600)])
    for reader in four:
        assert [price for [(_, price)] in sorted(reader.rows(table, ["price"]))] == expected
    assert verify(hot)["equal"] is True
    before = len(table.snapshots())
    assert offload(hot)["late"]["rows"] == 0
    assert len(any_cold.table("quotes").snapshots()) == before, "nothing changed, nothing is committed"


def test_only_the_files_that_hold_changed_keys_are_rewritten(cold, hot, duckdb):
    quotes(hot)
    for part in range(5):
        insert(hot, part * 120, 120, 1, 1)
        offload(hot, until=f"{DAY}T{2 * part + 1:02}:59:59Z")
    insert(hot, 250, 3, 2, 2)  # of the third
    late = offload(hot)["late"]
    assert (late["rows"], late["rows_removed"]) == (3, 3)
    summary = cold.table("quotes").snapshots()[-1]["summary"]
    assert (summary["deleted-data-files"], summary["deleted-records"]) == ("1", "120")
    # What changes often lies in a small file by then.
    insert(hot, 250, 3, 3, 3)
    assert offload(hot)["late"]["rows"] == 3
    summary = cold.table("quotes").snapshots()[-1]["summary"]
    assert (summary["deleted-data-files"], summary["deleted-records"]) == ("1", "3")
    assert prices(duckdb, cold.table("quotes")) == sorted([3000 + n if 250 <= n < 253 else 1000 + n for n in range(600)])


def test_rows_that_are_new_and_rows_that_changed(cold, hot, duckdb):
    quotes(hot)
    insert(hot, 0, 100, 1, 1)
    insert(hot, 200, 100, 1, 1)
    offload(hot, until=f"{DAY}T04:59:59Z")
    insert(hot, 50, 200, 2, 2)  # 50 changed, 100 new, 50 changed
    insert(hot, 300, 60, 1, 1)  # and the next window
    result = offload(hot)
    assert result["rows"] == 60 and (result["late"]["rows"], result["late"]["rows_removed"]) == (200, 100)
    assert prices(duckdb, cold.table("quotes")) == sorted([2000 + n if 50 <= n < 250 else 1000 + n for n in range(360)])
    assert verify(hot)["equal"] is True


def test_candles_change_and_are_replaced(any_cold, hot, duckdb):
    hot.execute(CANDLES)

    def trade(first, count, price):
        hot.execute(f"INSERT INTO candles SELECT toStartOfMinute(toDateTime('{DAY} 00:00:00', 'UTC') + number * 20) AS ts, 'A' AS symbol, "
                    f"max(toDecimal64({price}, 8)), sum(toDecimal128(1, 8)), countState() FROM numbers({first}, {count}) GROUP BY ts, symbol")

    trade(0, 900, 10)
    offload(hot, "candles", "--partition-by", "months(ts)", "--partition-by", "symbol")
    trade(90, 30, 12)  # ten candles are reached by further trades
    late = offload(hot, "candles")["late"]
    assert (late["rows"], late["rows_removed"]) == (10, 10)
    rows = duckdb.query(f"SELECT high, volume, trades FROM {duckdb.source(any_cold.table('candles'))}").to_pylist()
    assert len(rows) == 300 and sum(row["trades"] for row in rows) == 930
    changed = [row for row in rows if row["high"] == 12]
    assert len(changed) == 10 and all(row["trades"] == 6 and row["volume"] == 6 for row in changed)
    assert verify(hot, "candles")["equal"] is True


def test_nothing_is_deleted_because_hot_forgot_it(cold, hot, duckdb):
    quotes(hot)
    insert(hot, 0, 600, 1, 1)
    offload(hot)
    hot.execute("ALTER TABLE quotes DELETE WHERE ts < '2024-08-09 03:00:00' SETTINGS mutations_sync = 2")
    insert(hot, 100, 100, 2, 2)  # 80 of them in the hours that hot forgot the rest of
    late = offload(hot)["late"]
    assert (late["rows"], late["rows_removed"]) == (100, 100)
    assert prices(duckdb, cold.table("quotes")) == sorted([2000 + n if 100 <= n < 200 else 1000 + n for n in range(600)])


@pytest.mark.parametrize("merge", [False, True])
def test_is_deleted_is_respected(any_cold, hot, duckdb, merge):
    quotes(hot, more=", gone UInt8", deleted=", gone")
    insert(hot, 0, 300, 1, 1, more=", 0")
    insert(hot, 290, 10, 2, 2, more=", 1")  # never seen alive
    assert offload(hot)["rows"] == 290
    insert(hot, 100, 20, 2, 2, more=", 1")
    insert(hot, 110, 5, 3, 3, more=", 0")  # and alive again
    if merge:
        hot.execute("OPTIMIZE TABLE quotes FINAL")
    late = offload(hot)["late"]
    assert (late["rows"], late["rows_removed"]) == (5, 20)
    table = any_cold.table("quotes")
    assert prices(duckdb, table) == sorted([3000 + n if 110 <= n < 115 else 1000 + n for n in range(290) if not (100 <= n < 120) or 110 <= n < 115])
    assert verify(hot)["equal"] is True
    before = len(table.snapshots())
    assert offload(hot)["late"]["rows_removed"] == 0 and len(any_cold.table("quotes").snapshots()) == before


@pytest.mark.parametrize("engine", ["CollapsingMergeTree(sign)", "VersionedCollapsingMergeTree(sign, version)"])
def test_signs_are_respected(cold, hot, duckdb, engine):
    key = "(symbol, ts)"
    hot.execute(f"CREATE TABLE quotes (ts DateTime64(3, 'UTC'), symbol String, price Int64, version UInt64, sign Int8) "
                f"ENGINE = {engine} ORDER BY {key}")
    insert(hot, 0, 300, 1, 1, more=", 1")
    insert(hot, 299, 1, 1, 1, more=", -1")  # cancelled before it was offloaded
    assert offload(hot)["rows"] == 299
    insert(hot, 100, 20, 1, 1, more=", -1")
    insert(hot, 100, 10, 2, 2, more=", 1")
    late = offload(hot)["late"]
    assert (late["rows"], late["rows_removed"]) == (10, 20)
    assert prices(duckdb, cold.table("quotes")) == sorted([2000 + n if 100 <= n < 110 else 1000 + n for n in range(299) if n < 110 or n >= 120])
    assert verify(hot)["equal"] is True


STATES = """CREATE TABLE orders (id UInt64, ts DateTime64(3, 'UTC'), state String, version UInt64{more}) ENGINE = ReplacingMergeTree(version{deleted})
ORDER BY id"""


def change_orders(hot, first, count, minute, state, version, more=""):
    hot.execute(f"INSERT INTO orders SELECT number, toDateTime64('{DAY} 00:00:00', 3, 'UTC') + toIntervalMinute({minute}), '{state}', {version}{more} "
                f"FROM numbers({first}, {count})")


def states(duckdb, table):
    rows = duckdb.query(f"SELECT id, state FROM {duckdb.source(table)} ORDER BY id").to_pylist()
    assert len({row["id"] for row in rows}) == len(rows), "no row is there twice"
    return {row["id"]: row["state"] for row in rows}


def test_a_version_with_another_time_replaces_the_old_one(any_cold, hot, duckdb):
    """The cursor is not part of the key: the row moves from one window to a later one."""
    hot.execute(STATES.format(more="", deleted=""))
    change_orders(hot, 0, 100, 10, "new", 1)
    offload(hot, "orders", until=f"{DAY}T01:00:00Z")
    change_orders(hot, 100, 100, 70, "new", 1)
    change_orders(hot, 50, 100, 80, "paid", 2)  # 50 of the window before, 50 of this one
    result = offload(hot, "orders", until=f"{DAY}T02:00:00Z")
    assert result["rows"] == 150 and result["rows_removed"] == 50
    table = any_cold.table("orders")
    summary = table.snapshots()[-1]["summary"]
    assert summary["operation"] == "overwrite" and summary["calve.kind"] == "upsert" and summary["calve.rows"] == "150"
    assert states(duckdb, table) == {n: "paid" if 50 <= n < 150 else "new" for n in range(200)}
    # Also behind the watermark, into an hour where it was not.
    change_orders(hot, 0, 10, 100, "void", 3)
    late = offload(hot, "orders", until=f"{DAY}T02:00:00Z")["late"]
    assert (late["rows"], late["rows_removed"]) == (10, 10)
    assert states(duckdb, any_cold.table("orders")) == {n: "void" if n < 10 else "paid" if 50 <= n < 150 else "new" for n in range(200)}
    # What hot shows beyond the watermark is not yet cold's.
    change_orders(hot, 20, 10, 130, "paid", 3)
    offload(hot, "orders", until=f"{DAY}T02:00:00Z")
    assert len(states(duckdb, any_cold.table("orders"))) == 200
    assert offload(hot, "orders")["rows_removed"] == 10
    assert verify(hot, "orders")["equal"] is True


def test_a_deletion_with_another_time(cold, hot, duckdb):
    hot.execute(STATES.format(more=", gone UInt8", deleted=", gone"))
    change_orders(hot, 0, 100, 10, "new", 1, ", 0")
    offload(hot, "orders", until=f"{DAY}T01:00:00Z")
    change_orders(hot, 40, 10, 70, "", 2, ", 1")  # in the next window
    assert offload(hot, "orders", until=f"{DAY}T02:00:00Z")["rows_removed"] == 10
    assert sorted(states(duckdb, cold.table("orders"))) == [n for n in range(100) if not 40 <= n < 50]
    change_orders(hot, 60, 10, 100, "", 2, ", 1")  # behind the watermark
    assert offload(hot, "orders", until=f"{DAY}T02:00:00Z")["late"]["rows_removed"] == 10
    assert sorted(states(duckdb, cold.table("orders"))) == [n for n in range(100) if not 40 <= n < 50 and not 60 <= n < 70]


@pytest.mark.parametrize("create, options, words", [
    ("ENGINE = MergeTree ORDER BY (symbol, ts)", ["--mode", "upsert"], ["MergeTree", "--mode append"]),
    ("ENGINE = ReplacingMergeTree(version) ORDER BY (symbol, ts)", ["--key", "symbol"], ["--key symbol", "ts", "--key symbol,ts"]),
    ("ENGINE = ReplacingMergeTree(version) PARTITION BY toDate(ts) ORDER BY symbol", [], ["partitioned by ts", "--key symbol,ts", "--mode append"]),
    ("ENGINE = ReplacingMergeTree(version) ORDER BY (symbol, toStartOfHour(ts))", ["--mode", "upsert"], ["toStartOfHour", "--key"]),
    ("ENGINE = ReplacingMergeTree(version) ORDER BY (symbol, ts)", ["--exclude", "symbol"], ["symbol", "--mode append"]),
], ids=["not merged", "part of the key", "partitions", "expression", "excluded"])
def test_refusals(cold, hot, create, options, words):
    hot.execute(f"CREATE TABLE quotes (ts DateTime64(3, 'UTC'), symbol String, price Int64, version UInt64) {create}")
    insert(hot, 0, 10, 1, 1)
    hot.offload("quotes", "--until", UNTIL, *options, code=program.USAGE)
    outcome = program.run(*hot.arguments("quotes", "--until", UNTIL, *options), code=program.USAGE)
    for word in words:
        assert word in outcome.err


def test_mode_append_keeps_each_version(cold, hot, duckdb):
    quotes(hot)
    insert(hot, 0, 100, 1, 1)
    offload(hot, "quotes", "--mode", "append")
    insert(hot, 0, 100, 2, 2)
    assert offload(hot, "quotes", "--mode", "append")["late"]["rows"] == 0
    assert prices(duckdb, cold.table("quotes")) == [1000 + n for n in range(100)]


def test_little_memory_takes_several_snapshots(cold, hot, duckdb):
    quotes(hot)
    hot.execute(f"INSERT INTO quotes SELECT toDateTime64('{DAY} 00:00:00', 3, 'UTC') + toIntervalSecond(number % 36000), toString(number), number, 1 FROM numbers(400000)")
    offload(hot)
    hot.execute(f"INSERT INTO quotes SELECT toDateTime64('{DAY} 00:00:00', 3, 'UTC') + toIntervalSecond(number % 36000), toString(number), number + 1000000, 2 FROM numbers(400000)")
    late = offload(hot, "quotes", "--memory", "8MiB")["late"]
    assert (late["rows"], late["rows_removed"]) == (400_000, 400_000)
    assert len(cold.table("quotes").snapshots()) > 2
    total = duckdb.query(f"SELECT count(*) AS n, count(DISTINCT symbol) AS keys, min(price) AS low FROM {duckdb.source(cold.table('quotes'))}").to_pylist()[0]
    assert (total["n"], total["keys"], total["low"]) == (400_000, 400_000, 1_000_000)


def test_killed_while_rows_are_replaced(any_cold, hot, duckdb):
    quotes(hot)
    insert(hot, 0, 600, 1, 1)
    offload(hot)
    chance = random.Random(5)
    for version in range(2, 9):
        insert(hot, 60 * version, 90, version, version)
        process = program.start(*hot.arguments("quotes", "--until", UNTIL))
        time.sleep(chance.uniform(0.1, 0.5))
        process.kill()
        process.communicate()
        rows = prices(duckdb, any_cold.table("quotes"))
        assert sorted(price % 1000 for price in rows) == list(range(600)), "each key once, at any moment"
    offload(hot)
    assert prices(duckdb, any_cold.table("quotes")) == merged_prices(hot)
    assert verify(hot)["equal"] is True
