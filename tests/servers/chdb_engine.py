"""ClickHouse embedded in this process: libchdb's C API over ctypes, one connection for each query under way."""

import contextlib
import ctypes
import os
import pathlib
import re
import threading

CONNECTIONS_MAX = 8
_POINTER = ctypes.c_void_p
_TEXT = [ctypes.c_char_p, ctypes.c_size_t]
_SIGNATURES = {
    "chdb_connect": (_POINTER, [ctypes.c_int, ctypes.POINTER(ctypes.c_char_p)]),
    "chdb_close_conn": (None, [_POINTER]),
    "chdb_query_n": (_POINTER, [_POINTER, *_TEXT, *_TEXT]),
    "chdb_stream_query_n": (_POINTER, [_POINTER, *_TEXT, *_TEXT]),
    "chdb_stream_fetch_result": (_POINTER, [_POINTER, _POINTER]),
    "chdb_stream_cancel_query": (None, [_POINTER, _POINTER]),
    "chdb_destroy_query_result": (None, [_POINTER]),
    "chdb_result_buffer": (_POINTER, [_POINTER]),
    "chdb_result_length": (ctypes.c_size_t, [_POINTER]),
    "chdb_result_error": (ctypes.c_char_p, [_POINTER]),
    "chdb_set_signal_handlers_enabled": (None, [ctypes.c_bool]),
}


class EngineError(Exception):
    """An exception of ClickHouse's; `code` 0 where its text names none."""

    def __init__(self, text):
        super().__init__(text)
        self.text = text
        found = re.match(r"Code: (\d+)\.", text)
        self.code = int(found[1]) if found else 0


def quoted(text):
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def find_library(path=None):
    here = pathlib.Path(__file__).resolve()
    places = [path, os.environ.get("CALVE_CHDB_LIBRARY"), here.parents[2] / ".deps" / "chdb" / "libchdb.so", "libchdb.so"]
    for place in filter(None, places):
        if "/" not in str(place) or os.path.exists(place):
            return str(place)
    raise SystemExit("libchdb.so was not found: run `make setup`, or give --lib")


class Engine:
    """The server's side of one data directory. Thread-safe."""

    def __init__(self, library, directory, config=None):
        """`config`: a configuration file as a server's, of which the engine takes clusters, macros, and users_config; its one session
        user is `default`."""
        self._lib = ctypes.CDLL(library, mode=os.RTLD_LOCAL | os.RTLD_LAZY)
        for name, (result, arguments) in _SIGNATURES.items():
            function = getattr(self._lib, name)
            function.restype, function.argtypes = result, arguments
        self._lib.chdb_set_signal_handlers_enabled(False)
        self._arguments = [b"clickhouse", b"--path=" + os.fsencode(directory)]
        if config:
            self._arguments.append(b"--config-file=" + os.fsencode(config))
        self._slots = threading.Semaphore(CONNECTIONS_MAX)
        self._lock = threading.Lock()
        self._anchor = self._connect()  # closing the last connection would shut the engine down
        self._idle = [((None, ()), self._connect())]  # (role and settings in force, the connection)

    def _connect(self):
        cell = self._lib.chdb_connect(len(self._arguments), (ctypes.c_char_p * len(self._arguments))(*self._arguments))
        if not cell:
            raise SystemExit(f"the embedded ClickHouse does not start: {self._arguments}")
        return cell

    @staticmethod
    def _inside(cell):
        return ctypes.cast(cell, ctypes.POINTER(_POINTER))[0]

    def _take(self, wanted):
        """A connection on which just this role and these settings are in force."""
        with self._lock:
            for at, (known, cell) in enumerate(self._idle):
                if known == wanted:
                    del self._idle[at]
                    return cell
        cell = self._connect()
        role, settings = wanted
        try:
            session = Session(self._lib, self._inside(cell))
            if role:
                session.run(f"SET ROLE {database_name(role)}")
            if settings:
                session.run("SET " + ", ".join(f"{name} = {quoted(value)}" for name, value in settings))
        except EngineError:
            self._lib.chdb_close_conn(cell)
            raise
        return cell

    @contextlib.contextmanager
    def session(self, database="default", settings=None, role=None):
        """A connection of one's own, with the database, the settings and the role in force (none: all that the user has)."""
        wanted = (role, tuple(sorted((settings or {}).items())))
        with self._slots:
            cell = self._take(wanted)
            clean = False
            try:
                session = Session(self._lib, self._inside(cell))
                session.run(f"USE {database_name(database)}")
                yield session
                clean = session.clean
            finally:
                with self._lock:
                    if clean and len(self._idle) < CONNECTIONS_MAX:
                        self._idle.append((wanted, cell))
                        cell = None
                if cell:
                    self._lib.chdb_close_conn(cell)

    def close(self):
        with self._lock:
            for _, cell in [*self._idle, ((), self._anchor)]:
                self._lib.chdb_close_conn(cell)
            self._idle.clear()


