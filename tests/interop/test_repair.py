"""`calve verify --repair`: what is missing comes in, what changed is replaced, what is doubled goes; what only cold has
stays. And tables that others filled: what their job lost or doubled is shown, and mended."""

import datetime
import sqlite3
import time

import pyarrow as pa
import pytest

from . import program
from .test_existing_tables import pyiceberg_catalog
from .trades import START, create_trades, insert_trades, instant, offload_trades, text, through

ROWS = 2_000


def verify(hot, *more, code=program.DONE, table="trades", source=None):
    return program.run("verify", "--source", source or hot.url, "--source-table", table, "--target-table", f"cold.{table}",
                       "--timestamp-col", "ts", *hot.cold.arguments, "--progress", "never", "--json", *more, code=code).json


def repair(hot, *more, code=program.DONE, table="trades"):
    told = verify(hot, "--repair", *more, code=code, table=table)
    return told, told["repair"]


@pytest.fixture
def offloaded(hot, sql_cold):
    create_trades(hot)
    insert_trades(hot, 0, ROWS)
    offload_trades(hot, ROWS, "--partition-by", "days(ts)")
    return hot


def damage(cold, lost=(), doubled=(), changed=(), table="trades"):
    """As another engine's careless job would: rows gone, rows twice, rows with another price."""
    target = pyiceberg_catalog(cold).load_table(f"cold.{table}")
    rows = target.scan().to_arrow()
    touched = [n for n in rows.column("sequence").to_pylist() if n in {*lost, *changed}]
    extra = rows.filter(pa.compute.is_in(rows.column("sequence"), pa.array(list(doubled), pa.int64()))) if doubled else None
    wrong = rows.filter(pa.compute.is_in(rows.column("sequence"), pa.array(list(changed), pa.int64()))) if changed else None
    if touched:
        target.delete(f"sequence in ({', '.join(map(str, touched))})" if len(touched) > 1 else f"sequence == {touched[0]}")
    if extra is not None:
        target.append(extra)
    if wrong is not None:
        index = wrong.schema.get_field_index("price")
        prices = pa.array([price + 1 for price in wrong.column("price").to_pylist()], wrong.schema.field(index).type)
        target.append(wrong.set_column(index, wrong.schema.field(index), prices))


def sequences(duckdb, cold, table="trades"):
    return sorted(row["sequence"] for row in duckdb.query(f"SELECT sequence FROM {duckdb.source(cold.table(table))}").to_pylist())


def test_what_is_equal_is_left_alone(offloaded, sql_cold):
    before = len(sql_cold.table("trades").snapshots())
    told, repaired = repair(offloaded)
    assert told["equal"] and repaired["rows_added"] == repaired["rows_removed"] == 0 and repaired["snapshot_id"] is None
    assert len(sql_cold.table("trades").snapshots()) == before


@pytest.mark.parametrize("key", [[], ["--key", "sequence"]])
def test_missing_and_doubled_rows(offloaded, sql_cold, duckdb, four, key):
    lost, doubled = range(100, 160), [*range(900, 904), 1900]
    damage(sql_cold, lost=lost, doubled=doubled)
    assert verify(offloaded, *key, code=program.DIFFERENCE)["missing"] == 60
    told, repaired = repair(offloaded, *key)
    assert told["equal"] is True and told["missing"] == told["duplicates"] == 0
    # By key a doubled row is put anew, so that both copies go and one comes.
    assert (repaired["rows_added"], repaired["rows_removed"]) == ((65, 10) if key else (60, 5))
    assert repaired["before"] == {"missing": 60, "extra": 0, "changed": 0, "duplicates": 5}
    assert sequences(duckdb, sql_cold) == list(range(ROWS))
    table = sql_cold.table("trades")
    summary = table.snapshots()[-1]["summary"]
    assert summary["calve.kind"] == "repair" and summary["operation"] == "overwrite"
    assert summary["calve.window-to"] == through(ROWS), "the watermark stays"
    for reader in four:
        assert len(reader.rows(table, ["sequence", "price"])) == ROWS
    assert offload_trades(offloaded, ROWS)["rows"] == 0
    assert verify(offloaded)["equal"] is True


def test_changed_rows_by_key(offloaded, sql_cold, duckdb):
    damage(sql_cold, changed=range(500, 510))
    told, repaired = repair(offloaded, "--key", "sequence")
    assert told["equal"] is True
    assert (repaired["rows_added"], repaired["rows_removed"]) == (10, 10)
    assert verify(offloaded)["equal"] is True


