"""The engines that read what calve wrote, behind one interface: rows in canonical form.

Every reader takes a Table (where it is, which metadata file is current) and never a catalog of its own, except Spark, whose
way in is a catalog; test_existing_tables.py and test_catalogs.py have the engines come through theirs.
"""

import dataclasses
import json
import os
import pathlib
import re
import sqlite3

from . import canonical, clickhouse, clickhouse_rows, postgres


@dataclasses.dataclass
class Table:
    """An Iceberg table on this machine's disk."""

    warehouse: pathlib.Path
    namespace: str
    name: str
    catalog_database: pathlib.Path | postgres.Database | None = None  # of a SQL catalog; None: a Hadoop table
    rest_url: str | None = None  # of a REST catalog over that database
    properties = {}  # what PyIceberg's FileIO has to know
    duckdb_setup = None  # a statement, where DuckDB has to know something

    @property
    def ident(self):
        return f"{self.namespace}.{self.name}"

    @property
    def metadata_file(self):
        """The current metadata file, found without any of calve's code."""
        if self.catalog_database is not None:
            sql = f"SELECT metadata_location FROM iceberg_tables WHERE table_namespace = '{self.namespace}' AND table_name = '{self.name}'"
            if isinstance(self.catalog_database, postgres.Database):
                found = next(iter(self.catalog_database.sql(sql)), None) if self.catalog_database.has("iceberg_tables") else None
            else:
                with sqlite3.connect(self.catalog_database) as connection:
                    found = connection.execute(sql).fetchone()
            assert found, f"{self.ident} is not in {self.catalog_database}"
            return local_path(found[0])
        folder = self.warehouse.joinpath(*self.namespace.split("."), self.name, "metadata")
        versions = {int(m[1]): p for p in folder.iterdir() if (m := re.fullmatch(r"v(\d+)\.metadata\.json", p.name))}
        assert versions, f"no metadata in {folder}"
        return versions[max(versions)]

    @property
    def metadata(self):
        return json.loads(self.metadata_file.read_text())

    @property
    def location(self):
        return local_path(self.metadata["location"])

    def exists(self):
        try:
            return self.metadata_file.exists()
        except (AssertionError, FileNotFoundError, sqlite3.OperationalError):
            return False

    def snapshots(self):
        return self.metadata.get("snapshots", [])

    def current_snapshot(self):
        metadata = self.metadata
        current = metadata.get("current-snapshot-id")
        return next((s for s in metadata.get("snapshots", []) if s["snapshot-id"] == current), None)

    def data_files(self):
        folder = self.location / "data"
        return sorted(p for p in folder.rglob("*.parquet")) if folder.exists() else []

    def every_file(self):
        """{path: bytes} below the table, to prove that nothing was touched."""
        folder = self.warehouse
        return {p: p.stat().st_size for p in sorted(folder.rglob("*")) if p.is_file()}


@dataclasses.dataclass
class S3Table(Table):
    """An Iceberg table in a bucket; `warehouse` is its s3:// location."""

    warehouse: str
    s3: object = None  # services.S3Server

    @property
    def properties(self):
        return {"s3.endpoint": self.s3.url, "s3.access-key-id": self.s3.ACCESS_KEY, "s3.secret-access-key": self.s3.SECRET_KEY, "s3.region": self.s3.REGION}

    @property
    def duckdb_setup(self):
        return (f"CREATE OR REPLACE SECRET store (TYPE s3, KEY_ID '{self.s3.ACCESS_KEY}', SECRET '{self.s3.SECRET_KEY}', REGION '{self.s3.REGION}', "
                f"ENDPOINT '127.0.0.1:{self.s3.port}', URL_STYLE 'path', USE_SSL false)")

    @property
    def clickhouse_source(self):
        bucket, _, key = self.location.removeprefix("s3://").partition("/")
        return f"icebergS3('{self.s3.url}/{bucket}/{key}/', '{self.s3.ACCESS_KEY}', '{self.s3.SECRET_KEY}')"

    def _read(self, location):
        bucket, _, key = location.removeprefix("s3://").partition("/")
        return self.s3.client().get_object(Bucket=bucket, Key=key)["Body"].read()

    @property
    def metadata_file(self):
        if self.catalog_database is not None:
            with sqlite3.connect(self.catalog_database) as connection:
                return connection.execute("SELECT metadata_location FROM iceberg_tables WHERE table_namespace = ? AND table_name = ?",
                                          (self.namespace, self.name)).fetchone()[0]
        bucket, _, prefix = self.warehouse.removeprefix("s3://").partition("/")
        keys = self.s3.keys(bucket, f"{prefix}/{self.namespace}/{self.name}/metadata/v")
        versions = {int(m[1]): key for key in keys if (m := re.search(r"/v(\d+)\.metadata\.json$", key))}
        return f"s3://{bucket}/{versions[max(versions)]}"

    @property
    def metadata(self):
        return json.loads(self._read(self.metadata_file))

    @property
    def location(self):
        return self.metadata["location"]

    def every_file(self):
        """{location: bytes} of all objects of the warehouse."""
        bucket, _, prefix = self.warehouse.removeprefix("s3://").partition("/")
        return {f"s3://{bucket}/{key}": size for key, size in self.s3.keys(bucket, prefix).items()}


