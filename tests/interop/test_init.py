"""calve init: the configuration that it writes for real databases, and that calve can work by it."""

import json
import os
import stat

import jsonschema
import pytest
import yaml
from reference_platform import BRONZE, GOLD, SILVER, TABLES, Platform

from . import program, servers
from .test_config import EXAMPLE, SCHEMA, CoreSchema

ODD = "it's a `table`: $5 #1"
TYPES = """
CREATE TABLE types (`the time` DateTime64(9, 'UTC'), sent DateTime64(7, 'UTC'), day Date, `ünï: ${HOME}` UInt64, note IntervalDay, pairs Array(DateTime64(9, 'UTC')),
    states Array(AggregateFunction(sum, UInt8)), venue LowCardinality(String), many UInt32, id UUID DEFAULT generateUUIDv4(), text String MATERIALIZED toString(many))
ENGINE = MergeTree PARTITION BY (venue, many % 100, toYYYYMM(`the time`)) ORDER BY (venue, `the time`, `ünï: ${HOME}`)
TTL toDateTime(`the time`) + INTERVAL 12 HOUR DELETE WHERE many = 1000000 COMMENT 'odd
types'"""
TYPES_ROWS = """
INSERT INTO types (`the time`, sent, day, `ünï: ${HOME}`, note, pairs, states, venue, many)
SELECT toDateTime64('2024-08-09 00:00:00.123456789', 9, 'UTC') + number * 600 AS time, toDateTime64('2024-08-09 00:00:00.1234567', 7, 'UTC') - number, '2024-08-09', number,
    toIntervalDay(number), [time], [], ['a', 'b'][number % 2 + 1], number FROM numbers(300)"""


@pytest.fixture
def init(cold, tmp_path):
    """Runs `calve init` in a folder of its own."""
    folder = tmp_path / "configuration"
    folder.mkdir()

    def run(source, *arguments, code=program.DONE, **options):
        return program.run("init", "--source", source, *cold.arguments, *arguments, code=code, cwd=folder, **options)

    run.folder = folder
    run.file = folder / "calve.yaml"
    return run


def resolved(path):
    """What the file says, with everything that follows from it; by table."""
    program.run("config", path, "--check")
    jsonschema.Draft202012Validator(SCHEMA).validate(yaml.load(path.read_text(), CoreSchema))
    config = json.loads(program.run("config", path, "--json").out.replace("$$", "$"))["config"]  # "$$" is how a file has a dollar
    return config, {table["name"]: table for table in config["tables"]}


def test_the_platform_is_configured_as_by_hand(init, hot, http_server):
    Platform(hot.execute).build(5000)
    Platform(hot.execute).play(0, 4)
    told = init(hot.url, "--json").json
    assert told["file"] == "calve.yaml" and len(told["tables"]) == 9
    assert {left["table"] for left in told["left_out"]} == {"silver_from_binance", "silver_from_kraken", *(f"{table.name}_from_silver" for table in GOLD)}
    config, proposed = resolved(init.file)
    _, by_hand = resolved(EXAMPLE)
    assert set(proposed) == set(by_hand) == {table.name for table in TABLES}
    assert config["source"]["url"] == hot.url
    for name, table in by_hand.items():
        for key in ("source", "layer", "after", "partition_by", "mode", "buffer", "lookback"):
            assert proposed[name].get(key) == table.get(key), f"{name}.{key}"
        for key in ("timestamp", "covers"):
            assert proposed[name]["cursor"].get(key) == table["cursor"].get(key), f"{name}.cursor.{key}"
    for table in BRONZE:
        assert proposed[table.name]["cursor"]["sequence"] == table.sequence and proposed[table.name]["target"] == table.target
    assert proposed[SILVER.name]["key"] == [SILVER.key]
    assert not any("key" in proposed[table.name] for table in (*BRONZE, *GOLD)), "their engines have one"
    embedded = init.file.read_text()
    with http_server(hot) as server:
        init(server.url, "--force")
        _, over_http = resolved(init.file)
        assert over_http == proposed
        assert "CALVE_SOURCE_PASSWORD" in init.file.read_text() and "CALVE_SOURCE_PASSWORD" not in embedded


