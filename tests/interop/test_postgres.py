"""The journal in PostgreSQL: the platform's own offload_watermarks, the lease between machines, and what happens without the server."""

import datetime
import decimal
import json
import signal
import subprocess
import time

import pytest
import yaml
from reference_platform import TABLES, text as instant_text, until

from . import layers, postgres, program
from .test_existing_tables import as_trades, create_with_pyiceberg
from .test_lease import ROWS, cold_counts, start_held
from .test_nine_tables import EVERY, EXAMPLE, Nine
from .trades import create_trades, insert_trades, instant, offload_trades, text, through

SECRET = {"CALVE_STATE_PASSWORD": postgres.PASSWORD}
# As the Spark job's users have it, with what a platform may have added.
PLATFORMS_TABLE = """
CREATE TABLE offload_watermarks (
  table_name VARCHAR(100) PRIMARY KEY, last_offload_timestamp TIMESTAMP WITH TIME ZONE NOT NULL, last_offload_max_sequence BIGINT NOT NULL,
  last_offload_row_count BIGINT DEFAULT 0, status VARCHAR(20) NOT NULL DEFAULT 'initialized', last_successful_run TIMESTAMP WITH TIME ZONE,
  last_run_duration_seconds INTEGER, failure_count INTEGER DEFAULT 0, last_error_message TEXT, created_at TIMESTAMP WITH TIME ZONE DEFAULT now(),
  updated_at TIMESTAMP WITH TIME ZONE DEFAULT now(), owner TEXT DEFAULT 'platform',
  CONSTRAINT chk_status CHECK (status IN ('initialized', 'running', 'success', 'failed')));
"""


@pytest.fixture
def database(postgres_server, passwords):
    """A database with calve's user as its owner; calve finds the password in its environment."""
    return postgres_server.new_database()


def state_at(place, database):
    place.state = database.url()


def mirror(database):
    rows = database.sql("SELECT table_name, to_char(last_offload_timestamp, 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'), last_offload_max_sequence, last_offload_row_count, "
                        "status, failure_count, coalesce(last_error_message, '-'), coalesce(last_run_duration_seconds, -1), coalesce(last_successful_run > now() - interval '5 minutes', false), "
                        "updated_at > now() - interval '5 minutes' FROM offload_watermarks ORDER BY 1")
    keys = ["table", "timestamp", "sequence", "rows", "status", "failures", "message", "duration", "succeeded", "updated"]
    return [dict(zip(keys, row)) for row in rows]


def test_a_cycle_with_its_journal_in_postgresql(any_cold, hot, duckdb, database):
    state_at(any_cold, database)
    create_trades(hot)
    insert_trades(hot, 0, 400)
    for count in (200, 400):
        result = offload_trades(hot, count, "--sequence-col", "sequence")
        assert result["rows"] == 200 and not [n for n in result["notes"] if "journal" in n]
        row, = mirror(database)
        assert int(row["duration"]) >= 0
        assert {**row, "duration": 0} == {"table": "trades", "timestamp": through(count), "sequence": str(count - 1), "rows": "200", "status": "success",
                                          "failures": "0", "message": "-", "duration": 0, "succeeded": "t", "updated": "t"}
    # A window without rows moves the time and keeps the highest sequence.
    assert hot.offload("trades", "--until", "2024-09-01T00:00:00Z", "--sequence-col", "sequence")["rows"] == 0
    row, = mirror(database)
    assert (row["timestamp"], row["sequence"], row["rows"]) == ("2024-09-01T00:00:00.000000Z", "399", "0")
    assert database.sql("SELECT status, row_count, layer FROM calve_runs ORDER BY started_at") == [["success", "200", ""]] * 2 + [["success", "0", ""]]
    assert database.sql("SELECT count(*) FROM calve_leases") == [["0"]]
    status = program.run("status", *any_cold.arguments, "--json").json["tables"]
    assert status[0]["last_run"]["status"] == "success" and status[0]["rows"] == 400
    assert cold_counts(duckdb, any_cold.table("trades")) == (400, 400)


