"""What all tests share: the program, an empty ClickHouse database, a place for cold tables, and the engines."""

import os
import shutil

os.environ["TZ"] = "UTC"  # before any engine starts

import time  # noqa: E402

import pytest  # noqa: E402

from interop import clickhouse, leaks, postgres, program, readers, servers, services  # noqa: E402

time.tzset()

STRICT = os.environ.get("CALVE_STRICT") == "1"  # `make test`: what is missing is a failure, not a skip


def need(present, what):
    if not present:
        (pytest.fail if STRICT else pytest.skip)(f"{what}; run `make setup build`")


class Cold:
    """A warehouse with a catalog and a journal, and calve's arguments that name them. Of kind postgres both are in the
    PostgreSQL database that is given."""

    def __init__(self, folder, kind, database=None):
        self.folder, self.kind = folder, kind
        self.warehouse = folder / "cold"
        self.database = folder / "catalog.db" if kind == "sql" else database
        self.journal = folder / "state.db"
        self.state = database.url() if database else f"sqlite:///{self.journal}"
        self.catalog = {"hadoop": "hadoop", "sql": f"sqlite:///{self.database}", "postgres": self.state}.get(kind)

    env = {}  # what calve needs in its environment to reach it

    @property
    def configured(self):
        """The section `catalog` of a configuration."""
        return {"type": self.catalog, "warehouse": f"file://{self.warehouse}"}

    @property
    def arguments(self):
        return ["--catalog", self.catalog, "--warehouse", self.configured["warehouse"], "--state", self.state]

    def lose_journal(self):
        if self.kind == "postgres":
            self.database.sql("DROP TABLE IF EXISTS offload_watermarks, calve_runs, calve_leases, calve_parts_seen, calve_paused_tables, calve_schema_version")
        for path in self.folder.glob("state.db*"):
            path.unlink()

    def table(self, name, namespace="cold"):
        return readers.Table(self.warehouse, namespace, name, self.database)


class S3Cold(Cold):
    """A warehouse in a bucket of its own; catalog and journal are local. `port` leads to the server, if it is not the server's."""

    def __init__(self, folder, kind, s3, port=None):
        super().__init__(folder, kind)
        self.s3, self.bucket = s3, s3.new_bucket()
        self.warehouse = f"s3://{self.bucket}/lake/cold"
        self.env = {"AWS_ACCESS_KEY_ID": s3.ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": s3.SECRET_KEY, "AWS_REGION": s3.REGION,
                    "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}" if port else s3.url}

    @property
    def configured(self):
        return {"type": self.catalog, "warehouse": self.warehouse}

    def table(self, name, namespace="cold"):
        return readers.S3Table(self.warehouse, namespace, name, self.database, s3=self.s3)


class RestCold(Cold):
    """A REST catalog's server of its own, which alone knows where its tables are. Its database and warehouse can be looked into."""

    def __init__(self, folder, server):
        super().__init__(folder, "rest")
        self.server, self.catalog = server, server.url
        self.warehouse, self.database = server.folder / "warehouse", server.folder / "catalog.db"

    @property
    def configured(self):
        return {"type": "rest", "uri": self.catalog}

    @property
    def arguments(self):
        return ["--catalog", self.catalog, "--state", self.state]

    def table(self, name, namespace="cold"):
        return readers.Table(self.warehouse, namespace, name, self.database, self.server.url)


class Hot(clickhouse.Database):
    """A ClickHouse database and the short way to offload one of its tables."""

    def __init__(self, folder, cold):
        super().__init__(folder)
        self.cold = cold

    def arguments(self, table, *more, cursor="ts", target=None, source=None):
        target = target or f"cold.{table}"
        return ["offload", "--source", source or self.url, "--source-table", table, "--target-table", target,
                "--timestamp-col", cursor, *self.cold.arguments, "--progress", "never", *more]

    def offload(self, table, *more, code=program.DONE, env=None, timeout=120, **options):
        """Runs one cycle with --json; returns the outcome's object where it is to succeed, else the outcome."""
        outcome = program.run(*self.arguments(table, "--json", *more, **options), code=code, env={**self.cold.env, **(env or {})}, timeout=timeout)
        return outcome.json if code == program.DONE else outcome


@pytest.fixture(scope="session", autouse=True)
def built():
    need(program.BINARY.exists(), f"{program.BINARY} is not built")
    need(program.LIBRARY.exists(), f"{program.LIBRARY} is missing")


@pytest.fixture(scope="session", autouse=True)
def no_secret_leaks(built, tmp_path_factory):
    """At the very end: nothing that calve said or wrote holds a secret."""
    yield
    leaks.WATCH.saw_files(tmp_path_factory.getbasetemp())
    leaks.WATCH.check()


@pytest.fixture
def cold(tmp_path):
    return Cold(tmp_path, "hadoop")


@pytest.fixture
def sql_cold(tmp_path):
    return Cold(tmp_path, "sql")


@pytest.fixture(params=["hadoop", "sql"])
def any_cold(request, tmp_path):
    return Cold(tmp_path, request.param)


@pytest.fixture(params=["hadoop-versitygw", "hadoop-minio", "sql-versitygw"])
def s3_cold(request, tmp_path):
    """Every catalog on every S3 server, but for what the catalog does not touch."""
    kind, _, server = request.param.partition("-")
    return S3Cold(tmp_path, kind, request.getfixturevalue(server))


