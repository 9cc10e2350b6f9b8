"""Each runbook of a task or an incident: the incident is caused, its symptoms are there, the page's commands are executed as they stand, and at
the end another engine finds every row once."""

import contextlib
import datetime
import os
import re
import subprocess

import pyarrow as pa
import pyarrow.compute  # noqa: F401: it makes pa.compute
import pytest

from . import clickhouse, postgres, program, runbooks, servers
from .runbook_place import START, Place, instant
from .runbooks import drill, gone_through
from .test_existing_tables import pyiceberg_catalog
from .trades import text

@pytest.fixture(scope="module")
def clickhouse_server(tmp_path_factory):
    with servers.over_libchdb(tmp_path_factory.mktemp("hot")) as server:
        yield server


@pytest.fixture
def place(tmp_path, clickhouse_server):
    made = Place(tmp_path, clickhouse_server)
    yield made
    made.end()


# --- the pages ------------------------------------------------------------------------------------------------------------

@drill("lost-journal")
def test_lost_journal(place):
    place.make().run()
    place.cold.lose_journal()
    with gone_through("lost-journal", place) as page:
        lost = place.calve("status").out
        place.cold.journal.write_bytes(b"this is no database" * 1000)
        page.symptoms(lost, place.run().err)
        assert "warning  journal" in page.do("Diagnosis")
        page.do("Remedy", "The journal is a file")
        page.do("How to know that it worked")
        in_postgresql(place, page)
    place.everything_once()


def in_postgresql(place, page):
    """The same with a journal in PostgreSQL."""
    with postgres.server() as server:
        database = server.new_database()
        place.config.content["state"] = {"url": database.url()}
        place.write()
        page.variables["CALVE_STATE_PASSWORD"] = postgres.PASSWORD
        place.postgres = lambda text: "\n".join(" ".join(row) for row in database.sql(text))
        page.do("Remedy", "The journal is in PostgreSQL")
        database.sql("DROP TABLE offload_watermarks, calve_runs, calve_leases, calve_parts_seen, calve_schema_version")
        page.do("Remedy", "The journal is in PostgreSQL")


@drill("lost-hint")
def test_lost_hint(place, duckdb):
    place.make().run()
    hint = place.table.location / "metadata" / "version-hint.text"
    count = f"SELECT count(*) FROM iceberg_scan('{place.table.location}')"
    assert duckdb.row(count) == (600,)
    hint.unlink()
    with gone_through("lost-hint", place) as page:
        with pytest.raises(Exception, match="version") as refused:
            duckdb.row(count)
        page.symptoms(refused.value)
        page.do("Diagnosis")
        place.insert(600, 20)
        page.do("Remedy")
        worked = page.do("How to know that it worked")
        assert worked.startswith(re.search(r"v(\d+)", place.table.metadata_file.name)[1])
    assert duckdb.row(count) == (620,)
    place.everything_once()


@drill("clickhouse-rebuilt")
def test_clickhouse_rebuilt(place):
    place.make().run()
    lost = range(0, 300)
    with gone_through("clickhouse-rebuilt", place) as page, place.at_work():
        place.sql("DROP TABLE trades")
        gone = place.run(code=program.USAGE)
        place.server.query(f"CREATE DATABASE {place.name}_new")
        other = place.config.content["source"]["url"]
        place.sql(f"CREATE TABLE {place.name}_new.trades (ts DateTime64(3, 'UTC'), id UInt64, symbol LowCardinality(String), price Decimal64(8)) ENGINE = MergeTree "
                  "PARTITION BY toDate(ts) ORDER BY (symbol, ts)")
        place.change({"source": {"url": other + "_new"}})
        page.symptoms(gone.err, place.run(code=program.USAGE).err)
        place.change({"source": {"url": other}})
        page.do("Remedy", "Another database or name")
        # Half of it is back, and something that cold never had.
        place.insert(300, 300)
        place.insert(100, 5, id="number + 10000")
        told = page.do("Diagnosis")
        assert "5 missing" in told and "rows that hot has let go" in told
        page.do("Remedy", "A. Go on")
        place.everything_once(only_in_cold=lost)
        page.do("Remedy", "B. Fill ClickHouse from cold")
        place.everything_once()
        # A replay that gave rows new ids.
        place.service("stop")
        place.insert(400, 100, id="number + 20000")
        place.sql("ALTER TABLE trades DELETE WHERE id BETWEEN 400 AND 499 SETTINGS mutations_sync = 2")
        assert "100 missing" in place.calve("verify", code=program.DIFFERENCE).out
        page.variables["WATERMARK"] = re.search(r"\S+Z", place.calve("status").out)[0]
        page.do("Remedy", "C. The same rows came back as others")
        page.do("How to know that it worked")
    place.everything_once()
    assert place.sql("SELECT count() FROM trades") == "605"


