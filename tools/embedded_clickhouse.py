#!/usr/bin/env python3
"""SQL in an embedded ClickHouse database: libchdb through ctypes, nothing but Python's standard library.

    tools/embedded_clickhouse.py --data DIR [--format F] < statements.sql
    tools/embedded_clickhouse.py --data DIR --query 'SELECT 1' --format JSONEachRow

Statements on standard input end with a semicolon at the end of a line; what they return goes to standard output. One
process at a time may use a data directory.
"""

import argparse
import ctypes
import os
import pathlib
import re
import sys


class EngineError(Exception):
    """What ClickHouse said."""


def default_library():
    deps = os.environ.get("CALVE_DEPS") or pathlib.Path(__file__).resolve().parent.parent / ".deps"
    return os.environ.get("CALVE_CHDB_LIBRARY") or str(pathlib.Path(deps) / "chdb" / "libchdb.so")


def load(library):
    lib = ctypes.CDLL(library)
    pointer, size = ctypes.c_void_p, ctypes.c_size_t
    signatures = {
        "chdb_connect": (ctypes.POINTER(pointer), [ctypes.c_int, ctypes.POINTER(ctypes.c_char_p)]),
        "chdb_close_conn": (None, [ctypes.POINTER(pointer)]),
        "chdb_query_n": (pointer, [pointer, ctypes.c_char_p, size, ctypes.c_char_p, size]),
        "chdb_result_buffer": (pointer, [pointer]),
        "chdb_result_length": (size, [pointer]),
        "chdb_result_error": (ctypes.c_char_p, [pointer]),
        "chdb_destroy_query_result": (None, [pointer]),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(lib, name)
        function.restype, function.argtypes = result, arguments
    return lib


class Engine:
    """One connection; `data` None means a database in memory."""

    def __init__(self, data=None, library=None, settings=()):
        self._lib = load(library or default_library())
        arguments = [b"clickhouse"]
        if data is not None:
            os.makedirs(data, exist_ok=True)
            arguments.append(f"--path={data}".encode())
        arguments += [f"--{setting}".encode() for setting in settings]
        argv = (ctypes.c_char_p * len(arguments))(*arguments)
        self._connection = self._lib.chdb_connect(len(arguments), argv)
        if not self._connection or not self._connection[0]:
            raise EngineError(f"cannot open {data}; does another process use it?")

    def query(self, sql, output_format="TabSeparated"):
        text, form = sql.encode(), output_format.encode()
        result = self._lib.chdb_query_n(self._connection[0], text, len(text), form, len(form))
        if not result:
            raise EngineError("the engine returned nothing")
        try:
            error = self._lib.chdb_result_error(result)
            if error:
                raise EngineError(error.decode(errors="replace"))
            length = self._lib.chdb_result_length(result)
            return ctypes.string_at(self._lib.chdb_result_buffer(result), length) if length else b""
        finally:
            self._lib.chdb_destroy_query_result(result)

    def close(self):
        if self._connection:
            self._lib.chdb_close_conn(self._connection)
            self._connection = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="the database's directory (default: in memory)")
    parser.add_argument("--query", action="append", help="a statement; may be repeated (default: standard input)")
    parser.add_argument("--format", default="TabSeparated", help="of the output: TabSeparated, JSONEachRow, Pretty …")
    parser.add_argument("--setting", action="append", default=[], help="name=value, for every statement")
    parser.add_argument("--lib", help="libchdb.so (default: where tools/setup puts it)")
    options = parser.parse_args()
    statements = options.query or [s for s in re.split(r";[ \t]*(?:\n|$)", sys.stdin.read()) if s.strip()]
    try:
        with Engine(options.data, options.lib, options.setting) as engine:
            for statement in statements:
                sys.stdout.buffer.write(engine.query(statement, options.format))
                sys.stdout.buffer.flush()
    except (EngineError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
