"""The tests' own servers, each spoken to by a client that is not calve: what other tests find wrong is not theirs."""

import json
import time
import urllib.error
import urllib.parse
import urllib.request

import pytest

from . import services


def get(url, token=None, **options):
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"} if token else {})
    with urllib.request.urlopen(request, timeout=10, **options) as answer:
        return answer.read()


def status(url, token=None):
    try:
        get(url, token)
        return 200
    except urllib.error.HTTPError as error:
        return error.code


@pytest.mark.parametrize("server", ["versitygw", "versitygw_tls", "minio"])
def test_s3(server, request):
    s3 = request.getfixturevalue(server)
    bucket = s3.new_bucket()
    client = s3.client()
    client.put_object(Bucket=bucket, Key="a/b", Body=b"one", IfNoneMatch="*")
    if not s3.certificate:  # over TLS versitygw cuts the connection with its refusal
        with pytest.raises(client.exceptions.ClientError, match="PreconditionFailed"):
            client.put_object(Bucket=bucket, Key="a/b", Body=b"two", IfNoneMatch="*")
    assert client.get_object(Bucket=bucket, Key="a/b")["Body"].read() == b"one"
    client.create_multipart_upload(Bucket=bucket, Key="c")
    assert s3.keys(bucket) == {"a/b": 3} and s3.uploads(bucket) == ["c"]


def iceberg_table(catalog):
    import pyarrow as pa

    catalog.create_namespace("cold")
    rows = pa.table({"n": [1, 2, 3]})
    catalog.create_table("cold.t", schema=rows.schema).append(rows)
    assert catalog.load_table("cold.t").scan().to_arrow().num_rows == 3


def s3_options(s3):
    return {"s3.endpoint": s3.url, "s3.access-key-id": s3.ACCESS_KEY, "s3.secret-access-key": s3.SECRET_KEY, "s3.region": s3.REGION}


def test_rest_catalog(tmp_path):
    from pyiceberg.catalog import load_catalog

    with services.RestCatalog(tmp_path).running() as rest:
        iceberg_table(load_catalog("rest", type="rest", uri=rest.url))
        with rest.away():
            pass
        assert load_catalog("rest", type="rest", uri=rest.url).load_table("cold.t").scan().to_arrow().num_rows == 3
        assert "POST /v1/namespaces/cold/tables/t 200" in rest.requests()


def test_rest_catalog_on_s3(tmp_path, versitygw):
    from pyiceberg.catalog import load_catalog

    bucket = versitygw.new_bucket()
    with services.RestCatalog(tmp_path, properties=services.rest_properties(versitygw, bucket)).running() as rest:
        iceberg_table(load_catalog("rest", type="rest", uri=rest.url, **s3_options(versitygw)))
    assert any(key.startswith("warehouse/") and key.endswith(".parquet") for key in versitygw.keys(bucket))


def test_rest_catalog_asks_who_you_are(auth_rest_catalog):
    rest = auth_rest_catalog
    config = f"{rest.url}/v1/config"
    assert status(config) == 401 and status(config, "no-such-token") == 401 and status(config, rest.OAUTH_TOKEN) == 200
    form = {"grant_type": "client_credentials", "client_id": rest.OAUTH_CLIENT, "client_secret": rest.OAUTH_SECRET}
    tokens = f"{rest.url}/v1/oauth/tokens"
    answer = json.loads(urllib.request.urlopen(tokens, urllib.parse.urlencode(form).encode(), timeout=10).read())
    assert status(config, answer["access_token"]) == 200 and answer["expires_in"] == 3600
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(tokens, urllib.parse.urlencode({**form, "client_secret": "wrong"}).encode(), timeout=10)


def test_nessie(nessie):
    from pyiceberg.catalog import load_catalog

    iceberg_table(load_catalog("nessie", type="rest", uri=nessie.url, **s3_options(nessie.s3)))


def test_toxiproxy(toxiproxy, versitygw):
    with toxiproxy.to(versitygw) as proxy:
        url = proxy.through(f"{versitygw.url}/health")
        get(url)
        proxy.toxic("latency", latency=300)
        began = time.monotonic()
        get(url)
        assert time.monotonic() - began >= 0.3
        proxy.reset()
        proxy.toxic("limit_data", bytes=1)
        with pytest.raises(Exception):
            get(url)
        proxy.reset()
        proxy.disable()
        with pytest.raises(OSError):
            get(url)
        proxy.reset()
        get(url)