def local_path(location):
    """The file of a location as Iceberg writes it, Java also as file:/path: what looks like URL escapes is part of the name (name=%CE%A9)."""
    return pathlib.Path(re.sub(r"^file:(//)?", "", location))


# --- Arrow, which PyIceberg and DuckDB hand out -------------------------------------------------------------------------

def from_arrow(value, kind):
    import pyarrow as pa

    if value is None:
        return None
    if isinstance(kind, pa.ExtensionType):
        kind_name = kind.extension_name
        if kind_name == "arrow.uuid":
            return canonical.scalar(value)
        return from_arrow(value, kind.storage_type)
    if pa.types.is_dictionary(kind):
        return from_arrow(value, kind.value_type)
    if pa.types.is_map(kind):
        return canonical.mapping((from_arrow(k, kind.key_type), from_arrow(v, kind.item_type)) for k, v in value)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_list_view(kind):
        return canonical.sequence(from_arrow(v, kind.value_type) for v in value)
    if pa.types.is_struct(kind):
        return canonical.record(from_arrow(value[f.name], f.type) for f in kind)
    return canonical.scalar(value)


def arrow_rows(table):
    columns = [[from_arrow(v, field.type) for v in table.column(i).to_pylist()] for i, field in enumerate(table.schema)]
    return list(zip(*columns)) if columns else []


class PyIcebergReader:
    name = "PyIceberg"

    def load(self, table):
        from pyiceberg.table import StaticTable

        return StaticTable.from_metadata(str(table.metadata_file), properties=table.properties)

    def rows(self, table, columns, where=None, snapshot_id=None):
        columns = list(columns)
        scan = self.load(table).scan(row_filter=where or "true", selected_fields=tuple(columns), snapshot_id=snapshot_id)
        return arrow_rows(scan.to_arrow().select(columns))

    def data_files(self, table):
        """The paths of those that the table holds."""
        return sorted(local_path(task.file.file_path) for task in self.load(table).scan().plan_files())

    def planned_files(self, table, where):
        return len(list(self.load(table).scan(row_filter=where).plan_files()))


class DuckDBReader:
    name = "DuckDB"

    def __init__(self):
        import duckdb
        import duckdb_ext

        self._connection = duckdb.connect(config={"allow_unsigned_extensions": "true"})
        self._folder = next(pathlib.Path(duckdb_ext.__path__[0]).glob("extensions/*/*"))
        for extension in ("avro", "iceberg"):
            self._connection.execute(f"LOAD '{self._folder / extension}.duckdb_extension'")
        self._connection.execute("SET TimeZone = 'UTC'")

    def source(self, table, snapshot_id=None):
        if table.duckdb_setup:
            self._connection.execute(f"LOAD '{self._folder / 'httpfs'}.duckdb_extension'")
            self._connection.execute(table.duckdb_setup)
        snapshot = f", snapshot_from_id = {snapshot_id}::UBIGINT" if snapshot_id is not None else ""
        return f"iceberg_scan('{table.metadata_file}'{snapshot})"

    def query(self, sql):
        return self._connection.execute(sql).fetch_arrow_table()

    def row(self, sql):
        """The values of the one row."""
        return tuple(self.query(sql).to_pylist()[0].values())

    def rows(self, table, columns, where=None, snapshot_id=None):
        names = ", ".join(f'"{c}"' for c in columns)
        return arrow_rows(self.query(
            f"SELECT {names} FROM {self.source(table, snapshot_id)} WHERE {where or 'true'}"))

    def planned_files(self, table, where):
        """How many data files a scan reads, from the plan that was run; None where DuckDB does not say."""
        plan = self._connection.execute(
            f"EXPLAIN ANALYZE SELECT * FROM {self.source(table)} WHERE {where}").fetchall()[0][1]
        found = re.search(r"Total Files Read:\s*(\d+)", plan)
        return int(found[1]) if found else None


