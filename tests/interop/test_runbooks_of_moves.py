"""The runbooks of moves: from the job that calve replaces, and from an older calve; and what that one has left is gone on from."""

import contextlib
import fcntl
import json
import runpy
import shutil
import sqlite3
import tarfile

import pytest

from . import postgres, program
from .prometheus import soon
from .runbook_place import Place, instant
from .runbooks import drill, gone_through
from .test_existing_tables import pyiceberg_catalog
from .test_repair import WATERMARKS
from .test_runbooks import clickhouse_server, place  # noqa: F401: fixtures
from .trades import text

GOLDEN = program.ROOT / "tests" / "data" / "golden" / "calve"


class SparkJob:
    """The job that calve replaces: rows behind its watermark are appended, then the watermark is moved to the newest that it has seen."""

    def __init__(self, place, spark, database):
        self.place, self.spark, self.database = place, spark, database
        database.sql(WATERMARKS + "; ALTER TABLE offload_watermarks OWNER TO " + database.name)
        database.sql("INSERT INTO offload_watermarks VALUES ('trades', '1970-01-01T00:00:00Z', 0, 0, 'initialized', NULL, 0, 0, NULL, now(), now())")
        spark.sql(place.table, "CREATE TABLE {t} (id BIGINT, ts TIMESTAMP, symbol STRING, price DECIMAL(38, 8)) USING iceberg PARTITIONED BY (days(ts))").collect()

    def run(self, crash=False):
        (watermark,), = self.database.sql("SELECT to_char(last_offload_timestamp AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') FROM offload_watermarks")
        found = self.place.sql(f"SELECT id, ts, symbol, price FROM trades WHERE ts > toDateTime64('{watermark}', 6, 'UTC') ORDER BY ts")
        rows = [line.split("\t") for line in found.splitlines()]
        values = ", ".join(f"({id}, TIMESTAMP '{ts}Z', '{symbol}', CAST({price} AS DECIMAL(38, 8)))" for id, ts, symbol, price in rows)
        self.spark.sql(self.place.table, f"INSERT INTO {{t}} VALUES {values}").collect()
        if not crash:
            self.database.sql(f"UPDATE offload_watermarks SET last_offload_timestamp = '{rows[-1][1]}+00', last_offload_row_count = {len(rows)}, status = 'success', "
                              "last_successful_run = now(), updated_at = now()")
        return len(rows)


@pytest.mark.spark
@drill("moving-from-spark")
def test_moving_from_the_spark_job(place, tmp_path, clickhouse_server, postgres_server, passwords, spark):
    database = postgres_server.new_database()
    place.config.content["state"] = {"url": database.url()}
    place.replaced["/var/lib/calve/trial.db"] = tmp_path / "trial.db"
    place.postgres = lambda text: "\n".join(" ".join(row) for row in database.sql(text))
    place.make(rows=400)
    job = SparkJob(place, spark, database)
    assert job.run() == 400
    place.insert(400, 20)
    assert job.run(crash=True) == job.run() == 20
    place.insert(100, 7, id="number + 10000")
    place.insert(420, 180)
    assert job.run() == 180, "and the seven are lost"
    with gone_through("moving-from-spark", place, CALVE_STATE_PASSWORD=postgres.PASSWORD, WHOLE=text(instant(399))) as page:
        # Somebody's table, of which no row tells.
        page.place = other = Place(tmp_path / "other", clickhouse_server, "sql")
        other.make(rows=600)
        other.run("--until", text(instant(399)))
        forget_watermark(other)
        refused = other.run(code=program.USAGE)
        page.symptoms(refused.err, only="--start-from")
        page.do("Remedy", "5. No row, or one that says failed")
        other.everything_once()
        other.end()

        page.place = place
        looked = place.calve("verify", code=program.DIFFERENCE, env=page.variables).out
        page.symptoms(looked, only="DIFFERENT")
        before = place.table.every_file()
        page.do("Diagnosis")
        page.do("Remedy", "1. Side by side, for some days")
        assert {path: size for path, size in place.table.every_file().items() if "/trial/" not in str(path)} == before
        assert database.sql("SELECT status, last_offload_row_count FROM offload_watermarks") == [["success", "180"]], "the trial leaves the job's row alone"
        page.do("Remedy", "2. The switch")
        place.everything_once()
        place.insert_now(*range(20000, 20030))
        assert job.run() == 30, "the row is kept true for those who read it"
        place.run()
        page.do("Remedy", "3. Both ran at once after all")
        place.everything_once()
        page.do("Remedy", "4. Back to the job")
        page.do("How to know that it worked")


