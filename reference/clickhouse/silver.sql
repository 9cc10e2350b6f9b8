-- All exchanges' trades in one form, checked.
CREATE TABLE silver_trades
(
    message_id UUID,
    trade_id String,
    exchange LowCardinality(String),
    symbol LowCardinality(String),
    canonical_symbol LowCardinality(String),
    asset_class LowCardinality(String),
    currency LowCardinality(String),
    price Decimal128(8),
    quantity Decimal128(8),
    quote_volume Decimal128(8),
    side Enum8('BUY' = 1, 'SELL' = 2, 'SELL_SHORT' = 3, 'UNKNOWN' = 4),
    trade_conditions Array(String),
    timestamp DateTime64(6, 'UTC'),
    ingestion_timestamp DateTime64(6, 'UTC'),
    processed_at DateTime64(6, 'UTC') DEFAULT now64(6),
    source_sequence UInt64,
    platform_sequence Nullable(UInt64),
    vendor_data Map(String, String),
    is_valid Bool,
    validation_errors Array(String)
)
ENGINE = MergeTree
PARTITION BY (exchange, asset_class, toYYYYMMDD(timestamp))
ORDER BY (exchange, asset_class, canonical_symbol, timestamp);
