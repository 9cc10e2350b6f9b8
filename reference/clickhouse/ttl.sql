-- How long hot keeps its rows. Not for data that is older already.
ALTER TABLE bronze_trades_binance MODIFY TTL toDateTime(exchange_timestamp) + INTERVAL 7 DAY;
ALTER TABLE bronze_trades_kraken MODIFY TTL toDateTime(exchange_timestamp) + INTERVAL 7 DAY;
ALTER TABLE silver_trades MODIFY TTL toDateTime(timestamp) + INTERVAL 30 DAY;
ALTER TABLE ohlcv_1m MODIFY TTL window_start + INTERVAL 1 YEAR;
ALTER TABLE ohlcv_5m MODIFY TTL window_start + INTERVAL 1 YEAR;
ALTER TABLE ohlcv_15m MODIFY TTL window_start + INTERVAL 1 YEAR;
ALTER TABLE ohlcv_30m MODIFY TTL window_start + INTERVAL 1 YEAR;
ALTER TABLE ohlcv_1h MODIFY TTL window_start + INTERVAL 1 YEAR;
ALTER TABLE ohlcv_1d MODIFY TTL window_start + INTERVAL 1 YEAR;
