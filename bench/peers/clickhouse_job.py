"""ClickHouse's own Iceberg writer as a peer of the benchmark: INSERT … SELECT in the embedded engine.

  clickhouse_job.py DATA WAREHOUSE --table T --from TS --to TS --report FILE

The table is there already (bench/cold_table.py): this ClickHouse refuses to create one with DECIMAL columns, and writes
to one that has them.
"""

import os
import time

import embedded_job  # first: it says where the engine is found
from embedded_clickhouse import Engine

SETTINGS = ("allow_insert_into_iceberg = 1, output_format_parquet_compression_method = 'zstd', "
            "output_format_compression_level = 3")


def main():
    options = embedded_job.options()
    location = os.path.join(options.warehouse, "cold", "bronze_trades_binance", "")
    os.chdir("/")  # the engine writes Iceberg tables below its working directory only
    with Engine(options.data) as engine:
        engine.query(f"CREATE TEMPORARY TABLE cold ENGINE = IcebergLocal('{location}')")
        began = time.monotonic()
        engine.query(f"INSERT INTO cold SELECT * FROM {options.table} WHERE exchange_timestamp > '{options.begin}' "
                     f"AND exchange_timestamp <= '{options.end}' SETTINGS {SETTINGS}")
        seconds = time.monotonic() - began
    embedded_job.report(options.report, seconds)


main()
