"""Who is compared: for each contender the command of one load, and where its table is.

A load is a window of the source table. Every contender gets the same one, and a fresh warehouse for each repetition."""

import json
import os
import pathlib

import cold_table
import measure

BENCH = pathlib.Path(__file__).resolve().parent
ROOT = BENCH.parent
TABLE = "bronze_trades_binance"


class Missing(Exception):
    """What a contender needs and does not find."""


class Contender:
    """One way to move the window. `over_http` asks for a server, which is started for each load and is not measured
    with it; its own CPU time is told apart."""

    over_http = False
    reader = "pyiceberg"  # who verifies the result

    def __init__(self, name, title, place):
        self.name, self.title, self.place = name, title, place

    def warehouse(self):
        return self.place.work / self.name

    def location(self):
        return self.warehouse() / "cold" / TABLE

    def needs(self):
        """Raises Missing where it cannot run."""

    def prepare(self):
        self.warehouse().mkdir(parents=True)

    def command(self, window, port):
        raise NotImplementedError

    def verify_command(self, port):
        """Compares the table that was loaded with its source, row by row; None where the contender cannot."""
        return None

    def job_seconds(self, output):
        """The job's own time for reading, writing and committing, as it reports it."""
        with open(self.report(), encoding="utf-8") as file:
            return json.load(file)["job_seconds"]

    def report(self):
        return self.warehouse() / "report.json"

    def environment(self):
        return {**os.environ, "TZ": "UTC", "CALVE_DEPS": str(self.place.deps)}


class Calve(Contender):
    def __init__(self, name, title, place, over_http):
        super().__init__(name, title, place)
        self.over_http = over_http

    def needs(self):
        require(self.place.calve, "run: make build")

    def arguments(self, command, port):
        source = f"http://default@127.0.0.1:{port}/default" if self.over_http else f"chdb:{self.place.data}"
        arguments = [self.place.calve, command, "--source", source, "--source-table", TABLE, "--target-table", f"cold.{TABLE}",
                     "--timestamp-col", "exchange_timestamp", "--catalog", "hadoop", "--warehouse", f"file://{self.warehouse()}",
                     "--state", f"sqlite:///{self.warehouse()}/state.db", "--json", "--progress", "never", "-q"]
        for column in ("price", "quantity", "quote_volume"):
            arguments += ["--type", f"{column}=decimal(38,8)"]
        return [str(argument) for argument in arguments]

    def command(self, window, port):
        return [*self.arguments("offload", port), "--sequence-col", "sequence_number", "--layer", "bronze",
                "--partition-by", "days(exchange_timestamp)", "--until", window.end.replace(" ", "T") + "Z"]

    def verify_command(self, port):
        return self.arguments("verify", port)

    def job_seconds(self, output):
        return json.loads(output)["duration_seconds"]

    def environment(self):
        kept = {name: value for name, value in super().environment().items() if not name.startswith("CALVE_")}
        return {**kept, "CALVE_CHDB_LIBRARY": str(self.place.deps / "chdb" / "libchdb.so")}


class Spark(Contender):
    over_http = True

    def __init__(self, name, title, place, mode):
        super().__init__(name, title, place)
        self.mode = mode

    def jars(self):
        return sorted((self.place.deps / "spark" / "jars").glob("*.jar"))

    def needs(self):
        require(self.place.venv / "bin" / "spark-submit", "run: tools/setup bench")
        if len(self.jars()) < 2:
            raise Missing("Spark's jars are not there; run: tools/setup bench")

    def prepare(self):
        super().prepare()
        cold_table.create(self.location())

    def command(self, window, port):
        # The jars are in Spark's image on the platform, so they are on the class path here, not copied at each start.
        return [str(part) for part in [
            self.place.venv / "bin" / "spark-submit", "--master", "local[2]", "--driver-memory", "4g",
            "--driver-class-path", ":".join(map(str, self.jars())), "--conf", "spark.ui.enabled=false",
            "--conf", "spark.log.level=WARN",
            BENCH / "peers" / "spark_job.py", self.mode, self.warehouse(),
            "--url", f"jdbc:clickhouse://127.0.0.1:{port}/default?compress=0", *window.arguments(),
            "--middle", window.middle, "--watermark", self.warehouse() / "watermarks.sqlite", "--report", self.report()]]

    def environment(self):
        # Python's spark-submit finds its interpreter by PATH.
        kept = super().environment()
        return {**kept, "PATH": f"{self.place.venv / 'bin'}{os.pathsep}{kept['PATH']}", "SPARK_LOCAL_IP": "127.0.0.1"}


class PyIceberg(Contender):
    def needs(self):
        require(self.place.venv / "bin" / "python", "run: tools/setup bench")

    def command(self, window, port):
        return [str(part) for part in [
            self.place.venv / "bin" / "python", BENCH / "peers" / "pyiceberg_job.py", self.place.data, self.warehouse(),
            *window.arguments(), "--report", self.report()]]


class ClickHouse(Contender):
    reader = "clickhouse"

    def prepare(self):
        super().prepare()
        cold_table.create(self.location())

    def command(self, window, port):
        return [str(part) for part in [
            "python3", BENCH / "peers" / "clickhouse_job.py", self.place.data, self.warehouse(), *window.arguments(),
            "--report", self.report()]]


def every(place):
    return [
        Calve("calve", "calve, embedded source", place, over_http=False),
        Calve("calve-http", "calve, HTTP source", place, over_http=True),
        Spark("spark", "Spark job as it is", place, "as-is"),
        Spark("spark-tuned", "Spark job, tuned", place, "tuned"),
        PyIceberg("pyiceberg", "PyIceberg fed by chDB", place),
        ClickHouse("clickhouse", "ClickHouse's own writer", place)]


def require(path, remedy):
    if not os.path.exists(path):
        raise Missing(f"{os.path.basename(path)} is not there; {remedy}")


def server(place):
    """ClickHouse's HTTP interface over the real engine, for one load."""
    return measure.Server(["python3", str(place.server), "--port", "0", "--data", str(place.data),
                           "--lib", str(place.deps / "chdb" / "libchdb.so")], place.work / "server.log",
                          {**os.environ, "TZ": "UTC", "CALVE_DEPS": str(place.deps)})
