"""The SQL catalog in PostgreSQL, shared with PyIceberg's SqlCatalog and Java's JdbcCatalog in both of its schemas."""

import json
import signal
import threading
import time

import pyarrow as pa
import pytest

from . import postgres, program
from .configuration import Configuration
from .other_engines import Trades, assert_rows
from .test_existing_tables import SPARK_TABLE, create_with_pyiceberg, pyiceberg_catalog, same_as_hot, spark_appends
from .test_lease import cold_counts, start_held
from .trades import START, create_trades, insert_trades, offload_trades, through

COLUMNS = ("SELECT string_agg(attrelid::regclass || '.' || attname, ' ' ORDER BY attrelid::regclass::text, attnum) FROM pg_attribute WHERE attnum > 0 "
           "AND attrelid IN ('iceberg_tables'::regclass, 'iceberg_namespace_properties'::regclass)")


def has_types(cold):
    return "iceberg_type" in cold.database.sql(COLUMNS)[0][0]


def spark_session(spark, cold, **more):
    return spark.at(cold.warehouse, cold.database, **more)


def create_with_spark(spark, cold, **more):
    session = spark_session(spark, cold, **more)
    session.sql("CREATE NAMESPACE IF NOT EXISTS calve.cold")
    spark.sql(cold.table("trades"), SPARK_TABLE)


def test_a_cycle(postgres_cold, hot, four):
    create_trades(hot)
    insert_trades(hot, 0, 400)
    assert offload_trades(hot, 200, "--partition-by", "days(ts)")["rows"] == 200
    assert offload_trades(hot, 400)["rows"] == 200
    same_as_hot(postgres_cold, hot, four)
    assert has_types(postgres_cold)
    assert postgres_cold.database.sql("SELECT catalog_name, table_namespace, table_name, iceberg_type FROM iceberg_tables") == [["calve", "cold", "trades", "TABLE"]]
    catalog = pyiceberg_catalog(postgres_cold)
    assert catalog.list_namespaces() == [("cold",)] and catalog.list_tables("cold") == [("cold", "trades")]
    assert catalog.load_table("cold.trades").scan().to_arrow().num_rows == 400
    status = program.run("status", *postgres_cold.arguments, "--json").json["tables"]
    assert (status[0]["rows"], status[0]["last_run"]["status"]) == (400, "success")


@pytest.mark.spark
@pytest.mark.parametrize("maker", ["calve", "pyiceberg", "spark", "spark V1"])
def test_whoever_makes_the_tables_all_share_them(postgres_cold, hot, four, spark, maker):
    """Each in turn, twice, on a table that one of them made; the schema stays as its maker made it."""
    create_trades(hot)
    insert_trades(hot, 0, 400)
    if maker == "calve":
        assert offload_trades(hot, 100)["rows"] == 100
    elif maker == "pyiceberg":
        create_with_pyiceberg(postgres_cold)
    else:
        create_with_spark(spark, postgres_cold, **({".jdbc.schema-version": "V1"} if maker == "spark V1" else {}))
    made = postgres_cold.database.sql(COLUMNS)
    assert has_types(postgres_cold) == (maker != "spark")
    table = postgres_cold.table("trades")
    spark_session(spark, postgres_cold)
    for turn in (1, 2):
        offload_trades(hot, turn * 200)
        loaded = pyiceberg_catalog(postgres_cold).load_table("cold.trades")
        loaded.append(loaded.scan(limit=1).to_arrow())
        spark_appends(spark, table, 0, 3)
        for reader in four:
            assert len(reader.rows(table, ["sequence"])) == turn * 204, reader.name
        assert spark.sql(table, "SELECT count(*) FROM {t}").collect()[0][0] == turn * 204
    assert postgres_cold.database.sql(COLUMNS) == made, "nobody migrates it"


@pytest.mark.spark
def test_a_view_of_sparks_is_no_table(postgres_cold, hot, spark):
    create_trades(hot)
    insert_trades(hot, 0, 100)
    create_with_spark(spark, postgres_cold, **{".jdbc.schema-version": "V1"})
    spark_session(spark, postgres_cold).sql("CREATE VIEW calve.cold.seen AS SELECT * FROM calve.cold.trades")
    outcome = hot.offload("trades", "--until", through(100), target="cold.seen", code=None)
    assert outcome.code in (program.USAGE, program.FAILED) and "view" in outcome.err
    assert [table["table"] for table in program.run("status", *postgres_cold.arguments, "--json").json["tables"]] == ["cold.trades"]
    assert offload_trades(hot, 100)["rows"] == 100
    assert spark_session(spark, postgres_cold).sql("SELECT count(*) FROM calve.cold.seen").collect()[0][0] == 100


class Writer(threading.Thread):
    """Appends rows of its own, as fast as it goes, and now and then deletes some or writes all files anew. `rows`: what
    it was told is in; `commits` and `lost`: of its tries."""

    def __init__(self, cold, first):
        super().__init__()
        self.cold, self.next, self.ended = cold, first, threading.Event()
        self.rows, self.commits, self.lost, self.error = [], 0, 0, None

    def run(self):
        try:
            while not self.ended.is_set():
                for job in (self.append, self.append, self.tidy):
                    if not self.ended.is_set():
                        self.attempt(job)
        except Exception as error:
            self.error = error

    def attempt(self, job):
        new = list(range(self.next, self.next - 4, -1))
        self.next -= 4
        if self.commit(job, new):
            self.commits += 1
            if job == self.append:
                self.rows += new
        else:
            self.lost += 1


