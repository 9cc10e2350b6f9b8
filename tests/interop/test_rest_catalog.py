"""REST catalogs: the real program against Apache Iceberg's own server and Project Nessie, others at work beside it, answers that get lost,
tokens that end."""

import json
import threading
import time

import pytest

from . import aws_signature, canonical, program, services
from .configuration import Configuration
from .rest_proxy import RestProxy
from .trades import START, STEP, create_trades, insert_trades, offload_trades, text, through


def fill(hot, rows=400):
    create_trades(hot)
    insert_trades(hot, 0, rows)


def same_as_hot(cold, hot, readers, extra=()):
    columns, expected = hot.rows("SELECT * FROM trades")
    for reader in readers:
        canonical.assert_same_rows([*expected, *extra], reader.rows(cold.table("trades"), columns), columns, reader.name)


def by(hot, url, *more, until=None, command="offload", code=program.DONE, env=None):
    """A command on the catalog at `url`."""
    arguments = [command, "--source", hot.url, "--source-table", "trades", "--target-table", "cold.trades", "--timestamp-col", "ts", "--catalog", url,
                 "--state", hot.cold.state, "--progress", "never", "--json", *(["--until", through(until)] if until else []), *more]
    return program.run(*arguments, code=code, env=env)


def commits(table):
    """The windows' commit ids of main, oldest first: each once."""
    return [s["summary"]["calve.commit-id"] for s in table.snapshots() if "calve.commit-id" in s["summary"]]


def test_every_command(rest_cold, hot, duckdb):
    fill(hot)
    assert offload_trades(hot, 200)["rows"] == 200
    assert offload_trades(hot, 400)["rows"] == 200
    same_as_hot(rest_cold, hot, [duckdb])
    (shown,) = program.run("status", *rest_cold.arguments, "--json").json["tables"]
    assert shown["table"] == "cold.trades" and shown["watermark"] == through(400) and shown["last_run"]["rows"] == 200
    (shown,) = program.run("status", "--catalog", rest_cold.server.url, "--json").json["tables"]
    assert shown["watermark"] == through(400), "also where no journal is named"
    assert by(hot, rest_cold.server.url, command="verify", code=program.DONE).json["equal"] is True
    table = rest_cold.table("trades")
    (table.location / "data" / "debris.parquet").write_bytes(b"PAR1")
    outcome = program.run("maintain", *rest_cold.arguments, "--target-table", "cold.trades", "--orphans", "--dry-run", "--json").json
    assert outcome["tables"][0]["orphans"]["files"] == 0, "young ones may be a running commit's"
    # No journal can stand beside a warehouse that only the server knows.
    refused = program.run(*[a for a in hot.arguments("trades") if a not in ("--state", rest_cold.state)], code=program.USAGE)
    assert "--state" in refused.err


def test_a_configuration(rest_cold, hot, duckdb):
    hot.execute("CREATE TABLE a (ts DateTime64(3, 'UTC'), n UInt32) ENGINE = MergeTree ORDER BY ts",
                f"INSERT INTO a SELECT toDateTime64('{START:%Y-%m-%d %H:%M:%S}', 3, 'UTC') + toIntervalMinute(number), number FROM numbers(100)",
                "CREATE TABLE b AS a", "INSERT INTO b SELECT * FROM a")
    config = Configuration(hot).write({"source": "a", "layer": "bronze"}, {"source": "b", "layer": "silver"})
    end = text(START + 50 * STEP)
    told = config.run("--until", end)
    assert [told[name]["state"] for name in "ab"] == ["done", "done"] and told["b"]["watermark"] == end
    assert program.run("config", config.file, "--check").code == program.DONE
    findings = program.run("doctor", "--config", config.file, "--json", code=None).json["findings"]
    assert not [f for f in findings if f["level"] == "error"], findings
    assert [f for f in findings if f["about"] == "catalog" and rest_cold.server.url in f["message"]]
    for name in "ab":
        assert duckdb.row(f"SELECT count(*) FROM {duckdb.source(rest_cold.table(name))}") == (51,)
    # With one prefix for the namespaces, and one that does not exist.
    config.write("a", catalog={"uri": rest_cold.server.url + "/v1"})
    refused = config.run("--until", end, code=program.USAGE)[None]
    assert "/v1" in json.dumps(refused)


