"""The command line as a person and as a script meet it: help, exit codes, --json, --dry-run, status, and clear errors that leave
the table as it was."""

import contextlib
import json
import os
import re
import signal
import subprocess
import time

import pytest

from . import canonical, program
from .leaks import secret
from .trades import create_trades, insert_trades, offload_trades, through

SECRET = secret("s3cr3t-pässword")


@pytest.fixture
def loaded(cold, hot):
    """A table with one window in and another to come."""
    create_trades(hot)
    insert_trades(hot, 0, 200)
    offload_trades(hot, 100)
    return cold.table("trades")


@contextlib.contextmanager
def unchanged(table):
    """Nothing below the warehouse changes, not even a file beside the table."""
    before = {path: path.read_bytes() for path in table.every_file()}
    yield
    after = {path: path.read_bytes() for path in table.every_file()}
    assert set(after) - set(before) == set(), "files appeared"
    assert set(before) - set(after) == set(), "files vanished"
    assert after == before


def clear(outcome, *words):
    """One error, with these words and a remedy; no stack, no nested prefixes of libraries."""
    text = outcome.err
    for word in words:
        assert word.lower() in text.lower(), f"{word!r} is missing:\n{text}"
    assert "terminate called" not in text and "Traceback" not in text
    errors = [line for line in text.splitlines() if re.search(r"\berror\b", line, re.IGNORECASE)]
    assert errors, f"nothing is called an error:\n{text}"


# --- help and usage -----------------------------------------------------------------------------------------------------

def test_help():
    text = program.run("--help").out
    for word in ("offload", "status", "CALVE_", "0 ", "1 ", "2 "):
        assert word in text
    assert re.search(r"\d+\.\d+\.\d+", program.run("--version").out)


@pytest.mark.parametrize("command, words", [
    ("offload", ["--source-table", "--target-table", "--timestamp-col", "--sequence-col", "--buffer", "--partition-by", "--until", "--dry-run",
                 "--warehouse", "--catalog", "--state", "--json", "--progress", "Examples", "days("]),
    ("status", ["--warehouse", "--catalog", "--json", "Examples"]),
])
def test_help_of_a_command_teaches(command, words):
    text = program.run(command, "--help").out
    for word in words:
        assert word in text


@pytest.mark.parametrize("arguments, word", [
    ([], "subcommand"), (["melt"], "melt"), (["offload"], "--source-table"), (["status", "--warehouse", "file:///tmp", "--nope"], "--nope"),
    (["status", "--warehouse"], "--warehouse"),
])
def test_bad_usage_is_exit_2(arguments, word):
    outcome = program.run(*arguments, code=program.USAGE)
    assert word in outcome.err and not outcome.out.strip()


@pytest.mark.parametrize("option, value, word", [
    ("--buffer", "five", "five"), ("--buffer", "-5m", "-5m"), ("--until", "yesterday", "yesterday"), ("--until", "2024-13-01T00:00:00Z", "2024-13-01"),
    ("--type", "price", "price"), ("--type", "price=decimal(39,0)", "decimal"), ("--type", "price=money", "money"), ("--type", "nope=long", "nope"),
    ("--exclude", "nope", "nope"), ("--target-table", "justaname", "justaname"), ("--catalog", "hive", "hive"), ("--warehouse", "ftp://x/y", "ftp"),
    ("--sort-by", "nope", "nope"), ("--memory", "much", "much"),
])
def test_a_bad_value_is_named(cold, hot, option, value, word):
    create_trades(hot)
    insert_trades(hot, 0, 8)
    arguments = [a for a in hot.arguments("trades")]
    if option in arguments:
        position = arguments.index(option)
        del arguments[position:position + 2]
    outcome = program.run(*arguments, f"{option}={value}", code=program.USAGE)
    assert word in outcome.err
    assert not cold.table("trades").exists()


# --- what it says -------------------------------------------------------------------------------------------------------

def test_json_is_one_object_and_nothing_else(cold, hot):
    create_trades(hot)
    insert_trades(hot, 0, 100)
    outcome = program.run(*hot.arguments("trades", "--json", "--until", through(100)))
    assert outcome.out.count("\n") == 1
    result = outcome.json
    assert result["table"] == "default.trades" and result["target"] == "cold.trades"
    assert (result["rows"], result["files"]) == (100, 1)
    assert result["bytes"] == sum(p.stat().st_size for p in cold.table("trades").data_files())
    assert result["snapshot_id"] == cold.table("trades").current_snapshot()["snapshot-id"]
    assert result["window"] == {"from": None, "to": through(100)} and result["watermark"] == through(100)
    assert result["duration_seconds"] > 0 and result["rows_per_second"] > 0


