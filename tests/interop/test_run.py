"""`calve run`: one cycle over the tables of a configuration. Order, windows that wait for the parents', failures that stay where
they are."""

import json
import time

import pytest

from . import canonical, program
from .configuration import Configuration

T0 = "toDateTime64('2024-08-09 00:00:00', 3, 'UTC')"


def make(hot, *tables, rows=100, engine="MergeTree ORDER BY ts"):
    for table in tables:
        hot.execute(f"CREATE TABLE {table} (ts DateTime64(3, 'UTC'), n UInt32) ENGINE = {engine}", insert(table, 0, rows))


def insert(table, first, rows):
    """A row a minute."""
    return f"INSERT INTO {table} SELECT {T0} + INTERVAL number MINUTE, number FROM numbers({first}, {rows})"


def minute(n):
    return f"2024-08-09T{n // 60:02}:{n % 60:02}:00.000000Z"


def numbers(duckdb, cold, table):
    return sorted(row["n"] for row in duckdb.query(f"SELECT n FROM {duckdb.source(cold.table(table))}").to_pylist())


def test_layers_in_order_and_no_window_past_the_parents(any_cold, hot, duckdb):
    make(hot, "a", "b", "c", "d")
    config = Configuration(hot).write({"source": "d", "layer": "gold", "cursor": {"timestamp": "ts", "covers": "10m"}}, {"source": "c", "layer": "silver"},
                                      {"source": "a", "layer": "bronze"}, {"source": "b", "layer": "bronze"})
    told = config.run("--until", minute(50))
    assert {name: told[name]["state"] for name in "abcd"} == dict.fromkeys("abcd", "done")
    assert [told[name]["watermark"] for name in "abcd"] == [minute(50)] * 3 + [minute(40)]
    assert numbers(duckdb, any_cold, "d") == list(range(41)), "a row covers ten minutes, and is offloaded when they have passed"
    # One parent stays behind, and so does everything after it.
    config.write({"source": "d", "layer": "gold"}, {"source": "c", "layer": "silver"}, {"source": "a", "layer": "bronze"},
                 {"source": "b", "layer": "bronze", "buffer": "7d"})
    hot.execute("TRUNCATE TABLE b")
    told = config.run("--until", minute(90), "--table", "a")
    assert list(told) == [None, "a"] and told["a"]["watermark"] == minute(90)
    told = config.run("--until", minute(90), "--table", "c", "--table", "d")
    assert told["c"]["watermark"] == minute(50) and told["c"]["rows"] == 0, "b is there no further"
    assert told["d"]["watermark"] == minute(50) and told["d"]["rows"] == 10
    summary = program.run("run", "--config", config.file, "--until", minute(95)).out
    assert summary.startswith("4 tables: 4 done; ")


def test_a_failure_stays_with_its_table_and_those_after_it(cold, hot, duckdb):
    make(hot, "bad", "good", "mixed", "apart", "last")
    hot.execute("ALTER TABLE bad ADD COLUMN broken Tuple(Variant(UInt8, String))")
    tables = ["good", "bad", {"source": "mixed", "after": ["good", "bad"]}, {"source": "last", "after": ["mixed"]}, {"source": "apart", "after": ["good"]}]
    config = Configuration(hot).write(*tables)
    outcome = program.run("run", "--config", config.file, "--until", minute(50), "--json", code=program.PARTLY)
    told = {table["name"]: table for table in outcome.json["tables"]}
    assert {name: table["state"] for name, table in told.items()} == {"good": "done", "bad": "failed", "mixed": "skipped", "last": "skipped", "apart": "done"}
    assert "broken" in told["bad"]["error"]["message"] and told["bad"]["error"]["remedy"]
    assert told["mixed"]["reason"] == told["last"]["reason"] == "it comes after bad, which failed"
    assert outcome.json["exit_code"] == program.PARTLY and (outcome.json["done"], outcome.json["failed"], outcome.json["skipped"]) == (2, 1, 2)
    # A line for each table, and each failure once.
    assert outcome.err.count("error: ") == 1 and "warning: mixed: skipped" in outcome.err and "calve: apart: 51 rows up to" in outcome.err
    # Alone it is a failure; mended it catches up.
    config.run("--table", "bad", code=program.USAGE)
    hot.execute("ALTER TABLE bad DROP COLUMN broken")
    told = config.run("--until", minute(60))
    assert {table["state"] for name, table in told.items() if name} == {"done"}
    assert numbers(duckdb, cold, "last") == numbers(duckdb, cold, "bad") == list(range(61))


