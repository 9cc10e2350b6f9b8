"""Makes a small table of calve's look as if it had been written to for months: snapshots by the thousand, data files by the hundred thousand.

Only metadata is made: the files of the past are named, with counts and bounds, and not there. A commit does not look at them.
"""

import copy
import json
import pathlib
import random
import re
import sqlite3
import uuid

SMALL_MANIFESTS = 50  # of the newest commits, not yet merged; half of what makes calve and Java merge them


class Place:
    """Where a table's current metadata file is written down. One of a hadoop catalog, unless told otherwise."""

    def __init__(self, table_folder):
        self.folder = pathlib.Path(table_folder)

    def current(self):
        versions = [int(m[1]) for p in (self.folder / "metadata").iterdir() if (m := re.fullmatch(r"v(\d+)\.metadata\.json", p.name))]
        return self.folder / "metadata" / f"v{max(versions)}.metadata.json"

    def publish(self, metadata):
        number = int(re.search(r"v(\d+)\.", self.current().name)[1]) + 1
        (self.folder / "metadata" / f"v{number}.metadata.json").write_text(json.dumps(metadata))
        (self.folder / "metadata" / "version-hint.text").write_text(str(number))


class SqlPlace(Place):
    """In a SQL catalog. `change(statement, parameters)` runs a statement and returns its rows."""

    def __init__(self, table_folder, change):
        super().__init__(table_folder)
        self._change = change

    def current(self):
        (location,), = self._change("SELECT metadata_location FROM iceberg_tables WHERE table_name = ?", (self.folder.name,))
        return pathlib.Path(re.sub("^file:(//)?", "", location))

    def publish(self, metadata):
        file = self.current().parent / f"99999-{uuid.uuid4()}.metadata.json"
        file.write_text(json.dumps(metadata))
        self._change("UPDATE iceberg_tables SET previous_metadata_location = metadata_location, metadata_location = ? WHERE table_name = ?",
                     (f"file://{file}", self.folder.name))


def place(table_folder, database):
    """Of the catalog whose database that is: an SQLite file or a postgresql:// URL; empty: a hadoop catalog."""
    if not database:
        return Place(table_folder)

    def change(statement, parameters):
        if not database.startswith("postgresql:"):
            with sqlite3.connect(database) as connection:
                return connection.execute(statement, parameters).fetchall()
        import psycopg2

        with psycopg2.connect(database) as connection, connection.cursor() as cursor:
            cursor.execute(statement.replace("?", "%s"), parameters)
            return cursor.fetchall() if cursor.description else []
    return SqlPlace(table_folder, change)


def grow(place, snapshots, files):
    """Puts `snapshots` - 1 snapshots with `files` - 1 data files before the table's one snapshot. Returns the metadata's bytes."""
    metadata = json.loads(place.current().read_text())
    tip, = metadata["snapshots"]
    past = History(place, metadata, tip, snapshots, files)
    manifests = past.write_manifests()
    metadata["snapshots"] = past.snapshots + [past.moved_tip(manifests)]
    metadata["last-sequence-number"] = snapshots
    metadata["snapshot-log"] = [{"timestamp-ms": s["timestamp-ms"], "snapshot-id": s["snapshot-id"]} for s in metadata["snapshots"]]
    metadata["metadata-log"] = [{"timestamp-ms": metadata["last-updated-ms"] - 100 + n, "metadata-file": f"{metadata['location']}/metadata/old-{uuid.uuid4()}.metadata.json"}
                                for n in range(99)]
    watermark = json.loads(metadata["properties"]["calve.watermark"])
    metadata["properties"]["calve.watermark"] = json.dumps({**watermark, "sequence-number": snapshots})
    place.publish(metadata)
    return len(place.current().read_bytes())