def test_json_of_a_failure(cold, hot):
    create_trades(hot)
    outcome = program.run(*hot.arguments("nope", "--json"), code=program.USAGE)
    error = outcome.json
    assert error["exit_code"] == 2 and "nope" in error["error"]["message"] and error["error"]["remedy"]
    assert outcome.err.strip(), "people read stderr"


def test_people_get_sentences(cold, hot):
    create_trades(hot)
    insert_trades(hot, 0, 100)
    outcome = program.run(*hot.arguments("trades", "--until", through(100)))
    assert "100" in outcome.out and "cold.trades" in outcome.out
    again = program.run(*hot.arguments("trades", "--until", through(100)))
    assert "nothing" in again.out.lower()


def test_logs_as_json(cold, hot):
    outcome = program.run(*hot.arguments("nope", "--log-format", "json"), code=program.USAGE)
    lines = [json.loads(line) for line in outcome.err.splitlines() if line.strip()]
    assert lines and any("nope" in json.dumps(line) for line in lines)


def test_quiet_says_nothing(cold, hot):
    create_trades(hot)
    insert_trades(hot, 0, 100)
    outcome = program.run(*hot.arguments("trades", "-q", "--json", "--until", through(100)))
    assert outcome.err == "" and outcome.json["rows"] == 100


def test_progress_goes_to_stderr(cold, hot):
    create_trades(hot)
    insert_trades(hot, 0, 400_000)
    arguments = [a for a in hot.arguments("trades", "--json") if a not in ("--progress", "never")]
    outcome = program.run(*arguments, "--progress", "always")
    assert outcome.json["rows"] == 400_000
    assert re.search(r"rows", outcome.err) and re.search(r"/s", outcome.err)


def test_options_come_from_the_environment_too(cold, hot):
    create_trades(hot)
    insert_trades(hot, 0, 100)
    outcome = program.run("offload", "--source-table", "trades", "--target-table", "cold.trades", "--timestamp-col", "ts", "--json", "--progress", "never",
                          env={"CALVE_SOURCE": hot.url, "CALVE_WAREHOUSE": f"file://{cold.warehouse}", "CALVE_CATALOG": "hadoop",
                               "CALVE_STATE": f"sqlite:///{cold.journal}"})
    assert outcome.json["rows"] == 100


# --- dry run and status -------------------------------------------------------------------------------------------------

def test_dry_run_changes_nothing(any_cold, hot):
    create_trades(hot)
    insert_trades(hot, 0, 200)
    result = offload_trades(hot, 100, "--dry-run")
    assert result["dry_run"] and result["rows_expected"] == 100 and "trades" in result["query"] and result["rows"] == 0
    assert not any_cold.table("trades").exists()
    assert not any_cold.warehouse.exists() or not any(p.is_file() for p in any_cold.warehouse.rglob("*"))
    offload_trades(hot, 100)
    with unchanged(any_cold.table("trades")):
        result = offload_trades(hot, 200, "--dry-run")
    assert result["rows_expected"] == 100 and result["window"]["from"] == through(100)
    assert offload_trades(hot, 200)["rows"] == 100


def test_status(any_cold, hot):
    create_trades(hot)
    insert_trades(hot, 0, 100)
    empty = program.run("status", *any_cold.arguments, "--json").json
    assert empty["tables"] == []
    result = offload_trades(hot, 100)
    (shown,) = program.run("status", *any_cold.arguments, "--json").json["tables"]
    assert shown["table"] == "cold.trades" and shown["watermark"] == through(100)
    assert (shown["rows"], shown["files"], shown["bytes"]) == (100, 1, result["bytes"])
    assert shown["snapshot_id"] == result["snapshot_id"] and shown["last_run"]["status"] == "success" and shown["lag_seconds"] > 0
    text = program.run("status", *any_cold.arguments).out
    assert "cold.trades" in text and "100" in text and "success" in text
    any_cold.journal.unlink()
    (shown,) = program.run("status", *any_cold.arguments, "--target-table", "cold.trades", "--json").json["tables"]
    assert shown["watermark"] == through(100) and shown["last_run"] is None
    program.run("status", *any_cold.arguments, "--target-table", "cold.nope", code=program.USAGE)


# --- bad input: a clear error, its exit code, the table unchanged --------------------------------------------------------