def may_mount():
    if os.geteuid() != 0:
        pytest.skip("only root may mount")


@contextlib.contextmanager
def small_disk(folder, kilobytes):
    """A file system of its own in memory. Yields a function that fills what is left of it but for some bytes."""
    may_mount()
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", folder], check=True)

    def fill(free):
        ballast = folder / "somebody's.log"
        room = os.statvfs(folder).f_bavail * os.statvfs(folder).f_bsize
        ballast.write_bytes(b"x" * (room - free))
        return ballast

    try:
        yield fill
    finally:
        subprocess.run(["umount", folder], check=True)


@drill("disk-full")
def test_disk_full(place, tmp_path):
    place.make()
    with gone_through("disk-full", place) as page:
        with small_disk(place.cold.warehouse, 1024) as fill:
            place.run()
            place.insert_now(*range(1000, 1010))
            ballast = fill(free=0)
            page.symptoms(place.run(code=program.FAILED).err, only="cannot write")
            assert "error    warehouse" in page.do("Diagnosis")
            ballast.unlink()
            page.do("Remedy", "Space in the warehouse")
            place.everything_once()
            page.do("How to know that it worked")

            # The journal's.
            journal = tmp_path / "journal"
            place.cold.journal = journal / "journal.db"
            place.replaced["/var/lib/calve/journal.db"] = place.cold.journal
            place.change({"state": {"url": f"sqlite:///{place.cold.journal}"}})
            with small_disk(journal, 256) as fill:
                ballast = fill(free=4096)
                place.insert_now(1010)
                page.symptoms(place.run().err, only="database or disk is full")
                place.everything_once()
                ballast.unlink()
                assert "warning" not in page.do("Remedy", "Space for the journal")
                assert "success" in place.calve("status").out

            # And where the embedded engine gets its rows from.
            embedded = tmp_path / "embedded"
            place.config.content["source"]["url"] = f"chdb:{embedded}"
            place.write()
            temporary = tmp_path / "temporary"
            with small_disk(temporary, 16) as fill:
                fill(free=0)
                clickhouse.Database(embedded).execute("CREATE TABLE trades (ts DateTime64(3, 'UTC'), id UInt64, symbol String, price Decimal64(8)) ENGINE = MergeTree ORDER BY ts")
                arguments = ("restore", "--table", "trades", "--all", "--into", "trades")
                page.symptoms(place.calve(*arguments, code=program.FAILED, env={"TMPDIR": str(temporary)}).err, only="TMPDIR")
                assert "611 rows inserted" in page.do("Remedy", "Space for temporary files")


def a_warehouse_that_is_not_mounted(page, place):
    """Of a hadoop catalog. What `mount` reads from fstab it is told here."""
    may_mount()
    store, warehouse = place.folder / "disk", place.cold.warehouse
    store.mkdir()
    warehouse.mkdir()
    mount = f"mount --bind {store} {warehouse}"
    place.replaced = {"mount /srv/cold": mount, **place.replaced}
    subprocess.run(mount.split(), check=True)
    try:
        place.make().run()
        place.sql("ALTER TABLE trades DELETE WHERE id < 300 SETTINGS mutations_sync = 2")  # as its TTL does
        subprocess.run(["umount", warehouse], check=True)
        page.place = place
        with place.at_work() as serving:
            page.symptoms("\n".join(serving.lines), only="made anew")
            page.do("Remedy", "The warehouse was not mounted")
        place.everything_once(only_in_cold=range(300))
    finally:
        place.end()
        subprocess.run(["umount", warehouse], check=True)


def restore_catalog(place, metadata_file):
    place.cold.database.sql(f"UPDATE iceberg_tables SET metadata_location = 'file://{metadata_file}'")


