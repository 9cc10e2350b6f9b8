"""A network that misbehaves between calve and one of the servers it talks to.

Each leg (a server behind a proxy) is put through each fault, and through the server being away for a while at each step of a cycle. While that
lasts a cycle may fail, if it says so; cold holds the window as a whole or nothing of it. Afterwards a clean cycle and `calve verify` find every
row once. And no wait is without a limit: each run's time is held against the limits that it was given.
"""

import contextlib
import dataclasses
import json
import re
import time

import pytest
from conftest import Cold, Hot, RestCold, need

from . import postgres, program, servers, services
from .trades import create_trades, insert_trades, through

ROWS = 20_000  # of one window: about half a megabyte
STEP = 400  # of a window that is only there to be committed
ALL = 16 * ROWS  # in hot; more than all cycles of a leg take
CONNECT, IDLE = 1, 1  # seconds, for a network that is silent; the defaults would take minutes
BUSY = 20  # seconds for the program's own work, and for this machine's


@dataclasses.dataclass
class Leg:
    """One server behind a proxy. `hot` and its place lead through the proxy."""

    hot: Hot
    proxy: object
    requests: object  # () -> how many the server has had so far
    vital: bool  # a cycle cannot do without it; without the others it goes on, and says so
    silence: float  # seconds that a cycle may spend on waiting for a server that says nothing
    cuts: tuple  # bytes of the server's after which the line is cut
    source: str = None  # a URL in place of the embedded engine's
    env: dict = dataclasses.field(default_factory=dict)
    limits: tuple = ("--connect-timeout", f"{CONNECT}s", "--idle-timeout", f"{IDLE}s")
    counts: object = None  # () -> rows in cold, distinct ones, their sum; default: as DuckDB finds them on this disk


@contextlib.contextmanager
def clickhouse_leg(folder, get):
    hot = Hot(folder / "hot", Cold(folder, "hadoop"))
    create_trades(hot)
    insert_trades(hot, 0, ALL)
    toxiproxy = get("toxiproxy")
    with servers.over_libchdb(hot.directory) as server, toxiproxy.to(server) as proxy:
        # Four tries of the question that is not answered; then the cycle ends.
        yield Leg(hot, proxy, lambda: len(server.queries()), vital=True, silence=4 * max(CONNECT, IDLE) + 3, cuts=(1, 2_000, 200_000),
                  source=proxy.through(server.url))


@contextlib.contextmanager
def journal_leg(folder, get):
    """The journal in PostgreSQL."""
    server = get("postgres_server")
    database = server.new_database()
    database.sql(f"ALTER DATABASE {database.name} SET log_statement = 'all'")
    hot = Hot(folder / "hot", Cold(folder, "hadoop"))
    create_trades(hot)
    insert_trades(hot, 0, ALL)
    with get("toxiproxy").to(server) as proxy:
        hot.cold.state = proxy.through(database.url(connect_timeout=CONNECT))
        # One wait for an answer or for a connection: who was silent is then left alone for a minute.
        yield Leg(hot, proxy, lambda: server.log().count(f"{database.name} LOG:  "), vital=False, silence=15 + 1, cuts=(1, 700, 2_000),
                  env={"CALVE_STATE_PASSWORD": postgres.PASSWORD})


@contextlib.contextmanager
def postgres_catalog_leg(folder, get):
    """The SQL catalog in PostgreSQL; the journal is elsewhere."""
    server = get("postgres_server")
    database = server.new_database()
    database.sql(f"ALTER DATABASE {database.name} SET log_statement = 'all'")
    hot = Hot(folder / "hot", Cold(folder, "postgres", database))
    create_trades(hot)
    insert_trades(hot, 0, ALL)
    with get("toxiproxy").to(server) as proxy:
        hot.cold.state = f"sqlite:///{hot.cold.journal}"
        hot.cold.catalog = proxy.through(database.url(connect_timeout=CONNECT))
        # An answer is waited for once; then connections, at each try to commit and to look whether it is in.
        yield Leg(hot, proxy, lambda: server.log().count(f"{database.name} LOG:  "), vital=True, silence=15 + 15, cuts=(1, 700, 2_000),
                  env={"CALVE_CATALOG_PASSWORD": postgres.PASSWORD})


