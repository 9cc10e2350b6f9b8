"""TLS to PostgreSQL, for the journal and for the catalog: whom calve believes, who may come, and what it says of those it does not believe."""

import pytest

from . import postgres, program
from .test_tls import Authority
from .trades import create_trades, insert_trades, through


@pytest.fixture(scope="module")
def tls_server():
    from conftest import need

    need(postgres.programs(), "PostgreSQL is not installed")
    with postgres.server() as server:
        yield server


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"), "authority")


@pytest.fixture(params=["state", "catalog"])
def place(request, cold, hot, tls_server, passwords, tmp_path):
    """Runs calve with the journal or the catalog in a database, with parameters in its URI."""
    create_trades(hot)
    insert_trades(hot, 0, 100)
    if tls_server.process.poll() is not None:
        tls_server.start()
    database = tls_server.new_database()

    class Place:
        user = None
        name = database.name

        def show(self, certificate, key, **more):
            tls_server.stop()
            tls_server.present(certificate, key, **more)
            tls_server.start()

        def run(self, code, env=None, **parameters):
            setattr(cold, request.param, database.url(self.user, sslmode="verify-full", **parameters))
            outcome = hot.offload("trades", "--until", through(100), code=code, env=env)
            if code == program.DONE:
                assert not [note for note in outcome["notes"] if "journal" in note]
            else:
                assert not cold.warehouse.exists() or not any(path.is_file() for path in cold.warehouse.rglob("*.parquet")), "something was written"
                assert not postgres.mentions_password(str(outcome))
            return outcome

        def refused(self, *words, **parameters):
            """A matter of configuration: exit 2, and what mends it."""
            outcome = self.run(program.USAGE, **parameters)
            for word in ("remedy:", *words):
                assert word in outcome.err, outcome

    return Place()


def test_a_server_signed_by_the_named_authority(place, authority):
    place.show(*authority.sign("server", "IP:127.0.0.1"))
    assert place.run(program.DONE, sslrootcert=authority.certificate)["rows"] == 100


def test_what_is_not_believed(place, authority, tmp_path):
    stranger = Authority(tmp_path, "stranger")
    place.show(*stranger.sign("server", "IP:127.0.0.1"))
    place.refused("(CN = server)", "signed by CN = stranger", str(authority.certificate), "sslrootcert", sslrootcert=authority.certificate)
    place.refused("missing.pem", "sslrootcert", sslrootcert=tmp_path / "missing.pem")
    place.show(*authority.sign("server", "IP:127.0.0.1", days="-1"))
    place.refused("(CN = server)", "has expired, on", "ssl_cert_file", sslrootcert=authority.certificate)
    for other in ("IP:127.0.0.2", "DNS:db.example"):
        place.show(*authority.sign("server", other))
        place.refused("does not match host name \"127.0.0.1\"", "Name the host", sslrootcert=authority.certificate)
    # Whose chain would be fine, where the name is not looked at.
    assert place.run(program.DONE, sslrootcert=f"{authority.certificate}&sslmode=verify-ca")["rows"] == 100


def test_several_authorities_in_one_file(place, authority, tmp_path):
    place.show(*authority.sign("server", "IP:127.0.0.1"))
    both = tmp_path / "bundle.pem"
    both.write_text(Authority(tmp_path, "another").certificate.read_text() + authority.certificate.read_text())
    assert place.run(program.DONE, sslrootcert=both)["rows"] == 100


def test_client_certificates(place, authority, tmp_path):
    """A server that asks for one serves who has one of its authority's, for that user, and nobody else."""
    stranger = Authority(tmp_path, "stranger")
    none = {"CALVE_STATE_PASSWORD": "", "CALVE_CATALOG_PASSWORD": ""}

    def showing(pair):
        pair[1].chmod(0o600)
        return {"sslcert": pair[0], "sslkey": pair[1]}

    place.show(*authority.sign("server", "IP:127.0.0.1"), client_authority=authority.certificate, certificate_user=place.name)
    trusting = {"sslrootcert": authority.certificate, "env": None}
    # The other of journal and catalog is in a file: no password is needed at all.
    for nothing_good in ({}, showing(stranger.sign(place.name, "DNS:calve")), showing(authority.sign(place.name, "DNS:calve", days="-1")),
                         showing(authority.sign("somebody-else", "DNS:calve"))):
        place.refused("sslcert", **trusting, **nothing_good)
    good = showing(authority.sign(place.name, "DNS:calve"))
    good["sslkey"].chmod(0o644)
    place.refused("private key", "chmod 600", **trusting, **good)
    good["sslkey"].chmod(0o600)
    place.refused("nobody.pem", **trusting, sslcert=tmp_path / "nobody.pem", sslkey=good["sslkey"])
    assert place.run(program.DONE, **{**trusting, "env": none}, **good)["rows"] == 100


def test_a_server_without_tls(place, authority, tls_server):
    tls_server.stop()
    tls_server.start(ssl="off")
    try:
        place.refused("does not support SSL", "Turn ssl on", sslrootcert=authority.certificate)
    finally:
        tls_server.stop()
        tls_server.start()
