"""Other engines at work on the table that calve fills: a table of trades whose truth is known, what Spark does to it, and
calve stopped in the middle of a cycle."""

import collections
import contextlib
import json
import time

from . import program
from .trades import START, STEP, TIES, through

# Partitions of an hour: parts never mix hours, and calve looks only into hours of parts that hold something new.
ENGINES = {"append": "MergeTree PARTITION BY toStartOfHour(ts) ORDER BY ts",
           "upsert": "ReplacingMergeTree PARTITION BY toStartOfHour(ts) ORDER BY (ts, sequence)"}
COLUMNS = ("sequence", "price", "lots")
READS_ROWS = "`price`"


class Trades:
    """`trades` in ClickHouse, and what calve and others are to have made of it in cold."""

    def __init__(self, hot, mode, server=None):
        self.hot, self.server = hot, server
        self.table = hot.cold.table("trades")
        self.rows = {}  # sequence: price, of hot
        self.foreign = {}  # the same of the rows that others put into cold; sequences below zero
        self.tell(f"CREATE TABLE trades (ts DateTime64(3, 'UTC'), sequence Int64, price Int64, lots Int32) ENGINE = {ENGINES[mode]}")

    def tell(self, sql):
        self.server.query(sql) if self.server else self.hot.execute(sql)

    def insert(self, first, count, price=0):
        self.tell(f"INSERT INTO trades SELECT toDateTime64('{START:%Y-%m-%d %H:%M:%S}', 3, 'UTC') + toIntervalSecond(intDiv(number, {TIES}) * {STEP.seconds}), "
                  f"number, {price} * 1000000 + number, number % 7 FROM numbers({first}, {count})")
        self.rows |= {n: price * 1000000 + n for n in range(first, first + count)}

    def arguments(self, count, *more):
        source = self.server.url if self.server else None
        return self.hot.arguments("trades", "--until", through(count), "--json", *more, source=source)

    def offload(self, count, *more, code=program.DONE):
        outcome = program.run(*self.arguments(count, *more), code=code)
        return outcome.json if code == program.DONE else outcome

    @contextlib.contextmanager
    def stopped(self, count, *more, at=1):
        """A run that waits where it reads rows for the `at`-th time, while the block runs, and ends well; afterwards
        the list that is yielded holds what it tells."""
        if at > 1:
            self.server.fault("before", READS_ROWS, sql="SELECT 1", times=at - 1)
        self.server.fault("hold", READS_ROWS)
        running = program.start(*self.arguments(count, *more))
        try:
            deadline = time.monotonic() + 60
            while self.server.armed():
                assert running.poll() is None and time.monotonic() < deadline, running.communicate()
                time.sleep(0.02)
            told = []
            yield told
        except BaseException:
            running.kill()
            raise
        finally:
            self.server.clear()
            out, err = running.communicate(timeout=120)
        assert running.returncode == program.DONE, err
        told.append(json.loads(out))

    def in_cold(self, duckdb, columns=COLUMNS):
        found = duckdb.query(f"SELECT {', '.join(columns)} FROM {duckdb.source(self.table)}").to_pylist()
        return [tuple(row.values()) for row in found]

    def check(self, duckdb, count):
        """Rows 0 … count - 1 of hot, once, and those of others."""
        expected = {n: price for n, price in self.rows.items() if n < count} | self.foreign
        assert_rows(self.in_cold(duckdb), [(n, price, n % 7 if n >= 0 else 0) for n, price in expected.items()])

    def check_keys(self, duckdb, count):
        """The same without their values, which the next run may have to see to."""
        expected = [(n,) for n in [*self.rows, *self.foreign] if n < count]
        assert_rows(self.in_cold(duckdb, ["sequence"]), expected)


def assert_rows(found, expected):
    found, expected = collections.Counter(found), collections.Counter(expected)
    missing, extra = expected - found, found - expected
    assert not missing and not extra, f"missing {sorted(missing.items())[:20]}, too many {sorted(extra.items())[:20]}"


class SparkAtWork:
    """What a Spark job does to the table. Each method is one job; `trades.foreign` says what is there afterwards. run()
    lets go of a SQLite catalog after it: while Java's JdbcCatalog is open, it keeps a read lock and nobody else can commit."""

    def __init__(self, spark, trades):
        self.spark, self.trades, self.next = spark, trades, -1

    def sql(self, statement):
        return self.spark.sql(self.trades.table, statement).collect()

    def call(self, procedure, arguments=""):
        return self.sql(f"CALL calve.system.{procedure}(table => '{self.trades.table.ident}'{arguments})")

    def run(self, job):
        getattr(self, job)()
        if self.trades.table.catalog_database:
            self.spark.forget(self.trades.table)

    def append(self, count=6):
        new = range(self.next, self.next - count, -1)
        self.next -= count
        others = [name for name in self.spark.sql(self.trades.table, "SELECT * FROM {t}").columns if name not in ("ts", *COLUMNS)]
        self.sql(f"INSERT INTO {{t}} ({', '.join(['ts', *COLUMNS, *others])}) VALUES "
                 + ", ".join(f"(TIMESTAMP '2024-08-09 00:00:00Z', {n}, {n}, 0{', NULL' * len(others)})" for n in new))
        self.trades.foreign |= {n: n for n in new}

    def delete(self):
        gone = sorted(self.trades.foreign)[:2]
        self.sql(f"DELETE FROM {{t}} WHERE sequence IN ({', '.join(map(str, gone))})")
        for n in gone:
            del self.trades.foreign[n]

    def delete_by_position(self):
        self.set_properties({"write.delete.mode": "merge-on-read", "write.update.mode": "merge-on-read", "team": "spark",
                             "commit.manifest.min-count-to-merge": "2"})
        self.delete()
        assert self.sql("SELECT count(*) FROM {t}.delete_files")[0][0] > 0

    def compact(self):
        self.call("rewrite_data_files", ", options => map('rewrite-all', 'true')")

    def rewrite_manifests(self):
        self.call("rewrite_manifests", ", use_caching => false")

    def expire(self):
        self.call("expire_snapshots", ", older_than => TIMESTAMP '2100-01-01 00:00:00', retain_last => 1")

    def evolve(self):
        """A column of its own, filled for a row of calve's; and a wider one of calve's."""
        self.sql("ALTER TABLE {t} ADD COLUMN note STRING")
        self.sql("ALTER TABLE {t} ALTER COLUMN lots TYPE BIGINT")
        self.sql("UPDATE {t} SET note = 'kept' WHERE sequence = 1")

    def rename(self):
        self.sql("ALTER TABLE {t} RENAME COLUMN note TO remark")

    def partition(self):
        self.sql("ALTER TABLE {t} ADD PARTITION FIELD hours(ts)")

    def set_properties(self, properties):
        self.sql("ALTER TABLE {t} SET TBLPROPERTIES (" + ", ".join(f"'{k}' = '{v}'" for k, v in properties.items()) + ")")

    def roll_back(self):
        """To before calve's newest snapshot, as far as nobody else committed since."""
        snapshot = self.trades.table.current_snapshot()
        assert "calve.window-to" in snapshot["summary"]
        self.sql(f"CALL calve.system.rollback_to_snapshot('{self.trades.table.ident}', {snapshot['parent-snapshot-id']})")