def test_a_failed_run_is_counted_and_a_good_one_clears_it(cold, hot, database):
    state_at(cold, database)
    create_trades(hot)
    insert_trades(hot, 0, 100)
    offload_trades(hot, 100, "--sequence-col", "sequence")
    hot.execute("INSERT INTO trades SELECT toDateTime64('2024-08-10 00:00:00', 3, 'UTC'), 18446744073709551615, 'X', 1, 'buy'")
    for failures in ("1", "2"):
        hot.offload("trades", code=program.FAILED)
        row, = mirror(database)
        assert (row["status"], row["failures"], row["rows"], row["timestamp"], row["sequence"]) == ("failed", failures, "100", through(100), "99")
        assert "sequence" in row["message"]
    hot.offload("trades", "--until", "2024-08-09T20:00:00Z")
    row, = mirror(database)
    assert (row["status"], row["failures"], row["message"]) == ("success", "0", "-")


def test_a_dashboard_sees_a_run_while_it_runs(cold, hot, database, http_server):
    """status is running from the first row read on, whatever it was before; the rest of the row is the last window's until the next is in."""
    state_at(cold, database)
    create_trades(hot)
    insert_trades(hot, 0, ROWS)
    with http_server(hot) as server:
        for count in (400, ROWS):
            before = mirror(database) if count > 400 else []
            server.fault("hold")
            running = program.start(*hot.arguments("trades", "--until", through(count), "--sequence-col", "sequence", "--json", source=server.url))
            deadline = time.monotonic() + 30
            while server.armed():
                assert running.poll() is None and time.monotonic() < deadline, running.communicate()
                time.sleep(0.02)
            row, = mirror(database)
            assert (row["status"], row["failures"], row["updated"]) == ("running", "0", "t")
            if before:
                assert row == {**before[0], "status": "running"}
                database.sql("UPDATE offload_watermarks SET status = 'failed', updated_at = '2020-01-01'")
            server.clear()
            _, err = running.communicate(timeout=60)
            assert running.returncode == program.DONE, err
            row, = mirror(database)
            assert (row["status"], row["timestamp"], row["updated"], row["succeeded"]) == ("success", through(count), "t", "t")


def test_a_run_that_does_not_come_to_reading_rows_is_a_failure_too(cold, hot, database):
    """The source is away, or its table has changed: dashboards are told, and the next good run clears it."""
    state_at(cold, database)
    create_trades(hot)
    insert_trades(hot, 0, 200)
    nowhere = "http://default@127.0.0.1:9/default"
    hot.offload("trades", "--until", through(100), source=nowhere, code=program.FAILED)
    assert mirror(database) == [], "a row of the Spark job's must stay the way to go on from it"
    offload_trades(hot, 100, "--sequence-col", "sequence")
    for failures in ("1", "2"):
        hot.offload("trades", "--until", through(200), "--lease", "0", source=nowhere, code=program.FAILED)
        row, = mirror(database)
        assert (row["status"], row["failures"], row["timestamp"], row["sequence"]) == ("failed", failures, through(100), "99")
        assert "127.0.0.1:9" in row["message"] and row["updated"] == "t"
    hot.offload("trades", "--dry-run", source=nowhere, code=program.FAILED)
    assert mirror(database)[0]["failures"] == "2", "looking is no run"
    # Nothing to do is a good run as well.
    assert offload_trades(hot, 100, "--sequence-col", "sequence")["rows"] == 0
    row, = mirror(database)
    assert (row["status"], row["failures"], row["message"], row["timestamp"], row["sequence"]) == ("success", "0", "-", through(100), "99")


def test_the_row_follows_the_table(cold, hot, database):
    """After a run that died before it could tell, a journal that was lost, or a hand that changed the row: the next run mends it,
    also where it has no rows to offload."""
    state_at(cold, database)
    create_trades(hot)
    insert_trades(hot, 0, 200)
    offload_trades(hot, 200, "--sequence-col", "sequence")
    expected = {**mirror(database)[0], "duration": 0}
    for damage in ("UPDATE offload_watermarks SET status = 'running'", "UPDATE offload_watermarks SET last_offload_timestamp = '2024-08-09', last_offload_max_sequence = 1",
                   "UPDATE offload_watermarks SET last_offload_timestamp = '2030-01-01'", "DELETE FROM offload_watermarks", "DROP TABLE offload_watermarks, calve_runs, calve_leases"):
        database.sql(damage)
        assert offload_trades(hot, 200, "--sequence-col", "sequence")["rows"] == 0
        assert [{**row, "duration": 0} for row in mirror(database)] == [expected], damage


