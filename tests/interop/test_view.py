"""calve view: hot and cold rows as one ClickHouse table, each row once, whatever the watermark does meanwhile."""

import json

import pytest

from . import program
from .counting import ATOMIC, COUNTS, VIEW, counting
from .trades import create_trades, insert_trades, through

ABOVE_ALL = "/"  # the embedded engine reads files below the working directory only


def view(hot, *more, code=program.DONE, table="trades", source=None, cwd=ABOVE_ALL):
    return program.run("view", "--source", source or hot.url, "--source-table", table, "--target-table", f"cold.{table}",
                       "--timestamp-col", "ts", *hot.cold.arguments, *more, code=code, cwd=cwd)


def offload_trades(hot, count, *more, source=None):
    return program.run(*hot.arguments("trades", "--json", "--until", through(count), *more, source=source), cwd=ABOVE_ALL).json


def test_the_view_equals_the_table(any_cold, hot):
    create_trades(hot)
    insert_trades(hot, 0, 4000)
    expected = hot.rows("SELECT * FROM trades ORDER BY sequence")
    offload_trades(hot, 1000)
    view(hot, "--create")
    assert hot.rows("SELECT * FROM trades_all ORDER BY sequence") == expected
    assert hot.value("SELECT groupArray((name, type)) FROM (SELECT name, type FROM system.columns WHERE table = 'trades' ORDER BY position)") == \
        hot.value("SELECT groupArray((name, type)) FROM (SELECT name, type FROM system.columns WHERE table = 'trades_all' ORDER BY position)")
    # The watermark moves on; the view with its old split stays right, and so does the one that follows.
    offload_trades(hot, 2000)
    assert hot.rows("SELECT * FROM trades_all ORDER BY sequence") == expected
    offload_trades(hot, 3000, "--view", "trades_all")
    assert hot.rows("SELECT * FROM trades_all ORDER BY sequence") == expected
    # Rows that the view takes from cold may now leave hot.
    hot.execute("DELETE FROM trades WHERE sequence < 3000")
    assert hot.rows("SELECT * FROM trades_all ORDER BY sequence") == expected


def test_printed_and_as_json(cold, hot):
    create_trades(hot)
    insert_trades(hot, 0, 400)
    offload_trades(hot, 200)
    printed = view(hot, "--name", "archive.trades").out
    assert printed.startswith("CREATE OR REPLACE VIEW `archive`.`trades` AS SELECT ")
    told = json.loads(view(hot, "--json").out)
    assert told["view"] == "default.trades_all" and told["watermark"] == through(200) and told["created"] is False
    assert hot.value("SELECT count() FROM system.tables WHERE name = 'trades_all'") == "0", "it was to be printed only"


TYPES = """CREATE TABLE kinds (ts DateTime64(6, 'UTC'), id UUID, u UInt64, i8 Int8, e Enum16('a' = 1, 'ß' = -3), lc LowCardinality(Nullable(String)),
  n Nullable(Int32), d Date32, dt DateTime('UTC'), f Float32, b Bool, ip IPv4, ip6 IPv6, fs FixedString(3), big Decimal(38, 10), i256 Int256,
  a Array(LowCardinality(String)), m Map(String, UInt64), t Tuple(x Int32, y Nullable(String)), agg SimpleAggregateFunction(max, UInt64),
  st AggregateFunction(count)) ENGINE = AggregatingMergeTree ORDER BY (ts, u)"""
KINDS = ("toDateTime64('2024-08-09 00:00:00', 6, 'UTC') + toIntervalSecond(number), generateUUIDv4(), number, -3, 'ß', if(number % 2, NULL, 'x'), "
         "if(number % 3, NULL, 7), toDate32('1950-01-02'), toDateTime('2024-01-01 00:00:00', 'UTC'), 1.5, number % 2, '10.0.0.1', '::1', 'abc', "
         "toDecimal128('12345.678', 10), toInt256('-170141183460469231731687303715884105'), ['p', 'q'], map('k', number), (number, NULL), number, "
         "arrayReduce('countState', range(number))")


def test_types_are_those_of_the_source(cold, hot):
    hot.execute(TYPES, f"INSERT INTO kinds SELECT {KINDS} FROM numbers(100)")
    everything = "SELECT * REPLACE (finalizeAggregation(st) AS st) FROM kinds ORDER BY u"
    expected = hot.rows(everything)
    hot.offload("kinds", "--until", "2024-08-09T00:00:49Z")
    view(hot, "--create", table="kinds")
    assert hot.value("SELECT count() FROM kinds_all WHERE ts <= '2024-08-09 00:00:49'") == "50"
    names, rows = hot.rows("SELECT * FROM kinds_all ORDER BY u")
    assert (names, rows) == expected


def test_a_column_that_came_later_shows_its_default(cold, hot):
    create_trades(hot)
    insert_trades(hot, 0, 400)
    offload_trades(hot, 200)
    hot.execute("ALTER TABLE trades ADD COLUMN venue String, ADD COLUMN fee Nullable(Float64)")
    offload_trades(hot, 300, "--view", "trades_all")
    assert hot.value("SELECT countIf(venue = ''), countIf(fee IS NULL), count() FROM trades_all") == "400\t400\t400"


def test_counting_through_it_while_windows_move(cold, hot, http_server):
    create_trades(hot)
    insert_trades(hot, 0, 8000)
    offload_trades(hot, 400)
    hot.execute(ATOMIC)
    with http_server(hot, cwd="/") as server:
        view(hot, "--create", "--name", VIEW, source=server.url)
        whole = server.query(COUNTS + " FROM trades")
        assert whole.startswith("8000\t8000\t")
        with counting(server, whole):
            for end in range(800, 8001, 400):
                offload_trades(hot, end, "--view", VIEW, source=server.url)
        assert server.query(f"{COUNTS} FROM {VIEW}") == whole


def test_a_warehouse_that_clickhouse_may_not_read(cold, hot, tmp_path):
    create_trades(hot)
    insert_trades(hot, 0, 400)
    offload_trades(hot, 200)
    (tmp_path / "elsewhere").mkdir()
    outcome = view(hot, "--create", code=program.USAGE, cwd=tmp_path / "elsewhere")
    assert "user_files_path" in outcome.err and "PATH_ACCESS_DENIED" in outcome.err


def test_it_cannot_be_refreshed_and_the_rows_are_in_all_the_same(cold, hot):
    create_trades(hot)
    insert_trades(hot, 0, 400)
    result = offload_trades(hot, 200, "--view", "no_such_database.trades_all")
    assert result["rows"] == 200
    assert any("no_such_database.trades_all" in note and "old split" in note for note in result["notes"])


@pytest.mark.parametrize("case", ["nothing offloaded", "no source table", "its own name"])
def test_refusals(cold, hot, case):
    create_trades(hot)
    insert_trades(hot, 0, 400)
    if case != "nothing offloaded":
        offload_trades(hot, 200)
    if case == "no source table":
        outcome = view(hot, code=program.USAGE, table="traders")
        assert "traders" in outcome.err
    elif case == "its own name":
        assert "replace the source table" in view(hot, "--create", "--name", "trades", code=program.USAGE).err
    else:
        assert "remedy" in view(hot, code=program.USAGE).err
