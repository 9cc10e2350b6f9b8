"""A cluster as the source: shards and replicas, each a server over an engine of its own, and Debian's servers with their system.clusters."""

import contextlib
import itertools
import json
import signal
import time

import pytest

from . import clusters, program, servers, trades
from .slices import Slices

TABLE = ("CREATE TABLE {name} (ts DateTime64(3, 'UTC'), sequence UInt64, symbol LowCardinality(String), price Decimal64(8), "
         "side Enum8('buy' = 1, 'sell' = 2)) ENGINE = {engine}")
ENGINE = "MergeTree PARTITION BY toDate(ts) ORDER BY (symbol, ts)"
READING = "`price`"  # what only queries for rows have
NAMES = (f"t{n}" for n in itertools.count())


class Cluster:
    """shards[i][j] is the j-th replica of the i-th shard."""

    def __init__(self, shards):
        self.shards = shards

    @property
    def all(self):
        return [server for shard in self.shards for server in shard]

    @property
    def arguments(self):
        """What makes a source of them, but for --source."""
        return [argument for shard in self.shards for argument in ("--shard", " ".join(f"http://127.0.0.1:{server.port}" for server in shard))]

    def create(self, engine=ENGINE):
        name = next(NAMES)
        for server in self.all:
            server.query(TABLE.format(name=name, engine=engine))
        return name

    def insert(self, table, first, count, note="buy", on=None):
        """Rows first …, each on its shard (sequence modulo), on all its replicas or those of `on`."""
        for i, shard in enumerate(self.shards):
            for server in shard:
                if on is None or server in on:
                    server.query(
                        f"INSERT INTO {table} SELECT toDateTime64('{trades.START:%Y-%m-%d %H:%M:%S}', 3, 'UTC') + "
                        f"toIntervalSecond(intDiv(number, {trades.TIES}) * {trades.STEP.seconds}), number, ['BTCUSDT', 'ETHUSDT'][number % 2 + 1], "
                        f"toDecimal64(61837.63, 8) + number, '{note}' FROM numbers({first}, {count}) WHERE number % {len(self.shards)} = {i}")

    def reads(self, table):
        """For each server the queries for rows of the table."""
        return {server.port: [query for query in server.queries() if READING in query["sql"] and f"`{table}`" in query["sql"]] for server in self.all}

    def offload(self, hot, table, count, *more, **options):
        return hot.offload(table, "--until", trades.through(count), *self.arguments, *more, source=self.all[0].url, **options)

    def run(self, command, hot, table, *more, code=program.DONE):
        return program.run(command, "--source", self.all[0].url, *self.arguments, "--source-table", table, "--target-table", f"cold.{table}",
                           "--timestamp-col", "ts", *hot.cold.arguments, "--json", *more, code=code).json


def most_at_once(queries):
    edges = sorted([(query["began"], 1) for query in queries] + [(query["ended"], -1) for query in queries])
    return max(itertools.accumulate(change for _, change in edges), default=0)


def sequences(duckdb, hot, table):
    return sorted(row["n"] for row in duckdb.query(f"SELECT sequence AS n FROM {duckdb.source(hot.cold.table(table))}").to_pylist())


def snapshots(hot, table):
    place = hot.cold.table(table)
    return (len(place.snapshots()), sorted(place.data_files())) if place.exists() else (0, [])


@contextlib.contextmanager
def engines(folder, count):
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(servers.over_libchdb(folder / f"engine{i}")) for i in range(count)]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory, built):
    """Two shards of two replicas. Tests make tables of their own."""
    with engines(tmp_path_factory.mktemp("cluster"), 4) as (a, b, c, d):
        yield Cluster([[a, b], [c, d]])


@pytest.fixture(autouse=True)
def disarmed(request):
    yield
    if "cluster" in request.fixturenames:
        for server in request.getfixturevalue("cluster").all:
            server.clear()


# --- all rows, once -------------------------------------------------------------------------------------------------------


