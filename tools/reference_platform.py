#!/usr/bin/env python3
"""The reference platform: nine tables in three layers, joined by materialised views, and real trades to feed them with.

    tools/reference_platform.py --data DIR [--steps 192] [--every 500]     an embedded database, with two days of trades
    tools/reference_platform.py --data DIR --more 1                        a quarter of an hour more

The sample of tests/data/trades is played to it: its `spot` trades are Binance's, its `usdm` trades Kraken's futures. A *step* is a quarter
of an hour of simulated time and holds the sample once, from its beginning on, times and ids shifted; step 0 begins at START. `every` thins it: one
run of eight trades in so many is taken (trades of one millisecond stay together), so that days of simulated time fit into a test.

Nothing reads a clock: `calve offload --until` of until(step) is a run just when that step begins, with a buffer of five minutes.
"""

import argparse
import dataclasses
import datetime
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
DDL = ROOT / "reference" / "clickhouse"
SPARK_DDL = ROOT / "reference" / "spark"
SAMPLE = ROOT / "tests" / "data" / "trades" / "binance_trades.csv.gz"

START = datetime.datetime(2024, 8, 8, tzinfo=datetime.timezone.utc)
STEP = datetime.timedelta(minutes=15)
BUFFER = datetime.timedelta(minutes=5)
STEPS_A_DAY = 96
EXCHANGES = ("binance", "kraken")


@dataclasses.dataclass(frozen=True)
class Table:
    """One of the nine, and how calve is told to offload it."""

    name: str
    target: str
    layer: str
    cursor: str
    partition_by: tuple
    spark_ddl: str
    sequence: str | None = None
    key: str | None = None  # where the engine does not tell
    parents: tuple = ()
    span: datetime.timedelta = datetime.timedelta(0)  # of a candle: its row is complete so long after its timestamp

    @property
    def table_arguments(self):
        """What every command takes."""
        return ["--source-table", self.name, "--target-table", self.target, "--timestamp-col", self.cursor,
                *(["--key", self.key] if self.key else [])]

    @property
    def offload_arguments(self):
        return [*self.table_arguments, "--layer", self.layer, *(["--sequence-col", self.sequence] if self.sequence else []),
                *(word for term in self.partition_by for word in ("--partition-by", term))]


BRONZE = tuple(Table(f"bronze_trades_{exchange}", f"cold.bronze_trades_{exchange}", "bronze", "exchange_timestamp", ("days(exchange_timestamp)",),
                     "bronze_trades.sql", sequence="sequence_number") for exchange in EXCHANGES)
SILVER = Table("silver_trades", "cold.silver_trades", "silver", "timestamp", ("days(timestamp)", "exchange", "asset_class"), "silver_trades.sql",
               sequence="source_sequence", key="message_id", parents=tuple(table.name for table in BRONZE))
GOLD = tuple(Table(f"ohlcv_{name}", f"cold.gold_ohlcv_{name}", "gold", "window_start", ("months(window_start)", "exchange"), "gold_ohlcv.sql",
                   parents=(SILVER.name,), span=datetime.timedelta(minutes=minutes))
             for name, minutes in (("1m", 1), ("5m", 5), ("15m", 15), ("30m", 30), ("1h", 60), ("1d", 1440)))
TABLES = (*BRONZE, SILVER, *GOLD)


def begin(step):
    return START + step * STEP


def text(moment):
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def until(step):
    """The end of the window of a run at the moment when the step begins."""
    return begin(step) - BUFFER


def statements(file):
    """The SQL statements of a file of reference/clickhouse."""
    return [statement.strip() for statement in re.split(r";[ \t]*(?:\n|$)", (DDL / file).read_text()) if statement.strip()]


def merged(table):
    """The rows as ClickHouse itself merges them, states finalised: what cold is to hold."""
    if table.layer == "gold":
        return f"SELECT * REPLACE (finalizeAggregation(trade_count) AS trade_count) FROM {table.name} FINAL"
    return f"SELECT * FROM {table.name}" + (" FINAL" if table.layer == "bronze" else "")


FEED = """
CREATE TABLE feed.trades (exchange LowCardinality(String), symbol LowCardinality(String), canonical_symbol LowCardinality(String), position UInt32,
    trade_id UInt64, price Decimal64(8), quantity Decimal64(8), is_buyer_maker Bool, traded_ms Int64, sent_ms Int64, received_ms Int64)
ENGINE = MergeTree ORDER BY (exchange, position)"""
FEED_COLUMNS = ("market String, symbol String, trade_id UInt64, price Decimal64(8), quantity Decimal64(8), event_time_ms Int64, "
                "trade_time_ms Int64, is_buyer_maker UInt8, received_ns Int64")
SAMPLE_START_MS = 1723161255342  # its first trade
RUN = 8
IDS_A_STEP = 1_000_000  # more than the sample holds of any symbol


def fill_feed(every):
    return f"""
INSERT INTO feed.trades
SELECT market = 'spot' ? 'binance' : 'kraken' AS exchange,
    market = 'spot' ? symbol : (symbol = 'BTCUSDT' ? 'PF_XBTUSD' : 'PF_ETHUSD'),
    substring(symbol, 1, 3) || (market = 'spot' ? '/USDT' : '/USD'),
    intDiv(position, {RUN * every}) * {RUN} + position % {RUN}, trade_id, price, quantity, is_buyer_maker, trade_time_ms - {SAMPLE_START_MS}, event_time_ms - {SAMPLE_START_MS},
    intDiv(received_ns, 1000000) - {SAMPLE_START_MS}
FROM (SELECT *, row_number() OVER (PARTITION BY market ORDER BY trade_time_ms, symbol, trade_id) - 1 AS position
      FROM file('{SAMPLE}', CSVWithNames, '{FEED_COLUMNS}') WHERE market IN ('spot', 'usdm'))
WHERE intDiv(position, {RUN}) % {every} = 0"""


