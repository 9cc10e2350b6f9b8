-- Candles. Several rows of a key are pieces of one candle: what it is shows in `SELECT … FINAL` and finalizeAggregation(trade_count).
CREATE TABLE ohlcv_1m
(
    exchange LowCardinality(String),
    canonical_symbol LowCardinality(String),
    window_start DateTime('UTC'),
    open_price SimpleAggregateFunction(any, Decimal64(8)),
    high_price SimpleAggregateFunction(max, Decimal64(8)),
    low_price SimpleAggregateFunction(min, Decimal64(8)),
    close_price SimpleAggregateFunction(anyLast, Decimal64(8)),
    volume SimpleAggregateFunction(sum, Decimal(38, 8)),
    quote_volume SimpleAggregateFunction(sum, Decimal(38, 8)),
    trade_count AggregateFunction(count)
)
ENGINE = AggregatingMergeTree
PARTITION BY (exchange, toYYYYMM(window_start))
ORDER BY (exchange, canonical_symbol, window_start);

CREATE TABLE ohlcv_5m AS ohlcv_1m;
CREATE TABLE ohlcv_15m AS ohlcv_1m;
CREATE TABLE ohlcv_30m AS ohlcv_1m;
CREATE TABLE ohlcv_1h AS ohlcv_1m;
CREATE TABLE ohlcv_1d AS ohlcv_1m;
