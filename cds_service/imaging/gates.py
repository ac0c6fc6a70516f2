"""Cheap statistics that tell a picture nobody could read from a radiograph. Worker processes only (numpy)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cds_service.imaging.admission import COLOURED
from cds_service.imaging.seen import Kind, Refused

FLAT = 2.0  # standard deviation of 8-bit values below which nothing can be seen
TWO_TONE = 0.995  # share of the two commonest values: a card of text, a shutter, a test pattern


def non_diagnostic(shown: NDArray[np.uint8], kind: Kind) -> Refused | None:
    """Blank, or of two tones only. ``shown``: the 8-bit picture before padding, every eighth row and column of it."""
    sparse = shown[::8, ::8] if min(shown.shape[:2]) >= 256 else shown
    if float(sparse.std()) < FLAT:
        return Refused(reason="the image is blank", code="blank")
    if kind == "radiograph":
        counts = np.sort(np.bincount(sparse.reshape(-1), minlength=256))[::-1]
        if counts[:2].sum() / counts.sum() > TWO_TONE:
            return Refused(reason="the image has two tones only: no radiograph", code="blank")
        if sparse.ndim == 3 and float(np.ptp(sparse.astype(np.int16), axis=2).mean()) > FLAT:
            return Refused(reason=COLOURED, code="photo-of-screen")
    return None
