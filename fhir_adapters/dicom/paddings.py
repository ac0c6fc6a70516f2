"""Which pixels of a grey image are padding and no measurement (PS3.3 C.7.5.1.1.2). Worker processes only."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from fhir_adapters.dicom.description import Header
from fhir_adapters.dicom.header import number

Mask = NDArray[np.bool_]


def of_pixels(dataset: Dataset, header: Header, pixels: NDArray[Any]) -> Mask | None:
    """One for each pixel; None where the object names no value for padding."""
    span = _span(dataset, header)
    return None if span is None else (pixels >= span[0]) & (pixels <= span[1])


def of_values(dataset: Dataset, header: Header, low: int, size: int) -> Mask | None:
    """One for each stored value from ``low`` on."""
    span = _span(dataset, header)
    if span is None:
        return None
    mask = np.zeros(size, dtype=np.bool_)
    mask[max(span[0] - low, 0) : max(span[1] - low + 1, 0)] = True
    return mask


def _span(dataset: Dataset, header: Header) -> tuple[int, int] | None:
    """Lowest and highest padding value. One written as unsigned beside signed pixels is read as signed."""
    value = dataset.get("PixelPaddingValue")
    if value is None:
        return None
    bits = header.shape.bits_allocated if header.shape else 16
    ends = [number(each) for each in (value, dataset.get("PixelPaddingRangeLimit", value))]
    if header.signed:
        ends = [end - 2**bits if end >= 2 ** (bits - 1) else end for end in ends]
    return min(ends), max(ends)
