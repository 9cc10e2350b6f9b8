"""Windows and the watermark: ties, empty windows, rows that no window holds, the journal, two calves at once."""

import datetime
import json
import sqlite3

import pytest

from . import canonical, program
from .trades import TIES, create_trades, insert_trades, instant, offload_trades, through


def same_as_hot(cold, hot, reader, sql="SELECT * FROM trades"):
    columns, expected = hot.rows(sql)
    canonical.assert_same_rows(expected, reader.rows(cold.table("trades"), columns), columns, reader.name)


def test_ties_at_the_boundary(any_cold, hot, duckdb):
    """A window that ends exactly at an instant takes every row of it, and the next one none of them."""
    create_trades(hot)
    insert_trades(hot, 0, 100)
    for count in range(TIES, 101, TIES * 5):
        result = offload_trades(hot, count)
        assert result["window"]["to"] == through(count)
    offload_trades(hot, 100)
    same_as_hot(any_cold, hot, duckdb)


@pytest.mark.parametrize("kind, end, rows", [
    ("DateTime64(6, 'UTC')", "2024-08-09T00:00:01.000000Z", 2), ("DateTime64(6, 'UTC')", "2024-08-09T00:00:00.999999Z", 1),
    ("DateTime64(3, 'UTC')", "2024-08-09T00:00:01.000999Z", 2), ("DateTime('UTC')", "2024-08-09T00:00:01.999999Z", 2),
    ("DateTime('Asia/Tokyo')", "2024-08-09T00:00:00.999999Z", 1), ("DateTime64(9, 'UTC')", "2024-08-09T00:00:01.000000Z", 2),
    ("DateTime64(3, 'America/New_York')", "2024-08-09T00:00:01Z", 2),
])
def test_the_windows_end_at_every_precision(cold, hot, duckdb, kind, end, rows):
    """One row before, one on and one just after the second; what the first window leaves the second takes."""
    tick = {"6": "Microsecond", "3": "Millisecond", "9": "Nanosecond"}.get(kind.partition("64(")[2][:1], "Second")
    hot.execute(f"CREATE TABLE p (ts {kind}, n Int32) ENGINE = MergeTree ORDER BY n",
                "INSERT INTO p SELECT toDateTime64('2024-08-09 00:00:00', 9, 'UTC'), 1",
                "INSERT INTO p SELECT toDateTime64('2024-08-09 00:00:01', 9, 'UTC'), 2",
                f"INSERT INTO p SELECT toDateTime64('2024-08-09 00:00:01', 9, 'UTC') + toInterval{tick}(1), 3")
    options = ["--type", "ts=timestamptz"] if "(9" in kind else []
    assert hot.offload("p", "--until", end, *options)["rows"] == rows
    assert hot.offload("p", *options)["rows"] == 3 - rows
    assert sorted(duckdb.rows(cold.table("p"), ["n"])) == [(canonical.number(n),) for n in (1, 2, 3)]


def test_an_empty_window_moves_the_watermark_and_adds_nothing(any_cold, hot, duckdb):
    create_trades(hot)
    insert_trades(hot, 0, 100)
    offload_trades(hot, 100)
    result = hot.offload("trades", "--until", "2025-01-01T00:00:00Z")
    assert result["rows"] == 0 and result["files"] == 0
    assert result["watermark"] in ("2025-01-01T00:00:00.000000Z", through(100))
    again = hot.offload("trades", "--until", "2025-01-01T00:00:00Z")
    assert again["rows"] == 0
    same_as_hot(any_cold, hot, duckdb)


def test_an_end_before_the_watermark_is_nothing_to_do(cold, hot, duckdb):
    create_trades(hot)
    insert_trades(hot, 0, 100)
    offload_trades(hot, 100)
    snapshots = len(cold.table("trades").snapshots())
    result = offload_trades(hot, 40)
    assert result["rows"] == 0 and result["snapshot_id"] is None
    assert len(cold.table("trades").snapshots()) == snapshots
    assert result["watermark"] == through(100)


def test_an_empty_source_table(cold, hot, duckdb):
    create_trades(hot)
    assert hot.offload("trades", "--until", "2024-01-01T00:00:00Z")["rows"] == 0
    insert_trades(hot, 0, 40)
    assert offload_trades(hot, 40)["rows"] == 40
    same_as_hot(cold, hot, duckdb)


def test_the_buffer_leaves_the_newest_rows(cold, hot, duckdb):
    hot.execute("CREATE TABLE trades (ts DateTime64(3, 'UTC'), n Int32) ENGINE = MergeTree ORDER BY n",
                "INSERT INTO trades SELECT now64(3) - toIntervalMinute(30), 1", "INSERT INTO trades SELECT now64(3) - toIntervalMinute(1), 2")
    result = hot.offload("trades", "--buffer", "10m")
    assert result["rows"] == 1
    end = datetime.datetime.fromisoformat(result["window"]["to"].replace("Z", "+00:00"))
    age = datetime.datetime.now(datetime.timezone.utc) - end
    assert datetime.timedelta(minutes=10) <= age < datetime.timedelta(minutes=11)
    assert hot.offload("trades", "--buffer", "10s")["rows"] == 1