class PyIcebergWriter(Writer):
    def commit(self, job, new):
        from pyiceberg.exceptions import CommitFailedException

        try:
            job(pyiceberg_catalog(self.cold).load_table("cold.trades"), new)
            return True
        except CommitFailedException:
            return False

    def append(self, table, new):
        table.append(pa.Table.from_pylist([{"ts": START, "sequence": n, "price": n, "lots": 0} for n in new], schema=table.schema().as_arrow()))

    def tidy(self, table, _):
        with table.transaction() as transaction:
            transaction.set_properties({"tidied": str(self.commits)})


class SparkWriter(Writer):
    def __init__(self, spark, cold, first):
        super().__init__(cold, first)
        self.spark = spark

    def commit(self, job, new):
        try:
            job(new)
            return True
        except Exception as error:
            if "CommitFailedException" in str(error) or "ValidationException" in str(error):
                return False
            raise

    def append(self, new):
        self.spark.sql(self.cold.table("trades"), "INSERT INTO {t} VALUES "
                       + ", ".join(f"(TIMESTAMP '2024-08-09 00:00:00Z', {n}, {n}, 0)" for n in new)).collect()

    def tidy(self, _):
        self.spark.sql(self.cold.table("trades"), "CALL calve.system.rewrite_data_files(table => 'cold.trades', options => map('rewrite-all', 'true'))").collect()


@pytest.mark.spark
@pytest.mark.parametrize("schema", ["V0", "V1"])
def test_pyiceberg_spark_and_calves_run_freely(postgres_cold, hot, http_server, duckdb, spark, schema):
    """Nobody waits for anybody, and calves have no lease: each commit that its writer was told of is in, and no row twice."""
    if schema == "V0":
        create_with_spark(spark, postgres_cold)  # Java makes the catalog's tables
        spark_session(spark, postgres_cold).sql("DROP TABLE calve.cold.trades")
    with http_server(hot) as server:
        trades = Trades(hot, "append", server)
        trades.insert(0, 40)
        trades.offload(40)
        assert has_types(postgres_cold) == (schema == "V1")
        others = [PyIcebergWriter(postgres_cold, -1), SparkWriter(spark, postgres_cold, -1_000_000)]
        spark_session(spark, postgres_cold)
        for other in others:
            other.start()
        count, windows, begun = 40, 0, time.monotonic()
        try:
            while (passed := time.monotonic() - begun) < 8 or (passed < 90 and (windows < 4 or min(len(other.rows) for other in others) < 12)):
                trades.insert(count, 40)
                count += 40
                racers = [program.start(*trades.arguments(count, "--lease", "0")) for _ in range(2)]
                for racer in racers:
                    out, err = racer.communicate(timeout=120)
                    assert racer.returncode == program.DONE or "in a row were lost" in err, err
                    windows += racer.returncode == program.DONE and json.loads(out)["rows"] > 0
                found = trades.in_cold(duckdb, ["sequence"])
                assert len(set(found)) == len(found), "no row is there twice, at any moment"
        finally:
            for other in others:
                other.ended.set()
            for other in others:
                other.join()
        for other in others:
            assert other.error is None, other.error
        trades.offload(count)
        rows = [row[0] for row in trades.in_cold(duckdb, ["sequence"])]
    assert_rows(rows, [*range(count), *others[0].rows, *others[1].rows])
    print(f"windows {windows}, commits (lost) of PyIceberg {others[0].commits} ({others[0].lost}), of Spark {others[1].commits} ({others[1].lost})")
    assert windows >= 3 and all(other.commits > 3 for other in others)


def offload_with(hot, env, code):
    return hot.offload("trades", "--until", through(100), code=code, env=env)


def test_passwords(postgres_cold, hot, tmp_path):
    """From the variable, a file, or libpq's own places; never in what calve says. The journal's is another."""
    create_trades(hot)
    insert_trades(hot, 0, 100)
    database = postgres_cold.database
    none = {"CALVE_CATALOG_PASSWORD": ""}
    file = tmp_path / "password"
    file.write_text(postgres.PASSWORD + "\n")
    passfile = tmp_path / "pgpass"
    passfile.write_text(f"*:*:*:{database.name}:{postgres.PASSWORD}\n")
    passfile.chmod(0o600)
    for env in ({**none, "CALVE_CATALOG_PASSWORD_FILE": str(file)}, {**none, "PGPASSWORD": postgres.PASSWORD}, {**none, "PGPASSFILE": str(passfile)}, {}):
        offload_with(hot, env, program.DONE)
    said = ""
    for env in (none, {"CALVE_CATALOG_PASSWORD": postgres.PASSWORD + "x"}, {**none, "CALVE_CATALOG_PASSWORD_FILE": str(tmp_path / "missing")}):
        outcome = offload_with(hot, env, program.USAGE)
        assert "password" in outcome.err and "catalog-password-file" in outcome.err, outcome
        said += str(outcome)
    encoded = postgres.PASSWORD.replace("%", "%25").replace(" ", "%20").replace("/", "%2F").replace("@", "%40")
    for word in (encoded, postgres.PASSWORD):
        postgres_cold.catalog = database.url().replace("@127", f":{word}@127")
        outcome = offload_with(hot, {}, program.USAGE)
        assert "CALVE_CATALOG_PASSWORD" in outcome.err
        said += str(outcome)
    assert not postgres.mentions_password(said)


