"""PyIceberg as a peer of the benchmark: the window as one Arrow table from the embedded ClickHouse, then append().

  pyiceberg_job.py DATA WAREHOUSE --table T --from TS --to TS --report FILE
"""

import ctypes
import os
import sys
import time

import embedded_job  # first: it says where the engine is found
import pyarrow
from embedded_clickhouse import Engine, EngineError
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import DayTransform
from pyiceberg.types import DecimalType, IntegerType, LongType, NestedField, StringType, TimestamptzType

# name, Iceberg type, and what ClickHouse makes of the column so that Arrow's type is that of the target
COLUMNS = [
    ("exchange_timestamp", TimestamptzType(), "toDateTime64({}, 6, 'UTC')"), ("sequence_number", LongType(), "toInt64({})"),
    ("symbol", StringType(), "toString({})"), ("price", DecimalType(38, 8), "toDecimal128({}, 8)"),
    ("quantity", DecimalType(38, 8), "toDecimal128({}, 8)"), ("quote_volume", DecimalType(38, 8), "toDecimal128({}, 8)"),
    ("event_time", TimestamptzType(), "toDateTime64({}, 6, 'UTC')"), ("kafka_offset", LongType(), "toInt64({})"),
    ("kafka_partition", IntegerType(), "toInt32({})"), ("ingestion_timestamp", TimestamptzType(), "toDateTime64({}, 6, 'UTC')")]


class ArrowEngine(Engine):
    """An engine whose answers are Arrow tables over the engine's own memory: no copy, as in PyPI's chdb."""

    def arrow_table(self, sql):
        text = sql.encode()
        result = self._lib.chdb_query_n(self._connection[0], text, len(text), b"ArrowStream", len(b"ArrowStream"))
        error = self._lib.chdb_result_error(result)
        if error:
            raise EngineError(error.decode(errors="replace"))
        size, address = self._lib.chdb_result_length(result), self._lib.chdb_result_buffer(result)
        # The result is never destroyed: the process ends with the job.
        return pyarrow.ipc.open_stream(pyarrow.foreign_buffer(address, size, (ctypes.c_char * size).from_address(address))).read_all()


def target(warehouse):
    os.makedirs(warehouse, exist_ok=True)
    catalog = SqlCatalog("bench", uri=f"sqlite:///{warehouse}/catalog.db", warehouse=f"file://{warehouse}")
    catalog.create_namespace_if_not_exists("cold")
    if catalog.table_exists("cold.bronze_trades_binance"):
        return catalog.load_table("cold.bronze_trades_binance")
    schema = Schema(*(NestedField(i, name, kind, required=False) for i, (name, kind, _) in enumerate(COLUMNS, 1)))
    spec = PartitionSpec(PartitionField(source_id=1, field_id=1000, transform=DayTransform(), name="exchange_timestamp_day"))
    return catalog.create_table("cold.bronze_trades_binance", schema, partition_spec=spec, properties={
        "format-version": "2", "write.parquet.compression-codec": "zstd", "write.parquet.compression-level": "3"})


def main():
    options = embedded_job.options()
    table = target(options.warehouse)
    with ArrowEngine(options.data) as engine:
        began = time.monotonic()
        columns = ", ".join(f"{expression.format(name)} AS {name}" for name, _, expression in COLUMNS)
        # Encoded by one thread: with more, this engine's Arrow output can wait for itself forever (chdb-core issue 212).
        rows = engine.arrow_table(
            f"SELECT {columns} FROM {options.table} AS t WHERE t.exchange_timestamp > '{options.begin}' "
            f"AND t.exchange_timestamp <= '{options.end}' SETTINGS output_format_arrow_parallel_encoding = 0")
        table.append(rows)
        seconds = time.monotonic() - began
        embedded_job.report(options.report, seconds)
        sys.stdout.flush()
        os._exit(0)  # the Arrow table still points into the engine


main()