def test_calve_can_work_by_it(init, hot, cold, duckdb):
    """Whatever the tables are called and made of: each that is proposed is offloaded as it says."""
    quoted = ODD.replace("`", "``")
    hot.execute(
        TYPES, TYPES_ROWS,
        f"CREATE TABLE `{quoted}` (`a \"time\"` DateTime('UTC'), `b,c` UInt8, v UInt64) ENGINE = ReplacingMergeTree(v) PARTITION BY (`b,c`, toYYYYMMDD(`a \"time\"`)) ORDER BY (`b,c`, `a \"time\"`)",
        f"INSERT INTO `{quoted}` SELECT toDateTime('2024-08-09 00:00:00', 'UTC') + number * 3600, number % 3, number FROM numbers(72)",
        "CREATE TABLE totals (at DateTime('UTC'), n SimpleAggregateFunction(sum, UInt64)) ENGINE = AggregatingMergeTree ORDER BY at",
        f"CREATE MATERIALIZED VIEW fill TO totals AS SELECT toStartOfHour(`a \"time\"`) AS at, v AS n FROM `{quoted}`",
        "INSERT INTO totals SELECT toDateTime('2024-08-09 00:00:00', 'UTC') + number * 3600, 1 FROM numbers(10)",
        "CREATE TABLE days (day Date, n UInt8) ENGINE = MergeTree ORDER BY day",
        "CREATE TABLE kept (ts DateTime) ENGINE = Memory",
        "CREATE MATERIALIZED VIEW sums (at DateTime, n UInt64) ENGINE = SummingMergeTree ORDER BY at AS SELECT at, n FROM totals",
        "CREATE VIEW plain AS SELECT * FROM totals")
    outcome = init(hot.url, "--namespace", "lake.cold", "--json")
    left = {entry["table"]: entry["reason"] for entry in outcome.json["left_out"]}
    inner = [name for name in left if name.startswith(".inner")]
    assert set(left) == {"fill", "days", "kept", "plain", "sums", *inner} and len(inner) == 1
    assert "a Date" in left["days"] and "in totals" in left["fill"] and "Memory" in left["kept"]
    _, tables = resolved(init.file)
    assert set(tables) == {"types", ODD, "totals"}
    types, totals = tables["types"], tables["totals"]
    assert totals["after"] == [ODD] and totals["target"] == "lake.cold.totals"
    assert types["cursor"] == {"timestamp": "the time", "covers": "0s"}
    assert types["partition_by"] == ["months(`the time`)", "venue"] and types["key"] == ["id"]
    assert types["columns"]["the time"] == {"type": "timestamptz"} and types["columns"]["states"] == {"exclude": True}
    assert set(types["columns"]) == {"the time", "sent", "note", "pairs", "states"}
    text = init.file.read_text()
    for words in ("CHECK THIS", "kept for 12h", "less than the lookback", "2^63-1", '"odd types"'):
        assert words in text, words

    cycle = program.run("run", "--config", init.file, "--json", "--progress", "never").json
    assert {table["name"]: table["state"] for table in cycle["tables"]} == dict.fromkeys(tables, "done"), cycle
    assert cycle["rows"] == 300 + 72 + 10, cycle
    offloaded = duckdb.query(f"SELECT count(*) AS n, count(DISTINCT sent) AS sent, min(sent) AS first FROM {duckdb.source(cold.table('types', 'lake/cold'))}").to_pylist()
    assert offloaded == [{"n": 300, "sent": 300, "first": 1723161600123456700 - 299 * 10**9}], "nanoseconds are kept"


def test_another_database(init, hot):
    hot.execute("CREATE DATABASE `other db`", "CREATE TABLE `other db`.t (ts DateTime, n UInt8) ENGINE = MergeTree ORDER BY ts", "CREATE DATABASE hollow",
                "CREATE DATABASE views", "CREATE VIEW views.v AS SELECT 1 AS a")
    init(hot.url, "--database", "other db")
    _, tables = resolved(init.file)
    assert tables["t"]["source"] == "`other db`.t" and tables["t"]["target"] == "cold.t"
    init.file.unlink()
    for database, words in (("othr db", ("Did you mean other db?", "default", "hollow")), ("hollow", ("database hollow has no table",)),
                            ("views", ("no table of database views can be offloaded", "v: View"))):
        outcome = init(hot.url, "--database", database, "--json", code=program.USAGE)
        for word in words:
            assert word in outcome.err, outcome
        assert outcome.json["exit_code"] == program.USAGE and outcome.json["error"]["message"]
        assert os.listdir(init.folder) == [], "nothing is left behind"


