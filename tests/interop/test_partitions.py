"""Every partition transform: the rows are right, each file's partition value is what PyIceberg's own transform makes of its
rows, and filters leave files out in every engine."""

import pytest
import pyarrow.parquet

from . import canonical, program
from .readers import local_path

ROWS = 400


def fill(hot, table="p"):
    hot.execute(
        f"CREATE TABLE {table} (ts DateTime64(6, 'UTC'), id Int64, small Int32, name String, price Decimal(18, 8), day Date32, "
        "uid UUID, raw FixedString(3), maybe Nullable(String), ok Bool, maybe_ts Nullable(DateTime64(3, 'UTC'))) ENGINE = MergeTree ORDER BY id",
        # times on both sides of 1970, at and around the borders of hours, days, months and years
        f"INSERT INTO {table} SELECT toDateTime64('1969-12-30 22:59:59.999999', 6, 'UTC') + toIntervalMicrosecond(number * 1234567890123), number - 200, "
        "toInt32(number * 7 - 1400), ['', 'Ω', 'Ωμέγα-1', 'Ωμέγα-2', 'naïve', '氷山氷山', 'a/b=c d%'][number % 7 + 1], "
        "toDecimal64(toInt64(number) - 200, 8) / 7, toDate32('1969-12-01') + number, "
        "reinterpretAsUUID(sipHash128(number)), substring(hex(number), 1, 3), if(number % 5 = 0, NULL, toString(number % 3)), number % 2 = 0, "
        f"if(number % 4 = 0, NULL, toDateTime64('1969-12-31 12:00:00', 3, 'UTC') + number * 3600) FROM numbers({ROWS})")


# term of --partition-by, column, the transform's name in the spec, a filter that fits few rows, its form in PyIceberg (if different)
TERMS = [
    ("ok", "ok", "identity", "ok = true"),
    ("name", "name", "identity", "name = 'naïve'"),
    ("maybe", "maybe", "identity", "maybe = '1'"),
    ("day", "day", "identity", "day = '1969-12-25'"),
    ("years(ts)", "ts", "year", "ts < '1969-12-31T00:00:00+00:00'"),
    ("months(ts)", "ts", "month", "ts < '1969-12-31T00:00:00+00:00'"),
    ("days(ts)", "ts", "day", "ts < '1969-12-31T00:00:00+00:00'"),
    ("hours(ts)", "ts", "hour", "ts < '1969-12-31T00:00:00+00:00'"),
    ("days(maybe_ts)", "maybe_ts", "day", "maybe_ts < '1970-01-01T00:00:00+00:00'"),
    ("months(day)", "day", "month", "day = '1970-06-05'"),
    ("years(day)", "day", "year", "day = '1971-01-02'"),
    ("days(day)", "day", "day", "day = '1970-06-05'"),
    ("bucket(8, id)", "id", "bucket[8]", "id = -17"),
    ("bucket(8, small)", "small", "bucket[8]", "small = -1400"),
    ("bucket(8, name)", "name", "bucket[8]", "name = '氷山氷山'"),
    ("bucket(8, price)", "price", "bucket[8]", "price = -28.57142857"),
    ("bucket(8, day)", "day", "bucket[8]", "day = '1969-12-25'"),
    ("bucket(8, ts)", "ts", "bucket[8]", "ts = '1969-12-30T22:59:59.999999+00:00'"),
    ("bucket(8, uid)", "uid", "bucket[8]", None),
    ("bucket(8, raw)", "raw", "bucket[8]", None),
    ("truncate(50, id)", "id", "truncate[50]", "id = -17"),
    ("truncate(100, small)", "small", "truncate[100]", "small = -1400"),
    ("truncate(2, name)", "name", "truncate[2]", "name = 'naïve'"),
    ("truncate(1000000000, price)", "price", "truncate[1000000000]", "price = -28.57142857"),
]


def current_spec(metadata):
    return next(s for s in metadata["partition-specs"] if s["spec-id"] == metadata["default-spec-id"])


def from_own_transform(pyiceberg, table, spec_field):
    """{file: the partition values that PyIceberg's transform gives for the rows in it}, read from the Parquet file itself."""
    loaded = pyiceberg.load(table)
    source = loaded.schema().find_field(spec_field.source_id)
    transform = spec_field.transform.pyarrow_transform(source.field_type)
    found = {}
    for task in loaded.scan().plan_files():
        column = pyarrow.parquet.read_table(local_path(task.file.file_path), columns=[source.name]).column(source.name)
        found[task.file.file_path] = (task.file.partition[0], set(transform(column).to_pylist()))
    return found


