"""Several servers: tables read through `Distributed`, and from one named replica, with Debian's clickhouse-server (18.16) and ZooKeeper."""

import contextlib
import time

import pytest

from . import clusters, program, servers, trades
from .trades import create_trades, insert_trades, offload_trades

ROWS = 400
STEP = 30  # seconds between two rows
FIRST = "toDateTime('2018-12-01 00:00:00')"
COLUMNS = "(ts DateTime, n UInt64, note String)"
LOCAL = f"CREATE TABLE local {COLUMNS} ENGINE = MergeTree PARTITION BY toYYYYMMDD(ts) ORDER BY n"
EVERYWHERE = "CREATE TABLE everywhere AS local ENGINE = Distributed(shards, default, local)"


def insert(server, table, first, count, step=1, note="''"):
    """Rows first, first + step, …, each at its own instant."""
    server.query(f"INSERT INTO {table} SELECT {FIRST} + {STEP} * number, number, {note} FROM "
                 f"(SELECT {first} + {step} * number AS number FROM system.numbers LIMIT {count})")


def through(row):
    hours, rest = divmod(STEP * (row - 1), 3600)
    return ["--until", f"2018-12-01T{hours:02}:{rest // 60:02}:{rest % 60:02}Z"]


def offload(server, hot, table, row, *more, **options):
    return hot.offload(table, *through(row), *more, source=server.url, **options)


def verify(server, hot, table, *more, code=program.DONE):
    return program.run("verify", "--source", server.url, "--source-table", table, "--target-table", f"cold.{table}", "--timestamp-col", "ts",
                       *hot.cold.arguments, "--progress", "never", "--json", *more, code=code).json


def retire(server, hot, table, code=program.DONE):
    return program.run("retire", "--source", server.url, "--source-table", table, "--target-table", f"cold.{table}", "--timestamp-col", "ts",
                       *hot.cold.arguments, "--progress", "never", "--json", "--older-than", "1d", code=code).json


def cold_rows(duckdb, hot, table):
    return sorted(row["n"] for row in duckdb.query(f"SELECT n FROM {duckdb.source(hot.cold.table(table))}").to_pylist())


def untouched(hot, table):
    """What a reader could see or stumble over."""
    place = hot.cold.table(table)
    return (len(place.snapshots()), sorted(place.data_files())) if place.exists() else (0, [])


@pytest.fixture(scope="session")
def installed():
    """The servers, and java with ZooKeeper's jars."""
    from conftest import need

    need(servers.OLD_SERVER.exists(), f"{servers.OLD_SERVER} is missing")
    need(clusters.can_replicate(), f"java or {clusters.JARS} is missing")


