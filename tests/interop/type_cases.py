"""Every ClickHouse type that calve takes, with the values at its edges, and the Iceberg type it becomes."""

import dataclasses

FLOAT_EDGES = ["nan", "inf", "-inf", "-0.0", "0.0", "1.5", "-1e-7"]
TEXTS = ["''", "'a'", "'naïve Ωμέγα 氷山 🧊'", "' leading and trailing '", r"'tab\tnewline\nquote\'backslash\\'", r"'nul\0inside'",
         "repeat('long ', 20000)"]


@dataclasses.dataclass
class Case:
    name: str
    type: str
    values: list           # SQL expressions
    iceberg: str           # as the table's schema has to say it (nested ones: only the kind of container)
    select: str = ""       # what ClickHouse is asked for comparison; the column itself where empty
    nullable: bool = True  # whether Nullable(type) exists
    options: tuple = ()    # of calve


def integers(bits, kind):
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    return Case(f"i{bits}", f"Int{bits}", [f"toInt{bits}('{v}')" for v in (low, high, 0, -1, 1)], kind)


def naturals(bits, kind, high=None, name=None, options=()):
    high = 2 ** bits - 1 if high is None else high
    return Case(name or f"u{bits}", f"UInt{bits}", [f"toUInt{bits}('{v}')" for v in (0, high, 1)], kind, options=options)


def wide(type_name, low, high):
    return Case(type_name.lower(), type_name, [f"to{type_name}('{v}')" for v in (low, high, 0)], "decimal(38,0)")


LIMIT38 = 10 ** 38 - 1

SCALARS = [
    Case("flag", "Bool", ["true", "false"], "boolean"),
    integers(8, "int"), integers(16, "int"), integers(32, "int"), integers(64, "long"),
    naturals(8, "int"), naturals(16, "int"), naturals(32, "long"), naturals(64, "long", 2 ** 63 - 1),
    naturals(64, "decimal(20,0)", name="u64_decimal", options=("--type", "u64_decimal=decimal(20,0)", "--type",
                                                               "u64_decimal_null=decimal(20,0)")),
    wide("Int128", -LIMIT38, LIMIT38), wide("UInt128", 0, LIMIT38), wide("Int256", -LIMIT38, LIMIT38), wide("UInt256", 0, LIMIT38),
    Case("f32", "Float32", [f"toFloat32('{v}')" for v in [*FLOAT_EDGES, "3.4028235e38", "1.17549435e-38", "1e-45", "0.1"]], "float"),
    Case("bf16", "BFloat16", [f"toBFloat16(toFloat32('{v}'))" for v in FLOAT_EDGES], "float"),
    Case("f64", "Float64", [f"toFloat64('{v}')" for v in [*FLOAT_EDGES, "1.7976931348623157e308", "5e-324", "0.1"]], "double"),
    Case("d32", "Decimal(9, 4)", [f"toDecimal32('{v}', 4)" for v in ("99999.9999", "-99999.9999", "0", "0.0001", "-0.0001")], "decimal(9,4)"),
    Case("d64", "Decimal(18, 8)", [f"toDecimal64('{v}', 8)" for v in ("9999999999.99999999", "-9999999999.99999999", "0", "61837.63")], "decimal(18,8)"),
    Case("d128", "Decimal(38, 10)", [f"toDecimal128('{v}', 10)" for v in ("9" * 28 + "." + "9" * 10, "-" + "9" * 28 + "." + "9" * 10, "0", "-1.5")], "decimal(38,10)"),
    Case("d128_narrow", "Decimal(19, 0)", [f"toDecimal128('{v}', 0)" for v in ("9" * 19, "-" + "9" * 19, "128", "-128", "-129")], "decimal(19,0)"),
    Case("d256", "Decimal(76, 10)", [f"toDecimal256('{v}', 10)" for v in ("9" * 28 + "." + "9" * 10, "-" + "9" * 28 + "." + "9" * 10, "0")], "decimal(38,10)"),
    Case("s", "String", TEXTS, "string"),
    Case("lc", "LowCardinality(String)", TEXTS[:6], "string", nullable=False),
    Case("lcn", "LowCardinality(Nullable(String))", ["'x'", "NULL", "''", "'Ω'"], "string", nullable=False),
    Case("e8", "Enum8('buy' = -128, 'sell' = 127, '' = 0, 'größer = \\'x\\'' = 5)", ["'buy'", "'sell'", "''", "'größer = \\'x\\''"], "string"),
    Case("e16", "Enum16('low' = -32768, 'high' = 32767)", ["'low'", "'high'"], "string"),
    Case("ip4", "IPv4", ["toIPv4('0.0.0.0')", "toIPv4('255.255.255.255')", "toIPv4('127.0.0.1')"], "string"),
    Case("ip6", "IPv6", ["toIPv6('::')", "toIPv6('ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff')", "toIPv6('2001:db8::1')", "toIPv6('::ffff:1.2.3.4')"], "string"),
    Case("fx", "FixedString(5)", ["'abcde'", "'ab'", "''", "unhex('FF00FE80C1')"], "fixed[5]"),
    Case("id", "UUID", [f"toUUID('{v}')" for v in ("00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff",
                                                   "12345678-9abc-4def-8123-456789abcdef")], "uuid"),
    Case("day", "Date", ["toDate('1970-01-01')", "toDate('2149-06-06')", "toDate('2024-02-29')"], "date"),
    Case("day32", "Date32", ["toDate32('1900-01-01')", "toDate32('2299-12-31')", "toDate32('1969-12-31')", "toDate32('1970-01-01')"], "date"),
    Case("dt", "DateTime('UTC')", ["toDateTime(0, 'UTC')", "toDateTime(4294967295, 'UTC')", "toDateTime('2024-08-09 12:00:00', 'UTC')"], "timestamptz",
         select="toTimeZone({c}, 'UTC')"),
    Case("dt_tokyo", "DateTime('Asia/Tokyo')", ["toDateTime(0, 'UTC')", "toDateTime('2024-08-09 12:00:00', 'UTC')"], "timestamptz",
         select="toTimeZone({c}, 'UTC')"),
    *[Case(f"dt64_{p}", f"DateTime64({p}, 'UTC')",
           [f"toDateTime64('{v}', {p}, 'UTC')" for v in ("1900-01-01 00:00:00", "1969-12-31 23:59:59" + (".999999"[:p + 1] if p else ""),
                                                         "1970-01-01 00:00:00", "2299-12-31 23:59:59" + (".999999"[:p + 1] if p else ""),
                                                         "2024-08-09 12:34:56")], "timestamptz") for p in (0, 1, 3, 6)],
    Case("dt64_ny", "DateTime64(6, 'America/New_York')", ["toDateTime64('1969-12-31 23:59:59.000001', 6, 'UTC')",
                                                          "toDateTime64('2024-11-03 06:30:00.5', 6, 'UTC')"], "timestamptz", select="toTimeZone({c}, 'UTC')"),
    Case("simple", "SimpleAggregateFunction(max, Int64)", ["-5", "9223372036854775807"], "long", nullable=False),
    Case("simple_d", "SimpleAggregateFunction(sum, Decimal(38, 8))", ["toDecimal128('-1.5', 8)", "toDecimal128('2.00000001', 8)"], "decimal(38,8)", nullable=False),
    Case("agg_count", "AggregateFunction(count)", ["arrayReduce('countState', range(3))", "arrayReduce('countState', range(70))"], "long",
         select="toInt64(finalizeAggregation({c}))", nullable=False),
    Case("agg_sum", "AggregateFunction(sum, Int64)", ["arrayReduce('sumState', [toInt64(-7), 2])"], "long", select="finalizeAggregation({c})", nullable=False),
]