def test_without_a_key_changed_rows_are_left_alone_and_told(offloaded, sql_cold, duckdb):
    damage(sql_cold, changed=range(500, 510))
    told, repaired = repair(offloaded, code=program.DIFFERENCE)
    assert repaired["rows_added"] == repaired["rows_removed"] == 0
    assert any("--key" in note for note in repaired["notes"])
    assert sequences(duckdb, sql_cold) == list(range(ROWS)), "nothing was doubled"


def test_a_key_that_is_none_removes_nothing(offloaded, sql_cold, duckdb):
    damage(sql_cold, lost=[700])
    told, repaired = repair(offloaded, "--key", "symbol", code=program.DIFFERENCE)
    assert repaired["rows_removed"] == 0 and any("does not tell its rows apart" in note for note in repaired["notes"])
    assert len(sequences(duckdb, sql_cold)) == ROWS - 1


def test_what_only_cold_has_stays(offloaded, sql_cold, duckdb):
    offloaded.execute("ALTER TABLE trades DELETE WHERE sequence < 50 OR sequence BETWEEN 1000 AND 1010 SETTINGS mutations_sync = 2")
    damage(sql_cold, lost=[1500])
    told, repaired = repair(offloaded, code=program.DIFFERENCE)
    assert repaired["rows_added"] == 1 and repaired["rows_removed"] == 0
    assert any("only cold has" in note for note in repaired["notes"])
    assert sequences(duckdb, sql_cold) == list(range(ROWS))


def test_a_range(offloaded, sql_cold, duckdb):
    damage(sql_cold, lost=[10, 1500])
    moment = instant(1500).replace(minute=0)
    told, repaired = repair(offloaded, "--from", text(moment), "--to", text(moment + datetime.timedelta(hours=1)))
    assert repaired["rows_added"] == 1
    assert sequences(duckdb, sql_cold) == [n for n in range(ROWS) if n != 10]


def test_cold_alone(offloaded, sql_cold, duckdb):
    damage(sql_cold, doubled=range(5))
    alone = ["verify", "--cold-only", "--target-table", "cold.trades", *sql_cold.arguments, "--json", "--repair"]
    assert "--key" in program.run(*alone, code=program.USAGE).json["error"]["message"]
    told = program.run(*alone, "--key", "sequence").json
    assert told["repair"]["rows_removed"] == 5 and told["equal"] is True
    assert sequences(duckdb, sql_cold) == list(range(ROWS))
    # Two rows of one key that differ: nothing tells which is right.
    damage(sql_cold, doubled=[7])
    damage(sql_cold, changed=[8])
    target = pyiceberg_catalog(sql_cold).load_table("cold.trades")
    target.append(target.scan("sequence == 9").to_arrow().set_column(3, target.schema().as_arrow().field(3), pa.array([1], pa.decimal128(18, 8))))
    told = program.run(*alone, "--key", "sequence", code=program.DIFFERENCE).json
    assert told["repair"]["rows_removed"] == 1 and told["duplicates"] == 1


def test_while_another_calve_works(offloaded, sql_cold, http_server):
    damage(sql_cold, lost=[3])
    insert_trades(offloaded, ROWS, 400)
    with http_server(offloaded) as server:
        server.fault("hang")
        first = program.start(*offloaded.arguments("trades", "--until", through(ROWS + 400), source=server.url))
        while not any("`price`" in str(query) for query in server.queries()):
            assert first.poll() is None
            time.sleep(0.02)
        outcome = program.run("verify", "--source", server.url, "--source-table", "trades", "--target-table", "cold.trades",
                              "--timestamp-col", "ts", *sql_cold.arguments, "--repair", code=program.FAILED)
        assert "another calve works on cold.trades" in outcome.err and str(first.pid) in outcome.err
        server.clear()
        first.kill()
        first.communicate()
        assert verify(offloaded, "--repair", source=server.url)["repair"]["rows_added"] == 1


# --- tables that the job which calve replaces has filled ------------------------------------------------------------------


WATERMARKS = """CREATE TABLE offload_watermarks (table_name TEXT PRIMARY KEY, last_offload_timestamp TIMESTAMPTZ NOT NULL,
last_offload_max_sequence BIGINT NOT NULL, last_offload_row_count BIGINT, status TEXT NOT NULL, last_successful_run TIMESTAMPTZ,
last_run_duration_seconds INTEGER, failure_count INTEGER, last_error_message TEXT, created_at TIMESTAMPTZ, updated_at TIMESTAMPTZ)"""


