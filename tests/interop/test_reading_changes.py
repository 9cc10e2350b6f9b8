"""What calve's overwrite snapshots look like to the engines: before and after, as metadata, as changes; and what becomes of
what Spark puts on top of them."""

import pytest

from .other_engines import SparkAtWork, Trades, assert_rows

CHANGED = {n: 1000000 + n for n in (*range(100, 110), *range(500, 505))}


def upserted(hot):
    """Two windows and their rows changed: the snapshots before and after the change."""
    trades = Trades(hot, "upsert")
    trades.insert(0, 400)
    trades.offload(400)
    trades.insert(400, 400)
    before = trades.offload(800)["snapshot_id"]
    trades.insert(100, 10, 1)
    trades.insert(500, 5, 1)
    after = trades.offload(800)["late"]["snapshot_id"]
    return trades, before, after


def test_before_and_after(any_cold, hot, four):
    trades, before, after = upserted(hot)
    for reader in four:
        rows = {snapshot: [(int(n[1]), int(price[1])) for n, price in reader.rows(trades.table, ["sequence", "price"], snapshot_id=snapshot)]
                for snapshot in (before, after, None)}
        assert_rows(rows[before], [(n, n) for n in range(800)])
        assert_rows(rows[after], trades.rows.items())
        assert_rows(rows[None], trades.rows.items())


@pytest.mark.spark
def test_as_metadata_and_as_changes(cold, hot, spark, pyiceberg):
    trades, before, after = upserted(hot)
    table = trades.table
    first, second, third = (snapshot["snapshot-id"] for snapshot in table.snapshots())
    assert (second, third) == (before, after)

    def ask(what):
        return [tuple(row) for row in spark.sql(table, what).collect()]

    assert ask("SELECT snapshot_id, parent_id, is_current_ancestor FROM {t}.history ORDER BY made_current_at") == [
        (first, None, True), (second, first, True), (third, second, True)]
    assert ask("SELECT operation, summary['calve.kind'] FROM {t}.snapshots ORDER BY committed_at") == [
        ("append", "append"), ("append", "append"), ("overwrite", "upsert")]
    files = dict(ask("SELECT file_path, record_count FROM {t}.files"))
    assert sum(files.values()) == 800
    # Of the third snapshot: what went and what came, file by file. 0 existing, 1 added, 2 deleted.
    entries = ask(f"SELECT status, data_file.record_count FROM {{t}}.entries WHERE snapshot_id = {third}")
    assert sorted(rows for status, rows in entries if status == 2) == [400, 400]
    assert sum(rows for status, rows in entries if status == 1) == 800 and not any(status == 0 for status, _ in entries)

    inspected = pyiceberg.load(table).inspect
    assert dict(zip(*(inspected.files()[name].to_pylist() for name in ("file_path", "record_count")))) == files
    assert inspected.snapshots()["operation"].to_pylist() == ["append", "append", "overwrite"]
    assert inspected.history()["snapshot_id"].to_pylist() == [first, second, third]
    assert sorted(inspected.entries()["status"].to_pylist()) == sorted(status for status, in ask("SELECT status FROM {t}.entries"))

    # Spark reads increments of appends only: the change is not among them.
    session = spark.at(table.warehouse)
    increment = session.read.format("iceberg").option("start-snapshot-id", first).option("end-snapshot-id", third).load(str(table.location))
    assert_rows([(row.sequence,) for row in increment.select("sequence").collect()], [(n,) for n in range(400, 800)])
    # As changes it is what changed, and nothing of what was only written anew.
    view = spark.sql(table, f"CALL calve.system.create_changelog_view(table => '{table.ident}', options => map('start-snapshot-id', '{second}', "
                            f"'end-snapshot-id', '{third}'), identifier_columns => array('sequence'))").collect()[0][0]
    changes = session.sql(f"SELECT _change_type, sequence, price FROM {view}").collect()
    assert_rows([tuple(row) for row in changes],
                [("UPDATE_BEFORE", n, n) for n in CHANGED] + [("UPDATE_AFTER", n, price) for n, price in CHANGED.items()])


@pytest.mark.spark
@pytest.mark.parametrize("how", ["copy-on-write", "merge-on-read"])
def test_sparks_merge_on_top(cold, hot, spark, duckdb, how):
    """A MERGE changes rows of calve's and brings some of its own. What hot changes after that is hot's again; the rest of the
    MERGE stays."""
    trades, _, _ = upserted(hot)
    job = SparkAtWork(spark, trades)
    job.set_properties({"write.merge.mode": how, "write.delete.mode": how})
    job.sql("MERGE INTO {t} AS t USING (SELECT id AS sequence FROM range(395, 405) UNION ALL SELECT -id FROM range(1, 4)) AS s ON t.sequence = s.sequence "
            "WHEN MATCHED AND t.sequence = 404 THEN DELETE WHEN MATCHED THEN UPDATE SET t.price = -1 "
            "WHEN NOT MATCHED THEN INSERT (ts, sequence, price, lots) VALUES (TIMESTAMP '2024-08-09 00:00:00Z', s.sequence, s.sequence, 0)")
    job.sql("DELETE FROM {t} WHERE sequence = -3")
    merged = {n: -1 if 395 <= n < 404 else price for n, price in trades.rows.items() if n != 404} | {-1: -1, -2: -2}
    trades.offload(800)
    assert_rows(trades.in_cold(duckdb, ["sequence", "price"]), merged.items())
    trades.insert(200, 3, 2)  # in the same files, in other hours
    trades.insert(700, 3, 2)
    trades.insert(800, 40)
    told = trades.offload(840)
    assert (told["rows"], told["late"]["rows"], told["late"]["rows_removed"]) == (40, 6, 6)
    merged |= {n: trades.rows[n] for n in (*range(200, 203), *range(700, 703), *range(800, 840))}
    assert_rows(trades.in_cold(duckdb, ["sequence", "price"]), merged.items())
    trades.insert(396, 1, 3)  # and into the hour of the MERGE: it holds what hot does again
    trades.offload(840)
    merged |= {n: trades.rows[n] for n in range(395, 405)}
    assert_rows(trades.in_cold(duckdb, ["sequence", "price"]), merged.items())