def test_nine_tables(postgres_cold, hot, tmp_path):
    """One `calve run` of the reference platform, catalog and journal in one database: a row for each table, true to the table."""
    nine = Nine(hot)
    nine.platform.build(EVERY)
    content = yaml.safe_load(EXAMPLE.read_text())
    content["source"]["url"] = hot.url
    content["catalog"] = {"type": postgres_cold.catalog, "warehouse": f"file://{postgres_cold.warehouse}"}
    content["state"] = {"url": postgres_cold.state}
    config = tmp_path / "nine.yaml"
    config.write_text(json.dumps(content))
    for first, step in ((0, 100), (100, 101)):
        nine.platform.play(first, step - first)
        told = {table["name"]: table for table in program.run("run", "--config", config, "--until", instant_text(until(step)), "--json").json["tables"]}
        assert {table["state"] for table in told.values()} == {"done"}
        rows = {row["table"]: row for row in mirror(postgres_cold.database)}
        assert sorted(rows) == sorted(table.name for table in TABLES)
        for table in TABLES:
            row = rows[table.name]
            assert (row["status"], row["failures"], row["message"], row["succeeded"], row["updated"]) == ("success", "0", "-", "t", "t"), row
            assert layers.micros(row["timestamp"]) == layers.history(nine.cold(table))[-1][2], table.name
            if told[table.name]["window"]["from"] != told[table.name]["window"]["to"]:
                assert int(row["rows"]) == told[table.name]["rows"], table.name
        assert postgres_cold.database.sql("SELECT count(*) FROM calve_leases") == [["0"]]
    assert program.run("verify", "--config", config, "--json").json["equal"]
    assert postgres_cold.database.sql("SELECT DISTINCT layer FROM calve_runs ORDER BY 1") == [["bronze"], ["gold"], ["silver"]]
    assert postgres_cold.database.sql("SELECT count(*), count(DISTINCT table_name) FROM iceberg_tables") == [["9", "9"]]


@pytest.mark.parametrize("kind", ["TIMESTAMP WITH TIME ZONE", "TIMESTAMP"])
def test_adoption(sql_cold, hot, four, database, http_server, kind):
    """A table that another job filled, with its row in the platform's offload_watermarks: calve goes on from exactly there."""
    state_at(sql_cold, database)
    database.sql(f"SET ROLE {database.name};" + PLATFORMS_TABLE.replace("TIMESTAMP WITH TIME ZONE", kind))
    table = create_with_pyiceberg(sql_cold)
    table.append(as_trades([(instant(n), n, "SPARK", decimal.Decimal(n), "buy") for n in range(200)]))
    watermark = instant(199)
    plain = watermark.strftime("%Y-%m-%d %H:%M:%S.%f")
    database.sql("INSERT INTO offload_watermarks (table_name, last_offload_timestamp, last_offload_max_sequence, last_offload_row_count, status, last_successful_run, "
                 f"last_run_duration_seconds, created_at) VALUES ('trades', '{plain}', 199, 200, 'success', '{plain}', 12, '2024-01-02 03:04:05')")
    create_trades(hot)
    insert_trades(hot, 0, 400)
    planned = offload_trades(hot, 400, "--dry-run")
    assert planned["window"]["from"] == text(watermark) and planned["rows_expected"] == 200
    assert database.sql("SELECT count(*) FROM pg_class WHERE relname LIKE 'calve%'") == [["0"]], "a dry run makes nothing"
    # A first run that fails must not cut the way back.
    with http_server(hot) as server:
        server.fault("exception", times=100)
        hot.offload("trades", "--until", through(400), "--sequence-col", "sequence", source=server.url, code=program.FAILED)
    row, = mirror(database)
    assert (row["status"], row["failures"], row["timestamp"], row["sequence"]) == ("failed", "1", text(watermark), "199")
    result = offload_trades(hot, 400, "--sequence-col", "sequence")
    assert result["rows"] == 200 and result["window"]["from"] == text(watermark)
    assert any("adopted the watermark" in note for note in result["notes"])
    row, = mirror(database)
    assert {**row, "duration": 0} == {"table": "trades", "timestamp": through(400), "sequence": "399", "rows": "200", "status": "success", "failures": "0",
                                      "message": "-", "duration": 0, "succeeded": "t", "updated": "t"}
    assert database.sql("SELECT owner, created_at::timestamp FROM offload_watermarks") == [["platform", "2024-01-02 03:04:05"]]
    for reader in four:
        assert sorted(int(r[0][1]) for r in reader.rows(sql_cold.table("trades"), ["sequence"])) == list(range(400)), reader.name
    assert offload_trades(hot, 400)["rows"] == 0


