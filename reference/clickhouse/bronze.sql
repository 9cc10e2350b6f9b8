-- Trades as an exchange sent them. A trade that is delivered again has the same sorting key and a higher _version.
CREATE TABLE bronze_trades_binance
(
    exchange LowCardinality(String),
    symbol LowCardinality(String),
    canonical_symbol LowCardinality(String),
    sequence_number UInt64,
    trade_id String,
    price Decimal64(8),
    quantity Decimal64(8),
    quote_volume Decimal64(8),
    side Enum8('buy' = 1, 'sell' = 2),
    exchange_timestamp DateTime64(3),
    platform_timestamp DateTime64(3),
    ingested_at DateTime64(3) DEFAULT now64(3),
    schema_version LowCardinality(String),
    metadata String COMMENT 'the message as it came, JSON',
    _version UInt64 DEFAULT 1
)
ENGINE = ReplacingMergeTree(_version)
PARTITION BY (exchange, toYYYYMMDD(exchange_timestamp))
ORDER BY (exchange, canonical_symbol, exchange_timestamp, sequence_number);

CREATE TABLE bronze_trades_kraken AS bronze_trades_binance;