def test_all_rows_of_all_shards_once(cold, hot, cluster, duckdb):
    table = cluster.create()
    cluster.insert(table, 0, 400)
    first = cluster.offload(hot, table, 200, "--partition-by", "days(ts)")
    assert first["rows"] == 200 and first["notes"] == [], first
    assert cluster.offload(hot, table, 400)["rows"] == 200
    assert cluster.offload(hot, table, 400)["rows"] == 0
    assert sequences(duckdb, hot, table) == list(range(400))
    # Each window was read from one replica of each shard, and replicas took turns over the runs or within them.
    reads = cluster.reads(table)
    assert [sum(len(reads[server.port]) for server in shard) for shard in cluster.shards] == [2, 2], reads
    told = cluster.run("verify", hot, table)
    assert told["equal"] is True and told["rows"]["hot"] == 400, told
    assert cold.table(table).current_snapshot()["summary"]["calve.source"].startswith(f"cluster/default.{table}/")


def test_the_load_on_each_server_is_bounded(cold, hot, cluster, duckdb):
    table = cluster.create()
    cluster.insert(table, 0, 120_000)
    for server in cluster.all:
        server.fault("slow", times=100, delay_ms=1, piece_bytes=20_000)
    result = cluster.offload(hot, table, 120_000, "--readers", "8", "--queries-per-server", "2")
    assert result["rows"] == 120_000
    reads = cluster.reads(table)
    assert all(1 <= most_at_once(queries) <= 2 for queries in reads.values()), {port: most_at_once(queries) for port, queries in reads.items()}
    assert sum(map(len, reads.values())) >= 8 and min(map(len, reads.values())) >= 2, "replicas share the work"
    assert max(most_at_once([*reads[one.port], *reads[other.port]]) for one, other in itertools.combinations(cluster.all, 2)) > 2, "side by side"
    counted = duckdb.query(f"SELECT count(*) AS n, count(DISTINCT sequence) AS d FROM {duckdb.source(hot.cold.table(table))}").to_pylist()
    assert counted == [{"n": 120_000, "d": 120_000}]


def test_sorted_rows_make_files_of_each_shard(cold, hot, cluster, duckdb):
    table = cluster.create()
    cluster.insert(table, 0, 400)
    result = cluster.offload(hot, table, 400, "--sort-by", "sequence")
    assert result["rows"] == 400 and result["files"] == 2
    for file in cold.table(table).data_files():
        rows = [row["sequence"] for row in duckdb.query(f"SELECT sequence FROM read_parquet('{file}')").to_pylist()]
        assert rows == sorted(rows) and len(rows) == 200


def test_rows_that_are_merged(cold, hot, cluster, duckdb):
    table = cluster.create("ReplacingMergeTree ORDER BY (symbol, sequence, ts)")
    for _ in range(2):
        cluster.insert(table, 0, 200)
    result = cluster.offload(hot, table, 200)
    assert result["rows"] == 200 and any("each shard merges the rows" in note for note in result["notes"])
    cluster.insert(table, 51, 1, note="sell")  # a change behind the watermark, on the second shard
    late = cluster.offload(hot, table, 200)["late"]
    assert late["rows"] == 1 and late["rows_removed"] == 1, late
    rows = duckdb.query(f"SELECT sequence AS n FROM {duckdb.source(hot.cold.table(table))} WHERE side = 'sell'").to_pylist()
    assert rows == [{"n": 51}] and sequences(duckdb, hot, table) == list(range(200))


# --- servers that fail ----------------------------------------------------------------------------------------------------


def test_a_replica_that_does_not_begin_to_answer(cold, hot, cluster, duckdb):
    table = cluster.create()
    cluster.insert(table, 0, 200)
    for server in (cluster.shards[0][0], cluster.shards[1][1]):
        server.fault("status503", times=100)
    assert cluster.offload(hot, table, 200)["rows"] == 200
    assert sequences(duckdb, hot, table) == list(range(200))


@pytest.mark.parametrize("fault", [dict(kind="drop", after_bytes=600), dict(kind="no_end", after_bytes=600)], ids=["reset", "closed"])
def test_an_answer_that_breaks_off_is_read_anew_elsewhere(cold, hot, cluster, duckdb, fault):
    table = cluster.create()
    cluster.insert(table, 0, 400)
    for server in cluster.shards[1]:  # whichever is asked first
        server.fault(**fault)
    result = cluster.offload(hot, table, 400)
    assert result["rows"] == 400
    told = [note for note in result["notes"] if "read anew" in note]
    assert told and any(str(server.port) in note for server in cluster.shards[1] for note in told), result["notes"]
    assert sequences(duckdb, hot, table) == list(range(400))
    on_disk = [path for path in cold.table(table).every_file() if str(path).endswith(".parquet")]
    assert len(on_disk) == len(cold.table(table).data_files()), "nothing is left of the reading that failed"


