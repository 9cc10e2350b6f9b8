"""What calve may and may not do in ClickHouse: grants, read-only users, limits, quotas, row policies.

The engine behind HTTP has real grants (the rights of its users are those of roles in a users_config); Debian's server has profiles,
quotas and filters.
"""

import contextlib
import pathlib
import re
import time

import pytest

from . import program, servers
from .configuration import Configuration
from .test_view import ABOVE_ALL
from .trades import create_trades, insert_trades, through

PAGE = program.ROOT / "docs" / "clickhouse-rights.md"
ROWS = 400


# --- the page's grants ----------------------------------------------------------------------------------------------------


def grants_of(section):
    """Of the page's block under the paragraph that begins with **section, as users.xml takes them."""
    block = re.search(rf"^\*\*{re.escape(section)}[^\n]*\n```sql\n(.*?)```", PAGE.read_text(), re.S | re.M)
    assert block, f"{PAGE.name} has no grants for {section}"
    return re.findall(r"^GRANT (.*) TO calve;$", block[1], re.M)


READ = grants_of("offload, run, serve, verify**")
LATE = grants_of("offload, run, serve**, so that")
LOAD = grants_of("run, serve** with")
VIEW = READ + grants_of("view --create")
RETIRE = READ + grants_of("retire**")
RESTORE = grants_of("restore**")
# This test server writes what is inserted into a file first.
AS_A_SERVER_WOULD = ["READ ON FILE", "CREATE TEMPORARY TABLE ON *.*"]

USERS = """<clickhouse><profiles><default>{profile}</default></profiles>
<roles>{roles}</roles>
<users><default><password></password><networks><ip>::/0</ip></networks><profile>default</profile><quota>default</quota>{more}
<grants>{granted}</grants></default></users>
<quotas><default><interval><duration>3600</duration>{quota}</interval></default></quotas></clickhouse>"""


@contextlib.contextmanager
def with_rights(hot, http_server, roles, profile="", more="", quota=""):
    """The server; each of `roles` ({user: grants}) is a user with these rights and no others."""
    folder = pathlib.Path(hot.directory).parent
    listed = "".join(f"<{name}><grants>{''.join(f'<query>GRANT {grant}</query>' for grant in grants)}</grants></{name}>"
                     for name, grants in roles.items())
    granted = "".join(f"<query>GRANT {name}</query>" for name in roles)
    granted += "<query>GRANT SHOW DATABASES ON default.*</query>"  # the engine begins there
    (folder / "users.xml").write_text(USERS.format(roles=listed, granted=granted, profile=profile, more=more, quota=quota))
    (folder / "engine.xml").write_text(f"<clickhouse><users_config>{folder}/users.xml</users_config></clickhouse>")
    with http_server(hot, options=["--config", str(folder / "engine.xml"), "--roles"], cwd=ABOVE_ALL) as server:
        yield server


def url(server, user):
    return f"http://{user}@127.0.0.1:{server.port}/k2"


@pytest.fixture
def k2(hot, cold):
    """Trades in a database of their own, and a table for what is restored."""
    hot.execute("CREATE DATABASE k2 ENGINE = Atomic", "CREATE DATABASE archive ENGINE = Atomic")
    create_trades(hot, "k2.trades", "MergeTree PARTITION BY toDate(ts) ORDER BY ts")
    insert_trades(hot, 0, ROWS, "k2.trades")
    hot.execute("CREATE TABLE k2.restored AS k2.trades")
    return hot


def run(command, hot, server, user, *more, code=program.DONE):
    table = ["--target-table", "cold.trades"] + ([] if command == "restore" else ["--source-table", "trades"])
    return program.run(command, "--source", url(server, user), *table, "--timestamp-col", "ts", *hot.cold.arguments, *more, code=code, cwd=ABOVE_ALL)


def offload(hot, server, user, *more, **options):
    return run("offload", hot, server, user, "--json", *more, **options)


