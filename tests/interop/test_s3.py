"""Tables on real S3 servers: every command, read back by the other engines, and whatever may go wrong on the way."""

import base64
import json
import os
import signal
import time

import pytest
from conftest import Hot, S3Cold, need

from . import program, servers, services
from .configuration import Configuration
from .test_tls import Authority
from .trades import START, create_trades, insert_trades, instant, offload_trades, text, through

ROWS = 2000
HOURLY = "MergeTree PARTITION BY toStartOfHour(ts) ORDER BY (symbol, ts)"


def calve(hot, command, *more, code=program.DONE, env=None):
    """A command that needs both sides."""
    return program.run(command, "--source", hot.url, "--source-table", "trades", "--target-table", "cold.trades", "--timestamp-col", "ts",
                       *hot.cold.arguments, "--json", *more, code=code, env={**hot.cold.env, **(env or {})})


def sequences(reader, table):
    return sorted(int(row[0][1]) for row in reader.rows(table, ["sequence"]))


@pytest.fixture
def place(tmp_path, versitygw):
    """A hot table whose target is a hadoop table on versitygw."""
    hot = Hot(tmp_path / "hot", S3Cold(tmp_path, "hadoop", versitygw))
    create_trades(hot, engine=HOURLY)
    insert_trades(hot, 0, ROWS)
    return hot


# --- the whole way ----------------------------------------------------------------------------------------------------------


def test_what_calve_writes_every_engine_reads(s3_cold, hot, pyiceberg, duckdb, icebergs_clickhouse):
    create_trades(hot)
    insert_trades(hot, 0, 400)
    insert_trades(hot, 800, ROWS - 800)
    assert offload_trades(hot, 1200, "--partition-by", "days(ts)", "--partition-by", "symbol")["rows"] == 800
    insert_trades(hot, 400, 400)
    told = offload_trades(hot, ROWS, "--partition-by", "days(ts)", "--partition-by", "symbol")
    assert (told["rows"], told["late"]["rows"]) == (ROWS - 1200, 400)
    table = s3_cold.table("trades")
    assert table.location == f"{s3_cold.warehouse}/cold/trades"
    for reader in (pyiceberg, duckdb, icebergs_clickhouse):
        assert sequences(reader, table) == list(range(ROWS)), reader.name
    assert calve(hot, "verify").json["equal"]
    status = program.run("status", *s3_cold.arguments, "--json", env=s3_cold.env).json
    assert [(one["table"], one["rows"]) for one in status["tables"]] == [("cold.trades", ROWS)]
    # Nothing else is in the bucket: no probe, no folder's marker, no half of an upload.
    told = program.run("maintain", *s3_cold.arguments, "--target-table", "cold.trades", "--orphans", "--no-live-writers", "--older-than", "0s",
                       "--dry-run", "--json", env=s3_cold.env).json["tables"][0]
    assert told["orphans"]["files"] == 0 and told["uploads"] == 0 and told["kept"]["referenced"] > 0
    names = {key.rpartition("/")[2] for key in table.every_file()}
    assert not [name for name in names if name == "" or name.startswith(".")]
    assert s3_cold.s3.uploads(s3_cold.bucket) == []


@pytest.mark.spark
def test_spark_reads_a_table_of_a_sql_catalog(tmp_path, minio, spark):
    need(list((program.DEPS / "spark" / "jars").glob("iceberg-aws-bundle-*.jar")), "Iceberg's AWS bundle is not installed")
    cold = S3Cold(tmp_path, "sql", minio)
    hot = Hot(tmp_path / "hot", cold)
    create_trades(hot)
    insert_trades(hot, 0, ROWS)
    offload_trades(hot, ROWS, "--partition-by", "days(ts)")
    session = spark.session.newSession()
    for key, value in {"": "org.apache.iceberg.spark.SparkCatalog", ".catalog-impl": "org.apache.iceberg.jdbc.JdbcCatalog",
                       ".uri": f"jdbc:sqlite:{cold.database}", ".warehouse": cold.warehouse, ".io-impl": "org.apache.iceberg.aws.s3.S3FileIO",
                       ".s3.endpoint": minio.url, ".s3.path-style-access": "true", ".s3.access-key-id": minio.ACCESS_KEY,
                       ".s3.secret-access-key": minio.SECRET_KEY, ".client.region": minio.REGION}.items():
        session.conf.set(f"spark.sql.catalog.calve{key}", value)
    rows = session.sql("SELECT sequence FROM calve.cold.trades").collect()
    assert sorted(int(row[0]) for row in rows) == list(range(ROWS))


