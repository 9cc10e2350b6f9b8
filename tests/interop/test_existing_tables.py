"""Tables that others made: calve matches their columns by name, keeps their types, and takes turns with their writers."""

import pyarrow as pa
import pytest

from . import canonical, program
from .trades import COLUMN_NAMES, create_trades, insert_trades, offload_trades, through


def pyiceberg_catalog(cold):
    from pyiceberg.catalog.sql import SqlCatalog

    uri = cold.database.sqlalchemy if cold.kind == "postgres" else f"sqlite:///{cold.database}"
    return SqlCatalog("calve", uri=uri, warehouse=f"file://{cold.warehouse}")


def as_trades(frame_rows):
    return pa.table({
        "price": pa.array([r[3] for r in frame_rows], pa.decimal128(38, 8)), "symbol": pa.array([r[2] for r in frame_rows]),
        "ts": pa.array([r[0] for r in frame_rows], pa.timestamp("us", "UTC")), "side": pa.array([r[4] for r in frame_rows]),
        "sequence": pa.array([r[1] for r in frame_rows], pa.int64())})


def create_with_pyiceberg(cold):
    """Another column order, wider decimals, long for UInt64, string for Enum, partitioned by day."""
    from pyiceberg.partitioning import PartitionField, PartitionSpec
    from pyiceberg.schema import Schema
    from pyiceberg.transforms import DayTransform
    from pyiceberg.types import DecimalType, LongType, NestedField, StringType, TimestamptzType

    catalog = pyiceberg_catalog(cold)
    catalog.create_namespace("cold")
    schema = Schema(NestedField(1, "price", DecimalType(38, 8)), NestedField(2, "symbol", StringType()), NestedField(3, "ts", TimestamptzType()),
                    NestedField(4, "side", StringType()), NestedField(5, "sequence", LongType()))
    return catalog.create_table("cold.trades", schema, partition_spec=PartitionSpec(PartitionField(3, 1000, DayTransform(), "ts_day")))


SPARK_TABLE = ("CREATE TABLE {t} (side STRING, price DECIMAL(38, 8), ts TIMESTAMP, symbol STRING, sequence BIGINT) USING iceberg "
               "PARTITIONED BY (days(ts)) TBLPROPERTIES ('write.parquet.compression-codec' = 'zstd', 'format-version' = '2')")


def spark_appends(spark, table, first, count):
    spark.sql(table, f"INSERT INTO {{t}} (side, price, ts, symbol, sequence) SELECT 'spark', CAST(id AS DECIMAL(38, 8)), TIMESTAMP '2020-01-01 00:00:00Z', 'S', -id "
                     f"FROM range({first}, {first + count})").collect()


def same_as_hot(cold, hot, readers, extra=()):
    columns, expected = hot.rows("SELECT * FROM trades")
    for reader in readers:
        canonical.assert_same_rows([*expected, *extra], reader.rows(cold.table("trades"), columns), columns, reader.name)


def test_pyicebergs_table(sql_cold, hot, four, pyiceberg):
    create_with_pyiceberg(sql_cold)
    create_trades(hot)
    insert_trades(hot, 0, 400)
    assert offload_trades(hot, 200)["rows"] == 200
    assert offload_trades(hot, 400)["rows"] == 200
    metadata = sql_cold.table("trades").metadata
    fields = metadata["schemas"][-1]["fields"]
    assert [(f["name"], f["id"]) for f in fields] == [("price", 1), ("symbol", 2), ("ts", 3), ("side", 4), ("sequence", 5)]
    assert len(metadata["schemas"]) == 1, "nothing had to change"
    assert [f["type"].replace(" ", "") for f in fields] == ["decimal(38,8)", "string", "timestamptz", "string", "long"]
    same_as_hot(sql_cold, hot, four)
    loaded = pyiceberg_catalog(sql_cold).load_table("cold.trades")
    assert loaded.scan().to_arrow().num_rows == 400


def test_sparks_hadoop_table(cold, hot, four, spark):
    table = cold.table("trades")
    spark.sql(table, SPARK_TABLE)
    create_trades(hot)
    insert_trades(hot, 0, 400)
    assert offload_trades(hot, 400)["rows"] == 400
    same_as_hot(cold, hot, four)
    assert table.metadata["properties"]["write.parquet.compression-codec"] == "zstd"
    assert spark.sql(table, "SELECT count(*) FROM {t}.files").collect()[0][0] == 1


