"""An offload past one machine: a plan, slices that others write, one commit. What is in is what the window held, once; what is refused,
killed or done twice leaves nothing behind."""

import contextlib
import json
import os
import random
import re
import shlex
import shutil
import signal
import subprocess
import threading

import conftest
import pytest

from . import canonical, program, servers
from .slices import Slices, changed
from .test_s3 import WIDE, insert_wide, peak_memory
from .trades import create_trades, insert_trades, through

ROWS = 40_000
UNTIL = ("--until", through(ROWS))
SLICES = ("--slices", "6")


@pytest.fixture
def slices(hot):
    create_trades(hot)
    insert_trades(hot, 0, ROWS)
    return Slices(hot)


def assert_all_rows(hot, cold, reader, table="trades"):
    columns, expected = hot.rows(f"SELECT * FROM {table} FINAL" if "Replacing" in hot.value(f"SELECT engine FROM system.tables WHERE name = '{table}'")
                                 else f"SELECT * FROM {table}")
    canonical.assert_same_rows(expected, reader.rows(cold.table(table), columns), columns, "cold")


def no_table(slices):
    return [] if not slices.cold.table("trades").exists() else slices.cold.table("trades").snapshots()


# --- what it is for -----------------------------------------------------------------------------------------------------------


def test_as_by_one_process(any_cold, hot, slices, duckdb, pyiceberg):
    lines = slices.plan(*UNTIL, *SLICES, "--sequence-col", "sequence", "--partition-by", "days(ts)")
    parsed = [json.loads(line) for line in lines]
    assert [line["slice"] for line in parsed] == list(range(len(lines))) and {line["of"] for line in parsed} == {len(lines)}
    assert sum(line["rows"] for line in parsed) == ROWS and 6 <= len(lines) <= 12
    assert max(line["rows"] for line in parsed) <= 1.5 * ROWS / 6
    written = [one for i in range(0, len(lines), 2) for one in slices.write(lines[i:i + 2])]
    assert all(json.loads(line)["as_planned"] for line in written)
    random.Random(1).shuffle(written)
    done = slices.commit(written)
    assert (done["rows"], done["watermark"], done["files"]) == (ROWS, through(ROWS), len(slices.data_files()))
    assert done["target"] == "cold.trades" and done["table"] == "default.trades"
    assert_all_rows(hot, any_cold, duckdb)
    assert_all_rows(hot, any_cold, pyiceberg)
    slices.assert_nothing_is_left(pyiceberg)
    [snapshot] = any_cold.table("trades").snapshots()
    summary = snapshot["summary"]
    assert summary["calve.rows"] == str(ROWS) and summary["calve.max-sequence"] == str(ROWS - 1)
    assert summary["calve.commit-id"] in parsed[0]["plan"] and summary["calve.kind"] == "append"
    # The journal tells of it as of any run, and the next cycle goes on behind it.
    [row] = program.run("status", "--json", *any_cold.arguments).json["tables"]
    assert row["watermark"] == through(ROWS) and row["last_run"]["status"] == "success" and row["last_run"]["rows"] == ROWS, row
    insert_trades(hot, ROWS, 400)
    assert hot.offload("trades", "--until", through(ROWS + 400))["rows"] == 400
    assert program.run("verify", "--source", hot.url, "--source-table", "trades", "--target-table", "cold.trades", "--timestamp-col", "ts",
                       *any_cold.arguments, "--json").json["equal"]


def test_as_a_pipe(cold, hot, slices, duckdb):
    """plan | write-slice | commit, as the help has it; and without rows."""
    written = slices.write(slices.plan(*UNTIL, *SLICES))
    assert slices.commit(written)["rows"] == ROWS
    assert slices.plan(*UNTIL) == [] and "nothing to do" in slices.planned.err
    beyond = slices.plan("--until", "2024-12-01T00:00:00Z")
    assert len(beyond) == 1
    empty = slices.commit(slices.write(beyond))
    assert (empty["rows"], empty["files"], empty["watermark"]) == (0, 0, "2024-12-01T00:00:00.000000Z")
    assert_all_rows(hot, cold, duckdb)