def as_spec_value(value):
    import datetime
    if isinstance(value, datetime.datetime):
        return (value.replace(tzinfo=None) - canonical.EPOCH) // canonical.MICROSECOND
    if isinstance(value, datetime.date):
        return (value - canonical.EPOCH.date()).days
    return value


@pytest.mark.parametrize("term, column, transform, where", TERMS, ids=[t[0] for t in TERMS])
def test_transform(cold, hot, four, pyiceberg, duckdb, spark, term, column, transform, where):
    fill(hot)
    result = hot.offload("p", "--partition-by", term)
    table = cold.table("p")
    assert result["rows"] == ROWS
    spec = current_spec(table.metadata)
    assert [f["transform"] for f in spec["fields"]] == [transform] and spec["fields"][0]["field-id"] >= 1000

    columns, expected = hot.rows("SELECT * FROM p")
    for reader in four:
        canonical.assert_same_rows(expected, reader.rows(table, columns), columns, reader.name)

    by_file = from_own_transform(pyiceberg, table, pyiceberg.load(table).spec().fields[0])
    for path, (recorded, computed) in by_file.items():
        assert {as_spec_value(v) for v in computed} == {as_spec_value(recorded)}, path
    recorded = [repr(value) for value, _ in by_file.values()]
    assert len(recorded) == len(set(recorded)), "one partition's rows went to more than one file"
    assert len(by_file) > 1 and len(by_file) == result["files"]

    if where is None:
        return
    expected_rows = sorted(r for r in hot.rows(f"SELECT id FROM p WHERE {clickhouse_filter(where)}")[1])
    assert 0 < len(expected_rows) < ROWS
    for reader in four:
        condition = clickhouse_filter(where) if reader.name == "ClickHouse" else where
        assert sorted(reader.rows(table, ["id"], where=condition)) == expected_rows, reader.name
    assert pyiceberg.planned_files(table, where) < len(by_file), "PyIceberg plans every file"
    assert spark.planned_files(table, where) < len(by_file), "Spark plans every file"


@pytest.mark.parametrize("term", ["months(day)", "years(day)", "days(day)"])
def test_dates_before_1970_are_found(cold, hot, pyiceberg, spark, term):
    """Months, years and days round down, so that 1969 is -1. Engines that prune by it find the row. DuckDB 1.4.4 (months) and
    ClickHouse 26.5 (years, days) round dates before 1970 towards zero or wrap them when they prune, and miss it: not here."""
    fill(hot)
    hot.offload("p", "--partition-by", term)
    table = cold.table("p")
    where = "day = '1969-12-25'"
    expected = hot.rows(f"SELECT id FROM p WHERE {clickhouse_filter(where)}")[1]
    assert len(expected) == 1
    for reader in (pyiceberg, spark):
        assert sorted(reader.rows(table, ["id"], where=where)) == sorted(expected), reader.name


def clickhouse_filter(where):
    """Instants as ClickHouse reads them."""
    import re
    return re.sub(r"'(\d{4}-\d\d-\d\d)T([\d:.]+)\+00:00'", r"toDateTime64('\1 \2', 6, 'UTC')", where)


def test_void_partitions_like_no_partition(cold, hot, four):
    fill(hot)
    result = hot.offload("p", "--partition-by", "void(name)", "--partition-by", "bucket(2, id)")
    table = cold.table("p")
    assert [f["transform"] for f in current_spec(table.metadata)["fields"]] == ["void", "bucket[2]"]
    assert result["files"] == 2
    columns, expected = hot.rows("SELECT * FROM p")
    for reader in four:
        canonical.assert_same_rows(expected, reader.rows(table, columns), columns, reader.name)