def test_the_end_is_never_after_the_servers_clock(cold, hot):
    create_trades(hot)
    result = hot.offload("trades", "--until", "2100-01-01T00:00:00Z")
    end = datetime.datetime.fromisoformat(result["window"]["to"].replace("Z", "+00:00"))
    assert end <= datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(minutes=5)


def test_rows_that_no_window_holds_are_reported(cold, hot, duckdb):
    hot.execute("CREATE TABLE trades (ts Nullable(DateTime64(3, 'UTC')), n Int32) ENGINE = MergeTree ORDER BY n",
                "INSERT INTO trades SELECT '2024-08-09 00:00:00', 1", "INSERT INTO trades SELECT NULL, number + 10 FROM numbers(3)",
                "INSERT INTO trades SELECT now64(3) + toIntervalDay(1), number + 20 FROM numbers(2)")
    result = hot.offload("trades")
    assert (result["rows"], result["rows_null_cursor"], result["rows_future_cursor"]) == (1, 3, 2)
    shown = program.run(*hot.arguments("trades"))
    assert "3" in shown.err and "NULL" in shown.err.upper() and "2" in shown.err and "clock" in shown.err, shown
    assert duckdb.rows(cold.table("trades"), ["n"]) == [(canonical.number(1),)]


def test_the_snapshot_tells_where_its_rows_are_from(any_cold, hot):
    create_trades(hot)
    insert_trades(hot, 0, 100)
    result = offload_trades(hot, 100, "--sequence-col", "sequence")
    table = any_cold.table("trades")
    summary = table.current_snapshot()["summary"]
    uuid = hot.value("SELECT uuid FROM system.tables WHERE name = 'trades' AND database = currentDatabase()")
    server, name, table_uuid = summary["calve.source"].split("/")
    assert name == "default.trades" and table_uuid == ("" if uuid == "00000000-0000-0000-0000-000000000000" else uuid)
    assert summary["calve.window-to"] == through(100) == result["watermark"]
    assert summary["calve.rows"] == "100" and summary["calve.max-sequence"] == "99" and summary["calve.kind"] == "append"
    assert len(summary["calve.commit-id"]) == 36 and summary["calve.version"]
    stored = json.loads(table.metadata["properties"]["calve.watermark"])
    assert stored["snapshot-id"] == result["snapshot_id"] if "snapshot-id" in stored else str(result["snapshot_id"]) in str(stored)
    assert through(100) in json.dumps(stored)
    offload_trades(hot, 100)
    insert_trades(hot, 100, 20)
    offload_trades(hot, 120)
    assert any_cold.table("trades").current_snapshot()["summary"]["calve.window-from"] == through(100)


def test_the_journal_can_be_deleted_at_any_time(any_cold, hot, duckdb):
    create_trades(hot)
    insert_trades(hot, 0, 200)
    offload_trades(hot, 100)
    any_cold.journal.unlink()
    assert offload_trades(hot, 200)["rows"] == 100
    assert offload_trades(hot, 200)["rows"] == 0
    same_as_hot(any_cold, hot, duckdb)


@pytest.mark.parametrize("damage", ["garbage", "directory"])
def test_a_journal_that_cannot_be_used_stops_nothing(cold, hot, duckdb, damage):
    create_trades(hot)
    insert_trades(hot, 0, 100)
    journal = cold.warehouse / "calve-journal.db"  # where it stands unless --state says otherwise
    cold.warehouse.mkdir()
    if damage == "garbage":
        journal.write_bytes(b"this is no database" * 1000)
    else:
        journal.mkdir()
    arguments = hot.arguments("trades", "--until", through(100), "--json")
    position = arguments.index("--state")
    outcome = program.run(*arguments[:position], *arguments[position + 2:])
    assert outcome.json["rows"] == 100 and "journal" in outcome.err
    same_as_hot(cold, hot, duckdb)


def test_a_journal_that_was_named_wrongly_is_bad_config(cold, hot):
    create_trades(hot)
    insert_trades(hot, 0, 100)
    cold.journal = cold.folder / "missing" / "deeper" / "state.db"
    cold.state = f"sqlite:///{cold.journal}"
    (cold.folder / "missing").write_text("a file where a folder should be")
    outcome = offload_trades(hot, 100, code=program.USAGE)
    assert str(cold.journal) in outcome.err and not cold.table("trades").exists()