def test_parts_are_retired_and_rows_come_back(place, duckdb):
    offload_trades(place, ROWS)
    table = place.cold.table("trades")
    told = calve(place, "retire", "--before", text(instant(5 * 240)), "--progress", "never").json
    assert told["parts"] == 5 and told["rows"] == 5 * 240 == told["rows_verified"]
    assert place.value("SELECT count() FROM trades") == str(ROWS - 5 * 240)
    assert sequences(duckdb, table) == list(range(ROWS))
    place.execute("CREATE TABLE back AS trades ENGINE = MergeTree ORDER BY ts")
    told = program.run("restore", "--source", place.url, "--target-table", "cold.trades", "--timestamp-col", "ts", "--into", "back",
                       "--from", "2024-08-09", "--to", "2024-08-10", *place.cold.arguments, "--progress", "never", "--json", env=place.cold.env).json
    assert told["rows"]["inserted"] == ROWS
    assert place.value("SELECT count(), uniqExact(sequence) FROM back") == f"{ROWS}\t{ROWS}"


def test_a_file_that_is_gone_is_named(place):
    offload_trades(place, ROWS, "--partition-by", "hours(ts)")
    data = [key for key in place.cold.s3.keys(place.cold.bucket) if key.endswith(".parquet")]
    place.cold.s3.client().delete_object(Bucket=place.cold.bucket, Key=data[0])
    gone = calve(place, "verify", code=program.USAGE)
    assert data[0] in gone.err and "no such object" in gone.err, gone


def test_all_by_the_configuration_file(place, duckdb):
    cold = place.cold
    configuration = Configuration(place)
    configuration.content["catalog"] = {"type": "hadoop", "warehouse": cold.warehouse}
    configuration.content["store"] = {"endpoint": cold.s3.url, "region": cold.s3.REGION, "attempts": 3, "part_size": "5MiB"}
    configuration.write("trades")
    keys = {name: cold.env[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
    doctor = program.run("doctor", "--config", configuration.file, env=keys)
    assert "files can be made, read and deleted in s3://" in doctor.out
    assert configuration.run(env=keys)["trades"]["rows"] == ROWS
    assert sequences(duckdb, cold.table("trades")) == list(range(ROWS))
    assert program.run("verify", "--config", configuration.file, "--json", env=keys).json["equal"]


def test_a_profile_instead_of_variables(place, tmp_path):
    home = tmp_path / "home"
    (home / ".aws").mkdir(parents=True)
    s3 = place.cold.s3
    (home / ".aws" / "credentials").write_text(f"[lake]\naws_access_key_id = {s3.ACCESS_KEY}\naws_secret_access_key = {s3.SECRET_KEY}\n")
    (home / ".aws" / "config").write_text(f"[profile lake]\nregion = {s3.REGION}\nendpoint_url = {s3.url}\n")
    place.cold.env = {"HOME": str(home), "AWS_EC2_METADATA_DISABLED": "true"}
    outcome = offload_trades(place, ROWS, code=program.USAGE)
    assert "AWS_ACCESS_KEY_ID" in outcome.err and "profile 'default'" in outcome.err
    assert offload_trades(place, ROWS, "--store-profile", "lake")["rows"] == ROWS


# --- what is wrong is said ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("change, words", [
    ({"AWS_ACCESS_KEY_ID": "nobody"}, ["access key id"]),
    ({"AWS_SECRET_ACCESS_KEY": "wr0ng-s3cret"}, ["SignatureDoesNotMatch", "secret access key"]),
    ({"AWS_ENDPOINT_URL": "no-url"}, ["no-url", "https://"]),
])
def test_wrong_settings(place, change, words):
    place.cold.env = {**place.cold.env, **change}
    outcome = offload_trades(place, ROWS, code=program.USAGE)
    for word in words:
        assert word in outcome.err, outcome
    assert "wr0ng-s3cret" not in outcome.err + outcome.out