def test_several_fields_as_the_platform_has_them(cold, hot, four, spark, duckdb):
    hot.execute("CREATE TABLE silver (timestamp DateTime64(6, 'UTC'), exchange LowCardinality(String), asset_class LowCardinality(String), qty Decimal(38, 8)) "
                "ENGINE = MergeTree ORDER BY timestamp",
                "INSERT INTO silver SELECT toDateTime64('2024-08-09 00:00:00', 6, 'UTC') + toIntervalHour(number), ['binance', 'kraken'][number % 2 + 1], "
                "['spot', 'futures', 'öl'][number % 3 + 1], number FROM numbers(72)")
    hot.offload("silver", "--partition-by", "days(timestamp)", "--partition-by", "exchange", "--partition-by", "asset_class", cursor="timestamp")
    table = cold.table("silver")
    assert len(table.data_files()) == 3 * 2 * 3
    columns, expected = hot.rows("SELECT * FROM silver")
    for reader in four:
        canonical.assert_same_rows(expected, reader.rows(table, columns), columns, reader.name)
    where = "timestamp >= '2024-08-10T00:00:00+00:00' AND timestamp < '2024-08-11T00:00:00+00:00' AND exchange = 'kraken' AND asset_class = 'öl'"
    assert spark.planned_files(table, where) == 1
    assert duckdb.planned_files(table, where) == 1
    partitions = {(str(r[0][0]), r[0][1], r[0][2]): r[1] for r in
                  spark.sql(table, "SELECT partition, record_count FROM {t}.partitions").collect()}
    assert len(partitions) == 18 and set(partitions.values()) == {4}


def test_many_partitions_in_arrival_order_stay_bounded(cold, hot, duckdb):
    """Rows of 300 partitions interleaved: as many files as partitions, not one for each change."""
    hot.execute("CREATE TABLE wide (ts DateTime64(3, 'UTC'), k UInt16, v String) ENGINE = MergeTree ORDER BY ts",
                "INSERT INTO wide SELECT toDateTime64('2024-08-09 00:00:00', 3, 'UTC') + number / 1000, number % 300, toString(number) FROM numbers(300000)")
    result = hot.offload("wide", "--partition-by", "k")
    assert result["files"] == 300
    got = duckdb.query(f"SELECT count(*), count(DISTINCT v), sum(k) FROM {duckdb.source(cold.table('wide'))}").to_pylist()[0]
    assert list(got.values()) == [300000, 300000, sum(i % 300 for i in range(300000))]


# --- statistics ---------------------------------------------------------------------------------------------------------

def test_files_carry_their_statistics(cold, hot, pyiceberg, spark):
    hot.execute("CREATE TABLE stats (ts DateTime64(3, 'UTC'), n Nullable(Int32), f Float64, s String, d Decimal(38, 8), a Array(Int32)) ENGINE = MergeTree ORDER BY ts",
                "INSERT INTO stats SELECT toDateTime64('2024-08-09 00:00:00', 3, 'UTC') + number, if(number % 4 = 0, NULL, number), "
                "[nan, -0.0, 1.5, -inf][number % 4 + 1], concat('prefix that is longer than sixteen characters ', toString(number)), number - 50, [number, 1] FROM numbers(100)")
    hot.offload("stats")
    table = cold.table("stats")
    ids = {f["name"]: f["id"] for f in table.metadata["schemas"][0]["fields"]}
    row = spark.sql(table, "SELECT value_counts, null_value_counts, nan_value_counts, lower_bounds, upper_bounds, column_sizes, split_offsets, "
                           "record_count, file_size_in_bytes, file_path FROM {t}.files").collect()[0]
    values, nulls, nans, lower, upper, sizes, splits, count, size, path = row
    assert count == 100 and size == local_path(path).stat().st_size
    assert {values[ids[c]] for c in ("ts", "n", "f", "s", "d")} == {100}
    assert nulls[ids["n"]] == 25 and nulls[ids["s"]] == 0
    assert nans[ids["f"]] == 25
    assert all(sizes[ids[c]] > 0 for c in ("ts", "n", "f", "s", "d"))
    metadata = pyarrow.parquet.ParquetFile(local_path(path)).metadata
    assert list(splits) == [metadata.row_group(i).column(0).dictionary_page_offset or metadata.row_group(i).column(0).data_page_offset
                            for i in range(metadata.num_row_groups)]
    readable = spark.sql(table, "SELECT readable_metrics FROM {t}.files").collect()[0][0].asDict()
    assert (readable["n"]["lower_bound"], readable["n"]["upper_bound"]) == (1, 99)
    assert (readable["d"]["lower_bound"], readable["d"]["upper_bound"]) == (-50, 49)
    assert readable["f"]["lower_bound"] == float("-inf") and readable["f"]["upper_bound"] == 1.5
    low, high = readable["s"]["lower_bound"], readable["s"]["upper_bound"]
    assert len(low) <= 16 and len(high) <= 16 and low <= "prefix that is l" < high, "bounds of text are truncated to 16, the upper rounded up"


