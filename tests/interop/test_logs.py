"""The log: what is told of a cycle, line by line; and that it can be joined with ClickHouse's query_log."""

import fcntl
import json
import re
import sqlite3
import subprocess
import time

import pytest

from . import program, servers
from .configuration import Configuration
from .test_run import insert, make, minute
from .test_serve import serving

UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
EVERY = {"time", "level", "event", "message"}


def rows_under(heading):
    page = (program.ROOT / "docs" / "logs.md").read_text()
    table = page.split(f"\n## {heading}\n")[1].split("| --- |", 1)[1].split("\n\n")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[1:]]


EVENTS = {name.strip("`"): (level, set(re.findall(r"`(\w+)`", fields))) for name, level, fields, _ in rows_under("Events")}
FIELDS = {name.strip("`") for name, _ in rows_under("Fields")}


def events(text):
    """Each line, parsed and held against docs/logs.md."""
    told = []
    for line in text.splitlines():
        event = json.loads(line)
        told.append(event)
        level, fields = EVENTS[event["event"]]
        assert event["level"] in ("debug", "info", "warning", "error")
        assert EVERY | fields <= set(event) <= EVERY | FIELDS, event
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", event["time"]) and event["message"]
    return told


def of(told, name, **fields):
    return [event for event in told if event["event"] == name and all(event.get(key) == value for key, value in fields.items())]


def test_what_is_told_of_a_cycle(cold, hot, http_server):
    make(hot, "a", "b")
    with http_server(hot) as server:
        config = Configuration(hot, server.url).write({"source": "a", "layer": "bronze"}, {"source": "b", "layer": "silver"}, {"source": "gone", "after": []})
        outcome = program.run("run", "--config", config.file, "--until", minute(50), "--log-format", "json", "-v", "--json", code=program.PARTLY)
        asked = [query["query_id"] for query in server.queries()]
    told = events(outcome.err)
    (ended,) = of(told, "cycle_ended", done=2, failed=1, tables=3, rows=102)
    assert {event["cycle"] for event in told if "cycle" in event} == {ended["cycle"]}
    (failed,) = of(told, "table_failed")
    assert failed["table"] == "gone" and failed["error_kind"] == "not-found" and failed["remedy"] and len(of(told, "error")) == 0, "an error is told once"
    (committed,) = of(told, "window_committed", table="b")
    snapshot = cold.table("b").current_snapshot()
    assert committed["run"] == committed["commit"] == snapshot["summary"]["calve.commit-id"] and committed["snapshot_id"] == snapshot["snapshot-id"]
    assert (committed["layer"], committed["rows"], committed["window_to"]) == ("silver", 51, minute(50))
    (done,) = of(told, "table_done", table="b")
    assert done["run"] == committed["run"] and done["bytes"] == committed["bytes"] and done["commit_seconds"] > 0
    with sqlite3.connect(cold.journal) as journal:
        assert {row[0] for row in journal.execute("SELECT run_id FROM calve_runs")} == {event["run"] for event in of(told, "window_committed")}
    # Every query is told of, under the id that the server saw, and of a run that is known by it.
    queries = of(told, "query_done") + of(told, "query_failed")
    ids = [event["query_id"] for event in queries]
    assert len(ids) == len(set(ids)) and set(ids) <= set(asked) and len(asked) == len(set(asked))
    assert all(re.fullmatch(f"calve-{event['run']}-\\d+", event["query_id"]) for event in queries)
    assert {event["purpose"] for event in queries if event["run"] == committed["run"]} >= {"plan", "read"}
    assert len(of(told, "query_done", run=committed["run"], purpose="read", rows=51)) == 1


def test_quiet_unless_something_happens(cold, hot):
    tables = [f"t{n}" for n in range(9)]
    make(hot, *tables, rows=3)
    config = Configuration(hot).write(*tables)
    first = program.run("run", "--config", config.file, "--until", minute(2), "--progress", "never")
    assert sorted(line.split(":")[1].strip() for line in first.err.splitlines()) == tables and first.out.count("\n") == 1
    for until in (2, 5):
        idle = program.run("run", "--config", config.file, "--until", minute(until), "--progress", "never")
        assert idle.err == "" and re.fullmatch(r"9 tables: 9 done; 0 rows in .*\n", idle.out)
    hot.execute(insert("t4", 10, 5))
    some = program.run("run", "--config", config.file, "--until", minute(20), "--progress", "never")
    assert re.fullmatch(r"calve: t4: 5 rows up to .*\n", some.err)
    assert "query_id=calve-" not in some.err
    loud = program.run("run", "--config", config.file, "--until", minute(21), "--progress", "never", "-v")
    assert len([line for line in loud.err.splitlines() if re.search(r"purpose=plan", line)]) >= 9
    assert program.run("run", "--config", config.file, "--until", minute(22), "-q").err == ""


@pytest.fixture
def logging_server(tmp_path):
    section = "<query_log><database>system</database><table>query_log</table><flush_interval_milliseconds>100</flush_interval_milliseconds></query_log>"
    with servers.debians(tmp_path / "server", sections=section) as server:
        yield server


