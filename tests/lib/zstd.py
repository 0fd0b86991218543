# SPDX-License-Identifier: MIT
"""zstd by the library that the agent uses: frames of whatever form."""
import ctypes

LIB = ctypes.CDLL("libzstd.so.1")
LIB.ZSTD_createCCtx.restype = ctypes.c_void_p
for name in ("ZSTD_freeCCtx", "ZSTD_CCtx_setParameter", "ZSTD_compressStream2"):
    getattr(LIB, name).restype = ctypes.c_size_t
LEVEL, WINDOW_LOG, CHECKSUM = 100, 101, 201
END = 2


class Buffer(ctypes.Structure):
    _fields_ = [("at", ctypes.c_void_p), ("size", ctypes.c_size_t), ("pos", ctypes.c_size_t)]


def compress(data, window_log=0, level=3):
    """One frame with a checksum that does not say how long its content is."""
    c = ctypes.c_void_p(LIB.ZSTD_createCCtx())
    for parameter, value in ((LEVEL, level), (WINDOW_LOG, window_log), (CHECKSUM, 1)):
        assert LIB.ZSTD_CCtx_setParameter(c, parameter, value) < 1 << 32
    space = ctypes.create_string_buffer(len(data) + 1024)
    into = Buffer(ctypes.cast(space, ctypes.c_void_p), len(space), 0)
    source = ctypes.create_string_buffer(data, len(data) or 1)
    # Begun without its end, so that the frame's length is not known when its head is written.
    whole = Buffer(ctypes.cast(source, ctypes.c_void_p), len(data), 0)
    LIB.ZSTD_compressStream2(c, ctypes.byref(into), ctypes.byref(whole), 1)
    while LIB.ZSTD_compressStream2(c, ctypes.byref(into), ctypes.byref(whole), END):
        pass
    LIB.ZSTD_freeCCtx(c)
    return space.raw[:into.pos]
