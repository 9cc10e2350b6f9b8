"""Rows as ClickHouse holds them: its own JSON output, read by type into canonical form.

JSONCompactEachRow with everything quoted loses nothing: 64-bit and wider numbers and decimals stay text, bytes that are not
UTF-8 pass through as surrogates.
"""

import datetime
import decimal
import json
import re

from . import canonical

SETTINGS = (
    "output_format_json_quote_64bit_integers=1, output_format_json_quote_decimals=1, "
    "output_format_json_quote_64bit_floats=1, output_format_json_quote_denormals=1, "
    "output_format_json_map_as_array_of_tuples=1, output_format_json_named_tuples_as_objects=0, "
    "output_format_json_validate_utf8=0, output_format_json_escape_forward_slashes=0"
)

TOKEN = re.compile(r"\s*('(?:[^'\\]|\\.)*'|`(?:[^`\\]|\\.)*`|[\w.-]+|[(),=])")


class Type:
    def __init__(self, name, arguments):
        self.name, self.arguments = name, arguments

    def __repr__(self):
        return self.name + (f"({', '.join(map(repr, self.arguments))})" if self.arguments else "")


def parse_type(text):
    tokens = TOKEN.findall(text)
    position = 0

    def one():
        nonlocal position
        name = tokens[position]
        position += 1
        arguments = []
        if position < len(tokens) and tokens[position] == "(":
            position += 1
            while tokens[position] != ")":
                words = []
                while tokens[position] not in (",", ")"):
                    if tokens[position] == "=":
                        position += 1
                        continue
                    words.append(one())
                arguments.append(words[-1])  # a field's type stands behind its name
                if tokens[position] == ",":
                    position += 1
            position += 1
        return Type(name, arguments)

    result = one()
    assert position == len(tokens), f"cannot read type {text!r}"
    return result


INTEGERS = {f"{sign}Int{bits}" for sign in ("", "U") for bits in (8, 16, 32, 64, 128, 256)}
TEXTS = {"String", "Enum8", "Enum16", "UUID", "IPv4", "IPv6"}


def instant(text):
    """'1969-12-31 23:59:59.999' (UTC) as microseconds."""
    whole, _, fraction = text.partition(".")
    moment = datetime.datetime.strptime(whole, "%Y-%m-%d %H:%M:%S")
    scaled = decimal.Decimal("0." + (fraction or "0")).scaleb(6)
    assert scaled == int(scaled), f"{text} has more than microseconds"
    return canonical.micros((moment - canonical.EPOCH) // canonical.MICROSECOND + int(scaled))


def convert(value, kind):
    name, arguments = kind.name, kind.arguments
    if name in ("Nullable", "LowCardinality"):
        return convert(value, arguments[0])
    if name == "SimpleAggregateFunction":
        return convert(value, arguments[1])
    if value is None:
        return None
    if name == "Bool":
        return canonical.scalar(bool(value))
    if name in INTEGERS or name.startswith("Decimal"):
        return canonical.number(value)
    if name in ("Float32", "BFloat16"):
        return canonical.float32_text(value)
    if name == "Float64":
        return canonical.floating(float(value))
    if name in TEXTS:
        return value
    if name == "FixedString":
        return value.encode("utf-8", "surrogateescape").ljust(int(arguments[0].name), b"\0")
    if name in ("Date", "Date32"):
        return canonical.scalar(datetime.date.fromisoformat(value))
    if name in ("DateTime", "DateTime64"):
        return instant(value)
    if name == "Array":
        return canonical.sequence(convert(v, arguments[0]) for v in value)
    if name == "Map":
        return canonical.mapping((convert(k, arguments[0]), convert(v, arguments[1])) for k, v in value)
    if name == "Tuple":
        return canonical.record(convert(v, t) for v, t in zip(value, arguments, strict=True))
    if name == "Nested":
        return canonical.sequence(canonical.record(convert(v, t) for v, t in zip(row, arguments)) for row in value)
    raise TypeError(f"no canonical form for ClickHouse type {kind!r}")


def rows(output):
    """(columns, rows) of an answer in JSONCompactEachRowWithNamesAndTypes."""
    lines = [json.loads(line, parse_float=str, parse_int=str) for line in output.decode("utf-8", "surrogateescape").splitlines()]
    columns, types = lines[0], [parse_type(text) for text in lines[1]]
    return columns, [tuple(convert(v, t) for v, t in zip(line, types, strict=True)) for line in lines[2:]]
