#!/usr/bin/env python3
"""Makes the golden files of FORMAT Native in this folder, by a real ClickHouse.

  NAME_rREVISION.native   blocks as the engine wrote them at that client_protocol_version
  NAME.jsonl              the same rows as JSONEachRow (with the settings below), by the engine too

    pip install chdb clickhouse-cityhash lz4
    ./make.py                                    everything that the embedded engine (PyPI's chdb) can write
    ./make.py --old-server http://127.0.0.1:8123 old_*: from a real clickhouse-server of 2018 (18.16.1, Debian's package)
"""
import argparse
import json
import pathlib
import re
import struct
import tempfile
import urllib.parse
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
REVISIONS = [54405, 54454, 54465]
JSON_SETTINGS = {
    "output_format_json_quote_64bit_integers": 1,
    "output_format_json_quote_denormals": 1,
    "output_format_json_quote_decimals": 1,
    "output_format_decimal_trailing_zeros": 1,
    "output_format_json_named_tuples_as_objects": 1,
    "date_time_output_format": "'iso'",
}

# name -> (columns, blocks of rows). Every block is one INSERT into a Memory table, so that it stays one block.
NUMBERS = (
    """b Bool, i8 Int8, i16 Int16, i32 Int32, i64 Int64, i128 Int128, i256 Int256, u8 UInt8, u16 UInt16, u32 UInt32, u64 UInt64,
       u128 UInt128, u256 UInt256, f32 Float32, f64 Float64, bf BFloat16, d9 Decimal(9, 4), d18 Decimal(18, 8), d38 Decimal(38, 8),
       d76 Decimal(76, 20)""",
    [
        """(true, -128, -32768, -2147483648, -9223372036854775808, '-99999999999999999999999999999999999999',
            '-99999999999999999999999999999999999999', 255, 65535, 4294967295, 18446744073709551615,
            '99999999999999999999999999999999999999', '99999999999999999999999999999999999999', nan, inf, -1.5, '-99999.9999',
            '-9999999999.99999999', '-999999999999999999999999999999.99999999', '-999999999999999999.99999999999999999999'),
           (false, 127, 32767, 2147483647, 9223372036854775807, 0, -1, 0, 0, 0, 0, 0, 0, -inf, nan, 0, '99999.9999',
            '9999999999.99999999', '999999999999999999999999999999.99999999', '999999999999999999.99999999999999999999')""",
        """(true, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, -0.0, -0.0, 3.140625, 0, 0, 0, 0),
           (true, -1, -1, -1, -1, -1, 42, 2, 2, 2, 2, 2, 2, 1.17549435e-38, 2.2250738585072014e-308, 1e30, '-0.0001', '-0.00000001',
            '-0.00000001', '-0.00000000000000000001'),
           (false, 1, 1, 1, 1, 170141183460469231, 18446744073709551616, 3, 3, 3, 3, 3, 3, 3.4028235e38, 1.7976931348623157e308,
            -1e-30, 1, 1, 1, 1)""",
    ],
)
TEXTS = (
    """s String, fs FixedString(5), u UUID, v4 IPv4, v6 IPv6, e8 Enum8('a' = -128, 'it\\'s' = 0, 'ü' = 127),
       e16 Enum16('' = -32768, 'x y' = 7, 'z' = 32767), l LowCardinality(String), ln LowCardinality(Nullable(String)),
       lf LowCardinality(FixedString(2)), li LowCardinality(Nullable(Int64)), ld LowCardinality(Date)""",
    [
        """('', '', '00000000-0000-0000-0000-000000000000', '0.0.0.0', '::', 'a', '', '', NULL, '', NULL, '1970-01-01'),
           ('Grüße, 世界 🧊', 'ab', '01234567-89ab-cdef-0123-456789abcdef', '255.254.9.10', '::1', 'it''s', 'x y', 'ä', '', 'zz', 0,
            '2024-02-29'),
           (repeat('x', 300), 'abcde', 'ffffffff-ffff-ffff-ffff-ffffffffffff', '127.0.0.1', '::ffff:1.2.3.4', 'ü', 'z', 'ä', 'n',
            'zz', -9223372036854775808, '2149-06-06')""",
        """('a\\nb\\tc\\0d', 'a\\0b', '61f0c404-5cb3-11e7-907b-a6006ad3dba0', '1.2.3.4', '2001:db8::ff00:42:8329', 'a', 'z', '', NULL, 'a', 5,
            '1970-01-01'),
           ('{"e":"trade","p":"0.00010000"}', '', '00000000-0000-0001-0000-000000000002', '10.0.0.1', '1:0:0:2:0:0:0:3', 'ü', '', 'b', 'b', '', NULL,
            '2020-01-01'),
           ('z', 'q', '10000000-0000-0000-0000-000000000000', '1.0.0.0', '::1.2.3.4', 'a', 'z', 'b', 'b', '', NULL, '2020-01-01'),
           ('z', 'q', '10000000-0000-0000-0000-000000000000', '1.0.0.0', 'fe80::', 'a', 'z', 'b', 'b', '', NULL, '2020-01-01'),
           ('z', 'q', '10000000-0000-0000-0000-000000000000', '1.0.0.0', '1:2:3:4:5:6:7:8', 'a', 'z', 'b', 'b', '', NULL, '2020-01-01'),
           ('z', 'q', '10000000-0000-0000-0000-000000000000', '1.0.0.0', '1:0:3:4:5:6:7:8', 'a', 'z', 'b', 'b', '', NULL, '2020-01-01'),
           ('z', 'q', '10000000-0000-0000-0000-000000000000', '1.0.0.0', '::0.1.0.0', 'a', 'z', 'b', 'b', '', NULL, '2020-01-01')""",
    ],
)
TIMES = (
    """d Date, d32 Date32, t DateTime('UTC'), t0 DateTime64(0, 'UTC'), t1 DateTime64(1, 'UTC'), t2 DateTime64(2, 'UTC'),
       t3 DateTime64(3, 'UTC'), t4 DateTime64(4, 'UTC'), t5 DateTime64(5), t6 DateTime64(6, 'Asia/Tokyo'), t7 DateTime64(7, 'UTC'),
       t8 DateTime64(8, 'UTC'), t9 DateTime64(9, 'UTC'), tn Nullable(DateTime64(3, 'UTC'))""",
    [
        """('1970-01-01', '1900-01-01', 0, '1900-01-01 00:00:00', '1900-01-01 00:00:00.1', '1969-12-31 23:59:59.99', '1900-01-01 00:00:00.001',
            '1969-12-31 23:59:59.9999', '1969-12-31 23:59:59.99999', -1, '1969-12-31 23:59:59.9999999', '1969-12-31 23:59:59.99999999',
            '1900-01-01 00:00:00.123456789', NULL)""",
        """('2149-06-06', '2299-12-31', 4294967295, '2299-12-31 23:59:59', '2299-12-31 23:59:59.9', '2299-12-31 23:59:59.99',
            '2299-12-31 23:59:59.999', '2299-12-31 23:59:59.9999', '2299-12-31 23:59:59.99999', '2299-12-31 23:59:59.999999',
            '2261-12-31 23:59:59.9999999', '2261-12-31 23:59:59.99999999', '2262-04-11 23:47:16.854775807', '2024-08-09 00:15:58.342'),
           ('2024-02-29', '1969-12-31', 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, '1969-12-31 23:59:59.999')""",
    ],
)
NESTED = (
    """a Array(String), aa Array(Array(Nullable(Int32))), m Map(String, String), ml Map(LowCardinality(String), Nullable(UInt64)),
       tu Tuple(UInt8, String), tn Tuple(id UInt64, `odd name` Nullable(String), l LowCardinality(String)),
       al Array(LowCardinality(Nullable(String))), at Array(Tuple(k LowCardinality(String), v Decimal(18, 2))), n Nested(x UInt16, y String),
       am Array(Map(UInt8, Array(Date))), tt Tuple(Tuple(Int8, Array(Bool)), Enum8('p' = 1, 'q' = 2)), z UInt64""",
    [
        """([], [], {}, {}, (0, ''), (0, NULL, ''), [], [], [], [], [], ((0, []), 'p'), 0),
           (['', 'ü', 'b'], [[], [1, NULL, -2147483648], []], {'k': 'v', '': ''}, {'a': 1, 'b': NULL}, (255, 'x'), (18446744073709551615, 'y', 'l'),
            ['a', NULL, '', 'a'], [('k', '-1.25'), ('k', '99999999.99')], [1, 2], ['one', ''], [{1: ['1970-01-01']}, {}, {2: [], 3: ['2024-01-01', '2024-01-02']}],
            ((-1, [true, false, true]), 'q'), 1)""",
        """([], [], {}, {}, (0, ''), (0, NULL, ''), [], [], [], [], [], ((0, []), 'p'), 2),
           ([], [], {}, {}, (0, ''), (0, NULL, ''), [], [], [], [], [], ((0, []), 'p'), 3)""",
        """(['q'], [[7]], {'z': 'w'}, {'c': 18446744073709551615}, (1, 'y'), (1, '', 'm'), [NULL], [('j', 0)], [65535], ['ü'], [{}], ((1, [false]), 'q'), 4)""",
    ],
)
NULLS = (
    ", ".join(
        f"c{i} Nullable({t})"
        for i, t in enumerate(
            "Bool Int8 UInt16 Int32 UInt64 Int128 UInt256 Float32 Float64 Decimal(9,2) Decimal(18,2) Decimal(38,2) Decimal(60,2) String FixedString(3) UUID IPv4 "
            "IPv6 Enum8('a'=1,'b'=2) Enum16('c'=300) Date Date32 DateTime('UTC') DateTime64(2,'UTC') BFloat16".split()
        )
    ),
    [
        "(" + ", ".join(["NULL"] * 25) + ")",
        """(true, -1, 1, -1, 1, -1, 1, 0.5, nan, 1, 1, 1, 1, 'x', 'abc', '01234567-89ab-cdef-0123-456789abcdef', '1.2.3.4', '::1', 'b', 'c', '2024-01-01',
            '1901-01-01', 1, '1969-12-31 23:59:59.99', 2), ("""
        + ", ".join(["NULL"] * 25)
        + "), (false"
        + ", NULL" * 24
        + ")",
    ],
)
AGGREGATES = (
    """k UInt8, lo SimpleAggregateFunction(min, Decimal(18, 8)), s SimpleAggregateFunction(sum, Decimal(38, 8)), a SimpleAggregateFunction(anyLast, Nullable(String)),
       g SimpleAggregateFunction(groupUniqArrayArray, Array(String))""",
    ["(1, '0.5', '1.5', NULL, ['x'])", "(2, '-0.5', '-1.5', 'y', [])"],
)
CASES = {"numbers": NUMBERS, "texts": TEXTS, "times": TIMES, "nested": NESTED, "nulls": NULLS, "aggregates": AGGREGATES}


