"""A place where incidents happen: a database of a ClickHouse that others use, too, a cold place of its own, and one table, `trades`, a row a
minute for the last hours. What a runbook needs of it is in runbooks.Drill."""

import collections
import contextlib
import datetime
import itertools
import json
import signal
import time
import types
import urllib.parse

import conftest

from . import canonical, layers, program, readers, servers
from .configuration import Configuration
from .test_serve import Serving

NUMBERS = itertools.count(1)
CREATE = "CREATE TABLE trades (ts DateTime64(3, 'UTC'), id UInt64, symbol LowCardinality(String), price Decimal64(8)) ENGINE = {engine}"
ENGINE = "MergeTree PARTITION BY toDate(ts) ORDER BY (symbol, ts)"
# Half past an hour, some hours ago: within the look-back, and as many hours whenever the test runs.
START = datetime.datetime.now(datetime.timezone.utc).replace(minute=30, second=0, microsecond=0) - datetime.timedelta(hours=12)


def instant(row):
    return START + row * datetime.timedelta(minutes=1)


def merged(into, change):
    """A mapping with the values of another put in, mapping by mapping."""
    for key, value in change.items():
        into[key] = merged(dict(into.get(key) or {}), value) if isinstance(value, dict) else value
    return into


class Place:
    def __init__(self, folder, server, kind="hadoop", database=None, state=None, name=None):
        """`database`: of PostgreSQL, for a catalog of kind postgres. `name`: of the database in ClickHouse."""
        folder.mkdir(exist_ok=True)
        self.folder, self.server, self.name = folder, server, name or f"place{next(NUMBERS)}"
        server.query(f"CREATE DATABASE {self.name}")
        self.cold = conftest.Cold(folder, kind, database)
        self.cold.state = state or self.cold.state
        self.port = servers.free_port()
        self.programs = folder / "bin"
        self.programs.mkdir()
        (self.programs / "calve").symlink_to(program.BINARY)
        self.replaced = {"file:///srv/cold": f"file://{self.cold.warehouse}", "/srv/cold": self.cold.warehouse, "/var/lib/calve/journal.db": self.cold.journal,
                         "http://127.0.0.1:9765": f"http://127.0.0.1:{self.port}", "k2": self.name}
        self.config = Configuration(types.SimpleNamespace(cold=self.cold, url=self.url))
        self.config.content["defaults"] |= {"partition_by": ["days(ts)"], "key": ["id"]}
        self.serving = None

    @property
    def url(self):
        return f"http://default@127.0.0.1:{self.server.port}/{self.name}"

    @property
    def table(self):
        return self.cold.table("trades")

    # --- what a drill asks for

    def sql(self, text):
        return self.server.request("POST", "/?" + urllib.parse.urlencode({"database": self.name}), text.encode()).decode().rstrip("\n")

    def service(self, verb):
        """systemctl VERB calve"""
        if verb == "reload":
            return self.serving.process.send_signal(signal.SIGHUP)
        if verb in ("stop", "restart") and self.serving and self.serving.process.poll() is None:
            self.serving.end()
        if verb in ("start", "restart"):
            self.serving = Serving(self.config, env={"CALVE_LISTEN": f"127.0.0.1:{self.port}"})
            # Its first cycle is over: whoever runs one by hand is not told that the other is at work.
            self.serving.wait("next cycle at")
        return None

    def change(self, mapping):
        """In calve.yaml; of `tables` those with the same source."""
        tables = mapping.pop("tables", [])
        merged(self.config.content, mapping)
        for change in tables:
            merged(next(table for table in self.config.content["tables"] if table["source"] == change["source"]), change)
        self.write()

    def write(self):
        self.config.file.write_text(json.dumps(self.config.content, indent=1))

    # --- what tests do with it

    def make(self, rows=600, engine=ENGINE, **sections):
        self.sql(CREATE.format(engine=engine))
        self.insert(0, rows)
        self.config.write("trades", **{"schedule": {"every": "7d"}, **sections})
        return self

    def insert(self, first, count, price="number", id="number"):
        self.sql(f"INSERT INTO trades (ts, id, symbol, price) SELECT toDateTime64('{START:%Y-%m-%d %H:%M:%S}', 3, 'UTC') + INTERVAL number MINUTE, {id}, ['BTC', 'ETH'][number % 2 + 1], "
                 f"{price} FROM numbers({first}, {count})")

    def insert_now(self, *ids):
        self.sql("INSERT INTO trades (ts, id, symbol, price) SELECT now64(3, 'UTC'), arrayJoin([" + ", ".join(map(str, ids)) + "]), 'BTC', 1")

    def calve(self, *arguments, code=program.DONE, **options):
        return program.run(arguments[0], "--config", "calve.yaml", *arguments[1:], code=code, cwd=self.folder, **options)

    def run(self, *arguments, code=program.DONE):
        return self.calve("run", *arguments, code=code)

    def everything_once(self, only_in_cold=()):
        """The promise, by another engine: each hot row up to the watermark is in cold once; besides those only these ids, once each."""
        watermark = layers.watermark(self.table)
        told = self.sql(f"SELECT id, price, symbol, toUnixTimestamp64Milli(ts) * 1000 FROM trades WHERE ts <= toDateTime64('{watermark:%Y-%m-%d %H:%M:%S.%f}', 6, 'UTC')")
        hot = [(canonical.number(id), canonical.number(price), symbol, canonical.micros(ts)) for id, price, symbol, ts in (line.split("\t") for line in told.splitlines())]
        cold = collections.Counter(readers.PyIcebergReader().rows(self.table, ["id", "price", "symbol", "ts"]))
        hot = collections.Counter(hot)
        missing, extra = hot - cold, cold - hot
        assert not missing, f"not in cold: {list(missing.items())[:5]}"
        assert sorted(int(row[0][1]) for row in extra.elements()) == sorted(only_in_cold), f"only in cold: {list(extra.items())[:5]}"
        assert sum(hot.values()) + len(only_in_cold) > 0

    def soon_everything_once(self):
        """The same where a calve serve may still be at it."""
        end = time.monotonic() + 30
        while True:
            try:
                return self.everything_once()
            except AssertionError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.1)

    @contextlib.contextmanager
    def at_work(self):
        """calve serve runs meanwhile."""
        self.service("start")
        try:
            yield self.serving
        finally:
            if self.serving.process.poll() is None:
                self.serving.process.kill()
                self.serving.process.wait()

    def end(self):
        if self.serving and self.serving.process.poll() is None:
            self.serving.process.kill()
            self.serving.process.wait()
        self.server.query(f"DROP DATABASE IF EXISTS {self.name}")
