"""A peer that speaks just enough of ClickHouse's native TCP protocol to be the other side of `remote(…)`.

The embedded engine writes FORMAT Native at revision 0 only. Towards a peer it writes the same blocks at the peer's
revision, and reads what the peer sends it by its own NativeReader. So this peer
- keeps the blocks of an INSERT INTO FUNCTION remote(…), as the engine serialised them, and
- answers a SELECT … FROM remote(…) with given blocks, which shows what the engine makes of bytes that were built by hand.

Needs PyPI's clickhouse-cityhash (checksums of compressed frames) and lz4.
"""
import re
import socket
import struct
import threading

import lz4.block
from clickhouse_cityhash.cityhash import CityHash128

CLIENT_DATA, CLIENT_PING, CLIENT_TABLES_STATUS = 2, 4, 5
SERVER_HELLO, SERVER_DATA, SERVER_PONG, SERVER_END, SERVER_TABLES_STATUS = 0, 1, 4, 5, 9
METHOD_NONE, METHOD_LZ4 = 0x02, 0x82
BLOCK_INFO = b"\x01\x00\x02\xff\xff\xff\xff\x00"
DESCRIBE = ["name", "type", "default_type", "default_expression", "comment", "codec_expression", "ttl_expression"]


def varint(value):
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def text(value):
    value = value.encode() if isinstance(value, str) else value
    return varint(len(value)) + value


def frame(data):
    body = struct.pack("<BII", METHOD_NONE, len(data) + 9, len(data)) + data
    checksum = CityHash128(body)
    low, high = checksum if isinstance(checksum, tuple) else (checksum & (2**64 - 1), checksum >> 64)
    return struct.pack("<QQ", high, low) + body


def unframe(data, at):
    """The block in the frames that begin at `at`, and where they end."""
    block = b""
    while at + 25 <= len(data) and data[at + 16] in (METHOD_NONE, METHOD_LZ4):
        method, packed, size = struct.unpack("<BII", data[at + 16 : at + 25])
        payload = data[at + 25 : at + 16 + packed]
        block += payload if method == METHOD_NONE else lz4.block.decompress(payload, uncompressed_size=size)
        at += 16 + packed
        if data[at : at + 2] == bytes([CLIENT_DATA, 0]):
            break
    return block, at


class Peer:
    """columns: [(name, type)] of the one table d.t; answer: the block that a SELECT gets (after an empty header block)."""

    def __init__(self, revision, columns, answer=None):
        self.revision, self.columns, self.answer = revision, columns, answer
        self.received = b""
        self.listener = socket.socket()
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(8)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def blocks(self):
        """The blocks received, as serialised."""
        out, at = [], 0
        while at < len(self.received):
            assert self.received[at] == CLIENT_DATA and self.received[at + 1] == 0, self.received[at : at + 40]
            block, at = unframe(self.received, at + 2)
            if block != BLOCK_INFO + b"\0\0":  # the end of the data
                out.append(block)
        return out

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _read(self, connection, pause=0.3):
        """What comes until nothing has come for `pause` seconds: requests are small and wait for an answer."""
        data = b""
        connection.settimeout(30)
        try:
            while piece := connection.recv(1 << 20):
                data += piece
                connection.settimeout(pause)
        except OSError:
            pass
        return data

    def _header(self, columns, rows):
        out = BLOCK_INFO + varint(len(columns)) + varint(len(rows))
        for i, (name, type_name) in enumerate(columns):
            out += text(name) + text(type_name) + (b"\0" if self.revision >= 54454 else b"")
            out += b"".join(text(row[i]) for row in rows)
        return self._data(out)

    def _data(self, block):
        return varint(SERVER_DATA) + text("") + frame(block)

    def _serve(self, connection):
        self._read(connection, 0.1)
        hello = varint(SERVER_HELLO) + text("Peer") + varint(25) + varint(1) + varint(self.revision) + text("UTC")
        hello += text("peer") if self.revision >= 54372 else b""
        hello += varint(0) if self.revision >= 54401 else b""
        hello += varint(0) if self.revision >= 54461 else b""
        hello += struct.pack("<Q", 7) if self.revision >= 54462 else b""
        connection.sendall(hello)
        while data := self._read(connection):
            if data.endswith(b"\x05\x01\x01d\x01t"):
                connection.sendall(varint(SERVER_TABLES_STATUS) + varint(1) + text("d") + text("t") + b"\0")
            elif re.search(rb"DESC TABLE", data):
                rows = [(name, type_name, "", "", "", "", "") for name, type_name in self.columns]
                connection.sendall(self._header([(n, "String") for n in DESCRIBE], rows) + self._data(BLOCK_INFO + b"\0\0"))
                connection.sendall(varint(SERVER_END))
            elif re.search(rb"INSERT INTO", data):
                connection.sendall(self._header(self.columns, []))
                self.received += self._read(connection, 1.0)
                connection.sendall(varint(SERVER_END))
            elif re.search(rb"SELECT", data):
                connection.sendall(self._header(self.columns, []) + self._data(self.answer))
                connection.sendall(self._data(BLOCK_INFO + b"\0\0") + varint(SERVER_END))
