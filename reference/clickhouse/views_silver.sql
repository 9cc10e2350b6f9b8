-- Bronze to silver. A view sees the rows of an insert, not the table: a trade that bronze gets again is one more row here, and counts again in the
-- candles.

CREATE MATERIALIZED VIEW silver_from_binance TO silver_trades AS
SELECT
    generateUUIDv4() AS message_id,
    concat('BINANCE-', b.trade_id) AS trade_id,
    b.exchange AS exchange,
    b.symbol AS symbol,
    b.canonical_symbol AS canonical_symbol,
    'crypto' AS asset_class,
    splitByChar('/', toString(b.canonical_symbol))[2] AS currency,
    b.price AS price,
    b.quantity AS quantity,
    b.quote_volume AS quote_volume,
    upper(toString(b.side)) AS side,
    if(JSONExtractBool(b.metadata, 'm'), ['buyer_is_maker'], []) AS trade_conditions,
    b.exchange_timestamp AS timestamp,
    b.platform_timestamp AS ingestion_timestamp,
    now64(6) AS processed_at,
    b.sequence_number AS source_sequence,
    JSONExtract(b.metadata, 'seq', 'Nullable(UInt64)') AS platform_sequence,
    if(empty(b.metadata), map(),
       map('event_type', JSONExtractString(b.metadata, 'e'), 'event_time', JSONExtractRaw(b.metadata, 'E'),
           'is_buyer_maker', JSONExtractRaw(b.metadata, 'm'))) AS vendor_data,
    b.price > 0 AND b.quantity > 0 AND b.quote_volume >= 1 AS is_valid,
    arrayConcat(if(b.price <= 0, ['invalid_price'], []), if(b.quantity <= 0, ['invalid_quantity'], []),
                if(b.quote_volume < 1, ['dust'], [])) AS validation_errors
FROM bronze_trades_binance AS b;

CREATE MATERIALIZED VIEW silver_from_kraken TO silver_trades AS
SELECT
    generateUUIDv4() AS message_id,
    concat('KRAKEN-', b.trade_id) AS trade_id,
    b.exchange AS exchange,
    b.symbol AS symbol,
    b.canonical_symbol AS canonical_symbol,
    'futures' AS asset_class,
    splitByChar('/', toString(b.canonical_symbol))[2] AS currency,
    b.price AS price,
    b.quantity AS quantity,
    b.quote_volume AS quote_volume,
    upper(toString(b.side)) AS side,
    arrayFilter(word -> notEmpty(word), [JSONExtractString(b.metadata, 'type')]) AS trade_conditions,
    b.exchange_timestamp AS timestamp,
    b.platform_timestamp AS ingestion_timestamp,
    now64(6) AS processed_at,
    b.sequence_number AS source_sequence,
    JSONExtract(b.metadata, 'seq', 'Nullable(UInt64)') AS platform_sequence,
    if(empty(b.metadata), map(),
       map('feed', JSONExtractString(b.metadata, 'feed'), 'product_id', JSONExtractString(b.metadata, 'product_id'))) AS vendor_data,
    b.price > 0 AND b.quantity > 0 AND b.quote_volume >= 1 AS is_valid,
    arrayConcat(if(b.price <= 0, ['invalid_price'], []), if(b.quantity <= 0, ['invalid_quantity'], []),
                if(b.quote_volume < 1, ['dust'], [])) AS validation_errors
FROM bronze_trades_kraken AS b;
