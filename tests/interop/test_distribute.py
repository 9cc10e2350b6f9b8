"""`distribute` of a configuration: large windows are written by a command, small ones here; what the command does wrong costs nothing but
time. Any program that maps lines to lines will do, also without `calve run`."""

import shlex
import signal
import subprocess
import time

import conftest
import pytest

from . import program, servers
from .configuration import Configuration
from .processes import processes, wait_for
from .readers import DuckDBReader, PyIcebergReader
from .trades import COLUMN_NAMES, create_trades, insert_trades, through

LARGE, SMALL = 8_000, 400


class Place:
    def __init__(self, folder, hot, server):
        self.folder, self.hot, self.server, self.duckdb = folder, hot, server, DuckDBReader()
        self.writer = [str(program.BINARY), "write-slice", "--source", server.url, "--progress", "never"]
        self.count = 0

    def configure(self, command, **more):
        """A table of its own, for a test."""
        self.count += 1
        self.target = f"t{self.count}"
        self.table = self.hot.cold.table(self.target)
        configuration = Configuration(self.hot, self.server.url)
        configuration.file = self.folder / f"{self.target}.yaml"
        return configuration.write({"source": "trades", "target": f"cold.{self.target}", "distribute": {
            "above": 1000, "slice_rows": 2000, "command": [str(word).replace("$", "$$") for word in command], **more}, "lookback": "0s"})

    def check(self, rows):
        found = self.duckdb.query(f"SELECT {', '.join(COLUMN_NAMES)} FROM {self.duckdb.source(self.table)} ORDER BY sequence").to_pylist()
        assert [row["sequence"] for row in found] == list(range(rows))
        self.check_clean()

    def check_clean(self):
        assert list((self.table.location / "calve-plans").glob("*")) == []
        assert self.table.data_files() == PyIcebergReader().data_files(self.table)

    def fails(self, command, *words, code=program.FAILED, **more):
        """The table has failed with these words; nothing is left; and the next cycle, with a command that works, does it."""
        configuration = self.configure(command, **more)
        outcome = configuration.run("--until", through(LARGE), code=code)
        message = outcome["trades"]["error"]["message"]
        assert all(word in message for word in words), message
        assert not self.table.snapshots()
        self.check_clean()
        configuration.content["tables"][0]["distribute"] |= {"command": self.writer, "timeout": "1h"}
        configuration.write(*configuration.content["tables"])
        assert configuration.run("--until", through(LARGE))["trades"]["rows"] == LARGE
        self.check(LARGE)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("distribute")
    hot = conftest.Hot(folder / "hot", conftest.Cold(folder, "hadoop"))
    create_trades(hot, engine="MergeTree PARTITION BY toYYYYMMDD(ts) ORDER BY (symbol, ts)")
    insert_trades(hot, 0, LARGE + SMALL)
    with servers.over_libchdb(hot.directory) as server:
        yield Place(folder, hot, server)


def test_only_large_windows_go_to_the_command(place):
    configuration = place.configure(place.writer)
    done = configuration.run("--until", through(LARGE))["trades"]
    assert done["rows"] == LARGE and done["chunks"] == 1 and done["watermark"] == through(LARGE)
    place.check(LARGE)
    large = set(place.table.data_files())
    (snapshot,) = place.table.snapshots()
    assert len(large) >= 4 and all(snapshot["summary"]["calve.commit-id"] in str(path) for path in large)
    done = configuration.run("--until", through(LARGE + SMALL))["trades"]
    assert done["rows"] == SMALL
    place.check(LARGE + SMALL)
    newest = place.table.current_snapshot()["summary"]["calve.commit-id"]
    assert not any(f"/{newest}/" in str(path) for path in place.table.data_files())


def test_a_shell_is_a_command(place):
    loop = f'while read -r slice; do printf "%s\\n" "$slice" | {shlex.join(place.writer)} || exit; done'
    configuration = place.configure(["sh", "-c", loop])
    assert configuration.run("--until", through(LARGE))["trades"]["rows"] == LARGE
    place.check(LARGE)


def test_without_calve_run(place):
    """docs/spark.md, "Without Spark"."""
    place.configure(place.writer)
    options = place.hot.arguments("trades", "--until", through(LARGE), "--slices", "5", target=f"cold.{place.target}", source=place.server.url)[1:]
    commit = shlex.join(program.command("commit", *place.hot.cold.arguments, "--progress", "never", "--json"))
    parallel = f"xargs -d '\\n' -P 2 -I '{{}}' sh -c 'f=$(mktemp -p {place.folder} part-XXXXXX); printf \"%s\\n\" \"$1\" | {shlex.join(place.writer)} > \"$f\"' sh '{{}}'"
    done = subprocess.run(["sh", "-c", f"{shlex.join(program.command('plan', *options))} | {parallel} && cat {place.folder}/part-* | {commit}"],
                          capture_output=True, text=True, env=program.environment(), timeout=100)
    assert done.returncode == 0 and f'"rows":{LARGE}' in done.stdout.replace(" ", ""), done
    place.check(LARGE)


def test_it_fails(place):
    place.fails(["sh", "-c", "read -r slice; echo 'no disk is left' >&2; exit 3"], "its slices were not written: sh ended with exit code 3; it said last:\n  no disk is left")


def test_it_is_not_there(place):
    place.fails(["/nowhere/writers"], "/nowhere/writers cannot be run: No such file or directory", code=program.USAGE)


def test_it_leaves_a_slice_out(place):
    place.fails(["sh", "-c", f"{shlex.join(place.writer)} | sed 2d"], "slices are missing, the first of them slice 1")


def test_it_gives_a_slice_twice(place):
    place.fails(["sh", "-c", f"{shlex.join(place.writer)} | sed 2p"], "slice 1 is there twice")


def test_it_says_something_else(place):
    place.fails(["sh", "-c", f"echo hello; {shlex.join(place.writer)}"], "sh gave an answer that is none of calve write-slice", "hello")


def test_it_hangs(place):
    place.fails(["sh", "-c", f"{shlex.join(place.writer)}; sleep 600"], "sh was not done after 2s", timeout="2s")


def test_a_stop_ends_it(place):
    mark = place.folder / "begun"
    configuration = place.configure(["sh", "-c", f"{shlex.join(place.writer)}; touch {mark}; sleep 654321"])
    running = configuration.start("run", "--until", through(LARGE))
    wait_for(mark.exists)
    # The lease is held all the while.
    other = program.run(*place.hot.arguments("trades", "--until", through(LARGE), target=f"cold.{place.target}", source=place.server.url))
    assert "another calve works on it" in other.out
    running.send_signal(signal.SIGTERM)
    began = time.monotonic()
    out, err = running.communicate(timeout=60)
    assert running.returncode == 128 + signal.SIGTERM and time.monotonic() - began < 20, out + err
    assert not processes("sleep 654321")
    assert not place.table.snapshots()
    place.check_clean()


def test_a_dry_run_says_where_it_would_go(place):
    outcome = program.run("run", "--config", place.configure(["writers"]).file, "--dry-run", "--until", through(LARGE))
    assert "would be written by writers" in outcome.out + outcome.err
    assert not place.table.exists()