class Engine:
    def __init__(self):
        from chdb import session

        self.folder = tempfile.TemporaryDirectory()
        self.session = session.Session(self.folder.name)
        self.session.query("create database d")

    def ask(self, sql, form="TabSeparated", **settings):
        tail = ", ".join(f"{k}={v}" for k, v in settings.items())
        return self.session.query(sql + (f" settings {tail}" if tail else ""), form).bytes()

    def columns(self, table):
        rows = (json.loads(line) for line in self.ask(f"describe table d.{table}", "JSONEachRow").decode().splitlines())
        return [(row["name"], re.sub(r"\s*\n\s*", " ", row["type"]).replace("( ", "(")) for row in rows]


def make_case(engine, name, columns, blocks):
    engine.ask("drop table if exists d.t")
    engine.ask("set allow_suspicious_low_cardinality_types = 1")
    engine.ask(f"create table d.t ({columns}) engine=Memory")
    for block in blocks:
        engine.ask(f"insert into d.t values {block}")
    write_case(engine, name, "select * from d.t")


def write_case(engine, name, sql):
    from native_peer import Peer

    (HERE / f"{name}.jsonl").write_bytes(engine.ask(sql, "JSONEachRow", max_threads=1, **JSON_SETTINGS))
    (HERE / f"{name}_r0.native").write_bytes(engine.ask(sql, "Native", max_threads=1))
    for revision in REVISIONS:
        peer = Peer(revision, engine.columns("t"))
        engine.ask(
            f"insert into function remote('127.0.0.1:{peer.port}', 'd', 't') {sql}",
            insert_distributed_sync=1, prefer_localhost_replica=0, network_compression_method="'LZ4'", max_threads=1,
            min_insert_block_size_rows=1, min_insert_block_size_bytes=1,
        )
        peer.listener.close()
        blocks = peer.blocks()
        (HERE / f"{name}_r{revision}.native").write_bytes(b"".join(blocks))
        print(name, revision, len(blocks), "blocks")


