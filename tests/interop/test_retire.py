"""calve retire: what is older than a limit and in cold leaves hot, and nothing else does, whatever happens meanwhile."""

import json
import random
import time

import pytest

from . import program
from .counting import ATOMIC, COUNTS, VIEW, counting
from .test_existing_tables import pyiceberg_catalog
from .test_verify import flip, replace, rewrite
from .test_view import ABOVE_ALL, view
from .trades import START, STEP, TIES, create_trades, insert_trades, instant, offload_trades, text, through

HOURLY = "MergeTree PARTITION BY toStartOfHour(ts) ORDER BY (symbol, ts)"
A_HOUR = 240  # rows
ROWS = 2000  # eight hours and twenty minutes
RETIRED = "calve.retired-to"


def before(row):
    """The limit that leaves this row and all later ones."""
    assert row % TIES == 0
    return ["--before", text(instant(row))]


def retire(hot, *more, code=program.DONE, source=None, table="trades", cwd=None):
    return program.run(*arguments(hot, *more, source=source, table=table), code=code, cwd=cwd).json


def arguments(hot, *more, source=None, table="trades"):
    return ["retire", "--source", source or hot.url, "--source-table", table, "--target-table", f"cold.{table}", "--timestamp-col", "ts",
            *hot.cold.arguments, "--progress", "never", "--json", *more]


def verify(hot, *more, code=program.DONE, source=None):
    return program.run("verify", "--source", source or hot.url, "--source-table", "trades", "--target-table", "cold.trades",
                       "--timestamp-col", "ts", *hot.cold.arguments, "--json", *more, code=code).json


def cold_rows(duckdb, cold, table="trades", column="sequence"):
    place = cold.table(table)
    return sorted(row[column] for row in duckdb.query(f"SELECT {column} FROM {duckdb.source(place)}").to_pylist())


def hot_rows(hot, table="trades"):
    return [int(line) for line in hot.value(f"SELECT sequence FROM {table} ORDER BY sequence").split()]


def server_rows(server):
    return [int(line) for line in server.query("SELECT sequence FROM trades ORDER BY sequence").split()]


def reasons(told):
    return sorted({part["reason"] for part in told["kept"]})


@pytest.fixture
def offloaded(hot, cold):
    create_trades(hot, engine=HOURLY)
    insert_trades(hot, 0, ROWS)
    offload_trades(hot, ROWS)
    return hot


# --- what goes ----------------------------------------------------------------------------------------------------------


def test_old_parts_go_and_cold_has_their_rows(any_cold, hot, duckdb):
    create_trades(hot, engine=HOURLY)
    insert_trades(hot, 0, ROWS)
    offload_trades(hot, ROWS)
    told = retire(hot, *before(5 * A_HOUR + 40))
    assert told["parts"] == 5 and told["rows"] == 5 * A_HOUR == told["rows_verified"] and told["bytes"] > 0
    assert reasons(told) == ["it also holds rows after the limit"] and told["parts_newer"] == 3
    assert [part["from"] for part in told["dropped"]] == [text(instant(hour * A_HOUR)) for hour in range(5)]
    assert hot_rows(hot) == list(range(5 * A_HOUR, ROWS))
    assert cold_rows(duckdb, any_cold) == list(range(ROWS))
    metadata = any_cold.table("trades").metadata
    assert metadata["properties"][RETIRED] == told["retired_to"] == through(5 * A_HOUR)
    # A second run finds nothing, and neither do the others.
    again = retire(hot, *before(5 * A_HOUR + 40))
    assert again["parts"] == 0 and again["retired_to"] == through(5 * A_HOUR) and len(again["kept"]) == 1
    late = offload_trades(hot, ROWS)
    assert late["rows"] == 0 and late["late"]["rows"] == 0
    told = verify(hot)
    assert told["equal"] and told["extra_allowed"] == 5 * A_HOUR
    insert_trades(hot, ROWS, 400)
    assert offload_trades(hot, ROWS + 400)["rows"] == 400
    assert retire(hot, *before(6 * A_HOUR))["rows"] == A_HOUR
    assert cold_rows(duckdb, any_cold) == list(range(ROWS + 400))


