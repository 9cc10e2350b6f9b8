"""spark/calve_offload.py on executors that are processes of their own: whatever dies, and however often a slice is written, the table
has each row once, and nothing else is left of it."""

import json
import os
import re
import runpy
import shutil
import signal
import subprocess
import sys

import conftest
import pytest

from . import program, servers, spark_cluster
from .configuration import Configuration
from .leaks import secret
from .processes import ancestors, processes, wait_for
from .readers import PyIcebergReader
from .trades import COLUMN_NAMES, create_trades, insert_trades, through

ROWS, SLICES = 12_000, 6


class Place:
    """A ClickHouse server with trades, a warehouse with what one process made of them, and Spark."""

    def __init__(self, folder, cold, server, duckdb):
        self.folder, self.cold, self.server, self.duckdb = folder, cold, server, duckdb
        program.run("offload", *self.options("one")[:-2])
        self.expected = self.rows("one")
        assert len(self.expected) == ROWS
        self.cluster = spark_cluster.Cluster(folder)

    def options(self, target):
        return ["--source", self.server.url, "--source-table", "trades", "--target-table", f"cold.{target}", "--timestamp-col", "ts", "--sequence-col",
                "sequence", "--partition-by", "days(ts)", "--until", through(ROWS), *self.cold.arguments, "--progress", "never", "--slices", SLICES]

    def rows(self, target):
        return sorted(map(tuple, (row.values() for row in self.duckdb.query(
            f"SELECT {', '.join(COLUMN_NAMES)} FROM {self.duckdb.source(self.cold.table(target))}").to_pylist())))

    def plans(self, target):
        return sorted((self.cold.table(target).location / "calve-plans").glob("*"))

    def writers(self):
        return processes("write-slice", f":{self.server.port}/")

    def held(self):
        return not self.server.armed()

    def check(self, target):
        """Row by row what one process makes; no file of a plan, and none that the table does not hold."""
        assert self.rows(target) == self.expected
        wait_for(lambda: not self.writers())
        self.check_clean(target)

    def check_clean(self, target):
        table = self.cold.table(target)
        assert self.plans(target) == []
        assert table.data_files() == PyIcebergReader().data_files(table)

    def script(self, name, text):
        """In the binary's place: a shell script, for which $calve is the binary."""
        path = self.folder / name
        path.write_text(f"#!/bin/bash\ncalve='{program.BINARY}'\n{text}")
        path.chmod(0o755)
        return path


def slices_written(outcome):
    """All of them: about as many as were asked for."""
    written, of = re.findall(r"(\d+) of (\d+) slices written", outcome.err)[-1]
    assert written == of
    return int(of)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    conftest.need(shutil.which("java"), "Java is not installed")
    folder = tmp_path_factory.mktemp("slices")
    cold = conftest.Cold(folder, "hadoop")
    hot = conftest.Hot(folder / "hot", cold)
    create_trades(hot, engine="MergeTree PARTITION BY toYYYYMMDD(ts) ORDER BY (symbol, ts)")
    insert_trades(hot, 0, ROWS)
    from .readers import DuckDBReader

    with servers.over_libchdb(hot.directory) as server:
        place = Place(folder, cold, server, DuckDBReader())
        try:
            yield place
        finally:
            place.cluster.stop()


@pytest.fixture(autouse=True)
def nothing_held(place):
    yield
    place.server.clear()
    place.cluster.settle()
    wait_for(lambda: not place.writers())


def test_as_in_one_process(place):
    outcome = place.cluster.run("--calve", program.BINARY, *place.options("spark"), "--json")
    assert outcome.json["rows"] == ROWS and outcome.json["watermark"] == through(ROWS)
    slices = slices_written(outcome)
    assert slices >= SLICES and f", {ROWS:,} rows" in outcome.err
    place.check("spark")
    (snapshot,) = place.cold.table("spark").snapshots()
    told = place.cluster.told()
    (job,) = [event for event in told if event["Event"] == "SparkListenerJobStart" and snapshot["summary"]["calve.commit-id"] in event["Properties"].get("spark.jobGroup.id", "")]
    assert job["Properties"]["spark.job.description"].startswith(f"cold.spark: calve write-slice, {slices} slices, {ROWS:,} rows")
    assert [stage["Stage Name"] for stage in job["Stage Infos"]] == ["cold.spark: calve write-slice"] and job["Stage Infos"][0]["Number of Tasks"] == slices
    executors = {event["Task Info"]["Executor ID"] for event in told if event["Event"] == "SparkListenerTaskEnd" and event["Stage ID"] in job["Stage IDs"]}
    assert len(executors) > 1
    # Again: there is nothing to do, and Spark is not asked.
    again = place.cluster.run("--calve", program.BINARY, *place.options("spark"))
    assert "there is nothing to write" in again.err and len(place.cold.table("spark").snapshots()) == 1


