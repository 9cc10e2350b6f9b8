"""The reference platform: nine tables in three layers, over simulated days, one `calve run` after the other by
examples/k2.yaml, while trades come late and again and candles change by themselves."""

import contextlib
import dataclasses
import datetime
import signal
import time

import pytest
from reference_platform import BRONZE, EXCHANGES, GOLD, SILVER, SPARK_DDL, TABLES, Platform, merged, text, until

from . import canonical, layers, program

EXAMPLE = program.ROOT / "examples" / "k2.yaml"
EVERY = 1500  # 24 trades of each exchange in a quarter of an hour


class Nine:
    """The platform in hot, and cycles over it: by HTTP inside of `served`, else embedded."""

    def __init__(self, hot):
        self.hot, self.server = hot, None
        self.platform = Platform(self.execute)

    def execute(self, *statements):
        if self.server is None:
            return self.hot.execute(*statements)
        for statement in statements:
            self.server.query(statement)

    @contextlib.contextmanager
    def served(self, http_server):
        with http_server(self.hot) as self.server:
            yield
        self.server = None

    def cold(self, table):
        return self.hot.cold.table(table.target.split(".")[-1])

    def run(self, command, arguments, code=program.DONE):
        source = self.server.url if self.server else self.hot.url
        return program.run(command, "--source", source, *arguments, *self.hot.cold.arguments, "--json", "--progress", "never", code=code)

    def end(self, table, step):
        """Of the table's window: nothing whose trades the layer below has not committed."""
        marks = [layers.watermark(self.cold(parent)) for parent in TABLES if parent.name in table.parents]
        return min([until(step), *marks]) - table.span

    def environment(self):
        return {"CLICKHOUSE_URL": self.server.url if self.server else self.hot.url, "WAREHOUSE": self.hot.cold.warehouse}

    def run_all(self, *arguments, code=program.DONE):
        """`calve run` by the example configuration."""
        return program.run("run", "--config", EXAMPLE, *arguments, "--json", code=code, env=self.environment())

    def cycle(self, step, tables=TABLES):
        """{table: what calve said of it}, all tables compared with hot thereafter. Other tables than the nine: one `calve offload` each."""
        if tables == TABLES:
            told = {table["name"]: table for table in self.run_all("--until", text(until(step))).json["tables"]}
            assert list(told) == [table.name for table in TABLES] and {table["state"] for table in told.values()} == {"done"}
        else:
            told = {table.name: self.run("offload", [*table.offload_arguments, "--until", text(self.end(table, step))]).json for table in tables}
        if tables == TABLES:
            verified = program.run("verify", "--config", EXAMPLE, "--json", code=None, env=self.environment())
            assert verified.code == program.DONE and verified.json["equal"] and len(verified.json["tables"]) == len(TABLES), f"after the cycle at {step}: {verified}"
            return told
        for table in tables:
            found = self.run("verify", table.table_arguments, code=None)
            assert found.code == program.DONE and found.json["equal"], f"{table.name} after the cycle at {step}: {found}"
        return told

    def check(self, readers, tables=TABLES):
        """Every engine finds what ClickHouse itself merges, row by row."""
        for table in tables:
            mark = layers.watermark(self.cold(table))
            columns, expected = self.hot.rows(f"SELECT * FROM ({merged(table)}) WHERE {table.cursor} <= toDateTime64('{mark:%Y-%m-%d %H:%M:%S.%f}', 6, 'UTC')")
            assert expected, table.name
            for reader in readers:
                canonical.assert_same_rows(expected, reader.rows(self.cold(table), columns), columns, f"{reader.name}, {table.name}")


def late(told, tables):
    return [(told[table.name]["late"]["rows"], told[table.name]["late"]["rows_removed"]) for table in tables]