def test_never_beyond_the_watermark(offloaded, cold, duckdb):
    insert_trades(offloaded, ROWS, 2 * A_HOUR)
    told = retire(offloaded, "--older-than", "7d")
    # The two parts of the last hour may have been merged.
    assert told["limit"] == told["watermark"] == through(ROWS) and told["rows"] in (8 * A_HOUR, ROWS)
    assert any("watermark" in note for note in told["notes"])
    assert hot_rows(offloaded) == list(range(told["rows"], ROWS + 2 * A_HOUR))


def test_extra_rows_of_a_bucket_that_was_retired_in_part_are_allowed(hot, cold):
    """Two parts of the same hours, of which one goes."""
    create_trades(hot, engine="MergeTree PARTITION BY sequence % 2 ORDER BY ts")
    insert_trades(hot, 0, 400)
    hot.execute("INSERT INTO trades SELECT ts + toIntervalDay(2), sequence + 1000, symbol, price, side FROM trades WHERE sequence = 1")
    hot.execute("OPTIMIZE TABLE trades FINAL")
    offload_trades(hot, 400)
    told = retire(hot, *before(1000))
    assert told["rows"] == 200 and told["rows_verified"] == 400, "all of hot is compared, not only what may go"
    told = verify(hot)
    assert told["equal"] and told["extra_allowed"] == 200
    verify(hot, "--strict", code=program.DIFFERENCE)
    # A row that is missing is no less missing.
    hot.execute("INSERT INTO trades SELECT ts, 7777, symbol, price, side FROM trades LIMIT 1")
    assert verify(hot, code=program.DIFFERENCE)["missing"] == 1


def test_dry_run_changes_nothing(offloaded, cold):
    metadata = cold.table("trades").metadata
    told = retire(offloaded, *before(5 * A_HOUR), "--dry-run")
    assert told["dry_run"] and told["parts"] == 5 and told["rows"] == told["rows_verified"] == 5 * A_HOUR and told["retired_to"] is None
    assert cold.table("trades").metadata == metadata
    assert len(hot_rows(offloaded)) == ROWS
    shown = program.run(*[a for a in arguments(offloaded, *before(5 * A_HOUR), "--dry-run") if a != "--json"]).out
    assert "would drop 5 parts, 1,200 rows" in shown


def test_deleted_rows_and_rows_without_a_cursor(hot, cold):
    hot.execute("CREATE TABLE n (ts Nullable(DateTime64(3, 'UTC')), sequence UInt64) ENGINE = MergeTree PARTITION BY sequence % 3 ORDER BY sequence",
                "INSERT INTO n SELECT if(number = 3, NULL, toDateTime64('2024-08-09 00:00:00', 3, 'UTC') + number), number FROM numbers(30)")
    hot.offload("n", "--until", "2024-08-10T00:00:00Z")
    hot.execute("DELETE FROM n WHERE sequence = 4 SETTINGS lightweight_deletes_sync = 2")
    told = retire(hot, "--before", "2024-08-10", table="n")
    assert sorted(part["partition"] for part in told["dropped"]) == ["1", "2"]
    assert reasons(told) == ["1 of its rows have no cursor (NULL)"]


@pytest.mark.parametrize("kind, fraction", [("DateTime('UTC')", ""), ("DateTime64(3, 'UTC')", ".999"), ("DateTime64(9, 'UTC')", ".999999999")])
def test_limits_at_every_precision_and_those_that_no_column_can_hold(hot, cold, kind, fraction):
    hot.execute(f"CREATE TABLE d (ts {kind}, sequence UInt64) ENGINE = MergeTree ORDER BY ts",
                f"INSERT INTO d SELECT toDateTime64('2024-08-09 00:59:50{fraction}', 9, 'UTC') + toIntervalSecond(number), number FROM numbers(10)")
    types = ["--type", "ts=timestamptz"] if "(9" in kind else []
    assert hot.offload("d", *types, "--until", "2024-08-09T01:00:00Z")["rows"] == 10
    for limit in ("1960-01-01", "1800-01-01", "2024-08-09", "2024-08-09T00:59:59.000000Z", "2024-08-09T00:59:59.998Z"):
        if fraction or "59:59.998" not in limit:
            assert retire(hot, "--before", limit, *types, table="d")["parts"] == 0, limit
    assert retire(hot, "--older-than", "700000d", *types, table="d")["parts"] == 0
    if types:  # cut to microseconds on its way to cold: that cannot be compared
        assert "timestamp" in retire(hot, "--before", "2300-01-01", *types, table="d", code=program.USAGE)["error"]["message"]
        return
    told = retire(hot, "--before", "2300-01-01", *types, table="d")
    assert told["rows"] == told["rows_verified"] == 10 and hot.value("SELECT count() FROM d") == "0"