@drill("catalog-down")
def test_catalog_down(tmp_path, clickhouse_server, passwords):
    with postgres.server() as server:
        place = Place(tmp_path, clickhouse_server, "postgres", server.new_database(), state=f"sqlite:///{tmp_path}/state.db")
        place.make(schedule={"every": "1s", "retry": {"wait_min": "1s", "wait_max": "1s", "put_aside_after": 50}}).run()
        page = runbooks.Drill("catalog-down", place, CATALOG=place.cold.database.url(), CALVE_CATALOG_PASSWORD=postgres.PASSWORD, PGPASSWORD=postgres.PASSWORD)
        with page, place.at_work() as serving:
            a_warehouse_that_is_not_mounted(page, Place(tmp_path / "hadoop", clickhouse_server))
            page.place = place
            kept = dict(place.config.content["catalog"])
            place.config.content["catalog"] = {"type": "rest", "uri": f"http://127.0.0.1:{servers.free_port()}"}
            place.write()
            page.symptoms(place.run(code=program.FAILED).err, only="the catalog's configuration")
            place.config.content["catalog"] = kept
            place.write()
            server.stop()
            place.insert_now(1000, 1001)
            at = serving.wait("error: trades", len(serving.lines))
            at_start = program.run("run", "--config", place.config.file, code=None, env=page.variables)
            page.symptoms("\n".join(serving.lines), at_start.err, only="Connection refused")
            assert "catalog" in page.do("Diagnosis")
            server.start()
            page.do("Remedy", "")
            serving.wait("cycle ended", at)
            page.do("How to know that it worked")
            place.soon_everything_once()
            place.service("stop")
            # A backup: the row that leads to the table is an older one.
            place.run()
            where = place.table.metadata_file
            place.insert_now(*range(2000, 2005))
            place.run()
            restore_catalog(place, where)
            page.do("Remedy", "It came back from a backup, or a standby took over")
            place.everything_once()
            where = place.table.metadata_file
            place.insert_now(*range(3000, 3005))
            place.run()
            page.variables["METADATA"] = str(place.table.metadata_file)
            place.sql("ALTER TABLE trades DELETE WHERE id >= 3000 SETTINGS mutations_sync = 2")
            restore_catalog(place, where)
            place.replaced["postgresql+psycopg2://calve@127.0.0.1/lake"] = place.cold.database.sqlalchemy
            page.do("Remedy", "… and ClickHouse no longer has those rows")
            place.run()
            place.everything_once(only_in_cold=range(3000, 3005))
        place.end()


# --- tasks ----------------------------------------------------------------------------------------------------------------

@drill("first-load")
def test_first_load(place):
    place.make()
    with gone_through("first-load", place, PART=text(instant(199))) as page:
        nothing = place.calve("status", code=program.USAGE)
        page.symptoms(nothing.out, nothing.err)
        page.do("Diagnosis")
        assert not place.table.exists()
        try:
            told = page.do("Remedy")
            assert "200 rows up to" in told and "400 rows up to" in told
        finally:
            place.service("stop")
        page.do("How to know that it worked")
    place.everything_once()


@drill("backfill")
def test_backfill(place):
    place.make().run()
    days = [datetime.timedelta(days=-20), datetime.timedelta(days=-10)]

    def load(since, first, count):
        place.sql(f"INSERT INTO trades SELECT toDateTime64('{START + since:%Y-%m-%d %H:00:00}', 3, 'UTC') + INTERVAL number SECOND, number + {first}, 'BTC', 1 FROM numbers({count})")

    load(days[0], 1000, 50)
    around = {"FROM": text(START + days[0] - datetime.timedelta(hours=1)), "TO": text(START + days[0] + datetime.timedelta(hours=1))}
    with gone_through("backfill", place, **around) as page:
        page.symptoms(place.run().out, place.calve("verify", code=program.DIFFERENCE).out)
        page.do("Diagnosis")
        page.do("Remedy", "Once")
        place.everything_once()
        # Cycles do it, where they look far enough back.
        with place.at_work() as serving:
            at = len(serving.lines)
            page.do("Remedy", "For as long as it takes")
            serving.wait("every 7d", at)
            load(days[1], 2000, 30)
            assert "30" in place.run().err
        place.everything_once()
        page.do("How to know that it worked")


@pytest.fixture
def shared(tmp_path, clickhouse_server):
    """A place whose catalog PyIceberg and Spark commit to as well."""
    made = Place(tmp_path, clickhouse_server, "sql")
    made.replaced["sqlite:////srv/catalog.db"] = f"sqlite:///{made.cold.database}"
    yield made
    made.end()


def spoil(place, lost=(), doubled=(), changed=()):
    """As another engine's careless job would."""
    target = pyiceberg_catalog(place.cold).load_table("cold.trades")
    rows = target.scan().to_arrow()

    def these(ids):
        return rows.filter(pa.compute.is_in(rows.column("id"), pa.array(list(ids), pa.int64())))

    if lost or changed:
        target.delete(" or ".join(f"id == {id}" for id in (*lost, *changed)))
    if doubled:
        target.append(these(doubled))
    if changed:
        wrong = these(changed)
        index = wrong.schema.get_field_index("price")
        target.append(wrong.set_column(index, wrong.schema.field(index), pa.array([price + 1 for price in wrong.column("price").to_pylist()], wrong.schema.field(index).type)))


@drill("wrong-rows")
def test_wrong_rows(shared):
    place = shared
    place.make().run()
    spoil(place, lost=[300], doubled=[200], changed=[100, 101])
    with gone_through("wrong-rows", place, METADATA=place.table.metadata_file, FROM=text(instant(390)), TO=text(instant(410))) as page:
        page.symptoms(place.calve("verify", "--rows", "3", code=program.DIFFERENCE).out)
        page.do("Diagnosis")
        page.do("Remedy", "ClickHouse is right")
        place.everything_once()
        before = place.sql("SELECT id, price FROM trades ORDER BY id")
        place.sql("ALTER TABLE trades UPDATE price = 99999 WHERE id IN (400, 401) SETTINGS mutations_sync = 2")
        assert "2 changed" in place.calve("verify", code=program.DIFFERENCE).out
        page.do("Remedy", "Cold is right")
        page.do("How to know that it worked")
        assert place.sql("SELECT id, price FROM trades ORDER BY id") == before
    place.everything_once()


