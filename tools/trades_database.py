#!/usr/bin/env python3
"""An embedded ClickHouse database with a bronze table of real trades, at the size of a day in production.

    tools/trades_database.py --data DIR [--copies 111]     make it (once: what is there is kept)

The sample of tests/data/trades is laid end to end, each copy 651 seconds after the one before, ids and offsets rising: 111 copies
make 3,820,509 rows over 20 hours, from 2024-08-08 23:54:15 on. ClickHouse itself reads the sample and fills the table.
"""

import argparse
import hashlib
import pathlib
import shutil
import sys

import embedded_clickhouse

SAMPLE = pathlib.Path(__file__).resolve().parent.parent / "tests" / "data" / "trades" / "binance_trades.csv.gz"
SAMPLE_ROWS = 34_419  # of the market `spot`
COPIES = 111
SPAN_MS = 651_000

TABLE = """
CREATE TABLE bronze_trades
(
    exchange_timestamp DateTime64(3, 'UTC'),
    sequence_number UInt64,
    symbol LowCardinality(String),
    price Decimal64(8),
    quantity Decimal64(8),
    quote_volume Decimal64(8),
    event_time DateTime64(3, 'UTC'),
    kafka_offset UInt64,
    kafka_partition UInt16,
    ingestion_timestamp DateTime64(3, 'UTC')
)
ENGINE = MergeTree ORDER BY (exchange_timestamp, sequence_number)
"""

COLUMNS = ("market String, symbol String, trade_id UInt64, price Decimal64(8), quantity Decimal64(8), event_time_ms Int64, "
           "trade_time_ms Int64, is_buyer_maker UInt8, received_ns Int64")


def insert(first_copy, copies, limit=None):
    """Fills in copies of the sample; `limit`: only the earliest so many rows."""
    cut = f"ORDER BY exchange_timestamp, sequence_number LIMIT {limit}" if limit else ""
    return f"""
INSERT INTO bronze_trades
WITH copy * {SPAN_MS} AS shift
SELECT
    fromUnixTimestamp64Milli(trade_time_ms + shift, 'UTC') AS exchange_timestamp,
    trade_id + copy * {SAMPLE_ROWS} AS sequence_number,
    symbol,
    price,
    quantity,
    toDecimal64(toDecimal128(price, 8) * quantity, 8),
    fromUnixTimestamp64Milli(event_time_ms + shift, 'UTC'),
    position + copy * {SAMPLE_ROWS},
    symbol = 'BTCUSDT' ? 0 : 1,
    fromUnixTimestamp64Milli(intDiv(received_ns, 1000000) + shift, 'UTC')
FROM
(
    SELECT *, rowNumberInAllBlocks() AS position
    FROM file('{SAMPLE}', CSVWithNames, '{COLUMNS}')
    WHERE market = 'spot'
) AS sample
CROSS JOIN (SELECT toInt64(number) AS copy FROM numbers({first_copy}, {copies})) AS copies
{cut}
"""


def prepare(data, copies=COPIES, library=None):
    """Makes the database in `data` unless it is there, made from the same. Returns whether anything had to be made."""
    data = pathlib.Path(data)
    key = hashlib.sha256((TABLE + insert(0, copies)).encode() + SAMPLE.read_bytes()).hexdigest()
    stamp = data.with_name(data.name + ".stamp")
    if data.is_dir() and stamp.exists() and stamp.read_text() == key:
        return False
    stamp.unlink(missing_ok=True)
    shutil.rmtree(data, ignore_errors=True)
    with embedded_clickhouse.Engine(str(data), library) as engine:
        engine.query(TABLE)
        engine.query(insert(0, copies))
        engine.query("OPTIMIZE TABLE bronze_trades FINAL")  # as merged as a day's data is
        rows = int(engine.query("SELECT count() FROM bronze_trades"))
    if rows != copies * SAMPLE_ROWS:
        raise embedded_clickhouse.EngineError(f"{rows} rows instead of {copies * SAMPLE_ROWS}")
    stamp.write_text(key)
    return True


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--copies", type=int, default=COPIES)
    parser.add_argument("--lib", help="libchdb.so (default: where tools/setup puts it)")
    options = parser.parse_args()
    try:
        made = prepare(options.data, options.copies, options.lib)
    except (embedded_clickhouse.EngineError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{options.data}: {options.copies * SAMPLE_ROWS:,} trades {'made' if made else 'are there already'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
