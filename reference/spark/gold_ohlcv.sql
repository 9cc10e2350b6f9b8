CREATE TABLE {t} (
    exchange STRING, canonical_symbol STRING, window_start TIMESTAMP,
    open_price DECIMAL(38, 8), close_price DECIMAL(38, 8), high_price DECIMAL(38, 8), low_price DECIMAL(38, 8),
    volume DECIMAL(38, 8), quote_volume DECIMAL(38, 8), trade_count BIGINT)
USING iceberg
PARTITIONED BY (months(window_start), exchange)
TBLPROPERTIES ('format-version' = '2', 'write.parquet.compression-codec' = 'zstd', 'write.parquet.compression-level' = '3')