COMMANDS = {
    "offload": (READ, lambda *a, **o: offload(*a, "--until", through(ROWS), **o)),
    "verify": (READ, lambda *a, **o: run("verify", *a, "--json", **o)),
    "view": (VIEW, lambda *a, **o: run("view", *a, "--create", "--name", "archive.trades_all", **o)),
    "retire": (RETIRE, lambda *a, **o: run("retire", *a, "--older-than", "1d", "--json", **o)),
    "restore": (RESTORE + AS_A_SERVER_WOULD, lambda *a, **o: run("restore", *a, "--from", "2024-08-09", "--to", "2024-08-10", "--into", "restored", "--json", **o)),
}
# What the embedded engine lets everybody read, whatever is granted, as servers without select_from_system_db_requires_grant do.
OPEN = re.compile(r"SELECT ON system\.|READ ON FILE$(?<=restore)")


def without_each(name, grants):
    """{user: (the grant that is missing, the others)}"""
    missing = {}
    for i, grant in enumerate(grants):
        if OPEN.match(grant) or grant in AS_A_SERVER_WOULD and name == "restore":
            continue
        # Of a list of privileges each by itself.
        privileges, place = re.fullmatch(r"(.*) ON (.*)", grant).groups()
        each = [p.strip() for p in privileges.split(",")]
        for j, privilege in enumerate(each):
            rest = [f"{', '.join(each[:j] + each[j + 1:])} ON {place}"] if len(each) > 1 else []
            missing[f"{name}_{i}_{j}"] = (privilege, grants[:i] + rest + grants[i + 1:])
    return missing


def test_every_command_works_with_the_grants_of_the_page_and_fails_without_one_of_them(k2, cold, http_server, duckdb):
    missing = {name: without_each(name, grants) for name, (grants, _) in COMMANDS.items()}
    roles = {name: grants or ["SELECT ON k2.nothing"] for name, (grants, _) in COMMANDS.items()}
    for lacking in missing.values():
        roles.update({user: grants or ["SELECT ON k2.nothing"] for user, (_, grants) in lacking.items()})
    with with_rights(k2, http_server, roles) as server:
        for name, (_, command) in COMMANDS.items():
            for user, (privilege, _) in missing[name].items():
                outcome = command(k2, server, user, code=None)
                assert outcome.code in (program.FAILED, program.USAGE), (name, privilege, outcome)
                said = outcome.err + outcome.out
                # Without any right on a table, or in a database, not even its columns, or the database, may be looked at.
                hidden = privilege == "SELECT" and re.search(r"SHOW (COLUMNS|DATABASES) ON k2\.", said)
                # Who may create tables may create views.
                assert privilege in said or privilege.replace(" TABLE", " VIEW") in said or hidden, (name, privilege, outcome)
                assert "clickhouse-rights.md" in said, (name, privilege, outcome)
            outcome = command(k2, server, name)
            if name == "retire":
                assert outcome.json["rows"] == ROWS and server.query("SELECT count() FROM k2.trades") == "0"
            elif name == "restore":
                assert outcome.json["rows"]["inserted"] == ROWS and server.query("SELECT count() FROM k2.restored") == str(ROWS)
            elif name == "offload":
                assert outcome.json["rows"] == ROWS and outcome.json["notes"] == []
    assert duckdb.query(f"SELECT count(*) AS n FROM {duckdb.source(cold.table('trades'))}").to_pylist() == [{"n": ROWS}]
    assert sorted(name for name, grants in missing.items() if grants) == sorted(COMMANDS), "of each command something can be missing"


def doctor(configuration, server, user, *more, code=program.DONE):
    configuration.content["source"] = {"url": url(server, user)}
    configuration.write({"source": "trades", "view": "archive.trades_all", "target": "cold.trades", "lookback": "2d"},
                        limits={"pause_when": {"running_queries": 100}}, defaults={"lookback": "2d"})
    told = program.run("doctor", "--config", configuration.file, "--json", *more, code=code, cwd=ABOVE_ALL).json
    return [finding for finding in told["findings"] if finding["level"] != "ok" and "behind" not in finding["message"]]