# --- what stays ---------------------------------------------------------------------------------------------------------


def test_late_rows_pending_keep_their_hours(offloaded, cold, duckdb):
    offloaded.execute("INSERT INTO trades SELECT ts, sequence + 10000, symbol, price, side FROM trades WHERE sequence IN (5, 6)")
    told = retire(offloaded, *before(5 * A_HOUR), code=program.DIFFERENCE)
    assert [(b["bucket"], b["missing"]) for b in told["differences"]] == [(text(START), 2)]
    assert told["rows"] == 4 * A_HOUR and {part["partition"] for part in told["kept"]} == {told["kept"][0]["partition"]}
    assert any("calve offload" in note for note in told["notes"])
    assert offload_trades(offloaded, ROWS, "--lookback", "30d")["late"]["rows"] == 2
    assert retire(offloaded, *before(5 * A_HOUR))["rows"] == A_HOUR + 2
    assert hot_rows(offloaded) == list(range(5 * A_HOUR, ROWS))
    assert cold_rows(duckdb, cold) == sorted([*range(ROWS), 10005, 10006])


def test_a_row_that_is_in_cold_once_and_twice_in_hot(offloaded, cold, duckdb):
    """In parts of their own: neither may go before cold has both, or nothing would tell that one is missing."""
    with_copy = "INSERT INTO trades SELECT * FROM trades WHERE sequence = 5"
    offloaded.execute("ALTER TABLE trades MODIFY SETTING parts_to_delay_insert = 1000", "SYSTEM STOP MERGES trades", with_copy)
    assert retire(offloaded, *before(A_HOUR), code=program.DIFFERENCE)["parts"] == 0
    offload_trades(offloaded, ROWS, "--lookback", "30d")
    assert retire(offloaded, *before(A_HOUR))["rows"] == A_HOUR + 1
    assert cold_rows(duckdb, cold).count(5) == 2


@pytest.mark.parametrize("change, hour", [(flip, 5), (replace, 5)], ids=["a value", "a row lost, one doubled"])
def test_tampered_cold_keeps_its_hours(offloaded, cold, change, hour):
    rewrite(cold.table("trades"), change)
    told = retire(offloaded, *before(8 * A_HOUR), code=program.DIFFERENCE)
    assert [b["bucket"] for b in told["differences"]] == [text(instant(hour * A_HOUR))]
    assert told["rows"] == 7 * A_HOUR
    assert hot_rows(offloaded) == [*range(hour * A_HOUR, (hour + 1) * A_HOUR), *range(8 * A_HOUR, ROWS)]


def test_columns_that_are_not_in_cold(offloaded, cold):
    offloaded.execute("ALTER TABLE trades ADD COLUMN venue String DEFAULT 'x'")
    told = retire(offloaded, *before(A_HOUR), code=program.USAGE)
    assert "venue" in told["error"]["message"] and len(hot_rows(offloaded)) == ROWS
    assert retire(offloaded, *before(A_HOUR), "--exclude", "venue")["rows"] == A_HOUR
    insert = f"INSERT INTO trades SELECT ts + toIntervalHour(12), sequence + {ROWS}, symbol, price, side, 'y' FROM trades WHERE sequence = 300"
    offloaded.execute(insert)
    offloaded.offload("trades", "--until", "2024-08-10T00:00:00Z")
    told = retire(offloaded, *before(2 * A_HOUR), "--strict", code=program.DIFFERENCE)
    assert told["parts"] == 0 and told["differences"][0]["defaulted"] == A_HOUR
    told = retire(offloaded, *before(2 * A_HOUR))
    assert told["rows"] == A_HOUR and any("older than a column" in note for note in told["notes"])


@pytest.mark.parametrize("engine", ["Memory", "Log", "Merge(currentDatabase(), 'none')"])
def test_engines_without_parts(hot, cold, engine):
    create_trades(hot, engine=engine)
    if "Merge(" not in engine:
        insert_trades(hot, 0, 40)
        offload_trades(hot, 40)
    told = retire(hot, *before(40), code=program.USAGE)
    assert ("engine" in told["error"]["message"] and "trades" in told["error"]["message"]) and told["error"]["kind"] == "unsupported"