def make_low_cardinality(engine):
    """More keys than fit one byte of index, and a block with few."""
    engine.ask("drop table if exists d.t")
    engine.ask("create table d.t (l LowCardinality(String), n LowCardinality(Nullable(UInt32)), a Array(LowCardinality(String))) engine=Memory")
    engine.ask("insert into d.t select 'k' || toString(number % 300), if(number % 7 = 0, null, number), [toString(number), 'x'] from numbers(600)")
    engine.ask("insert into d.t select 'k', null, [] from numbers(3)")
    write_case(engine, "dictionaries", "select * from d.t")


def sparse_offsets(values, default):
    out, gap = b"", 0
    from native_peer import varint

    for value in values:
        if value == default:
            gap += 1
        else:
            out, gap = out + varint(gap), 0
    return out + varint(gap | 1 << 62)


def make_sparse(engine):
    """The engine never sends sparse columns to a peer: they are built here, and the engine reads them back."""
    from native_peer import BLOCK_INFO, Peer, text, varint

    rows = 40
    a = [n if n % 10 == 3 else 0 for n in range(rows)]
    s = [f"s{n}" if n % 20 == 5 else "" for n in range(rows)]
    x = [7 if n == rows - 1 else 0 for n in range(rows)]
    y = [str(n) if n == 0 else "" for n in range(rows)]
    zeros = [0] * rows
    full = [n + 1 for n in range(rows)]
    flags = [n % 5 == 0 for n in range(rows)]
    columns = [("k", "UInt64"), ("a", "Int64"), ("s", "String"), ("t", "Tuple(x UInt32, y String, z LowCardinality(String), f Bool)"), ("n", "DateTime('UTC')"),
               ("e", "Decimal(9, 2)"), ("f", "Bool"), ("u", "UUID"), ("last", "Array(UInt8)")]

    def numbers(form, values):
        return b"".join(struct.pack(form, v) for v in values if v)

    body = text("k") + text("UInt64") + b"\0" + b"".join(struct.pack("<Q", n) for n in range(rows))
    body += text("a") + text("Int64") + b"\1\1" + sparse_offsets(a, 0) + numbers("<q", a)
    body += text("s") + text("String") + b"\1\1" + sparse_offsets(s, "") + b"".join(text(v) for v in s if v)
    # Kinds: the tuple, x, y, z, f; then z's prefix before any data.
    body += text("t") + text(columns[3][1]) + b"\1" + b"\0\1\1\0\1" + struct.pack("<Q", 1)
    body += sparse_offsets(x, 0) + numbers("<I", x)
    body += sparse_offsets(y, "") + b"".join(text(v) for v in y if v)
    body += struct.pack("<QQ", 0x600, 2) + text("") + text("z") + struct.pack("<Q", rows) + bytes(n % 2 for n in range(rows))
    body += sparse_offsets(flags, False) + numbers("<B", flags)
    body += text("n") + text("DateTime('UTC')") + b"\1\1" + sparse_offsets(zeros, 0)
    body += text("e") + text("Decimal(9, 2)") + b"\1\1" + sparse_offsets(full, 0) + numbers("<i", full)
    body += text("f") + text("Bool") + b"\1\1" + sparse_offsets(flags, False) + numbers("<B", flags)
    body += text("u") + text("UUID") + b"\1\1" + sparse_offsets(x, 0) + struct.pack("<QQ", 1, 2)
    body += text("last") + text("Array(UInt8)") + b"\0" + b"".join(struct.pack("<Q", n // 2) for n in range(rows)) + bytes(n for n in range((rows - 1) // 2))
    block = BLOCK_INFO + varint(len(columns)) + varint(rows) + body
    peer = Peer(54465, columns, block)
    sql = f"select * from remote('127.0.0.1:{peer.port}', 'd', 't')"
    answer = engine.ask(sql, "JSONEachRow", prefer_localhost_replica=0, network_compression_method="'LZ4'", serialize_query_plan=0, **JSON_SETTINGS)
    peer.listener.close()
    assert answer.count(b"\n") == rows, answer
    (HERE / "sparse.jsonl").write_bytes(answer)
    (HERE / "sparse_r54465.native").write_bytes(block + block)
    (HERE / "sparse.jsonl").write_bytes(answer + answer)
    print("sparse", rows, "rows")


OLD_COLUMNS = (
    "k UInt64, d Date, t DateTime, s String, f FixedString(3), x Float64, e Enum8('a' = 1, 'b' = 2), u UUID, p Decimal(18, 8), w Decimal(38, 8), "
    "n Nullable(Int32), l LowCardinality(String), a Array(String), g Nested(i UInt8, j String), al Array(LowCardinality(String)), z UInt8"
)


def make_old(url):
    def ask(sql, **settings):
        query = urllib.parse.urlencode({"allow_experimental_low_cardinality_type": 1, "max_threads": 1, **settings})
        return urllib.request.urlopen(f"{url}/?{query}", sql.encode()).read()

    ask("drop table if exists golden")
    ask(f"create table golden ({OLD_COLUMNS}) engine=Memory")
    ask("insert into golden values (0, '1970-01-01', 0, '', '', 0, 'a', '00000000-0000-0000-0000-000000000000', 0, 0, NULL, '', [], [], [], [], 1),"
        "(18446744073709551615, '2105-12-31', 4294967295, 'Grüße', 'abc', -1.5, 'b', '01234567-89ab-cdef-0123-456789abcdef', 1.25, -1.25, -5, 'l', ['x', ''],"
        " [1, 2], ['p', 'q'], ['m', '', 'm'], 2)")
    ask("insert into golden values (2, '1970-01-01', 0, '', '', 0, 'a', '00000000-0000-0000-0000-000000000000', 0, 0, NULL, '', [], [], [], [], 3)")
    (HERE / "old_r0.native").write_bytes(ask("select * from golden format Native"))
    lines = ask("select k, d, toString(toUInt32(t)) t, s, f, x, e, u, toString(p) p, toString(w) w, n, l, a, g.i, g.j, al, z from golden format JSONEachRow",
                output_format_json_quote_64bit_integers=1)
    (HERE / "old.jsonl").write_bytes(lines.replace(b"0000-00-00", b"1970-01-01"))  # how 18.16 spells day 0
    print("old", len(lines))
    error = ask("select number, throwIf(number = 300000) from numbers(400000) format Native", send_progress_in_http_headers=0)
    at = error.rindex(b"Code: ")
    print("mid-stream error:", error[at:])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--old-server")
    options = parser.parse_args()
    if options.old_server:
        return make_old(options.old_server)
    engine = Engine()
    for name, (columns, blocks) in CASES.items():
        make_case(engine, name, columns, blocks)
    make_low_cardinality(engine)
    make_sparse(engine)
    print(engine.ask("select version()").decode())


if __name__ == "__main__":
    main()
