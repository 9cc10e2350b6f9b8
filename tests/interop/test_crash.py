"""kill -9 at random moments of loads: at every moment the cold table can be read and holds whole windows, and in the end it holds
exactly the source's rows.

The seed is printed; CALVE_CRASH_SEED repeats a run's moments, CALVE_CRASH_KILLS sets how many kills it takes (all catalogs together).
"""

import datetime
import decimal
import os
import random
import signal
import time

import pytest

from . import program
from .trades import create_trades, insert_trades, instant, offload_trades, through

KILLS = int(os.environ.get("CALVE_CRASH_KILLS", "60"))
ROWS = 40_000  # of a window; it spans a week, and all of them must lie in the past
OPTIONS = ["--partition-by", "bucket(3, symbol)", "--sequence-col", "sequence", "--property", "commit.manifest.min-count-to-merge=4"]


def cold_totals(duckdb, table):
    """(rows, distinct rows, sums that a lost, doubled or changed row would move)."""
    row = duckdb.query(f"SELECT count(*), count(DISTINCT sequence), sum(sequence), sum(price), sum(epoch_ms(ts)) FROM {duckdb.source(table)}")
    return [decimal.Decimal(str(value or 0)) for value in row.to_pylist()[0].values()]


def hot_totals(hot):
    line = hot.value("SELECT count(), uniqExact(sequence), sum(sequence), sum(price), sum(toUnixTimestamp64Milli(ts)) FROM trades")
    return [decimal.Decimal(value) for value in line.split("\t")]


def run_and_kill(hot, window, moment):
    """Starts the window's run and kills it after so many seconds; whether it was still alive."""
    running = program.start(*hot.arguments("trades", "--until", through(ROWS * window), *OPTIONS))
    time.sleep(moment)
    alive = running.poll() is None
    if alive:
        running.send_signal(signal.SIGKILL)
    _, err = running.communicate(timeout=60)
    assert running.returncode in (-signal.SIGKILL, program.DONE), err
    return running.returncode == -signal.SIGKILL


@pytest.mark.slow
def test_killed_at_random_moments(every_cold, hot, duckdb):
    seed = int(os.environ.get("CALVE_CRASH_SEED") or random.SystemRandom().randrange(10**9))
    print(f"seed {seed}")
    chance = random.Random(seed)
    create_trades(hot)
    for window in (1, 2):  # the first one makes the table, and a server warm
        insert_trades(hot, ROWS * (window - 1), ROWS)
        began = time.monotonic()
        offload_trades(hot, ROWS * window, *OPTIONS)
        usual = time.monotonic() - began  # how long an undisturbed run takes tells where the moments lie

    table, kills = every_cold.table("trades"), 0
    while kills < (KILLS + 2) // 3:
        window += 1
        assert instant(ROWS * window) < datetime.datetime.now(datetime.timezone.utc), "too many runs outlived their moment"
        insert_trades(hot, ROWS * (window - 1), ROWS)
        complete = False
        while not complete:
            # Anywhere, but often where files are finished and the commit happens.
            late = chance.random() < 0.5
            complete = not run_and_kill(hot, window, usual * (chance.uniform(0.7, 1.1) if late else chance.uniform(0.0, 1.0)))
            kills += not complete
            if chance.random() < 0.2:
                every_cold.lose_journal()  # it is never the truth
            rows, distinct, *_ = cold_totals(duckdb, table)
            assert rows == distinct and rows in (ROWS * (window - 1), ROWS * window), f"seed {seed}, kill {kills}: {rows} rows, {distinct} distinct"
            if not complete and chance.random() < 0.4:
                offload_trades(hot, ROWS * window, *OPTIONS)
                complete = True
            if complete:
                assert cold_totals(duckdb, table) == hot_totals(hot), f"seed {seed}, kill {kills}"
    print(f"{kills} kills over {window} windows")
    assert offload_trades(hot, ROWS * window, *OPTIONS)["rows"] == 0
    assert cold_totals(duckdb, table) == hot_totals(hot), f"seed {seed}"


def test_debris_of_a_killed_run_is_never_visible(cold, hot, four):
    """A run killed while it writes leaves files that no snapshot names; readers must not see them, and the next run must not trip."""
    create_trades(hot)
    insert_trades(hot, 0, 3_000_000)
    table = cold.table("trades")
    running = program.start(*hot.arguments("trades"))
    while running.poll() is None and not any(p.suffix == ".parquet" for p in cold.warehouse.rglob("*")):
        time.sleep(0.002)
    running.send_signal(signal.SIGKILL)
    running.communicate()
    if running.returncode == program.DONE:
        pytest.skip("it was done before it could be killed")
    assert not table.exists() or not table.snapshots()
    assert offload_trades(hot, 400)["rows"] == 400
    for reader in four:
        assert len(reader.rows(table, ["sequence"])) == 400, reader.name