def test_the_log_joined_with_query_log(logging_server, cold, hot):
    """With a clickhouse-server that keeps one, as docs/logs.md says."""
    server = logging_server
    server.query("CREATE TABLE a (ts DateTime, n UInt32) ENGINE = MergeTree ORDER BY ts PARTITION BY toYYYYMM(ts)")
    server.query("INSERT INTO a SELECT toDateTime('2024-08-09 00:00:00') + number, number FROM numbers(1000)")
    config = Configuration(hot, server.url).write("a", {"source": "gone", "target": "cold.gone"}, source={"settings": {"log_queries": 1}})
    outcome = program.run("run", "--config", config.file, "--log-format", "json", "-v", "--json", code=program.PARTLY)
    told = events(outcome.err)
    mine = {event["query_id"]: event for event in of(told, "query_done")}
    (committed,) = of(told, "window_committed")
    end = time.monotonic() + 30
    logged = {}
    while not set(mine) <= set(logged):
        assert time.monotonic() < end, (sorted(set(mine) - set(logged)), len(logged))
        time.sleep(0.1)
        try:
            found = server.query("SELECT query_id, toString(result_rows), toString(type) FROM system.query_log WHERE type > 1 AND query_id LIKE 'calve-%'")
        except Exception:
            continue  # the table comes with its first rows
        logged = {row.split("\t")[0]: row.split("\t")[1:] for row in found.splitlines()}
    for query_id, event in mine.items():
        assert logged[query_id][1] == "2" and int(logged[query_id][0]) == event["rows"], event
    cost = server.query(f"SELECT substring(query_id, 7, 36) AS run, toString(sum(read_rows)) FROM system.query_log WHERE type > 1 AND query_id LIKE 'calve-{committed['run']}-%' GROUP BY run")
    run, rows = cost.split("\t")
    assert run == committed["run"] and int(rows) >= 1000


def test_an_error_of_clickhouse_names_its_query(cold, hot, http_server):
    make(hot, "a")
    hot.execute("CREATE VIEW breaks AS SELECT ts, throwIf(n = 7, 'seven\\nat\\x1b[31m once') AS n FROM a")
    with http_server(hot) as server:
        arguments = hot.arguments("breaks", source=server.url)
        outcome = program.run(*arguments, code=None)
        asked = {query["query_id"] for query in server.queries()}
        parsed = events(program.run(*arguments, "--log-format", "json", code=None).err)
    assert outcome.code == program.FAILED
    lines = outcome.err.splitlines()
    assert re.search(r"\(query_id (calve-\S+)\)", lines[-1] if "query_id" in lines[-1] else lines[-2])[1] in asked
    assert "\x1b" not in outcome.err and all(line.startswith(("calve: ", "  ")) for line in lines)
    assert len(of(parsed, "error")) == 1


def test_nobody_reads_the_log(cold, hot):
    make(hot, "a", rows=5000)
    environment = program.environment()
    arguments = program.command(*hot.arguments("a", "-v", "--log-format", "json", "--chunk-rows", "250"))
    # A pipe that is full, and whose reader only sleeps.
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)
    fcntl.fcntl(process.stderr, fcntl.F_SETPIPE_SZ, 4096)
    began = time.monotonic()
    assert process.wait(60) == program.DONE and time.monotonic() - began < 40
    process.stdout.close(), process.stderr.close()
    # No stderr at all; the first file that is opened must not become it.
    hot.execute(insert("a", 5000, 10))
    closed = subprocess.run(["bash", "-c", '"$@" 2>&-', "bash", *arguments], stdout=subprocess.PIPE, env=environment, timeout=60)
    assert closed.returncode == program.DONE
    with sqlite3.connect(cold.journal) as journal:
        assert journal.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    # A reader that goes away.
    hot.execute(insert("a", 5010, 10))
    gone = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)
    gone.stderr.close()
    assert gone.wait(60) == program.DONE
    gone.stdout.close()


def test_what_serve_tells(cold, hot, http_server):
    make(hot, "a", rows=3)
    with http_server(hot) as server:
        config = Configuration(hot, server.url).write("a", schedule={"every": "1s"})
        with serving(config, "--log-format", "json", "-v") as running:
            running.wait('"cycle_ended"')
            running.wait('"next_cycle"')
            good = config.file.read_text()
            config.file.write_text("tables: [")
            running.process.send_signal(1)
            running.wait('"config_not_reloaded"')
            config.file.write_text(good)
            running.process.send_signal(1)
            running.wait('"config_reloaded"')
            running.end()
    told = events("\n".join(running.lines))
    assert [event["event"] for event in told[:2]] == ["note", "serve_started"] or told[0]["event"] == "serve_started"
    assert len(of(told, "table_done", level="info")) == 1 and of(told, "stopping")
    (committed,) = of(told, "window_committed", rows=3)
    assert committed["cycle"] and of(told, "query_done", run=committed["run"], purpose="read")
    cycles = [event["cycle"] for event in of(told, "cycle_ended")]
    assert len(cycles) == len(set(cycles)) and of(told, "table_done")[0]["cycle"] == cycles[0]


def test_every_event_that_is_described_is_one_that_calve_tells():
    source = "\n".join(path.read_text() for path in (program.ROOT / "src" / "calve").rglob("*.cc") if path.name not in ("event.cc",) and "_test" not in path.name)
    header = (program.ROOT / "src" / "calve" / "base" / "event.h").read_text()
    for kind in re.findall(r"^  (k\w+),$", header.split("enum class EventKind")[1].split("};")[0], re.M):
        assert f"EventKind::{kind}" in source, kind
