"""A small table of trades, as most tests use it: a cursor with ties (four rows share an instant), a sequence, money, text.

Times lie in the past and rise with the sequence, so `--until through(n)` makes a window that ends with row n - 1.
"""

import datetime

START = datetime.datetime(2024, 8, 9, tzinfo=datetime.timezone.utc)
STEP = datetime.timedelta(seconds=60)
TIES = 4
COLUMN_NAMES = ["ts", "sequence", "symbol", "price", "side"]


def instant(row):
    return START + STEP * (row // TIES)


def text(moment):
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f") + "Z"


def through(count):
    """The window's end that takes in rows 0 … count - 1 and no more."""
    assert count % TIES == 0, "a window cannot end amid rows of the same instant"
    return text(instant(count - 1))


def create_trades(hot, table="trades", engine="MergeTree ORDER BY (symbol, ts)"):
    hot.execute(f"CREATE TABLE {table} (ts DateTime64(3, 'UTC'), sequence UInt64, symbol LowCardinality(String), "
                f"price Decimal64(8), side Enum8('buy' = 1, 'sell' = 2)) ENGINE = {engine}")


def insert_trades(hot, first, count, table="trades"):
    """Rows numbered first … first + count - 1."""
    hot.execute(
        f"INSERT INTO {table} SELECT toDateTime64('{START:%Y-%m-%d %H:%M:%S}', 3, 'UTC') + toIntervalSecond(intDiv(number, {TIES}) * {STEP.seconds}), "
        "number, ['BTCUSDT', 'ETHUSDT', 'ΩUSDT'][number % 3 + 1], toDecimal64(61837.63, 8) + number, if(number % 2 = 0, 'buy', 'sell') "
        f"FROM numbers({first}, {count})")


def offload_trades(hot, count, *more, **options):
    """Offloads rows 0 … count - 1, as far as they are not yet in."""
    return hot.offload("trades", "--until", through(count), *more, **options)
