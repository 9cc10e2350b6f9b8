"""Metrics: what `calve serve` answers, and what commands that end leave in files."""

import re
import subprocess
import time
import urllib.error
import urllib.request

import pytest
from conftest import need

from . import program
from .configuration import Configuration
from .prometheus import PROMTOOL, get, samples, scrape
from .test_run import T0, make, minute
from .test_serve import NOW, serving

# DESIGN's names, which dashboards use; and what each is by its labels.
NAMES = {
    "offload_rows_total": {"table", "layer"}, "offload_bytes_total": {"table", "layer"}, "offload_files_total": {"table", "layer"},
    "offload_cycles_total": {"status"}, "offload_lag_minutes": {"table"}, "watermark_timestamp_seconds": {"table"},
    "offload_duration_seconds_count": {"table"}, "offload_cycle_duration_seconds_count": set(), "offload_rows_per_second": {"table"},
    "offload_last_success_timestamp": set(), "offload_last_failure_timestamp": set(), "offload_tables_configured": set(),
    "offload_info": {"version"}, "process_resident_memory_bytes": set(), "process_cpu_seconds_total": set(), "process_open_fds": set(),
    "process_start_time_seconds": set(),
}


def listening(running):
    """Where it answers, as it says itself."""
    return re.search(r"listening at (http://\S+):", running.lines[running.wait("listening at")])[1]


def check(text):
    """promtool's opinion of the text; what it thinks of names is its own matter."""
    need(PROMTOOL.exists(), "Prometheus is not unpacked")
    done = subprocess.run([PROMTOOL, "check", "metrics"], input=text, capture_output=True, text=True)
    assert "error while linting" not in done.stderr, done.stderr
    return text


def test_what_serve_answers(cold, hot, http_server):
    make(hot, "a", "b", rows=100)
    with http_server(hot) as server:
        config = Configuration(hot, server.url).write({"source": "a", "layer": "bronze"}, {"source": "b", "layer": "silver"}, schedule={"every": "7d"}, defaults={"buffer": "1m"})
        with serving(config) as running:
            url = listening(running)
            assert get(url + "/healthz") == (200, "ok\n")
            running.wait("cycle ended")
            running.wait("next cycle at")
            assert get(url + "/readyz") == (200, "ready\n")
            before = time.time()
            text = check(get(url + "/metrics")[1])
            seen = samples(text)
            for name, labels in NAMES.items():
                assert {frozenset(dict(found)) for found in seen[name]} == {frozenset(labels)}, name
            of_a, a = {("table", "a"), ("layer", "bronze")}, frozenset({("table", "a")})
            assert seen["offload_rows_total"][frozenset(of_a)] == 100 and seen["offload_files_total"][frozenset(of_a)] == 1
            assert seen["offload_bytes_total"][frozenset(of_a)] == sum(file.stat().st_size for file in cold.warehouse.glob("cold/a/data/**/*.parquet"))
            assert seen["offload_cycles_total"][frozenset({("status", "success")})] == 1
            assert seen["offload_buffer_minutes"][a] == 1 and seen["offload_schedule_interval_seconds"][frozenset()] == 7 * 86400
            phases = {dict(labels)["phase"] for labels in seen["offload_phase_seconds_total"]}
            assert phases == {"plan", "read", "decode", "wait_for_encoder", "wait_for_rows", "encode", "upload", "commit", "late"}
            for phase in ("plan", "read", "encode", "upload", "commit"):
                assert seen["offload_phase_seconds_total"][frozenset({("table", "a"), ("phase", phase)})] > 0, phase
            # By the clock of now, not of the cycle that has ended.
            watermark = seen["watermark_timestamp_seconds"][a]
            lag = seen["offload_lag_minutes"][a]
            assert 55 < before - watermark < 80 and before - watermark - 1 < lag * 60 < time.time() - watermark + 1
            time.sleep(1.2)
            later = scrape(url)
            assert later["watermark_timestamp_seconds"][a] == watermark and (later["offload_lag_minutes"][a] - lag) * 60 > 1
            assert get(url + "/none")[0] == 404
            running.end()
    with pytest.raises(OSError):
        urllib.request.urlopen(url + "/healthz", timeout=2)


def test_failures_are_told_by_table_and_kind(cold, hot, http_server):
    make(hot, "good", rows=1)
    with http_server(hot) as server:
        config = Configuration(hot, server.url).write("good", "gone", schedule={"every": "7d", "retry": {"wait_min": "1s", "wait_max": "1s"}})
        with serving(config) as running:
            url = listening(running)
            running.wait("next cycle at")
            seen = scrape(url)
            assert seen["offload_consecutive_failures"] == {frozenset({("table", "good")}): 0, frozenset({("table", "gone")}): 1}
            assert seen["offload_errors_total"] == {frozenset({("table", "gone"), ("error_type", "not-found")}): 1}
            assert seen["offload_cycles_total"][frozenset({("status", "partial")})] == 1
            assert seen["offload_last_success_timestamp"][frozenset()] == 0 and time.time() - seen["offload_last_failure_timestamp"][frozenset()] < 60
            running.end()


