"""Another engine works on the table between and during calve's cycles: afterwards each row of hot is there once, and the
other engine's work is intact."""

import json
import threading
import time

import pytest

from . import program
from .other_engines import SparkAtWork, Trades, assert_rows
from .test_existing_tables import pyiceberg_catalog
from .test_late import verify
from .trades import START

JOBS = ["append", "compact", "delete", "rewrite_manifests", "delete_by_position", "evolve", "roll_back", "append", "expire", "partition", "compact", "rename"]
WINDOW = 40
# Where calve reads rows for the n-th time: its window; what changed behind it, when it knows what to replace.
READINGS = {"window": 1, "replacing": 4}


def grow(trades, mode, count, version):
    """A window's rows; in mode upsert also changes behind the watermark, in most files that there are."""
    trades.insert(count, WINDOW)
    if mode == "upsert":
        changed = [n + version for n in range(0, count, 2 * WINDOW)]
        trades.tell(f"INSERT INTO trades SELECT ts, sequence, {version} * 1000000 + sequence, lots FROM trades WHERE sequence IN {tuple(changed or [-1])}")
        trades.rows |= {n: version * 1000000 + n for n in changed}
    return count + WINDOW


@pytest.mark.spark
@pytest.mark.parametrize("any_cold, mode, moments", [
    ("hadoop", "append", ["window", "between"]), ("sql", "append", ["between", "window"]),
    ("hadoop", "upsert", ["replacing", "window"]), ("sql", "upsert", ["between", "replacing"])], indirect=["any_cold"])
def test_spark_at_work(any_cold, hot, http_server, spark, duckdb, mode, moments):
    with http_server(hot) as server:
        trades = Trades(hot, mode, server)
        spark_job = SparkAtWork(spark, trades)
        count = 0
        for version in (0, 1):
            count = grow(trades, mode, count, version)
            trades.offload(count)
        for version, job in enumerate(JOBS, 2):
            moment = moments[version % 2]
            count = grow(trades, mode, count, version)
            if moment == "between":
                spark_job.run(job)
                trades.offload(count)
            else:
                with trades.stopped(count, at=READINGS[moment]) as told:
                    spark_job.run(job)
                if (job, moment) == ("compact", "replacing"):
                    assert told[0]["late"]["rows"] == 0 and any("another writer committed" in note for note in told[0]["notes"])
            if (job, moment) != ("roll_back", "replacing"):  # this run's own window: the next run's
                trades.check_keys(duckdb, count)
            trades.offload(count)
            trades.check(duckdb, count)
        noted = [row for row in trades.in_cold(duckdb, ["sequence", "remark"]) if row[1] is not None]
        assert noted == [(1, "kept")], "values of a column that is not calve's, in files that calve writes anew"
    metadata = trades.table.metadata
    assert metadata["properties"]["team"] == "spark" and len(metadata["partition-specs"]) == 2
    schema = next(s for s in metadata["schemas"] if s["schema-id"] == metadata["current-schema-id"])
    assert [(f["name"], f["type"]) for f in schema["fields"]][-2:] == [("lots", "long"), ("remark", "string")]


@pytest.mark.spark
@pytest.mark.parametrize("mode, how", [("append", "merge-on-read"), ("upsert", "copy-on-write"), ("upsert", "merge-on-read")])
def test_what_spark_deletes_of_calves_rows(cold, hot, spark, duckdb, mode, how):
    """It stays deleted, also where calve writes its file anew, unless hot still has it in an hour that calve has to look
    into: then cold has what hot has. calve verify tells what is missing, and --repair brings it back."""
    trades = Trades(hot, mode)
    trades.insert(0, 800)
    trades.offload(800)
    spark.sql(trades.table, f"ALTER TABLE {{t}} SET TBLPROPERTIES ('write.delete.mode' = '{how}')")
    spark.sql(trades.table, "DELETE FROM {t} WHERE sequence IN (10, 11, 610, 611, 799)")
    assert (spark.sql(trades.table, "SELECT count(*) FROM {t}.delete_files").collect()[0][0] > 0) == (how == "merge-on-read")
    trades.offload(800)
    assert_rows(trades.in_cold(duckdb, ["sequence"]), [(n,) for n in range(800) if n not in (10, 11, 610, 611, 799)])
    if mode == "upsert":
        trades.insert(20, 5, 1)  # of the hour that 10 and 11 are in, which share a file with all others
        trades.insert(11, 1, 1)
    else:
        trades.tell("INSERT INTO trades SELECT ts, 100000, price, lots FROM trades WHERE sequence = 20")
        trades.rows[100000] = trades.rows[20]
    late = trades.offload(800)["late"]
    assert (late["rows"], late["rows_removed"]) == ((7, 5) if mode == "upsert" else (3, 0))
    kept = {n: price for n, price in trades.rows.items() if n not in (610, 611, 799)}
    assert_rows(trades.in_cold(duckdb, ["sequence", "price"]), kept.items())
    assert_rows([(row.sequence, row.price) for row in spark.sql(trades.table, "SELECT sequence, price FROM {t}").collect()], kept.items())
    told = verify(hot, "--key", "sequence", code=program.DIFFERENCE)
    assert (told["missing"], told["extra"], told["changed"], told["duplicates"]) == (3, 0, 0, 0)
    verify(hot, "--key", "sequence", "--repair")
    assert_rows(trades.in_cold(duckdb, ["sequence", "price"]), trades.rows.items())