@pytest.mark.parametrize("catalog, message", [
    ({"type": "rest"}, "catalog.uri"), ({"type": "hadoop", "uri": "http://h"}, "catalog.uri"), ({"type": "hadoop"}, "catalog.warehouse"),
    ({"type": "sql", "warehouse": "file:///srv/cold", "token_file": "t"}, "catalog.token_file"),
    ({"type": "rest", "uri": "http://h", "token_file": "t", "credential_file": "c"}, "credential_file"),
    ({"type": "rest", "uri": "ftp://h"}, "catalog.uri"), ({"type": "https://u:pa55word@h/"}, "catalog.type"),
    ({"type": "rest", "uri": "http://h", "sigv4": {"service": "glue"}}, "catalog.sigv4.region")])
def test_a_wrong_configuration_is_named(tmp_path, catalog, message):
    file = tmp_path / "calve.yaml"
    file.write_text(json.dumps({"source": {"url": "http://h:8123/d"}, "catalog": catalog, "tables": [{"source": "t", "target": "c.t", "cursor": {"timestamp": "ts"}}]}))
    outcome = program.run("config", file, "--check", code=program.USAGE)
    assert message in outcome.err and "pa55word" not in outcome.err


def test_others_through_the_same_catalog(rest_cold, hot, pyiceberg, duckdb):
    import pyarrow as pa
    from pyiceberg.catalog import load_catalog

    fill(hot)
    assert offload_trades(hot, 200)["rows"] == 200
    lake = load_catalog("lake", type="rest", uri=rest_cold.server.url)
    table = lake.load_table("cold.trades")
    names = [field.name for field in table.schema().fields]
    row = {"ts": START, "sequence": -1, "symbol": "theirs", "price": 1, "side": "buy"}
    arrow = pa.Table.from_pylist([row], schema=table.schema().as_arrow())
    table.append(arrow)
    assert offload_trades(hot, 400)["rows"] == 200
    same_as_hot(rest_cold, hot, [pyiceberg, duckdb], pyiceberg.rows(rest_cold.table("trades"), hot.rows("SELECT * FROM trades")[0], "symbol = 'theirs'"))
    assert lake.load_table("cold.trades").scan(row_filter="symbol != 'theirs'").to_arrow().num_rows == 400 and "sequence" in names
    # A table that another made, taken as it is.
    lake.create_table("cold.theirs", schema=pa.schema([("ts", pa.timestamp("us", "UTC")), ("sequence", pa.int64())]))
    told = hot.offload("trades", "--until", through(400), "--exclude", "symbol", "--exclude", "price", "--exclude", "side", target="cold.theirs")
    assert told["rows"] == 400 and lake.load_table("cold.theirs").scan().to_arrow().num_rows == 400


@pytest.mark.spark
def test_spark_through_the_same_catalog(rest_cold, hot, spark, duckdb):
    fill(hot)
    table = rest_cold.table("trades")
    spark.sql(table, "CREATE NAMESPACE IF NOT EXISTS calve.cold")
    assert offload_trades(hot, 200)["rows"] == 200
    spark.sql(table, f"INSERT INTO {{t}} (ts, sequence, symbol, price, side) VALUES (TIMESTAMP '{START:%Y-%m-%d %H:%M:%S}', -1, 'spark', 1, 'buy')")
    assert offload_trades(hot, 400)["rows"] == 200
    columns = hot.rows("SELECT * FROM trades")[0]
    extra = duckdb.rows(table, columns, "symbol = 'spark'")
    assert len(extra) == 1
    same_as_hot(rest_cold, hot, [spark, duckdb], extra)
    spark.sql(table, "CALL calve.system.rewrite_data_files(table => 'cold.trades', options => map('rewrite-all', 'true'))")
    insert_trades(hot, 400, 100)
    assert offload_trades(hot, 500)["rows"] == 100
    same_as_hot(rest_cold, hot, [spark, duckdb], extra)


