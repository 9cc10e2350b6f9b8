"""Every state that calve committed can still be read, in every engine."""

import datetime

from . import canonical
from .trades import create_trades, insert_trades, offload_trades


def offload_three_windows(hot):
    """Three windows; [(snapshot id, rows so far)]."""
    create_trades(hot)
    states, total = [], 0
    for part in range(3):
        insert_trades(hot, first=part * 100, count=100)
        result = offload_trades(hot, (part + 1) * 100, "--partition-by", "days(ts)", "--sequence-col", "sequence")
        total += result["rows"]
        states.append((result["snapshot_id"], total))
    assert [rows for _, rows in states] == [100, 200, 300]
    return states


def test_by_snapshot(any_cold, hot, four):
    states = offload_three_windows(hot)
    table = any_cold.table("trades")
    columns, expected = hot.rows("SELECT * FROM trades ORDER BY sequence")
    for snapshot_id, rows in states:
        for reader in four:
            got = reader.rows(table, columns, snapshot_id=snapshot_id)
            canonical.assert_same_rows(expected[:rows], got, columns, f"{reader.name} at {snapshot_id}")


def test_by_time_and_by_tag(any_cold, hot, spark):
    states = offload_three_windows(hot)
    table = any_cold.table("trades")
    times = {s["snapshot-id"]: s["timestamp-ms"] for s in table.snapshots()}
    assert sorted(times.values()) == list(times.values()) and len(set(times.values())) == 3, "one commit, one instant"
    for snapshot_id, rows in states:
        when = datetime.datetime.fromtimestamp(times[snapshot_id] / 1000, datetime.timezone.utc).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
        assert spark.sql(table, f"SELECT count(*) FROM {{t}} TIMESTAMP AS OF '{when}'").collect()[0][0] == rows
    assert spark.sql(table, "SELECT count(*) FROM {t} VERSION AS OF 'calve'").collect()[0][0] == 300
    assert table.metadata["refs"]["calve"] == {"snapshot-id": states[-1][0], "type": "tag"} | {
        k: v for k, v in table.metadata["refs"]["calve"].items() if k.startswith("max-")}


def test_history_is_a_chain(any_cold, hot, spark, pyiceberg):
    states = offload_three_windows(hot)
    table = any_cold.table("trades")
    history = spark.sql(table, "SELECT snapshot_id, parent_id, is_current_ancestor FROM {t}.history ORDER BY made_current_at").collect()
    ids = [snapshot_id for snapshot_id, _ in states]
    assert [tuple(row) for row in history] == [(ids[0], None, True), (ids[1], ids[0], True), (ids[2], ids[1], True)]
    log = table.metadata["snapshot-log"]
    assert [entry["snapshot-id"] for entry in log] == ids
    sequence = [s["sequence-number"] for s in table.snapshots()]
    assert sequence == sorted(set(sequence)) and table.metadata["last-sequence-number"] == sequence[-1]
    # what the summaries say is what the engines count
    for snapshot, (_, rows) in zip(table.snapshots(), states):
        summary = snapshot["summary"]
        assert all(isinstance(v, str) for v in summary.values())
        assert summary["operation"] == "append" and summary["added-records"] == "100" and summary["total-records"] == str(rows)
        scan = pyiceberg.load(table).scan(snapshot_id=snapshot["snapshot-id"])
        files = [task.file for task in scan.plan_files()]
        assert summary["total-data-files"] == str(len(files)) and summary["total-files-size"] == str(sum(f.file_size_in_bytes for f in files))


def test_rolling_back_moves_the_watermark_back(cold, hot, spark, duckdb):
    """Another engine rolls the table back: the rows that went away come again, once."""
    states = offload_three_windows(hot)
    table = cold.table("trades")
    spark.sql(table, f"CALL calve.system.rollback_to_snapshot('{table.ident}', {states[0][0]})").collect()
    assert len(duckdb.rows(table, ["sequence"])) == 100
    assert offload_trades(hot, 300)["rows"] == 200
    columns, expected = hot.rows("SELECT * FROM trades")
    canonical.assert_same_rows(expected, duckdb.rows(table, columns), columns, "DuckDB")


def test_expired_snapshots_leave_the_watermark(cold, hot, spark, duckdb):
    offload_three_windows(hot)
    table = cold.table("trades")
    spark.sql(table, f"CALL calve.system.expire_snapshots(table => '{table.ident}', older_than => TIMESTAMP '2100-01-01 00:00:00', retain_last => 1)").collect()
    assert len(table.snapshots()) == 1
    assert offload_trades(hot, 300)["rows"] == 0
    insert_trades(hot, first=300, count=20)
    assert offload_trades(hot, 320)["rows"] == 20
    columns, expected = hot.rows("SELECT * FROM trades")
    canonical.assert_same_rows(expected, duckdb.rows(table, columns), columns, "DuckDB")


def test_another_engines_commit_on_top_leaves_the_watermark(cold, hot, spark, duckdb):
    """Compaction by Spark, and the snapshots before it expired: only the table property still tells."""
    offload_three_windows(hot)
    table = cold.table("trades")
    spark.sql(table, f"CALL calve.system.rewrite_data_files(table => '{table.ident}', options => map('rewrite-all', 'true'))").collect()
    assert offload_trades(hot, 300)["rows"] == 0
    spark.sql(table, f"CALL calve.system.rewrite_data_files(table => '{table.ident}', options => map('rewrite-all', 'true'))").collect()
    spark.sql(table, "ALTER TABLE {t} DROP TAG IF EXISTS calve").collect()
    spark.sql(table, f"CALL calve.system.expire_snapshots(table => '{table.ident}', older_than => TIMESTAMP '2100-01-01 00:00:00', retain_last => 1)").collect()
    insert_trades(hot, first=300, count=20)
    assert offload_trades(hot, 320)["rows"] == 20
    columns, expected = hot.rows("SELECT * FROM trades")
    canonical.assert_same_rows(expected, duckdb.rows(table, columns), columns, "DuckDB")