def test_the_other_jobs(place):
    """Comparing and compacting go the same way, and tell what one process tells."""
    options = place.options("jobs")
    for count in range(2_000, ROWS + 1, 2_000):
        program.run("offload", *(through(count) if word == through(ROWS) else word for word in options[:-2]))
    compared = place.cluster.run("--calve", program.BINARY, "--job", "verify", *options, "--json").json
    assert compared["equal"] and compared["rows"] == {"hot": ROWS, "cold": ROWS}
    files = len(place.cold.table("jobs").data_files())
    (compacted,) = place.cluster.run("--calve", program.BINARY, "--job", "compact", *options, "--json").json["tables"]
    assert compacted["compact"]["files_removed"] >= 6 and compacted["compact"]["groups_lost"] == 0
    snapshots = place.cold.table("jobs").snapshots()
    assert snapshots[-1]["summary"]["calve.kind"] == "compact" and int(snapshots[-1]["summary"]["total-data-files"]) < files
    assert place.rows("jobs") == place.expected and place.plans("jobs") == []


def test_by_the_configuration_file(place):
    """Executors have it from Spark: they work elsewhere, and the path of the driver leads nowhere from there."""
    configuration = Configuration(conftest.Hot(place.folder / "hot", place.cold), place.server.url)
    configuration.file = place.folder / "spark.yaml"
    configuration.write({"source": "trades", "target": "cold.configured", "partition_by": ["days(ts)"]})
    file = os.path.relpath(configuration.file, program.ROOT / "tests")
    place.cluster.run("--calve", program.BINARY, "--config", file, "--table", "trades", "--slices", SLICES, "--progress", "never")
    place.check("configured")


def test_an_executor_is_killed_in_the_middle(place):
    place.server.fault("hold", times=spark_cluster.EXECUTORS)
    place.cluster.start("--calve", program.BINARY, *place.options("executor"))
    wait_for(place.held)
    writer = next(iter(place.writers()))
    executor = next(pid for pid in ancestors(writer) if pid in processes("CoarseGrainedExecutorBackend"))
    os.kill(executor, signal.SIGKILL)
    wait_for(lambda: writer not in place.writers())  # though ClickHouse has not answered it
    place.server.clear()
    assert slices_written(place.cluster.end()) >= SLICES
    place.check("executor")


def test_a_slow_attempt_is_overtaken_by_another(place):
    place.server.fault("hold")
    place.cluster.run("--calve", program.BINARY, *place.options("overtaken"))
    assert place.held() and any(event["Event"] == "SparkListenerTaskStart" and event["Task Info"]["Speculative"] for event in place.cluster.told())
    place.check("overtaken")  # the first attempt is gone, too: nobody reads what it would say


def test_the_same_slice_is_written_twice_at_once(place):
    # A line that says both were written stands under its name only then; an attempt that Spark ends early leaves none.
    twice = place.script("twice", f"""
        [ "$1" = write-slice ] || exec "$calve" "$@"
        read -r line
        other="{place.folder}/other-$$"
        echo "$line" | "$calve" "$@" > "$other.part" & echo "$line" | "$calve" "$@" && wait $! && mv "$other.part" "$other.jsonl"
        """)
    slices = slices_written(place.cluster.run("--calve", twice, *place.options("twice")))
    others = [json.loads(path.read_text()) for path in place.folder.glob("other-*.jsonl")]
    assert {line["slice"] for line in others} == set(range(slices)) and all(line["files"] for line in others)
    place.check("twice")


def test_in_an_object_store(place, versitygw, tmp_path):
    """Executors have no disk in common, and the store's keys from the driver alone."""
    store = conftest.S3Cold(tmp_path, "sql", versitygw)
    options = [store.configured["warehouse"] if word == place.cold.configured["warehouse"] else word for word in place.options("stored")]
    options[options.index("--catalog") + 1], options[options.index("--state") + 1] = store.catalog, store.state
    names = [word for name in store.env for word in ("--env", name)]
    place.cluster.run("--calve", program.BINARY, *names, *options, env=store.env)
    table = store.table("stored")
    assert sorted(tuple(row.values()) for row in place.duckdb.query(f"SELECT {', '.join(COLUMN_NAMES)} FROM {place.duckdb.source(table)}").to_pylist()) == place.expected
    wait_for(lambda: not place.writers())
    keys = versitygw.keys(store.bucket)
    assert not [key for key in keys if "calve-plans" in key]
    assert {key.rpartition("/")[2] for key in keys if key.endswith(".parquet")} == {path.name for path in PyIcebergReader().data_files(table)}


