# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Smaller PNG files (https://www.w3.org/TR/png-3/): a browser's encoder filters every row, which suits photographs; the
texts and plain areas of a page deflate better as they are."""

from __future__ import annotations

import struct
import zlib

CHANNELS = {2: 3, 6: 4}


def smaller(picture: bytes) -> bytes:
    """The same picture of 8 bits in each channel, without filters, deflated as well as zlib can."""
    chunks: list[tuple[bytes, bytes]] = []
    data, place = b"", 8
    while place < len(picture):
        size, kind = struct.unpack(">I4s", picture[place : place + 8])
        content = picture[place + 8 : place + 8 + size]
        if kind == b"IDAT":
            data += content
        elif kind in (b"IHDR", b"IEND"):
            chunks.append((kind, content))
        place += 12 + size
    width, _, _, colour = struct.unpack(">IIBB", chunks[0][1][:10])
    rows = unfiltered(zlib.decompress(data), width * CHANNELS[colour], CHANNELS[colour])
    chunks.insert(1, (b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows), 9)))
    return picture[:8] + b"".join(
        struct.pack(">I4s", len(content), kind) + content + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in chunks
    )


def unfiltered(data: bytes, length: int, step: int) -> list[bytes]:
    """Rows of so many bytes, each after a byte that says how it is filtered; `step` bytes are a pixel."""
    rows: list[bytes] = []
    above = bytes(length)
    for start in range(0, len(data), length + 1):
        kind = data[start]
        row = bytearray(data[start + 1 : start + 1 + length])
        for place in range(length):
            left, corner = (row[place - step], above[place - step]) if place >= step else (0, 0)
            if kind == 1:
                row[place] = (row[place] + left) & 255
            elif kind == 2:
                row[place] = (row[place] + above[place]) & 255
            elif kind == 3:
                row[place] = (row[place] + (left + above[place]) // 2) & 255
            elif kind == 4:
                row[place] = (row[place] + nearest(left, above[place], corner)) & 255
        above = bytes(row)
        rows.append(above)
    return rows


def nearest(left: int, above: int, corner: int) -> int:
    """Which of three neighbours is nearest to left + above - corner."""
    guess = left + above - corner
    return min((left, above, corner), key=lambda one: abs(guess - one))
