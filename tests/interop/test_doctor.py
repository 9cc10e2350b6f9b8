"""calve doctor: what a cycle needs, and how to mend what is missing."""

import os

import pytest

from . import program
from .configuration import Configuration
from .trades import create_trades, insert_trades


def doctor(configuration, *arguments, code=program.DONE, **options):
    """{about: [finding, …]}, and all of the object under None."""
    told = program.run("doctor", "--config", configuration.file, "--json", *arguments, code=code, **options).json
    findings = {None: told}
    for finding in told["findings"]:
        findings.setdefault(finding["about"], []).append(finding)
    return findings


def levels(findings):
    return [finding["level"] for finding in findings]


@pytest.fixture
def configuration(any_cold, hot):
    create_trades(hot)
    insert_trades(hot, 0, 5000)
    return Configuration(hot)


def test_all_is_well(configuration, hot):
    configuration.write("trades")
    before = sorted(configuration.cold.folder.rglob("*"))
    told = doctor(configuration)
    assert told[None]["errors"] == told[None]["warnings"] == 0, told
    assert set(told) == {None, "source", "warehouse", "catalog", "journal", "schedule", "table trades"}
    assert "5000 rows to offload" in told["table trades"][0]["message"]
    assert "none yet" in told["journal"][0]["message"]
    # An SQL catalog's file is made when it is first opened; nothing else is left behind.
    left = {path for path in configuration.cold.folder.rglob("*")} - set(before)
    assert not [path for path in left if "calve-doctor" in path.name or path.suffix in (".parquet", ".avro", ".json")], left
    configuration.run()
    told = doctor(configuration)
    assert "can be read" in told["journal"][0]["message"]
    assert told[None]["errors"] == 0


def test_as_text(configuration):
    configuration.write("trades", "missing")
    outcome = program.run("doctor", "--config", configuration.file, code=program.FAILED)
    lines = outcome.out.splitlines()
    assert any(line.startswith("ok       table trades: ") for line in lines)
    assert any(line.startswith("error    table missing: ") for line in lines)
    assert lines[-1] == "calve doctor: to be mended before a cycle works (1 error, 0 warnings)"
    quiet = program.run("doctor", "--config", configuration.file, "-q", code=program.FAILED)
    assert quiet.out.startswith("error    table missing: ") and "ok " not in quiet.out
    assert program.run("doctor", "--config", configuration.file, "--table", "trades").out.endswith("(0 errors, 0 warnings)\n")


def test_each_table_stands_for_itself(configuration, hot):
    hot.execute("CREATE TABLE untimed (ts String, n UInt8) ENGINE = MergeTree ORDER BY n",
                "CREATE TABLE early (ts Nullable(DateTime), n UInt8) ENGINE = MergeTree ORDER BY n",
                "INSERT INTO early VALUES (NULL, 1), ('2024-08-09 00:00:00', 2)")
    configuration.write("trades", "untimed", "early", "gone")
    told = doctor(configuration, code=program.FAILED)
    assert levels(told["table trades"]) == ["ok"]
    assert levels(told["table untimed"]) == ["error"] and "ts" in told["table untimed"][0]["message"]
    assert levels(told["table early"]) == ["ok", "warning"] and "NULL" in told["table early"][1]["message"]
    assert levels(told["table gone"]) == ["error"] and told["table gone"][0]["remedy"]
    assert told[None]["errors"] == 2 and told[None]["warnings"] == 1


def test_a_table_that_fell_behind(configuration):
    configuration.write("trades")
    configuration.run("--until", "2024-08-09T00:10:00Z")
    told = doctor(configuration)
    assert levels(told["table trades"]) == ["ok", "warning"]
    assert "behind the server's clock" in told["table trades"][1]["message"] and "calve status" in told["table trades"][1]["remedy"]


def test_clickhouse_does_not_answer(configuration):
    configuration.write("trades", source={"url": "http://default@127.0.0.1:9/default", "connect_timeout": "1s"})
    told = doctor(configuration, code=program.FAILED)
    assert levels(told["source"]) == ["error"] and levels(told["warehouse"]) == ["ok"]
    assert "table trades" not in told


def test_a_warehouse_that_cannot_be_written(configuration):
    # A file where the folder should be: also root cannot write below it.
    blocked = configuration.cold.folder / "blocked"
    blocked.write_text("")
    configuration.write("trades", catalog={"warehouse": f"file://{blocked}/cold"})
    told = doctor(configuration, code=program.FAILED)
    found = told.get("warehouse") or told["target"]
    assert levels(found) == ["error"] and str(blocked) in found[0]["message"]