def test_days_of_late_again_delivered_and_changing_rows(cold, hot, http_server, duckdb, four):
    nine = Nine(hot)
    platform = nine.platform
    platform.build(EVERY)
    platform.play(0, 100)  # a day and an hour
    told = nine.cycle(100)
    assert [told[table.name]["rows"] for table in BRONZE] == [2300, 2300] and told[SILVER.name]["rows"] == 4600
    assert all(told[table.name]["rows"] > 0 for table in GOLD)

    with nine.served(http_server):
        platform.play(100)
        told = nine.cycle(101)
        assert [told[table.name]["rows"] for table in (*BRONZE, SILVER)] == [23, 23, 46]
        assert {pair for pair in late(told, TABLES)} == {(0, 0)}, "what is new is in the windows"

        # Trades that come late are new in bronze and silver, and change candles.
        platform.late(60, 40)
        platform.play(101)
        told = nine.cycle(102)
        assert late(told, (*BRONZE, SILVER)) == [(40, 0), (40, 0), (80, 0)]
        assert all(rows == removed > 0 for rows, removed in late(told, GOLD[1:])), "candles that there were"

        # Trades that come again replace their older selves in bronze, are more trades in silver, and count again in the candles.
        platform.redeliver(70, 20)
        platform.play(102)
        told = nine.cycle(103)
        assert late(told, (*BRONZE, SILVER)) == [(40, 40), (40, 40), (80, 0)]
        assert all(rows == removed > 0 for rows, removed in late(told, GOLD))

        # An older version changes nothing in bronze. What it adds above cannot be told from a trade.
        platform.redeliver(70, 5, version=0, correction="-1000", bare=True)
        told = nine.cycle(103)
        assert late(told, (*BRONZE, SILVER)) == [(0, 0), (0, 0), (20, 0)]

        # After a pause of 18 hours, all at once.
        platform.play(103, 73)
        platform.late(100, 70)
        platform.redeliver(72, 90, version=3, correction="-0.05", exchanges=EXCHANGES[:1])
        told = nine.cycle(176)
        assert told[SILVER.name]["rows"] > 2 * 23 * 73 and told[SILVER.name]["late"]["rows"] > 0
        assert told["bronze_trades_kraken"]["late"]["rows_removed"] == 0 < told["bronze_trades_binance"]["late"]["rows_removed"]

        # Merges bring no new rows and change no candle: nothing is committed but the next windows.
        before = {table.name: len(nine.cold(table).snapshots()) for table in TABLES}
        platform.optimize()
        told = nine.cycle(176)
        assert {pair for pair in late(told, TABLES)} == {(0, 0)}
        assert {table.name: len(nine.cold(table).snapshots()) for table in TABLES} == before

    platform.play(176, 24)
    platform.late(170, 6)
    told = nine.cycle(200)
    assert told["ohlcv_1d"]["rows"] == 4, "the second day's candles, now that it has ended"
    assert layers.Layers(cold, duckdb).check() > 40
    nine.check(four)


def test_days_of_failures_schema_changes_and_restarts(cold, hot, http_server, duckdb, four):
    nine = Nine(hot)
    platform = nine.platform
    platform.build(EVERY)
    platform.play(0, 60)
    nine.cycle(60)
    with nine.served(http_server):
        # A column that Iceberg has no type for stops its table and those that come after it, and nothing else.
        nine.execute("ALTER TABLE bronze_trades_kraken ADD COLUMN odd Array(AggregateFunction(sum, UInt8))")
        platform.play(60, 20)
        platform.late(40, 20)
        for _ in range(2):
            told = {table["name"]: table for table in nine.run_all("--until", text(until(80)), code=program.PARTLY).json["tables"]}
            assert {name: table["state"] for name, table in told.items()} == {
                "bronze_trades_binance": "done", "bronze_trades_kraken": "failed", **{table.name: "skipped" for table in (SILVER, *GOLD)}}
            assert "odd" in told["bronze_trades_kraken"]["error"]["message"] and "bronze_trades_kraken" in told[SILVER.name]["reason"]
        marks = {table.name: layers.watermark(nine.cold(table)) for table in TABLES}
        assert marks["bronze_trades_binance"] == until(80) and marks["bronze_trades_kraken"] == marks[SILVER.name] == until(60)

        # Mended, and silver has a column more: what was left behind is caught up with.
        nine.execute("ALTER TABLE bronze_trades_kraken DROP COLUMN odd", "ALTER TABLE silver_trades ADD COLUMN note Nullable(String)")
        told = nine.cycle(80)
        assert told["bronze_trades_binance"]["rows"] == 0 < told["bronze_trades_kraken"]["rows"]
        field = nine.cold(SILVER).metadata["schemas"][-1]["fields"][-1]
        assert (field["name"], field["required"]) == ("note", False)

        # Killed at some moment of each cycle, for two days; the next one goes on.
        for step in range(90, 290, 20):
            platform.play(step - 10, 20)
            platform.late(step - 30, 20)
            platform.redeliver(step - 30, 4, version=step)
            killed = program.start("run", "--config", EXAMPLE, "--until", text(until(step + 10)), "--json", env=nine.environment())
            time.sleep(0.05 + step % 70 / 100)
            killed.send_signal(signal.SIGKILL)
            killed.communicate(timeout=60)
            if step % 60 == 30:
                nine.cycle(step + 10)
        nine.cycle(290)
    assert layers.Layers(cold, duckdb).check() > 20
    nine.check(four)