class History:
    def __init__(self, place, metadata, tip, snapshots, files):
        self._place, self._metadata, self._tip, self._files = place, metadata, tip, files - 1
        self._random = random.Random(7)
        self.snapshots = self._make_snapshots(snapshots - 1)

    def _make_snapshots(self, count):
        """As calve's of a quarter of an hour each, before the tip's time."""
        made, total = [], 0
        for n in range(count):
            snapshot = copy.deepcopy(self._tip)
            snapshot["snapshot-id"] = self._random.randrange(1 << 62)
            snapshot.pop("parent-snapshot-id", None)
            if made:
                snapshot["parent-snapshot-id"] = made[-1]["snapshot-id"]
            snapshot["sequence-number"] = n + 1
            snapshot["timestamp-ms"] = self._tip["timestamp-ms"] - (count - n) * 900_000
            commit = str(uuid.UUID(int=self._random.getrandbits(128)))
            added = self._files * (n + 1) // count - self._files * n // count
            total += added
            snapshot["summary"] |= {"calve.commit-id": commit, "added-data-files": str(added), "total-data-files": str(total), "total-records": str(total * 1000)}
            snapshot["manifest-list"] = f"{self._metadata['location']}/metadata/snap-{snapshot['snapshot-id']}-1-{commit}.avro"
            made.append(snapshot)
        return made

    def _pyiceberg(self):
        from pyiceberg.table.metadata import TableMetadataUtil

        return TableMetadataUtil.parse_obj(self._metadata)

    def write_manifests(self):
        """Manifests of about 8 MB with the bulk of the files, and small ones of single commits. Newest first."""
        from pyiceberg.manifest import DataFile, DataFileContent, FileFormat, ManifestEntry, ManifestEntryStatus, read_manifest_list
        from pyiceberg.io.pyarrow import PyArrowFileIO

        table, io_ = self._pyiceberg(), PyArrowFileIO()
        own = list(read_manifest_list(io_.new_input(self._tip["manifest-list"])))
        model = own[0].fetch_manifest_entry(io_)[0].data_file
        per_snapshot = max(1, self._files // len(self.snapshots))
        small = min(SMALL_MANIFESTS, len(self.snapshots))
        sizes = [per_snapshot] * small
        bulk, large = self._files - sum(sizes), 30_000
        sizes = [large] * (bulk // large) + ([bulk % large] if bulk % large else []) + sizes
        self._io, self._written, number = io_, own, 0
        for index, size in enumerate(sizes):
            path = f"{self._metadata['location']}/metadata/{uuid.uuid4()}-m0.avro"
            with self._writer(table, path) as writer:
                for _ in range(size):
                    snapshot = self.snapshots[number * len(self.snapshots) // self._files]
                    writer.add_entry(self._entry(model, number, snapshot, ManifestEntry, ManifestEntryStatus, DataFile))
                    number += 1
            self._written.insert(1, writer.to_manifest_file())
        return self._written

    def _writer(self, table, path):
        from pyiceberg.manifest import write_manifest

        return write_manifest(2, table.spec(), table.schema(), self._io.new_output(path), self._tip["snapshot-id"], "deflate")

    def _entry(self, model, number, snapshot, ManifestEntry, ManifestEntryStatus, DataFile):
        file = DataFile.from_args(_table_format_version=2, content=model.content, file_path=f"{self._metadata['location']}/data/{number // 10}/{uuid.UUID(int=self._random.getrandbits(128))}.parquet",
                                  file_format=model.file_format, partition=model.partition, record_count=1000, file_size_in_bytes=50_000 + number,
                                  column_sizes=model.column_sizes, value_counts=model.value_counts, null_value_counts=model.null_value_counts,
                                  nan_value_counts=model.nan_value_counts, lower_bounds=model.lower_bounds, upper_bounds=model.upper_bounds, split_offsets=[4], sort_order_id=0)
        file.spec_id = model.spec_id
        return ManifestEntry.from_args(status=ManifestEntryStatus.EXISTING, snapshot_id=snapshot["snapshot-id"], sequence_number=snapshot["sequence-number"],
                                       file_sequence_number=snapshot["sequence-number"], data_file=file)

    def moved_tip(self, manifests):
        """The table's own snapshot, behind the past."""
        from pyiceberg.manifest import write_manifest_list

        tip = copy.deepcopy(self._tip)
        sequence = len(self.snapshots) + 1
        tip["parent-snapshot-id"], tip["sequence-number"] = self.snapshots[-1]["snapshot-id"], sequence
        tip["manifest-list"] = f"{self._metadata['location']}/metadata/snap-{tip['snapshot-id']}-2-{uuid.uuid4()}.avro"
        tip["summary"] |= {"total-data-files": str(self._files + 1), "total-records": str(self._files * 1000 + 1)}
        with write_manifest_list(2, self._io.new_output(tip["manifest-list"]), tip["snapshot-id"], tip["parent-snapshot-id"], sequence, "deflate") as writer:
            writer.add_manifests(manifests)
        return tip