def test_wrong_places(place, tmp_path):
    env = place.cold.env
    base = place.arguments("trades", "--until", through(ROWS))
    at = base.index(place.cold.warehouse)
    bucket = program.run(*base[:at], "s3://no-such-bucket-anywhere/cold", *base[at + 1:], code=program.USAGE, env=env)
    assert "no-such-bucket-anywhere" in bucket.err and "Create the bucket" in bucket.err
    nowhere = program.run(*base[:at], "s3:///cold", *base[at + 1:], code=program.USAGE, env=env)
    assert "names no bucket" in nowhere.err
    state = base.index("--state")
    journal = program.run(*base[:state], *base[state + 2:], code=program.USAGE, env=env)
    assert "--state" in journal.err
    sql = program.run(*base[:at - 3], "--catalog", "sql", *base[at - 1:], code=program.USAGE, env=env)
    assert "--catalog sqlite:////path/catalog.db" in sql.err


# --- many at once, and deaths ---------------------------------------------------------------------------------------------------


def test_eight_calves_at_once(tmp_path, s3, duckdb):
    """Each with a journal of its own, so that nothing but the commit keeps them apart."""
    cold = S3Cold(tmp_path, "hadoop", s3)
    hot = Hot(tmp_path / "hot", cold)
    create_trades(hot)
    insert_trades(hot, 0, ROWS)
    with servers.over_libchdb(hot.directory) as server:
        runs = []
        for i in range(8):
            arguments = hot.arguments("trades", "--until", through(ROWS), "--json", source=server.url)
            arguments[arguments.index("--state") + 1] = f"sqlite:///{tmp_path}/journal-{i}.db"
            runs.append(program.start(*arguments, env=cold.env))
        told = [(run.communicate(timeout=120), run.returncode) for run in runs]
    assert [err for (_, err), code in told if code != program.DONE] == []
    assert sorted(json.loads(out)["rows"] for (out, _), _ in told) == [0] * 7 + [ROWS]
    assert sequences(duckdb, cold.table("trades")) == list(range(ROWS))


WIDE = 600_000  # rows that take some 20 MB as Parquet


def insert_wide(hot, rows=WIDE):
    """Text that does not compress, in one file."""
    hot.execute("CREATE TABLE wide (ts DateTime64(3, 'UTC'), sequence UInt64, noise String) ENGINE = MergeTree ORDER BY ts",
                f"INSERT INTO wide SELECT toDateTime64('{START:%Y-%m-%d %H:%M:%S}', 3, 'UTC') + toIntervalMillisecond(number * 10), number, "
                f"base64Encode(concat(reinterpretAsString(sipHash128(number)), reinterpretAsString(sipHash128(number, 1)))) FROM numbers({rows})")


@pytest.fixture
def slow_upload(tmp_path, versitygw, toxiproxy):
    """A table whose file takes a few seconds to go up, in parts of 5 MiB."""
    with toxiproxy.to(versitygw) as proxy:
        cold = S3Cold(tmp_path, "hadoop", versitygw, proxy.port)
        hot = Hot(tmp_path / "hot", cold)
        insert_wide(hot)
        proxy.toxic("bandwidth", "upstream", rate=4000)
        yield hot, proxy, hot.arguments("wide", "--store-part-size", "5MiB", "--property", "write.parquet.row-group-size-bytes=8388608", "--json")


def wait_for_upload(cold, running):
    deadline = time.monotonic() + 60
    while not cold.s3.uploads(cold.bucket):
        assert time.monotonic() < deadline and running.poll() is None, running.communicate()
        time.sleep(0.05)


def test_killed_in_an_upload(slow_upload, duckdb):
    hot, proxy, arguments = slow_upload
    cold = hot.cold
    running = program.start(*arguments, env=cold.env)
    wait_for_upload(cold, running)
    running.send_signal(signal.SIGKILL)
    running.communicate()
    assert [key for key in cold.s3.keys(cold.bucket) if key.endswith(".parquet")] == [], "a file is there as a whole or not at all"
    assert len(cold.s3.uploads(cold.bucket)) == 1
    proxy.reset()
    assert program.run(*arguments, env=cold.env).json["rows"] == WIDE
    maintain = ["maintain", *cold.arguments, "--target-table", "cold.wide", "--orphans", "--json"]
    assert program.run(*maintain, env=cold.env).json["tables"][0]["uploads"] == 0, "it may still be under way"
    old = ["--older-than", "0s", "--no-live-writers"]
    assert program.run(*maintain, *old, "--dry-run", env=cold.env).json["tables"][0]["uploads"] == 1
    assert len(cold.s3.uploads(cold.bucket)) == 1
    told = program.run(*maintain, *old, env=cold.env).json["tables"][0]
    assert told["uploads"] == 1 and told["orphans"]["files_deleted"] == 0
    assert cold.s3.uploads(cold.bucket) == []
    assert duckdb.row(f"SELECT count(*), count(DISTINCT sequence) FROM {duckdb.source(cold.table('wide'))}") == (WIDE, WIDE)


