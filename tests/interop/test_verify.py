"""`calve verify`: equal tables are equal whatever their types; whatever is done to the cold files is found and named."""

import datetime
import shutil
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import trades_database

from conftest import Cold, Hot

from . import program, test_types
from .test_existing_tables import pyiceberg_catalog
from .trades import START, create_trades, insert_trades, instant, offload_trades, text, through

ROWS = 4_000  # sixteen hours and forty minutes


def verify(hot, table, *more, code=program.DONE, cursor="ts", source=None):
    outcome = program.run("verify", "--source", source or hot.url, "--source-table", table, "--target-table", f"cold.{table}",
                          "--timestamp-col", cursor, *hot.cold.arguments, "--progress", "never", "--json", *more, code=code)
    return outcome.json


def verify_cold(hot, table, *more, code=program.DONE):
    return program.run("verify", "--cold-only", "--target-table", f"cold.{table}", *hot.cold.arguments, "--progress", "never",
                       "--json", *more, code=code).json


@pytest.fixture
def offloaded(hot, sql_cold):
    create_trades(hot)
    insert_trades(hot, 0, ROWS)
    offload_trades(hot, ROWS, "--partition-by", "days(ts)")
    return hot


def counts(told):
    return {kind: told[kind] for kind in ("missing", "extra", "extra_allowed", "changed", "duplicates", "defaulted")}


def only(**expected):
    return {**dict.fromkeys(("missing", "extra", "extra_allowed", "changed", "duplicates", "defaulted"), 0), **expected}


def rewrite(table, change):
    """Puts changed rows into a data file, in place: as many as before, with the schema and field ids it had."""
    [path] = table.data_files()
    was = pq.read_table(path)
    rows = was.to_pylist()
    rows.sort(key=lambda row: row["sequence"])
    change(rows)
    pq.write_table(pa.Table.from_pylist(rows, schema=was.schema), path)


def bucket_of(row):
    return text(instant(row).replace(minute=0))


# --- equal --------------------------------------------------------------------------------------------------------------


def test_equal(offloaded):
    told = verify(offloaded, "trades")
    assert told["equal"] and counts(told) == only() and told["differences"] == []
    assert told["rows"] == {"hot": ROWS, "cold": ROWS} and told["buckets"] == {"compared": 17, "different": 0}
    assert told["watermark"] == told["range"]["up_to"] == through(ROWS)
    assert verify(offloaded, "trades", "--bucket", "day")["buckets"]["compared"] == 1
    assert "verdict    equal" in program.run(
        "verify", "--source", offloaded.url, "--source-table", "trades", "--target-table", "cold.trades", "--timestamp-col", "ts",
        *offloaded.cold.arguments).out


def test_rows_beyond_the_watermark_are_not_compared(offloaded):
    insert_trades(offloaded, ROWS, 400)
    assert verify(offloaded, "trades")["rows"]["hot"] == ROWS
    told = verify(offloaded, "trades", "--from", "2024-08-09T02:00:00Z", "--to", "2024-08-09T03:30:00Z")
    assert told["rows"] == {"hot": 90 * 4, "cold": 90 * 4} and told["buckets"]["compared"] == 2
    far = verify(offloaded, "trades", "--to", "2030-01-01")
    assert far["range"]["up_to"] == through(ROWS) and far["notes"]


def test_over_http(offloaded, http_server):
    with http_server(offloaded) as server:
        assert verify(offloaded, "trades", source=server.url)["equal"]


@pytest.mark.parametrize("options", [(), ("--key", "row")], ids=["whole rows", "by key"])
def test_every_type(cold, hot, options):
    columns = ", ".join(f"`{case.name}` {case.type}" for case in test_types.CASES)
    hot.execute("SET flatten_nested = 0, allow_experimental_bfloat16_type = 1",
                f"CREATE TABLE every (row UInt32, ts DateTime64(3, 'UTC'), {columns}) ENGINE = MergeTree ORDER BY row",
                test_types.insert("every", test_types.CASES))
    types = [option for case in test_types.CASES for option in case.options]
    hot.offload("every", *types)
    told = verify(hot, "every", *types, *options)
    assert told["equal"] and counts(told) == only() and told["rows"]["cold"] == test_types.ROWS
    assert len(told["columns"]) == len(test_types.CASES) + 2
    # Every value counts: the rows of another hour are not these.
    hot.execute("ALTER TABLE every UPDATE a_f = [-0.0] WHERE row = 1 SETTINGS mutations_sync = 1")
    told = verify(hot, "every", *types, *options, code=program.DIFFERENCE)
    assert told["differences"][0]["columns"] == ["a_f"]
    shown = program.run("verify", "--source", hot.url, "--source-table", "every", "--target-table", "cold.every", "--timestamp-col", "ts",
                        *cold.arguments, *types, *options, "--rows", "3", code=program.DIFFERENCE).out
    assert all(line.isprintable() for line in shown.splitlines()) and "a_f" in shown


