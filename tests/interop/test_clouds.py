"""Tables in Google's and Azure's stores, as far as emulators go: written and verified by the real program; in Google's, read by PyIceberg."""

import base64
import hashlib
import hmac
import json
import urllib.request
from email.utils import formatdate

import pytest
from conftest import Cold, Hot, need

from . import program, services
from .leaks import secret
from .readers import arrow_rows
from .trades import create_trades, insert_trades, offload_trades, through

ROWS = 2000


class FakeGcs(services.Process):
    """fake-gcs-server."""

    def ready(self):
        return services.url_answers(f"{self.url}/_internal/healthcheck")

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def command(self):
        return [services.FOLDER / "bin" / "fake-gcs-server", "-scheme", "http", "-host", "127.0.0.1", "-port", self.port, "-backend", "memory",
                "-public-host", f"127.0.0.1:{self.port}", "-external-url", self.url], {}

    def new_warehouse(self):
        request = urllib.request.Request(f"{self.url}/storage/v1/b?project=test", data=json.dumps({"name": "lake"}).encode(),
                                         headers={"Content-Type": "application/json"})
        urllib.request.urlopen(request, timeout=10).close()
        return "gs://lake/cold"

    @property
    def env(self):
        return {"STORAGE_EMULATOR_HOST": self.url}

    @property
    def properties(self):
        return {"gcs.service.host": self.url, "gcs.oauth2.token": "any", "gcs.oauth2.token-expires-at": "4102444800000"}


class Azurite(services.Process):
    ACCOUNT = "devstoreaccount1"
    KEY = secret("Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==")  # every Azurite's

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/{self.ACCOUNT}"

    def command(self):
        return [services.FOLDER / "bin" / "azurite-blob", "--blobHost", "127.0.0.1", "--blobPort", self.port, "--silent", "--disableTelemetry",
                "--inMemoryPersistence"], {}

    def new_warehouse(self):
        date = formatdate(usegmt=True)
        text = (f"PUT\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:{date}\nx-ms-version:2021-08-06\n/{self.ACCOUNT}/{self.ACCOUNT}/lake\nrestype:container")
        signature = base64.b64encode(hmac.new(base64.b64decode(self.KEY), text.encode(), hashlib.sha256).digest()).decode()
        request = urllib.request.Request(f"{self.url}/lake?restype=container", method="PUT",
                                         headers={"x-ms-date": date, "x-ms-version": "2021-08-06", "Authorization": f"SharedKey {self.ACCOUNT}:{signature}"})
        urllib.request.urlopen(request, timeout=10).close()
        return f"abfss://lake@{self.ACCOUNT}.dfs.core.windows.net/cold"

    @property
    def env(self):
        return {"CALVE_STORE_ENDPOINT": self.url, "AZURE_STORAGE_KEY": self.KEY}

    properties = None  # PyIceberg's client takes an account in the location for a part of the container's name


class CloudCold(Cold):
    def __init__(self, folder, kind, cloud):
        super().__init__(folder, kind)
        self.cloud, self.warehouse, self.env = cloud, cloud.new_warehouse(), cloud.env

    @property
    def arguments(self):
        catalog = f"sqlite:///{self.database}" if self.database else "hadoop"
        return ["--catalog", catalog, "--warehouse", self.warehouse, "--state", self.state]


@pytest.fixture(params=[FakeGcs, Azurite])
def cloud(request, tmp_path):
    need(services.present("bin/fake-gcs-server", "bin/azurite-blob"), "fake-gcs-server and Azurite are not installed")
    with request.param(tmp_path / "cloud").running() as server:
        yield server


@pytest.mark.parametrize("kind", ["hadoop", "sql"])
def test_a_table(tmp_path, cloud, kind):
    cold = CloudCold(tmp_path, kind, cloud)
    hot = Hot(tmp_path / "hot", cold)
    create_trades(hot)
    insert_trades(hot, 0, ROWS)
    assert offload_trades(hot, 1200)["rows"] == 1200
    assert offload_trades(hot, ROWS, "--partition-by", "days(ts)")["rows"] == ROWS - 1200
    both = ["--source", hot.url, "--source-table", "trades", "--target-table", "cold.trades", "--timestamp-col", "ts", *cold.arguments, "--json"]
    told = program.run("verify", *both, env=cold.env).json
    assert told["equal"] and told["rows"]["cold"] == ROWS
    told = program.run("maintain", *cold.arguments, "--target-table", "cold.trades", "--orphans", "--no-live-writers", "--older-than", "0s",
                       "--dry-run", "--json", env=cold.env).json["tables"][0]
    assert told["orphans"]["files"] == 0 and told["kept"]["referenced"] > 0
    if cloud.properties is None:
        return
    from pyiceberg.table import StaticTable

    location = f"{cold.warehouse}/cold/trades/metadata/v3.metadata.json"
    if cold.database:
        import sqlite3

        with sqlite3.connect(cold.database) as connection:
            location = connection.execute("SELECT metadata_location FROM iceberg_tables").fetchone()[0]
    table = StaticTable.from_metadata(location, properties=cloud.properties)
    assert sorted(int(row[0][1]) for row in arrow_rows(table.scan(selected_fields=("sequence",)).to_arrow())) == list(range(ROWS))


def test_who_is_not_let_in(tmp_path, cloud):
    cold = CloudCold(tmp_path, "hadoop", cloud)
    hot = Hot(tmp_path / "hot", cold)
    create_trades(hot)
    insert_trades(hot, 0, ROWS)
    if isinstance(cloud, Azurite):
        cold.env = {**cold.env, "AZURE_STORAGE_KEY": base64.b64encode(b"wrong").decode()}
        words = ["403", "Authorization"]
    else:
        cold.env = {"CALVE_STORE_ENDPOINT": cloud.url, "GCE_METADATA_HOST": "127.0.0.1:1", "HOME": str(tmp_path), "GOOGLE_APPLICATION_CREDENTIALS": ""}
        words = ["GOOGLE_APPLICATION_CREDENTIALS", "does not answer"]
    outcome = program.run(*hot.arguments("trades", "--until", through(ROWS)), code=program.USAGE, env=cold.env)
    for word in words:
        assert word in outcome.err, outcome