@pytest.fixture
def passwords(monkeypatch):
    """calve finds the passwords of its PostgreSQL databases in its environment."""
    # program.environment() drops what the caller's environment has of calve's own.
    plain = program.environment
    monkeypatch.setattr(program, "environment", lambda **more: plain(**{
        "CALVE_CATALOG_PASSWORD": postgres.PASSWORD, "CALVE_STATE_PASSWORD": postgres.PASSWORD, **more}))


@pytest.fixture
def postgres_cold(tmp_path, postgres_server, passwords):
    """Catalog and journal in one database of PostgreSQL."""
    return Cold(tmp_path, "postgres", postgres_server.new_database())


@pytest.fixture(params=["hadoop", "sql", "postgres", "rest"])
def every_cold(request, tmp_path):
    with_a_server = request.param in ("postgres", "rest")
    return request.getfixturevalue(f"{request.param}_cold") if with_a_server else Cold(tmp_path, request.param)


@pytest.fixture
def rest_cold(tmp_path):
    need(services.present("iceberg-rest"), "Iceberg's REST catalog is not installed")
    with services.RestCatalog(tmp_path / "rest").running() as server:
        yield RestCold(tmp_path, server)


@pytest.fixture
def hot(tmp_path, request):
    """With whichever of the cold fixtures the test asks for; the Hadoop one else."""
    kinds = [name for name in ("every_cold", "any_cold", "postgres_cold", "rest_cold", "sql_cold", "s3_cold", "cold") if name in request.fixturenames]
    place = request.getfixturevalue(kinds[0] if kinds else "cold")
    return Hot(tmp_path / "hot", place)


@pytest.fixture
def http_server():
    """Starts the HTTP server over a database: `with http_server(hot) as server`."""
    return lambda hot, **options: servers.over_libchdb(hot.directory, **options)


@pytest.fixture(scope="session")
def postgres_server():
    need(postgres.programs(), "PostgreSQL is not installed")
    with postgres.server() as server:
        yield server


# --- servers that tests share: each takes a bucket, a namespace or a proxy of its own ---------------------------------------

@pytest.fixture(scope="session")
def toxiproxy(tmp_path_factory):
    need(services.present("bin/toxiproxy-server"), "Toxiproxy is not installed")
    with services.Toxiproxy(tmp_path_factory.mktemp("toxiproxy")).running() as server:
        yield server


@pytest.fixture(scope="session")
def versitygw(tmp_path_factory):
    need(services.present("bin/versitygw"), "versitygw is not installed")
    with services.Versitygw(tmp_path_factory.mktemp("versitygw")).running() as server:
        yield server


@pytest.fixture(scope="session")
def versitygw_tls(tmp_path_factory):
    need(services.present("bin/versitygw"), "versitygw is not installed")
    folder = tmp_path_factory.mktemp("versitygw-tls")
    with services.Versitygw(folder, *services.certificate(folder)).running() as server:
        yield server


@pytest.fixture(scope="session")
def minio(tmp_path_factory):
    need(services.present("bin/minio"), "MinIO is not installed")
    with services.Minio(tmp_path_factory.mktemp("minio")).running() as server:
        yield server


@pytest.fixture(params=["versitygw", "minio"])
def s3(request):
    """Every S3 server in turn."""
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="session")
def rest_catalog(tmp_path_factory):
    """With a local warehouse and nobody asked who he is."""
    need(services.present("iceberg-rest"), "Iceberg's REST catalog is not installed")
    with services.RestCatalog(tmp_path_factory.mktemp("rest")).running() as server:
        yield server


@pytest.fixture(scope="session")
def auth_rest_catalog(tmp_path_factory):
    """With a local warehouse, for those who have a token."""
    need(services.present("iceberg-rest"), "Iceberg's REST catalog is not installed")
    with services.RestCatalog(tmp_path_factory.mktemp("rest-oauth"), oauth=True).running() as server:
        yield server


@pytest.fixture(scope="session")
def nessie(tmp_path_factory, versitygw):
    need(services.present("nessie", "jdk"), "Nessie is not installed")
    with services.Nessie(tmp_path_factory.mktemp("nessie"), versitygw, versitygw.new_bucket("nessie")).running() as server:
        yield server


@pytest.fixture(scope="session")
def spark(tmp_path_factory):
    jars = sorted((program.DEPS / "spark" / "jars").glob("*.jar"))
    need(jars and shutil.which("java"), "Spark is not installed")
    reader = readers.SparkReader(readers.start_spark(jars, tmp_path_factory.mktemp("spark")))
    yield reader
    reader.session.stop()


@pytest.fixture(scope="session")
def pyiceberg():
    return readers.PyIcebergReader()


@pytest.fixture(scope="session")
def duckdb():
    return readers.DuckDBReader()


@pytest.fixture(scope="session")
def icebergs_clickhouse():
    return readers.ClickHouseReader()


@pytest.fixture(params=["pyiceberg", "duckdb", "icebergs_clickhouse", pytest.param("spark", marks=pytest.mark.spark)])
def reader(request):
    """Every engine in turn."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def four(pyiceberg, duckdb, icebergs_clickhouse, spark):
    """All engines, for a test that writes once and reads with each."""
    return [pyiceberg, duckdb, icebergs_clickhouse, spark]