def test_a_job_that_failed_is_not_adopted(sql_cold, hot, database):
    """Its last append may or may not be in the table: nobody but the operator can say."""
    state_at(sql_cold, database)
    database.sql(f"SET ROLE {database.name};" + PLATFORMS_TABLE)
    create_with_pyiceberg(sql_cold).append(as_trades([(instant(0), 0, "SPARK", decimal.Decimal(1), "buy")]))
    create_trades(hot)
    insert_trades(hot, 0, 100)
    for status in ("failed", "running", "initialized"):
        database.sql("INSERT INTO offload_watermarks (table_name, last_offload_timestamp, last_offload_max_sequence, status, failure_count, last_error_message) "
                     f"VALUES ('trades', '2024-08-09', 0, '{status}', 1, 'x') ON CONFLICT (table_name) DO UPDATE SET status = '{status}'")
        outcome = offload_trades(hot, 100, code=program.USAGE)
        assert "--start-from" in outcome.err
    assert offload_trades(hot, 100, "--start-from", "2024-08-09T00:00:00Z")["rows"] == 96
    assert mirror(database)[0]["status"] == "success"


def test_eight_at_once(any_cold, hot, duckdb, http_server, database):
    state_at(any_cold, database)
    create_trades(hot)
    insert_trades(hot, 0, ROWS)
    with http_server(hot) as server:
        for count in range(400, ROWS + 1, 400):
            racers = [program.start(*hot.arguments("trades", "--until", through(count), "--json", source=server.url)) for _ in range(8)]
            ends = [(racer.communicate(timeout=120), racer.returncode) for racer in racers]
            assert all(code == program.DONE for _, code in ends), ends
            results = [json.loads(out) for (out, _), _ in ends]
            assert sum(result["rows"] for result in results) == 400
            assert not [result["notes"] for result in results if any("journal" in note for note in result.get("notes", []))]
    assert cold_counts(duckdb, any_cold.table("trades")) == (ROWS, ROWS)
    assert database.sql("SELECT count(*) FROM calve_leases") == [["0"]]


def test_a_second_run_skips_the_table_and_takes_over_from_the_dead(cold, hot, duckdb, http_server, database):
    state_at(cold, database)
    create_trades(hot)
    insert_trades(hot, 0, ROWS)
    with http_server(hot) as server:
        first = start_held(hot, server, "--lease", "1s")
        for _ in range(4):
            time.sleep(0.5)
            second = program.run(*hot.arguments("trades", "--until", through(ROWS), "--json", source=server.url)).json
            assert second["skipped"] and second["held_by"]["pid"] == first.pid
            # By the server's clock, and renewed.
            until = datetime.datetime.fromisoformat(second["held_by"]["until"].replace("Z", "+00:00"))
            assert abs((until - datetime.datetime.now(datetime.timezone.utc)).total_seconds()) < 2
        first.send_signal(signal.SIGKILL)
        first.communicate()
    assert offload_trades(hot, ROWS)["rows"] == ROWS
    assert cold_counts(duckdb, cold.table("trades")) == (ROWS, ROWS)