class PyIcebergAtWork(threading.Thread):
    """Appends rows of its own, deletes some, writes all files anew, expires; as fast as it goes, until it is told to stop."""

    def __init__(self, trades):
        super().__init__()
        self.trades, self.ended, self.done, self.lost, self.error = trades, threading.Event(), {}, 0, None

    def run(self):
        try:
            while not self.ended.is_set():
                for job in (self.append, self.compact, self.append, self.delete, self.change_properties):
                    self.attempt(job)
        except Exception as error:
            self.error = error

    def attempt(self, job):
        from pyiceberg.exceptions import CommitFailedException, CommitStateUnknownException, ValidationException
        from sqlalchemy.exc import OperationalError

        try:
            after = job(pyiceberg_catalog(self.trades.hot.cold).load_table("cold.trades"))
        except (CommitFailedException, ValidationException, OperationalError) as error:
            assert not isinstance(error, CommitStateUnknownException)
            self.lost += 1
            return
        self.done[job.__name__] = self.done.get(job.__name__, 0) + 1
        if after is not None:
            self.trades.foreign = after

    def append(self, table):
        import pyarrow as pa

        schema = table.schema().as_arrow()
        first = min(self.trades.foreign, default=0) - 1
        new = range(first, first - 5, -1)
        table.append(pa.Table.from_pylist([{"ts": START, "sequence": n, "price": n, "lots": 0} for n in new], schema=schema))
        return self.trades.foreign | {n: n for n in new}

    def delete(self, table):
        gone = sorted(self.trades.foreign)[:3]
        table.delete(f"sequence in ({', '.join(map(str, gone))})")
        return {n: price for n, price in self.trades.foreign.items() if n not in gone}

    def compact(self, table):
        table.overwrite(table.scan().to_arrow())

    def change_properties(self, table):
        with table.transaction() as transaction:
            transaction.set_properties({"loops": str(sum(self.done.values()))})


@pytest.mark.parametrize("mode", ["append", "upsert"])
def test_pyiceberg_and_calves_run_freely(sql_cold, hot, http_server, duckdb, mode):
    """Several calves, each without a lease, and PyIceberg on one table, none waiting for another."""
    with http_server(hot) as server:
        trades = Trades(hot, mode, server)
        count = grow(trades, mode, 0, 0)
        trades.offload(count)
        other = PyIcebergAtWork(trades)
        other.start()
        deadline, version, won = time.monotonic() + 12, 1, 0
        try:
            while time.monotonic() < deadline:
                count = grow(trades, mode, count, version)
                racers = [program.start(*trades.arguments(count, "--lease", "0")) for _ in range(3)]
                for racer in racers:
                    out, err = racer.communicate(timeout=120)
                    assert racer.returncode == program.DONE or any(text in err for text in ("in a row were lost", "is locked")), err
                    if racer.returncode == program.DONE:
                        won += json.loads(out)["rows"]
                found = trades.in_cold(duckdb, ["sequence"])
                assert len(set(found)) == len(found), "no row is there twice, at any moment"
                version += 1
        finally:
            other.ended.set()
            other.join()
        assert other.error is None, other.error
        for _ in range(3):
            trades.offload(count)
        trades.check(duckdb, count)
    assert version > 4 and won > 3 * WINDOW
    assert min(other.done.get(job, 0) for job in ("append", "delete", "compact", "change_properties")) > 0, (other.done, other.lost)