def test_doctor_names_each_right_that_is_missing(k2, cold, http_server):
    everything = list(dict.fromkeys(VIEW + RETIRE + LATE + LOAD))
    missing = without_each("doctor", everything)
    with with_rights(k2, http_server, {"all_of_it": everything, **{user: grants for user, (_, grants) in missing.items()}}) as server:
        configuration = Configuration(k2)
        assert doctor(configuration, server, "all_of_it", "--retire") == []
        for user, (privilege, _) in missing.items():
            found = doctor(configuration, server, user, "--retire", code=None)
            assert any(privilege in finding["message"] and "GRANT" in finding["remedy"].upper() for finding in found), (privilege, found)
            if privilege != "SELECT":
                assert len(found) == 1, "and nothing else"
        # Without --retire nobody asks for what it needs.
        lacks_delete = next(user for user, (privilege, _) in missing.items() if privilege == "ALTER DELETE")
        assert doctor(configuration, server, lacks_delete) == []


def test_a_user_that_sees_only_some_columns(k2, cold, http_server):
    some = ["SELECT(ts, sequence) ON k2.trades"]
    with with_rights(k2, http_server, {"some": some, "retires": some + ["ALTER DELETE ON k2.trades"]}) as server:
        assert offload(k2, server, "some", "--until", through(ROWS)).json["rows"] == ROWS
        found = doctor(Configuration(k2), server, "some")
        assert any("SELECT ON `k2`.`trades`" in f["message"] and "missing (or NULL) in cold" in f["message"] for f in found), found
        # What would be lost with the part are values that were never offloaded.
        for user in ("some", "retires"):
            error = run("retire", k2, server, user, "--older-than", "1d", "--json", code=program.USAGE).json["error"]
            assert "does not see all columns" in error["message"] or "SELECT(_part) ON k2.trades" in error["message"], error
        assert server.query("SELECT count() FROM system.parts WHERE active AND table = 'trades'") == "1"


# --- row policies ---------------------------------------------------------------------------------------------------------

EVEN = "<databases><k2><{table}><filter>sequence % 2 = 0</filter></{table}></k2></databases>"


