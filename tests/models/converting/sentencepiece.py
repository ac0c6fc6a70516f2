"""Reads the pieces of a ``tokenizer.model``: all that llama.cpp's converter wants of sentencepiece, without its build."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

UNKNOWN, CONTROL, UNUSED, BYTE = 2, 3, 5, 6  # ModelProto.SentencePiece.Type


class SentencePieceProcessor:
    """The methods the converter calls, by the names it calls them."""

    def __init__(self) -> None:
        self._pieces: list[tuple[str, float, int]] = []

    def LoadFromFile(self, path: str) -> None:  # noqa: N802
        """Field 1 of the message is a piece: text (1), score (2), type (3)."""
        for number, body in _fields(Path(path).read_bytes()):
            if number == 1 and isinstance(body, bytes):
                piece = dict(_fields(body))
                text, score, kind = piece[1], piece.get(2, b"\0\0\0\0"), piece.get(3, 1)
                assert isinstance(text, bytes)
                assert isinstance(score, bytes)
                assert isinstance(kind, int)
                self._pieces.append((text.decode(), struct.unpack("<f", score)[0], kind))

    def vocab_size(self) -> int:
        return len(self._pieces)

    def IdToPiece(self, token: int) -> str:  # noqa: N802
        return self._pieces[token][0]

    def GetScore(self, token: int) -> float:  # noqa: N802
        return self._pieces[token][1]

    def IsUnknown(self, token: int) -> bool:  # noqa: N802
        return self._pieces[token][2] == UNKNOWN

    def IsControl(self, token: int) -> bool:  # noqa: N802
        return self._pieces[token][2] == CONTROL

    def IsUnused(self, token: int) -> bool:  # noqa: N802
        return self._pieces[token][2] == UNUSED

    def IsByte(self, token: int) -> bool:  # noqa: N802
        return self._pieces[token][2] == BYTE


def _fields(data: bytes) -> Iterator[tuple[int, bytes | int]]:
    """Fields of a protobuf message: varints as int, the other wire types as bytes."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        if key & 7 == 0:
            value, at = _varint(data, at)
            yield key >> 3, value
            continue
        if key & 7 == 2:
            size, at = _varint(data, at)
        else:
            size = {1: 8, 5: 4}[key & 7]
        yield key >> 3, data[at : at + size]
        at += size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        value |= (data[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if data[at - 1] < 0x80:
            return value, at
