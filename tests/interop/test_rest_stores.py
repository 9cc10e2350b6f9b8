"""REST catalogs whose tables are in S3: keys that the catalog hands out, keys of calve's own, and Nessie, which has branches."""

import json

import pytest
from conftest import Hot, RestCold, need

from . import program, services
from .rest_proxy import RestProxy
from .trades import create_trades, insert_trades, offload_trades, through

ROWS = 1200


class RemoteCold(RestCold):
    """A REST catalog over a bucket, read through the catalog as other engines do."""

    def __init__(self, folder, server, url, s3, bucket, env):
        super().__init__(folder, server)
        self.catalog, self.s3, self.bucket, self.env = url, s3, bucket, env

    def load(self, name):
        from pyiceberg.catalog import load_catalog

        return load_catalog("lake", type="rest", uri=self.catalog, **{
            "s3.endpoint": self.s3.url, "s3.access-key-id": self.s3.ACCESS_KEY, "s3.secret-access-key": self.s3.SECRET_KEY,
            "s3.region": self.s3.REGION}).load_table(f"cold.{name}")

    def sequences(self, name="trades"):
        return sorted(int(n) for n in self.load(name).scan(selected_fields=("sequence",)).to_arrow()["sequence"].to_pylist())


def no_keys(s3):
    """Where the store is; who one is there, the catalog says."""
    return {"AWS_EC2_METADATA_DISABLED": "true", "HOME": "/nonexistent", "AWS_REGION": s3.REGION, "AWS_ENDPOINT_URL": s3.url}