def test_nothing_is_overwritten_unasked(init, hot):
    hot.execute("CREATE TABLE t (ts DateTime, n UInt8) ENGINE = MergeTree ORDER BY ts")
    init.file.write_text("mine")
    outcome = init(hot.url, code=program.USAGE)
    assert "calve.yaml is there already" in outcome.err and "--force" in outcome.err
    assert init.file.read_text() == "mine"
    # A link stays one: what it names is replaced.
    link = init.folder / "link.yaml"
    link.symlink_to("calve.yaml")
    init(hot.url, "--output", "link.yaml", "--force")
    assert link.is_symlink() and "cold.t" in init.file.read_text()
    assert stat.S_ISREG(init.file.stat().st_mode) and sorted(os.listdir(init.folder)) == ["calve.yaml", "link.yaml"]
    init(hot.url, "--output", "/dev/null", "--force", code=program.USAGE)
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
    init(hot.url, "--output", "-", "--json", code=program.USAGE)
    printed = init(hot.url, "--output", "-").out
    assert printed == init.file.read_text()
    init(hot.url, "--output", "new/folder.yaml")
    resolved(init.folder / "new" / "folder.yaml")


def test_how_the_source_is_reached(init, hot, http_server, tmp_path):
    hot.execute("CREATE TABLE t (ts DateTime, n UInt8) ENGINE = MergeTree ORDER BY ts")
    secret = init.folder / "secret.txt"
    secret.write_text("sesame\n")
    with http_server(hot, user="app", password="sesame") as server:
        init(server.url, "--source-password-file", "secret.txt", "--idle-timeout", "1m", "--setting", "max_threads=2", "--output", "sub/calve.yaml")
        config, _ = resolved(init.folder / "sub" / "calve.yaml")
        assert config["source"]["password_file"] == str(secret) and config["source"]["idle_timeout"] == "1m"
        assert config["source"]["settings"] == {"max_threads": "2"} and config["source"]["url"] == server.url
        init(server.url, env={"CALVE_SOURCE_PASSWORD": "sesame"})
        assert "sesame" not in init.file.read_text() and "# password_file:" in init.file.read_text()
        refused = init(server.url, "--force", code=None, env={"CALVE_SOURCE_PASSWORD": "open"})
        assert refused.code in (program.FAILED, program.USAGE) and "open" not in refused.err
        with_password = init(server.url.replace("app@", "app:sesame@"), "--force", code=program.USAGE)
        assert "sesame" not in with_password.err


def test_debians_server(init, tmp_path):
    with servers.debians(tmp_path / "server") as server:
        server.query("CREATE TABLE trades (venue String, ts DateTime, sequence UInt64) ENGINE = MergeTree PARTITION BY (venue, toYYYYMM(ts)) ORDER BY (venue, ts, sequence)")
        server.query("INSERT INTO trades SELECT ['a', 'b'][number % 2 + 1], toDateTime('2018-12-01 00:00:00') + number, number FROM numbers(1000)")
        server.query("CREATE TABLE hours (hour DateTime, n UInt64) ENGINE = SummingMergeTree PARTITION BY toYYYYMM(hour) ORDER BY hour")
        server.query("CREATE MATERIALIZED VIEW fill TO hours AS SELECT toStartOfHour(ts) AS hour, count() AS n FROM trades GROUP BY hour")
        init(server.url)
    _, tables = resolved(init.file)
    assert tables["trades"]["cursor"] == {"timestamp": "ts", "sequence": "sequence", "covers": "0s"}
    assert tables["trades"]["partition_by"] == ["months(ts)", "venue"] and tables["hours"]["after"] == ["trades"]


def test_help_teaches():
    text = program.run("init", "--help").out
    for word in ("--database", "--namespace", "--output", "--force", "--source", "--warehouse", "Examples", "Exit codes"):
        assert word in text