def test_tables_after_one_that_never_ran(cold, hot):
    make(hot, "a", "b", "c")
    config = Configuration(hot).write("a", {"source": "b", "after": ["a"]}, {"source": "c", "after": ["b"]})
    told = config.run("--table", "b", "--table", "c")
    assert "comes after a, of which nothing is offloaded yet" in told["b"]["reason"] and told["c"]["state"] == "skipped"
    assert not cold.table("b").exists()


def test_dry_run_shows_all_of_it_and_changes_nothing(cold, hot):
    make(hot, "a", "b")
    config = Configuration(hot).write("a", {"source": "b", "after": ["a"], "cursor": {"covers": "5m"}})
    told = config.run("--until", minute(50), "--dry-run")
    assert told[None]["dry_run"] and [told[name]["rows_expected"] for name in "ab"] == [51, 46]
    assert told["b"]["window"] == {"from": None, "to": minute(45)} and "SELECT" in told["b"]["query"]
    assert not cold.warehouse.exists() or not any(cold.warehouse.iterdir())
    assert not cold.journal.exists()
    config.run("--until", minute(50))
    before = len(cold.table("a").every_file())
    assert config.run("--until", minute(60), "--dry-run")["b"]["rows_expected"] == 10
    assert len(cold.table("a").every_file()) == before


def test_what_is_wrong_is_said_before_anything_is_done(cold, hot):
    make(hot, "trades")
    config = Configuration(hot).write("trades")
    error = config.run("--table", "trade", code=program.USAGE)[None]["error"]
    assert "trade" in error["message"] and "Did you mean trades?" in error["remedy"]
    assert "never" in program.run("run", "--config", config.file, "--until", "never", code=program.USAGE).err
    config.write({"source": "trades", "colour": "red"})
    outcome = program.run("run", "--config", config.file, code=program.USAGE)
    assert "tables[0].colour: there is no such key" in outcome.err and not outcome.out
    missing = program.run("run", "--config", cold.folder / "none.yaml", "--json", code=program.USAGE)
    assert missing.json["exit_code"] == program.USAGE and "none.yaml" in missing.json["error"]["message"]
    assert not cold.warehouse.exists()


def test_two_at_once(any_cold, hot, http_server, duckdb):
    names = [f"t{i}" for i in range(6)]
    make(hot, *names, rows=1000)
    with http_server(hot) as server:
        config = Configuration(hot, server.url).write(*names, limits={"tables": 3})
        running = [config.start("run", "--until", minute(700), "--json") for _ in range(3)]
        ends = [(process.communicate(timeout=120), process.returncode) for process in running]
    states = [table["state"] for (out, _), code in ends for table in json.loads(out)["tables"]]
    assert [code for _, code in ends] == [program.DONE] * 3, ends
    assert set(states) <= {"done", "skipped"}
    for name in names:
        assert numbers(duckdb, any_cold, name) == list(range(701)), name


def test_a_server_that_goes_away(cold, hot, http_server, duckdb):
    make(hot, "a", "b")
    with http_server(hot) as server:
        config = Configuration(hot, server.url).write("a", {"source": "b", "after": ["a"]})
        config.run("--until", minute(10))
    began = time.monotonic()
    told = config.run("--until", minute(20), code=program.FAILED)
    assert time.monotonic() - began < 60
    assert told["a"]["error"]["kind"] == "retry" and told["b"]["state"] == "skipped"
    assert numbers(duckdb, cold, "b") == list(range(11))


