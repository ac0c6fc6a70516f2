"""Keys and values of rows that come together and part again: a row joins a batch under way, and leaves it when it has ended.

Rows stand at the right end, as everywhere in ``decoding.py``: what a shorter one lacks is filled on the left and masked.
Keys carry the positions they were made at, so a row may be moved. A sliding layer holds the last ``window - 1`` places.
"""

# mypy: disable-error-code="import-not-found,no-any-return"

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn.functional import pad

Kept = tuple[Any, torch.Tensor]  # a cache of some rows, and their attention mask (rows, places)


def joined(parts: Sequence[Kept], config: Any) -> Kept:
    """One cache and mask for the rows of several, in their order."""
    from transformers import DynamicCache

    width = max(mask.shape[1] for _, mask in parts)
    together: Any = DynamicCache(config=config)
    for n, layer in enumerate(together.layers):
        places = _places(layer, width)
        layer.update(
            torch.cat([_filled(cache.layers[n].keys, places) for cache, _ in parts]),
            torch.cat([_filled(cache.layers[n].values, places) for cache, _ in parts]),
        )
        if layer.is_sliding:
            layer.cumulative_length = width
    return together, torch.cat([pad(mask, (width - mask.shape[1], 0)) for _, mask in parts])


def left(kept: Kept, going: Sequence[int]) -> Kept:
    """The same without the rows that ended, and without the places only those needed. Changes the cache it is given."""
    cache, mask = kept
    rows = torch.tensor(going)  # stays on the processor: layers may lie on several devices
    cache.batch_select_indices(rows)
    mask = mask[rows]
    empty = int(mask.argmax(dim=1).min())
    if empty:
        mask = mask[:, empty:]
        for layer in cache.layers:
            places = _places(layer, mask.shape[1])
            layer.keys, layer.values = layer.keys[..., -places:, :], layer.values[..., -places:, :]
            if layer.is_sliding:
                layer.cumulative_length = mask.shape[1]
    return cache, mask


def _places(layer: Any, width: int) -> int:
    """How many of the last places of a batch this layer holds."""
    return min(width, layer.sliding_window - 1) if layer.is_sliding else width


def _filled(states: torch.Tensor, places: int) -> torch.Tensor:
    """Keys or values (rows, heads, places, size) on so many places, empty ones on the left."""
    return pad(states, (0, 0, places - states.shape[-2], 0))
