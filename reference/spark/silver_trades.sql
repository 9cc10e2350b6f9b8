CREATE TABLE {t} (
    message_id STRING, trade_id STRING, exchange STRING, symbol STRING, canonical_symbol STRING, asset_class STRING, currency STRING,
    price DECIMAL(38, 8), quantity DECIMAL(38, 8), quote_volume DECIMAL(38, 8), side STRING, trade_conditions ARRAY<STRING>,
    timestamp TIMESTAMP, ingestion_timestamp TIMESTAMP, processed_at TIMESTAMP,
    source_sequence BIGINT, platform_sequence BIGINT, vendor_data MAP<STRING, STRING>,
    is_valid BOOLEAN, validation_errors ARRAY<STRING>)
USING iceberg
PARTITIONED BY (days(timestamp), exchange, asset_class)
TBLPROPERTIES ('format-version' = '2', 'write.parquet.compression-codec' = 'zstd', 'write.parquet.compression-level' = '3')