def test_without_the_server_the_offload_goes_on(cold, hot, duckdb, postgres_server, database):
    state_at(cold, database)
    create_trades(hot)
    insert_trades(hot, 0, 400)
    offload_trades(hot, 100)
    postgres_server.stop()
    try:
        began = time.monotonic()
        result = offload_trades(hot, 200)
        assert time.monotonic() - began < 20
        assert result["rows"] == 100
        assert any("journal could not be opened" in note and "refused" in note for note in result["notes"])
        status = program.run("status", *cold.arguments, "--json")
        assert status.json["tables"][0]["rows"] == 200 and status.json["tables"][0]["last_run"] is None and "journal" in status.err
    finally:
        postgres_server.start()
    result = offload_trades(hot, 300)
    assert result["rows"] == 100 and not [n for n in result["notes"] if "journal" in n]
    assert mirror(database)[0]["timestamp"] == through(300)
    assert cold_counts(duckdb, cold.table("trades")) == (300, 300)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_the_server_dies_during_the_run(cold, hot, duckdb, http_server, postgres_server, database, how):
    state_at(cold, database)
    create_trades(hot)
    insert_trades(hot, 0, ROWS)
    with http_server(hot) as server:
        running = start_held(hot, server, fault="slow", delay_ms=20, piece_bytes=256)
        postgres_server.stop(how)
        try:
            server.clear()
            out, err = running.communicate(timeout=120)
        finally:
            time.sleep(0.3 if how == signal.SIGKILL else 0)
            postgres_server.start()
    assert running.returncode == program.DONE, err
    result = json.loads(out)
    assert result["rows"] == ROWS and any("journal could not be written" in note for note in result["notes"])
    assert not postgres.mentions_password(out + err)
    assert cold_counts(duckdb, cold.table("trades")) == (ROWS, ROWS)
    assert offload_trades(hot, ROWS)["rows"] == 0


def offload_with(hot, env, code):
    return hot.offload("trades", "--until", through(100), code=code, env=env)


def test_passwords(cold, hot, database, tmp_path):
    """From the variable, a file, or libpq's own places; never in what calve says."""
    create_trades(hot)
    insert_trades(hot, 0, 100)
    state_at(cold, database)
    none = {"CALVE_STATE_PASSWORD": ""}
    file = tmp_path / "password"
    file.write_text(postgres.PASSWORD + "\n")
    passfile = tmp_path / "pgpass"
    passfile.write_text(f"*:*:*:{database.name}:{postgres.PASSWORD}\n")
    passfile.chmod(0o600)
    for env in ({**none, "CALVE_STATE_PASSWORD_FILE": str(file)}, {**none, "PGPASSWORD": postgres.PASSWORD}, {**none, "PGPASSFILE": str(passfile)}, {}):
        result = offload_with(hot, env, program.DONE)
        assert not [note for note in result["notes"] if "journal" in note], env
    said = ""
    for env in (none, {"CALVE_STATE_PASSWORD": postgres.PASSWORD + "x"}, {**none, "CALVE_STATE_PASSWORD_FILE": str(tmp_path / "missing")}):
        outcome = offload_with(hot, env, program.USAGE)
        assert "password" in outcome.err
        said += str(outcome)
    encoded = postgres.PASSWORD.replace("%", "%25").replace(" ", "%20").replace("/", "%2F").replace("@", "%40")
    for word in (encoded, postgres.PASSWORD):
        cold.state = database.url().replace("@127", f":{word}@127")
        outcome = offload_with(hot, {}, program.USAGE)
        assert "CALVE_STATE_PASSWORD" in outcome.err
        said += str(outcome)
    assert not postgres.mentions_password(said)