CONTAINERS = [
    Case("a_s", "Array(String)", ["[]", "['']", "['a', 'Ω', '']", "arrayMap(i -> toString(i), range(1000))"], "list"),
    Case("a_ni", "Array(Nullable(Int64))", ["[]", "[NULL]", "[1, NULL, -9223372036854775808]"], "list"),
    Case("a_lc", "Array(LowCardinality(String))", ["['x', 'y', 'x']", "[]"], "list"),
    Case("a_f", "Array(Float64)", ["[nan, -0.0, inf]", "[]"], "list"),
    Case("a_ts", "Array(DateTime64(6, 'UTC'))", ["[toDateTime64('1900-01-01 00:00:00', 6, 'UTC'), toDateTime64('2024-08-09 00:00:00.000001', 6, 'UTC')]", "[]"], "list"),
    Case("a_d", "Array(Decimal(18, 8))", ["[toDecimal64('-0.00000001', 8)]", "[]"], "list"),
    Case("a_a", "Array(Array(Int32))", ["[]", "[[]]", "[[1], [], [2, 3]]"], "list"),
    Case("a_u", "Array(UUID)", ["[toUUID('12345678-9abc-4def-8123-456789abcdef')]", "[]"], "list"),
    Case("a_t", "Array(Tuple(price Decimal(18, 8), size Nullable(Float64)))", ["[(toDecimal64('1.5', 8), NULL), (toDecimal64('2', 8), nan)]", "[]"], "list"),
    Case("m_ss", "Map(String, String)", ["map()", "map('', '')", "map('k', 'v', 'Ω', '氷')"], "map"),
    Case("m_lc", "Map(LowCardinality(String), Array(UInt8))", ["map('a', [1, 2], 'b', [])", "map()"], "map"),
    Case("m_in", "Map(Int32, Nullable(Float64))", ["map(-1, NULL, 2, -0.0)", "map()"], "map"),
    Case("m_m", "Map(String, Map(String, Int64))", ["map('x', map('y', 1), 'z', map())", "map()"], "map"),
    Case("t_named", "Tuple(a Int32, b String, c Nullable(Date))", ["(1, 'x', NULL)", "(-1, '', toDate('2024-01-01'))"], "struct"),
    Case("t_plain", "Tuple(Int32, String)", ["(1, 'x')", "(2, '')"], "struct"),
    Case("t_deep", "Tuple(q Tuple(w Array(Tuple(e Map(String, Int8)))))", ["tuple(tuple([tuple(map('k', 1))]))", "tuple(tuple([]))"], "struct"),
    Case("nested", "Nested(side Enum8('b' = 1, 's' = 2), qty Decimal(18, 8))", ["[('b', toDecimal64('1', 8)), ('s', toDecimal64('2.5', 8))]", "[]"], "list"),
]


def every_case():
    """The cases and, where it exists, the nullable twin of each."""
    for case in SCALARS + CONTAINERS:
        yield case
        if case in SCALARS and case.nullable:
            yield dataclasses.replace(case, name=f"{case.name}_null", type=f"Nullable({case.type})", values=[*case.values, "NULL"], options=())


# What an engine itself cannot do with the type, whoever wrote the table: {engine: {column: reason}}.
UNREADABLE = {}
