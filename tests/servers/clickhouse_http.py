#!/usr/bin/env python3
"""ClickHouse's HTTP interface over the real engine (libchdb), for tests: python3 clickhouse_http.py --port 0 --data DIR [--faults]

Prints its port as one line when it is ready; ends on SIGTERM. GET and POST with the query in the parameter or in the body, INSERT … FORMAT
with its data, settings and database as parameters, users by header or parameter, streaming in chunks, gzip, zstd and lz4, exceptions as
ClickHouse reports them, https with --tls-cert, users with rights of their own with --config and --roles. Listens on
loopback only. Not there: sessions, compress=1 and decompress=1, and any revision of Native but 0.
With --faults see http_faults.py; GET /_queries then lists what was asked, from when to when (seconds; null: still running).
"""

import argparse
import base64
import contextlib
import json
import os
import re
import secrets
import select
import signal
import socket
import ssl
import struct
import sys
import tempfile
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

from chdb_engine import Engine, EngineError, find_library
from http_encoders import encoder_for
from http_faults import Faults

# What the HTTP handler takes for itself; every other parameter is a setting.
RESERVED = set(
    "query user password quota_key database default_format query_id compress decompress session_id session_timeout session_check stacktrace "
    "client_protocol_version wait_end_of_query buffer_size role".split())
# src/Server/HTTP/exceptionCodeToHTTPStatus.cpp
STATUS = {194: 401, 192: 403, 193: 403, 516: 403, 497: 403, 159: 408, 48: 501, 209: 503, 439: 503, 76: 503}
STATUS.update(dict.fromkeys((6, 15, 16, 36, 41, 44, 53, 62, 69, 72, 117), 400))
STATUS.update(dict.fromkeys((46, 47, 50, 56, 60, 63, 73, 78, 81, 115), 404))
CONTENT_TYPES = {"TabSeparated": "text/tab-separated-values; charset=UTF-8", "JSON": "application/json; charset=UTF-8"}
FORMAT = re.compile(r"\bFORMAT\s+(\w+)\s*(?:SETTINGS\b[^']*)?;?\s*$", re.I)
INSERT_FROM_INPUT = re.compile(r"(INSERT INTO .*) FROM input\(('(?:[^'\\]|\\.)*')\) FORMAT ArrowStream", re.S)
INSERT_WITH_DATA = re.compile(r"\s*INSERT\s+INTO\b.*?\bFORMAT\s+(?!VALUES)\w+\s*$", re.I | re.S)