def test_a_configuration_that_is_wrong(configuration):
    configuration.write("trades", schedule={"evry": "15m"})
    outcome = program.run("doctor", "--config", configuration.file, code=program.USAGE)
    assert "evry" in outcome.err and "every" in outcome.err
    outcome = program.run("doctor", "--config", configuration.file.parent / "none.yaml", "--json", code=program.USAGE)
    assert outcome.json["exit_code"] == 2 and outcome.json["error"]["kind"] == "config"


def test_a_journal_that_cannot_be_read_is_a_warning(configuration):
    configuration.write("trades")
    configuration.run()
    journal = configuration.cold.state.removeprefix("sqlite:///")
    for suffix in ("-wal", "-shm"):
        if os.path.exists(journal + suffix):
            os.remove(journal + suffix)
    with open(journal, "wb") as file:
        file.write(b"no database" * 1000)
    code = program.run("doctor", "--config", configuration.file, "--json", code=None)
    findings = [finding for finding in code.json["findings"] if finding["about"] in ("journal", "target")]
    assert findings[0]["level"] != "ok" and journal in findings[0]["message"] and findings[0]["remedy"]


def test_a_server_that_tells_how_busy_it_is(configuration, hot, http_server):
    with http_server(hot) as server:
        configuration.write("trades", source={"url": server.url}, limits={"pause_when": {"running_queries": 100}})
        told = doctor(configuration)
    assert levels(told["source"]) == ["ok", "ok"], "asked, answered, and nothing speaks against a cycle"


# --- what ClickHouse takes away -------------------------------------------------------------------------------------------


def ttl_table(name, ttl, column="", engine="MergeTree"):
    return f"CREATE TABLE {name} (ts DateTime('UTC'), n UInt64{column}) ENGINE = {engine} PARTITION BY toDate(ts) ORDER BY n TTL {ttl}"


def test_ttls_that_leave_too_little_time(cold, hot):
    """Cycles every 15 minutes, a buffer of none, a look-back of two days."""
    hot.execute(ttl_table("kept", "ts + INTERVAL 7 DAY"), ttl_table("moved", "ts + INTERVAL 9 DAY, ts + INTERVAL 1 DAY RECOMPRESS CODEC(ZSTD(3))"),
                ttl_table("lost", "ts + INTERVAL 10 MINUTE"), ttl_table("late", "ts + toIntervalDay(1)"),
                ttl_table("rounded", "toDate(ts) + INTERVAL 1 DAY"), ttl_table("rolled", "ts + INTERVAL 1 HOUR GROUP BY n SET ts = max(ts)"),
                ttl_table("emptied", "ts + INTERVAL 7 DAY", ", note String TTL ts + INTERVAL 5 MINUTE"),
                ttl_table("untold", "ts + n"))
    configuration = Configuration(hot)
    names = ["kept", "moved", "lost", "late", "rounded", "rolled", "emptied", "untold"]
    configuration.write(*names, defaults={"lookback": "2d"})
    told = doctor(configuration)
    found = {name: [f for f in told[f"table {name}"] if "TTL" in f["message"]] for name in names}
    assert found["kept"] == found["moved"] == []
    words = {"lost": "as early as 10m after ts, where a row is offloaded up to 15m after its time: rows can be lost",
             "late": "rows that come later than 23h 45m after their time can be gone before they are found, where the look-back is 2d",
             "rounded": "as early as 0s after ts", "rolled": "rows are rolled up by the TTL ts + toIntervalHour(1)",
             "emptied": "column note is emptied by its TTL ts + toIntervalMinute(5)", "untold": "does not tell how long they stay"}
    for name, text in words.items():
        assert levels(found[name]) == ["warning"] and text in found[name][0]["message"] and found[name][0]["remedy"], found[name]
    # Who does not look for late rows needs them for a quarter of an hour only.
    configuration.write(*names, defaults={"lookback": "0s"})
    told = doctor(configuration)
    assert {name for name in names if [f for f in told[f"table {name}"] if "TTL" in f["message"]]} == {"lost", "rounded", "emptied", "untold"}


def test_rights_of_the_embedded_engine(configuration):
    """Its user may do everything but change the rights of others."""
    configuration.write({"source": "trades", "view": "trades_all"})
    told = doctor(configuration, "--retire")
    assert levels(told["table trades"]) == ["ok"]