def own_keys(s3):
    return {"AWS_ACCESS_KEY_ID": s3.ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": s3.SECRET_KEY, "AWS_REGION": s3.REGION}


def filled(cold, rows=ROWS):
    hot = Hot(cold.folder / "hot", cold)
    create_trades(hot, engine="MergeTree PARTITION BY toStartOfHour(ts) ORDER BY (symbol, ts)")
    insert_trades(hot, 0, rows)
    return hot


def command(hot, name, *more, code=program.DONE):
    return program.run(name, "--source", hot.url, "--source-table", "trades", "--target-table", "cold.trades", "--timestamp-col", "ts",
                       *hot.cold.arguments, "--json", *more, code=code, env=hot.cold.env)


def whole_way(hot):
    cold = hot.cold
    assert offload_trades(hot, 400, "--partition-by", "days(ts)")["rows"] == 400
    assert offload_trades(hot, ROWS)["rows"] == ROWS - 400
    assert cold.sequences() == list(range(ROWS))
    assert command(hot, "verify").json["equal"]
    (shown,) = program.run("status", *cold.arguments, "--json", env=cold.env).json["tables"]
    assert (shown["table"], shown["watermark"]) == ("cold.trades", through(ROWS))
    assert [key for key in cold.s3.keys(cold.bucket) if key.endswith(".parquet")] and cold.s3.uploads(cold.bucket) == []


@pytest.fixture(params=["versitygw", "minio"])
def on_s3(request, tmp_path):
    """(vended) -> a REST catalog over a bucket of each server."""
    need(services.present("iceberg-rest"), "Iceberg's REST catalog is not installed")
    s3 = request.getfixturevalue(request.param)
    running = []

    def start(vended):
        bucket = s3.new_bucket()
        server = services.RestCatalog(tmp_path / "rest", properties=services.rest_properties(s3, bucket, vended)).start()
        running.append(server)
        return RemoteCold(tmp_path, server, server.url, s3, bucket, no_keys(s3) if vended else {**own_keys(s3), "AWS_ENDPOINT_URL": s3.url})

    yield start
    for server in running:
        server.stop()


def test_keys_that_the_catalog_hands_out(on_s3):
    cold = on_s3(vended=True)
    hot = filled(cold)
    whole_way(hot)
    told = program.run("maintain", *cold.arguments, "--target-table", "cold.trades", "--orphans", "--no-live-writers", "--older-than", "0s",
                       "--dry-run", "--json", env=cold.env).json["tables"][0]
    assert told["orphans"]["files"] == 0 and told["kept"]["referenced"] > 0
    # They are left alone where calve is to use its own, of which it has none.
    insert_trades(hot, ROWS, 100)
    refused = offload_trades(hot, ROWS + 100, "--catalog-own-credentials", code=program.USAGE)
    assert "AWS_ACCESS_KEY_ID" in refused.err, refused
    assert cold.sequences() == list(range(ROWS))


def test_keys_that_end_are_asked_for_again(on_s3):
    """Those that come first have ended long ago, and are not the store's at all."""
    cold = on_s3(vended=True)
    hot = filled(cold)
    ended = {"s3.access-key-id": "ended-access-key", "s3.secret-access-key": "no-secret-of-anybodys", "s3.session-token-expires-at-ms": "1000"}
    loads = []

    def change(method, path, answer):
        if path.endswith("/tables/trades") or (method == "POST" and path.endswith("/tables")):
            loads.append(path)
            if len(loads) % 2:
                answer["config"] |= ended
        return answer

    with RestProxy(cold.server.port, change=change) as proxy:
        cold.catalog = proxy.url
        assert offload_trades(hot, 400)["rows"] == 400
        asked = len(loads)
        assert offload_trades(hot, ROWS)["rows"] == ROWS - 400
    cold.catalog = cold.server.url
    assert cold.sequences() == list(range(ROWS)) and len(loads) > asked > 2


def test_keys_of_ones_own(on_s3):
    cold = on_s3(vended=False)
    hot = filled(cold)
    whole_way(hot)


@pytest.fixture
def nessie_cold(tmp_path, nessie, request):
    """A branch of its own in Nessie. What it says of its store is enough, but for the keys."""
    import urllib.request

    branch = "b" + tmp_path.name.replace("_", "")[:20] + str(abs(hash(request.node.nodeid)) % 10**8)
    server = nessie.url.removesuffix("/iceberg")
    main = json.loads(urllib.request.urlopen(f"{server}/api/v2/trees/main", timeout=10).read())["reference"]
    made = urllib.request.Request(f"{server}/api/v2/trees?name={branch}&type=BRANCH", json.dumps(main).encode(), {"Content-Type": "application/json"})
    urllib.request.urlopen(made, timeout=10).close()
    return RemoteCold(tmp_path, nessie, f"{nessie.url}/{branch}", nessie.s3, nessie.bucket, own_keys(nessie.s3))


def test_nessie(nessie_cold):
    hot = filled(nessie_cold)
    whole_way(hot)
    # Others go on with the table, and calve after them.
    import pyarrow as pa

    table = nessie_cold.load("trades")
    rows = table.scan().to_arrow().slice(0, 1).to_pylist()
    rows[0]["sequence"] = -1
    table.append(pa.Table.from_pylist(rows, schema=table.schema().as_arrow()))
    insert_trades(hot, ROWS, 100)
    assert offload_trades(hot, ROWS + 100)["rows"] == 100
    assert nessie_cold.sequences() == [-1, *range(ROWS + 100)]


def test_orphans_of_nessies_are_not_calves_to_judge(nessie_cold):
    """A file that this branch's snapshot does not name may belong to another branch, or to a commit that somebody goes back to."""
    hot = filled(nessie_cold)
    offload_trades(hot, ROWS)
    before = nessie_cold.s3.keys(nessie_cold.bucket)
    refused = program.run("maintain", *nessie_cold.arguments, "--target-table", "cold.trades", "--orphans", "--no-live-writers", "--older-than", "0s",
                          code=None, env=nessie_cold.env)
    assert refused.code in (program.FAILED, program.USAGE) and "gc.enabled" in refused.err, refused
    assert nessie_cold.s3.keys(nessie_cold.bucket) == before
