"""The embedded ClickHouse of the tests. Each use is a process of its own: one process at a time may have a data directory
open, calve must get its turn, and a second Arrow beside pyarrow's must stay out of pytest's process."""

import os
import pathlib
import subprocess
import sys

from . import clickhouse_rows

TOOL = pathlib.Path(__file__).resolve().parents[2] / "tools" / "embedded_clickhouse.py"
ROWS_FORMAT = "JSONCompactEachRowWithNamesAndTypes"


class ClickHouseError(Exception):
    pass


def run(statements, data=None, output_format="TabSeparated"):
    """Runs the statements in one process and returns what they print."""
    command = [sys.executable, str(TOOL), "--format", output_format, "--setting", "session_timezone=UTC"]
    if data is not None:
        command += ["--data", str(data)]
    for statement in statements:
        command += ["--query", statement]
    # icebergLocal reads only below the working directory.
    done = subprocess.run(command, capture_output=True, cwd="/", env={**os.environ, "TZ": "UTC"}, timeout=300)
    if done.returncode != 0:
        raise ClickHouseError(done.stderr.decode(errors="replace").strip() or f"exit {done.returncode}")
    return done.stdout


class Database:
    """A data directory, as `chdb:DIR` names it for calve."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.url = f"chdb:{self.directory}"

    def execute(self, *statements):
        run(statements, self.directory)

    def value(self, sql):
        return run([sql], self.directory).decode().rstrip("\n")

    def rows(self, sql):
        """(columns, canonical rows) of a SELECT."""
        return clickhouse_rows.rows(run([f"{sql} SETTINGS {clickhouse_rows.SETTINGS}"], self.directory, ROWS_FORMAT))