def forget_watermark(place):
    """What is left is a table that somebody else has filled: its rows, and not a word of calve's."""
    catalog = pyiceberg_catalog(place.cold)
    filled = catalog.load_table("cold.trades")
    rows, spec, schema = filled.scan().to_arrow(), filled.spec(), filled.schema()
    catalog.drop_table("cold.trades")
    catalog.create_table("cold.trades", schema, partition_spec=spec).append(rows)
    place.cold.lose_journal()


@contextlib.contextmanager
def left_by(version, folder, server):
    """A place as that version of calve left it (tests/data/golden/calve)."""
    golden = runpy.run_path(str(GOLDEN / "make.py"))
    with tarfile.open(GOLDEN / f"{version}.tar.gz") as archive:
        archive.extractall(folder, filter="data")
    with open(f"{golden['PLACE']}.lock", "w") as lock:  # one at a time: the place is the machine's
        fcntl.flock(lock, fcntl.LOCK_EX)
        golden["PLACE"].unlink(missing_ok=True)
        golden["PLACE"].symlink_to(folder)
        with contextlib.closing(lock):
            yield from at_the_place(golden, folder, server)


def at_the_place(golden, folder, server):
    place = Place(folder, server, name=golden["DATABASE"])
    try:
        place.cold.warehouse = golden["PLACE"] / "cold"
        place.replaced |= {"/var/lib/calve/journal.db": folder / "journal.db", "/usr/bin/calve": place.programs / "calve"}
        place.config.content |= golden["configuration"](server.port) | {"schedule": {"every": "7d"}}
        place.write()
        for statement in json.loads((folder / "hot.json").read_text()):
            place.sql(statement)
        yield place
    finally:
        place.end()
        golden["PLACE"].unlink()


@pytest.mark.parametrize("version", sorted(path.name.removesuffix(".tar.gz") for path in GOLDEN.glob("*.tar.gz")))
def test_what_an_older_version_left(version, tmp_path, clickhouse_server):
    """Read as it is, and gone on from: none of its rows comes again, and what is new comes once."""
    with left_by(version, tmp_path, clickhouse_server) as place:
        status = place.calve("status", "--json").json["tables"][0]
        assert status["watermark"] and status["last_run"]["status"] == "success", "table and journal are understood"
        assert place.calve("verify", "--json").json["equal"]
        place.everything_once()
        place.insert_now(9000, 9001)
        new = place.sql(f"SELECT count() FROM trades WHERE ts > parseDateTime64BestEffort('{status['watermark']}', 6, 'UTC')")
        assert f"trades: {new} rows up to" in place.run().err and int(new) > 2
        place.calve("verify")
        place.everything_once()
        maintained = program.run("maintain", "--warehouse", f"file://{place.cold.warehouse}", "--target-table", "cold.trades", "--compact", "--min-files", "2", "--manifests",
                                 "--orphans", "--json").json["tables"][0]
        assert "error" not in maintained
        place.everything_once()


@drill("upgrading")
def test_upgrading(tmp_path, clickhouse_server, monkeypatch):
    """Of a calve whose program is replaced while it runs."""
    with left_by("0.1.0", tmp_path, clickhouse_server) as place:
        running = place.programs / "calve"
        running.unlink()
        shutil.copy(program.BINARY, running)
        shutil.copy(program.BINARY, tmp_path / "calve.new")
        monkeypatch.setattr(program, "BINARY", running)
        with gone_through("upgrading", place) as page:
            left = place.calve("status")
            assert left.out.count("success") == 1 and "2024-08-10T09:10:00" in left.out and " 2,001 " in left.out
            kept = dict(place.config.content)
            place.change({"novelty": {"much": 1}})
            unknown = place.run(code=program.USAGE).err
            place.config.content = kept
            place.write()
            page.do("Diagnosis")
            with place.at_work():
                # A run by hand is amid its work when the program is replaced.
                clickhouse_server.fault("hold")
                held = program.start("run", "--config", place.config.file)
                soon(lambda: not clickhouse_server.armed())
                page.do("Remedy", "")
                clickhouse_server.clear()
                held.communicate(timeout=60)
                assert held.returncode == program.DONE
                page.do("How to know that it worked")
                place.everything_once()
                with contextlib.closing(sqlite3.connect(tmp_path / "journal.db")) as journal, journal:
                    journal.execute("INSERT INTO calve_schema_version VALUES (99)")
                page.symptoms(unknown, place.run(code=None).err)
                page.do("Remedy", "Back to the old one")
        place.everything_once()