def test_passwords_of_a_configuration(postgres_cold, hot, tmp_path):
    create_trades(hot)
    insert_trades(hot, 0, 100)
    file = tmp_path / "password"
    file.write_text(postgres.PASSWORD + "\n")
    none = {"CALVE_CATALOG_PASSWORD": ""}
    configuration = Configuration(hot)
    assert configuration.write("trades", catalog={"password_file": "password"}).run(env=none)["trades"]["rows"] == 100
    del configuration.content["catalog"]["password_file"]
    url = postgres_cold.database.url()
    inside = {**none, "SECRET": postgres.PASSWORD}
    assert configuration.write("trades", catalog={"type": url.replace("@127", ":${SECRET}@127")}).run(env=inside)["trades"]["rows"] == 0
    outcome = program.run("config", configuration.file, "--check", code=None, env=inside)
    assert outcome.code == program.DONE and not postgres.mentions_password(str(outcome))
    written = url.replace("@127", ":s3cr@127")
    outcome = program.run("config", configuration.write("trades", catalog={"type": written}).file, "--check", code=program.USAGE)
    assert "password" in outcome.err + outcome.out and not postgres.mentions_password(str(outcome))


def test_rights_and_schemas(postgres_cold, hot):
    create_trades(hot)
    insert_trades(hot, 0, 100)
    database = postgres_cold.database
    user = database.add_user("calve")
    postgres_cold.catalog = database.url(user)
    outcome = offload_with(hot, {}, program.USAGE)  # PostgreSQL 15 lets nobody but the owner create in public
    assert "permission denied" in outcome.err and "Grant the right" in outcome.err
    database.sql(f"CREATE SCHEMA lake AUTHORIZATION {user}")
    postgres_cold.catalog = database.url(user, options="-csearch_path%3Dlake")
    assert offload_with(hot, {}, program.DONE)["rows"] == 100
    assert database.sql("SELECT schemaname, tablename FROM pg_tables WHERE tablename LIKE 'iceberg%' ORDER BY 2") == [["lake", "iceberg_namespace_properties"], ["lake", "iceberg_tables"]]
    # The tables are there, and may be looked at only.
    viewer = database.add_user("viewer")
    database.sql(f"GRANT USAGE ON SCHEMA lake TO {viewer}; GRANT SELECT ON ALL TABLES IN SCHEMA lake TO {viewer}")
    postgres_cold.catalog = database.url(viewer, options="-csearch_path%3Dlake")
    assert [table["rows"] for table in program.run("status", *postgres_cold.arguments, "--json").json["tables"]] == [100]
    insert_trades(hot, 100, 100)
    outcome = offload_trades(hot, 200, code=program.USAGE)
    assert "iceberg_tables" in outcome.err and "docs/catalogs.md" in outcome.err


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_server_that_restarts_while_rows_are_read(postgres_cold, hot, postgres_server, http_server, duckdb, how):
    """Connections from before are lost; those after are made anew, and the window is committed."""
    create_trades(hot)
    insert_trades(hot, 0, 1200)
    with http_server(hot) as server:
        running = start_held(hot, server, fault="hold")
        postgres_server.stop(how)
        time.sleep(0.3 if how == signal.SIGKILL else 0)
        postgres_server.start()
        server.clear()
        out, err = running.communicate(timeout=120)
    assert running.returncode == program.DONE, err
    assert json.loads(out)["rows"] == 1200
    assert cold_counts(duckdb, postgres_cold.table("trades")) == (1200, 1200)


def test_a_server_that_is_away_when_the_window_is_committed(postgres_cold, hot, postgres_server, http_server, duckdb):
    """The run fails and says so; nothing of it is in, no file of its commit is left, and the next run has the rows once."""
    create_trades(hot)
    insert_trades(hot, 0, 1200)
    assert offload_trades(hot, 400)["rows"] == 400
    with http_server(hot) as server:
        running = start_held(hot, server, fault="hold")
        postgres_server.stop(signal.SIGINT)
        try:
            server.clear()
            out, err = running.communicate(timeout=120)
        finally:
            postgres_server.start()
    assert running.returncode == program.FAILED, out
    assert "Check that the server runs" in err and not postgres.mentions_password(out + err)
    assert cold_counts(duckdb, postgres_cold.table("trades")) == (400, 400)
    assert offload_trades(hot, 1200)["rows"] == 800
    assert cold_counts(duckdb, postgres_cold.table("trades")) == (1200, 1200)
