"""Boxes of a read drawn over the picture, for the person who reviews it. Worker processes only (Pillow)."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw

from cds_service.imaging.read import Box
from cds_service.models.families.square import GRID, Transform

INK = (255, 214, 0)
SHADE = (0, 0, 0)  # around lines and words: they are seen on white bone too
WIDTH = 3  # pixels
LETTERS = 36  # pixels high: the page shows the picture at two fifths of its size


def marked(picture: Image.Image, transform: Transform, boxes: Sequence[Box]) -> Image.Image:
    """A copy of the square with each box and its name. Boxes are in stored pixels; the model never sees this picture."""
    made = picture.copy()
    pen = ImageDraw.Draw(made)
    for box in boxes:
        y0, x0, y1, x1 = (
            edge * transform.shown / GRID for edge in transform.to_square(box.top, box.left, box.bottom, box.right)
        )
        x1, y1 = max(x1, x0 + 2 * WIDTH), max(y1, y0 + 2 * WIDTH)  # a box thinner than its lines is still seen
        pen.rectangle((x0, y0, x1, y1), outline=SHADE, width=WIDTH + 2)
        pen.rectangle((x0 + 1, y0 + 1, x1 - 1, y1 - 1), outline=INK, width=WIDTH)
        room = made.width - pen.textlength(box.structure, font_size=LETTERS) - WIDTH, made.height - 1.3 * LETTERS
        place = min(x0 + 8, room[0]), min(y0 + 6, room[1])
        pen.text(place, box.structure, fill=INK, stroke_width=2, stroke_fill=SHADE, font_size=LETTERS)
    return made
