"""PNG files without an image library."""

from __future__ import annotations

import base64
import struct
import zlib

import numpy as np


def png_bytes(picture: np.ndarray) -> bytes:
    """A PNG of a picture (PNG specification, third edition, sections 5 and 11).

    Args:
        picture: (height, width, 3) uint8, first row at the top.
    """
    height, width, _ = picture.shape
    # Each row begins with its filter; 2 stores differences to the row above, which suits slices of a CT.
    rows = np.ascontiguousarray(picture, dtype=np.uint8).reshape(height, width * 3)
    difference = rows.copy()
    difference[1:] -= rows[:-1]
    filtered = np.concatenate([np.full((height, 1), 2, np.uint8), difference], axis=1)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(filtered.tobytes(), 6)) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def png_data_uri(picture: np.ndarray) -> str:
    """The same as text that stands in a page in place of a file's address."""
    return "data:image/png;base64," + base64.b64encode(png_bytes(picture)).decode("ascii")


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