@pytest.mark.parametrize("wanted", ["filter", "view", "query"])
def test_rows_and_columns_as_the_configuration_has_them(any_cold, hot, duckdb, four, wanted):
    hot.execute("""CREATE TABLE trades (ts DateTime64(3, 'UTC'), id UInt64, venue LowCardinality(String), price Decimal(18, 4), debug String,
                   payload Tuple(a UInt8, b String), twice ALIAS id * 2) ENGINE = MergeTree ORDER BY (venue, ts)""",
                f"""INSERT INTO trades SELECT {T0} + INTERVAL number MINUTE, number, number % 3 = 0 ? 'test' : 'x', number / 4, 'noise', (1, 'b')
                    FROM numbers(100)""",
                "CREATE VIEW seen AS SELECT * FROM trades WHERE venue != 'test'")
    table = {"source": "trades", "where": "venue != 'test' -- and nothing else", "key": ["id"],
             "columns": {"debug": {"exclude": True}, "price": {"expr": "price * 2", "type": "decimal(38,8)", "rename": "double_price"},
                         "id": {"type": "decimal(20,0)"}, "venue": {"rename": "market"}, "payload": {"expr": "toString(payload)"}},
             "constants": {"origin": "k2", "loaded_by": {"value": "7", "type": "string"}, "flag": True}}
    if wanted == "view":
        table = {**table, "source": "seen", "where": "1"}
    if wanted == "query":
        del table["source"]
        table = {**table, "name": "asked", "query": "SELECT * FROM trades WHERE venue != 'test' -- a comment", "where": "1", "target": "cold.asked"}
    config = Configuration(hot).write(table)
    name = {"filter": "trades", "view": "seen", "query": "asked"}[wanted]
    assert config.run("--until", minute(49))[name]["rows"] == 33
    assert config.run("--until", minute(99))[name]["rows"] == 33
    cold_table = any_cold.table(name)
    fields = {field["name"]: field["type"] for field in cold_table.metadata["schemas"][-1]["fields"]}
    assert list(fields) == ["ts", "id", "market", "double_price", "payload", "flag", "loaded_by", "origin"]
    assert fields["id"].replace(" ", "") == "decimal(20,0)" and fields["double_price"].replace(" ", "") == "decimal(38,8)"
    columns, expected = hot.rows("""SELECT ts, toDecimal128(id, 0) AS id, toString(venue) AS market, CAST(price * 2, 'Decimal(38, 8)') AS double_price,
                                 toString(payload) AS payload, 'k2' AS origin, '7' AS loaded_by FROM trades WHERE venue != 'test'""")
    for reader in four:
        canonical.assert_same_rows(expected, reader.rows(cold_table, columns), columns, reader.name)


def test_late_rows_that_the_filter_takes(cold, hot, duckdb):
    make(hot, "t")
    config = Configuration(hot).write({"source": "t", "where": "n % 2 = 0", "key": ["n"]})
    config.run("--until", minute(50))
    hot.execute("INSERT INTO t VALUES " + ", ".join(f"({T0}, {n})" for n in (1000, 1001, 1002)))
    assert config.run("--until", minute(50))["t"]["late"]["rows"] == 2
    assert numbers(duckdb, cold, "t") == [*range(0, 51, 2), 1000, 1002]


@pytest.mark.parametrize("change, words", [
    ({"where": "venue ="}, ["condition of", "venue ="]),
    ({"where": "colour = 'red'"}, ["colour"]),
    ({"columns": {"n": {"rename": "ts"}}}, ["two columns", "ts"]),
    ({"columns": {"ts": {"rename": "time"}}}, ["ts is the cursor"]),
    ({"columns": {"m": {"rename": "k"}}}, ["m", "does not have"]),
    ({"columns": {"n": {"expr": "toNothing(n)"}}}, ["toNothing"]),
    ({"key": ["n"], "columns": {"n": {"rename": "k"}}}, ["n is part of the key"]),
])
def test_a_filter_or_a_column_that_cannot_be_meant(cold, hot, change, words):
    make(hot, "t")
    told = Configuration(hot).write({"source": "t", **change}).run(code=program.USAGE)
    message = told["t"]["error"]["message"]
    assert all(word in message for word in words) and told["t"]["error"]["remedy"], message
    assert not cold.table("t").exists()


def test_a_query_that_cannot_be_meant(cold, hot):
    make(hot, "t")
    for query, word in [("SELECT ts, n FROM nowhere", "nowhere"), ("DROP TABLE t", "Syntax"), ("SELECT n FROM t", "no column ts")]:
        told = Configuration(hot).write({"name": "q", "query": query, "target": "cold.q"}).run(code=program.USAGE)
        assert word in told["q"]["error"]["message"]
    assert hot.rows("SELECT count() AS c FROM t")[1]