@pytest.mark.parametrize("change, code, words", [
    (dict(table="trade"), 2, ["trade", "trades"]),
    (dict(table="nowhere.trades"), 2, ["nowhere"]),
    (dict(cursor="tss"), 2, ["tss", "ts"]),
    (dict(cursor="price"), 2, ["price", "Decimal"]),
    (dict(cursor="symbol"), 2, ["symbol", "DateTime"]),
    (dict(source="http://default@no-such-host.invalid:8123/default"), 1, ["no-such-host.invalid"]),
    (dict(source="http://default@127.0.0.1:9/default"), 1, ["127.0.0.1:9"]),
    (dict(source="chdb:/proc/nope"), None, ["/proc/nope"]),
    (dict(source="ftp://x"), 2, ["scheme", "chdb"]),
    (dict(more=["--sequence-col", "nope"]), 2, ["nope"]),
    (dict(more=["--expr", "price=no_such_function(price)"]), None, ["no_such_function"]),
    (dict(more=["--expr", "price=symbol"]), 2, ["price", "symbol" and "String"]),
    (dict(more=["--setting", "no_such_setting=1"]), None, ["no_such_setting"]),
    (dict(more=["--setting", "max_rows_to_read=1"]), None, ["Limit for rows"]),
], ids=lambda value: str(value)[:60] if isinstance(value, dict) else None)
def test_bad_input(loaded, hot, change, code, words):
    table = change.pop("table", "trades") if isinstance(change, dict) else "trades"
    change = dict(change)
    more = change.pop("more", [])
    with unchanged(loaded):
        outcome = program.run(*hot.arguments(table, *more, target="cold.trades", **change), code=code, timeout=180)
    assert outcome.code in (program.FAILED, program.USAGE)
    clear(outcome, *words)


def test_the_embedded_library_is_missing(loaded, hot, tmp_path):
    with unchanged(loaded):
        outcome = program.run(*hot.arguments("trades"), code=None, env={"CALVE_CHDB_LIBRARY": str(tmp_path / "libchdb.so")})
    assert outcome.code in (program.FAILED, program.USAGE)
    clear(outcome, "libchdb")


def test_the_data_directory_is_in_use(loaded, hot):
    """ClickHouse locks its directory; a second process must be told, not hang or harm it."""
    holder = subprocess.Popen(
        ["python3", "-c", "import sys; sys.path.insert(0, sys.argv[1]); import embedded_clickhouse as e; c = e.Engine(sys.argv[2]); "
                          "c.query('SELECT 1'); print('open', flush=True); sys.stdin.read()", str(program.ROOT / "tools"), str(hot.directory)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, "CALVE_CHDB_LIBRARY": str(program.LIBRARY)})
    try:
        assert holder.stdout.readline() == b"open\n"
        with unchanged(loaded):
            outcome = program.run(*hot.arguments("trades"), code=None)
        assert outcome.code in (program.FAILED, program.USAGE)
        clear(outcome, str(hot.directory))
    finally:
        holder.communicate(b"")
    assert offload_trades(hot, 200)["rows"] == 100


@contextlib.contextmanager
def mounted(folder, options):
    """A tmpfs; skips where this may not be done."""
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"needs the right to mount: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk(cold, hot, duckdb):
    create_trades(hot)
    insert_trades(hot, 0, 400_000)
    offload_small = ["--until", through(1000)]
    with mounted(cold.warehouse, "size=1m"):
        hot.offload("trades", *offload_small)
        table = cold.table("trades")
        with unchanged(table):
            outcome = hot.offload("trades", code=program.FAILED)
        clear(outcome, "No space left", "remedy")
        assert len(duckdb.rows(table, ["sequence"])) == 1000
        subprocess.run(["mount", "-o", "remount,size=256m", str(cold.warehouse)], check=True)
        assert hot.offload("trades")["rows"] == 399_000
        got = duckdb.query(f"SELECT count(*), count(DISTINCT sequence) FROM {duckdb.source(table)}").to_pylist()[0]
        assert list(got.values()) == [400_000, 400_000]


def test_a_read_only_warehouse(cold, hot):
    create_trades(hot)
    insert_trades(hot, 0, 200)
    with mounted(cold.warehouse, "size=8m"):
        offload_trades(hot, 100)
        subprocess.run(["mount", "-o", "remount,ro", str(cold.warehouse)], check=True)
        table = cold.table("trades")
        with unchanged(table):
            outcome = offload_trades(hot, 200, code=None)
        assert outcome.code in (program.FAILED, program.USAGE)
        clear(outcome, str(cold.warehouse), "read-only", "remedy")
        program.run("status", *cold.arguments, "--json")


def test_a_warehouse_that_is_a_file(cold, hot):
    create_trades(hot)
    insert_trades(hot, 0, 8)
    cold.warehouse.write_text("not a folder")
    outcome = hot.offload("trades", code=None)
    assert outcome.code in (program.FAILED, program.USAGE)
    clear(outcome, str(cold.warehouse))
    assert cold.warehouse.read_text() == "not a folder"