@drill("restoring-rows")
def test_restoring_rows(shared):
    place = shared
    place.make(engine="MergeTree PARTITION BY toStartOfHour(ts) ORDER BY (symbol, ts)", defaults={"partition_by": ["hours(ts)"]}).run()
    then = datetime.datetime.now(datetime.timezone.utc)
    place.calve("retire", "--before", text(instant(270)))
    place.sql("CREATE TABLE seen (id UInt64) ENGINE = Memory")
    place.sql("CREATE MATERIALIZED VIEW view TO seen AS SELECT id FROM trades")
    words = {"FROM": text(instant(0)), "TO": text(instant(270)), "THEN": text(then)}
    with gone_through("restoring-rows", place, **words) as page:
        retired = place.calve("verify").out
        refused = place.calve("restore", "--table", "trades", "--all", "--into", "trades_restored", code=program.USAGE).err
        place.sql("CREATE TABLE forgets AS trades ENGINE = MergeTree ORDER BY ts TTL toDateTime(ts) + INTERVAL 1 HOUR")
        too_old = place.calve("restore", "--table", "trades", "--from", words["FROM"], "--to", words["TO"], "--into", "forgets", code=None)
        assert too_old.code != program.DONE
        page.symptoms(retired, refused, too_old.err)
        page.do("Diagnosis")
        page.do("Remedy", "Into a table of its own")
        place.sql("DETACH TABLE view")
        page.do("Remedy", "Back into the source")
        place.everything_once()
        spoil(place, lost=[5])
        page.do("Remedy", "As it was at another time")
        assert place.sql("SELECT count(), uniqExact(id) FROM trades_as_it_was") == "600\t600"
        place.calve("verify", "--repair")
        page.do("How to know that it worked")
        assert place.sql("SELECT count() FROM seen") == "0"
    place.everything_once()


@pytest.mark.spark
@drill("rolling-back")
def test_rolling_back(shared, spark):
    place = shared
    place.make(engine="MergeTree PARTITION BY toStartOfFifteenMinutes(ts) ORDER BY (symbol, ts)")
    place.run("--until", text(instant(579)))
    good = place.table.current_snapshot()["snapshot-id"]

    def spoilt():
        """Another engine empties half of it, and calve goes on."""
        target = pyiceberg_catalog(place.cold).load_table("cold.trades")
        target.delete("id < 300")
        assert "20 rows up to" in place.run("--until", text(instant(599))).err
        return place.calve("verify", code=program.DIFFERENCE).out

    def by_spark(statement):
        spark.sql(place.table, statement.replace("lake.system", "calve.system")).collect()
        spark.forget(place.table)

    place.spark = by_spark
    first = spoilt()
    newest = place.table.current_snapshot()["snapshot-id"]
    with gone_through("rolling-back", place, METADATA=place.table.metadata_file, SNAPSHOT=good, NEWEST=newest, W=text(instant(579))) as page, place.at_work():
        page.symptoms(first)
        page.do("Diagnosis")
        page.do("Remedy", "")
        # Back, and forward again, for it was a mistake; and back by the other engine.
        page.do("Remedy", "With Spark")
        assert place.table.current_snapshot()["snapshot-id"] == good
        page.do("Remedy", "It was the wrong snapshot")
        assert place.table.current_snapshot()["snapshot-id"] == newest and "up to date" in place.run("-v", "--until", text(instant(599))).err
        page.do("Remedy", "With PyIceberg")
        assert place.table.current_snapshot()["snapshot-id"] == good
        page.do("Remedy", "Go on")
        page.do("How to know that it worked")
        place.everything_once()
        # The same once more where hot has retired what was rolled back.
        place.service("stop")
        page.variables["NEWEST"] = str(place.table.current_snapshot()["snapshot-id"])
        place.calve("retire", "--before", text(instant(595)))
        assert place.sql("SELECT count() FROM trades WHERE id BETWEEN 580 AND 584") == "0", "or there is nothing to bring back"
        page.do("Remedy", "With PyIceberg")
        page.do("Remedy", "ClickHouse no longer has the rows")
    place.everything_once(only_in_cold=range(579))


def test_the_index(place):
    """Its commands work where a page begins: something is broken."""
    place.make().run()
    place.sql("DROP TABLE trades")
    page = runbooks.Drill("README", place)
    assert "there is no table" in page.do("")
