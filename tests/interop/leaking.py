"""What test_leaks.py runs as a suite of its own, with a program in calve's place that gives a secret away in many ways. Not collected else."""

import gzip
import json
import sqlite3

from . import leaks, program
from .leaks import secret

SECRET = "l/eak ed+s3cret"
ENVIRONMENT = {"CALVE_STATE_PASSWORD": SECRET}


def test_nothing_leaks(cold):
    secret("never to be seen")
    program.run("status", env=ENVIRONMENT)
    (cold.folder / "password").write_text(SECRET)


def test_stdout():
    program.run("stdout", env=ENVIRONMENT)


def test_stderr():
    program.run("stderr", code=1, env=ENVIRONMENT)


def test_encoded():
    for how in ("percent", "base64", "json"):
        program.run(how, env=ENVIRONMENT)


def test_a_process_that_goes_on():
    program.start("goes-on", env=ENVIRONMENT).communicate(timeout=20)


def test_a_process_that_is_read_line_by_line():
    running = program.start("by-line", env=ENVIRONMENT)
    assert running.stdout.readline()
    running.kill()
    running.wait()


def test_files(cold):
    metadata = cold.warehouse / "ns" / "t" / "metadata"
    metadata.mkdir(parents=True)
    (metadata / "v1.metadata.json").write_text(json.dumps({"properties": {"x": f"a {SECRET}"}}))
    (metadata / "v2.gz.metadata.json").write_bytes(gzip.compress(SECRET.encode()))
    with sqlite3.connect(cold.journal) as journal:
        journal.execute("CREATE TABLE t AS SELECT ? AS message", ("x" * 20_000 + SECRET + "y" * 20_000,))


def test_a_token_that_a_server_handed_out(tmp_path):
    (tmp_path / "tokens").write_text("0123-token-4567\n")
    leaks.secrets_in(tmp_path / "tokens")
    program.run("token")


def test_postgres(postgres_server):
    postgres_server.new_database().sql(f"CREATE TABLE t AS SELECT '{SECRET}' AS message", "postgres")
