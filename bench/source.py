#!/usr/bin/env python3
"""The rows of the benchmark: the reference platform's bronze table in an embedded ClickHouse, and what a correct copy
of it adds up to.

  bench/source.py DATA        makes it where it is not there yet, and prints its windows and sums as JSON

The full load is 3,820,509 rows over two days, as in the platform's own load report; the increment the 1,534 that follow.
Run as a program of its own, since the engine is large and bench/run must not be.
"""

import hashlib
import json
import os
import pathlib
import shutil
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tools"))

import trades_database
from embedded_clickhouse import Engine

TABLE = "bronze_trades_binance"
INCREMENT_ROWS = 1534
# The sample starts six minutes before midnight, which would put nearly all rows into one day; the report's load started
# at 12:46. Two full days are also what gives both of Spark's writers something to do.
SHIFT = "INTERVAL 40095 SECOND"
TIMES = ("exchange_timestamp", "event_time", "ingestion_timestamp")

# Without a time zone, as on the platform: the JDBC driver gives DateTime64(3, 'UTC') a type that Spark refuses.
CREATE = f"""
CREATE TABLE {TABLE} (
  exchange_timestamp DateTime64(3), sequence_number UInt64, symbol LowCardinality(String),
  price Decimal64(8), quantity Decimal64(8), quote_volume Decimal64(8),
  event_time DateTime64(3), kafka_offset UInt64, kafka_partition UInt16, ingestion_timestamp DateTime64(3))
ENGINE = MergeTree ORDER BY (exchange_timestamp, sequence_number)"""
COPY = (f"INSERT INTO {TABLE} SELECT * REPLACE (" + ", ".join(f"{name} - {SHIFT} AS {name}" for name in TIMES) +
        ") FROM bronze_trades")
INCREMENT = trades_database.insert(trades_database.COPIES, 1, INCREMENT_ROWS)

# What every copy must add up to. The names are those of bench/verify.py, which computes the same from Iceberg tables.
SUMS = f"""
SELECT count() AS rows, uniqExact(sequence_number) AS distinct_sequence_numbers,
  sum(toDecimal128(price, 8) * toDecimal128(quantity, 8)) AS sum_price_times_quantity,
  sum(toDecimal128(quote_volume, 8)) AS sum_quote_volume,
  {", ".join(f"sum({name}) AS sum_{name}" for name in ("sequence_number", "kafka_offset", "kafka_partition"))},
  {", ".join(f"sum(toInt128(toUnixTimestamp64Micro(toDateTime64({name}, 6)))) AS sum_{name}" for name in TIMES)},
  countIf(symbol = 'BTCUSDT') AS rows_btcusdt, countIf(symbol = 'ETHUSDT') AS rows_ethusdt
FROM """


def one_row(engine, sql):
    row = json.loads(engine.query(sql, "JSONStringsEachRow"))
    return {name: str(value) for name, value in row.items()}


def make(data):
    shutil.rmtree(data, ignore_errors=True)
    trades_database.prepare(data)
    with Engine(data) as engine:
        engine.query(CREATE)
        engine.query(COPY)
        engine.query(f"OPTIMIZE TABLE {TABLE} FINAL")
        told = describe_full(engine)
        engine.query("TRUNCATE TABLE bronze_trades")
        engine.query(INCREMENT)
        engine.query(COPY)  # a part of its own, as what has just arrived is
        engine.query("DROP TABLE bronze_trades SYNC")
        told["end"] = engine.query(f"SELECT toString(max(exchange_timestamp), 'UTC') FROM {TABLE}").decode().strip()
        told["sums"] = one_row(engine, SUMS + TABLE)
        told["increment_rows"] = INCREMENT_ROWS
        told["clickhouse"] = engine.query("SELECT version()").decode().strip()
        told["bytes"] = int(engine.query(f"SELECT sum(bytes_on_disk) FROM system.parts WHERE active AND table = '{TABLE}'"))
    if int(told["sums"]["rows"]) != told["full_rows"] + INCREMENT_ROWS:
        raise SystemExit(f"bench/source.py: {told['sums']['rows']} rows are not {told['full_rows']} and {INCREMENT_ROWS}")
    return told


def describe_full(engine):
    row = one_row(engine, f"SELECT count() AS rows, toString(max(exchange_timestamp), 'UTC') AS last, "
                          f"toString(quantileExact(0.5)(exchange_timestamp), 'UTC') AS middle FROM {TABLE}")
    return {"table": TABLE, "full_rows": int(row["rows"]), "begin": "2000-01-01 00:00:00.000", "middle": row["middle"],
            "full_end": row["last"]}


def main():
    data = os.path.abspath(sys.argv[1])
    made_of = CREATE + COPY + INCREMENT + SUMS + trades_database.TABLE + trades_database.insert(0, trades_database.COPIES)
    key = hashlib.sha256(made_of.encode() + trades_database.SAMPLE.read_bytes()).hexdigest()
    stamp = pathlib.Path(data + ".json")
    told = json.loads(stamp.read_text()) if stamp.exists() and os.path.isdir(data) else {}
    if told.get("key") != key:
        stamp.unlink(missing_ok=True)
        told = {**make(data), "key": key}
        stamp.write_text(json.dumps(told))
    print(json.dumps(told))


if __name__ == "__main__":
    main()
