"""Content-Encoding gzip, zstd and lz4 for the test server: zlib, and the system's libzstd and liblz4 where they are."""

import ctypes
import ctypes.util
import zlib


class Gzip:
    def __init__(self):
        self._stream = zlib.compressobj(1, zlib.DEFLATED, 31)

    def compress(self, data):
        # Flushed, as a server does that streams: the reader sees each block when it is there.
        return self._stream.compress(data) + self._stream.flush(zlib.Z_SYNC_FLUSH)

    def finish(self):
        return self._stream.flush(zlib.Z_FINISH)


class _Buffer(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("size", ctypes.c_size_t), ("position", ctypes.c_size_t)]


def _address(data):
    """Of bytes or of a memoryview, which the caller keeps."""
    if isinstance(data, bytes):
        return ctypes.cast(ctypes.c_char_p(data), ctypes.c_void_p).value
    return ctypes.addressof(ctypes.c_char.from_buffer(data))


class Zstd:
    _FLUSH, _END = 1, 2

    def __init__(self):
        self._lib = ctypes.CDLL("libzstd.so.1")
        self._lib.ZSTD_createCCtx.restype = ctypes.c_void_p
        self._lib.ZSTD_freeCCtx.argtypes = [ctypes.c_void_p]
        self._lib.ZSTD_compressStream2.restype = ctypes.c_size_t
        self._lib.ZSTD_compressStream2.argtypes = [ctypes.c_void_p, ctypes.POINTER(_Buffer), ctypes.POINTER(_Buffer), ctypes.c_int]
        self._lib.ZSTD_CCtx_setParameter.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_int]
        self._context = self._lib.ZSTD_createCCtx()
        self._lib.ZSTD_CCtx_setParameter(self._context, 201, 1)  # a checksum, as ClickHouse asks for

    def _step(self, data, mode):
        source = _Buffer(_address(data), len(data), 0)
        room = ctypes.create_string_buffer(1 << 20)
        out = b""
        while True:
            target = _Buffer(ctypes.addressof(room), len(room), 0)
            left = self._lib.ZSTD_compressStream2(self._context, target, source, mode)
            out += room.raw[: target.position]
            if left == 0 or left > 1 << 62:
                return out

    def compress(self, data):
        return self._step(data, self._FLUSH)

    def finish(self):
        out = self._step(b"", self._END)
        self._lib.ZSTD_freeCCtx(self._context)
        return out


class Lz4:
    def __init__(self):
        self._lib = ctypes.CDLL("liblz4.so.1")
        for name in ("LZ4F_compressBegin", "LZ4F_compressUpdate", "LZ4F_compressEnd", "LZ4F_flush", "LZ4F_compressBound"):
            getattr(self._lib, name).restype = ctypes.c_size_t
        self._context = ctypes.c_void_p()
        self._lib.LZ4F_createCompressionContext(ctypes.byref(self._context), 100)
        self._begun = False

    def _begin(self):
        if self._begun:
            return b""
        self._begun = True
        room = ctypes.create_string_buffer(64)
        size = self._lib.LZ4F_compressBegin(self._context, room, ctypes.c_size_t(64), None)
        return room.raw[:size]

    def compress(self, data):
        out = self._begin()
        bound = self._lib.LZ4F_compressBound(ctypes.c_size_t(len(data)), None) + 64
        room = ctypes.create_string_buffer(bound)
        size = self._lib.LZ4F_compressUpdate(
            self._context, room, ctypes.c_size_t(bound), ctypes.c_void_p(_address(data)), ctypes.c_size_t(len(data)), None)
        out += room.raw[:size]
        size = self._lib.LZ4F_flush(self._context, room, ctypes.c_size_t(bound), None)
        return out + room.raw[:size]

    def finish(self):
        out = self._begin()
        room = ctypes.create_string_buffer(64)
        size = self._lib.LZ4F_compressEnd(self._context, room, ctypes.c_size_t(64), None)
        self._lib.LZ4F_freeCompressionContext(self._context)
        return out + room.raw[:size]


_ENCODERS = {"gzip": Gzip, "zstd": Zstd, "lz4": Lz4}


def encoder_for(accepted):
    """The first of `Accept-Encoding` that can be made, with its name; (None, None) where none can."""
    for name in (part.split(";")[0].strip() for part in accepted.split(",")):
        if name in _ENCODERS:
            try:
                return name, _ENCODERS[name]()
            except OSError:
                continue
    return None, None