def test_stopped_in_an_upload(slow_upload):
    hot, _, arguments = slow_upload
    cold = hot.cold
    running = program.start(*arguments, env=cold.env)
    wait_for_upload(cold, running)
    began = time.monotonic()
    running.send_signal(signal.SIGTERM)
    _, err = running.communicate(timeout=60)
    assert running.returncode == 143, err
    assert time.monotonic() - began < 20
    assert cold.s3.uploads(cold.bucket) == [] and not [key for key in cold.s3.keys(cold.bucket) if key.endswith(".parquet")]


def peak_memory(arguments, env):
    """MiB that a run took at most."""
    running = program.start(*arguments, env=env)
    running.stdout.read(), running.stderr.read()
    _, status, usage = os.wait4(running.pid, 0)
    running.returncode = os.waitstatus_to_exitcode(status)
    assert running.returncode == program.DONE
    return usage.ru_maxrss / 1024


def test_memory_stays_flat_while_the_store_is_slow(slow_upload, tmp_path):
    """The reader waits for the store. Nothing but the parts on their way is taken on top of what a local file takes."""
    hot, _, arguments = slow_upload
    at = arguments.index(hot.cold.warehouse)
    state = arguments.index("--state")
    local = [*arguments[:at], f"file://{tmp_path}/local", *arguments[at + 1:]]
    local[state + 1] = f"sqlite:///{tmp_path}/local.db"
    options = ["--memory", "64MiB"]
    beside = peak_memory([*local, *options], hot.cold.env)
    assert peak_memory([*arguments, *options], hot.cold.env) < beside + 5 * 5 + 25


# --- TLS ------------------------------------------------------------------------------------------------------------------------


class Certified:
    """versitygw with a certificate of an authority's."""

    def __init__(self, folder, authority, *sign, server=services.Versitygw, **options):
        certificate, key = authority.sign(*sign, **options)
        self.server = server(folder / "s3", certificate.absolute(), key.absolute())


@pytest.fixture
def over_tls(tmp_path, duckdb):
    """Starts a server with the certificate: the hot table and the calve that talks to it."""
    need(services.present("bin/versitygw"), "versitygw is not installed")
    hot = Hot(tmp_path / "hot", None)
    create_trades(hot)
    insert_trades(hot, 0, ROWS)

    def run(server, *more, code=program.DONE):
        bucket = "tls-bucket"
        (server.data / bucket).mkdir(exist_ok=True)
        env = {"AWS_ACCESS_KEY_ID": server.ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": server.SECRET_KEY, "AWS_ENDPOINT_URL": server.url}
        return program.run("offload", "--source", hot.url, "--source-table", "trades", "--target-table", "cold.trades", "--timestamp-col", "ts",
                           "--warehouse", f"s3://{bucket}/cold", "--state", f"sqlite:///{tmp_path}/state.db", "--until", through(ROWS), "--json",
                           *more, code=code, env=env)

    return run


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path, "authority")


@pytest.mark.parametrize("server", [services.Versitygw, services.Minio])
def test_a_store_signed_by_the_named_authority(over_tls, tmp_path, authority, server):
    certified = Certified(tmp_path, authority, "store", "IP:127.0.0.1", server=server)
    with certified.server.running() as s3:
        refused = over_tls(s3, code=program.USAGE)
        assert "TLS" in refused.err and "--store-ca-file" in refused.err
        outcome = over_tls(s3, "--store-ca-file", authority.certificate)
        assert outcome.json["rows"] == ROWS
        assert over_tls(s3, "--store-ca-file", authority.certificate).json["rows"] == 0, "and once more: the commit was seen"


@pytest.mark.parametrize("alternative, days, word", [("IP:127.0.0.1", "-1", "expired"), ("DNS:other.example", "2", "no alternative certificate subject name")],
                         ids=["expired", "another name"])