def database_name(name):
    return "`" + name.replace("`", "``") + "`"


def header_length(view, output_format):
    """The bytes of column count, names and types at the start of RowBinaryWithNames[AndTypes]."""
    def number(at):
        value = shift = 0
        while True:
            byte = view[at]
            value, shift, at = value | (byte & 127) << shift, shift + 7, at + 1
            if byte < 128:
                return value, at

    columns, at = number(0)
    for _ in range(columns * (2 if output_format.endswith("AndTypes") else 1)):
        length, at = number(at)
        at += length
    return at


class Session:
    def __init__(self, lib, connection):
        self._lib, self._connection, self.clean = lib, connection, True

    def _view(self, result):
        length = self._lib.chdb_result_length(result)
        if not length:
            return memoryview(b"")
        return memoryview((ctypes.c_char * length).from_address(self._lib.chdb_result_buffer(result))).cast("B")

    def _check(self, result):
        error = self._lib.chdb_result_error(result)
        if error:
            text = error.decode("utf-8", "replace")
            self._lib.chdb_destroy_query_result(result)
            raise EngineError(text)
        return result

    def run(self, sql, output_format="TabSeparated"):
        """The whole answer as bytes. `sql` may hold data behind INSERT … FORMAT."""
        sql = sql.encode() if isinstance(sql, str) else sql
        name = output_format.encode()
        result = self._check(self._lib.chdb_query_n(self._connection, sql, len(sql), name, len(name)))
        answer = bytes(self._view(result))
        self._lib.chdb_destroy_query_result(result)
        return answer

    def stream(self, sql, output_format):
        """Yields the answer piece by piece; each piece is valid until the next one is asked for."""
        sql, name = sql.encode(), output_format.encode()
        stream = self._lib.chdb_stream_query_n(self._connection, sql, len(sql), name, len(name))
        ended = False
        try:
            try:
                self._check(stream)
            except EngineError as error:
                stream, ended = None, True
                if "Streaming query is not supported" not in error.text:
                    raise
                yield memoryview(self.run(sql, output_format))
                return
            header = None
            while True:
                try:
                    result = self._check(self._lib.chdb_stream_fetch_result(self._connection, stream))
                except EngineError as error:
                    ended, self.clean = True, False
                    if "No active streaming query" in error.text:  # how the engine says that an empty result has ended
                        return
                    raise
                view = self._view(result)
                try:
                    if not len(view):
                        ended = True
                        return
                    if output_format.startswith("RowBinaryWithNames"):  # each piece comes with the header again
                        if header is None:
                            header = bytes(view[:header_length(view, output_format)])
                        elif view[:len(header)] == header:
                            view = view[len(header):]
                    yield view
                finally:
                    view.release()
                    self._lib.chdb_destroy_query_result(result)
        finally:
            if stream:
                if not ended:
                    self.clean = False
                    self._lib.chdb_stream_cancel_query(self._connection, stream)
                self._lib.chdb_destroy_query_result(stream)