def test_rights(cold, hot, database):
    create_trades(hot)
    insert_trades(hot, 0, 100)
    database.sql(f"SET ROLE {database.name};" + PLATFORMS_TABLE)
    user = database.add_user("calve")
    cold.state = database.url(user)
    grants = [f"GRANT {right} TO {user};" for right in ("USAGE, CREATE ON SCHEMA public", "SELECT, INSERT, UPDATE ON offload_watermarks")]
    for given, grant in enumerate(grants):
        outcome = offload_with(hot, {}, program.USAGE)
        assert " ".join(grants[given:]) in outcome.err, outcome
        assert not cold.table("trades").exists()
        database.sql(grant)
    assert not [n for n in offload_with(hot, {}, program.DONE)["notes"] if "journal" in n]
    assert mirror(database)[0]["timestamp"] == through(100)
    # Who only looks needs no more than SELECT, and less is no obstacle.
    viewer = database.add_user("viewer")
    cold.state = database.url(viewer)
    assert program.run("status", *cold.arguments, "--json").json["tables"][0]["last_run"] is None
    database.sql(f"GRANT SELECT ON calve_runs TO {viewer}")
    assert program.run("status", *cold.arguments, "--json").json["tables"][0]["last_run"]["rows"] == 100


def test_a_schema_of_its_own(cold, hot, database):
    create_trades(hot)
    insert_trades(hot, 0, 100)
    cold.state = database.url(options="-csearch_path%3Dcold_state")
    assert "search_path" in offload_with(hot, {}, program.USAGE).err
    database.sql(f"CREATE SCHEMA cold_state AUTHORIZATION {database.name}")
    offload_with(hot, {}, program.DONE)
    assert database.sql("SELECT DISTINCT schemaname FROM pg_tables WHERE tablename LIKE 'calve%' OR tablename LIKE 'offload%'") == [["cold_state"]]


def test_tls(cold, hot, postgres_server, database, tmp_path):
    create_trades(hot)
    insert_trades(hot, 0, 100)
    cold.state = database.url(sslmode="verify-full", sslrootcert=postgres_server.certificate)
    result = offload_with(hot, {}, program.DONE)
    assert not [n for n in result["notes"] if "journal" in n]
    other = tmp_path / "other.crt"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=other",
                    "-keyout", str(tmp_path / "other.key"), "-out", str(other)], check=True, capture_output=True)
    cold.state = database.url(sslmode="verify-full", sslrootcert=other)
    outcome = offload_with(hot, {}, program.USAGE)
    assert "certificate" in outcome.err
    cold.state = database.url(sslmode="verify-full", sslrootcert=tmp_path / "missing.crt")
    assert "missing.crt" in offload_with(hot, {}, program.USAGE).err


def test_unknown_databases_and_parameters(cold, hot, database):
    create_trades(hot)
    for state, word in ((database.url().rsplit("/", 1)[0] + "/nowhere", "CREATE DATABASE"), (database.url(sslmood="x"), "postgresql://user@host")):
        cold.state = state
        assert word in offload_with(hot, {}, program.USAGE).err


def test_the_tables_that_the_documentation_shows(cold, hot, database):
    """Their owner makes them, and calve needs no right to create."""
    page = (program.ROOT / "docs" / "journal.md").read_text()
    statements = page.split("```sql\n")[1].split("```")[0]
    user = database.add_user("calve")
    create_trades(hot)
    insert_trades(hot, 0, 100)
    cold.state = database.url()
    offload_with(hot, {}, program.DONE)
    columns = ("SELECT relname, attname, atttypid::regtype, attnotnull FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid "
               "WHERE relnamespace = 'public'::regnamespace AND attnum > 0 ORDER BY 1, attnum")
    made_by_calve = database.sql(columns)
    database.sql("DROP TABLE offload_watermarks, calve_runs, calve_leases, calve_parts_seen, calve_schema_version")
    database.sql(f"SET ROLE {database.name};" + statements.replace(" TO calve;", f" TO {user};"))
    # The first pause makes one more: journal conformance has it.
    assert [row for row in database.sql(columns) if not row[0].startswith("calve_paused_tables")] == made_by_calve
    cold.state = database.url(user)
    result = hot.offload("trades", "--until", "2024-08-10T00:00:00Z", "--sequence-col", "sequence")
    assert not [n for n in result["notes"] if "journal" in n]
    assert database.sql("SELECT status FROM calve_runs") == [["success"]]