def test_certificates_that_are_refused(over_tls, tmp_path, authority, alternative, days, word):
    certified = Certified(tmp_path, authority, "store", alternative, days=days)
    with certified.server.running() as s3:
        outcome = over_tls(s3, "--store-ca-file", authority.certificate, code=program.USAGE)
        assert word in outcome.err and "TLS" in outcome.err, outcome
        assert not list(s3.data.rglob("*.json"))


def test_https_spoken_to_a_store_without(place):
    place.cold.env = {**place.cold.env, "AWS_ENDPOINT_URL": place.cold.s3.url.replace("http://", "https://"), "CALVE_STORE_ATTEMPTS": "2"}
    outcome = offload_trades(place, ROWS, code=program.FAILED)
    assert "https://" in outcome.err and "http://" in outcome.err


# --- names of buckets, encryption -----------------------------------------------------------------------------------------------


class VirtualMinio(services.Minio):
    def command(self):
        words, environment = super().command()
        return words, {**environment, "MINIO_DOMAIN": "localhost"}


class VirtualVersitygw(services.Versitygw):
    def command(self):
        words, environment = super().command()
        at = words.index("posix")
        return [*words[:at], "--virtual-domain", f"localhost:{self.port}", *words[at:]], environment


@pytest.mark.parametrize("server", [VirtualMinio, VirtualVersitygw])
def test_a_bucket_as_a_hosts_name(tmp_path, server, duckdb):
    need(services.present("bin/minio", "bin/versitygw"), "MinIO and versitygw are not installed")
    with server(tmp_path / "s3").running() as s3:
        (s3.data / "virtual-bucket").mkdir()
        hot = Hot(tmp_path / "hot", None)
        create_trades(hot)
        insert_trades(hot, 0, ROWS)
        env = {"AWS_ACCESS_KEY_ID": s3.ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": s3.SECRET_KEY, "AWS_ENDPOINT_URL": f"http://localhost:{s3.port}"}
        base = ["offload", "--source", hot.url, "--source-table", "trades", "--target-table", "cold.trades", "--timestamp-col", "ts", "--warehouse",
                "s3://virtual-bucket/cold", "--state", f"sqlite:///{tmp_path}/state.db", "--until", through(ROWS), "--json"]
        assert program.run(*base, "--store-addressing", "virtual", env=env).json["rows"] == ROWS
        assert (s3.data / "virtual-bucket" / "cold" / "cold" / "trades").exists()


class EncryptingMinio(services.Minio):
    def command(self):
        words, environment = super().command()
        return words, {**environment, "MINIO_KMS_SECRET_KEY": "calve-key:" + base64.b64encode(b"k" * 32).decode()}


@pytest.fixture
def encrypting(tmp_path, authority):
    need(services.present("bin/minio"), "MinIO is not installed")
    certificate, key = authority.sign("store", "IP:127.0.0.1")
    with EncryptingMinio(tmp_path / "s3", certificate.absolute(), key.absolute()).running() as s3:
        yield s3


@pytest.mark.parametrize("kind, options, says", [("s3", [], "AES256"), ("kms", ["--store-kms-key", "calve-key"], "aws:kms")])
def test_the_store_encrypts(over_tls, encrypting, authority, kind, options, says):
    outcome = over_tls(encrypting, "--store-ca-file", authority.certificate, "--store-encryption", kind, *options)
    assert outcome.json["rows"] == ROWS
    encrypting.certificate = authority.certificate  # whom boto3 trusts
    client = encrypting.client()
    keys = [entry["Key"] for entry in client.list_objects_v2(Bucket="tls-bucket")["Contents"]]
    assert len(keys) >= 5
    for key in keys:
        assert client.head_object(Bucket="tls-bucket", Key=key)["ServerSideEncryption"] == says, key


def test_a_key_of_the_customers(over_tls, encrypting, authority, tmp_path):
    """What is written can be read with that key alone; so the second run reads the first one's metadata."""
    key = tmp_path / "customer.key"
    key.write_text(base64.b64encode(os.urandom(32)).decode() + "\n")
    options = ["--store-ca-file", authority.certificate, "--store-encryption", "customer", "--store-customer-key-file", key]
    assert over_tls(encrypting, *options).json["rows"] == ROWS
    assert over_tls(encrypting, *options).json["rows"] == 0
    without = over_tls(encrypting, "--store-ca-file", authority.certificate, code=None)
    assert without.code != program.DONE
    key.write_text("too short\n")
    assert "openssl rand" in over_tls(encrypting, *options, code=program.USAGE).err