def test_merged_engines_are_read_merged_and_compared_by_their_key(hot, sql_cold):
    create_trades(hot, engine="ReplacingMergeTree ORDER BY (symbol, sequence)")
    insert_trades(hot, 0, 400)
    insert_trades(hot, 0, 400)
    offload_trades(hot, 400)
    told = verify(hot, "trades")
    assert told["equal"] and told["rows"] == {"hot": 400, "cold": 400} and told["key"] == ["symbol", "sequence"]
    hot.execute("INSERT INTO trades SELECT ts, sequence, symbol, price + 1, side FROM trades FINAL WHERE sequence = 7")
    told = verify(hot, "trades", "--rows", "2", code=program.DIFFERENCE)
    assert counts(told) == only(changed=1) and told["differences"][0]["columns"] == ["price"]


# --- tampered with ------------------------------------------------------------------------------------------------------

AT, OTHER = 1_234, 1_237


def flip(rows):
    rows[AT]["price"] += 1


def swap(rows):
    rows[AT]["price"], rows[OTHER]["price"] = rows[OTHER]["price"], rows[AT]["price"]


def replace(rows):
    rows[AT] = dict(rows[OTHER])


@pytest.mark.parametrize("change, by_key, whole, columns", [
    (flip, only(changed=1), only(missing=1, extra=1), ["price"]),
    (swap, only(changed=2), only(missing=2, extra=2), ["price"]),
    (replace, only(missing=1, duplicates=1), only(missing=1, duplicates=1), []),
], ids=["a value", "two rows' values", "one row lost, one doubled"])
def test_tampering_is_found_and_named(offloaded, sql_cold, change, by_key, whole, columns):
    rewrite(sql_cold.table("trades"), change)
    told = verify(offloaded, "trades", "--key", "sequence,ts", "--rows", "3", code=program.DIFFERENCE)
    assert not told["equal"] and counts(told) == by_key and told["buckets"]["different"] == 1
    [bucket] = told["differences"]
    assert bucket["bucket"] == bucket_of(AT) and bucket["different"] and bucket["rows"]["hot"] == 240
    if columns:
        assert bucket["columns"] == columns
        example = bucket["examples"][0]
        assert example["kind"] == "changed" and example["row"]["sequence"] == str(AT) and list(example["differs"]) == ["price"]
        assert example["differs"]["price"]["hot"].startswith(str(61837 + AT)) and example["differs"]["price"]["hot"] != example["differs"]["price"]["cold"]
    else:
        assert {e["kind"]: e["row"]["sequence"] for e in bucket["examples"]} == {"missing": str(AT), "duplicate": str(OTHER)}
    told = verify(offloaded, "trades", "--rows", "2", code=program.DIFFERENCE)
    assert counts(told) == whole and told["differences"][0]["bucket"] == bucket_of(AT)
    for example in told["differences"][0]["examples"]:
        assert list(example["row"]) == ["ts", "sequence", "symbol", "price", "side"]
        assert example["row"]["symbol"] in ("BTCUSDT", "ETHUSDT", "ΩUSDT") and example["row"]["side"] in ("buy", "sell")
    assert verify(offloaded, "trades", "--to", bucket_of(AT))["equal"], "the buckets before are as they were"