def test_usage(hot, cold):
    create_trades(hot, engine=HOURLY)
    insert_trades(hot, 0, 40)
    retire(hot, code=program.USAGE)
    retire(hot, "--older-than", "7d", "--before", "2024-01-01", code=program.USAGE)
    assert retire(hot, *before(40), code=program.USAGE)["error"]["kind"] == "not-found", "no target"
    offload_trades(hot, 40)
    hot.execute("RENAME TABLE trades TO traders", "CREATE TABLE trades AS traders")
    hot.execute("INSERT INTO trades SELECT * FROM traders")
    told = program.run("retire", "--source", hot.url, "--source-table", "traders", "--target-table", "cold.trades", "--timestamp-col", "ts",
                       *cold.arguments, *before(40), "--json", code=program.USAGE).json
    assert "is the target of" in told["error"]["message"]
    assert "calve retire" in program.run("retire", "--help").out


def test_a_table_without_a_watermark(hot, sql_cold):
    import pyarrow as pa
    create_trades(hot, engine=HOURLY)
    insert_trades(hot, 0, 40)
    pyiceberg_catalog(sql_cold).create_namespace("cold")
    pyiceberg_catalog(sql_cold).create_table("cold.trades", pa.schema([("ts", pa.timestamp("us", "UTC")), ("sequence", pa.int64())]))
    assert "watermark" in retire(hot, *before(40), code=program.USAGE)["error"]["message"]


# --- while it runs ------------------------------------------------------------------------------------------------------


def wait_for(server, process, words):
    deadline = time.monotonic() + 60
    while not any(words in query["sql"] for query in server.queries()):
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()
        time.sleep(0.02)


def finish(process, code):
    out, err = process.communicate(timeout=120)
    assert process.returncode == code, err
    return json.loads(out)


def test_a_row_inserted_between_check_and_drop_survives(offloaded, cold, http_server):
    with http_server(offloaded) as server:
        server.fault("before", "DROP PART", sql="INSERT INTO trades SELECT ts, 55555, symbol, price, side FROM trades WHERE sequence = 7")
        told = retire(offloaded, *before(A_HOUR), source=server.url)
        assert told["rows"] == A_HOUR and server.armed() == []
        assert server_rows(server) == [*range(A_HOUR, ROWS), 55555]
        assert retire(offloaded, *before(A_HOUR), source=server.url, code=program.DIFFERENCE)["parts"] == 0
        offload_trades(offloaded, ROWS, "--lookback", "30d", "--key", "sequence", source=server.url)
        assert retire(offloaded, *before(A_HOUR), source=server.url)["rows"] == 1


@pytest.mark.parametrize("statement, left", [
    ("OPTIMIZE TABLE trades PARTITION ID '{partition}' FINAL", A_HOUR),
    ("ALTER TABLE trades UPDATE price = 1 WHERE sequence = 7 SETTINGS mutations_sync = 1", A_HOUR),
], ids=["merged", "changed"])
def test_a_part_that_is_another_by_now_stays(offloaded, cold, http_server, statement, left):
    partition = offloaded.value("SELECT partition_id FROM system.parts WHERE active AND table = 'trades' ORDER BY min_block_number LIMIT 1")
    with http_server(offloaded) as server:
        server.fault("before", "DROP PART", sql=statement.format(partition=partition))
        told = retire(offloaded, *before(A_HOUR), source=server.url)
        assert told["parts"] == 0 and len(server_rows(server)) == ROWS
        assert reasons(told) == ["it was merged or changed meanwhile: the next run looks at what it became"]


def test_a_mutation_under_way(offloaded, cold, http_server):
    with http_server(offloaded) as server:
        server.query("SYSTEM STOP MERGES trades")
        server.query("ALTER TABLE trades UPDATE price = 1 WHERE sequence = 7 SETTINGS mutations_sync = 0")
        told = retire(offloaded, *before(A_HOUR), source=server.url, code=program.FAILED)
        assert "UPDATE price = 1" in told["error"]["message"] and "mutation" in told["error"]["message"]
        assert len(server_rows(server)) == ROWS
        server.query("SYSTEM START MERGES trades")
        server.query("ALTER TABLE trades UPDATE price = 2 WHERE sequence = 7 SETTINGS mutations_sync = 1")
        assert retire(offloaded, *before(2 * A_HOUR), source=server.url, code=program.DIFFERENCE)["rows"] == A_HOUR


