#!/usr/bin/env python3
"""Keeps what a version of calve leaves: a table of a hadoop catalog and its journal, for newer versions to go on from.

    CALVE_BINARY=/path/to/calve tests/data/golden/calve/make.py NAME     writes NAME.tar.gz beside this file

Locations stand in the metadata: the archive is of /tmp/calve-golden, and has to be unpacked there (a link will do). hot.json in it has the
statements that made the rows of ClickHouse. What a version cannot do yet is left out, with its rows.

0.1.0-2026-11-23: before late rows; its journal is of form 2. 0.1.0: journal of form 3.
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
TABLE = ["--target-table", "cold.trades", "--timestamp-col", "ts", "--warehouse", f"file://{PLACE}/cold", "--state", f"sqlite:///{PLACE}/journal.db"]
# What comes into ClickHouse, and the calve command that follows it.
STEPS = [
    (f"INSERT INTO trades {TRADES}(1000)", ("offload", "--until", "2024-08-09T10:00:00Z", "--partition-by", "days(ts)")),
    (f"INSERT INTO trades {TRADES}(1000, 1000)", ("offload", "--until", "2024-08-10T09:00:00Z")),
    # Late rows.
    ("INSERT INTO trades SELECT ts + INTERVAL 1 SECOND, id + 100000, symbol, price FROM trades WHERE id BETWEEN 1900 AND 1909",
     ("offload", "--until", "2024-08-10T09:10:00Z", "--lookback", "2d", "--key", "id")),
    ("ALTER TABLE trades UPDATE price = 7 WHERE id IN (10, 11) SETTINGS mutations_sync = 2", ("verify", "--repair", "--key", "id")),
]


def configuration(port):
    return {"source": {"url": f"http://default@127.0.0.1:{port}/{DATABASE}"}, "catalog": {"type": "hadoop", "warehouse": f"file://{PLACE}/cold"},
            "state": {"url": f"sqlite:///{PLACE}/journal.db"}, "defaults": {"cursor": {"timestamp": "ts"}, "buffer": "0s", "partition_by": ["days(ts)"], "key": ["id"]},
            "tables": [{"source": "trades", "target": "cold.trades"}]}


def main():
    name, = sys.argv[1:]
    shutil.rmtree(PLACE, ignore_errors=True)
    PLACE.mkdir()
    told = []
    with tempfile.TemporaryDirectory() as hot, servers.over_libchdb(hot) as server:
        def tell(sql, database=DATABASE):
            server.request("POST", "/?" + urllib.parse.urlencode({"database": database}), sql.encode())

        tell(f"CREATE DATABASE {DATABASE}", "default")
        for statement, (command, *arguments) in [(CREATE, ("--version",)), *STEPS]:
            options = [word for word in arguments if word.startswith("--")]
            if options and any(option not in program.run(command, "--help").out for option in options):
                continue
            tell(statement)
            told.append(statement)
            if arguments:
                program.run(command, "--source", f"http://default@127.0.0.1:{server.port}/{DATABASE}", "--source-table", "trades", *TABLE, *arguments)
    (PLACE / "hot.json").write_text(json.dumps(told, indent=1))
    with sqlite3.connect(PLACE / "journal.db") as journal:
        journal.execute("UPDATE calve_runs SET host = 'example', pid = 1")
    journal.execute("PRAGMA journal_mode = delete")
    journal.close()
    with tarfile.open(HERE / f"{name}.tar.gz", "w:gz") as archive:
        for kept in ("cold", "journal.db", "hot.json"):
            archive.add(PLACE / kept, kept, filter=lambda entry: entry.replace(uid=0, gid=0, uname="", gname="", deep=False))
    shutil.rmtree(PLACE)


if __name__ == "__main__":
    main()
