"""Commands for single tables that take them from a configuration: `calve retire`, `view` and `restore` with --config."""

from . import program
from .configuration import Configuration
from .test_view import ABOVE_ALL

ROWS = 600  # one a minute, ten hours
HOURLY = "MergeTree PARTITION BY toStartOfHour(ts) ORDER BY ts"
T0 = "toDateTime64('2024-08-09 00:00:00', 3, 'UTC')"


def make(hot, *tables):
    for table in tables:
        hot.execute(f"CREATE TABLE {table} (ts DateTime64(3, 'UTC'), n UInt32, debug String) ENGINE = {HOURLY}",
                    f"INSERT INTO {table} SELECT {T0} + INTERVAL number MINUTE, number, 'x' FROM numbers({ROWS})")


def count(hot, table):
    return int(hot.value(f"SELECT count() FROM {table}"))


def configured(hot, **more):
    """Two tables as offload alone could not guess them: a column renamed, one left out, one computed."""
    columns = {"n": {"rename": "number"}, "debug": {"exclude": True}, "twice": {"expr": "n * 2"}}
    config = Configuration(hot).write({"source": "a", "columns": columns, **more}, {"source": "b", "key": ["n"]})
    program.run("run", "--config", config.file, cwd=ABOVE_ALL)
    return config


def test_retire(any_cold, hot):
    make(hot, "a", "b")
    config = configured(hot)
    retire = ["retire", "--config", config.file, "--before", "2024-08-09T03:00:00Z", "--json"]
    told = program.run(*retire, "--dry-run").json
    assert [(table["name"], table["parts"], table["rows"]) for table in told["tables"]] == [("a", 3, 180), ("b", 3, 180)]
    assert count(hot, "a") == ROWS
    told = program.run(*retire, "--table", "a").json
    assert [(table["name"], table["rows"]) for table in told["tables"]] == [("a", 180)]
    assert (count(hot, "a"), count(hot, "b")) == (ROWS - 180, ROWS)
    # What differs in one keeps its parts, and does not stop the other.
    hot.execute("ALTER TABLE b UPDATE debug = 'y' WHERE n = 70 SETTINGS mutations_sync = 1")
    told = program.run(*retire, code=program.DIFFERENCE).json
    assert [table["rows"] for table in told["tables"]] == [0, 120] and told["tables"][1]["differences"][0]["bucket"] == "2024-08-09T01:00:00.000000Z"
    assert count(hot, "b") == ROWS - 120


def test_retire_takes_no_table_of_which_cold_has_a_part(cold, hot):
    make(hot, "a", "b")
    config = configured(hot, where="n % 2 = 0")
    told = program.run("retire", "--config", config.file, "--before", "2024-08-09T03:00:00Z", "--json", code=program.PARTLY).json
    assert "condition (where)" in told["tables"][0]["error"]["message"] and told["tables"][1]["rows"] == 180
    assert count(hot, "a") == ROWS


def test_view(any_cold, hot):
    make(hot, "a", "b")
    config = configured(hot, view="a_whole")
    told = program.run("view", "--config", config.file, "--create", "--json", cwd=ABOVE_ALL).json
    assert [view["view"] for view in told["views"]] == ["default.a_whole", "default.b_all"]
    assert count(hot, "b_all") == count(hot, "a_whole") == ROWS
    printed = program.run("view", "--config", config.file, "--table", "b", cwd=ABOVE_ALL).out
    assert printed.startswith("CREATE OR REPLACE VIEW `default`.`b_all`") and printed.rstrip().endswith(";")
    refused = program.run("view", "--config", config.file, "--name", "x", code=program.USAGE)
    assert "several tables are chosen" in refused.err


def test_restore(any_cold, hot):
    make(hot, "a", "b")
    config = configured(hot)
    restore = ["restore", "--config", config.file, "--from", "2024-08-09T01:00:00Z", "--to", "2024-08-09T02:00:00Z", "--json"]
    told = program.run(*restore, "--table", "b", "--into", "back", "--create").json
    assert told["rows"]["inserted"] == 60
    assert hot.rows("SELECT * FROM back ORDER BY n") == hot.rows("SELECT * FROM b WHERE n >= 60 AND n < 120 ORDER BY n")
    # By the key that the configuration gives: what is there with other values is left alone.
    hot.execute("ALTER TABLE back UPDATE debug = 'y' WHERE n = 70 SETTINGS mutations_sync = 1")
    told = program.run(*restore, "--table", "b", "--into", "back").json
    assert (told["rows"]["inserted"], told["rows"]["changed"]) == (0, 1)
    assert "--table NAME" in program.run(*restore, "--into", "back", code=program.USAGE).err


def test_either_the_configuration_or_the_options(cold, hot):
    make(hot, "a", "b")
    config = configured(hot)
    more = {"retire": ["--older-than", "1d"], "view": [], "restore": ["--all", "--into", "x"]}
    for command, needed in more.items():
        said = program.run(command, "--config", config.file, "--target-table", "cold.a", *needed, code=program.USAGE).err
        assert "--target-table is given as well" in said, said
        assert "is missing" in program.run(command, *needed, code=program.USAGE).err
        said = program.run(command, "--table", "a", *needed, "--source", hot.url, "--source-table", "a", "--target-table", "cold.a",
                           "--timestamp-col", "ts", *cold.arguments, code=program.USAGE).err if command != "restore" else "--config is missing"
        assert "--config is missing" in said, said