def test_writers_are_given_the_secrets_they_need_and_nobody_logs_them(place):
    given = {"CALVE_SOURCE_PASSWORD": secret("of-the-source-6f1c"), "STORE_KEY": secret("of-the-store-9a2d"), "OTHER_KEY": secret("of-others-33b0"),
             "CALVE_STATE_PASSWORD": secret("of-the-journal-c5e7")}
    looks = place.script("looks", f"""
        [ "$1" = write-slice ] && echo $CALVE_SOURCE_PASSWORD,$STORE_KEY,$OTHER_KEY,$CALVE_STATE_PASSWORD > "{place.folder}/seen-$$"
        unset CALVE_SOURCE_PASSWORD CALVE_STATE_PASSWORD  # nobody here has them
        exec "$calve" "$@"
        """)
    # The driver's environment has them all, an executor's none.
    place.cluster.run("--calve", looks, "--env", "STORE_KEY", "--tasks", "2", *place.options("secrets"), env=given)
    seen = {path.read_text() for path in place.folder.glob("seen-*")}
    assert seen == {f"{given['CALVE_SOURCE_PASSWORD']},{given['STORE_KEY']},,\n"}
    logged = [path for path in [*place.cluster.events.iterdir(), *place.folder.glob("spark-home/work/**/std*"), *place.folder.glob("driver-*.err")] if path.is_file()]
    assert len(logged) > spark_cluster.EXECUTORS and not any(value in path.read_text(errors="replace") for path in logged for value in given.values())
    outcome = place.cluster.run("--calve", looks, "--env", "NO_SUCH_KEY", *place.options("secrets"), code=program.FAILED)
    assert "--env NO_SUCH_KEY: the driver's environment has no such variable" in outcome.err
    place.check("secrets")


def test_a_slice_that_cannot_be_written(place):
    broken = place.script("broken", """
        [ "$1" = write-slice ] || exec "$calve" "$@"
        read -r line
        if [[ "$line" == *'"slice":2,'* ]]; then echo "calve: error: the disk is full" >&2; exit 1; fi
        echo "$line" | "$calve" "$@"
        """)
    outcome = place.cluster.run("--calve", broken, *place.options("broken"), code=program.FAILED)
    assert re.search(r"slice 2 of \d+, attempt 4 on", outcome.err) and outcome.err.rstrip().endswith("calve write-slice ended with 1\ncalve: error: the disk is full")
    wait_for(lambda: not place.writers())
    assert place.plans("broken") == [] and place.cold.table("broken").data_files() == [] and not place.cold.table("broken").snapshots()
    program.run("offload", *place.options("broken")[:-2])  # nobody holds the table any more
    place.check("broken")


@pytest.mark.parametrize("gently", [False, True], ids=["killed", "stopped"])
def test_the_driver_is_ended_before_the_commit(place, gently):
    target = "stopped" if gently else "killed"
    place.server.fault("hold", times=2)
    driver = spark_cluster.Driver(place.folder, "--master", "local[2]", *spark_cluster.conf(), "--calve", program.BINARY, *place.options(target))
    try:
        wait_for(place.held)
        (plan,) = [path.stem for path in place.plans(target) if path.name.count(".") == 1]
        if gently:
            driver.terminate()
            assert driver.wait(60) == 128 + signal.SIGTERM and "a plan that was made is taken up by the next run" in driver.said()
    finally:
        driver.kill_all()
    wait_for(lambda: not place.writers())
    place.server.clear()
    place.cluster.run("--calve", program.BINARY, *place.options(target))
    (snapshot,) = place.cold.table(target).snapshots()
    assert snapshot["summary"]["calve.commit-id"] == plan  # it took up what the other one had begun
    place.check(target)


def test_the_driver_is_killed_after_the_commit(place):
    """At the worst moment: the snapshot is in, and the plan not yet ended."""
    plans, kept, done = (place.folder / name for name in ("cold/cold/committed/calve-plans", "kept", "done"))
    dies = place.script("dies", f"""
        [ "$1" = commit ] || exec "$calve" "$@"
        cp -r "{plans}" "{kept}"; "$calve" "$@" || exit; cp "{kept}"/* "{plans}"; touch "{done}"; exec sleep 600
        """)
    driver = spark_cluster.Driver(place.folder, "--master", "local[2]", *spark_cluster.conf(), "--calve", program.BINARY, "--driver-calve", dies, *place.options("committed"))
    try:
        wait_for(done.exists)
    finally:
        driver.kill_all()
    assert len(place.plans("committed")) == 2
    place.cluster.run("--calve", program.BINARY, *place.options("committed"))
    assert len(place.cold.table("committed").snapshots()) == 1
    place.check("committed")


