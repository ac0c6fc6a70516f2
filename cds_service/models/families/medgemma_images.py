"""Pictures as MedGemma was trained on them (the makers' CT and CXR notebooks, 2026). Worker processes only (numpy, Pillow)."""

from __future__ import annotations

from io import BytesIO
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cds_service.models.families.square import Transform

SIDE = 896  # pixels of the vision encoder's input
# Hounsfield windows of the three channels: wide, soft tissue, brain. The serving code once had 135 … 215 for green, a
# sign slip; the notebook the model was trained by says −135 … 215.
CT_WINDOWS = ((-1024.0, 1024.0), (-135.0, 215.0), (0.0, 80.0))
JPEG_QUALITY = 95
Encoding = Literal["png", "jpeg"]


def ct_rgb(hounsfield: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Three windows as channels. Clipped before scaling: real files hold padding far below air."""
    channels = [
        np.rint((np.clip(hounsfield, low, high) - low) * np.float32(255.0 / (high - low))) for low, high in CT_WINDOWS
    ]
    return np.asarray(np.stack(channels, axis=-1), dtype=np.uint8)


def mr_grey(values: NDArray[np.float32], low: float, high: float) -> NDArray[np.uint8]:
    """One slice by the lowest and highest value of its whole volume."""
    stretched = np.rint((values - low) * (255.0 / (high - low or 1.0)))
    return np.asarray(np.clip(stretched, 0, 255), dtype=np.uint8)


def square(pixels: NDArray[Any], *, mirrored: bool = False) -> tuple[Image.Image, Transform]:
    """Centred on a black square, then 896 × 896, bilinear, three channels; and the way back to the pixels.

    Scaled first and padded after, which gives the same picture for a fraction of the work.
    """
    rows, columns = pixels.shape[:2]
    side = max(rows, columns)
    top, left = (side - rows) // 2, (side - columns) // 2
    picture = Image.fromarray(np.ascontiguousarray(pixels[:, ::-1] if mirrored else pixels))
    scale = SIDE / side
    height, width = max(round(rows * scale), 1), max(round(columns * scale), 1)
    picture = picture.resize((width, height), Image.Resampling.BILINEAR)
    canvas = Image.new(picture.mode, (SIDE, SIDE))
    canvas.paste(picture, (min(round(left * scale), SIDE - width), min(round(top * scale), SIDE - height)))
    transform = Transform(rows=rows, columns=columns, side=side, top=top, left=left, shown=SIDE, mirrored=mirrored)
    return canvas.convert("RGB"), transform


def encode(picture: Image.Image, encoding: Encoding) -> tuple[bytes, str]:
    """Encoded bytes and media type; neither holds anything but pixels. JPEG keeps full colour: CT windows are not a hue."""
    out = BytesIO()
    if encoding == "jpeg":
        picture.save(out, "JPEG", quality=JPEG_QUALITY, subsampling=0)
        return out.getvalue(), "image/jpeg"
    picture.save(out, "PNG", compress_level=1)
    return out.getvalue(), "image/png"