@pytest.fixture
def left_by_the_job(hot, cold, spark):
    """Filled by Spark, with the faults of its kind: a window loaded twice in part, late rows and rows at the watermark lost."""
    create_trades(hot)
    insert_trades(hot, 0, 800)
    table = cold.table("trades")
    spark.sql(table, f"CREATE TABLE {{t}} (ts TIMESTAMP, sequence BIGINT, symbol STRING, price DECIMAL(38, 8), side STRING) "
                     "USING iceberg PARTITIONED BY (days(ts)) TBLPROPERTIES ('write.parquet.compression-codec' = 'zstd')").collect()
    hour = "timestamp'2024-08-09 00:00:00+00:00' + make_interval(0, 0, 0, 0, 0, int(id / 4))"
    columns = f"SELECT {hour} AS ts, id AS sequence, element_at(array('BTCUSDT', 'ETHUSDT', 'ΩUSDT'), int(id % 3) + 1) AS symbol, " \
              "CAST(61837.63 + id AS DECIMAL(38, 8)) AS price, CASE WHEN id % 2 = 0 THEN 'buy' ELSE 'sell' END AS side FROM range(0, 800)"
    spark.sql(table, f"INSERT INTO {{t}} {columns} WHERE id NOT BETWEEN 300 AND 319 AND id < 798 ORDER BY ts").collect()
    spark.sql(table, f"INSERT INTO {{t}} {columns} WHERE id BETWEEN 400 AND 409 ORDER BY ts").collect()
    state = cold.arguments[cold.arguments.index("--state") + 1].removeprefix("sqlite:///")
    with sqlite3.connect(state) as journal:
        journal.execute(WATERMARKS)
        journal.execute("INSERT INTO offload_watermarks VALUES ('trades', ?, 797, 808, 'success', ?, 16, 0, NULL, ?, ?)",
                        [text(instant(799)), *[text(instant(799))] * 3])
    return hot


def test_a_job_s_table_is_checked_mended_and_taken_over(left_by_the_job, cold, duckdb, four):
    hot = left_by_the_job
    told = verify(hot, code=program.DIFFERENCE)
    assert told["watermark"] == through(800) and any("offload_watermarks" in note for note in told["notes"])
    assert (told["missing"], told["duplicates"], told["extra"]) == (22, 10, 0)
    assert len(cold.table("trades").snapshots()) == 2, "to look changes nothing"
    told, repaired = repair(hot)
    assert (repaired["rows_added"], repaired["rows_removed"]) == (22, 10) and told["equal"] is True
    table = cold.table("trades")
    assert sequences(duckdb, cold) == list(range(800))
    for reader in four:
        assert len(reader.rows(table, ["sequence"])) == 800
    # It is calve's now: the next window begins at the job's watermark.
    insert_trades(hot, 800, 40)
    result = offload_trades(hot, 840)
    assert result["rows"] == 40 and result["window"]["from"] == through(800)
    assert sequences(duckdb, cold) == list(range(840))
    assert verify(hot)["equal"] is True


def test_taken_over_first_and_mended_then(left_by_the_job, cold, duckdb):
    hot = left_by_the_job
    insert_trades(hot, 800, 40)
    assert offload_trades(hot, 840)["rows"] == 40
    told, repaired = repair(hot, "--key", "sequence")
    assert told["equal"] is True and repaired["before"]["missing"] == 22
    assert sequences(duckdb, cold) == list(range(840))


def test_no_row_of_a_job_and_no_watermark(hot, sql_cold):
    create_trades(hot)
    insert_trades(hot, 0, 40)
    pyiceberg_catalog(sql_cold).create_namespace("cold")
    pyiceberg_catalog(sql_cold).create_table("cold.trades", pa.schema([("ts", pa.timestamp("us", "UTC")), ("sequence", pa.int64())]))
    outcome = program.run("verify", "--source", hot.url, "--source-table", "trades", "--target-table", "cold.trades", "--timestamp-col", "ts",
                          *sql_cold.arguments, "--repair", "--to", text(START + datetime.timedelta(days=1)), code=None)
    assert outcome.code == program.USAGE and "--start-from" in outcome.err