def test_a_views_name_is_taken(rest_cold, hot):
    import urllib.request

    fill(hot)
    offload_trades(hot, 200)
    view = {"name": "v", "schema": {"type": "struct", "schema-id": 0, "fields": [{"id": 1, "name": "n", "required": False, "type": "int"}]}, "properties": {},
            "view-version": {"version-id": 1, "timestamp-ms": 1, "schema-id": 0, "summary": {}, "default-namespace": ["cold"],
                             "representations": [{"type": "sql", "sql": "SELECT 1 AS n", "dialect": "spark"}]}}
    request = urllib.request.Request(f"{rest_cold.server.url}/v1/namespaces/cold/views", json.dumps(view).encode(), {"Content-Type": "application/json"})
    urllib.request.urlopen(request, timeout=10).close()
    refused = hot.offload("trades", target="cold.v", code=program.USAGE)
    assert "cold.v is a view" in refused.err


COMMIT = "/tables/trades$"


def test_a_commit_that_goes_wrong_is_in_once(rest_cold, hot, duckdb):
    """Without idempotency keys the table tells; with them the same commit is sent again. Either way it is in once."""
    fill(hot, 1600)
    offload_trades(hot, 100)
    done = 100
    for offers_keys in (False, True):
        with RestProxy(rest_cold.server.port, offers_keys=offers_keys) as proxy:
            for what in ["lost request", "lost answer", "garbage", "500", "after 502", "after 503", "twice"]:
                proxy.seen.clear()
                proxy.fail("POST", COMMIT, what)
                assert by(hot, proxy.url, until=done + 100).json["rows"] == 100, what
                done += 100
                sent = proxy.requests("POST", COMMIT)
                in_at_once = what in ("twice", "garbage") or (not offers_keys and what not in ("lost request", "500"))
                assert len(sent) == (1 if in_at_once else 2), what
                keys = {headers.get("Idempotency-Key") for _, _, headers, _ in sent}
                assert len(keys) == 1 and (None not in keys) == offers_keys, "the same commit, the same key"
                assert len(commits(rest_cold.table("trades"))) == done // 100, what
    columns, expected = hot.rows("SELECT * FROM trades WHERE sequence < 1500")
    canonical.assert_same_rows(expected, duckdb.rows(rest_cold.table("trades"), columns), columns, duckdb.name)
    assert len(set(commits(rest_cold.table("trades")))) == 15


def test_a_server_that_asks_to_wait_is_left_alone(rest_cold, hot):
    fill(hot)
    offload_trades(hot, 200)
    with RestProxy(rest_cold.server.port) as proxy:
        proxy.fail("POST", COMMIT, "429", times=2, retry_after=1)
        proxy.fail("GET", "/config$", "503", retry_after=1)
        began = time.monotonic()
        assert by(hot, proxy.url, until=400).json["rows"] == 200
        assert time.monotonic() - began > 2.5
        proxy.fail("GET", "/config$", "503", times=99, retry_after=3600)
        began = time.monotonic()
        outcome = by(hot, proxy.url, until=400, code=program.FAILED)
        assert time.monotonic() - began < 20 and "503" in outcome.err


# The commit that arrives late lands once or not at all, whoever went on meanwhile.
def test_a_commit_that_arrives_late(rest_cold, hot, duckdb):
    fill(hot)
    offload_trades(hot, 200)
    with RestProxy(rest_cold.server.port) as proxy:
        proxy.fail("POST", COMMIT, "hold", times=99)
        outcome = by(hot, proxy.url, until=400, code=program.FAILED)
        assert "not known" in outcome.err and "Run again" in outcome.err
        assert offload_trades(hot, 400)["rows"] == 200, "the next run goes on, past the one under way"
        assert set(proxy.release()) == {409}
    same_as_hot(rest_cold, hot, [duckdb])
    assert len(set(commits(rest_cold.table("trades")))) == 2


def test_a_server_that_goes_away_and_comes_back(rest_cold, hot, duckdb):
    fill(hot)
    offload_trades(hot, 200)
    with rest_cold.server.away():
        outcome = offload_trades(hot, 400, code=program.FAILED)
        assert "cannot connect" in outcome.err and "running" in outcome.err
    assert offload_trades(hot, 400)["rows"] == 200
    same_as_hot(rest_cold, hot, [duckdb])


# --- who calve is

def oauth(folder, **properties):
    return services.RestCatalog(folder, oauth=True, properties={"oauth.expired-status": "401", **properties}).running()


