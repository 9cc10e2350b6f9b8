-- Silver to gold: each insert adds its pieces to the candles. open_price and close_price are of the first and the last insert, not of the earliest
-- and the latest trade.

CREATE MATERIALIZED VIEW ohlcv_1m_from_silver TO ohlcv_1m AS
SELECT
    s.exchange AS exchange,
    s.canonical_symbol AS canonical_symbol,
    toStartOfInterval(s.timestamp, INTERVAL 1 MINUTE) AS window_start,
    any(s.price) AS open_price,
    max(s.price) AS high_price,
    min(s.price) AS low_price,
    anyLast(s.price) AS close_price,
    sum(s.quantity) AS volume,
    sum(s.quote_volume) AS quote_volume,
    countState() AS trade_count
FROM silver_trades AS s
WHERE s.is_valid
GROUP BY exchange, canonical_symbol, window_start;

CREATE MATERIALIZED VIEW ohlcv_5m_from_silver TO ohlcv_5m AS
SELECT
    s.exchange AS exchange,
    s.canonical_symbol AS canonical_symbol,
    toStartOfInterval(s.timestamp, INTERVAL 5 MINUTE) AS window_start,
    any(s.price) AS open_price,
    max(s.price) AS high_price,
    min(s.price) AS low_price,
    anyLast(s.price) AS close_price,
    sum(s.quantity) AS volume,
    sum(s.quote_volume) AS quote_volume,
    countState() AS trade_count
FROM silver_trades AS s
WHERE s.is_valid
GROUP BY exchange, canonical_symbol, window_start;

CREATE MATERIALIZED VIEW ohlcv_15m_from_silver TO ohlcv_15m AS
SELECT
    s.exchange AS exchange,
    s.canonical_symbol AS canonical_symbol,
    toStartOfInterval(s.timestamp, INTERVAL 15 MINUTE) AS window_start,
    any(s.price) AS open_price,
    max(s.price) AS high_price,
    min(s.price) AS low_price,
    anyLast(s.price) AS close_price,
    sum(s.quantity) AS volume,
    sum(s.quote_volume) AS quote_volume,
    countState() AS trade_count
FROM silver_trades AS s
WHERE s.is_valid
GROUP BY exchange, canonical_symbol, window_start;

CREATE MATERIALIZED VIEW ohlcv_30m_from_silver TO ohlcv_30m AS
SELECT
    s.exchange AS exchange,
    s.canonical_symbol AS canonical_symbol,
    toStartOfInterval(s.timestamp, INTERVAL 30 MINUTE) AS window_start,
    any(s.price) AS open_price,
    max(s.price) AS high_price,
    min(s.price) AS low_price,
    anyLast(s.price) AS close_price,
    sum(s.quantity) AS volume,
    sum(s.quote_volume) AS quote_volume,
    countState() AS trade_count
FROM silver_trades AS s
WHERE s.is_valid
GROUP BY exchange, canonical_symbol, window_start;

CREATE MATERIALIZED VIEW ohlcv_1h_from_silver TO ohlcv_1h AS
SELECT
    s.exchange AS exchange,
    s.canonical_symbol AS canonical_symbol,
    toStartOfInterval(s.timestamp, INTERVAL 1 HOUR) AS window_start,
    any(s.price) AS open_price,
    max(s.price) AS high_price,
    min(s.price) AS low_price,
    anyLast(s.price) AS close_price,
    sum(s.quantity) AS volume,
    sum(s.quote_volume) AS quote_volume,
    countState() AS trade_count
FROM silver_trades AS s
WHERE s.is_valid
GROUP BY exchange, canonical_symbol, window_start;

CREATE MATERIALIZED VIEW ohlcv_1d_from_silver TO ohlcv_1d AS
SELECT
    s.exchange AS exchange,
    s.canonical_symbol AS canonical_symbol,
    toStartOfInterval(s.timestamp, INTERVAL 1 DAY) AS window_start,
    any(s.price) AS open_price,
    max(s.price) AS high_price,
    min(s.price) AS low_price,
    anyLast(s.price) AS close_price,
    sum(s.quantity) AS volume,
    sum(s.quote_volume) AS quote_volume,
    countState() AS trade_count
FROM silver_trades AS s
WHERE s.is_valid
GROUP BY exchange, canonical_symbol, window_start;