def test_a_cycle_that_fails_before_it_begins_a_table(cold, hot):
    make(hot, "a", rows=1)
    config = Configuration(hot).write("a", schedule={"every": "7d"}, state={"url": "postgresql://calve@127.0.0.1:1/none", "password_file": "gone"})
    with serving(config) as running:
        url = listening(running)
        running.wait("error:", seconds=60)
        deadline = time.monotonic() + 30
        while scrape(url)["offload_cycles_total"][frozenset({("status", "failed")})] == 0:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert get(url + "/healthz")[0] == 200
        seen = scrape(url)
        assert seen["offload_cycle_consecutive_failures"][frozenset()] >= 1
        assert {dict(labels)["table"] for labels in seen["offload_errors_total"]} == {"(cycle)"}
        status, why = get(url + "/readyz")
        assert status == 503 and "failed as a whole" in why
        running.end()


def test_run_counts_on_in_its_file(cold, hot):
    make(hot, "a", rows=100)
    folder = cold.folder / "metrics"
    folder.mkdir()
    config = Configuration(hot).write({"source": "a", "layer": "bronze"}, metrics={"directory": "metrics"})
    config.run("--until", minute(9))
    config.run("--until", minute(19), "--dry-run")
    config.run("--until", minute(29))
    file = folder / "calve_run.prom"
    seen = samples(check(file.read_text()))
    a = frozenset({("table", "a"), ("layer", "bronze")})
    assert seen["offload_rows_total"][a] == 30 and seen["offload_duration_seconds_count"][frozenset({("table", "a")})] == 2
    assert seen["offload_cycles_total"][frozenset({("status", "success")})] == 2
    # What is only true at the moment of the run is not left behind, nor what node_exporter says of itself.
    assert not {"offload_lag_minutes", "offload_cycle_started_timestamp_seconds", "process_start_time_seconds"} & set(seen)
    hot.execute("DROP TABLE a")
    config.run(code=program.USAGE)
    seen = samples(file.read_text())
    assert seen["offload_rows_total"][a] == 30 and seen["offload_consecutive_failures"][frozenset({("table", "a")})] == 1
    assert [path.name for path in folder.iterdir()] == ["calve_run.prom"]
    # A folder that is not there fails no offload.
    folder.rename(cold.folder / "elsewhere")
    make(hot, "a", rows=40)
    outcome = program.run("run", "--config", config.file, "--until", minute(39))
    assert "the metrics were not written" in outcome.err


def test_offload_has_a_file_too(cold, hot):
    make(hot, "a", rows=10)
    file = cold.folder / "a.prom"
    hot.offload("a", "--buffer", "0s", "--layer", "bronze", "--metrics-file", file)
    assert samples(check(file.read_text()))["offload_rows_total"] == {frozenset({("table", "a"), ("layer", "bronze")}): 10}
    other = cold.folder / "calve.yaml"
    other.write_text("no metrics\n")
    assert "the metrics were not written" in program.run(*hot.arguments("a", "--metrics-file", other)).err and other.read_text() == "no metrics\n"


def test_what_verify_and_retire_found(cold, hot, http_server):
    for table in ("a", "b"):
        hot.execute(f"CREATE TABLE {table} (ts DateTime64(3, 'UTC'), n UInt32) ENGINE = MergeTree PARTITION BY toDate(ts) ORDER BY ts",
                    f"INSERT INTO {table} SELECT {T0} + INTERVAL number MINUTE, number FROM numbers(100)")
    (cold.folder / "metrics").mkdir()
    with http_server(hot) as server:
        config = Configuration(hot, server.url).write("a", "b", metrics={"directory": "metrics"}, defaults={"lookback": "0s"}, schedule={"every": "7d"})
        with serving(config) as running:
            url = listening(running)
            running.wait("next cycle at")
            assert "offload_missing_rows" not in scrape(url), "nobody has looked yet"
            # Late rows that nobody looks for.
            server.query(f"INSERT INTO a SELECT {T0} + INTERVAL number MINUTE, number + 1000 FROM numbers(7)")
            program.run("verify", "--config", config.file, code=program.DIFFERENCE)
            program.run("retire", "--config", config.file, "--older-than", "1d", code=program.DIFFERENCE)
            seen = scrape(url)
            assert seen["offload_missing_rows"] == {frozenset({("table", "a")}): 7, frozenset({("table", "b")}): 0}
            assert seen["offload_duplicates"][frozenset({("table", "a")})] == 0
            assert seen["offload_retirement_blocked"] == {frozenset({("table", "a")}): 1, frozenset({("table", "b")}): 0}
            assert seen["offload_retired_rows_total"][frozenset({("table", "b")})] == 100
            # One table alone: what is known of the others stays.
            program.run("verify", "--config", config.file, "--table", "a", "--repair")
            seen = scrape(url)
            assert seen["offload_missing_rows"] == {frozenset({("table", "a")}): 0, frozenset({("table", "b")}): 0}
            check(get(url + "/metrics")[1])
            running.end()


def test_where_it_listens(cold, hot):
    make(hot, "a", rows=1)
    config = Configuration(hot).write("a", schedule={"every": "7d"}, serve={"listen": "0.0.0.0:0"})
    with serving(config, env={"CALVE_LISTEN": ""}) as running:
        taken = listening(running).rsplit(":", 1)[1]
        running.wait("whoever can reach")
        running.end()
    with serving(config, "--listen", "off") as running:
        running.wait("next cycle at")
        assert not any("listening" in line for line in running.lines)
        running.end()
    with serving(config, "--listen", "127.0.0.1:0") as running:
        taken = listening(running).rsplit(":", 1)[1]
        refused = program.run("serve", "--config", config.file, "--listen", f"127.0.0.1:{taken}", code=program.USAGE)
        assert "Address already in use" in refused.err and "--listen" in refused.err
        running.end()
    assert "no address to listen at" in program.run("serve", "--config", config.file, "--listen", "9765", code=program.USAGE).err
