"""calve maintain --statistics: the sketches are Apache DataSketches', the file is Iceberg's, and no engine minds."""

import pytest

from . import program
from .test_expire import maintain
from .trades import create_trades, insert_trades, offload_trades


def each(iterable):
    """Of a java.lang.Iterable."""
    iterator = iterable.iterator()
    while iterator.hasNext():
        yield iterator.next()


@pytest.mark.spark
def test_java_reads_file_and_sketches(cold, hot, spark, pyiceberg, duckdb):
    create_trades(hot)
    insert_trades(hot, 0, 20_000)
    offload_trades(hot, 20_000)
    table = cold.table("trades")
    before = table.current_snapshot()["snapshot-id"]
    told = maintain(cold, "--statistics")["statistics"]
    assert told["rows"] == 20_000 and table.current_snapshot()["snapshot-id"] == before
    (real,) = duckdb.query(f"SELECT {', '.join(f'count(DISTINCT {name}) AS {name}' for name in told['distinct'])} FROM {duckdb.source(table)}").to_pylist()
    assert set(told["distinct"]) >= {"ts", "sequence", "symbol", "price", "side"}
    for name, distinct in told["distinct"].items():
        assert distinct == real[name] if real[name] <= 4096 else abs(distinct - real[name]) < real[name] * 0.07, name

    jvm = spark.session._jvm
    java = jvm.org.apache.iceberg.hadoop.HadoopTables(spark.session._jsc.hadoopConfiguration()).load(str(table.location).removeprefix("file://"))
    (file,) = java.statisticsFiles()
    assert file.snapshotId() == before and file.fileSizeInBytes() == told["bytes"]
    names = {field.fieldId(): field.name() for field in java.schema().columns()}
    reader = jvm.org.apache.iceberg.puffin.Puffin.read(java.io().newInputFile(file.path())).withFileSize(file.fileSizeInBytes()).withFooterSize(file.fileFooterSizeInBytes()).build()
    blobs = reader.fileMetadata().blobs()
    assert len(blobs) == len(told["distinct"]) == len(file.blobMetadata())
    for pair in each(reader.readAll(blobs)):
        blob, content = pair.first(), pair.second()
        assert blob.type() == "apache-datasketches-theta-v1" and blob.snapshotId() == before
        sketch = jvm.org.apache.datasketches.theta.CompactSketch.heapify(jvm.org.apache.datasketches.memory.Memory.wrap(content, jvm.java.nio.ByteOrder.LITTLE_ENDIAN))
        name = names[blob.inputFields()[0]]
        assert str(told["distinct"][name]) == blob.properties()["ndv"]
        assert abs(sketch.getEstimate() - told["distinct"][name]) <= 0.5, name
        assert sketch.getLowerBound(3) <= real[name] <= sketch.getUpperBound(3), name
        # A union with a sketch of its own takes it for one of the same values.
        if name == "sequence":
            own = jvm.org.apache.datasketches.theta.UpdateSketch.builder().build()
            for n in range(0, 20_000, 4):
                own.update(bytearray(n.to_bytes(8, "little")))
            union = jvm.org.apache.datasketches.theta.SetOperation.builder().buildUnion()
            union.union(sketch)
            union.union(own)
            assert abs(union.getResult().getEstimate() - 20_000) < 20_000 * 0.07
    (known,) = pyiceberg.load(table).metadata.statistics
    assert known.snapshot_id == before and len(known.blob_metadata) == len(blobs)
    for engine in (pyiceberg, duckdb, spark):
        assert len(engine.rows(table, ["sequence"])) == 20_000

    # The next snapshot has none until it is asked for; expiry takes the file with the snapshot that it is of.
    assert maintain(cold, "--statistics")["statistics"]["present"]
    insert_trades(hot, 20_000, 40)
    assert offload_trades(hot, 20_040)["rows"] == 40
    assert maintain(cold, "--statistics", "--dry-run")["statistics"]["distinct"]["sequence"] > 18_000
    ended = maintain(cold, "--expire", "--snapshots-older-than", "0s")
    assert any(location == told["location"] for location in ended["expire"]["locations"])
    assert program.run("maintain", *cold.arguments, "--target-table", "cold.trades", "--statistics").out.count("distinct values in 20,040 rows") == 1


def test_behind_a_rest_catalog(rest_cold, hot, pyiceberg):
    create_trades(hot)
    insert_trades(hot, 0, 100)
    offload_trades(hot, 100)
    told = maintain(rest_cold, "--statistics")["statistics"]
    (known,) = pyiceberg.load(rest_cold.table("trades")).metadata.statistics
    assert known.statistics_path == told["location"] and told["distinct"]["sequence"] == 100