def test_every_table_of_the_configuration_is_verified_and_shown(any_cold, hot):
    make(hot, "a", "b")
    config = Configuration(hot).write({"source": "b", "where": "n % 2 = 0", "columns": {"n": {"rename": "number"}}}, "a")
    verify = ["verify", "--config", config.file, "--json"]
    nothing = program.run(*verify, code=program.USAGE).json
    assert nothing["exit_code"] == program.USAGE and not nothing["equal"] and "cold.b" in nothing["tables"][0]["error"]["message"]
    config.run()
    told = program.run(*verify).json
    assert told["equal"] and [(table["name"], table["rows"]["cold"]) for table in told["tables"]] == [("b", 50), ("a", 100)]
    assert "2 tables: 2 equal, 0 different, 0 failed" in program.run("verify", "--config", config.file).out
    shown = program.run("status", "--config", config.file, "--json").json["tables"]
    assert [table["table"] for table in shown] == ["cold.b", "cold.a"] and [table["rows"] for table in shown] == [50, 100]
    hot.execute("ALTER TABLE a DELETE WHERE n = 7 SETTINGS mutations_sync = 1", insert("a", 7, 1).replace("number FROM", "number + 1000 FROM"))
    told = program.run(*verify, code=program.DIFFERENCE).json
    assert [table["equal"] for table in told["tables"]] == [True, False]
    program.run(*verify, "--table", "b")
    assert "Did you mean" in program.run(*verify, "--table", "bb", code=program.USAGE).json["error"]["remedy"]
    assert "--config" in program.run(*verify, "--target-table", "cold.a", code=program.USAGE).err
    assert "--config" in program.run("verify", "--table", "a", "--warehouse", "file:///w", code=program.USAGE).err


def test_rename_and_where_on_the_command_line(cold, hot):
    make(hot, "t")
    options = ["--rename", "n=number", "--where", "n < 10"]
    assert hot.offload("t", "--buffer", "0s", *options)["rows"] == 10
    arguments = ["--source", hot.url, "--source-table", "t", "--target-table", "cold.t", "--timestamp-col", "ts", *cold.arguments]
    assert program.run("verify", *arguments, *options, "--json").json["rows"] == {"hot": 10, "cold": 10}
    program.run("verify", *arguments, "--rename", "n=number", code=program.DIFFERENCE)


def test_a_schema_that_changes_between_cycles(any_cold, hot, four):
    """Added, dropped, renamed, widened; what does not fit stops that table alone."""
    hot.execute("CREATE TABLE t (ts DateTime64(3, 'UTC') COMMENT 'when', n UInt16, gone String, old String) ENGINE = MergeTree ORDER BY ts COMMENT 'some rows'",
                f"INSERT INTO t SELECT {T0} + INTERVAL number MINUTE, number, 'g', 'o' FROM numbers(10)")
    make(hot, "other", rows=10)
    config = Configuration(hot).write({"source": "t", "partition_by": ["days(ts)"], "key": ["n"]}, "other")
    config.run("--until", minute(9))
    hot.execute("ALTER TABLE t ADD COLUMN fresh Nullable(UInt8) DEFAULT 7 COMMENT 'since August', DROP COLUMN gone, RENAME COLUMN old TO young, MODIFY COLUMN n UInt32",
                f"INSERT INTO t (ts, n, young, fresh) SELECT {T0} + INTERVAL number MINUTE, number + 100000, 'y', 3 FROM numbers(10, 10)")
    preview = config.run("--until", minute(19), "--dry-run")["t"]["notes"]
    for words in ("column fresh is added", "column young is added", "column n is widened in the target from int to long"):
        assert any(words in note for note in preview), preview
    assert len(any_cold.table("t").metadata["schemas"]) == 1
    assert config.run("--until", minute(19))["t"]["rows"] == 10
    metadata = any_cold.table("t").metadata
    fields = {field["name"]: field for field in metadata["schemas"][-1]["fields"]}
    assert list(fields) == ["ts", "n", "gone", "old", "young", "fresh"] and not fields["fresh"]["required"]
    assert fields["n"]["type"] == "long" and fields["fresh"]["doc"] == "since August" and fields["ts"]["doc"] == "when"
    assert metadata["properties"]["comment"] == "some rows"
    columns = ["n", "gone", "old", "fresh", "young"]
    expected = [(n, "g", "o", None, None) for n in range(10)] + [(n + 100000, None, None, 3, "y") for n in range(10, 20)]
    expected = [tuple(None if value is None else value if isinstance(value, str) else canonical.number(value) for value in row) for row in expected]
    # Text does not become a number: that table stops, and says what to do.
    hot.execute("ALTER TABLE t MODIFY COLUMN n String", insert("other", 10, 5))
    told = config.run("--until", minute(20), code=program.PARTLY)
    assert told["other"]["state"] == "done" and told["t"]["state"] == "failed"
    assert "column n" in told["t"]["error"]["message"] and "--expr" in told["t"]["error"]["remedy"]
    for reader in four:
        canonical.assert_same_rows(expected, reader.rows(any_cold.table("t"), columns), columns, reader.name)