def test_little_memory_finds_the_same_in_several_passes(offloaded, sql_cold):
    def change(rows):
        for row in rows[::7]:
            row["side"] = "neither"

    rewrite(sql_cold.table("trades"), change)
    expected = only(changed=(ROWS + 6) // 7)
    for memory in ("512MiB", "1"):  # a thousand rows are the least
        told = verify(offloaded, "trades", "--key", "sequence", "--bucket", "day", "--memory", memory, code=program.DIFFERENCE)
        assert counts(told) == expected and told["differences"][0]["columns"] == ["side"]


def test_a_file_that_lost_a_row_is_corrupt(offloaded, sql_cold):
    [path] = sql_cold.table("trades").data_files()
    rewrite(sql_cold.table("trades"), lambda rows: rows.pop())
    told = verify(offloaded, "trades", code=program.FAILED)
    assert path.name in told["error"]["message"]


def test_late_rows_are_missing(offloaded):
    insert_trades(offloaded, 8, 4)
    told = verify(offloaded, "trades", code=program.DIFFERENCE)
    assert counts(told) == only(missing=4) and told["differences"][0]["bucket"] == bucket_of(8)


def test_another_engines_delete_and_append(offloaded, sql_cold):
    table = pyiceberg_catalog(sql_cold).load_table("cold.trades")
    doubled = table.scan(row_filter="sequence < 2").to_arrow()
    table.delete("sequence == 3000")
    table.append(doubled)
    told = verify(offloaded, "trades", "--key", "sequence", code=program.DIFFERENCE)
    assert counts(told) == only(missing=1, duplicates=2)
    assert [b["bucket"] for b in told["differences"]] == [bucket_of(0), bucket_of(3000)]


# --- what hot has let go ------------------------------------------------------------------------------------------------


def test_rows_gone_from_hot(offloaded):
    offloaded.execute("ALTER TABLE trades DELETE WHERE ts < toDateTime64('2024-08-09 02:00:00', 3, 'UTC') SETTINGS mutations_sync = 1")
    told = verify(offloaded, "trades")
    assert told["equal"] and counts(told) == only(extra_allowed=480)
    assert [b["different"] for b in told["differences"]] == [False, False]
    verify(offloaded, "trades", "--strict", code=program.DIFFERENCE)
    # Part of a bucket, and hot has no TTL: nobody knows why.
    offloaded.execute("ALTER TABLE trades DELETE WHERE sequence = 600 SETTINGS mutations_sync = 1")
    told = verify(offloaded, "trades", code=program.DIFFERENCE)
    assert counts(told) == only(extra_allowed=480, extra=1)
    offloaded.execute("ALTER TABLE trades MODIFY TTL toDateTime(ts) + INTERVAL 100 YEAR SETTINGS materialize_ttl_after_modify = 0")
    assert counts(verify(offloaded, "trades")) == only(extra_allowed=481)


def test_columns_that_came_later(offloaded):
    offloaded.execute("ALTER TABLE trades ADD COLUMN fee Decimal64(8) DEFAULT 1.5, ADD COLUMN venue Nullable(String)",
                      f"INSERT INTO trades SELECT ts + toIntervalDay(1), sequence + {ROWS}, symbol, price, side, 0.1, 'x' FROM trades WHERE sequence < 40")
    told = verify(offloaded, "trades")
    assert sorted(told["columns_not_compared"]) == ["fee", "venue"] and told["equal"]
    offloaded.offload("trades", "--until", "2024-08-11T00:00:00Z")
    told = verify(offloaded, "trades")
    assert told["equal"] and counts(told) == only(defaulted=ROWS) and "fee" in told["columns"]
    assert told["differences"][0]["columns"] == ["fee"]
    verify(offloaded, "trades", "--strict", code=program.DIFFERENCE)
    # In rows that have the column, it counts.
    offloaded.execute("ALTER TABLE trades UPDATE fee = 0.2 WHERE sequence = 4001 SETTINGS mutations_sync = 1")
    told = verify(offloaded, "trades", "--key", "sequence", code=program.DIFFERENCE)
    assert counts(told) == only(defaulted=ROWS, changed=1)


def test_widened_and_dropped_columns(hot, sql_cold):
    hot.execute("CREATE TABLE w (ts DateTime64(3, 'UTC'), a Int32, b Float32, c String) ENGINE = MergeTree ORDER BY ts",
                f"INSERT INTO w SELECT {test_types.EVENT_TIME}, number, number / 3, 'c' FROM numbers(10)")
    hot.offload("w", "--until", "2024-08-09T12:00:09Z")
    hot.execute("ALTER TABLE w MODIFY COLUMN a Int64, MODIFY COLUMN b Float64, DROP COLUMN c SETTINGS mutations_sync = 1",
                f"INSERT INTO w SELECT {test_types.EVENT_TIME} + 60, number, number / 3 FROM numbers(10)")
    hot.offload("w", "--until", "2024-08-09T12:10:00Z")
    told = verify(hot, "w")
    assert told["equal"] and told["rows"]["cold"] == 20 and told["columns_not_compared"] == ["c"]


def test_rows_without_a_cursor_are_counted(hot, sql_cold):
    hot.execute("CREATE TABLE n (ts Nullable(DateTime64(3, 'UTC')), a Int32) ENGINE = MergeTree ORDER BY a",
                f"INSERT INTO n SELECT if(number % 4 = 0, NULL, {test_types.EVENT_TIME}), number FROM numbers(20)")
    hot.offload("n")
    told = verify(hot, "n")
    assert told["equal"] and told["rows_null_cursor"] == 5 and told["rows"] == {"hot": 15, "cold": 15}


# --- samples, cold alone, usage -----------------------------------------------------------------------------------------


def test_a_sample(offloaded):
    one = verify(offloaded, "trades", "--sample", "30%", "--seed", "1")
    assert 0 < one["buckets"]["compared"] < 17 and one["rows"]["hot"] == one["rows"]["cold"] > 0 and one["equal"]
    again = verify(offloaded, "trades", "--sample", "30%", "--seed", "1")
    assert again["rows"] == one["rows"]
    taken = {verify(offloaded, "trades", "--sample", "30%", "--seed", str(seed))["range"]["from"] for seed in range(2, 8)}
    assert len(taken) > 1


@pytest.mark.parametrize("memory", ["512MiB", "1"])
def test_cold_only(offloaded, sql_cold, memory):
    assert verify_cold(offloaded, "trades", "--key", "sequence", "--memory", memory)["equal"]
    table = pyiceberg_catalog(sql_cold).load_table("cold.trades")
    table.append(table.scan().to_arrow().slice(0, 100))
    for key in (["--key", "sequence"], []):
        told = verify_cold(offloaded, "trades", *key, "--memory", memory, code=program.DIFFERENCE)
        assert counts(told) == only(duplicates=100) and told["rows"]["cold"] == ROWS + 100
    told = verify_cold(offloaded, "trades", "--key", "sequence", "--timestamp-col", "ts", "--rows", "1", "--memory", memory, code=program.DIFFERENCE)
    assert sum(b["duplicates"] for b in told["differences"]) == 100 and told["differences"][0]["examples"][0]["row"]["sequence"]


def test_usage(hot, sql_cold):
    create_trades(hot)
    insert_trades(hot, 0, 40)
    assert "no table" in verify(hot, "trades", code=program.USAGE)["error"]["message"]
    offload_trades(hot, 40)
    assert "--key" in verify(hot, "trades", "--key", "nonsense", code=program.USAGE)["error"]["message"]
    assert "side" in verify(hot, "trades", cursor="side", code=program.USAGE)["error"]["message"]
    verify(hot, "trades", "--sample", "0%", code=program.USAGE)
    verify(hot, "trades", "--from", "2024-08-10", "--to", "2024-08-09", code=program.USAGE)
    assert verify(hot, "trades", "--from", "2030-01-01")["notes"]
    assert program.run("verify", "--target-table", "cold.trades", *sql_cold.arguments, code=program.USAGE).err.count("--source is missing") == 1
    assert "calve verify" in program.run("verify", "--help").out


def test_a_table_without_a_watermark(hot, sql_cold):
    create_trades(hot)
    insert_trades(hot, 0, 40)
    pyiceberg_catalog(sql_cold).create_namespace("cold")
    schema = pa.schema([("ts", pa.timestamp("us", "UTC")), ("sequence", pa.int64()), ("symbol", pa.string()),
                        ("price", pa.decimal128(18, 8)), ("side", pa.string())])
    pyiceberg_catalog(sql_cold).create_table("cold.trades", schema)
    assert "watermark" in verify(hot, "trades", code=program.USAGE)["error"]["message"]
    end = text(START + datetime.timedelta(hours=1))
    assert counts(verify(hot, "trades", "--to", end, code=program.DIFFERENCE)) == only(missing=40)


# --- a day of production -------------------------------------------------------------------------------------------------

LARGE_ROWS = trades_database.COPIES * trades_database.SAMPLE_ROWS


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    folder = tmp_path_factory.mktemp("large")
    hot = Hot(folder / "hot", Cold(folder, "sql"))
    subprocess.run([sys.executable, trades_database.__file__, "--data", str(hot.directory), "--lib", str(program.LIBRARY)], check=True)
    hot.offload("bronze_trades", "--until", "2024-08-12T00:00:00Z", cursor="exchange_timestamp")
    return hot


@pytest.fixture
def large_copy(large, tmp_path):
    """What a test may damage: data files and catalog are put back after it."""
    kept = tmp_path / "kept"
    shutil.copytree(large.cold.warehouse, kept)
    shutil.copy(large.cold.database, tmp_path / "catalog.db")
    yield large
    shutil.rmtree(large.cold.warehouse)
    shutil.move(kept, large.cold.warehouse)
    shutil.copy(tmp_path / "catalog.db", large.cold.database)


def change_rows(hot, place, change):
    """Changes the row at `place`, and the one a hundred rows on, in the largest data file; returns the first as it was."""
    path = max(hot.cold.table("bronze_trades").data_files(), key=lambda p: p.stat().st_size)
    table = pq.read_table(path)
    first, second = table.slice(place, 1).to_pylist()[0], table.slice(place + 100, 1).to_pylist()[0]
    was = dict(first)
    change(first, second)
    one = [pa.Table.from_pylist([row], schema=table.schema) for row in (first, second)]
    pq.write_table(pa.concat_tables([table.slice(0, place), one[0], table.slice(place + 1, 99), one[1], table.slice(place + 101)]), path)
    return was


def flip_a_bit(first, second):
    unscaled = int(first["price"].scaleb(8)) ^ 1
    first["price"] = type(first["price"])(unscaled).scaleb(-8)


def swap_values(first, second):
    assert first["price"] != second["price"]
    first["price"], second["price"] = second["price"], first["price"]


@pytest.mark.slow
@pytest.mark.parametrize("change, changed", [(flip_a_bit, 1), (swap_values, 2)], ids=["a bit", "two rows' values"])
def test_one_of_millions(large_copy, change, changed):
    was = change_rows(large_copy, 1_234_567, change)
    told = verify(large_copy, "bronze_trades", "--key", "sequence_number", "--rows", "2", cursor="exchange_timestamp", code=program.DIFFERENCE)
    assert counts(told) == only(changed=changed) and told["rows"] == {"hot": LARGE_ROWS, "cold": LARGE_ROWS}
    [bucket] = told["differences"]
    assert bucket["columns"] == ["price"] and bucket["bucket"] == text(was["exchange_timestamp"].replace(minute=0, second=0, microsecond=0))
    assert str(was["sequence_number"]) in [e["row"]["sequence_number"] for e in bucket["examples"]]
    whole = verify(large_copy, "bronze_trades", cursor="exchange_timestamp", code=program.DIFFERENCE)
    assert counts(whole) == only(missing=changed, extra=changed)


@pytest.mark.slow
def test_a_lost_and_a_doubled_row_of_millions(large_copy):
    table = pyiceberg_catalog(large_copy.cold).load_table("cold.bronze_trades")
    lost = table.scan(limit=1).to_arrow().to_pylist()[0]
    twin = table.scan(row_filter=f"sequence_number == {lost['sequence_number'] + 99}").to_arrow()
    table.append(twin)
    told = verify(large_copy, "bronze_trades", cursor="exchange_timestamp", code=program.DIFFERENCE)
    assert counts(told) == only(duplicates=1)
    table.delete(f"sequence_number == {lost['sequence_number']}")
    told = verify(large_copy, "bronze_trades", "--key", "sequence_number", "--rows", "1", cursor="exchange_timestamp", code=program.DIFFERENCE)
    assert counts(told) == only(missing=1, duplicates=1)
    examples = {e["kind"]: int(e["row"]["sequence_number"]) for b in told["differences"] for e in b["examples"]}
    assert examples == {"missing": lost["sequence_number"], "duplicate": lost["sequence_number"] + 99}
    assert verify(large_copy, "bronze_trades", cursor="exchange_timestamp", code=program.DIFFERENCE)["missing"] == 1
