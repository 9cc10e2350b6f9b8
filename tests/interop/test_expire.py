"""calve maintain --expire: old snapshots end as Iceberg's own expire_snapshots ends them, what is left reads as before, and
calve knows where it was."""

import pytest

from . import program
from .readers import local_path
from .test_crash import cold_totals, hot_totals
from .test_late import verify
from .test_maintain import files_of, referenced
from .trades import COLUMN_NAMES, create_trades, insert_trades, offload_trades

OPTIONS = ["--partition-by", "bucket(2, symbol)", "--property", "commit.manifest.min-count-to-merge=3"]


def maintain(cold, *more, code=program.DONE):
    outcome = program.run("maintain", *cold.arguments, "--target-table", "cold.trades", "--json", *more, code=code)
    return outcome.json["tables"][0] if code == program.DONE else outcome


def fill(hot, windows):
    create_trades(hot)
    for count in range(400, 400 * windows + 1, 400):
        insert_trades(hot, count - 400, 400)
        offload_trades(hot, count, *OPTIONS)


def test_what_is_left_reads_as_before(any_cold, hot, duckdb, pyiceberg):
    fill(hot, 5)
    table = any_cold.table("trades")
    snapshots = [s["snapshot-id"] for s in table.snapshots()]
    rows = sorted(pyiceberg.rows(table, COLUMN_NAMES))
    assert maintain(any_cold, "--expire")["expire"]["snapshots"] == 0, "they are younger than five days"
    before = files_of(any_cold)
    dry = maintain(any_cold, "--expire", "--snapshots-older-than", "0s", "--keep-snapshots", "2", "--dry-run")
    assert dry["expire"]["snapshot_ids"] == sorted(snapshots[:3]) and dry["expire"]["files_deleted"] == 0
    assert files_of(any_cold) == before and len(table.snapshots()) == 5
    done = maintain(any_cold, "--expire", "--snapshots-older-than", "0s", "--keep-snapshots", "2")
    assert done["expire"]["files_deleted"] == len(dry["expire"]["locations"]) > 3
    assert (done["before"]["snapshots"], done["after"]["snapshots"]) == (5, 2)
    assert done["after"]["data_files"] == done["before"]["data_files"] and done["after"]["bytes"] == done["before"]["bytes"]
    assert [s["snapshot-id"] for s in table.snapshots()] == snapshots[3:]
    assert [entry["snapshot-id"] for entry in table.metadata["snapshot-log"]] == snapshots[3:]
    assert sorted(pyiceberg.rows(table, COLUMN_NAMES)) == rows
    kept = {str(path) for path in files_of(any_cold) if path.name != "version-hint.text"}
    assert {path for path in kept if ".metadata.json" not in path} == {path for path in referenced(table, pyiceberg) if ".metadata.json" not in path}
    assert offload_trades(hot, 2000, *OPTIONS)["rows"] == 0
    insert_trades(hot, 2000, 400)
    assert offload_trades(hot, 2400, *OPTIONS)["rows"] == 400
    assert cold_totals(duckdb, table) == hot_totals(hot)
    verify(hot)


def test_options_and_refusals(cold, hot):
    fill(hot, 1)
    assert "--expire" in maintain(cold, "--keep-snapshots", "3", "--orphans", code=program.USAGE).err
    assert "1 or more" in maintain(cold, "--expire", "--keep-snapshots", "0", code=program.USAGE).err


def test_manifests_are_joined(cold, hot, duckdb, pyiceberg):
    create_trades(hot)
    for count in range(40, 281, 40):
        insert_trades(hot, count - 40, 40)
        offload_trades(hot, count, "--partition-by", "bucket(2, symbol)")
    table = cold.table("trades")
    rows = sorted(pyiceberg.rows(table, COLUMN_NAMES))
    done = maintain(cold, "--manifests", "--expire", "--snapshots-older-than", "0s")
    assert (done["manifests"]["rewritten"], done["manifests"]["written"]) == (7, 1)
    assert (done["before"]["manifests"], done["after"]["manifests"]) == (7, 1)
    assert (done["after"]["snapshots"], done["expire"]["kept_for_watermark"]) == (2, 0), "calve's tag is on its newest window"
    assert sorted(pyiceberg.rows(table, COLUMN_NAMES)) == rows == sorted(duckdb.rows(table, COLUMN_NAMES))
    assert maintain(cold, "--manifests")["manifests"]["rewritten"] == 0
    insert_trades(hot, 280, 40)
    assert offload_trades(hot, 320)["rows"] == 40
    assert cold_totals(duckdb, table) == hot_totals(hot)


@pytest.mark.spark
def test_chooses_what_java_would(cold, hot, spark, pyiceberg):
    """Snapshots and files alike, with a branch and tags that say something of themselves."""
    fill(hot, 6)
    table = cold.table("trades")
    ids = [s["snapshot-id"] for s in table.snapshots()]
    for statement in (f"CREATE TAG kept AS OF VERSION {ids[1]}", f"CREATE TAG old AS OF VERSION {ids[0]} RETAIN 1 DAYS",
                      f"CREATE BRANCH audit AS OF VERSION {ids[4]} WITH SNAPSHOT RETENTION 2 SNAPSHOTS"):
        spark.sql(table, f"ALTER TABLE {{t}} {statement}")
    spark.sql(table, "DELETE FROM {t} WHERE sequence < 4")
    spark.sql(table, "INSERT INTO {t}.branch_audit SELECT * FROM {t} LIMIT 1").collect()
    offload_trades(hot, 2400, *OPTIONS)
    before, snapshots = files_of(cold), {s["snapshot-id"] for s in table.snapshots()}
    dry = maintain(cold, "--expire", "--snapshots-older-than", "0s", "--keep-snapshots", "1", "--dry-run")["expire"]
    spark.sql(table, f"CALL calve.system.expire_snapshots(table => '{table.ident}', older_than => TIMESTAMP '2100-01-01 00:00:00', retain_last => 1)").collect()
    left = {s["snapshot-id"] for s in table.snapshots()}
    assert set(dry["snapshot_ids"]) == snapshots - left and len(dry["snapshot_ids"]) == 2
    gone = {path for path in before - files_of(cold)}
    assert gone == {local_path(location) for location in dry["locations"]}
    again = maintain(cold, "--expire", "--snapshots-older-than", "0s", "--keep-snapshots", "1")["expire"]
    assert again["snapshots"] == 0 and again["files_deleted"] == 0
    assert offload_trades(hot, 2400, *OPTIONS)["rows"] == 0