def test_a_row_policy(k2, cold, http_server, duckdb):
    """Hidden rows are not offloaded, doctor warns, and no part that has some is dropped."""
    with with_rights(k2, http_server, {"user": RETIRE + LATE}, more=EVEN.format(table="trades")) as server:
        assert offload(k2, server, "user", "--until", through(ROWS)).json["rows"] == ROWS // 2
        configuration = Configuration(k2)
        found = doctor(configuration, server, "user")
        assert any("row policy applies" in f["message"] and "retire" in f["remedy"] for f in found), found
        assert run("verify", k2, server, "user", "--json").json["equal"] is True, "nobody misses what nobody sees"
        told = run("retire", k2, server, "user", "--older-than", "1d", "--json").json
        assert told["parts"] == 0 and told["rows"] == 0
        assert [part["reason"] for part in told["kept"]] == [f"{ROWS // 2} of its rows are hidden from this user"]
        # A part all of whose rows are seen may go.
        server.query("SELECT 1")
    k2.execute("INSERT INTO k2.trades SELECT ts - 86400, sequence * 2 + 10000, symbol, price, side FROM k2.trades")
    with with_rights(k2, http_server, {"user": RETIRE + LATE}, more=EVEN.format(table="trades")) as server:
        assert offload(k2, server, "user", "--until", through(ROWS), "--lookback", "60d").json["late"]["rows"] == ROWS
        told = run("retire", k2, server, "user", "--older-than", "1d", "--json").json
        assert told["parts"] == 1 and told["rows"] == ROWS and len(told["kept"]) == 1
    assert k2.value("SELECT count() FROM k2.trades") == str(ROWS)
    assert k2.value("SELECT countIf(sequence % 2 = 1) FROM k2.trades") == str(ROWS // 2), "the hidden rows are still there"


def test_a_row_policy_on_a_table_that_is_merged(k2, cold, http_server):
    """The hidden rows of another part may be older versions of what would go."""
    k2.execute("CREATE TABLE k2.quotes (ts DateTime64(3, 'UTC'), sequence UInt64, venue UInt8) ENGINE = ReplacingMergeTree ORDER BY (venue, ts) "
               "SETTINGS max_bytes_to_merge_at_max_space_in_pool = 1",
               "INSERT INTO k2.quotes SELECT toDateTime64('2024-08-09 00:00:00', 3, 'UTC') + number, 2 * number + 1, 1 FROM numbers(50)",
               "INSERT INTO k2.quotes SELECT toDateTime64('2024-08-09 00:00:00', 3, 'UTC') + number, 2 * number, 1 FROM numbers(50)")
    grants = [grant.replace("trades", "quotes") for grant in RETIRE + LATE]
    arguments = ["--source-table", "quotes", "--target-table", "cold.quotes", "--timestamp-col", "ts", *cold.arguments, "--json"]
    with with_rights(k2, http_server, {"user": grants}, more=EVEN.format(table="quotes")) as server:
        source = ["--source", url(server, "user")]
        assert program.run("offload", *source, *arguments).json["rows"] == 50
        told = program.run("retire", *source, *arguments, "--older-than", "1d").json
        assert told["parts"] == 0 and any("may be of the same keys" in part["reason"] for part in told["kept"]), told
    assert k2.value("SELECT count() FROM k2.quotes") == "100"


# --- read-only users ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("readonly", [1, 2])
def test_a_read_only_user_of_the_current_engine(k2, cold, http_server, readonly):
    rights = list(dict.fromkeys(VIEW + RETIRE + RESTORE + AS_A_SERVER_WOULD + LATE))
    with with_rights(k2, http_server, {"user": rights}, profile=f"<readonly>{readonly}</readonly>") as server:
        assert offload(k2, server, "user", "--until", through(ROWS)).json["rows"] == ROWS
        assert run("verify", k2, server, "user", "--json").json["equal"] is True
        setting = offload(k2, server, "user", "--setting", "max_threads=1", code=None)
        assert setting.code == (program.USAGE if readonly == 1 else program.DONE)
        for command in ("view", "retire", "restore"):
            outcome = COMMANDS[command][1](k2, server, "user", code=program.USAGE if command != "retire" else None)
            assert "164" in outcome.err + outcome.out and "read-only" in outcome.err + outcome.out, (command, outcome)
            assert outcome.code in (program.USAGE, program.FAILED)
        found = doctor(Configuration(k2), server, "user", "--retire", code=program.FAILED)
        assert any(f"reads only (readonly = {readonly}): no part can be dropped" in f["message"] for f in found), found
        assert any("keeps its old split" in f["message"] for f in found), found
    assert k2.value("SELECT count() FROM k2.trades") == str(ROWS)


def test_a_read_only_profile_that_would_lose_rows(k2, cold, http_server):
    profile = "<readonly>1</readonly><max_result_rows>10</max_result_rows><result_overflow_mode>break</result_overflow_mode>"
    with with_rights(k2, http_server, {"user": READ}, profile=profile) as server:
        outcome = offload(k2, server, "user", code=program.USAGE)
        assert "result_overflow_mode = break" in outcome.json["error"]["message"] and "readonly = 2" in outcome.json["error"]["remedy"]


# --- limits ---------------------------------------------------------------------------------------------------------------

OLD = "CREATE TABLE trades (ts DateTime, n UInt64, note String) ENGINE = MergeTree PARTITION BY toYYYYMMDD(ts) ORDER BY n"
OLD_ROWS = 100_000
USER = ("<{name}><password></password><networks><ip>127.0.0.1</ip></networks><profile>{name}</profile><quota>{name}</quota>{more}</{name}>")


@pytest.fixture
def limited(tmp_path):
    """Debian's server with a user of each of these profiles and quotas."""
    profiles = {
        "readonly1": "<readonly>1</readonly>", "readonly2": "<readonly>2</readonly>",
        "breaks": "<readonly>1</readonly><read_overflow_mode>break</read_overflow_mode><max_rows_to_read>1000</max_rows_to_read>",
        "hasty": "<max_execution_time>1</max_execution_time>", "narrow": "<max_memory_usage>1000000</max_memory_usage>",
        "rows": "<max_rows_to_read>1000</max_rows_to_read>", "results": "<max_result_rows>1000</max_result_rows>",
        "queries": "", "reads": "", "elsewhere": "",
    }
    more = {"elsewhere": "<allow_databases><database>other</database></allow_databases>"}
    quotas = {"queries": "<queries>3</queries>", "reads": "<read_rows>1000</read_rows>"}
    xml = dict(profiles="".join(f"<{name}>{profile}</{name}>" for name, profile in profiles.items()),
               users="".join(USER.format(name=name, more=more.get(name, "")) for name in profiles),
               quotas="".join(f"<{name}><interval><duration>3600</duration>{quotas.get(name, '')}</interval></{name}>" for name in profiles))
    with servers.debians(tmp_path / "server", **xml) as server:
        server.query(OLD)
        server.query("INSERT INTO trades SELECT toDateTime('2018-12-01 00:00:00') + intDiv(number, 10), number, toString(number) FROM "
                     f"(SELECT number FROM system.numbers LIMIT {OLD_ROWS})")
        yield server


def old_offload(hot, server, user, *more, code=program.DONE):
    return hot.offload("trades", *more, source=server.url.replace("default@", f"{user}@"), code=code)


@pytest.mark.parametrize("user", ["readonly1", "readonly2"])
def test_read_only_users_of_debians_server(limited, cold, hot, duckdb, user):
    assert old_offload(hot, limited, user, "--until", "2018-12-01T01:00:00Z")["rows"] == 36_010
    assert old_offload(hot, limited, user)["rows"] == OLD_ROWS - 36_010
    told = program.run("verify", "--source", limited.url.replace("default@", f"{user}@"), "--source-table", "trades", "--target-table", "cold.trades",
                       "--timestamp-col", "ts", *cold.arguments, "--json").json
    assert told["equal"] is True
    outcome = program.run("view", "--source", limited.url.replace("default@", f"{user}@"), "--source-table", "trades", "--target-table", "cold.trades",
                          "--timestamp-col", "ts", *cold.arguments, "--create", code=None)
    assert outcome.code != program.DONE


LIMITS = {
    "breaks": ["read_overflow_mode = break"],
    "hasty": ["Code 159", "max_execution_time"],
    "narrow": ["Code 241", "max_memory_usage"],
    "rows": ["Code 158", "max_rows_to_read"],
    "results": ["Code 396", "max_result_rows"],
    "queries": ["Code 201", "quota"],
    "reads": ["Code 201", "quota"],
    "elsewhere": ["allow_databases"],
}


@pytest.mark.parametrize("user", LIMITS)
def test_a_limit_is_an_error_that_says_which(limited, cold, hot, duckdb, user):
    slow = ["--setting", "max_block_size=1000", "--expr", "note=if(sleepEachRow(0.0002) = 0, note, '')"] if user == "hasty" else []
    began = time.monotonic()
    outcome = old_offload(hot, limited, user, *slow, code=None)
    assert outcome.code in (program.FAILED, program.USAGE), outcome
    for word in LIMITS[user]:
        assert word in outcome.err, outcome
    assert time.monotonic() - began < 30, "not tried again and again"
    table = cold.table("trades")
    assert not table.exists() or (not table.snapshots() and not table.data_files()), "nothing half-written"
    assert old_offload(hot, limited, "default")["rows"] == OLD_ROWS
    assert duckdb.query(f"SELECT count(DISTINCT n) AS n, count(*) AS rows FROM {duckdb.source(table)}").to_pylist() == [{"n": OLD_ROWS, "rows": OLD_ROWS}]


def test_a_quota_of_the_current_engine(k2, cold, http_server):
    with with_rights(k2, http_server, {"user": READ}, quota="<queries>12</queries>") as server:
        outcome = offload(k2, server, "user", code=program.FAILED)
        assert "201" in outcome.json["error"]["message"] and "quota" in outcome.json["error"]["remedy"]