def test_by_gnu_parallel(cold, hot, slices, duckdb, pyiceberg):
    """As docs/spark.md and the help have it: each slice by a process of its own, two at a time."""
    conftest.need(shutil.which("parallel"), "GNU parallel is not installed")
    with servers.over_libchdb(hot.directory) as server:
        target = shlex.join(map(str, cold.arguments))
        plan = f"calve plan --source {server.url} --source-table trades --target-table cold.trades --timestamp-col ts {target} --until {through(ROWS)} --slices 6"
        write = f"parallel --pipe -N1 -j2 calve write-slice --source {server.url}"
        done = subprocess.run(["bash", "-o", "pipefail", "-c", f"{plan} | {write} | calve commit --json {target}"], capture_output=True, text=True, timeout=120,
                              env=program.environment(PATH=f"{program.BINARY.parent}:{os.environ['PATH']}"))
    program.see(["parallel"], done.stdout, done.stderr)
    assert done.returncode == 0 and json.loads(done.stdout)["rows"] == ROWS, done.stderr
    assert_all_rows(hot, cold, duckdb)
    slices.assert_nothing_is_left(pyiceberg)


def test_in_a_store_by_its_own_credentials(tmp_path, versitygw, duckdb, built):
    """write-slice has no catalog and no journal: the store's variables, and the source."""
    cold = conftest.S3Cold(tmp_path, "sql", versitygw)
    hot = conftest.Hot(tmp_path / "hot", cold)
    create_trades(hot)
    insert_trades(hot, 0, ROWS)
    slices = Slices(hot)
    lines = slices.plan(*UNTIL, *SLICES)
    abandoned = slices.write(lines[:1])
    assert slices.commit(slices.write(lines))["rows"] == ROWS
    assert_all_rows(hot, cold, duckdb)
    keys = versitygw.keys(cold.bucket)
    assert not [key for key in keys if "calve-plans" in key]
    assert json.loads(abandoned[0])["files"][0]["file-path"].removeprefix(f"s3://{cold.bucket}/") not in keys


def test_rows_that_are_merged(cold, hot, duckdb):
    create_trades(hot, engine="ReplacingMergeTree ORDER BY (symbol, ts, sequence)")
    insert_trades(hot, 0, ROWS)
    insert_trades(hot, 100, 5_000)  # again
    slices = Slices(hot)
    assert slices.commit(slices.write(slices.plan(*UNTIL, *SLICES)))["rows"] == ROWS
    assert_all_rows(hot, cold, duckdb)


def test_rows_that_replace_others_at_other_times(cold, hot):
    create_trades(hot, engine="ReplacingMergeTree ORDER BY (symbol, sequence)")
    insert_trades(hot, 0, 400)
    refused = Slices(hot).plan("--until", through(400), code=program.USAGE)
    assert "cannot be written by slices" in refused.err and "calve offload" in refused.err


def test_by_the_configuration(cold, hot, slices, duckdb, tmp_path):
    config = tmp_path / "calve.yaml"
    config.write_text(json.dumps({
        "source": {"url": hot.url}, "catalog": cold.configured, "state": {"url": cold.state},
        "tables": [{"source": "trades", "target": "cold.trades", "layer": "bronze", "cursor": {"timestamp": "ts"}}]}))
    lines = program.run("plan", "--config", config, "--table", "trades", "--slices", "3").out.splitlines()
    written = program.run("write-slice", "--config", config, lines=lines).out.splitlines()
    assert program.run("commit", "--config", config, "--json", lines=written).json["rows"] == ROWS
    assert_all_rows(hot, cold, duckdb)


def test_of_another_source(tmp_path, cold, hot, slices, duckdb):
    """A writer that is given a server whose table has the name only: its rows are not what was planned, however many they are."""
    other = conftest.Hot(tmp_path / "other", cold)
    create_trades(other)
    insert_trades(other, 0, ROWS)
    for each in (hot, other):
        each.execute("CREATE DATABASE k2 ENGINE = Atomic", "CREATE TABLE k2.trades ENGINE = MergeTree ORDER BY (symbol, ts) AS SELECT * FROM trades")
    slices.source = f"{hot.url}?database=k2"
    lines = slices.plan(*UNTIL, *SLICES)
    slices.source = f"{other.url}?database=k2"
    refused = slices.write(lines, code=program.USAGE)
    assert refused.out == "" and re.search(r"the plan was made of the table k2.trades \([0-9a-f-]{36}\), and .* has another one of that name", refused.err), refused
    other.execute("DROP TABLE k2.trades")
    assert "does not show it" in slices.write(lines, code=program.USAGE).err
    assert slices.data_files() == set()
    slices.source = f"{hot.url}?database=k2"
    assert slices.commit(slices.write(lines))["rows"] == ROWS
    assert_all_rows(hot, cold, duckdb)
    compared = slices.plan("--job", "verify")
    slices.source = f"{other.url}?database=k2"
    assert "does not show it" in slices.write(compared, code=program.USAGE).err


