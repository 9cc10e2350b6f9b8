"""Verification and compaction by slices: what they find and what they leave is what one process finds and leaves, whatever happens to
those who write the slices."""

import json
import random
import signal
import threading
import time

import pytest

from . import program
from .other_engines import SparkAtWork, Trades
from .slices import Slices, changed
from .test_crash import cold_totals, hot_totals
from .test_existing_tables import pyiceberg_catalog
from .test_expire import maintain
from .test_verify import ROWS, counts, only, rewrite, verify
from .trades import COLUMN_NAMES, create_trades, insert_trades, offload_trades, through


class Jobs(Slices):
    """The three commands for another job than an offload."""

    def __init__(self, hot, job):
        super().__init__(hot)
        self.job = job

    def plan(self, *more, code=program.DONE):
        return super().plan("--job", self.job, *more, code=code)

    def write(self, lines, *more, code=program.DONE):
        if self.job == "verify":
            return super().write(lines, *more, code=code)
        self.written = program.run("write-slice", *more, code=code, env=self.cold.env, lines=lines)  # no source
        return self.written.out.splitlines() if code == program.DONE else self.written

    def by_slices(self, *more, code=program.DONE):
        """All three; the JSON object that the last one prints."""
        lines = self.plan("--slices", "4", *more)
        written = [*self.write(lines[::2]), *self.write(lines[1::2])] if len(lines) > 1 else self.write(lines)
        random.Random(len(lines)).shuffle(written)
        outcome = self.commit(written, code=code)
        assert self.plan_files() == []
        return outcome if code == program.DONE else outcome.json


# --- verify -------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def offloaded(hot, sql_cold):
    create_trades(hot)
    insert_trades(hot, 0, ROWS)
    offload_trades(hot, ROWS, "--partition-by", "days(ts)")
    return hot


def told_alike(hot, *more, code=program.DONE):
    """What one process tells, which is what the slices tell."""
    alone = verify(hot, "trades", *more, code=code)
    told = Jobs(hot, "verify").by_slices(*more, code=code)
    for each in (alone, told):
        for timed in ("duration_seconds", "rows_per_second"):
            assert each.pop(timed) >= 0
    assert told == alone
    return told


def test_an_equal_table_is_equal_by_slices(offloaded, sql_cold):
    told = told_alike(offloaded)
    assert told["equal"] and told["rows"] == {"hot": ROWS, "cold": ROWS} and told["buckets"]["compared"] == 17
    told_alike(offloaded, "--from", "2024-08-09T02:00:00Z", "--to", "2024-08-09T13:30:00Z", "--bucket", "day")
    sampled = told_alike(offloaded, "--sample", "30%", "--seed", "1")
    assert 0 < sampled["buckets"]["compared"] < 17
    # Only what was offloaded is looked for; and where hot let rows go, cold's decide how slices are cut.
    insert_trades(offloaded, ROWS, 400)
    offloaded.execute("ALTER TABLE trades DELETE WHERE ts < toDateTime64('2024-08-09 12:00:00', 3, 'UTC') SETTINGS mutations_sync = 1")
    told = told_alike(offloaded)
    assert told["equal"] and counts(told) == only(extra_allowed=2880)


def test_slices_are_of_about_as_many_rows(offloaded, sql_cold):
    jobs = Jobs(offloaded, "verify")
    lines = [json.loads(line) for line in jobs.plan("--slices", "4")]
    assert [line["slice"] for line in lines] == [0, 1, 2, 3] and sum(line["rows"] for line in lines) == pytest.approx(2 * ROWS, abs=4)
    assert max(line["rows"] for line in lines) <= 1.5 * 2 * ROWS / 4
    assert all(before["ranges"][-1]["up_to"] == after["ranges"][0]["after"] for before, after in zip(lines, lines[1:]))
    assert len(jobs.plan("--slice-rows", "100000000")) == 1 and len(jobs.plan("--slice-rows", "1")) == 17
    plans = jobs.plan_files()
    assert jobs.plan("--abandon") == [] and "3 open plans" in jobs.planned.err and jobs.plan_files() == [], plans