def test_a_replica_that_is_killed_while_it_is_read(cold, hot, tmp_path, cluster, duckdb):
    """For good: the window is committed from the other one, which was known to hold it."""
    third = cluster.shards[1][0]
    with servers.over_libchdb(tmp_path / "doomed") as doomed:
        mortal = Cluster([[cluster.shards[0][0]], [doomed, third]])
        table = mortal.create()
        mortal.insert(table, 0, 4000)
        doomed.fault("slow", times=100, delay_ms=200, piece_bytes=500)
        third.fault("status503", times=1)  # so that the other one is read from first
        running = program.start(*hot.arguments(table, "--json", "--until", trades.through(4000), *mortal.arguments, source=mortal.all[0].url))
        deadline = time.monotonic() + 60
        while not any(time.monotonic() - query["began"] > 0.5 for query in mortal.reads(table)[doomed.port]):  # some of its rows are here
            assert time.monotonic() < deadline and running.poll() is None, running.communicate()
            time.sleep(0.02)
        assert running.poll() is None
        doomed.process.send_signal(signal.SIGKILL)
        out, err = running.communicate(timeout=120)
    assert running.returncode == program.DONE, err
    assert sequences(duckdb, hot, table) == list(range(4000))
    assert any("read anew" in note and str(doomed.port) in note for note in json.loads(out)["notes"]), out


def test_a_shard_that_is_down_is_no_empty_shard(cold, hot, tmp_path, cluster):
    table = cluster.create()
    cluster.insert(table, 0, 200)
    nobody = servers.Server(servers.free_port())
    halved = Cluster([cluster.shards[0], [nobody]])
    outcome = halved.offload(hot, table, 200, code=program.FAILED)
    assert f"127.0.0.1:{nobody.port}" in outcome.err and "shard 2" in outcome.err
    assert snapshots(hot, table) == (0, [])


# --- replicas that lack rows ----------------------------------------------------------------------------------------------


def test_a_replica_that_lacks_rows_is_not_read_from(cold, hot, cluster, duckdb):
    table = cluster.create()
    (one, other), (third, fourth) = cluster.shards
    cluster.insert(table, 0, 300)
    cluster.insert(table, 300, 100, on=[other, third])  # not on `one`, nor on `fourth`
    for _ in range(2):
        result = cluster.offload(hot, table, 400)
    assert sequences(duckdb, hot, table) == list(range(400))
    reads = cluster.reads(table)
    assert not reads[one.port] and not reads[fourth.port], "what it lacks would be missing"
    result = cluster.offload(hot, table, 400)
    for server in (one, fourth):
        assert any(f"127.0.0.1:{server.port} is not read from: it lacks 50 rows" in note for note in result["notes"]), result["notes"]
    told = cluster.run("verify", hot, table)
    assert told["equal"] is True and told["rows"]["hot"] == 400


def test_replicas_that_each_lack_rows_stop_the_window(cold, hot, cluster):
    table = cluster.create()
    (one, other), _ = cluster.shards
    cluster.insert(table, 0, 200)
    cluster.insert(table, 200, 4, on=[one])
    cluster.insert(table, 1000, 4, on=[other])
    outcome = cluster.offload(hot, table, 1200, "--replica-wait", "0s", code=program.FAILED)
    assert "each of them lacks rows that another one has" in outcome.err and "shard 1" in outcome.err
    assert snapshots(hot, table) == (0, [])
    # As many rows, but others.
    table = cluster.create()
    cluster.insert(table, 0, 200)
    cluster.insert(table, 200, 2, on=[one])
    cluster.insert(table, 202, 2, on=[other])
    outcome = cluster.offload(hot, table, 204, "--replica-wait", "0s", code=program.FAILED)
    assert "not the same ones" in outcome.err, outcome.err


