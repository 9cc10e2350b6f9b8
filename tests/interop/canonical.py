"""One form for a value, whichever engine read it, so that rows can be compared exactly.

A value becomes a hashable tuple that names its kind: numbers compare by value whatever their width or scale, floats by
their bits (NaN equals NaN, 0.0 differs from -0.0), timestamps as UTC microseconds, dates as days, structs by position.
"""

import collections
import datetime
import decimal
import math
import struct
import uuid

EPOCH = datetime.datetime(1970, 1, 1)
EPOCH_UTC = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
MICROSECOND = datetime.timedelta(microseconds=1)


def number(value):
    return ("number", decimal.Decimal(value))


def floating(value):
    return ("float", "nan" if math.isnan(value) else repr(float(value)))


def float32_text(text):
    """A Float32 in ClickHouse's shortest text, as the double that holds the very same value."""
    return floating(struct.unpack("<f", struct.pack("<f", float(text)))[0])


def micros(value):
    return ("timestamp", int(value))


def days(value):
    return ("date", int(value))


def sequence(values):
    return ("list", tuple(values))


def mapping(pairs):
    return ("map", tuple(sorted(pairs, key=repr)))


def record(values):
    return ("struct", tuple(values))


def scalar(value):
    """A Python value without parts."""
    if value is None or isinstance(value, (str, bytes)):
        return value
    if isinstance(value, bool):
        return ("bool", value)
    if isinstance(value, (int, decimal.Decimal)):
        return number(value)
    if isinstance(value, float):
        return floating(value)
    if isinstance(value, datetime.datetime):
        return micros((value - (EPOCH_UTC if value.tzinfo else EPOCH)) // MICROSECOND)
    if isinstance(value, datetime.date):
        return days((value - EPOCH.date()).days)
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, (bytearray, memoryview)):
        return bytes(value)
    raise TypeError(f"no canonical form for {type(value)}: {value!r}")


def difference(expected, actual, columns, limit=10):
    """What distinguishes two multisets of rows, for people; empty where nothing does."""
    missing = collections.Counter(expected)
    extra = collections.Counter(actual)
    missing, extra = missing - extra, extra - missing
    if not missing and not extra:
        return ""
    lines = [f"{sum(missing.values())} of {len(expected)} expected rows are missing, {sum(extra.values())} rows too many"]
    # Rows that agree in most columns are shown side by side: the column at fault is what one wants to see.
    candidates = list(extra)
    for row in list(missing)[:limit]:
        near = max(candidates, key=lambda other: sum(a == b for a, b in zip(row, other)), default=None)
        same = sum(a == b for a, b in zip(row, near)) if near is not None else 0
        if near is not None and same * 2 >= len(columns):
            lines.append(f"row that begins {row[:3]}:")
            lines += [f"    {name}: expected {a!r}, got {b!r}" for name, a, b in zip(columns, row, near) if a != b]
        else:
            lines.append(f"missing ({missing[row]}x): {dict(zip(columns, row))}")
    for row in candidates[:limit]:
        lines.append(f"too many ({extra[row]}x): {dict(zip(columns, row))}")
    return "\n".join(lines)


def assert_same_rows(expected, actual, columns, who=""):
    text = difference(expected, actual, columns)
    assert not text, f"{who}: {text}"
