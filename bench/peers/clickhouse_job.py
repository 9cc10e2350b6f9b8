"""ClickHouse's own Iceberg writer as a peer of the benchmark: INSERT … SELECT in the embedded engine.

  clickhouse_job.py DATA WAREHOUSE --table T --from TS --to TS --report FILE

The table is there already (bench/cold_table.py): this ClickHouse refuses to create one with DECIMAL columns, and writes
to one that has them.
"""

import argparse
import json
import os
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools"))

from embedded_clickhouse import Engine

SETTINGS = ("allow_insert_into_iceberg = 1, output_format_parquet_compression_method = 'zstd', "
            "output_format_compression_level = 3")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("data")
    parser.add_argument("warehouse")
    parser.add_argument("--table", required=True)
    parser.add_argument("--from", dest="begin", required=True)
    parser.add_argument("--to", dest="end", required=True)
    parser.add_argument("--report", required=True)
    options = parser.parse_args()
    location = os.path.join(options.warehouse, "cold", "bronze_trades_binance", "")
    os.chdir("/")  # the engine writes Iceberg tables below its working directory only
    with Engine(options.data) as engine:
        engine.query(f"CREATE TEMPORARY TABLE cold ENGINE = IcebergLocal('{location}')")
        began = time.monotonic()
        engine.query(f"INSERT INTO cold SELECT * FROM {options.table} WHERE exchange_timestamp > '{options.begin}' "
                     f"AND exchange_timestamp <= '{options.end}' SETTINGS {SETTINGS}")
        seconds = time.monotonic() - began
    with open(options.report, "w", encoding="utf-8") as file:
        json.dump({"job_seconds": seconds}, file)


main()