def damage(rows):
    rows[10]["price"] += 1
    rows[1_234]["side"], rows[3_001]["price"] = "neither", rows[3_000]["price"]
    rows[3_990] = dict(rows[3_988])


@pytest.mark.parametrize("options", [("--key", "sequence,ts", "--rows", "3"), ("--rows", "2", "--strict")], ids=["by key", "whole rows"])
def test_damage_is_told_in_the_same_words(offloaded, sql_cold, options):
    rewrite(sql_cold.table("trades"), damage)
    insert_trades(offloaded, 8, 4)  # late rows
    told = told_alike(offloaded, *options, code=program.DIFFERENCE)
    assert not told["equal"] and told["buckets"]["different"] == 4 and told["missing"] >= 1
    assert all(bucket["examples"] for bucket in told["differences"])


def test_another_engines_delete_files_and_late_columns(offloaded, sql_cold):
    table = pyiceberg_catalog(sql_cold).load_table("cold.trades")
    doubled = table.scan(row_filter="sequence < 2").to_arrow()
    table.delete("sequence == 3000")
    table.append(doubled)
    told_alike(offloaded, "--key", "sequence", code=program.DIFFERENCE)
    offloaded.execute("ALTER TABLE trades ADD COLUMN fee Decimal64(8) DEFAULT 1.5",
                      f"INSERT INTO trades SELECT ts + toIntervalDay(1), sequence + {ROWS}, symbol, price, side, 0.1 FROM trades WHERE sequence < 40")
    offloaded.offload("trades", "--until", "2024-08-11T00:00:00Z")
    told = told_alike(offloaded, code=program.DIFFERENCE)
    assert told["defaulted"] and told["columns"][-1] == "fee"


def test_merged_engines_by_slices(hot, sql_cold):
    create_trades(hot, engine="ReplacingMergeTree ORDER BY (symbol, sequence)")
    insert_trades(hot, 0, 400)
    insert_trades(hot, 0, 400)
    offload_trades(hot, 400)
    assert told_alike(hot)["key"] == ["symbol", "sequence"]
    hot.execute("INSERT INTO trades SELECT ts, sequence, symbol, price + 1, side FROM trades FINAL WHERE sequence = 7")
    assert counts(told_alike(hot, "--rows", "2", code=program.DIFFERENCE)) == only(changed=1)


def test_lines_that_do_not_add_up_are_no_verdict(offloaded, sql_cold):
    jobs = Jobs(offloaded, "verify")
    lines = jobs.plan("--slices", "3")
    written = jobs.write(lines)
    for given, words in [(written[:2], "1 of 3 slices are missing: 2"), ([*written, written[0]], "slice 0 is there twice"),
                         ([*written[:2], "{"], "JSON"), ([*written[:2], changed(written[2], job="compact")], "compact")]:
        assert words in jobs.commit(given, "--keep", code=None).err, words
        assert jobs.committed.code in (program.FAILED, program.USAGE)
    assert jobs.plan("--resume") == lines
    assert jobs.plan("--resume", "--bucket", "day") != lines, "another question is another plan"
    jobs.commit(jobs.write(jobs.plan("--resume", "--bucket", "day")))
    assert jobs.commit(written)["equal"] and jobs.plan_files() == []
    assert "is over" in jobs.commit(written, code=program.FAILED).err
    assert "is over" in jobs.write(lines[:1], code=program.FAILED).err
    lines = jobs.plan("--slices", "3")
    assert jobs.commit(jobs.write(lines[1:]), code=None).code != program.DONE and jobs.plan_files() == []
    assert "--cold-only" in jobs.plan("--cold-only", code=program.USAGE).err
    assert "--source is missing" in program.run("write-slice", lines=lines, code=program.USAGE).err