class InBucket(Cold):
    """A warehouse in a bucket, with the hadoop catalog in it, reached through a proxy."""

    def __init__(self, folder, s3, bucket, endpoint):
        super().__init__(folder, "hadoop")
        self.s3, self.bucket, self.endpoint = s3, bucket, endpoint

    @property
    def arguments(self):
        return ["--catalog", "hadoop", "--warehouse", f"s3://{self.bucket}/cold", "--state", self.state, "--store-endpoint", self.endpoint,
                "--store-region", self.s3.REGION]

    def counts(self):
        """With PyIceberg, straight from the store."""
        from pyiceberg.table import StaticTable

        versions = [int(m[1]) for key in self.s3.keys(self.bucket, "cold/cold/trades/metadata/v") if (m := re.search(r"/v(\d+)\.metadata\.json$", key))]
        table = StaticTable.from_metadata(f"s3://{self.bucket}/cold/cold/trades/metadata/v{max(versions)}.metadata.json", properties={
            "s3.endpoint": self.s3.url, "s3.access-key-id": self.s3.ACCESS_KEY, "s3.secret-access-key": self.s3.SECRET_KEY, "s3.region": self.s3.REGION})
        rows = [int(n) for n in table.scan(selected_fields=("sequence",)).to_arrow()["sequence"].to_pylist()]
        return len(rows), len(set(rows)), sum(rows)


@contextlib.contextmanager
def store_leg(folder, get):
    """The warehouse in an S3 store."""
    s3 = get("versitygw")
    with get("toxiproxy").to(s3) as proxy:
        place = InBucket(folder, s3, s3.new_bucket(), proxy.through(s3.url))
        hot = Hot(folder / "hot", place)
        create_trades(hot)
        insert_trades(hot, 0, ALL)
        log = s3.folder / "requests.log"
        # Two tries each of what is asked, and then of what is cleaned up.
        yield Leg(hot, proxy, lambda: log.read_text().count(f"/{place.bucket}/"), vital=True, silence=20, cuts=(1, 200, 2_000), counts=place.counts,
                  env={"AWS_ACCESS_KEY_ID": s3.ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": s3.SECRET_KEY, "AWS_EC2_METADATA_DISABLED": "true"},
                  limits=("--store-connect-timeout", f"{CONNECT}s", "--store-idle-timeout", f"{IDLE}s", "--store-attempts", "2"))


@contextlib.contextmanager
def rest_catalog_leg(folder, get):
    """Apache Iceberg's REST catalog."""
    need(services.present("iceberg-rest"), "Iceberg's REST catalog is not installed")
    with services.RestCatalog(folder / "rest").running() as server, get("toxiproxy").to(server) as proxy:
        hot = Hot(folder / "hot", RestCold(folder, server))
        create_trades(hot)
        insert_trades(hot, 0, ALL)
        hot.cold.catalog = proxy.through(server.url)
        # Six tries of what is asked, with waits in between.
        yield Leg(hot, proxy, lambda: len(server.requests()), vital=True, silence=25, cuts=(1, 300, 2_000),
                  limits=("--catalog-connect-timeout", f"{CONNECT}s", "--catalog-idle-timeout", f"{IDLE}s"))


# A server that calve learns to speak to gets a leg here, and with it every test below.
LEGS = {"clickhouse": clickhouse_leg, "journal": journal_leg, "postgres-catalog": postgres_catalog_leg, "rest-catalog": rest_catalog_leg,
        "store": store_leg}


class Cycles:
    """Windows of one table, one after the other, through a leg."""

    def __init__(self, leg, duckdb):
        self.leg, self.duckdb = leg, duckdb
        self.arrived = self.done = 0  # rows: that are to be in cold after the next good cycle; that are

    def arguments(self, short_limits=False):
        limits = self.leg.limits if short_limits else []
        return self.leg.hot.arguments("trades", "--until", through(self.arrived), "--json", *limits, source=self.leg.source)

    def counts(self):
        table = self.leg.hot.cold.table("trades")
        return self.duckdb.row(f"SELECT count(*), count(DISTINCT sequence), sum(sequence)::BIGINT FROM {self.duckdb.source(table)}")

    def check(self):
        """The window is in as a whole, or not at all. Returns whether it is."""
        count, distinct, total = (self.leg.counts or self.counts)()
        assert count in (self.done, self.arrived) and (distinct, total) == (count, count * (count - 1) // 2)
        self.done = count
        return count == self.arrived

    def ended(self, code, out, err, took, silence=0):
        """Judges a run by what it said, and by how long it took. Returns whether it succeeded."""
        said = f"exit {code} after {took:.1f} s\\n{out}\\n{err}"
        assert took < silence + BUSY, said
        assert code in ((program.DONE, program.FAILED) if self.leg.vital else (program.DONE,)), said
        is_in = self.check()
        if code == program.DONE:
            assert is_in, said
        elif json.loads(out)["error"]["kind"] != "unknown-outcome":
            assert not is_in, f"what is reported as failed is in\\n{said}"
        return code == program.DONE

    def run(self, rows=STEP, short_limits=False):
        self.arrived += rows
        began = time.monotonic()
        outcome = program.run(*self.arguments(short_limits), code=None, env=self.leg.env)
        return self.ended(outcome.code, outcome.out, outcome.err, time.monotonic() - began, self.leg.silence if short_limits else 0)

    def run_clean(self):
        self.leg.proxy.reset()
        self.arrived += STEP
        outcome = program.run(*self.arguments(), env=self.leg.env)
        assert not [note for note in outcome.json.get("notes", []) if "journal" in note], outcome
        assert self.check()

    def verify(self):
        outcome = program.run("verify", *self.leg.hot.arguments("trades", "--json", source=self.leg.source)[1:], env=self.leg.env)
        assert outcome.json["equal"] and outcome.json["rows"]["cold"] == self.done


@pytest.fixture(scope="module", params=LEGS)
def table(request, tmp_path_factory, duckdb):
    """A table with one window in it, for all tests of a leg."""
    with LEGS[request.param](tmp_path_factory.mktemp(request.param), request.getfixturevalue) as leg:
        cycles = Cycles(leg, duckdb)
        assert cycles.run()
        yield cycles
        cycles.verify()


@pytest.fixture
def cycles(table):
    """Whatever a test did: then a clean cycle."""
    yield table
    table.run_clean()


# --- faults that last -----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("kind, attributes", [
    ("latency", {"latency": 30, "jitter": 15}),
    ("bandwidth", {"rate": 300}),  # KB a second
    ("slicer", {"average_size": 1000, "size_variation": 900, "delay": 100}),  # µs
], ids=["latency", "bandwidth", "slices"])
def test_a_slow_line(cycles, kind, attributes):
    for stream in ("downstream", "upstream"):
        cycles.leg.proxy.toxic(kind, stream, **attributes)
    assert cycles.run(ROWS)