def damage_truncate(path):
    path.write_bytes(path.read_bytes()[:-len(path.read_bytes()) // 2])


def damage_empty(path):
    path.write_bytes(b"")


def damage_garbage(path):
    path.write_bytes(os.urandom(2000))


def damage_gone(path):
    path.unlink()


def current_metadata(table):
    return table.metadata_file


def manifest_list(table):
    from .readers import local_path
    return local_path(table.current_snapshot()["manifest-list"])


@pytest.mark.parametrize("damage", [damage_truncate, damage_empty, damage_garbage], ids=lambda f: f.__name__)
@pytest.mark.parametrize("which", [current_metadata, manifest_list], ids=lambda f: f.__name__)
def test_corrupt_metadata(loaded, hot, which, damage):
    path = which(loaded)
    original = path.read_bytes()
    damage(path)
    with unchanged(loaded):
        outcome = offload_trades(hot, 200, code=program.FAILED)
    clear(outcome, path.name)
    path.write_bytes(original)
    assert offload_trades(hot, 200)["rows"] == 100


def test_a_manifest_list_that_is_gone(loaded, hot):
    manifest_list(loaded).unlink()
    with unchanged(loaded):
        outcome = offload_trades(hot, 200, code=None)
    assert outcome.code != program.DONE
    clear(outcome, "snap-")


@pytest.mark.parametrize("edit, words", [
    (lambda m: m.pop("table-uuid"), ["table-uuid"]), (lambda m: m.update({"format-version": 99}), ["format", "99"]),
    (lambda m: m.update({"current-schema-id": 77}), ["77"]), (lambda m: m.update({"schemas": []}), ["schema"]),
    (lambda m: m.update({"default-spec-id": 5}), ["spec"]), (lambda m: m["snapshots"][0]["summary"].update({"calve.window-to": "soon"}), ["calve.window-to"]),
], ids=["no uuid", "format 99", "schema 77", "no schemas", "spec 5", "watermark"])
def test_metadata_that_contradicts_itself(loaded, hot, edit, words):
    path = loaded.metadata_file
    metadata = json.loads(path.read_text())
    edit(metadata)
    path.write_text(json.dumps(metadata))
    with unchanged(loaded):
        outcome = offload_trades(hot, 200, code=None)
    assert outcome.code in (program.FAILED, program.USAGE)
    clear(outcome, *words)


@pytest.mark.parametrize("hint", ["1", "999", "", "junk", None], ids=["stale", "ahead", "empty", "junk", "gone"])
def test_the_version_hint_is_only_a_hint(loaded, hot, cold, hint, duckdb):
    path = loaded.location / "metadata" / "version-hint.text"
    if hint is None:
        path.unlink()
    else:
        path.write_text(hint)
    assert offload_trades(hot, 200)["rows"] == 100
    columns, expected = hot.rows("SELECT * FROM trades")
    canonical.assert_same_rows(expected, duckdb.rows(loaded, columns), columns, "DuckDB")


def test_the_sql_catalog_points_nowhere(sql_cold, hot):
    create_trades(hot)
    insert_trades(hot, 0, 200)
    offload_trades(hot, 100)
    table = sql_cold.table("trades")
    path = table.metadata_file
    moved = path.with_suffix(".moved")
    path.rename(moved)
    outcome = offload_trades(hot, 200, code=None)
    assert outcome.code in (program.FAILED, program.USAGE)
    clear(outcome, path.name)
    moved.rename(path)
    assert offload_trades(hot, 200)["rows"] == 100


def test_a_catalog_database_that_is_none(sql_cold, hot):
    create_trades(hot)
    insert_trades(hot, 0, 8)
    sql_cold.database.write_bytes(b"no database at all " * 500)
    outcome = hot.offload("trades", code=None)
    assert outcome.code in (program.FAILED, program.USAGE)
    clear(outcome, sql_cold.database.name)


# --- signals ------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_cleanly(cold, hot, duckdb, number):
    create_trades(hot)
    insert_trades(hot, 0, 4_000_000)
    running = program.start(*hot.arguments("trades"))
    deadline = time.monotonic() + 30
    while not cold.table("trades").exists() or not list((cold.table("trades").location / "data").rglob("*")):
        assert running.poll() is None and time.monotonic() < deadline, running.communicate()
        time.sleep(0.005)
    running.send_signal(number)
    out, err = running.communicate(timeout=30)
    table = cold.table("trades")
    if running.returncode == program.DONE:  # it was faster
        assert len(table.snapshots()) == 1
        return
    assert running.returncode == 128 + number, err
    assert not table.snapshots() and not table.data_files(), "an unfinished window leaves nothing"
    assert hot.offload("trades")["rows"] == 4_000_000
