"""Where `calve plan` cuts: every row of the window is in one slice, whatever its key is and whatever is inserted meanwhile; slices are even, and
ClickHouse reads for all of them little more than for the window."""

import json

import pytest

from . import canonical, clusters, program, servers
from .slices import Slices

ROWS = 20_000
END = "2024-01-02T00:00:00Z"
UNTIL = ("--until", END)
NUMBERS = f"(SELECT number FROM system.numbers LIMIT {ROWS})"
# What 18.16 has: a type, a value of it, and more for `calve plan`.
OLD_KEYS = {
    "unsigned": ("UInt64", "if(number % 3 = 0, number, toUInt64(18446744073709551615 - number % 50))", ("--type", "k=decimal(20,0)")),
    "signed": ("Int64", "toInt64(number) - 10000", ()),
    "text": ("String", r"""concat(reinterpretAsString(number * 7919), '\'\\"`', toString(number % 7))""", ("--type", "k=binary")),
    "fixed": ("FixedString(5)", "toFixedString(reinterpretAsString(number % 300), 5)", ()),
    "named": (r"""Enum8('zz\'\\' = -1, 'b' = 2, 'a' = 5)""", r"""CAST([-1, 2, 5][number % 3 + 1] AS Enum8('zz\'\\' = -1, 'b' = 2, 'a' = 5))""", ()),
    "dated": ("Date", "toDate('2023-01-01') + number % 1000", ()),
    "timed": ("DateTime('Europe/Berlin')", "toDateTime('2023-10-29 00:00:00', 'UTC') + number", ()),
    "uuid": ("UUID", "generateUUIDv4()", ()),
    "real": ("Float64", "if(number % 3 = 0, nan, number / 7)", ()),
    "words": ("LowCardinality(String)", "concat('s', toString(number % 20))", ()),
}


def plan(slices, *more, rows=1000):
    return [json.loads(line) for line in slices.plan(*UNTIL, "--slice-rows", str(rows), *more)]


def assert_even(lines, most, partitions=1):
    rows = [line["rows"] for line in lines]
    assert max(rows) <= 1.5 * most and len(rows) <= 2 * sum(rows) / most + partitions, rows


def assert_each_row_once(query, table, lines, final=""):
    """By ClickHouse itself. (18.16 has no alias for a table without a JOIN.)"""
    hits = " + ".join(f"ifNull({line['where'].replace('_t.', '')}, 0)" for line in lines)
    seconds = "toDateTime('2024-01-02 00:00:00', 'UTC')"
    count, missed = query(f"SELECT count(), sum(({hits}) != 1) FROM {table} {final} WHERE ts <= {seconds}").split()
    assert (int(count), int(missed)) == (sum(line["rows"] for line in lines), 0)
    return int(count)


@pytest.fixture
def old(tmp_path):
    from conftest import need

    need(servers.OLD_SERVER.exists(), f"{servers.OLD_SERVER} is missing")
    with clusters.debians(tmp_path / "old", 2) as started:
        yield started


