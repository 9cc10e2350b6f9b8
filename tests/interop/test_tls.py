"""https: whom calve trusts, who may ask, and that nothing is read over a connection that does not verify."""

import subprocess

import pytest

from . import program
from .trades import create_trades, insert_trades

ROWS = 5_000


class Authority:
    """Signs certificates for the length of a test."""

    def __init__(self, folder, name):
        self._folder, self._name = folder, name
        self.certificate, self._key = folder / f"{name}.pem", folder / f"{name}.key"
        self._openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", f"/CN={name}",
                      "-addext", "basicConstraints=critical,CA:TRUE", "-keyout", self._key, "-out", self.certificate)

    def sign(self, name, alternative, days="2"):
        """(certificate, key); `alternative` is what it is valid for: IP:… or DNS:…"""
        base = self._folder / f"{self._name}-{name}"
        key, request, certificate, extensions = (base.with_suffix(suffix) for suffix in (".key", ".csr", ".pem", ".ext"))
        extensions.write_text(f"subjectAltName={alternative}\n")
        self._openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", f"/CN={name}",
                      "-keyout", key, "-out", request)
        self._openssl("x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self._key, "-CAcreateserial", "-days", days,
                      "-extfile", extensions, "-out", certificate)
        return certificate, key

    @staticmethod
    def _openssl(*arguments):
        subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path, "authority")


@pytest.fixture
def https(hot, http_server, tmp_path):
    """Starts the server with a certificate: `with https(*authority.sign(…)) as url`."""
    create_trades(hot)
    insert_trades(hot, 0, ROWS)

    class Serve:
        def __init__(self, certificate, key, client_authority=None):
            both = tmp_path / "server.pem"
            both.write_text(certificate.read_text() + key.read_text())
            more = ["--tls-client-ca", str(client_authority.certificate)] if client_authority else []
            self._server = http_server(hot, options=["--tls-cert", str(both), *more])

        def __enter__(self):
            return self._server.__enter__().url.replace("http://", "https://")

        def __exit__(self, *what):
            return self._server.__exit__(*what)

    return Serve


def run(hot, url, *more, code=None, env=None):
    return program.run(*hot.arguments("trades", "--json", *more, source=url), code=code, env=env)


def refused(hot, cold, outcome, *words):
    """A certificate is a matter of configuration: exit 2 and no second try; and no table came to be."""
    assert outcome.code == program.USAGE, outcome
    for word in words:
        assert word in outcome.err, outcome
    assert not cold.warehouse.exists() or not any(path.is_file() for path in cold.warehouse.rglob("*.parquet")), "something was written"


@pytest.mark.parametrize("compression", ["none", "zstd"])
def test_a_server_signed_by_the_named_authority(hot, cold, https, authority, duckdb, compression):
    with https(*authority.sign("server", "IP:127.0.0.1")) as url:
        outcome = run(hot, url, "--source-ca-file", str(authority.certificate), "--source-compression", compression, code=program.DONE)
    assert outcome.json["rows"] == ROWS
    count = duckdb.query(f"SELECT count(*) AS n FROM {duckdb.source(cold.table('trades'))}").to_pylist()[0]["n"]
    assert count == ROWS


def test_the_authority_may_come_from_the_environment(hot, cold, https, authority):
    with https(*authority.sign("server", "IP:127.0.0.1")) as url:
        outcome = run(hot, url, env={"CALVE_SOURCE_CA_FILE": str(authority.certificate)}, code=program.DONE)
    assert outcome.json["rows"] == ROWS


def test_a_server_that_nobody_vouches_for(hot, cold, https, authority):
    with https(*authority.sign("server", "IP:127.0.0.1")) as url:
        refused(hot, cold, run(hot, url), "TLS", "--source-ca-file")


def test_a_server_signed_by_somebody_else(hot, cold, https, authority, tmp_path):
    stranger = Authority(tmp_path, "stranger")
    with https(*stranger.sign("server", "IP:127.0.0.1")) as url:
        refused(hot, cold, run(hot, url, "--source-ca-file", str(authority.certificate)), "TLS")


@pytest.mark.parametrize("other", ["IP:127.0.0.2", "DNS:clickhouse.example"])
def test_a_certificate_for_another_host(hot, cold, https, authority, other):
    with https(*authority.sign("server", other)) as url:
        refused(hot, cold, run(hot, url, "--source-ca-file", str(authority.certificate)), "TLS", "127.0.0.1")


def test_a_certificate_of_yesterday(hot, cold, https, authority):
    with https(*authority.sign("server", "IP:127.0.0.1", days="-1")) as url:
        refused(hot, cold, run(hot, url, "--source-ca-file", str(authority.certificate)), "TLS", "expired")


def test_an_authority_file_that_is_not_there(hot, cold, https, authority, tmp_path):
    with https(*authority.sign("server", "IP:127.0.0.1")) as url:
        refused(hot, cold, run(hot, url, "--source-ca-file", str(tmp_path / "nowhere.pem")), "nowhere.pem")


def test_client_certificates(hot, cold, https, authority, tmp_path):
    """A server that asks for one serves who has one of its authority's, and nobody else."""
    stranger = Authority(tmp_path, "stranger")
    trusting = ["--source-ca-file", str(authority.certificate)]

    def showing(pair):
        return ["--source-cert-file", str(pair[0]), "--source-key-file", str(pair[1])]

    with https(*authority.sign("server", "IP:127.0.0.1"), client_authority=authority) as url:
        for nothing_good in ([], showing(stranger.sign("calve", "DNS:calve"))):
            refused(hot, cold, run(hot, url, *trusting, *nothing_good), "alert", "--source-cert-file")
        missing = run(hot, url, *trusting, "--source-cert-file", str(tmp_path / "nobody.pem"))
        refused(hot, cold, missing, "certificate")
        outcome = run(hot, url, *trusting, *showing(authority.sign("calve", "DNS:calve")), code=program.DONE)
    assert outcome.json["rows"] == ROWS


def test_https_where_http_is_spoken(hot, cold, http_server, authority):
    create_trades(hot)
    insert_trades(hot, 0, ROWS)
    with http_server(hot) as server:
        outcome = run(hot, server.url.replace("http://", "https://"), "--source-ca-file", str(authority.certificate))
    assert outcome.code in (program.USAGE, program.FAILED) and "8443" in outcome.err, outcome


def test_http_where_https_is_spoken(hot, cold, https, authority):
    with https(*authority.sign("server", "IP:127.0.0.1")) as url:
        outcome = run(hot, url.replace("https://", "http://"))
    assert outcome.code in (program.USAGE, program.FAILED) and "http" in outcome.err, outcome