def test_a_mutation_that_begins_between_two_drops(offloaded, cold, http_server):
    with http_server(offloaded) as server:
        server.fault("hold", "DROP PART")
        running = program.start(*arguments(offloaded, *before(5 * A_HOUR), source=server.url))
        wait_for(server, running, "DROP PART")
        server.query("SYSTEM STOP MERGES trades")
        server.query("ALTER TABLE trades UPDATE price = 1 WHERE sequence = 300 SETTINGS mutations_sync = 0")
        time.sleep(1.1)
        server.clear()
        told = finish(running, program.FAILED)
        assert told["parts"] == 1 and "UPDATE price = 1" in told["error"]["message"]
        assert len(server_rows(server)) == ROWS - A_HOUR


@pytest.mark.parametrize("what", ["delete", "append"])
def test_another_engine_between_two_drops(hot, sql_cold, http_server, what):
    create_trades(hot, engine=HOURLY)
    insert_trades(hot, 0, ROWS)
    offload_trades(hot, ROWS)
    with http_server(hot) as server:
        server.fault("hold", "DROP PART")
        running = program.start(*arguments(hot, *before(5 * A_HOUR), source=server.url))
        wait_for(server, running, "DROP PART")
        table = pyiceberg_catalog(sql_cold).load_table("cold.trades")
        if what == "append":
            table.append(table.scan(row_filter="sequence < 2").to_arrow())
        else:
            table.delete("sequence == 300")
        time.sleep(1.1)
        server.clear()
        told = finish(running, program.DONE if what == "append" else program.FAILED)
        if what == "append":
            assert told["parts"] == 5
        else:
            assert told["parts"] == 1 and "1 of 5 parts were dropped" in told["error"]["message"] and "another program" in told["error"]["message"]
            assert server_rows(server) == list(range(A_HOUR, ROWS))
            # What was lost in cold is still in hot, and stays there.
            assert retire(hot, *before(5 * A_HOUR), source=server.url, code=program.DIFFERENCE)["rows"] == 3 * A_HOUR
            assert server_rows(server) == [*range(A_HOUR, 2 * A_HOUR), *range(5 * A_HOUR, ROWS)]


@pytest.mark.spark
def test_a_rollback_between_check_and_drop(hot, cold, spark, http_server):
    create_trades(hot, engine=HOURLY)
    insert_trades(hot, 0, ROWS)
    offload_trades(hot, A_HOUR)
    first = cold.table("trades").snapshots()[-1]["snapshot-id"]
    offload_trades(hot, ROWS)
    with http_server(hot) as server:
        server.fault("hold", "FROM system.tables WHERE engine = 'View'")  # verified, and nothing dropped yet
        running = program.start(*arguments(hot, *before(5 * A_HOUR), source=server.url))
        wait_for(server, running, "WHERE engine = 'View'")
        spark.sql(cold.table("trades"), f"CALL calve.system.rollback_to_snapshot('{cold.table('trades').ident}', {first})").collect()
        server.clear()
        told = finish(running, program.FAILED)
        assert "rolled back" in told["error"]["message"]
        assert len(server_rows(server)) == ROWS
        assert retire(hot, *before(5 * A_HOUR), source=server.url)["rows"] == A_HOUR, "up to the watermark, which moved back as well"


@pytest.mark.parametrize("fault, more", [("no_end", {}), ("status500", {})])
def test_a_drop_whose_outcome_is_not_known(offloaded, cold, http_server, fault, more):
    with http_server(offloaded) as server:
        server.fault(fault, "DROP PART", **more)
        out = program.run(*arguments(offloaded, *before(3 * A_HOUR), source=server.url), code=None)
        assert out.code == program.DONE, out
        assert out.json["rows"] == 3 * A_HOUR
        assert server_rows(server) == list(range(3 * A_HOUR, ROWS))