def test_statistics_skip_files_without_partitions(cold, hot, pyiceberg, spark, duckdb):
    """Two windows in two files: bounds alone tell them apart."""
    hot.execute("CREATE TABLE two (ts DateTime64(3, 'UTC'), v Int64) ENGINE = MergeTree ORDER BY ts",
                "INSERT INTO two SELECT toDateTime64('2024-08-09 00:00:00', 3, 'UTC') + number, number FROM numbers(1000)")
    hot.offload("two", "--until", "2024-08-09T00:08:19.999Z")
    hot.offload("two")
    table = cold.table("two")
    assert len(table.data_files()) == 2
    for where in ("v = 3", "ts > '2024-08-09T00:16:00+00:00'"):
        assert pyiceberg.planned_files(table, where) == 1
        assert spark.planned_files(table, where) == 1
        assert duckdb.planned_files(table, where) == 1


def test_parquet_is_as_promised(cold, hot):
    """zstd, field ids on every field, micros in UTC, decimals in the narrowest form, no encoding that Iceberg 1.5's Spark lacks."""
    hot.execute("CREATE TABLE q (ts DateTime64(3, 'UTC'), d9 Decimal(9, 2), d18 Decimal(18, 8), d38 Decimal(38, 8), s String, lc LowCardinality(String), "
                "a Array(Tuple(x Int32, y Map(String, Int64))), u UUID) ENGINE = MergeTree ORDER BY ts",
                "INSERT INTO q SELECT toDateTime64('2024-08-09 00:00:00', 3, 'UTC') + number, number, number, number, toString(number), toString(number % 3), "
                "[(number, map('k', number))], generateUUIDv4() FROM numbers(50000)")
    hot.offload("q")
    (path,) = cold.table("q").data_files()
    file = pyarrow.parquet.ParquetFile(path)
    text = str(file.schema)
    assert text.count("field_id=-1") == text.count("repeated group") + text.count("schema "), text
    kinds = {file.schema.column(i).path: file.schema.column(i) for i in range(len(file.schema))}
    assert [kinds[c].physical_type for c in ("d9", "d18", "d38")] == ["INT32", "INT64", "FIXED_LEN_BYTE_ARRAY"]
    assert kinds["d38"].length == 16
    assert "isAdjustedToUTC=true" in str(kinds["ts"].logical_type) and "microseconds" in str(kinds["ts"].logical_type)
    assert kinds["u"].length == 16 and "UUID" in str(kinds["u"].logical_type).upper()
    for group in range(file.metadata.num_row_groups):
        for i in range(file.metadata.num_columns):
            column = file.metadata.row_group(group).column(i)
            assert column.compression == "ZSTD"
            assert not [e for e in column.encodings if "DELTA" in e or "SPLIT" in e], column.path_in_schema


def test_sort_order(cold, hot, spark):
    fill(hot)
    hot.offload("p", "--sort-by", "name,price desc")
    metadata = cold.table("p").metadata
    order = next(o for o in metadata["sort-orders"] if o["order-id"] == metadata["default-sort-order-id"])
    assert [(f["transform"], f["direction"]) for f in order["fields"]] == [("identity", "asc"), ("identity", "desc")]
    (path,) = cold.table("p").data_files()
    rows = pyarrow.parquet.read_table(path, columns=["name", "price"]).to_pylist()
    assert rows == sorted(rows, key=lambda r: (r["name"].encode(), -r["price"]))
    assert {r[0] for r in spark.sql(cold.table("p"), "SELECT sort_order_id FROM {t}.files").collect()} == {order["order-id"]}


@pytest.mark.parametrize("term, words", [("days(nope)", ["nope"]), ("decades(ts)", ["decades", "day"]), ("bucket(0, id)", ["bucket"]),
                                         ("days(name)", ["name"]), ("hours(day)", ["day"]), ("bucket(4, ok)", ["ok"])])
def test_a_partition_term_that_does_not_fit_is_refused(cold, hot, term, words):
    fill(hot)
    outcome = hot.offload("p", "--partition-by", term, code=program.USAGE)
    assert all(word in outcome.err for word in words), outcome
    assert not cold.table("p").exists()