# --- compact ------------------------------------------------------------------------------------------------------------------


def fill(hot, windows=5, rows=400, *options):
    create_trades(hot)
    for count in range(rows, rows * windows + 1, rows):
        insert_trades(hot, count - rows, rows)
        offload_trades(hot, count, "--partition-by", "symbol", *options)


@pytest.fixture
def compacting(cold, hot):
    fill(hot)
    return Jobs(hot, "compact")


def of(outcome):
    [table] = outcome["tables"]
    return table


@pytest.mark.spark
def test_the_same_rows_in_fewer_files(cold, hot, compacting, four):
    table = cold.table("trades")
    rows, properties = sorted(four[0].rows(table, COLUMN_NAMES)), table.properties
    told = of(compacting.by_slices())
    assert told["table"] == "cold.trades" and not told["done_before"] and told["files_swept"] == 0
    compact = told["compact"]
    assert (compact["files_removed"], compact["files_added"], compact["groups_done"], compact["rows"]) == (15, 3, 3, 2000)
    snapshot = table.current_snapshot()
    assert compact["snapshot_ids"] == [snapshot["snapshot-id"]] and snapshot["summary"]["total-data-files"] == "3"
    assert snapshot["summary"]["operation"] == "replace" and table.properties == properties
    for reader in four:
        assert sorted(reader.rows(table, COLUMN_NAMES)) == rows, reader.name
    assert compacting.plan() == [] and "none worth compacting" in compacting.planned.err
    # The watermark is where it was; and the files may be compacted again, and go.
    insert_trades(hot, 2000, 400)
    assert offload_trades(hot, 2400)["rows"] == 400
    assert verify(hot, "trades")["equal"]
    assert maintain(cold, "--expire", "--snapshots-older-than", "0s", "--orphans")["expire"]["data_files"] == 15
    assert len(four[1].rows(table, ["sequence"])) == 2400


@pytest.mark.spark
def test_sparks_delete_files_apply_in_slices(cold, hot, spark, duckdb):
    trades = Trades(hot, "append")
    for count in range(40, 241, 40):
        trades.insert(count - 40, 40)
        trades.offload(count)
    job = SparkAtWork(spark, trades)
    job.append()
    job.delete_by_position()
    told = told_alike(hot, "--key", "sequence", "--strict", code=program.DIFFERENCE)
    assert counts(told) == only(extra=len(trades.foreign)) == only(extra=4), "two of six were deleted"
    compacting = Jobs(hot, "compact")
    done = of(compacting.by_slices())["compact"]
    assert done["rows_deleted"] == 2 and done["files_added"] == 1 and maintain(cold, "--compact")["after"]["data_files"] == 1
    trades.check(duckdb, 240)
    assert {row.sequence for row in spark.sql(trades.table, "SELECT sequence FROM {t}").collect()} == {*range(240), *trades.foreign}


def test_what_others_change_meanwhile(cold, hot, compacting, duckdb, pyiceberg):
    totals = hot_totals(hot)
    written = compacting.write(compacting.plan("--slices", "3"))
    insert_trades(hot, 2000, 40)
    offload_trades(hot, 2040)  # is no conflict
    assert maintain(cold, "--compact")["compact"]["groups_done"] == 3
    lost = of(compacting.commit(written))
    assert lost["compact"]["groups_lost"] == 3 and lost["compact"]["snapshot_ids"] == [] and lost["files_swept"] == 3
    assert "no longer in the table" in lost["compact"]["notes"][0]
    compacting.assert_nothing_is_left(pyiceberg)
    # The snapshot that was planned on ends.
    for count in range(2080, 2201, 40):
        insert_trades(hot, count - 40, 40)
        offload_trades(hot, count)
    lines = compacting.plan("--slices", "3")
    written = compacting.write(lines)
    insert_trades(hot, 2200, 40)
    offload_trades(hot, 2240)
    maintain(cold, "--expire", "--snapshots-older-than", "0s")
    lost = of(compacting.commit(written))
    assert lost["compact"]["groups_lost"] == 3 and "expired" in lost["compact"]["notes"][0]
    compacting.assert_nothing_is_left(pyiceberg)
    assert of(compacting.by_slices())["compact"]["groups_done"] == 3
    assert cold_totals(duckdb, cold.table("trades")) == hot_totals(hot) != totals


