CREATE TABLE {t} (
    exchange STRING, symbol STRING, canonical_symbol STRING, sequence_number BIGINT, trade_id STRING,
    price DECIMAL(38, 8), quantity DECIMAL(38, 8), quote_volume DECIMAL(38, 8), side STRING,
    exchange_timestamp TIMESTAMP, platform_timestamp TIMESTAMP, ingested_at TIMESTAMP,
    schema_version STRING, metadata STRING, _version BIGINT)
USING iceberg
PARTITIONED BY (days(exchange_timestamp))
TBLPROPERTIES ('format-version' = '2', 'write.parquet.compression-codec' = 'zstd', 'write.parquet.compression-level' = '3')