def test_a_drop_that_clickhouse_refuses(offloaded, cold, http_server):
    with http_server(offloaded) as server:
        server.fault("exception_first", "DROP PART '.*_[2-9]_[0-9]+_0'", code=359,
                     text="Code: 359. DB::Exception: Table or Partition was not dropped: too large. (TABLE_SIZE_EXCEEDS_MAX_DROP_SIZE_LIMIT)")
        told = retire(offloaded, *before(3 * A_HOUR), source=server.url, code=program.FAILED)
        assert "359" in told["error"]["message"] and "parts were dropped, and no more are" in told["error"]["message"]
        assert told["rows"] == ROWS - len(server_rows(server)) < 3 * A_HOUR


def test_the_lease_is_the_offloads(offloaded, cold, http_server):
    with http_server(offloaded) as server:
        server.fault("hold", "DROP PART")
        running = program.start(*arguments(offloaded, *before(A_HOUR), source=server.url))
        wait_for(server, running, "DROP PART")
        assert offload_trades(offloaded, ROWS, source=server.url)["skipped"]
        second = retire(offloaded, *before(A_HOUR), source=server.url)
        assert second["skipped"] and second["held_by"]["pid"] == running.pid
        server.clear()
        assert finish(running, program.DONE)["parts"] == 1


def test_killed_at_random_moments(any_cold, hot, duckdb):
    rows, hours, chance = 24 * A_HOUR, 24, random.Random(7)
    create_trades(hot, engine=HOURLY)
    insert_trades(hot, 0, rows)
    offload_trades(hot, rows)
    everything, started = list(range(rows)), time.monotonic()
    retire(hot, *before(A_HOUR))
    usual, kills = time.monotonic() - started, 0
    for hour in range(2, hours, 2):
        process = program.start(*arguments(hot, *before(hour * A_HOUR)))
        time.sleep(usual * chance.uniform(0.5, 1.1))
        process.kill()
        process.communicate()
        kills += process.returncode != program.DONE
        assert cold_rows(duckdb, any_cold) == everything
        left = hot_rows(hot)
        assert len(set(left)) == len(left) and left[-(rows - hour * A_HOUR):] == everything[hour * A_HOUR:]
        assert verify(hot)["equal"], f"killed at hour {hour}: what hot lacks is allowed"
    assert kills > 2
    retire(hot, *before(hours * A_HOUR))
    assert hot_rows(hot) == [] or hot_rows(hot)[0] >= (hours - 1) * A_HOUR
    assert cold_rows(duckdb, any_cold) == everything
    assert offload_trades(hot, rows)["rows"] == 0 and cold_rows(duckdb, any_cold) == everything


# --- engines that merge rows --------------------------------------------------------------------------------------------

BY_DAY = "ReplacingMergeTree(version) PARTITION BY toDate(ts) ORDER BY {key}"


def versions(hot, key, rows, version):
    hot.execute(f"INSERT INTO v SELECT toDateTime64('2024-08-09 00:00:00', 3, 'UTC') + number * 60, number, {version}, {version} * 10 FROM numbers({rows})")


def create_versions(hot, key="(sequence, ts)"):
    hot.execute(f"CREATE TABLE v (ts DateTime64(3, 'UTC'), sequence UInt64, version UInt64, price UInt64) ENGINE = {BY_DAY.format(key=key)}")


def test_an_old_version_in_another_part_keeps_the_new_one(hot, cold, http_server):
    create_versions(hot)
    with http_server(hot) as server:
        def insert(first, count, version):
            server.query("INSERT INTO v SELECT toDateTime64('2024-08-09 00:00:00', 3, 'UTC') + number * 60, number, "
                         f"{version}, {version} * 10 FROM numbers({first}, {count})")

        server.query("SYSTEM STOP MERGES v")
        insert(0, 100, 1)
        insert(50, 10, 2)
        insert(200, 100, 1)  # keys of its own
        hot.offload("v", "--until", "2024-08-10T12:00:00Z", source=server.url)
        told = retire(hot, "--before", "2024-08-10", table="v", source=server.url)
        assert told["rows"] == 100 and told["dropped"][0]["from"] == "2024-08-09T03:20:00.000000Z"
        assert reasons(told) == ["keys of its rows are in other parts as well"] and any("--optimize" in note for note in told["notes"])
        assert server.query("SELECT count(), sum(price) FROM v FINAL") == f"100\t{100 * 10 + 10 * 10}"
        server.query("SYSTEM START MERGES v")
        told = retire(hot, "--before", "2024-08-10", "--optimize", table="v", source=server.url)
        assert told["parts"] == 1 and told["rows"] == 100 and server.query("SELECT count() FROM v") == "0"