# --- what is refused leaves nothing -------------------------------------------------------------------------------------------


def lost(lines):
    return lines[1:]


def doubled(lines):
    return [*lines, lines[2]]


def garbled(lines):
    return [lines[0][:-10], *lines[1:]]


def of_another_plan(lines):
    return [*lines[:-1], re.sub("[0-9a-f]{8}-[0-9a-f]{4}", "00000000-0000", lines[-1])]


def with_other_rows(lines):
    return [changed(lines[0], rows=json.loads(lines[0])["rows"] - 1), *lines[1:]]


def with_other_fingerprint(lines):
    return [changed(lines[0], fingerprint="0123456789abcdef"), *lines[1:]]


def with_fewer_rows_throughout(lines):
    first = json.loads(lines[0])
    first["rows"] -= 1
    first["files"][0]["record-count"] -= 1
    return [json.dumps(first), *lines[1:]]


def with_a_file_of_another(lines):
    first = json.loads(lines[0])
    first["files"] = json.loads(lines[1])["files"]
    return [json.dumps({**first, "rows": sum(file["record-count"] for file in first["files"])}), *lines[1:]]


def with_a_foreign_file(lines):
    first = json.loads(lines[0])
    first["files"][0]["file-path"] = "/etc/passwd"
    return [json.dumps(first), *lines[1:]]


@pytest.mark.parametrize("change, words", [
    (lost, "1 of the plan's 8 slices are missing, the first of them slice 0"), (doubled, "slice 2 is there twice"), (garbled, "line 1"),
    (of_another_plan, "is of another plan"), (with_other_rows, "its files hold"), (with_other_fingerprint, "were planned"),
    (with_fewer_rows_throughout, "were planned"),
    (with_a_file_of_another, "line|rows|fingerprint"), (with_a_foreign_file, "none of the plan's")], ids=lambda value: getattr(value, "__name__", ""))
def test_wrong_lines(cold, hot, slices, change, words):
    written = slices.write(slices.plan(*UNTIL, *SLICES))
    refused = slices.commit(change(written), code=program.FAILED)
    assert re.search(words, refused.err) and "the plan is given up" in refused.err, refused
    assert refused.json["exit_code"] == program.FAILED
    assert (no_table(slices), slices.data_files(), slices.plan_files()) == ([], set(), [])
    over = slices.commit(written, code=program.FAILED)
    assert "is over" in over.err
    assert hot.offload("trades", *UNTIL)["rows"] == ROWS  # nobody has its lease any more


def test_wrong_lines_with_keep(cold, hot, slices, duckdb, pyiceberg):
    written = slices.write(slices.plan(*UNTIL, *SLICES))
    assert "missing" in slices.commit(written[1:], "--keep", code=program.FAILED).err
    assert slices.commit(written)["rows"] == ROWS
    assert_all_rows(hot, cold, duckdb)
    slices.assert_nothing_is_left(pyiceberg)


@pytest.mark.parametrize("damage", ["missing", "cut"])
def test_damaged_files(cold, hot, slices, damage):
    written = slices.write(slices.plan(*UNTIL, *SLICES))
    path = sorted(slices.data_files())[0]
    if damage == "missing":
        os.remove(path)
    else:
        os.truncate(path, 1000)
    refused = slices.commit(written, code=program.FAILED)
    assert path in refused.err and ("is not there" if damage == "missing" else "1000 bytes") in refused.err
    assert (no_table(slices), slices.data_files(), slices.plan_files()) == ([], set(), [])


def test_another_calve_was_faster(any_cold, hot, slices, duckdb, pyiceberg):
    """The lease keeps others away that share the journal; without it the watermark decides."""
    written = slices.write(slices.plan(*UNTIL, *SLICES))
    assert hot.offload("trades", *UNTIL)["skipped"]
    assert hot.offload("trades", *UNTIL, "--lease", "0")["rows"] == ROWS
    refused = slices.commit(written, code=program.FAILED)
    assert "the watermark of cold.trades has moved" in refused.err and "Plan anew" in refused.err
    assert_all_rows(hot, any_cold, duckdb)
    slices.assert_nothing_is_left(pyiceberg)


# --- twice, killed, resumed -----------------------------------------------------------------------------------------------------


