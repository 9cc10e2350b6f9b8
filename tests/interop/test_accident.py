"""The accident that calve is there to prevent: the same full load started twice, and three increments within one second. The
usual job doubles the table by the first and repeats the window by the second."""

import json
import time

import pytest

from . import program
from .other_engines import Trades, assert_rows
from .trades import through

ROWS = 800
NO_LEASE = ["--lease", "0"]


def at_once(trades, counts, more):
    """Runs started without waiting for one another; what each of them tells."""
    began = time.monotonic()
    racers = [program.start(*trades.arguments(count, *more)) for count in counts]
    assert time.monotonic() - began < 1
    ends = [(*racer.communicate(timeout=120), racer.returncode) for racer in racers]
    assert all(code == program.DONE for _, _, code in ends), ends
    return [json.loads(out) for out, _, _ in ends]


def newest_window(table):
    return next(s["summary"] for s in reversed(table.snapshots()) if "calve.window-to" in s["summary"])


@pytest.mark.parametrize("mode", ["append", "upsert"])
@pytest.mark.parametrize("more", [NO_LEASE, []], ids=["racing", "lease"])
def test_the_accident(any_cold, hot, http_server, duckdb, mode, more):
    with http_server(hot) as server:
        trades = Trades(hot, mode, server)
        trades.insert(0, ROWS)
        told = at_once(trades, [ROWS] * 2, more)
        assert sorted(run["rows"] for run in told) == [0, ROWS]
        trades.check(duckdb, ROWS)
        assert newest_window(trades.table)["calve.window-to"] == through(ROWS)

        trades.insert(ROWS, 120)
        told = at_once(trades, [ROWS + 120] * 3, more)
        assert sorted(run["rows"] for run in told) == [0, 0, 120]
        trades.check(duckdb, ROWS + 120)
        assert newest_window(trades.table)["calve.window-to"] == through(ROWS + 120)

        # Each with the clock of its own moment; one that is overtaken by a later one has nothing to do.
        trades.insert(ROWS + 120, 120)
        ends = [ROWS + 160, ROWS + 200, ROWS + 240]
        told = at_once(trades, ends, more)
        reached = max(run["watermark"] for run in told if run["rows"])
        assert newest_window(trades.table)["calve.window-to"] == reached
        count = next(end for end in ends if through(end) == reached)
        assert sum(run["rows"] for run in told) == count - ROWS - 120
        if not more:
            assert all(run["rows"] or run.get("skipped") or run["watermark"] == reached for run in told)
        trades.check(duckdb, count)
        trades.offload(ends[-1])
        trades.check(duckdb, ends[-1])
        assert trades.offload(ends[-1])["rows"] == 0
    summed = [int(s["summary"]["calve.rows"]) for s in trades.table.snapshots()]
    assert sum(summed) == ROWS + 240 and trades.table.snapshots()[-1]["summary"]["total-records"] == str(ROWS + 240)


@pytest.mark.parametrize("journal", ["one", "apart"])
def test_eight_at_once_on_a_table_whose_rows_change(any_cold, hot, http_server, duckdb, tmp_path, journal):
    """All compete, for the windows and for the same changed rows."""
    with http_server(hot) as server:
        trades = Trades(hot, "upsert", server)
        trades.insert(0, 400)
        trades.offload(400)
        for turn, count in enumerate((600, 800), 1):
            trades.insert(turn * 50, 200, turn)
            trades.insert(count - 200, 200, turn)
            racers = []
            for number in range(8):
                arguments = trades.arguments(count, *NO_LEASE)
                if journal == "apart":
                    arguments[arguments.index("--state") + 1] = f"sqlite:///{tmp_path}/state-{number}.db"
                racers.append(program.start(*arguments))
            ends = [(racer.communicate(timeout=120), racer.returncode) for racer in racers]
            # Five windows lost in a row is the only way not to succeed.
            assert all(code == program.DONE or "in a row were lost" in err for (_, err), code in ends), ends
            told = [json.loads(out) for (out, _), code in ends if code == program.DONE]
            assert sum(run["rows"] for run in told) == 200
            assert_rows(trades.in_cold(duckdb, ["sequence"]), [(n,) for n in range(count)])
            assert max(run["late"]["rows"] for run in told) > 0
            trades.offload(count)
            trades.check(duckdb, count)
    assert trades.table.snapshots()[-1]["summary"]["total-records"] == "800"
