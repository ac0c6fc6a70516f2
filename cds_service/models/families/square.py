"""The square a picture is put into before a model sees it, and the way back from a box of its answer to the pixels."""

from __future__ import annotations

from msgspec import Struct

GRID = 1000  # MedGemma's boxes are integers of 0–1000 over the padded square


class Transform(Struct, frozen=True, kw_only=True):
    """From the stored pixels of one frame to the square the model sees, and back.

    ``rows × columns`` are the stored ones. The frame, mirrored first where ``mirrored``, stands in a black square of
    ``side`` source pixels with its upper left corner at (``top``, ``left``); the square is then scaled to ``shown``.
    """

    rows: int
    columns: int
    side: int
    top: int
    left: int
    shown: int
    mirrored: bool = False

    def to_pixels(self, y0: float, x0: float, y1: float, x1: float) -> tuple[float, float, float, float]:
        """A box ``[y0, x0, y1, x1]`` of 0–1000 over the square as (top, left, bottom, right) in stored pixels.

        Corners are put in order and kept within the image; a box wholly in the padding comes back with no area.
        """
        top, bottom = sorted(_within(y / GRID * self.side - self.top, self.rows) for y in (y0, y1))
        left, right = sorted(_within(x / GRID * self.side - self.left, self.columns) for x in (x0, x1))
        if self.mirrored:
            left, right = self.columns - right, self.columns - left
        return top, left, bottom, right

    def to_square(self, top: float, left: float, bottom: float, right: float) -> tuple[int, int, int, int]:
        """A box in stored pixels as ``[y0, x0, y1, x1]`` of 0–1000: the way a reference box is put before the model."""
        if self.mirrored:
            left, right = self.columns - right, self.columns - left
        rows = [round((y + self.top) / self.side * GRID) for y in (top, bottom)]
        columns = [round((x + self.left) / self.side * GRID) for x in (left, right)]
        return rows[0], columns[0], rows[1], columns[1]


def _within(value: float, most: int) -> float:
    return min(max(value, 0.0), float(most))