def test_a_replica_that_is_away_may_have_rows_that_no_other_has(cold, hot, cluster, duckdb):
    table = cluster.create()
    cluster.insert(table, 0, 200)
    nobody = servers.Server(servers.free_port())
    (one, _), second = cluster.shards
    outcome = Cluster([[one, nobody], second]).offload(hot, table, 200, "--replica-wait", "0s", code=program.FAILED)
    assert f"127.0.0.1:{nobody.port}" in outcome.err and "no Replicated table" in outcome.err and "leave it out" in outcome.err
    assert snapshots(hot, table) == (0, [])
    assert Cluster([[one], second]).offload(hot, table, 200)["rows"] == 200


# --- rows that come late --------------------------------------------------------------------------------------------------


def test_late_rows_on_the_second_shard_are_found(cold, hot, cluster, duckdb):
    table = cluster.create()
    cluster.insert(table, 0, 200)
    cluster.offload(hot, table, 200)
    cluster.insert(table, 101, 1)  # row 101 again, on the second shard: rows without a key are a multiset
    late = cluster.offload(hot, table, 200)["late"]
    assert late["rows"] == 1, late
    again = cluster.offload(hot, table, 200)["late"]
    assert again["rows"] == 0 and again["buckets"] == 0, "all parts of all shards have been seen"
    cluster.insert(table, 60, 1)  # on the first
    assert cluster.offload(hot, table, 200)["late"]["rows"] == 1
    assert sequences(duckdb, hot, table) == sorted([*range(200), 60, 101])
    assert cluster.run("verify", hot, table)["equal"] is True


def test_verify_sees_all_shards_and_mends(cold, hot, cluster, duckdb):
    table = cluster.create()
    cluster.insert(table, 0, 200)
    cluster.offload(hot, table, 200)
    cluster.insert(table, 30, 2)
    told = cluster.run("verify", hot, table, code=program.DIFFERENCE)
    assert sum(bucket["missing"] for bucket in told["differences"]) == 2
    assert cluster.run("verify", hot, table, "--repair")["repair"]["rows_added"] == 2
    assert sequences(duckdb, hot, table) == sorted([*range(200), 30, 31])


# --- what is told and refused ---------------------------------------------------------------------------------------------


def test_what_a_cluster_does_not_do(cold, hot, cluster, tmp_path):
    table = cluster.create()
    cluster.insert(table, 0, 200)
    cluster.offload(hot, table, 200)
    for command, more in (("retire", ["--older-than", "1d"]), ("view", []),
                          ("restore", ["--from", "2024-08-09", "--to", "2024-08-10", "--into", "elsewhere"])):
        of_table = [] if command == "restore" else ["--source-table", table]
        err = program.run(command, "--source", cluster.all[0].url, *cluster.arguments, *of_table, "--target-table", f"cold.{table}",
                          "--timestamp-col", "ts", *hot.cold.arguments, *more, code=program.USAGE).err
        assert "without a cluster" in err, (command, err)


def test_shards_that_have_the_table_otherwise(cold, hot, cluster):
    table = cluster.create()
    cluster.insert(table, 0, 200)
    for server in cluster.shards[1]:
        server.query(f"ALTER TABLE {table} ADD COLUMN more String")
    outcome = cluster.offload(hot, table, 200, code=program.USAGE)
    assert "column more is here and not there" in outcome.err and "shard 2" in outcome.err
    assert "twice" in Cluster([cluster.shards[0], cluster.shards[0]]).offload(hot, table, 200, code=program.USAGE).err


def test_doctor_looks_at_every_server(cold, cluster, tmp_path):
    table = cluster.create()
    cluster.insert(table, 0, 200)
    nobody = servers.Server(servers.free_port())
    shards = [[*cluster.shards[0], nobody], cluster.shards[1]]
    config = tmp_path / "calve.yaml"
    text = ", ".join('"' + " ".join(f"http://127.0.0.1:{server.port}" for server in shard) + '"' for shard in shards)
    config.write_text(f"source: {{url: \"{cluster.all[0].url}\", shards: [{text}], replica_wait: 0s}}\n"
                      f"catalog: {{warehouse: \"{cold.warehouse}\"}}\ntables:\n  - {{source: {table}, target: cold.{table}, cursor: {{timestamp: ts}}}}\n")
    told = program.run("doctor", "--config", str(config), "--json", code=None).json["findings"]
    answers = [finding["message"] for finding in told if finding["about"] == "source" and " answers at " in finding["message"]]
    assert [message.rpartition(":")[2] for message in answers] == [str(server.port) for server in cluster.all]
    away = [finding for finding in told if f":{nobody.port}" in finding["message"] and finding["about"] == "source"]
    assert [finding["level"] for finding in away] == ["warning"]
    planned = [finding for finding in told if finding["about"] == f"table {table}" and finding["level"] == "error"]
    assert any(f":{nobody.port}" in finding["message"] for finding in planned), told