def test_properties_and_comments_of_a_table_that_exists(any_cold, hot):
    hot.execute("CREATE TABLE t (ts DateTime64(3, 'UTC') COMMENT 'when', n UInt16) ENGINE = MergeTree ORDER BY ts",
                f"INSERT INTO t SELECT {T0} + INTERVAL number MINUTE, number FROM numbers(10)")
    table = {"source": "t", "properties": {"owner": "a", "write.parquet.compression-level": "5"}}
    config = Configuration(hot).write(table)
    config.run("--until", minute(5))
    hot.execute("ALTER TABLE t COMMENT COLUMN n 'how many'", "ALTER TABLE t COMMENT COLUMN ts 'since when'")
    config.write({**table, "properties": {"owner": "b", "history.expire.min-snapshots-to-keep": "9"}})
    preview = config.run("--until", minute(9), "--dry-run")["t"]["notes"]
    for words in ("property owner is set", "property history.expire.min-snapshots-to-keep is set", "column n of the target gets ClickHouse's comment"):
        assert any(words in note for note in preview), preview
    assert any_cold.table("t").metadata["properties"]["owner"] == "a"
    config.run("--until", minute(9))
    metadata = any_cold.table("t").metadata
    kept = {"owner": "b", "history.expire.min-snapshots-to-keep": "9", "write.parquet.compression-level": "5"}
    assert kept.items() <= metadata["properties"].items()
    docs = {field["name"]: field.get("doc") for field in metadata["schemas"][-1]["fields"]}
    assert docs == {"ts": "when", "n": "how many"}, "a comment that is there stays"
    assert config.run("--until", minute(9))["t"]["notes"] == []
    told = config.write({**table, "properties": {"calve.watermark": "{}"}}).run(code=program.USAGE)
    assert "calve.watermark is calve's own" in told["t"]["error"]["message"]


def test_partitions_and_sort_order_that_the_configuration_changes(any_cold, hot, four):
    make(hot, "t", rows=3000)
    table = {"source": "t", "partition_by": ["days(ts)"], "key": ["n"]}
    config = Configuration(hot).write(table)
    config.run("--until", minute(1000))
    files = set(any_cold.table("t").data_files())
    config.write({**table, "partition_by": ["hours(ts)", "bucket(4, n)"], "sort_by": ["n desc"]})
    assert any("partitioned by hours(ts), bucket(4, n) from now on" in note for note in config.run("--until", minute(1200), "--dry-run")["t"]["notes"])
    config.run("--until", minute(1200))
    # Late rows go into days of the older partitioning.
    hot.execute(f"INSERT INTO t SELECT {T0} + INTERVAL number MINUTE, number + 10000 FROM numbers(20)")
    assert config.run("--until", minute(1300))["t"]["late"]["rows"] == 20
    metadata = any_cold.table("t").metadata
    assert len(metadata["partition-specs"]) == 2 and metadata["default-spec-id"] == 1 and metadata["default-sort-order-id"] == 1
    assert files <= set(any_cold.table("t").data_files()), "older files stay as they are"
    assert program.run("verify", "--config", config.file, "--json").json["equal"]
    # Another order becomes the table's own, and back: what there was is used again.
    config.write({**table, "sort_by": ["ts"]})
    assert any("sorted by ts from now on" in note for note in config.run("--until", minute(1350))["t"]["notes"])
    assert any_cold.table("t").metadata["default-sort-order-id"] == 2
    config.write({**table, "sort_by": ["n desc"]})
    config.run("--until", minute(1400))
    assert any_cold.table("t").metadata["default-sort-order-id"] == 1 and len(any_cold.table("t").metadata["sort-orders"]) == 3
    assert any_cold.table("t").metadata["default-spec-id"] == 0 and len(any_cold.table("t").metadata["partition-specs"]) == 2
    columns, expected = hot.rows(f"SELECT ts, n FROM t WHERE ts <= {T0} + INTERVAL 1400 MINUTE")
    for reader in four:
        canonical.assert_same_rows(expected, reader.rows(any_cold.table("t"), columns), columns, reader.name)