def test_a_real_old_server(hot, old):
    """18.16: no mergeTreeIndex, so that every n-th row is asked; a `Distributed` table, a view, and fingerprints as the writer has them."""
    first = old[0]

    def admin(sql):
        first.request("POST", "/?database=default&allow_experimental_low_cardinality_type=1", sql.encode())

    for name, (kind, value, more) in OLD_KEYS.items():
        admin(f"CREATE TABLE {name} (k {kind}, ts DateTime, seq UInt64) ENGINE = MergeTree PARTITION BY toYYYYMM(ts) ORDER BY (k, ts) "
              "SETTINGS index_granularity = 128")
        admin(f"INSERT INTO {name} SELECT {value}, toDateTime('2023-12-31 12:00:00', 'UTC') + number % 43200, number * 12345678901 FROM {NUMBERS}")
        slices = Slices(hot, name, first.url)
        lines = plan(slices, "--sequence-col", "seq", *more)
        assert_even(lines, 1000)
        assert assert_each_row_once(first.query, name, lines) == ROWS
        # Read by calve, and by ClickHouse's index: the slices of a table in its key's order.
        written = json.loads(slices.write([json.dumps(lines[len(lines) // 2])])[0])
        assert written["as_planned"] and written["rows"] == lines[len(lines) // 2]["rows"]
        read = sum(json.loads(first.query(f"SELECT count() FROM {name} AS _t WHERE {line['where']} FORMAT JSON"))["statistics"]["rows_read"]
                   for line in lines)
        assert name == "real" or read <= 1.3 * ROWS, (name, read)

    for server in old:
        server.query("CREATE TABLE local (a String, ts DateTime, seq UInt64) ENGINE = ReplacingMergeTree PARTITION BY toYYYYMM(ts) ORDER BY (a, ts, seq)")
        server.query("CREATE TABLE everywhere AS local ENGINE = Distributed(shards, default, local, cityHash64(a))")
        server.query(f"INSERT INTO local SELECT concat('x', toString(number % 7 * 2 + {old.index(server)})), toDateTime('2023-12-31 12:00:00', 'UTC') + number, "
                     f"number FROM {NUMBERS}")
    first.query("CREATE VIEW seen AS SELECT ts, a FROM local")
    for table, final, rows, more in [("everywhere", "FINAL", 2 * ROWS, ()), ("seen", "", ROWS, ("--mode", "append"))]:
        lines = plan(Slices(hot, table, first.url), *more, rows=3000)
        assert_even(lines, 3000)
        assert assert_each_row_once(first.query, table, lines, final) == rows


def test_rows_that_come_meanwhile(cold, hot, duckdb, pyiceberg):
    """Into old partitions and new ones, before, between and after all keys that the plan saw, NULL and NaN among them."""
    hot.execute("CREATE TABLE trades (a LowCardinality(Nullable(String)), b Nullable(Int8), day Date, f Float64, ts DateTime64(3, 'UTC'), n UInt64) "
                "ENGINE = MergeTree PARTITION BY (day, n % 2) ORDER BY (a, b, f, ts) SETTINGS allow_nullable_key = 1, index_granularity = 128")

    def insert(first, rows, kinds, days):
        hot.execute("INSERT INTO trades SELECT if(number % 5 = 0, NULL, concat('it''s \\\\ ', toString(number % "
                    f"{kinds}))), if(number % 7 = 0, NULL, number % 11 - {kinds}), toDate('2024-01-05') - number % {days}, if(number % 3 = 0, nan, number / 7), "
                    f"toDateTime64('2024-01-01 00:00:00', 3, 'UTC') + number / 2, number FROM numbers({first}, {rows})")

    insert(0, ROWS, 4, 3)
    slices = Slices(hot)
    lines = plan(slices, "--sequence-col", "n", rows=1000)
    assert_even(lines, 1000, partitions=6)
    assert any("_partition_id" in line["where"] for line in lines) and any("isNull" in line["where"] for line in lines)
    insert(ROWS, ROWS, 9, 7)
    written = slices.write([json.dumps(line) for line in lines])
    assert sum(json.loads(line)["rows"] for line in written) == 2 * ROWS
    assert {json.loads(line)["as_planned"] for line in written} >= {False}
    assert slices.commit(written)["rows"] == 2 * ROWS
    columns, expected = hot.rows("SELECT * FROM trades")
    canonical.assert_same_rows(expected, duckdb.rows(cold.table("trades"), columns), columns, "duckdb")
    slices.assert_nothing_is_left(pyiceberg)


def test_versions_that_come_meanwhile(cold, hot, duckdb):
    """Versions of a row are in one slice, in whatever part they lie: what is offloaded is what FINAL shows."""
    hot.execute("CREATE TABLE trades (a LowCardinality(String), n UInt32, ts DateTime64(3, 'UTC'), v UInt64) ENGINE = ReplacingMergeTree(v) "
                "PARTITION BY (a, toDate(ts)) ORDER BY (a, n, ts) SETTINGS index_granularity = 128")

    def insert(version, first):
        hot.execute("INSERT INTO trades SELECT ['x', 'y', 'z'][number % 3 + 1], number % 5000, toDateTime64('2024-01-01 00:00:00', 3, 'UTC') + number * 3, "
                    f"{version} FROM numbers({first}, {ROWS})")

    insert(1, 0)
    slices = Slices(hot)
    lines = plan(slices, rows=1500)
    assert len(lines) > 10
    insert(2, ROWS // 8)
    written = slices.write([json.dumps(line) for line in lines])
    columns, expected = hot.rows("SELECT * FROM trades FINAL WHERE ts <= '2024-01-02 00:00:00'")
    assert slices.commit(written)["rows"] == len(expected)
    canonical.assert_same_rows(expected, duckdb.rows(cold.table("trades"), columns), columns, "duckdb")


def test_no_row_and_one_second(cold, hot):
    """A window without rows has no slice to write; rows of one instant are one."""
    hot.execute("CREATE TABLE trades (ts DateTime('UTC'), n UInt32) ENGINE = MergeTree ORDER BY tuple()",
                f"INSERT INTO trades SELECT toDateTime('2024-01-01 12:00:00', 'UTC') + (number % 10 = 0), number FROM numbers({ROWS})")
    lines = plan(Slices(hot), rows=1000)
    assert sorted(line["rows"] for line in lines) == [ROWS // 10, ROWS * 9 // 10]