def test_credentials_tokens_and_wrong_ones(tmp_path, cold, hot):
    fill(hot)
    with oauth(tmp_path / "rest") as server:
        credential = f"{server.OAUTH_CLIENT}:{server.OAUTH_SECRET}"
        outcomes = [by(hot, server.url, until=200, env={"CALVE_CATALOG_CREDENTIAL": credential})]
        (tmp_path / "credential").write_text(credential + "\n")
        outcomes += [by(hot, server.url, "--catalog-credential-file", tmp_path / "credential", until=300, env={"CALVE_CATALOG_TOKEN": "of another's"})]
        (tmp_path / "token").write_text(server.OAUTH_TOKEN)
        outcomes += [by(hot, server.url, "--catalog-token-file", tmp_path / "token", until=400), by(hot, server.url, env={"CALVE_CATALOG_TOKEN": server.OAUTH_TOKEN})]
        assert [outcome.json["rows"] for outcome in outcomes] == [200, 100, 100, 0]
        for env in ({}, {"CALVE_CATALOG_TOKEN": "wr0ng-token"}, {"CALVE_CATALOG_CREDENTIAL": f"{server.OAUTH_CLIENT}:wr0ng-token"},
                    {"CALVE_CATALOG_CREDENTIAL": credential, "CALVE_CATALOG_TOKEN": server.OAUTH_TOKEN}):
            refused = by(hot, server.url, env=env, code=program.USAGE)
            assert "CALVE_CATALOG_CREDENTIAL" in refused.err or "both" in refused.err
            assert "wr0ng" not in refused.err + refused.out
            outcomes.append(refused)
        refused = by(hot, server.url, "--catalog-credential-file", tmp_path / "nothing", code=program.USAGE)
        assert str(tmp_path / "nothing") in refused.err
        for outcome in (*outcomes, refused):
            assert server.OAUTH_SECRET not in outcome.out + outcome.err and server.OAUTH_TOKEN not in outcome.out + outcome.err


def test_tokens_that_end_while_a_process_works(tmp_path, cold, hot, duckdb):
    """calve serve: cycles every second, tokens that hold two."""
    fill(hot, 40)
    with oauth(tmp_path / "rest", **{"oauth.seconds": "2"}) as server:
        file = tmp_path / "calve.yaml"
        (tmp_path / "credential").write_text(f"{server.OAUTH_CLIENT}:{server.OAUTH_SECRET}")
        file.write_text(json.dumps({"source": {"url": hot.url}, "catalog": {"type": "rest", "uri": server.url, "credential_file": "credential"},
                                    "state": {"url": cold.state}, "schedule": {"every": "1s"},
                                    "tables": [{"source": "trades", "target": "cold.trades", "cursor": {"timestamp": "ts"}, "buffer": "0s"}]}))
        running = program.start("serve", "--config", file)
        deadline = time.monotonic() + 60
        while sum("/oauth/tokens 200" in line for line in server.requests()) < 4:
            assert running.poll() is None and time.monotonic() < deadline, running.communicate()
            time.sleep(0.1)
        running.terminate()
        out, err = running.communicate(timeout=60)
        assert running.returncode in (0, 143) and "error" not in err, err
        refused = [line for line in server.requests() if line.endswith((" 401", " 419"))]
        assert len(refused) <= 2, "renewed before they end"