@pytest.mark.parametrize("cut", range(3))
def test_a_line_that_is_cut(cycles, cut):
    """Every time, after so many bytes."""
    cycles.leg.proxy.toxic("limit_data", "downstream", bytes=cycles.leg.cuts[cut])
    succeeded = cycles.run(ROWS, short_limits=True)
    assert succeeded != cycles.leg.vital or cut > 0, "some of them need less than that"


def test_a_line_that_is_cut_while_calve_speaks(cycles):
    cycles.leg.proxy.toxic("limit_data", "upstream", bytes=100)
    assert cycles.run(ROWS, short_limits=True) != cycles.leg.vital


@pytest.mark.parametrize("after_ms", [0, 50])
def test_a_line_that_is_reset(cycles, after_ms):
    cycles.leg.proxy.toxic("reset_peer", "downstream", timeout=after_ms)
    cycles.run(ROWS, short_limits=True)


@pytest.mark.parametrize("stream", ["downstream", "upstream"])
def test_a_black_hole(cycles, stream):
    cycles.leg.proxy.toxic("timeout", stream, timeout=0)
    assert cycles.run(ROWS, short_limits=True) != cycles.leg.vital


# --- away for a while -----------------------------------------------------------------------------------------------------

def run_with_trouble_at(cycles, step, begin, end, silence=0):
    """A cycle in which begin() happens after that many of its requests, and end() at the end of the trouble."""
    leg = cycles.leg
    cycles.arrived += STEP
    before, began = leg.requests(), time.monotonic()
    running = program.start(*cycles.arguments(short_limits=True), env=leg.env)
    while leg.requests() - before < step and running.poll() is None:
        time.sleep(0.002)
    begin()
    end(running)
    out, err = running.communicate(timeout=120)
    return cycles.ended(running.returncode, out, err, time.monotonic() - began, silence)


def steps_of_a_cycle(cycles):
    before = cycles.leg.requests()
    assert cycles.run()
    return cycles.leg.requests() - before


def test_away_before_the_cycle(cycles):
    cycles.leg.proxy.disable()
    assert cycles.run(short_limits=True) != cycles.leg.vital


@pytest.mark.parametrize("seconds, most", [(0.2, 10), (1.5, 4)], ids=["a moment", "longer than calve tries"])
def test_away_at_the_steps_of_a_cycle(cycles, seconds, most):
    """The server goes after each of the requests that a cycle makes of it, or some of them, with the answer perhaps still under way."""
    def back(running):
        time.sleep(seconds)
        cycles.leg.proxy.enable()

    steps = steps_of_a_cycle(cycles)
    assert steps >= 3
    cycles.leg.proxy.toxic("latency", latency=10)  # time to go before the answer is there
    for step in range(0, steps, -(-steps // most)):
        run_with_trouble_at(cycles, step + 1, cycles.leg.proxy.disable, back)


def test_silent_in_the_middle_of_a_cycle(cycles):
    step = steps_of_a_cycle(cycles) // 2
    cycles.leg.proxy.toxic("latency", latency=10)
    run_with_trouble_at(cycles, step, lambda: cycles.leg.proxy.toxic("timeout", timeout=0), lambda running: None, cycles.leg.silence)