MESSAGES = {
    "binance": ("('trade', sent, symbol, id, toString(price), toString(quantity), traded, is_buyer_maker)",
                "e String, E Int64, s String, t UInt64, p String, q String, T Int64, m Bool"),
    "kraken": ("('trade', symbol, is_buyer_maker ? 'sell' : 'buy', 'fill', id, traded, toString(quantity), toString(price))",
               "feed String, product_id String, side String, type String, seq UInt64, time Int64, qty String, price String"),
}


def trades(exchange, first, steps, where, delay="0", correction="0", version=1, bare=False):
    """The INSERT of an exchange's trades of the steps [first, first + steps). delay (ms): how much later than they came in the sample;
    bare: without the exchange's message."""
    values, names = MESSAGES[exchange]
    return f"""
INSERT INTO bronze_trades_{exchange} (exchange, symbol, canonical_symbol, sequence_number, trade_id, price, quantity, quote_volume, side,
    exchange_timestamp, platform_timestamp, ingested_at, schema_version, metadata, _version)
SELECT exchange, symbol, canonical_symbol, id, toString(id), price, quantity, toDecimal64(toDecimal128(price, 8) * quantity, 8),
    is_buyer_maker ? 'sell' : 'buy', fromUnixTimestamp64Milli(traded), fromUnixTimestamp64Milli(received), fromUnixTimestamp64Milli(received + 40),
    '1.0.0', {"''" if bare else f"toJSONString(CAST({values}, 'Tuple({names})'))"}, {version}
FROM
(
    SELECT t.exchange AS exchange, t.symbol AS symbol, t.canonical_symbol AS canonical_symbol, t.quantity AS quantity,
        t.is_buyer_maker AS is_buyer_maker, t.price + toDecimal64({correction}, 8) AS price, t.trade_id + s.step * {IDS_A_STEP} AS id,
        {int(START.timestamp()) * 1000} + s.step * {STEP.seconds * 1000} AS shift,
        t.traded_ms + shift AS traded, t.sent_ms + shift AS sent, t.received_ms + shift + {delay} AS received
    FROM feed.trades AS t CROSS JOIN (SELECT number AS step FROM numbers({first}, {steps})) AS s
    WHERE t.exchange = '{exchange}' AND {where}
)
ORDER BY traded, id"""


class Platform:
    """The nine tables of a database. `run` takes SQL statements and executes them in turn: tools/embedded_clickhouse.py's
    Engine.query, or anything over HTTP whose server reads this machine's files."""

    STRAGGLER = "t.position % 24 = 5"
    CORRECTED = "t.position % 24 IN (2, 20)"

    def __init__(self, run):
        self._run = run

    def build(self, every=500, ttl=False):
        """Empty tables, their views, and the feed (in a database of its own). With `ttl` hot forgets, as in production: data of
        2024 at once."""
        files = ["bronze.sql", "silver.sql", "gold.sql", "views_silver.sql", "views_gold.sql", *(["ttl.sql"] if ttl else [])]
        self._run(*(statement for file in files for statement in statements(file)),
                  "CREATE DATABASE feed", FEED, fill_feed(every))

    def play(self, first, steps=1, exchanges=EXCHANGES):
        """The trades of some steps, but for one in 24 that is still on its way."""
        self._run(*(trades(exchange, first, steps, f"NOT ({self.STRAGGLER})") for exchange in exchanges))

    def late(self, first, steps=1, exchanges=EXCHANGES):
        """Those that were on their way, twenty minutes late."""
        self._run(*(trades(exchange, first, steps, self.STRAGGLER, delay="1200000") for exchange in exchanges))

    def redeliver(self, first, steps=1, version=2, correction="0.01", exchanges=EXCHANGES, bare=False):
        """Some trades once more under the same key, as a higher version, at another price; half an hour late."""
        self._run(*(trades(exchange, first, steps, self.CORRECTED, "1800000", correction, version, bare) for exchange in exchanges))

    def optimize(self):
        """What merging makes of the tables, all at once."""
        self._run(*(f"OPTIMIZE TABLE {table.name} FINAL" for table in TABLES))


def main():
    import embedded_clickhouse

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="the embedded database's directory")
    parser.add_argument("--steps", type=int, default=2 * STEPS_A_DAY, help="quarters of an hour to begin with (192)")
    parser.add_argument("--every", type=int, default=500, help="1: the whole sample in each step (500)")
    parser.add_argument("--more", type=int, metavar="N", help="play N further steps to a database that is there")
    parser.add_argument("--lib", help="libchdb.so (default: where tools/setup puts it)")
    options = parser.parse_args()
    try:
        with embedded_clickhouse.Engine(options.data, options.lib) as engine:
            platform = Platform(lambda *sql: [engine.query(statement) for statement in sql])
            first = 0
            if options.more is None:
                platform.build(options.every)
            else:
                # The sample spans less than a step.
                first = int(engine.query(f"SELECT intDiv(toUnixTimestamp(max(exchange_timestamp)) - {int(START.timestamp())}, {STEP.seconds}) + 1 "
                                         "FROM bronze_trades_binance"))
            steps = options.steps if options.more is None else options.more
            platform.play(first, steps)
            for table in TABLES:
                print(f"{table.name:24}{int(engine.query(f'SELECT count() FROM {table.name}')):>12,} rows")
            print(f"up to {text(begin(first + steps))}")
    except (embedded_clickhouse.EngineError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
