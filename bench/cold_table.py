"""An empty Iceberg table as the platform has it, and what lies in a table's folder.

The table is the one that the Spark job's users created: format v2, DECIMAL(38,8), days(exchange_timestamp), zstd 3, in a
Hadoop catalog. It is written here, so that no peer pays for creating it."""

import json
import os
import pathlib
import re
import time
import uuid

COLUMNS = [
    ("exchange_timestamp", "timestamptz"), ("sequence_number", "long"), ("symbol", "string"),
    ("price", "decimal(38, 8)"), ("quantity", "decimal(38, 8)"), ("quote_volume", "decimal(38, 8)"),
    ("event_time", "timestamptz"), ("kafka_offset", "long"), ("kafka_partition", "int"),
    ("ingestion_timestamp", "timestamptz")]


def create(location):
    fields = [{"id": i, "name": name, "required": False, "type": kind} for i, (name, kind) in enumerate(COLUMNS, 1)]
    day = {"name": "exchange_timestamp_day", "transform": "day", "source-id": 1, "field-id": 1000}
    metadata = {
        "format-version": 2, "table-uuid": str(uuid.uuid4()), "location": str(location), "last-sequence-number": 0,
        "last-updated-ms": int(time.time() * 1000), "last-column-id": len(COLUMNS), "current-schema-id": 0,
        "schemas": [{"type": "struct", "schema-id": 0, "fields": fields}],
        "default-spec-id": 0, "partition-specs": [{"spec-id": 0, "fields": [day]}], "last-partition-id": 1000,
        "default-sort-order-id": 0, "sort-orders": [{"order-id": 0, "fields": []}],
        "properties": {"write.parquet.compression-codec": "zstd", "write.parquet.compression-level": "3"},
        "current-snapshot-id": -1, "refs": {}, "snapshots": [], "statistics": [], "partition-statistics": [],
        "snapshot-log": [], "metadata-log": []}
    folder = pathlib.Path(location) / "metadata"
    folder.mkdir(parents=True)
    (folder / "v1.metadata.json").write_text(json.dumps(metadata))
    (folder / "version-hint.text").write_text("1")


def newest_metadata(location):
    """v2.metadata.json of a Hadoop table, 00002-….metadata.json of another."""
    versions = {}
    for path in (pathlib.Path(location) / "metadata").iterdir():
        if match := re.match(r"v?(\d+)(-[0-9a-f-]+)?\.(gz\.)?metadata\.json(\.gz)?$", path.name):
            versions[int(match[1])] = path
    return versions[max(versions)]


def contents(location):
    """(data files, their bytes, bytes of metadata); checksum files that Hadoop leaves beside its files are not counted."""
    files = data_bytes = metadata_bytes = 0
    for folder, _, names in os.walk(location):
        for name in names:
            size = os.path.getsize(os.path.join(folder, name))
            if name.endswith(".parquet"):
                files, data_bytes = files + 1, data_bytes + size
            elif not name.endswith(".crc"):
                metadata_bytes += size
    return files, data_bytes, metadata_bytes