def test_sparks_jdbc_table(sql_cold, hot, four, spark):
    """Java's JdbcCatalog makes its tables without PyIceberg's iceberg_type column; both stay as they are."""
    import sqlite3

    table = sql_cold.table("trades")
    session = spark.at(table.warehouse, table.catalog_database)
    session.sql("CREATE NAMESPACE IF NOT EXISTS calve.cold")
    spark.sql(table, SPARK_TABLE)
    with sqlite3.connect(sql_cold.database) as connection:
        before = connection.execute("SELECT sql FROM sqlite_master ORDER BY name").fetchall()
    create_trades(hot)
    insert_trades(hot, 0, 400)
    assert offload_trades(hot, 400)["rows"] == 400
    with sqlite3.connect(sql_cold.database) as connection:
        assert connection.execute("SELECT sql FROM sqlite_master ORDER BY name").fetchall() == before
    same_as_hot(sql_cold, hot, four)
    spark_appends(spark, table, 0, 3)
    assert spark.sql(table, "SELECT count(*) FROM {t}").collect()[0][0] == 403


def test_turns_with_spark(cold, hot, spark, duckdb, pyiceberg):
    """Spark appends between calve's runs; the watermark is found behind its snapshots, and nobody loses a row."""
    create_trades(hot)
    insert_trades(hot, 0, 400)
    table = cold.table("trades")
    columns, _ = hot.rows("SELECT * FROM trades LIMIT 1")
    for turn in range(4):
        assert offload_trades(hot, (turn + 1) * 100, "--partition-by", "days(ts)")["rows"] == 100
        spark_appends(spark, table, turn * 5, 5)
        assert len(duckdb.rows(table, columns)) == (turn + 1) * 105
    spark_rows = duckdb.rows(table, columns, where="side = 'spark'")
    assert len(spark_rows) == 20
    same_as_hot(cold, hot, [duckdb, pyiceberg, spark], spark_rows)
    assert table.snapshots()[-1]["summary"]["total-records"] == "420"


def test_turns_with_pyiceberg(sql_cold, hot, duckdb, pyiceberg, spark):
    create_trades(hot)
    insert_trades(hot, 0, 300)
    table = sql_cold.table("trades")
    columns, _ = hot.rows("SELECT * FROM trades LIMIT 1")
    for turn in range(3):
        assert offload_trades(hot, (turn + 1) * 100)["rows"] == 100
        loaded = pyiceberg_catalog(sql_cold).load_table("cold.trades")
        loaded.append(loaded.scan(limit=1).to_arrow())
    assert table.snapshots()[-1]["summary"]["total-records"] == "303"
    rows = duckdb.rows(table, columns)
    _, expected = hot.rows("SELECT * FROM trades")
    assert len(rows) == 303 and set(rows) == set(expected)


def test_rows_that_calve_did_not_put_there_ask_for_a_decision(cold, hot, spark, duckdb):
    """A table that another job has filled: without a word from the operator nothing is added twice."""
    table = cold.table("trades")
    spark.sql(table, SPARK_TABLE)
    spark_appends(spark, table, 0, 5)
    create_trades(hot)
    insert_trades(hot, 0, 200)
    outcome = offload_trades(hot, 200, code=program.USAGE)
    assert "--start-from" in outcome.err
    assert len(table.snapshots()) == 1
    assert offload_trades(hot, 200, "--start-from", through(100))["rows"] == 100
    assert offload_trades(hot, 200)["rows"] == 0
    assert len(duckdb.rows(table, ["sequence"])) == 105
    assert table.metadata["properties"]["calve.start-from"] == through(100)
    insert_trades(hot, 0, 100)  # behind where calve began: others loaded that part
    assert offload_trades(hot, 200)["late"]["rows"] == 0
    assert len(duckdb.rows(table, ["sequence"])) == 105


