"""A large window in chunks: each is committed for good, and an interrupted load goes on where it was."""

import itertools
import signal
import time

import pytest

from . import canonical, program
from .trades import create_trades, insert_trades, through

ROWS = 120_000  # three weeks of four rows a minute: 240 an hour


def windows(cold):
    """(from, to, rows) of each of calve's snapshots, in order; none where there is no table yet."""
    if not cold.table("trades").exists():
        return []
    summaries = [snapshot["summary"] for snapshot in cold.table("trades").snapshots()]
    return [(s.get("calve.window-from"), s["calve.window-to"], int(s["calve.rows"])) for s in summaries]


def assert_joined(chunks, end, largest):
    assert chunks[0][0] is None and chunks[-1][1] == end
    assert all(before[1] == after[0] for before, after in itertools.pairwise(chunks))
    assert sum(rows for *_, rows in chunks) == ROWS and max(rows for *_, rows in chunks) <= largest


@pytest.mark.parametrize("over_http", [False, True], ids=["embedded", "http"])
def test_killed_in_the_middle_it_goes_on(any_cold, hot, duckdb, http_server, over_http):
    create_trades(hot)
    insert_trades(hot, 0, ROWS)
    options = ["--until", through(ROWS), "--chunk-rows", "5000"]

    def load(source):
        running = program.start(*hot.arguments("trades", *options, source=source))
        while running.poll() is None and len(windows(any_cold)) < 2:
            time.sleep(0.002)
        running.send_signal(signal.SIGKILL)
        running.communicate(timeout=60)
        before = windows(any_cold)
        rest = hot.offload("trades", *options, source=source)
        return before, rest

    if over_http:
        with http_server(hot) as server:
            before, rest = load(server.url)
    else:
        before, rest = load(None)
    chunks = windows(any_cold)
    assert 0 < len(before) < len(chunks) and chunks[:len(before)] == before
    assert_joined(chunks, through(ROWS), 5_000)
    # What was in is not read again, and the rest is one load.
    assert rest["rows"] == ROWS - sum(rows for *_, rows in before)
    assert rest["chunks"] == len(chunks) - len(before) and rest["watermark"] == through(ROWS)
    columns, expected = hot.rows("SELECT * FROM trades")
    canonical.assert_same_rows(expected, duckdb.rows(any_cold.table("trades"), columns), columns, "duckdb")


@pytest.mark.parametrize("over_http", [False, True], ids=["embedded", "http"])
def test_several_readers(any_cold, hot, duckdb, http_server, over_http):
    """Each of the chunks by several queries at once, which together are the window."""
    create_trades(hot)
    insert_trades(hot, 0, 2 * ROWS)
    options = ["--until", through(2 * ROWS), "--readers", "3"]

    def load(source):
        told = hot.offload("trades", *options, "--dry-run", source=source)
        return told, hot.offload("trades", *options, "--chunk-rows", str(ROWS), source=source)

    if over_http:
        with http_server(hot) as server:
            told, result = load(server.url)
    else:
        told, result = load(None)
    assert 3 <= len(told["queries"]) <= 4 and told["query"] == told["queries"][0]
    assert result["rows"] == 2 * ROWS and result["chunks"] == len(windows(any_cold)) >= 2
    columns, expected = hot.rows("SELECT * FROM trades")
    canonical.assert_same_rows(expected, duckdb.rows(any_cold.table("trades"), columns), columns, "duckdb")


def test_rows_that_are_sorted_have_one_reader(cold, hot):
    create_trades(hot)
    insert_trades(hot, 0, ROWS)
    told = hot.offload("trades", "--until", through(ROWS), "--readers", "3", "--sort-by", "sequence", "--dry-run")
    assert "queries" not in told and told["query"].rpartition("ORDER BY")[2].count("sequence") == 1


def test_a_second_that_is_too_large_is_one_chunk(cold, hot, duckdb):
    hot.execute("CREATE TABLE t (ts DateTime('UTC'), n UInt32) ENGINE = MergeTree ORDER BY n",
                "INSERT INTO t SELECT toDateTime('2024-08-09 12:00:00', 'UTC') + intDiv(number, 1000), number FROM numbers(5000)")
    result = hot.offload("t", "--until", "2024-08-10T00:00:00Z", "--chunk-rows", "300")
    assert (result["chunks"], result["rows"]) == (5, 5000)
    assert sorted(duckdb.rows(cold.table("t"), ["n"])) == [(canonical.number(n),) for n in range(5000)]


def test_by_bytes_and_without_a_limit(cold, hot):
    create_trades(hot)
    insert_trades(hot, 0, 100_000)
    told = [hot.offload("trades", "--until", through(100_000), "--dry-run", *limits)["chunks"]
            for limits in (["--chunk-bytes", "100KiB"], ["--chunk-bytes", "0B", "--chunk-rows", "0"], ["--chunk-rows", "99999"])]
    assert told[0] > 2 and told[1:] == [1, 2]


def test_a_limit_that_is_none(cold, hot):
    assert "--chunk-rows" in program.run(*hot.arguments("trades", "--chunk-rows", "-1"), code=program.USAGE).err
    assert "lots" in program.run(*hot.arguments("trades", "--chunk-bytes", "lots"), code=program.USAGE).err