class ClickHouseReader:
    name = "ClickHouse"

    def source(self, table):
        return getattr(table, "clickhouse_source", None) or f"icebergLocal('{table.location}')"

    def rows(self, table, columns, where=None, snapshot_id=None):
        names = ", ".join(f"`{c}`" for c in columns)
        snapshot = f", iceberg_snapshot_id = {snapshot_id}" if snapshot_id is not None else ""
        output = clickhouse.run(
            [f"SELECT {names} FROM {self.source(table)} WHERE {where or '1'} SETTINGS {clickhouse_rows.SETTINGS}{snapshot}"],
            output_format=clickhouse.ROWS_FORMAT)
        return clickhouse_rows.rows(output)[1]


class SparkReader:
    name = "Spark"

    def __init__(self, session):
        self.session = session
        self._sessions = {}

    def at(self, warehouse, database=None, rest_url=None, **more):
        """A Spark session in which the catalog `calve` is that warehouse. JdbcCatalog looks for the tables of its own name.
        `more`: options of the catalog for the session's first use."""
        key = (str(warehouse), str(database))
        if key not in self._sessions:
            session = self.session.newSession()
            options = {"": "org.apache.iceberg.spark.SparkCatalog", ".warehouse": f"file://{warehouse}", ".cache-enabled": "false"}
            if rest_url is not None:
                options |= {".type": "rest", ".uri": rest_url}
            elif database is None:
                options[".type"] = "hadoop"
            elif isinstance(database, postgres.Database):
                options |= {".catalog-impl": "org.apache.iceberg.jdbc.JdbcCatalog", ".uri": database.jdbc, ".jdbc.user": database.name,
                            ".jdbc.password": postgres.PASSWORD}
            else:
                options |= {".catalog-impl": "org.apache.iceberg.jdbc.JdbcCatalog", ".uri": f"jdbc:sqlite:{database}"}
            options |= more
            for suffix, value in options.items():
                session.conf.set(f"spark.sql.catalog.calve{suffix}", value)
            self._sessions[key] = session
        return self._sessions[key]

    def forget(self, table):
        """Ends the session of the table's warehouse, with its catalog's connections."""
        session = self._sessions.pop((str(table.warehouse), str(table.catalog_database)))
        session._jsparkSession.sessionState().catalogManager().catalog("calve").icebergCatalog().close()

    def sql(self, table, text):
        """Runs SQL in which {t} stands for the table."""
        return self.at(table.warehouse, table.catalog_database, table.rest_url).sql(text.replace("{t}", f"calve.{table.ident}"))

    def rows(self, table, columns, where=None, snapshot_id=None):
        version = f" VERSION AS OF {snapshot_id}" if snapshot_id is not None else ""
        names = ", ".join(f"`{c}`" for c in columns)
        frame = self.sql(table, f"SELECT {names} FROM {{t}}{version} WHERE {where or 'true'}")
        types = [f.dataType for f in frame.schema.fields]
        return [tuple(from_spark(v, t) for v, t in zip(row, types)) for row in frame.collect()]


    def planned_files(self, table, where):
        """How many data files a scan reads: Iceberg's own metric of the plan that was run."""
        frame = self.sql(table, f"SELECT * FROM {{t}} WHERE {where}")
        frame.collect()
        leaves = frame._jdf.queryExecution().executedPlan().collectLeaves()
        return sum(leaves.apply(i).metrics().apply("resultDataFiles").value() for i in range(leaves.size()))


def from_spark(value, kind):
    from pyspark.sql import types

    if value is None:
        return None
    if isinstance(kind, types.ArrayType):
        return canonical.sequence(from_spark(v, kind.elementType) for v in value)
    if isinstance(kind, types.MapType):
        return canonical.mapping((from_spark(k, kind.keyType), from_spark(v, kind.valueType)) for k, v in value.items())
    if isinstance(kind, types.StructType):
        return canonical.record(from_spark(v, f.dataType) for v, f in zip(value, kind.fields))
    return canonical.scalar(value)


def start_spark(jars, folder):
    """Spark 3.5 with Iceberg, as small as it goes, in UTC."""
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    from pyspark.sql import SparkSession

    session = (
        SparkSession.builder.master("local[2]").appName("calve tests")
        .config("spark.jars", ",".join(map(str, jars)))
        .config("spark.ui.enabled", "false")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.memory", "2g")
        .config("spark.driver.extraJavaOptions", f"-Duser.timezone=UTC -Dderby.system.home={folder} -XX:+UseSerialGC")
        .config("spark.local.dir", str(folder))
        .config("spark.sql.warehouse.dir", f"{folder}/spark-warehouse")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.shuffle.partitions", "2")
        .config("spark.sql.extensions", "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions")
        .getOrCreate()
    )
    session.sparkContext.setLogLevel("ERROR")
    return session