def test_a_key_in_two_partitions(hot, cold, duckdb):
    """The partition does not follow from the key: what merging never brings together, FINAL still does."""
    create_versions(hot, key="sequence")
    hot.execute("INSERT INTO v SELECT toDateTime64('2024-08-09 00:00:00', 3, 'UTC'), number, 1, 10 FROM numbers(20)",
                "INSERT INTO v SELECT toDateTime64('2024-08-11 00:00:00', 3, 'UTC'), number, 2, 20 FROM numbers(19, 2)")
    hot.offload("v", "--until", "2024-08-10T00:00:00Z", "--mode", "append")
    told = retire(hot, "--before", "2024-08-10", "--optimize", table="v")
    assert told["parts"] == 0 and reasons(told) == ["keys of its rows are in other parts as well"]
    hot.execute("DELETE FROM v WHERE ts > '2024-08-10' SETTINGS lightweight_deletes_sync = 2")
    assert hot.value("SELECT count() FROM v FINAL") == "20"
    told = retire(hot, "--before", "2024-08-10", table="v", code=None)
    # Row 19 was hidden by its newer version when it was offloaded: late, of an engine whose late rows are not looked for.
    assert told["exit_code"] == program.DIFFERENCE and told["parts"] == 0


def test_sums_and_states(hot, cold, http_server):
    hot.execute("CREATE TABLE s (ts DateTime64(3, 'UTC'), id UInt64, volume SimpleAggregateFunction(sum, UInt64)) "
                "ENGINE = AggregatingMergeTree PARTITION BY toDate(ts) ORDER BY (id, ts)")
    with http_server(hot) as server:
        server.query("SYSTEM STOP MERGES s")
        for _ in range(3):
            server.query("INSERT INTO s SELECT toDateTime64('2024-08-09 00:00:00', 3, 'UTC') + number * 60, number, 5 FROM numbers(100)")
        hot.offload("s", "--until", "2024-08-10T00:00:00Z", source=server.url)
        assert retire(hot, "--before", "2024-08-10", table="s", source=server.url)["parts"] == 0
        assert server.query("SELECT sum(volume), count() FROM s FINAL") == "1500\t100"
        server.query("SYSTEM START MERGES s")
        told = retire(hot, "--before", "2024-08-10", "--optimize", table="s", source=server.url)
        assert told["parts"] == 1 and server.query("SELECT count() FROM s") == "0"


# --- the view -----------------------------------------------------------------------------------------------------------


def test_a_view_with_an_old_split_is_not_left_short(offloaded, cold):
    program.run(*offloaded.arguments("trades", "--json", "--until", through(ROWS)), cwd=ABOVE_ALL)
    view(offloaded, "--create")
    expected = offloaded.value(COUNTS + " FROM trades_all")
    insert_trades(offloaded, ROWS, 400)
    expected = offloaded.value(COUNTS + " FROM trades")
    offload_trades(offloaded, ROWS + 400)
    told = retire(offloaded, *before(9 * A_HOUR), code=program.USAGE, cwd=ABOVE_ALL)
    assert "default.trades_all" in told["error"]["message"] and "--view" in told["error"]["remedy"]
    assert retire(offloaded, *before(9 * A_HOUR), "--view", "trades_all", cwd=ABOVE_ALL)["rows"] == 9 * A_HOUR
    assert offloaded.value(COUNTS + " FROM trades_all") == expected


def test_counting_through_it_while_windows_move_and_parts_go(cold, hot, http_server):
    create_trades(hot, engine=HOURLY)
    insert_trades(hot, 0, 16 * A_HOUR)
    offload_trades(hot, A_HOUR)
    hot.execute(ATOMIC)
    with http_server(hot, cwd="/") as server:
        view(hot, "--create", "--name", VIEW, source=server.url)
        whole = server.query(COUNTS + " FROM trades")
        with counting(server, whole):
            for hour in range(2, 17, 2):
                offload_trades(hot, hour * A_HOUR, "--view", VIEW, source=server.url)
                assert retire(hot, *before((hour - 1) * A_HOUR), source=server.url)["rows"] in (A_HOUR, 2 * A_HOUR)
        assert server.query("SELECT count() FROM trades") == str(A_HOUR)