def test_the_mirror_that_dashboards_read(cold, hot):
    create_trades(hot)
    insert_trades(hot, 0, 100)
    offload_trades(hot, 100, "--sequence-col", "sequence")
    with sqlite3.connect(cold.journal) as connection:
        connection.row_factory = sqlite3.Row
        rows = [dict(row) for row in connection.execute("SELECT * FROM offload_watermarks")]
    assert len(rows) == 1
    row = rows[0]
    assert row["table_name"] == "trades" and row["status"] == "success" and row["failure_count"] == 0
    assert row["last_offload_max_sequence"] == 99 and row["last_offload_row_count"] == 100
    assert row["last_offload_timestamp"].startswith(instant(99).strftime("%Y-%m-%d"))


def test_a_failed_run_is_counted_and_moves_nothing(cold, hot):
    create_trades(hot)
    insert_trades(hot, 0, 100)
    offload_trades(hot, 100)
    hot.execute("INSERT INTO trades SELECT toDateTime64('2024-08-10 00:00:00', 3, 'UTC'), 18446744073709551615, 'X', 1, 'buy'")
    hot.offload("trades", code=program.FAILED)
    with sqlite3.connect(cold.journal) as connection:
        status, failures, rows, message = connection.execute(
            "SELECT status, failure_count, last_offload_row_count, last_error_message FROM offload_watermarks").fetchone()
    assert (status, failures, rows) == ("failed", 1, 100) and "sequence" in message
    assert cold.table("trades").current_snapshot()["summary"]["calve.window-to"] == through(100)


def test_two_calves_at_once(any_cold, hot, duckdb, http_server):
    """They race for the same windows from one server; each row comes once, and the loser says so or finds nothing left."""
    create_trades(hot)
    insert_trades(hot, 0, 4000)
    with http_server(hot) as server:
        for count in range(400, 4001, 400):
            arguments = hot.arguments("trades", "--until", through(count), "--json", "--lease", "0", source=server.url)
            racers = [program.start(*arguments) for _ in range(3)]
            ends = [(racer.communicate(timeout=120), racer.returncode) for racer in racers]
            for (out, err), code in ends:
                assert code == program.DONE, err
            assert sum(json.loads(out)["rows"] for (out, _), _ in ends) == 400
    same_as_hot(any_cold, hot, duckdb)
    table = any_cold.table("trades")
    assert len({p for p in table.data_files()}) == 10, "the losers' files are gone"


def test_a_rebuilt_source_table_is_noticed_or_harmless(cold, hot, duckdb):
    """The table was dropped and filled anew with the same rows: what is cold already must not come again."""
    create_trades(hot)
    insert_trades(hot, 0, 200)
    offload_trades(hot, 100)
    hot.execute("DROP TABLE trades SYNC")
    create_trades(hot)
    insert_trades(hot, 0, 200)
    assert offload_trades(hot, 200)["rows"] == 100
    same_as_hot(cold, hot, duckdb)


def test_another_tables_watermark_is_not_ours(cold, hot):
    """Pointing a second source table at the same target is refused: its rows up to the watermark would be lost."""
    create_trades(hot)
    insert_trades(hot, 0, 100)
    offload_trades(hot, 100)
    create_trades(hot, "other")
    insert_trades(hot, 0, 200, table="other")
    outcome = hot.offload("other", "--until", through(200), target="cold.trades", code=program.USAGE)
    assert "trades" in outcome.err and len(cold.table("trades").snapshots()) == 1


def test_many_commits_cost_what_few_do(any_cold, hot, duckdb):
    """Manifests are merged and old metadata files dropped where the table asks for it."""
    create_trades(hot)
    insert_trades(hot, 0, 480)
    options = ["--property", "commit.manifest.min-count-to-merge=5", "--property", "write.metadata.delete-after-commit.enabled=true",
               "--property", "write.metadata.previous-versions-max=4"]
    for window in range(1, 61):
        offload_trades(hot, window * 8, *options)
    table = any_cold.table("trades")
    assert len(table.snapshots()) == 60 and len(table.data_files()) == 60
    files = len(list((table.location / "metadata").glob("*.metadata.json")))
    if any_cold.kind == "sql":
        assert files <= 6 and len(table.metadata["metadata-log"]) <= 4
    else:
        # Names of versions are not given free while a writer may be under way: files go after an hour.
        assert files == 61 and len(table.metadata["metadata-log"]) == 60
    manifests = duckdb_manifest_count(table)
    assert manifests < 10, f"{manifests} manifests after 60 commits"
    same_as_hot(any_cold, hot, duckdb)


def duckdb_manifest_count(table):
    from pyiceberg.table import StaticTable

    loaded = StaticTable.from_metadata(str(table.metadata_file))
    return len(loaded.current_snapshot().manifests(loaded.io))