def test_refused_lines_leave_nothing(cold, hot, compacting, duckdb, pyiceberg):
    lines = compacting.plan("--slices", "3")
    written = compacting.write(lines)
    line = json.loads(written[1])
    line["groups"][0]["rows"] -= 1
    for given, words in [(written[1:], "slices are missing"), ([*written, written[0]], "is there twice"),
                         ([written[0], json.dumps(line), *written[2:]], "deleted")]:
        assert words in compacting.commit(given, "--keep", code=None).err
    assert compacting.plan() == [] and "is being carried out" in compacting.planned.err
    assert compacting.plan("--resume") == lines
    assert "1 of 3 slices" in compacting.commit(written[1:], code=None).err and compacting.committed.code != program.DONE
    compacting.assert_nothing_is_left(pyiceberg)
    assert "is over" in compacting.commit(written, code=program.FAILED).err
    assert cold_totals(duckdb, cold.table("trades")) == hot_totals(hot)
    compacting.write(compacting.plan())
    assert compacting.plan("--abandon") == [] and "1 open plans" in compacting.planned.err
    compacting.assert_nothing_is_left(pyiceberg)


def test_written_twice_at_once_killed_and_committed_again(cold, hot, compacting, duckdb, pyiceberg):
    lines = compacting.plan("--slices", "3")
    attempts = [[], []]
    threads = [threading.Thread(target=lambda each=each: each.extend(program.run("write-slice", lines=lines).out.splitlines())) for each in attempts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for moment in (0.05, 0.1, 0.15, 0.2):
        killed = program.start("write-slice", stdin=-1)
        killed.stdin.write("\n".join(lines) + "\n")
        killed.stdin.flush()
        time.sleep(moment)
        killed.send_signal(signal.SIGKILL)
        killed.communicate(timeout=60)
    assert len(compacting.data_files()) >= 15 + 6
    written = [attempts[0][0], *attempts[1][1:]]
    told = of(compacting.commit(written))
    assert told["compact"]["groups_done"] == 3 and told["files_swept"] >= 3
    compacting.assert_nothing_is_left(pyiceberg)
    snapshots = len(cold.table("trades").snapshots())
    again = of(compacting.commit(written))
    assert again["done_before"] and again["compact"]["files_removed"] == 15 and len(cold.table("trades").snapshots()) == snapshots
    compacting.assert_nothing_is_left(pyiceberg)
    assert cold_totals(duckdb, cold.table("trades")) == hot_totals(hot)
    # The window of an offload by slices stands beside it.
    insert_trades(hot, 2000, 400)
    offload = Slices(hot)
    rows = offload.write(offload.plan("--until", through(2400)))
    assert compacting.plan("--min-files", "2") == []
    assert offload.commit(rows)["rows"] == 400


def test_open_plans_keep_their_files_from_orphan_removal(cold, hot, compacting, pyiceberg):
    written = compacting.write(compacting.plan("--slices", "3"))
    debris = compacting.place / "data" / "debris.parquet"
    debris.write_bytes(b"PAR1")
    orphans = ("--orphans", "--older-than", "0s", "--no-live-writers")
    told = maintain(cold, *orphans)
    assert told["kept"]["of_open_plans"] == 3 + 2 and told["orphans"]["files_deleted"] == 1 and not debris.exists()
    assert of(compacting.commit(written))["compact"]["groups_done"] == 3
    assert maintain(cold, *orphans)["kept"]["of_open_plans"] == 0
    compacting.assert_nothing_is_left(pyiceberg)