def test_everything_twice(any_cold, hot, slices, duckdb, pyiceberg):
    """Slices written twice, lines committed twice, and attempts that end when all is over."""
    lines = slices.plan(*UNTIL, *SLICES)
    first, second = slices.write(lines), slices.write(lines)
    assert slices.commit([*first[:3], *second[3:]])["rows"] == ROWS
    slices.assert_nothing_is_left(pyiceberg)
    for again in (first, second):
        done = slices.commit(again)
        assert "committed before" in slices.committed.err and done["rows"] == ROWS and done["watermark"] == through(ROWS), done
    late = slices.write(lines[:1], code=program.FAILED)
    assert "is over" in late.err and "Plan anew" in late.err
    assert len(any_cold.table("trades").snapshots()) == 1
    slices.assert_nothing_is_left(pyiceberg)
    assert_all_rows(hot, any_cold, duckdb)


def test_killed_between_snapshot_and_end(cold, hot, slices, duckdb, pyiceberg, tmp_path):
    """As a commit leaves it that was killed right after the catalog took it: the plan still open, attempts not swept."""
    lines = slices.plan(*UNTIL, *SLICES)
    first, second = slices.write(lines), slices.write(lines)
    kept = [shutil.copytree(slices.place / name, tmp_path / name) for name in ("calve-plans", "data")]
    assert slices.commit(first)["rows"] == ROWS
    for folder in kept:
        shutil.copytree(folder, slices.place / folder.name, dirs_exist_ok=True)
    assert slices.plan_files() and slices.data_files() > slices.held_files(pyiceberg)
    assert slices.commit(second)["rows"] == ROWS
    assert "committed before" in slices.committed.err
    slices.assert_nothing_is_left(pyiceberg)
    # The same, and the driver plans again rather than commit.
    for folder in kept:
        shutil.copytree(folder, slices.place / folder.name, dirs_exist_ok=True)
    insert_trades(hot, ROWS, 400)
    more = slices.plan("--until", through(ROWS + 400), "--resume")
    assert "was committed, but not ended" in slices.planned.err
    assert slices.commit(slices.write(more))["rows"] == 400
    assert_all_rows(hot, cold, duckdb)
    slices.assert_nothing_is_left(pyiceberg)


def test_a_driver_that_was_started_anew(cold, hot, slices, duckdb, pyiceberg):
    lines = slices.plan(*UNTIL, *SLICES)
    slices.write(lines[:2])
    assert slices.plan(*UNTIL) == [] and "another calve works on cold.trades" in slices.planned.err
    assert slices.plan(*UNTIL, "--resume") == lines and "resumed" in slices.planned.err
    cold.lose_journal()
    assert slices.plan(*UNTIL, "--resume") == lines
    assert slices.commit(slices.write(lines))["rows"] == ROWS
    slices.assert_nothing_is_left(pyiceberg)
    assert_all_rows(hot, cold, duckdb)


def test_a_plan_that_nobody_carries_out(cold, hot, slices, pyiceberg):
    lines = slices.plan(*UNTIL, *SLICES)
    slices.write(lines[:3])
    assert hot.offload("trades", "--until", through(400), "--lease", "0")["rows"] == 400
    again = slices.plan(*UNTIL, *SLICES, "--resume")
    assert "the watermark has moved since" in slices.planned.err and "3 files were deleted" in slices.planned.err
    assert sum(json.loads(line)["rows"] for line in again) == ROWS - 400
    slices.write(again[:1])
    assert slices.plan("--abandon") == [] and "given up" in slices.planned.err
    slices.assert_nothing_is_left(pyiceberg)
    assert "is over" in slices.write(again, code=program.FAILED).err
    slices.assert_nothing_is_left(pyiceberg)
    slices.plan("--abandon")
    assert "no open plan" in slices.planned.err
    assert hot.offload("trades", *UNTIL)["rows"] == ROWS - 400


def test_killed_writers_leave_what_the_commit_sweeps(cold, hot, slices, duckdb, pyiceberg):
    with servers.over_libchdb(hot.directory) as server:
        slices.source = server.url
        lines = slices.plan(*UNTIL, *SLICES)
        for end in (signal.SIGKILL, signal.SIGTERM):
            running = slices.start_writing()
            running.stdin.write("".join(f"{line}\n" for line in lines[:3]))
            running.stdin.flush()
            assert json.loads(running.stdout.readline())["slice"] == 0
            running.send_signal(end)
            running.communicate(timeout=60)
            assert running.returncode == (-signal.SIGKILL if end == signal.SIGKILL else 143)
        twice = [slices.start_writing() for _ in range(2)]
        results = []
        threads = [threading.Thread(target=lambda one=one: results.append(one.communicate("".join(f"{line}\n" for line in lines), timeout=120)))
                   for one in twice]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        first, second = (out.splitlines() for out, _ in results)
        assert len(first) == len(second) == len(lines), results
        assert len(slices.data_files()) > 2 * len(lines)
    commits = [program.start("commit", "--json", *cold.arguments, stdin=-1) for _ in range(2)]
    for commit, lines in zip(commits, (first, second)):
        commit.stdin.write("".join(f"{line}\n" for line in lines))
        commit.stdin.close()
        commit.stdin = None
    told = [(commit.communicate(timeout=120), commit.returncode) for commit in commits]
    assert [code for _, code in told] == [program.DONE] * 2, told
    assert [json.loads(out)["rows"] for (out, _), _ in told] == [ROWS] * 2
    assert len(cold.table("trades").snapshots()) == 1
    slices.assert_nothing_is_left(pyiceberg)
    slices.hot.execute("SELECT 1")
    assert_all_rows(hot, cold, duckdb)


