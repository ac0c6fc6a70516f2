"""How a grey image is stretched to 8 bits, as a word of the settings."""

from __future__ import annotations

from typing import Literal

Voi = Literal["full-range", "embedded"]  # the embedded window ignored, as MedGemma's makers serve it; or applied
