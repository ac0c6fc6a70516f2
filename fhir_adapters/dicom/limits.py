"""What may be fetched and decoded. Checked by arithmetic on the header, before a pixel is touched."""

from __future__ import annotations

from msgspec import Struct

from fhir_adapters.dicom.errors import Malformed, OverLimit

MB = 1024 * 1024


class Limits(Struct, frozen=True, kw_only=True):
    """Caps of one object. A 6,000 × 5,000 radiograph of 16 bits has 57 MB; a CT slice 0.5 MB."""

    object_bytes: int = 256 * MB  # of the whole file
    inflated_bytes: int = 96 * MB  # of a deflated data set
    frame_bytes: int = 128 * MB  # of one decoded frame
    side: int = 20_000  # rows or columns
    frames: int = 100_000  # declared; one or few are decoded
    expansion: int = 2_000  # decoded bytes per stored byte of a frame: a blank radiograph reaches some hundreds


class Shape(Struct, frozen=True, kw_only=True):
    """The Image Pixel module of an object (PS3.3 C.7.6.3), as far as sizes go."""

    rows: int
    columns: int
    frames: int
    samples: int
    bits_allocated: int

    @property
    def frame_bytes(self) -> int:
        """Decoded bytes of one frame."""
        return self.rows * self.columns * self.samples * ((self.bits_allocated + 7) // 8)


def check_shape(shape: Shape, limits: Limits) -> None:
    """Malformed for sizes that cannot be, OverLimit for sizes that are not decoded."""
    for name, value in (("Rows", shape.rows), ("Columns", shape.columns), ("frames", shape.frames)):
        if value < 1:
            raise Malformed(f"{name} is {value}")
    if shape.samples not in (1, 3):
        raise Malformed(f"{shape.samples} samples per pixel")
    if shape.bits_allocated not in (1, 8, 16, 32, 64):
        raise Malformed(f"{shape.bits_allocated} bits allocated")
    if max(shape.rows, shape.columns) > limits.side:
        raise OverLimit(f"{shape.rows} × {shape.columns} pixels, at most {limits.side} a side")
    if shape.frame_bytes > limits.frame_bytes:
        raise OverLimit(f"{shape.frame_bytes // MB} MB a frame, at most {limits.frame_bytes // MB}")
    if shape.frames > limits.frames:
        raise OverLimit(f"{shape.frames} frames, at most {limits.frames}")


def check_native_length(shape: Shape, length: int, present: int) -> None:
    """Uncompressed pixel data must hold what the sizes say (PS3.5 §8.1.1). ``present``: bytes really there."""
    bits = shape.rows * shape.columns * shape.samples * shape.bits_allocated * shape.frames
    needed = (bits + 7) // 8
    if length < needed:
        raise Malformed(f"pixel data of {length} bytes where the sizes need {needed}")
    if present < needed:
        raise Malformed("pixel data cut off")


def check_expansion(shape: Shape, stored: int, limits: Limits) -> None:
    """A compressed frame of a few bytes that claims to be many megabytes is a bomb."""
    if shape.frame_bytes > MB and stored * limits.expansion < shape.frame_bytes:
        raise OverLimit(f"{stored} compressed bytes that claim to be {shape.frame_bytes // MB} MB")