# --- by slices ------------------------------------------------------------------------------------------------------------


def test_slices_of_a_cluster(cold, hot, cluster, duckdb, pyiceberg):
    """Each is of one shard, and is written from a replica that had all rows when it was planned."""
    table = cluster.create()
    cluster.insert(table, 0, 4000)
    lacks = cluster.shards[1][1]
    cluster.insert(table, 4000, 400, on=[server for server in cluster.all if server is not lacks])
    slices = Slices(hot, table, cluster.all[0].url)
    lines = slices.plan("--until", trades.through(4400), "--slices", "4", *cluster.arguments)
    parsed = [json.loads(line) for line in lines]
    assert {line["shard"] for line in parsed} == {0, 1} and sum(line["rows"] for line in parsed) == 4400
    for server in cluster.shards[0]:
        server.fault("drop", after_bytes=600)
    # Not from one server, which has rows of its own shard only, nor from the same servers as other shards.
    alone = slices.write(lines, code=program.USAGE)
    assert alone.out == "" and f"the plan is of default.{table} on the 2 shards of a cluster, and the source is one server" in alone.err
    turned = slices.write(lines, *cluster.arguments[2:], *cluster.arguments[:2], "--attempts", "1", code=program.FAILED)
    assert turned.out == "" and "none of the servers that were chosen for shard 1 is in the cluster any more" in turned.err
    written = slices.write(lines, *cluster.arguments)
    assert all(json.loads(line)["as_planned"] for line in written)
    assert slices.commit(written)["rows"] == 4400
    assert sequences(duckdb, hot, table) == list(range(4400)) and not cluster.reads(table)[lacks.port]
    slices.assert_nothing_is_left(pyiceberg)


# --- Debian's servers, by the name of their cluster -----------------------------------------------------------------------

FIRST = "toDateTime('2018-12-01 00:00:00')"
COLUMNS = "(ts DateTime, n UInt64, note String)"


def insert(server, table, first, count, step=1):
    """Rows first, first + step, …, each at its own instant."""
    server.query(f"INSERT INTO {table} SELECT {FIRST} + 30 * number, number, '' FROM "
                 f"(SELECT {first} + {step} * number AS number FROM system.numbers LIMIT {count})")


def by_name(server, hot, table, cluster, *more, until=2000, **options):
    """The rows up to that number."""
    hours, seconds = divmod(30 * (until - 1), 3600)
    return hot.offload(table, "--until", f"2018-12-01T{hours:02}:{seconds // 60:02}:{seconds % 60:02}Z", "--cluster", cluster, *more, source=server.url, **options)


def wait_until(holds):
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def numbers(duckdb, hot, table):
    return sorted(row["n"] for row in duckdb.query(f"SELECT n FROM {duckdb.source(hot.cold.table(table))}").to_pylist())


@pytest.fixture(scope="module")
def installed(built):
    from conftest import need

    need(servers.OLD_SERVER.exists(), f"{servers.OLD_SERVER} is missing")
    need(clusters.can_replicate(), f"java or {clusters.JARS} is missing")


def test_a_cluster_by_its_name_and_the_table_behind_a_distributed_one(cold, hot, installed, tmp_path, duckdb):
    with clusters.debians(tmp_path / "shards", 3, own_hosts=True) as started:
        for i, server in enumerate(started):
            server.query(f"CREATE TABLE local {COLUMNS} ENGINE = MergeTree PARTITION BY toYYYYMMDD(ts) ORDER BY n")
            insert(server, "local", i, 100, step=3)
        started[1].query("CREATE TABLE everywhere AS local ENGINE = Distributed(shards, default, local, n)")
        started[1].query("CREATE TABLE two AS local ENGINE = Distributed(others, default, local, n)")
        result = by_name(started[0], hot, "everywhere", "shards")
        assert result["rows"] == 300 and result["table"] == "default.local" and result["notes"] == [], result
        assert numbers(duckdb, hot, "everywhere") == list(range(300))
        # The local table by its own name is the same one; rows that come late are found by each shard's parts.
        insert(started[2], "local", 1000, 5)
        late = by_name(started[2], hot, "local", "shards", target="cold.everywhere")["late"]
        assert late["rows"] == 5, late
        assert "is a Distributed table over the cluster others" in by_name(started[0], hot, "two", "shards", code=program.USAGE).err
        unknown = by_name(started[0], hot, "local", "sharts", code=None).err
        assert "knows no cluster sharts" in unknown and "It knows: others, replicas, shards" in unknown
        started[2].kill()
        outcome = by_name(started[0], hot, "local", "shards", target="cold.everywhere", code=program.FAILED)
        assert "127.0.0.3" in outcome.err and "shard 3" in outcome.err