def test_signed_requests(rest_cold, hot, duckdb):
    """Each is judged by AWS's own client: names that have to be encoded, bodies, queries."""
    fill(hot)
    keys = {"AWS_ACCESS_KEY_ID": services.S3Server.ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": services.S3Server.SECRET_KEY}

    def judge(method, url, headers, body):
        return aws_signature.problem(method, url, headers, body, services.S3Server.ACCESS_KEY, services.S3Server.SECRET_KEY, "eu-central-1", "glue")

    with RestProxy(rest_cold.server.port, judge=judge) as proxy:
        signed = ["--catalog", proxy.url, "--catalog-signing-region", "eu-central-1", "--catalog-signing-service", "glue", "--state", rest_cold.state]
        arguments = ["offload", "--source", hot.url, "--source-table", "trades", "--timestamp-col", "ts", "--progress", "never", "--json", *signed]
        for table in ("cold.trades", "cold.träd es+(1)"):
            assert program.run(*arguments, "--target-table", table, "--until", through(400), env=keys).json["rows"] == 400, table
        shown = program.run("status", *signed, "--json", env={**keys, "AWS_SESSION_TOKEN": "of-a-session"}).json["tables"]
        assert {table["table"] for table in shown} == {"cold.trades", "cold.träd es+(1)"}
        assert proxy.seen[-1][2]["X-Amz-Security-Token"] == "of-a-session"
        refused = program.run("status", *signed, code=program.USAGE, env={**keys, "AWS_SECRET_ACCESS_KEY": "wr0ng-key"})
        assert "gives another signature" in refused.err and "wr0ng-key" not in refused.err
        refused = program.run("status", *signed[:2], *signed[-2:], code=program.USAGE)
        assert "not signed" in refused.err
        refused = program.run("status", *signed, code=program.USAGE, env={"AWS_EC2_METADATA_DISABLED": "true", "HOME": str(rest_cold.folder)})
        assert "AWS_ACCESS_KEY_ID" in refused.err
    same_as_hot(rest_cold, hot, [duckdb])


def test_tls(tmp_path, rest_cold, hot):
    fill(hot)
    certificate, key = services.certificate(tmp_path)
    with RestProxy(rest_cold.server.port, certificate, key) as proxy:
        assert by(hot, proxy.url, "--catalog-ca-file", certificate, until=200).json["rows"] == 200
        for more in ([], ["--catalog-ca-file", key], ["--catalog-ca-file", tmp_path / "nothing.pem"]):
            refused = by(hot, proxy.url, *more, code=program.USAGE)
            assert "--catalog-ca-file" in refused.err
        refused = by(hot, proxy.url.replace("https", "http"), code=program.FAILED)
        assert proxy.url.removeprefix("https") in refused.err


# --- all tables of a cycle in one commit

def test_atomic_cycle(rest_cold, hot, duckdb):
    rows = f"SELECT toDateTime64('{START:%Y-%m-%d %H:%M:%S}', 3, 'UTC') + toIntervalMinute(number), number FROM numbers"
    hot.execute("CREATE TABLE a (ts DateTime64(3, 'UTC'), n UInt32) ENGINE = MergeTree ORDER BY ts", f"INSERT INTO a {rows}(100)",
                "CREATE TABLE b AS a", "INSERT INTO b SELECT * FROM a", "CREATE TABLE c AS a", "INSERT INTO c SELECT * FROM a")
    tables = [{"source": "a", "layer": "bronze"}, {"source": "b", "layer": "silver"}, {"source": "c", "layer": "gold"}]
    with RestProxy(rest_cold.server.port) as proxy:
        config = Configuration(hot).write(*tables, catalog={"uri": proxy.url})
        config.content["commit"] = "atomic-cycle"
        config.write(*tables)
        findings = program.run("doctor", "--config", config.file, "--json", code=None).json["findings"]
        assert [f["level"] for f in findings if f["about"] == "commit"] == ["ok"]
        ends = [text(START + n * STEP) for n in (30, 60, 90)]
        for end, what in zip(ends, (None, "lost answer", "after 502")):
            proxy.seen.clear()
            if what:
                proxy.fail("POST", "/transactions/commit$", what)
            told = config.run("--until", end)
            assert [(told[name]["state"], told[name]["watermark"]) for name in "abc"] == [("done", end)] * 3
            assert len(proxy.requests("POST", "/transactions/commit$")) == 1 and not proxy.requests("POST", "/tables/[abc]$")
        # Refused: none of them moves, and the next cycle does them again.
        proxy.fail("POST", "/transactions/commit$", "409")
        told = config.run("--until", text(START + 95 * STEP), code=program.FAILED)
        assert [told[name]["state"] for name in "abc"] == ["failed"] * 3
        shown = {t["table"]: t["watermark"] for t in program.run("status", "--config", config.file, "--json").json["tables"]}
        assert shown == {f"cold.{name}": ends[-1] for name in "abc"}
        config.run("--until", text(START + 95 * STEP))
    for name in "abc":
        assert duckdb.row(f"SELECT count(*), count(DISTINCT n) FROM {duckdb.source(rest_cold.table(name))}") == (96, 96)


# --- two at once

def test_racing_calves(rest_cold, hot, duckdb):
    fill(hot)
    offload_trades(hot, 200)
    outcomes = []

    def race():
        outcomes.append(by(hot, rest_cold.server.url, "--lease", "0", until=400, code=None))

    threads = [threading.Thread(target=race) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(outcome.json["rows"] for outcome in outcomes if outcome.code == program.DONE) == 200, outcomes
    same_as_hot(rest_cold, hot, [duckdb])
