"""Several calves on one table: the lease keeps them from working twice, and nothing depends on it."""

import json
import signal
import socket
import sqlite3
import time

import pytest

from . import program
from .trades import create_trades, insert_trades, offload_trades, through

ROWS = 1200


def cold_counts(duckdb, table):
    row = duckdb.query(f"SELECT count(*), count(DISTINCT sequence) FROM {duckdb.source(table)}").to_pylist()[0]
    return tuple(row.values())


def lease_rows(cold):
    with sqlite3.connect(cold.journal) as connection:
        return connection.execute("SELECT host, pid FROM calve_leases").fetchall()


def start_held(hot, server, *more, fault="hang", **how):
    """A run that waits for the rows of its window, with the table's lease in its hands."""
    server.fault(fault, **how)
    running = program.start(*hot.arguments("trades", "--until", through(ROWS), "--json", *more, source=server.url))
    deadline = time.monotonic() + 30
    while not any("`price`" in str(query) for query in server.queries()):
        assert running.poll() is None and time.monotonic() < deadline, running.communicate()
        time.sleep(0.02)
    return running


def test_a_second_run_skips_the_table(any_cold, hot, duckdb, http_server):
    create_trades(hot)
    insert_trades(hot, 0, ROWS)
    with http_server(hot) as server:
        first = start_held(hot, server)
        second = program.run(*hot.arguments("trades", "--until", through(ROWS), "--json", source=server.url))
        assert second.json["skipped"] and second.json["rows"] == 0
        assert second.json["held_by"]["pid"] == first.pid and second.json["held_by"]["host"] == socket.gethostname()
        told = program.run(*hot.arguments("trades", "--until", through(ROWS), source=server.url))
        assert "another calve works on it" in told.out and str(first.pid) in told.out
        # Who does not want to wait, or whose journal is another, does not.
        server.clear()
        assert program.run(*hot.arguments("trades", "--until", through(ROWS), "--json", "--lease", "0", source=server.url)).json["rows"] == ROWS
        first.send_signal(signal.SIGKILL)
        first.communicate()
    # The lease of a process that is gone counts for nothing.
    assert lease_rows(any_cold)
    assert not offload_trades(hot, ROWS).get("skipped")
    assert not lease_rows(any_cold)
    assert cold_counts(duckdb, any_cold.table("trades")) == (ROWS, ROWS)


def test_a_holder_paused_past_its_lease_does_no_harm(any_cold, hot, duckdb, http_server):
    create_trades(hot)
    insert_trades(hot, 0, ROWS)
    with http_server(hot) as server:
        first = start_held(hot, server, "--lease", "1s", fault="slow", delay_ms=20, piece_bytes=256)
        first.send_signal(signal.SIGSTOP)
        server.clear()
        try:
            arguments = hot.arguments("trades", "--until", through(ROWS), "--json", "--lease", "1s", source=server.url)
            deadline = time.monotonic() + 30
            while (second := program.run(*arguments).json).get("skipped"):
                assert time.monotonic() < deadline
                time.sleep(0.2)
            assert second["rows"] == ROWS
        finally:
            first.send_signal(signal.SIGCONT)
    out, err = first.communicate(timeout=60)
    assert first.returncode in (program.DONE, program.FAILED), err
    assert cold_counts(duckdb, any_cold.table("trades")) == (ROWS, ROWS)
    assert offload_trades(hot, ROWS)["rows"] == 0


def test_a_running_holder_renews_its_lease(cold, hot, http_server):
    create_trades(hot)
    insert_trades(hot, 0, ROWS)
    with http_server(hot) as server:
        first = start_held(hot, server, "--lease", "1s")
        arguments = hot.arguments("trades", "--until", through(ROWS), "--json", "--lease", "1s", source=server.url)
        for _ in range(6):
            time.sleep(0.5)
            assert program.run(*arguments).json["skipped"]
        first.send_signal(signal.SIGKILL)
        first.communicate()


@pytest.mark.parametrize("journal", ["shared", "apart", "broken"])
def test_eight_at_once(any_cold, hot, duckdb, http_server, journal, tmp_path):
    """With one journal most of them skip; with one each, or none that works, they race. The rows are there once either way."""
    create_trades(hot)
    insert_trades(hot, 0, ROWS)
    with http_server(hot) as server:
        for count in range(400, ROWS + 1, 400):
            racers = []
            for number in range(8):
                arguments = hot.arguments("trades", "--until", through(count), "--json", source=server.url)
                if journal != "shared":
                    state = tmp_path / f"state-{number}.db"
                    if journal == "broken":
                        state.write_bytes(b"this is no database" * 1000)
                    arguments[arguments.index("--state") + 1] = f"sqlite:///{state}"
                racers.append(program.start(*arguments))
            ends = [(racer.communicate(timeout=120), racer.returncode) for racer in racers]
            # Five windows lost in a row is the only way not to succeed.
            assert all(code == program.DONE or "in a row were lost" in err for (_, err), code in ends), ends
            assert sum(json.loads(out)["rows"] for (out, _), code in ends if code == program.DONE) == 400
    assert cold_counts(duckdb, any_cold.table("trades")) == (ROWS, ROWS)
    assert offload_trades(hot, ROWS)["rows"] == 0
