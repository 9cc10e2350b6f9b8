#!/usr/bin/env python3
"""Keeps what a version of calve leaves: a table of a hadoop catalog and its journal, for newer versions to go on from.

    CALVE_BINARY=/path/to/calve tests/data/golden/calve/make.py     writes VERSION.tar.gz beside this file

Locations stand in the metadata: the archive is of /tmp/calve-golden, and has to be unpacked there (a link will do). The rows of ClickHouse
that belong to it are those of ROWS.
"""

import json
import pathlib
import shutil
import sqlite3
import sys
import tarfile
import tempfile
import urllib.parse

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[2]))

from interop import program, servers  # noqa: E402

PLACE = pathlib.Path("/tmp/calve-golden")
DATABASE = "golden"
CREATE = "CREATE TABLE trades (ts DateTime64(3, 'UTC'), id UInt64, symbol LowCardinality(String), price Decimal64(8)) ENGINE = MergeTree PARTITION BY toDate(ts) ORDER BY (symbol, ts)"
TRADES = "SELECT toDateTime64('2024-08-09 00:00:00', 3, 'UTC') + INTERVAL number MINUTE, number, ['BTC', 'ETH'][number % 2 + 1], number FROM numbers"
# Each with the calve command that follows it.
ROWS = [
    (f"INSERT INTO trades {TRADES}(1000)", ("run", "--until", "2024-08-09T10:00:00Z")),
    (f"INSERT INTO trades {TRADES}(1000, 1000)", ("run", "--until", "2024-08-10T09:00:00Z")),
    # Late rows.
    ("INSERT INTO trades SELECT ts + INTERVAL 1 SECOND, id + 100000, symbol, price FROM trades WHERE id BETWEEN 1900 AND 1909", ("run", "--until", "2024-08-10T09:10:00Z")),
    ("ALTER TABLE trades UPDATE price = 7 WHERE id IN (10, 11) SETTINGS mutations_sync = 2", ("verify", "--repair")),
]


def configuration(port):
    return {"source": {"url": f"http://default@127.0.0.1:{port}/{DATABASE}"}, "catalog": {"type": "hadoop", "warehouse": f"file://{PLACE}/cold"},
            "state": {"url": f"sqlite:///{PLACE}/journal.db"}, "defaults": {"cursor": {"timestamp": "ts"}, "buffer": "0s", "partition_by": ["days(ts)"], "key": ["id"]},
            "tables": [{"source": "trades", "target": "cold.trades"}]}


def main():
    shutil.rmtree(PLACE, ignore_errors=True)
    PLACE.mkdir()
    version = program.run("--version").out.split()[1]
    with tempfile.TemporaryDirectory() as hot, servers.over_libchdb(hot) as server:
        def tell(sql, database=DATABASE):
            server.request("POST", "/?" + urllib.parse.urlencode({"database": database}), sql.encode())

        tell(f"CREATE DATABASE {DATABASE}", "default")
        tell(CREATE)
        (PLACE / "calve.yaml").write_text(json.dumps(configuration(server.port)))
        for statement, (command, *arguments) in ROWS:
            tell(statement)
            program.run(command, "--config", PLACE / "calve.yaml", *arguments)
    with sqlite3.connect(PLACE / "journal.db") as journal:
        journal.execute("UPDATE calve_runs SET host = 'example', pid = 1")
    journal.execute("PRAGMA journal_mode = delete")
    journal.close()
    with tarfile.open(HERE / f"{version}.tar.gz", "w:gz") as archive:
        for name in ("cold", "journal.db"):
            archive.add(PLACE / name, name, filter=lambda entry: entry.replace(uid=0, gid=0, uname="", gname="", deep=False))
    shutil.rmtree(PLACE)


if __name__ == "__main__":
    main()