class Broken(Exception):
    """The connection is to be closed without another word."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 1 << 16

    def log_message(self, *args):
        pass

    def do_GET(self):
        self.answer(b"")

    def do_POST(self):
        if "chunked" not in self.headers.get("Transfer-Encoding", "").lower():
            return self.answer(self.rfile.read(int(self.headers.get("Content-Length") or 0)))
        sql = dict(parse_qsl(urlsplit(self.path).query)).get("query", "")
        self.fault = self.server.faults.take(sql) if sql and self.server.faults else None
        body = bytearray()
        self.cut = self.read_chunks(body, self.fault.after_bytes if self.fault and self.fault.kind == "cut_request" else None)
        self.answer(bytes(body))

    def read_chunks(self, body, limit):
        """Whether the body ended too early, or (limit) as many bytes are there."""
        while True:
            try:
                size = int(self.rfile.readline().split(b";")[0] or b"-", 16)
                body += (piece := self.rfile.read(size))
                if len(piece) < size or not self.rfile.readline():
                    return True
            except (ValueError, ConnectionError):
                return True
            if size == 0:
                return False
            if limit is not None and len(body) >= limit:
                del body[limit:]
                return True

    do_DELETE = do_GET
    fault, cut = None, False

    def answer(self, body):
        url = urlsplit(self.path)
        self.parameters = dict(parse_qsl(url.query, keep_blank_values=True))
        try:
            if url.path.startswith("/_"):
                self.control(url.path, body)
            elif url.path == "/ping" or (url.path == "/" and not body and "query" not in self.parameters):
                self.send_whole(200, b"Ok.\n")
            else:
                self.query(body)
        except (Broken, ConnectionError):
            self.close_connection = True

    def send_whole(self, status, body, headers=()):
        self.send_response(status)
        for name, value in (("Content-Length", str(len(body))), *headers):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def control(self, path, body):
        if self.server.faults is None:
            return self.send_whole(404, b"start the server with --faults\n")
        if path == "/_queries":
            return self.send_whole(200, json.dumps(self.server.queries).encode())
        if self.command == "POST":
            try:
                self.server.faults.arm(body)
            except (ValueError, KeyError) as error:
                return self.send_whole(400, f"{error}\n".encode())
        elif self.command == "DELETE":
            self.server.faults.clear()
        return self.send_whole(200, json.dumps(self.server.faults.listed()).encode())

    # --- one query

    def send_exception(self, error):
        code, text = error.code, error.text.rstrip("\n")
        body = f"{text} (version {self.server.version} (official build))\n".encode()
        self.send_whole(STATUS.get(code, 500), body, [("X-ClickHouse-Exception-Code", str(code)), *self.common_headers()])

    def common_headers(self):
        return [("Content-Type", CONTENT_TYPES.get(self.format, "application/octet-stream")), ("X-ClickHouse-Format", self.format),
                ("X-ClickHouse-Query-Id", self.query_id), ("X-ClickHouse-Server-Display-Name", "calve-test"), ("X-ClickHouse-Timezone", "UTC")]

    def check_user(self):
        user = self.headers.get("X-ClickHouse-User") or self.parameters.get("user")
        # Python reads headers as Latin-1; ClickHouse takes the bytes as they are.
        key = self.headers.get("X-ClickHouse-Key", "").encode("latin-1").decode("utf-8", "replace")
        password = key or self.parameters.get("password") or ""
        if user is None and (basic := self.headers.get("Authorization", "")).startswith("Basic "):
            user, _, password = base64.b64decode(basic[6:]).decode().partition(":")
        user = user or "default"
        # With --roles every user is a role of the engine's only one, and has its rights and no others.
        self.role = user if self.server.roles and user != "default" else None
        if self.server.users.get(user, "" if self.role else None) != password:
            raise EngineError(f"Code: 516. DB::Exception: {user}: Authentication failed: password is incorrect, or there is no user with such "
                              "name. (AUTHENTICATION_FAILED)")

    def query(self, body):
        self.asked = {}
        try:
            self.answer_query(body)
        finally:
            self.asked["ended"] = time.monotonic()

    def answer_query(self, body):
        self.query_id = self.parameters.get("query_id") or str(uuid.uuid4())
        sql = self.parameters.get("query", "").encode()
        data = b""
        if INSERT_WITH_DATA.fullmatch(sql.decode("utf-8", "replace")):
            data = b"\n" + body
        elif body:
            sql = sql + b"\n" + body if sql else body
        text = sql.decode("utf-8", "replace")
        found = FORMAT.search(text)
        self.format = found[1] if found else self.parameters.get("default_format") or self.headers.get("X-ClickHouse-Format") or "TabSeparated"
        fault, self.fault = self.fault, None
        if self.server.faults is not None:
            fault = fault or self.server.faults.take(text, self.headers.get("X-Fault"))
            asked = {"sql": text, "query_id": self.query_id, "parameters": self.parameters, "began": time.monotonic(), "ended": None}
            self.server.queries.append(asked)
            self.asked = asked
        settings = {name: value for name, value in self.parameters.items() if name not in RESERVED}
        try:
            self.check_user()
            if self.parameters.get("compress") == "1" or self.parameters.get("decompress") == "1":
                raise EngineError("Code: 48. DB::Exception: compress and decompress are not part of this test server: set them to 0. (NOT_IMPLEMENTED)")
            if fault and fault.kind.startswith("status"):
                return self.send_whole(int(fault.kind[6:]), fault.spec.get("text", "injected\n").encode())
            if fault and fault.kind == "exception_first":
                code = fault.number("code", 202)
                raise EngineError(fault.spec.get("text", f"Code: {code}. DB::Exception: injected. (INJECTED)"))
            if fault and fault.kind == "hold":
                self.server.faults.hold()
            if fault and fault.kind == "before":
                with self.server.engine.session("default", {}) as session:
                    session.run(fault.spec["sql"].encode())
            for name in settings:
                if not re.fullmatch(r"\w+", name):
                    raise EngineError(f"Code: 115. DB::Exception: Unknown setting '{name}'. (UNKNOWN_SETTING)")
            database = self.parameters.get("database") or self.headers.get("X-ClickHouse-Database") or "default"
            with self.server.engine.session(database, settings, self.role) as session:
                if found := INSERT_FROM_INPUT.fullmatch(text):
                    return self.insert(session, found, body, fault)
                if data or re.match(r"\s*INSERT\b", text, re.I):
                    session.run(sql + data)
                    return self.send_whole(200, b"", self.common_headers())
                self.stream(session.stream(text, self.format), fault, self.parameters.get("enable_http_compression") == "1")
        except EngineError as error:
            self.send_exception(error)

    def insert(self, session, statement, data, fault):
        """Rows of an ArrowStream. Of data that was cut off ClickHouse inserts what it had read by then, as here."""
        with tempfile.NamedTemporaryFile() as file:
            file.write(data)
            file.flush()
            try:
                session.run(f"{statement[1]} FROM file('{file.name}', 'ArrowStream', {statement[2]})")
            except EngineError:
                if not self.cut:
                    raise
        if self.cut or (fault and fault.kind == "lost_answer"):
            with contextlib.suppress(OSError):
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            raise Broken()
        self.send_whole(200, b"", self.common_headers())

    def stream(self, pieces, fault, may_compress):
        try:
            first = next(pieces, None)  # an exception up to here becomes the status
            name, encoder = encoder_for(self.headers.get("Accept-Encoding", "")) if may_compress else (None, None)
            body = Body(self, fault, encoder)
            headers = self.common_headers() + ([("Content-Encoding", name)] if name else [])
            body.begin(headers)
            if first is not None:
                body.write(first)
                first.release()
            try:
                for piece in pieces:
                    body.write(piece)
            except EngineError as error:
                body.fail(error.text.rstrip("\n") + f" (version {self.server.version} (official build))\n")
            body.end()
        finally:
            pieces.close()


class Body:
    """An answer under way: compression, then the fault, then the chunks."""

    def __init__(self, handler, fault, encoder):
        self._handler, self._out, self._fault, self._encoder = handler, handler.wfile, fault, encoder
        self._kind = fault.kind if fault else ""
        self._plain = self._sent = 0
        self._tag = secrets.token_hex(8)
        self._whole = bytearray() if self._kind == "wrong_length" else None

    def begin(self, headers):
        handler = self._handler
        handler.send_response(200)
        if self._kind == "wrong_length":
            headers = [*headers, ("Content-Length", str(self._fault.number("length", self._fault.after_bytes + 1000)))]
        elif self._kind == "no_length":
            headers = [*headers, ("Connection", "close")]
        else:
            headers = [*headers, ("Transfer-Encoding", "chunked")]
        if self._kind not in ("exception", "exception_inside", "exception_marker"):
            headers = [*headers, ("X-ClickHouse-Exception-Tag", self._tag)]
        for name, value in headers:
            handler.send_header(name, value)
        handler.end_headers()

    def write(self, piece):
        fault = self._fault
        if self._kind == "exception_inside" and self._plain + len(piece) > fault.after_bytes:
            self._encode(piece[: fault.after_bytes - self._plain])
            self._throw(fault.text)
        self._encode(piece)
        self._plain += len(piece)
        if self._kind in ("exception", "exception_marker", "exception_tag") and self._plain >= fault.after_bytes:
            self._throw(fault.text)

    def _throw(self, text):
        kind, self._kind = self._kind, ""
        if kind == "exception_marker":
            self._encode(b"__exception__\r\n" + text.encode())
        elif kind == "exception_tag":
            return self.fail(text)
        else:
            self._encode(text.encode())
            self.end()
        raise self._close()

    def fail(self, text):
        """As ClickHouse since 25.11: the framed exception, and no last chunk."""
        frame = f"\r\n__exception__\r\n{self._tag}\r\n{text}{len(text.encode())} {self._tag}\r\n__exception__\r\n"
        self._encode(frame.encode())
        raise self._close()

    def _encode(self, data):
        if self._encoder:
            data = self._encoder.compress(data)
        if len(data):
            self._send(data)

    def _send(self, data):
        fault, begin = self._fault, self._sent
        end = begin + len(data)
        if self._kind == "corrupt" and begin <= fault.after_bytes < end:
            data = bytearray(data)
            data[fault.after_bytes - begin] ^= 0xFF
        if self._kind in ("drop", "no_end", "hang", "truncate", "wrong_length") and end >= fault.after_bytes:
            data = data[: fault.after_bytes - begin]
            self._chunk(data)
            self._stop()
        elif self._kind == "slow":
            size = fault.number("piece_bytes", 1024)
            for at in range(0, len(data), size):
                time.sleep(fault.number("delay_ms", 10) / 1000)
                self._chunk(data[at : at + size])
                self._out.flush()
        else:
            self._chunk(data)
        self._sent = end

    def _chunk(self, data):
        if not len(data):
            return
        if self._kind in ("wrong_length", "no_length"):
            self._out.write(data)
        else:
            self._out.write(b"%x\r\n" % len(data))
            self._out.write(data)
            self._out.write(b"\r\n")

    def _stop(self):
        self._out.flush()
        connection = self._handler.connection
        if self._kind == "drop":
            time.sleep(0.05)  # what was sent should be read before the reset overtakes it
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()
        elif self._kind == "hang":
            while not select.select([connection], [], [], 1)[0]:
                pass
        elif self._kind == "truncate":
            self._out.write(b"0\r\n\r\n")
            self._out.flush()
        raise self._close()

    def _close(self):
        self._handler.close_connection = True
        try:
            self._out.flush()
            self._handler.connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        return Broken()

    def end(self):
        if self._kind.startswith("exception"):  # a body shorter than after_bytes: here, then
            self._throw(self._fault.text)
        if self._encoder:
            tail, self._encoder = self._encoder.finish(), None
            self._send(tail)
        if self._kind in ("no_end", "no_length", "wrong_length"):
            raise self._close()
        self._out.write(b"0\r\n\r\n")


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        error = sys.exc_info()[1]
        if isinstance(error, ssl.SSLError):
            # What the client has sent already is taken off the socket, or closing it would destroy the alert that tells why.
            request.settimeout(1)
            with contextlib.suppress(OSError):
                socket.socket.shutdown(request, socket.SHUT_WR)
                while socket.socket.recv(request, 65536):
                    pass
        elif not isinstance(error, ConnectionError):  # a client that went away
            super().handle_error(request, client_address)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=8123, help="0: any that is free")
    parser.add_argument("--data", required=True, help="data directory; made where it is missing")
    parser.add_argument("--lib", help="libchdb.so")
    parser.add_argument("--user", help="with --password: the only user; default: 'default' without one")
    parser.add_argument("--password", default="")
    parser.add_argument("--config", help="a configuration file for the engine: clusters, macros, users_config")
    parser.add_argument("--roles", action="store_true", help="take any user without a password, for the role of its name in users_config")
    parser.add_argument("--faults", action="store_true", help="obey /_fault and X-Fault")
    parser.add_argument("--tls-cert", help="speak https: PEM file of the certificate and its key")
    parser.add_argument("--tls-client-ca", help="with --tls-cert: demand a client certificate signed by this authority")
    options = parser.parse_args()
    os.makedirs(options.data, exist_ok=True)
    server = Server(("127.0.0.1", options.port), Handler)
    if options.tls_cert:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(options.tls_cert)
        if options.tls_client_ca:
            context.load_verify_locations(options.tls_client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
        # The handshake is the handler thread's first read, so that a client without one holds up nobody.
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.users = {options.user or "default": options.password}
    server.faults = Faults() if options.faults else None
    server.queries = []
    server.roles = options.roles
    server.engine = Engine(find_library(options.lib), options.data, options.config)
    with server.engine.session() as session:
        server.version = session.run("SELECT version()").decode().strip()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: threading.Thread(target=server.shutdown).start())
    print(server.server_address[1], flush=True)
    server.serve_forever()
    server.engine.close()
    sys.stdout.flush()
    os._exit(0)  # a query may still be under way in a thread: there is nothing to wait for


if __name__ == "__main__":
    main()