def kill_at_random(moments, start):
    """Starts it and kills it after a random time, until it ends by itself; its stdout."""
    for moment in moments:
        running = start()
        try:
            out, err = running.communicate(timeout=moment)
        except subprocess.TimeoutExpired:
            running.kill()
            running.communicate(timeout=60)
            continue
        assert running.returncode == program.DONE, err
        return out
    raise AssertionError("it never ended")


def test_killed_at_random_moments(any_cold, hot, slices, duckdb, pyiceberg):
    """Each of the three, again and again; and what they are given by a file, as a driver does it."""
    chance = random.Random(20240809)
    moments = [*(chance.uniform(0.02, 0.6) for _ in range(12)), 120]
    common = ["--source-table", "trades", "--target-table", "cold.trades", "--timestamp-col", "ts", *any_cold.arguments]

    def start(command, lines, *arguments):
        running = program.start(command, *arguments, stdin=-1)
        with contextlib.suppress(BrokenPipeError):
            running.stdin.write(lines)
            running.stdin.close()
        running.stdin = None
        return running

    for end in (ROWS // 2, ROWS):
        planned = kill_at_random(moments, lambda end=end: start("plan", "", "--source", hot.url, *common, "--until", through(end), "--slices", "3", "--resume"))
        written = kill_at_random(moments, lambda planned=planned: start("write-slice", planned, "--source", hot.url))
        kill_at_random(moments, lambda written=written: start("commit", written, *any_cold.arguments))
    assert_all_rows(hot, any_cold, duckdb)
    assert len(any_cold.table("trades").snapshots()) == 2
    assert slices.data_files() == slices.held_files(pyiceberg)
    # A plan that was killed before it was open has left its lines at most.
    assert all(name.endswith(".slices.jsonl") for name in slices.plan_files())


# --- a source that changes ------------------------------------------------------------------------------------------------------


def test_rows_that_come_after_the_plan(cold, hot, slices, duckdb):
    """What a slice reads is in, whenever it came; what comes behind a slice that was read is found by the next cycle."""
    lines = slices.plan(*UNTIL, *SLICES)
    written = slices.write(lines[:3])
    insert_trades(hot, 8_000, 8_000)  # again, all over the window
    rest = slices.write(lines[3:])
    assert all(json.loads(line)["as_planned"] for line in written) and not all(json.loads(line)["as_planned"] for line in rest)
    done = slices.commit(written + rest)
    assert ROWS < done["rows"] < ROWS + 8_000 and "other rows than were planned" in slices.committed.err
    late = hot.offload("trades", "--until", through(ROWS), "--lookback", "60d")
    assert late["late"]["rows"] == ROWS + 8_000 - done["rows"]
    assert_all_rows(hot, cold, duckdb)


# --- the same in one process ----------------------------------------------------------------------------------------------------


def test_readers_share_the_memory_of_one(cold, hot, duckdb):
    """Slices as threads of one process: what they hold together is bounded as it is for one."""
    insert_wide(hot)
    rows = WIDE
    peaks = {}
    with servers.over_libchdb(hot.directory) as server:
        for readers in ("1", "4"):
            arguments = hot.arguments("wide", "--memory", "64MiB", "--readers", readers, "--json", target=f"cold.wide_{readers}", source=server.url)
            peaks[readers] = peak_memory(arguments, {})
    for readers in peaks:
        found = duckdb.query(f"SELECT count(*) AS rows, count(DISTINCT sequence) AS distinct_rows FROM {duckdb.source(cold.table(f'wide_{readers}'))}").to_pylist()
        assert found == [{"rows": rows, "distinct_rows": rows}]
    # Each query has its block on the way, and buffers of its connection.
    assert peaks["4"] < peaks["1"] + 3 * 20, peaks
