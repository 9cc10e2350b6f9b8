"""The Spark job that calve replaces, as a peer of the benchmark; run by spark-submit.

  spark_job.py as-is|tuned WAREHOUSE --url JDBC --table T --from TS --middle TS --to TS --watermark FILE --report FILE

`as-is` is the platform's job: one JDBC connection reads the window in order, Spark casts, appends, and a row of a
watermark table is updated afterwards. Its count() and max() passes, which read the window again, are left out, to its
advantage. `tuned` is what a Spark expert would make of it: two connections, no ORDER BY, integers cast by ClickHouse,
no shuffle before the write.
"""

import argparse
import json
import sqlite3
import time

from pyspark.sql import SparkSession

TARGET = "demo.cold.bronze_trades_binance"
TARGET_COLUMNS = [
    ("exchange_timestamp", "TIMESTAMP"), ("sequence_number", "BIGINT"), ("symbol", "STRING"),
    ("price", "DECIMAL(38,8)"), ("quantity", "DECIMAL(38,8)"), ("quote_volume", "DECIMAL(38,8)"),
    ("event_time", "TIMESTAMP"), ("kafka_offset", "BIGINT"), ("kafka_partition", "INT"),
    ("ingestion_timestamp", "TIMESTAMP")]
# What the tuned job leaves to ClickHouse: JDBC has no unsigned 64-bit integer and would make it DECIMAL(20,0).
CLICKHOUSE_CASTS = {"sequence_number": "toInt64", "kafka_offset": "toInt64", "kafka_partition": "toInt32"}


def session(warehouse):
    return (SparkSession.builder.appName("offload")
            .config("spark.sql.catalog.demo", "org.apache.iceberg.spark.SparkCatalog")
            .config("spark.sql.catalog.demo.type", "hadoop")
            .config("spark.sql.catalog.demo.warehouse", warehouse)
            .config("spark.sql.catalog.demo.io-impl", "org.apache.iceberg.hadoop.HadoopFileIO")
            .config("spark.sql.extensions", "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions")
            .config("spark.sql.session.timeZone", "UTC")
            .getOrCreate())


def reader(spark, options):
    return (spark.read.format("jdbc").option("url", options.url).option("driver", "com.clickhouse.jdbc.ClickHouseDriver")
            .option("user", "default").option("password", "").option("fetchsize", "100000"))


def window(options):
    return f"exchange_timestamp > '{options.begin}' AND exchange_timestamp <= '{options.end}'"


def as_is(spark, options):
    query = (f"SELECT * FROM {options.table} WHERE {window(options)} ORDER BY exchange_timestamp, sequence_number")
    frame = reader(spark, options).option("query", query).load()
    casts = [f"CAST({name} AS {kind}) AS {name}" for name, kind in TARGET_COLUMNS]
    frame.selectExpr(*casts).writeTo(TARGET).append()


def tuned(spark, options):
    columns = ", ".join(f"{CLICKHOUSE_CASTS[name]}({name}) AS {name}" if name in CLICKHOUSE_CASTS else name
                        for name, _ in TARGET_COLUMNS)
    source = f"(SELECT {columns} FROM {options.table} WHERE {window(options)}) AS rows"
    # The split is where half of the rows are, so that both connections read as much: the best case.
    predicates = [f"exchange_timestamp <= '{options.middle}'", f"exchange_timestamp > '{options.middle}'"]
    frame = spark.read.jdbc(options.url, source, predicates=predicates, properties={
        "driver": "com.clickhouse.jdbc.ClickHouseDriver", "user": "default", "password": "", "fetchsize": "100000"})
    casts = [f"CAST({name} AS {kind}) AS {name}" for name, kind in TARGET_COLUMNS]
    (frame.selectExpr(*casts).writeTo(TARGET).option("fanout-enabled", "true").option("distribution-mode", "none").append())


def update_watermark(path, table, end, rows):
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE IF NOT EXISTS offload_watermarks (table_name TEXT PRIMARY KEY, "
                         "last_offload_timestamp TEXT NOT NULL, last_offload_row_count BIGINT, status TEXT NOT NULL)")
        database.execute("INSERT OR REPLACE INTO offload_watermarks VALUES (?, ?, ?, 'success')", (table, end, rows))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("mode", choices=["as-is", "tuned"])
    parser.add_argument("warehouse")
    parser.add_argument("--url")
    parser.add_argument("--table")
    parser.add_argument("--from", dest="begin")
    parser.add_argument("--middle")
    parser.add_argument("--to", dest="end")
    parser.add_argument("--watermark")
    parser.add_argument("--report")
    options = parser.parse_args()
    spark = session(options.warehouse)
    began = time.monotonic()
    (as_is if options.mode == "as-is" else tuned)(spark, options)
    seconds = time.monotonic() - began
    added = spark.sql(f"SELECT summary['added-records'] FROM {TARGET}.snapshots ORDER BY committed_at DESC LIMIT 1")
    rows = int(added.first()[0])
    update_watermark(options.watermark, options.table, options.end, rows)
    with open(options.report, "w", encoding="utf-8") as file:
        json.dump({"job_seconds": seconds, "rows": rows}, file)
    spark.stop()


main()
