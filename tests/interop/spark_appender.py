"""A Spark of its own that appends to a table of a Hadoop catalog, commit after commit, until its input ends.

    python -m interop.spark_appender WAREHOUSE NAMESPACE.TABLE FOLDER

Prints `ready`, then a JSON object for each commit: {"rows": [...]} that Spark said are in, or {"lost": "why"}.
"""

import json
import pathlib
import sys
import threading

from . import program, readers


def main():
    warehouse, name, folder = sys.argv[1:]
    reader = readers.SparkReader(readers.start_spark(sorted((program.DEPS / "spark" / "jars").glob("*.jar")), pathlib.Path(folder)))
    table = readers.Table(pathlib.Path(warehouse), *name.rsplit(".", 1))
    reader.sql(table, "SELECT count(*) FROM {t}").collect()
    print("ready", flush=True)
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    first = -1
    while not ended.is_set():
        rows = list(range(first, first - 3, -1))
        first -= 3
        try:
            reader.sql(table, "INSERT INTO {t} VALUES " + ", ".join(f"(TIMESTAMP '2024-08-09 00:00:00Z', {n}, {n}, 0)" for n in rows)).collect()
            print(json.dumps({"rows": rows}), flush=True)
        except Exception as error:
            print(json.dumps({"lost": str(error)[:2000]}), flush=True)
    reader.session.stop()


if __name__ == "__main__":
    main()
