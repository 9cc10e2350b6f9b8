"""Reads an Iceberg table with PyIceberg and prints what it adds up to, as bench/source.py does for the source.

  verify.py METADATA_FILE
"""

import json
import sys

import pyarrow
import pyarrow.compute as compute
from pyiceberg.table import StaticTable


def total(column):
    """The sum as ClickHouse prints it: exact, without trailing zeros."""
    text = format(compute.sum(column).as_py(), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def wide(column, scale):
    return compute.cast(column, pyarrow.decimal128(38, scale))


def main():
    table = StaticTable.from_metadata(sys.argv[1])
    rows = table.scan().to_arrow()
    narrow = pyarrow.decimal128(18, 8)  # a product of two of these still fits into 38 digits
    product = compute.multiply(compute.cast(rows["price"], narrow), compute.cast(rows["quantity"], narrow))
    sums = {
        "rows": str(rows.num_rows),
        "distinct_sequence_numbers": str(compute.count_distinct(rows["sequence_number"]).as_py()),
        "sum_price_times_quantity": total(wide(product, 16)),
        "sum_quote_volume": total(wide(rows["quote_volume"], 8)),
    }
    for name in ("sequence_number", "kafka_offset", "kafka_partition"):
        sums[f"sum_{name}"] = total(wide(rows[name], 0))
    for name in ("exchange_timestamp", "event_time", "ingestion_timestamp"):
        micros = compute.cast(compute.cast(rows[name], pyarrow.timestamp("us", rows[name].type.tz)), pyarrow.int64())
        sums[f"sum_{name}"] = total(wide(micros, 0))
    symbols = {entry["values"]: entry["counts"] for entry in compute.value_counts(rows["symbol"]).to_pylist()}
    sums["rows_btcusdt"], sums["rows_ethusdt"] = str(symbols.get("BTCUSDT", 0)), str(symbols.get("ETHUSDT", 0))
    print(json.dumps({"sums": sums, "snapshots": len(table.metadata.snapshots),
                      "partition": [str(field.transform) for field in table.spec().fields]}))


main()
