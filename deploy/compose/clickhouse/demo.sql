-- A day of made-up trades, and candles that a materialised view keeps. `INSERT INTO demo.trades SELECT …` adds more.
CREATE DATABASE IF NOT EXISTS demo;

CREATE TABLE IF NOT EXISTS demo.trades
(
    exchange LowCardinality(String),
    symbol LowCardinality(String),
    sequence_number UInt64,
    price Decimal64(8),
    quantity Decimal64(8),
    timestamp DateTime64(3, 'UTC')
)
ENGINE = MergeTree PARTITION BY toDate(timestamp) ORDER BY (symbol, timestamp) TTL toDateTime(timestamp) + INTERVAL 7 DAY;

CREATE TABLE IF NOT EXISTS demo.candles_1m
(
    symbol LowCardinality(String),
    window_start DateTime64(3, 'UTC'),
    high SimpleAggregateFunction(max, Decimal64(8)),
    low SimpleAggregateFunction(min, Decimal64(8)),
    trades SimpleAggregateFunction(sum, UInt64)
)
ENGINE = AggregatingMergeTree PARTITION BY toYYYYMM(window_start) ORDER BY (symbol, window_start);

CREATE MATERIALIZED VIEW IF NOT EXISTS demo.candles_1m_of_trades TO demo.candles_1m AS
SELECT symbol, toDateTime64(toStartOfMinute(timestamp), 3, 'UTC') AS window_start, max(price) AS high, min(price) AS low, count() AS trades
FROM demo.trades GROUP BY symbol, window_start;

INSERT INTO demo.trades
SELECT 'made-up', ['BTC-USD', 'ETH-USD'][number % 2 + 1], number, toDecimal64(60000 + rand() % 1000, 8), toDecimal64(rand() % 100, 8) / 100,
       now64(3, 'UTC') - INTERVAL (86400 - number) SECOND
FROM numbers(86400);