def test_a_new_source_column_is_added(cold, hot, four):
    create_trades(hot)
    insert_trades(hot, 0, 100)
    offload_trades(hot, 100)
    hot.execute("ALTER TABLE trades ADD COLUMN venue Nullable(String) DEFAULT 'X'", "ALTER TABLE trades ADD COLUMN depth Array(Int32)",
                "INSERT INTO trades (ts, sequence, symbol, price, side, venue, depth) SELECT ts + toIntervalHour(10), sequence + 1000, symbol, price, side, 'kraken', [1, 2] FROM trades")
    result = hot.offload("trades")
    assert result["rows"] == 100 and any("venue" in note for note in result["notes"])
    columns, _ = hot.rows("SELECT * FROM trades LIMIT 1")
    _, expected = hot.rows("SELECT ts, sequence, symbol, price, side, if(sequence < 1000, NULL, venue) AS venue, "
                           "if(sequence < 1000, [], depth) AS depth FROM trades")
    # rows from before the column was there have null in it, a list as well
    expected = [(*row[:6], None if row[1][1] < 1000 else row[6]) for row in expected]
    table = cold.table("trades")
    for reader in four:
        got = reader.rows(table, columns)
        if reader.name == "ClickHouse":  # has no null arrays: an absent list reads as an empty one
            got = [(*row[:6], None if row[1][1] < 1000 and row[6] == ("list", ()) else row[6]) for row in got]
        canonical.assert_same_rows(expected, got, columns, reader.name)


def test_new_columns_can_be_ignored_or_refused(cold, hot):
    create_trades(hot)
    insert_trades(hot, 0, 100)
    offload_trades(hot, 100)
    hot.execute("ALTER TABLE trades ADD COLUMN venue String")
    insert_trades_without_venue = "INSERT INTO trades (ts, sequence, symbol, price, side) SELECT ts + toIntervalHour(10), sequence + 1000, symbol, price, side FROM trades"
    hot.execute(insert_trades_without_venue)
    outcome = hot.offload("trades", "--new-columns", "fail", code=program.USAGE)
    assert "venue" in outcome.err
    assert hot.offload("trades", "--new-columns", "ignore")["rows"] == 100
    assert [f["name"] for f in cold.table("trades").metadata["schemas"][-1]["fields"]] == COLUMN_NAMES


def test_a_target_column_that_the_source_lacks_is_null(cold, hot, spark, four):
    table = cold.table("trades")
    spark.sql(table, SPARK_TABLE.replace("side STRING", "side STRING, extra STRING"))
    create_trades(hot)
    insert_trades(hot, 0, 100)
    assert offload_trades(hot, 100)["rows"] == 100
    same_as_hot(cold, hot, four)
    for reader in four:
        assert set(reader.rows(table, ["extra"])) == {(None,)}, reader.name


def test_types_are_widened_where_iceberg_allows(cold, hot, spark, four):
    table = cold.table("w")
    spark.sql(table, "CREATE TABLE {t} (ts TIMESTAMP, a INT, f FLOAT, d DECIMAL(9, 2)) USING iceberg")
    spark.sql(table, "INSERT INTO {t} VALUES (TIMESTAMP '2020-01-01 00:00:00Z', 1, 1.5, 2.25)").collect()
    hot.execute("CREATE TABLE w (ts DateTime64(3, 'UTC'), a Int64, f Float64, d Decimal(18, 2)) ENGINE = MergeTree ORDER BY ts",
                "INSERT INTO w VALUES ('2020-01-01 00:00:00', 1, 1.5, 2.25), ('2024-08-09 00:00:00', 9223372036854775807, 0.1, 9999999999999999.99)")
    result = hot.offload("w", "--start-from", "2020-01-01T00:00:00Z")
    assert result["rows"] == 1
    assert [f["type"].replace(" ", "") for f in next(s for s in table.metadata["schemas"] if s["schema-id"] == table.metadata["current-schema-id"])["fields"]] == [
        "timestamptz", "long", "double", "decimal(18,2)"]
    columns, expected = hot.rows("SELECT * FROM w")
    for reader in four:
        canonical.assert_same_rows(expected, reader.rows(table, columns), columns, reader.name)


@pytest.mark.parametrize("theirs, ours, value", [
    ("INT", "String", "'x'"), ("BIGINT", "Float64", "1.5"), ("DECIMAL(38, 4)", "Decimal(18, 8)", "1"), ("DATE", "DateTime64(3, 'UTC')", "now64(3)"),
    ("STRING", "Int64", "1"), ("DECIMAL(10, 8)", "Float64", "1"), ("BOOLEAN", "Int32", "1"), ("STRING", "Array(String)", "['x']"),
])
def test_a_column_that_does_not_fit_is_named(cold, hot, spark, theirs, ours, value):
    table = cold.table("m")
    spark.sql(table, f"CREATE TABLE {{t}} (ts TIMESTAMP, the_column {theirs}) USING iceberg")
    hot.execute(f"CREATE TABLE m (ts DateTime64(3, 'UTC'), the_column {ours}) ENGINE = MergeTree ORDER BY ts",
                f"INSERT INTO m SELECT '2024-08-09 00:00:00', {value}")
    before = cold.table("m").every_file()
    outcome = hot.offload("m", code=program.USAGE)
    assert "the_column" in outcome.err and ours.split("(")[0] in outcome.err and "--expr" in outcome.err
    assert cold.table("m").every_file() == before