def test_slices_from_any_replica_of_the_table_and_from_no_other(cold, hot, installed, tmp_path, duckdb):
    """A writer's server may be another one than the plan's, if it has a replica of the same table."""
    with clusters.zookeeper(tmp_path / "keeper") as keeper, clusters.debians(tmp_path / "replicas", 2, keeper, own_hosts=True) as (one, two):
        for server in (one, two):
            server.query(f"CREATE TABLE events {COLUMNS} ENGINE = ReplicatedMergeTree('/events', '{{replica}}') PARTITION BY toYYYYMMDD(ts) ORDER BY n")
        insert(one, "events", 0, 100)
        wait_until(lambda: two.query("SELECT count() FROM events") == "100")
        slices = Slices(hot, "events", one.url)
        lines = slices.plan("--until", "2018-12-02T00:00:00Z", "--slices", "3")
        slices.source = two.url
        written = slices.write(lines)
        two.query("DROP TABLE events")
        two.query(f"CREATE TABLE events {COLUMNS} ENGINE = ReplicatedMergeTree('/other', '{{replica}}') PARTITION BY toYYYYMMDD(ts) ORDER BY n")
        assert "the plan was made of the table default.events (/events)" in slices.write(lines, code=program.USAGE).err
        assert slices.commit(written)["rows"] == 100 and numbers(duckdb, hot, "events") == list(range(100))


def test_replicas_that_lag_and_die(cold, hot, installed, tmp_path, duckdb):
    """Replicated tables: ZooKeeper tells what a replica lacks, also of what only a server has that is gone."""
    with clusters.zookeeper(tmp_path / "keeper") as keeper, clusters.debians(tmp_path / "replicas", 3, keeper, own_hosts=True) as started:
        for server in started:
            server.query(f"CREATE TABLE events {COLUMNS} ENGINE = ReplicatedMergeTree('/events', '{{replica}}') "
                         "PARTITION BY toYYYYMMDD(ts) ORDER BY n")
        one, two, three = started
        assert by_name(one, hot, "events", "replicas", "--dry-run")["rows_expected"] == 0, "also where the log in ZooKeeper is empty"
        insert(one, "events", 0, 100)
        for server in (two, three):
            wait_until(lambda: server.query("SELECT count() FROM events") == "100")
        two.query("SYSTEM STOP FETCHES events")
        insert(one, "events", 100, 50)
        insert(two, "events", 150, 50)  # its own insert; what came before it is missing there
        result = by_name(one, hot, "events", "replicas", "--replica-wait", "20s", until=200)
        assert result["rows"] == 200 and numbers(duckdb, hot, "events") == list(range(200)), result
        assert [note for note in result["notes"] if note.startswith("http://127.0.0.2:") and "still to be fetched" in note], result
        # The one that has all is gone: what the others lack is known, and nothing is offloaded without it.
        three.query("SYSTEM STOP FETCHES events")
        insert(one, "events", 200, 10)
        one.kill()
        before = snapshots(hot, "events")
        outcome = by_name(three, hot, "events", "replicas", "--replica-wait", "1s", until=210, code=program.FAILED)
        assert "no replica of shard 1 is known to have all rows" in outcome.err and "127.0.0.1" in outcome.err, outcome.err
        assert snapshots(hot, "events") == before
        one.start()
        two.kill()
        three.query("SYSTEM START FETCHES events")
        assert by_name(three, hot, "events", "replicas", "--replica-wait", "20s", until=210)["rows"] == 10
        assert numbers(duckdb, hot, "events") == list(range(210))