def test_tables_that_spark_made(cold, hot, four, spark, duckdb):
    """The platform's own cold tables: UUIDs and enums as STRING, DECIMAL(38, 8), other orders of columns."""
    nine = Nine(hot)
    for table in TABLES:
        spark.sql(nine.cold(table), (SPARK_DDL / table.spark_ddl).read_text())
    nine.platform.build(EVERY)
    nine.platform.play(80, 30)
    nine.cycle(110)
    nine.platform.late(90, 10)
    nine.platform.redeliver(95, 10)
    nine.platform.play(110)
    told = nine.cycle(111)
    assert all(told[table.name]["late"]["rows"] > 0 for table in TABLES if table.name != "ohlcv_1d")
    for table in TABLES:
        metadata = nine.cold(table).metadata
        assert len(metadata["schemas"]) == len(metadata["partition-specs"]) == 1, "nothing had to change"
    assert layers.Layers(cold, duckdb).check() > 10
    nine.check(four)
    fields = {field["name"]: field["type"] for field in nine.cold(SILVER).metadata["schemas"][0]["fields"]}
    assert (fields["message_id"], fields["price"].replace(" ", "")) == ("string", "decimal(38,8)")


def test_candles_that_are_still_open(cold, hot, http_server, duckdb):
    """Windows that end where silver's do: a candle is offloaded as soon as it begins, and replaced until it ends."""
    nine = Nine(hot)
    day, minute = (dataclasses.replace(table, span=datetime.timedelta(0)) for table in (GOLD[-1], GOLD[0]))
    tables = [*BRONZE, SILVER, minute, day]
    nine.platform.build(EVERY)
    with nine.served(http_server):
        nine.platform.play(0, 232)  # two days and ten hours
        assert nine.cycle(232, tables)[day.name]["rows"] == 12
        nine.platform.play(232)
        assert late(nine.cycle(233, tables), [day]) == [(4, 4)], "today's candles"
        assert late(nine.cycle(234, tables), [day]) == [(0, 0)]
        # A trade that is late by nearly the look-back belongs to a candle that began before it.
        nine.platform.late(43)
        with pytest.raises(AssertionError, match="ohlcv_1d after the cycle"):
            nine.cycle(234, tables)
        nine.platform.late(44)
        told = nine.run("offload", [*day.offload_arguments, "--until", text(nine.end(day, 234)), "--lookback", "3d"]).json
        assert told["late"]["rows"] == told["late"]["rows_removed"] > 0
        assert nine.run("verify", day.table_arguments).json["equal"]
    # (The last of these trades reached gold before silver.)
    nine.cycle(234, tables)
    nine.check([duckdb], tables)


@pytest.mark.parametrize("table, step, words", [(SILVER, 7, "window up to"), (GOLD[0], 7, "window up to"), (SILVER, 4, "lack theirs"), (GOLD[0], 4, "lack theirs")],
                         ids=["silver", "gold", "a silver row", "a candle"])
def test_a_layer_that_runs_ahead_is_noticed(cold, hot, duckdb, table, step, words):
    """Of the check itself: a window before the parents' window, or late trades before the parents have them."""
    nine = Nine(hot)
    nine.platform.build(EVERY)
    nine.platform.play(0, 8)
    nine.cycle(4, [*BRONZE, SILVER, GOLD[0]])
    nine.platform.late(0, 2)
    layers.Layers(cold, duckdb, [*BRONZE, SILVER, GOLD[0]]).check()
    nine.run("offload", [*table.offload_arguments, "--until", text(until(step) - table.span)])
    with pytest.raises(AssertionError, match=words):
        layers.Layers(cold, duckdb, [*BRONZE, SILVER, GOLD[0]]).check()