def test_text_targets_take_what_clickhouse_writes_as_text(cold, hot, spark, four):
    table = cold.table("x")
    spark.sql(table, "CREATE TABLE {t} (ts TIMESTAMP, id STRING, e STRING, ip STRING) USING iceberg")
    hot.execute("CREATE TABLE x (ts DateTime64(3, 'UTC'), id UUID, e Enum8('a' = 1), ip IPv6) ENGINE = MergeTree ORDER BY ts",
                "INSERT INTO x SELECT '2024-08-09 00:00:00', '12345678-9abc-4def-8123-456789abcdef', 'a', '::1'")
    assert hot.offload("x")["rows"] == 1
    columns, expected = hot.rows("SELECT * FROM x")
    for reader in four:
        canonical.assert_same_rows(expected, reader.rows(table, columns), columns, reader.name)


@pytest.mark.parametrize("value, fits", [("9223372036854775807", True), ("9223372036854775808", False)])
def test_uint64_into_sparks_bigint_is_checked(cold, hot, spark, duckdb, value, fits):
    table = cold.table("u")
    spark.sql(table, "CREATE TABLE {t} (ts TIMESTAMP, n BIGINT) USING iceberg")
    hot.execute("CREATE TABLE u (ts DateTime64(3, 'UTC'), n UInt64) ENGINE = MergeTree ORDER BY ts", f"INSERT INTO u SELECT '2024-08-09 00:00:00', {value}")
    if fits:
        assert hot.offload("u")["rows"] == 1
        assert duckdb.rows(table, ["n"]) == [(canonical.number(int(value)),)]
    else:
        outcome = hot.offload("u", code=program.FAILED)
        assert value in outcome.err and "n" in outcome.err
        assert not table.snapshots() and not table.data_files()


def test_a_table_of_format_version_1(cold, hot, spark, four):
    table = cold.table("trades")
    spark.sql(table, SPARK_TABLE.replace("'format-version' = '2'", "'format-version' = '1'"))
    create_trades(hot)
    insert_trades(hot, 0, 100)
    outcome = offload_trades(hot, 100, code=None)
    if outcome.code == program.DONE:
        same_as_hot(cold, hot, four)
    else:
        assert outcome.code == program.USAGE and "format" in outcome.err and not table.data_files()


def test_a_partition_that_spark_evolved(cold, hot, spark, four):
    """The default spec decides; files of the old one stay."""
    create_trades(hot)
    insert_trades(hot, 0, 400)
    table = cold.table("trades")
    offload_trades(hot, 200, "--partition-by", "days(ts)")
    spark.sql(table, "ALTER TABLE {t} ADD PARTITION FIELD symbol")
    assert offload_trades(hot, 400)["rows"] == 200
    same_as_hot(cold, hot, four)
    assert {r[0] for r in spark.sql(table, "SELECT DISTINCT spec_id FROM {t}.files").collect()} == {0, 1}


def test_a_location_without_a_scheme(cold, hot, spark, four):
    """Spark's Hadoop catalog with a plain path as its warehouse writes plain paths into the metadata."""
    table = cold.table("trades")
    session = spark.session.newSession()
    session.conf.set("spark.sql.catalog.plain", "org.apache.iceberg.spark.SparkCatalog")
    session.conf.set("spark.sql.catalog.plain.type", "hadoop")
    session.conf.set("spark.sql.catalog.plain.warehouse", str(cold.warehouse))
    session.sql(SPARK_TABLE.replace("{t}", "plain.cold.trades"))
    session.sql("INSERT INTO plain.cold.trades SELECT 'spark', 1, TIMESTAMP '2020-01-01 00:00:00Z', 'S', -1")
    assert table.metadata["location"].startswith("/")
    create_trades(hot)
    insert_trades(hot, 0, 100)
    assert offload_trades(hot, 100, "--start-from", "beginning")["rows"] == 100
    columns, _ = hot.rows("SELECT * FROM trades LIMIT 1")
    for reader in four:
        assert len(reader.rows(table, columns)) == 101, reader.name