def test_submitted_with_an_archive_of_the_binary(place):
    """As a user does it: the driver and the writers run what pack_calve packed, with the libraries in it."""
    archive = place.folder / "calve.tar"
    subprocess.run([program.ROOT / "spark" / "pack_calve", archive, program.BINARY], check=True)
    unpacked = place.folder / "unpacked"
    unpacked.mkdir()
    subprocess.run(["tar", "-xf", archive, "-C", unpacked], check=True)
    needed = subprocess.run(["ldd", unpacked / "bin" / "calve"], capture_output=True, text=True, env={"LD_LIBRARY_PATH": f"{unpacked}/lib/calve"}).stdout
    others = [line.split()[0] for line in needed.splitlines() if "=>" in line and f"=> {unpacked}/lib/calve/" not in line]
    assert "not found" not in needed and set(others) <= {f"lib{name}.so.{n}" for name, n in (("c", 6), ("m", 6), ("resolv", 2), ("dl", 2), ("pthread", 0), ("rt", 1))}, needed
    submit = [spark_cluster.home(place.folder) / "bin" / "spark-submit", "--master", "local[2]", "--archives", f"{archive}#packed", *spark_cluster.conf(),
              spark_cluster.ADAPTER, "--calve", "packed/bin/calve", *place.options("submitted")]
    done = subprocess.run(list(map(str, submit)), capture_output=True, text=True, timeout=120, env=spark_cluster.environment(place.folder))
    program.see(["spark-submit"], done.stdout, done.stderr)
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    place.check("submitted")


def test_calve_run_sends_its_large_window_there(place):
    """And is killed while Spark is at work: the driver ends, because nobody reads its lines, and so do the writers; the next run begins anew."""
    wrapped = [sys.executable, str(spark_cluster.ADAPTER), "--lines", "--master", "local[2]", *spark_cluster.conf(), "--calve", str(program.BINARY),
               "--source", place.server.url, "--progress", "never"]
    configuration = Configuration(conftest.Hot(place.folder / "hot", place.cold), place.server.url).write(
        {"source": "trades", "target": "cold.sent", "partition_by": ["days(ts)"], "lookback": "0s",
         "distribute": {"above": ROWS - 1, "slice_rows": ROWS // SLICES, "command": wrapped}})
    environment = spark_cluster.environment(place.folder)
    place.server.fault("hold", times=2)
    running = configuration.start("run", "--until", through(ROWS), env=environment)
    wait_for(place.held)
    running.kill()
    wait_for(lambda: not place.writers() and not processes("--lines", f":{place.server.port}/"))
    place.server.clear()
    running.communicate()
    assert len(place.plans("sent")) == 2
    done = configuration.run("--until", through(ROWS), env=environment)["trades"]
    assert done["rows"] == ROWS and any("is given up (nobody works on it any more)" in note for note in done["notes"])
    place.check("sent")


def test_a_binary_that_lost_its_x_bit(tmp_path):
    adapter = runpy.run_path(str(spark_cluster.ADAPTER))
    for name in ("bin", "lib/calve", "work"):
        (tmp_path / name).mkdir(parents=True)
    shutil.copyfile(shutil.which("true"), tmp_path / "bin" / "calve")
    found = [adapter["program_of"](str(tmp_path / "bin" / "calve"), tmp_path / "work") for _ in range(2)]
    assert found[0] == found[1] and subprocess.run([found[0][0]]).returncode == 0 and len(list((tmp_path / "work").iterdir())) == 1
    assert not os.access(tmp_path / "bin" / "calve", os.X_OK)
    assert found[0][1]["LD_LIBRARY_PATH"].split(":")[0] == f"{tmp_path}/lib/calve"  # of the archive, also for the copy


def test_options_go_where_they_belong():
    adapter = runpy.run_path(str(spark_cluster.ADAPTER))
    given = ["--source", "http://x", "--shard", "http://x http://y", "--queries-per-server", "2", "--target-table=cold.t", "--warehouse", "file:///w", "--setting", "max_threads=2", "--setting", "a=b", "--store-region", "eu",
             "--catalog-header=k=v", "--catalog", "rest", "--memory", "1GiB", "-v", "--lease", "9h"]
    chosen = adapter["chosen"]
    assert chosen(given, adapter["OF_SOURCE"] | adapter["OF_WRITER"] | adapter["OF_OUTPUT"], "--config", "--store-") == [
        "--source", "http://x", "--shard", "http://x http://y", "--queries-per-server", "2", "--setting", "max_threads=2", "--setting", "a=b", "--store-region", "eu", "--memory", "1GiB", "-v"]
    assert chosen(given, adapter["OF_TARGET"] | adapter["OF_OUTPUT"], "--config", "--catalog-", "--store-") == [
        "--warehouse", "file:///w", "--store-region", "eu", "--catalog-header=k=v", "--catalog", "rest", "-v"]