@pytest.fixture
def shards(tmp_path, installed):
    """Three shards, each of which has a third of the rows (n % 3), and `everywhere` over them."""
    with clusters.debians(tmp_path / "shards", 3) as started:
        for i, server in enumerate(started):
            server.query(LOCAL)
            server.query(EVERYWHERE)
            insert(server, "local", i, ROWS // 3, step=3)
        yield started


# --- through Distributed --------------------------------------------------------------------------------------------------


def test_the_rows_of_all_shards_once(any_cold, hot, shards, duckdb):
    rows = ROWS // 3 * 3
    first = offload(shards[0], hot, "everywhere", 200, "--partition-by", "days(ts)")
    assert first["rows"] == 200 and first["late"]["buckets"] == 0
    assert any("late are not looked for" in note and "Distributed" in note and "verify --repair" in note for note in first["notes"])
    assert not any("not known here" in note for note in first["notes"]), "it is known what is behind: rows that are not merged"
    assert offload(shards[1], hot, "everywhere", ROWS)["rows"] == rows - 200, "any of the servers will do"
    assert offload(shards[2], hot, "everywhere", ROWS)["rows"] == 0
    assert cold_rows(duckdb, hot, "everywhere") == list(range(rows))
    assert verify(shards[0], hot, "everywhere")["equal"] is True


def test_rows_that_come_late_on_a_shard_are_found_by_verify(cold, hot, shards, duckdb):
    offload(shards[0], hot, "everywhere", ROWS)
    insert(shards[2], "local", 100_000, 1)  # in the future: no concern of verify's
    shards[2].query(f"INSERT INTO local SELECT {FIRST} + 1000 + number, 7000 + number, 'late' FROM system.numbers LIMIT 5")
    assert offload(shards[0], hot, "everywhere", ROWS)["late"]["rows"] == 0, "there are no parts to tell them by"
    told = verify(shards[0], hot, "everywhere", code=program.DIFFERENCE)
    assert sum(bucket["missing"] for bucket in told["differences"]) == 5
    assert verify(shards[0], hot, "everywhere", "--repair")["repair"]["rows_added"] == 5
    assert cold_rows(duckdb, hot, "everywhere") == [*range(ROWS // 3 * 3), *range(7000, 7005)]
    assert verify(shards[0], hot, "everywhere")["equal"] is True


def test_retire_refuses(cold, hot, shards):
    offload(shards[0], hot, "everywhere", ROWS)
    error = retire(shards[0], hot, "everywhere", code=program.USAGE)["error"]
    assert error["kind"] == "unsupported" and "default.everywhere has the engine Distributed" in error["message"]
    assert "name the table behind it on each server" in error["remedy"]
    assert [server.query("SELECT count() FROM local") for server in shards] == [str(ROWS // 3)] * 3


def test_a_shard_that_is_down(cold, hot, shards, duckdb):
    offload(shards[0], hot, "everywhere", 200)
    before = untouched(hot, "everywhere")
    shards[2].kill()
    outcome = offload(shards[0], hot, "everywhere", ROWS, code=program.FAILED)
    assert "279" in outcome.err and "shard of the cluster does not answer" in outcome.err
    assert untouched(hot, "everywhere") == before
    shards[2].start()
    assert offload(shards[0], hot, "everywhere", ROWS)["rows"] == ROWS // 3 * 3 - 200
    assert cold_rows(duckdb, hot, "everywhere") == list(range(ROWS // 3 * 3))


SLOW = ["--setting", "max_block_size=20", "--expr", "note=if(sleepEachRow(0.01) = 0, note, '')"]


def test_a_shard_that_goes_down_while_it_is_read(cold, hot, shards, duckdb):
    offload(shards[0], hot, "everywhere", 12)
    before = untouched(hot, "everywhere")
    running = program.start(*hot.arguments("everywhere", *through(ROWS), *SLOW, source=shards[0].url))
    deadline = time.monotonic() + 60
    while shards[2].query("SELECT count() FROM system.processes WHERE query LIKE '%sleepEachRow%' AND query NOT LIKE '%system%' AND read_rows > 20") == "0":
        assert time.monotonic() < deadline and running.poll() is None, running.communicate()
    shards[2].kill()
    _, err = running.communicate(timeout=120)
    assert running.returncode == program.FAILED, err
    assert any(code in err for code in ("Code 32", "Code 210", "Code 279")), err
    assert untouched(hot, "everywhere") == before, "nothing half-written"
    shards[2].start()
    assert offload(shards[0], hot, "everywhere", ROWS)["rows"] == ROWS // 3 * 3 - 12
    assert cold_rows(duckdb, hot, "everywhere") == list(range(ROWS // 3 * 3))


@pytest.mark.parametrize("readonly", [0, 1])
def test_a_profile_that_skips_shards_is_overruled_or_refused(tmp_path, cold, hot, installed, duckdb, readonly):
    """Its queries would leave out the rows of a shard that is down, without a word."""
    skips = f"<skips><skip_unavailable_shards>1</skip_unavailable_shards><readonly>{readonly}</readonly></skips>"
    user = "<skipper><password></password><networks><ip>127.0.0.1</ip></networks><profile>skips</profile><quota>default</quota></skipper>"
    with clusters.debians(tmp_path / "shards", 2, profiles=skips, users=user) as (one, two):
        for i, server in enumerate((one, two)):
            server.query(LOCAL)
            insert(server, "local", i, 100, step=2)
        one.query(EVERYWHERE)
        two.kill()
        one.user = "skipper"
        assert one.query("SELECT count() FROM everywhere") == "100", "what ClickHouse does of itself"
        outcome = offload(one, hot, "everywhere", 200, code=program.USAGE if readonly else program.FAILED)
        assert ("skip_unavailable_shards" if readonly else "Code 279") in outcome.err
        assert untouched(hot, "everywhere") == (0, [])
        two.start()
        if not readonly:
            assert offload(one, hot, "everywhere", 200)["rows"] == 200


def test_what_is_merged_behind_it_is_read_merged(any_cold, hot, tmp_path, installed, duckdb):
    """Three versions of each row, in parts of their own: the newest of each is offloaded."""
    with clusters.debians(tmp_path / "shards", 2) as started:
        for server in started:
            server.query("CREATE TABLE local (ts DateTime, n UInt64, version UInt8) ENGINE = ReplacingMergeTree(version) "
                         "PARTITION BY toYYYYMMDD(ts) ORDER BY (n, ts)")
            server.query("CREATE TABLE everywhere AS local ENGINE = Distributed(shards, default, local, intHash64(n))")
        for i, server in enumerate(started):
            for version in (3, 1, 2):
                insert(server, "local", i, 100, step=2, note=version)
        result = offload(started[0], hot, "everywhere", 200)
        assert result["rows"] == 200 and not any("sharded" in note or "not known here" in note for note in result["notes"])
        rows = duckdb.query(f"SELECT n, version FROM {duckdb.source(any_cold.table('everywhere'))} ORDER BY n").to_pylist()
        assert [tuple(row.values()) for row in rows] == [(n, 3) for n in range(200)]
        # A change behind the watermark is found by comparing, and replaces the row by its key.
        insert(started[1], "local", 51, 1, note=9)
        told = verify(started[0], hot, "everywhere", code=program.DIFFERENCE)
        assert sum(bucket["changed"] for bucket in told["differences"]) == 1
        verify(started[0], hot, "everywhere", "--repair")
        assert verify(started[0], hot, "everywhere")["equal"] is True
        after = duckdb.query(f"SELECT count(*) AS rows, max(version) AS newest FROM {duckdb.source(any_cold.table('everywhere'))}").to_pylist()
        assert after == [{"rows": 200, "newest": 9}]


def test_what_is_said_of_tables_behind_it(cold, hot, tmp_path, installed):
    with clusters.debians(tmp_path / "shards", 2) as (one, two):
        for server in (one, two):
            server.query("CREATE TABLE local (ts DateTime, n UInt64, version UInt8) ENGINE = ReplacingMergeTree(version) ORDER BY n")
        one.query("CREATE TABLE spread AS local ENGINE = Distributed(shards, default, local, rand())")
        assert any("not sharded by columns of (n)" in note for note in offload(one, hot, "spread", 200, "--key", "n,ts")["notes"])
        two.query("CREATE TABLE elsewhere AS local ENGINE = MergeTree ORDER BY n")
        insert(two, "elsewhere", 0, 100, note=1)
        one.query("CREATE TABLE afar AS local ENGINE = Distributed(others, default, elsewhere)")
        result = offload(one, hot, "afar", 100)
        assert result["rows"] == 100 and any("which engine is behind default.afar is not known here" in note for note in result["notes"])


# --- one named replica ----------------------------------------------------------------------------------------------------

REPLICATED = (f"CREATE TABLE events {COLUMNS} ENGINE = ReplicatedMergeTree('/tables/events', '{{replica}}') "
              "PARTITION BY toYYYYMMDD(ts) ORDER BY n")


@pytest.fixture(scope="module")
def keeper(tmp_path_factory, installed):
    with clusters.zookeeper(tmp_path_factory.mktemp("zookeeper") / "keeper") as port:
        yield port


@contextlib.contextmanager
def two_replicas(folder, keeper, create=REPLICATED, **options):
    """Of one table, under a name in ZooKeeper of its own."""
    create = create.replace("/tables/", f"/{folder.name}/")
    with clusters.debians(folder / "replicas", 2, keeper, **options) as started:
        for server in started:
            server.query(create)
        yield started


@pytest.fixture
def replicas(tmp_path, keeper):
    with two_replicas(tmp_path, keeper) as started:
        yield started


def wait_until(holds):
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def wait_for(server, rows, table="events"):
    wait_until(lambda: server.query(f"SELECT count() FROM {table}") == str(rows))


def test_a_named_replica_is_a_merge_tree_like_any_other(any_cold, hot, replicas, duckdb):
    one, two = replicas
    insert(one, "events", 0, 200)
    wait_for(two, 200)
    first = offload(two, hot, "events", 200)
    assert first["rows"] == 200 and first["notes"] == []
    insert(two, "events", 200, 100)
    insert(one, "events", 150, 10, note="'late'")  # behind the watermark, of other content
    wait_for(two, 310)
    result = offload(two, hot, "events", 300)
    assert result["rows"] == 100 and result["late"]["rows"] == 10, result
    again = offload(two, hot, "events", 300)
    assert again["rows"] == 0 and again["late"]["buckets"] == 0, "all parts have been seen"
    # Replicas number their blocks alike: the other one has nothing new.
    wait_for(one, 310)
    elsewhere = offload(one, hot, "events", 300)
    assert elsewhere["rows"] == 0 and elsewhere["late"]["buckets"] == 0
    assert cold_rows(duckdb, hot, "events") == sorted([*range(300), *range(150, 160)])
    assert verify(one, hot, "events")["equal"] is True


def test_a_replica_that_lags(any_cold, hot, replicas, duckdb):
    """Rows that come to it after their window was read there are late rows, found by the parts that bring them."""
    one, two = replicas
    insert(one, "events", 0, 100)
    wait_for(two, 100)
    two.query("SYSTEM STOP FETCHES events")
    insert(one, "events", 100, 50)
    insert(two, "events", 150, 50)  # its own insert; what is before it is still missing here
    assert offload(two, hot, "events", 200)["rows"] == 150
    assert cold_rows(duckdb, hot, "events") == [*range(100), *range(150, 200)]
    two.query("SYSTEM START FETCHES events")
    insert(one, "events", 200, 1)  # or it would sleep for ten seconds
    wait_for(two, 201)
    result = offload(two, hot, "events", 200)
    assert result["rows"] == 0 and result["late"]["rows"] == 50
    assert cold_rows(duckdb, hot, "events") == list(range(200))
    assert verify(two, hot, "events")["equal"] is True


def test_from_a_replica_that_lags_to_one_that_does_not(cold, hot, replicas, duckdb):
    one, two = replicas
    insert(one, "events", 0, 100)
    wait_for(two, 100)
    two.query("SYSTEM STOP FETCHES events")
    insert(one, "events", 100, 50)
    insert(two, "events", 150, 50)
    wait_for(one, 200)
    assert offload(two, hot, "events", 200)["rows"] == 150
    result = offload(one, hot, "events", 200)
    assert result["rows"] == 0 and result["late"]["rows"] == 50, "its parts hold blocks that were never seen"
    # The lagging one has merged nothing away: what it still lacks was seen on the other.
    assert offload(two, hot, "events", 200)["late"]["rows"] == 0
    assert cold_rows(duckdb, hot, "events") == list(range(200))


def test_versions_on_a_replica(any_cold, hot, tmp_path, keeper, duckdb):
    create = ("CREATE TABLE quotes (ts DateTime, n UInt64, version UInt8) ENGINE = ReplicatedReplacingMergeTree('/tables/quotes', '{replica}', version) "
              "PARTITION BY toYYYYMMDD(ts) ORDER BY (n, ts)")
    with two_replicas(tmp_path, keeper, create) as (one, two):
        insert(one, "quotes", 0, 100, note=1)
        wait_for(two, 100, "quotes")
        assert offload(two, hot, "quotes", 100)["rows"] == 100
        insert(one, "quotes", 40, 10, note=2)
        wait_for(two, 110, "quotes")
        changed = offload(two, hot, "quotes", 100)["late"]
        assert changed["rows"] == changed["rows_removed"] == 10
        versions = duckdb.query(f"SELECT version, count(*) AS rows FROM {duckdb.source(any_cold.table('quotes'))} GROUP BY 1 ORDER BY 1").to_pylist()
        assert [tuple(row.values()) for row in versions] == [(1, 90), (2, 10)]


def test_a_stale_replica_is_not_read_through_distributed(cold, hot, tmp_path, keeper, duckdb):
    """One shard of two replicas: the query goes to the one that is up to date, or fails."""
    with two_replicas(tmp_path, keeper) as (one, two):
        two.query("CREATE TABLE everywhere AS events ENGINE = Distributed(replicas, default, events)")
        insert(one, "events", 0, 100)
        wait_for(two, 100)
        two.query("SYSTEM STOP FETCHES events")
        insert(one, "events", 100, 100)
        wait_until(lambda: int(two.query("SELECT absolute_delay FROM system.replicas")) >= 2)
        delay = ["--setting", "max_replica_delay_for_distributed_queries=1"]
        assert two.query("SELECT count() FROM events") == "100", "it does not know of them"
        assert offload(two, hot, "everywhere", 120, *delay)["rows"] == 120
        before = untouched(hot, "everywhere")
        one.kill()
        outcome = offload(two, hot, "everywhere", 200, *delay, code=program.FAILED)
        assert "369" in outcome.err and "lags behind" in outcome.err, outcome
        assert untouched(hot, "everywhere") == before and cold_rows(duckdb, hot, "everywhere") == list(range(120))


def test_retire_on_18_16_says_what_it_lacks(cold, hot, replicas):
    insert(replicas[0], "events", 0, 100)
    offload(replicas[0], hot, "events", 100)
    error = retire(replicas[0], hot, "events", code=program.USAGE)["error"]
    assert error["kind"] == "unsupported" and "18.16" in error["message"] and "DROP PART" in error["message"]
    assert replicas[0].query("SELECT count() FROM events") == "100"


# --- the current engine ---------------------------------------------------------------------------------------------------


HERE = ("<clickhouse><tcp_port>9000</tcp_port><remote_servers><here><shard><replica><host>127.0.0.1</host><port>9000</port></replica></shard></here>"
        "</remote_servers></clickhouse>")


def test_the_current_engine_reads_through_distributed(any_cold, hot, http_server, duckdb):
    """Over one shard, which is itself."""
    (any_cold.folder / "engine.xml").write_text(HERE)
    create_trades(hot, engine="ReplacingMergeTree PARTITION BY toDate(ts) ORDER BY (symbol, sequence, ts)")
    for _ in range(2):
        insert_trades(hot, 0, ROWS)
    with http_server(hot, options=["--config", str(any_cold.folder / "engine.xml")]) as server:
        server.query("CREATE TABLE everywhere AS trades ENGINE = Distributed(here, default, trades, cityHash64(symbol))")
        result = offload_trades_through(server, hot, 200)
        assert result["rows"] == 200 and any("late are not looked for" in note for note in result["notes"])
        assert not any("sharded" in note or "not known here" in note for note in result["notes"])
        assert offload_trades_through(server, hot, ROWS)["rows"] == ROWS - 200
        assert verify(server, hot, "everywhere")["equal"] is True
        assert retire(server, hot, "everywhere", code=program.USAGE)["error"]["kind"] == "unsupported"
    rows = duckdb.query(f"SELECT count(*) AS n, count(DISTINCT sequence) AS d FROM {duckdb.source(any_cold.table('everywhere'))}").to_pylist()
    assert rows == [{"n": ROWS, "d": ROWS}]


def offload_trades_through(server, hot, count):
    return hot.offload("everywhere", "--until", trades.through(count), source=server.url)


def test_parts_that_may_not_be_read(cold, hot, http_server, duckdb):
    create_trades(hot)
    insert_trades(hot, 0, ROWS)
    refusal = dict(kind="exception_first", times=1000, code=497, match="system\\.parts",
                   text="Code: 497. DB::Exception: app: Not enough privileges. To execute this query, it's necessary to have the grant "
                        "SELECT(partition_id) ON system.parts. (ACCESS_DENIED)")
    with http_server(hot) as server:
        server.fault(**refusal)
        notes = offload_trades(hot, ROWS, source=server.url)["notes"]
        assert any("cannot be looked for" in note and "system.parts" in note for note in notes), notes
        error = program.run("retire", "--source", server.url, "--source-table", "trades", "--target-table", "cold.trades", "--timestamp-col", "ts",
                            *cold.arguments, "--json", "--older-than", "1d", code=program.USAGE).json["error"]
        assert "system.parts" in error["message"] and "Grant" in error["remedy"]
        server.clear()
        late = offload_trades(hot, ROWS, source=server.url)
        assert late["late"]["rows"] == 0 and late["notes"] == []
    table = cold.table("trades")
    assert duckdb.query(f"SELECT count(*) AS n FROM {duckdb.source(table)}").to_pylist() == [{"n": ROWS}]
