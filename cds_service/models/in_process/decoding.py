"""Greedy decoding of a batch, row by row under its own grammar. One step loop for one row and for many.

Rows are padded on the left, so that a row's answer does not depend on its neighbours: new ones join between two steps, and
each leaves when it has ended. Tokens which a grammar forces are not asked for: when every row has some, they are fed
together in one forward pass.
"""

# mypy: disable-error-code="import-not-found,untyped-decorator,misc,no-any-return"

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from cds_service.models.in_process import caches
from cds_service.models.in_process.chat import Turn
from cds_service.models.in_process.grammar import Constraint, GrammarLost

Pixels = Callable[[list[bytes]], Any]


@dataclass
class Row:
    """One request on its way: what is decided, and what of it the model has not seen yet."""

    key: int
    turn: Turn
    constraint: Constraint | None
    max_tokens: int
    made: list[int] = field(default_factory=list)
    unfed: list[int] = field(default_factory=list)
    finish_reason: str = ""
    lost: str = ""  # how it came away from its grammar: then it has no answer

    def take(self, token: int, ends: frozenset[int]) -> None:
        """Accept the next token and whatever it entails."""
        if token in ends:
            if self.constraint is not None:
                self.constraint.end(token)
            self.finish_reason = "stop"
            return
        new = [token] if self.constraint is None else [token, *self.constraint.take(token)]
        self.made += new
        self.unfed += new
        if self.constraint is not None and self.constraint.complete and len(self.made) <= self.max_tokens:
            self.finish_reason = "stop"
        elif len(self.made) >= self.max_tokens:
            self.finish_reason = "length"


class Prefixes:
    """Keys and values of the fixed parts of prompts, by their token ids; the least used goes first."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._kept: OrderedDict[tuple[int, ...], Any] = OrderedDict()
        self.hits = 0

    def get(self, ids: Sequence[int]) -> Any:
        """A copy that may be written to, or None."""
        found = self._kept.get(tuple(ids))
        if found is None:
            return None
        self._kept.move_to_end(tuple(ids))
        self.hits += 1
        return copy.deepcopy(found)

    def put(self, ids: Sequence[int], cache: Any) -> None:
        """Keep a copy."""
        if not self._size:
            return
        self._kept[tuple(ids)] = copy.deepcopy(cache)
        while len(self._kept) > self._size:
            self._kept.popitem(last=False)

    def clear(self) -> None:
        """Give the memory back."""
        self._kept.clear()


@dataclass
class Batch:
    """Rows on their way: what the model has seen of them."""

    rows: list[Row]
    cache: Any
    mask: torch.Tensor  # (rows, places)


AfterStep = Callable[[Row], bool]
Arriving = Callable[[list[Row]], list[Row]]  # the rows under way → those that may join them now


class Decoder:
    """Runs one loaded model."""

    def __init__(
        self,
        model: Any,
        *,
        pixels: Pixels,
        image_id: int,
        vocabulary: int,
        ends: frozenset[int],
        prefixes: int = 8,
    ) -> None:
        self._model = model
        self._pixels = pixels
        self._image_id = image_id
        self._vocabulary = vocabulary  # tokens that exist; the embedding has rows beyond them
        self._ends = ends
        self.prefixes = Prefixes(prefixes)

    @torch.inference_mode()
    def run(self, rows: list[Row], after_step: AfterStep, arriving: Arriving = lambda _rows: []) -> None:
        """Decode until every row has ended, those that arrived meanwhile too. ``after_step`` sees each row that grew or
        was lost; False drops it."""
        batch = self._begun(None, rows, after_step)
        while batch is not None:
            batch = self._decided(batch, self._feed(batch), after_step)
            batch = self._begun(batch, arriving(batch.rows if batch else []), after_step)

    def _begun(self, batch: Batch | None, rows: list[Row], after_step: AfterStep) -> Batch | None:
        """The batch with these rows as well; None when nothing is left to be done."""
        together = [] if batch is None else [batch]
        for group in _groups(rows):
            cache, mask, logits = self._prefill([row.turn for row in group])
            begun = self._decided(Batch(group, cache, mask), logits, after_step)
            together += [] if begun is None else [begun]
        if len(together) < 2:
            return together[0] if together else None
        config = self._model.config.get_text_config()
        cache, mask = caches.joined([(each.cache, each.mask) for each in together], config)
        return Batch([row for each in together for row in each.rows], cache, mask)

    def _decided(self, batch: Batch, logits: torch.Tensor, after_step: AfterStep) -> Batch | None:
        """The batch after each row has its next token, without those that ended."""
        likeliest = logits.argmax(dim=-1).tolist()
        for n, row in enumerate(batch.rows):
            if not row.unfed:  # else it is decided already
                self._decide(row, int(likeliest[n]), logits[n])
        going = [n for n, row in enumerate(batch.rows) if _goes_on(row, after_step)]
        if not going:
            return None
        if len(going) < len(batch.rows):
            batch.cache, batch.mask = caches.left((batch.cache, batch.mask), going)
            batch.rows = [batch.rows[n] for n in going]
        return batch

    def _decide(self, row: Row, likeliest: int, logits: torch.Tensor) -> None:
        try:
            row.take(_allowed(row, likeliest, logits), self._ends)
        except GrammarLost as fault:  # this row has no answer; the others keep theirs
            row.lost = str(fault)

    @torch.inference_mode()
    def next_logprobs(self, turn: Turn, paths: Sequence[Sequence[int]]) -> list[float]:
        """Summed log-probability of each path of tokens as what comes next."""
        cache, mask, logits = self._prefill([turn])
        first = torch.log_softmax(logits[0].float(), dim=-1)
        return [
            float(first[path[0]]) + (self._rest(path, copy.deepcopy(cache), mask) if len(path) > 1 else 0.0)
            for path in paths
        ]

    def _rest(self, path: Sequence[int], cache: Any, mask: torch.Tensor) -> float:
        """Log-probability of a path after its first token."""
        fed = torch.tensor([path[:-1]], device=mask.device)
        grown = torch.cat([mask, torch.ones_like(fed)], dim=1)
        out = self._forward(fed, grown, cache, keep=0)
        steps = torch.log_softmax(out.logits[0, :, : self._vocabulary].float(), dim=-1)
        return float(sum(steps[n, token] for n, token in enumerate(path[1:])))

    def _prefill(self, turns: Sequence[Turn]) -> tuple[Any, torch.Tensor, torch.Tensor]:
        """Cache, attention mask and last logits (rows, vocabulary) of the prompts."""
        if len(turns) == 1 and 0 < turns[0].fixed < len(turns[0].ids):
            return self._prefill_after_prefix(turns[0])
        longest = max(len(turn.ids) for turn in turns)
        ids = torch.zeros((len(turns), longest), dtype=torch.long)
        mask = torch.zeros_like(ids)
        for n, turn in enumerate(turns):
            ids[n, longest - len(turn.ids) :] = torch.tensor(turn.ids)
            mask[n, longest - len(turn.ids) :] = 1
        images = [image for turn in turns for image in turn.images]
        extra = self._image_inputs(ids, images) if images else {}
        out = self._forward(ids.to(self._device), mask.to(self._device), self._cache(), **extra)
        return out.past_key_values, mask.to(self._device), out.logits[:, -1, : self._vocabulary]

    def _prefill_after_prefix(self, turn: Turn) -> tuple[Any, torch.Tensor, torch.Tensor]:
        """One row whose fixed part may have been seen before. Alone: rows differ in length after it, and padding there
        would shift the windows of sliding layers."""
        head, tail = turn.ids[: turn.fixed], turn.ids[turn.fixed :]
        mask = torch.ones((1, len(turn.ids)), dtype=torch.long, device=self._device)
        cache = self.prefixes.get(head)
        if cache is None:
            first = torch.tensor([head], device=self._device)
            cache = self._forward(first, mask[:, : len(head)], self._cache()).past_key_values
            self.prefixes.put(head, cache)
        out = self._forward(torch.tensor([tail], device=self._device), mask, cache)
        return out.past_key_values, mask, out.logits[:, -1, : self._vocabulary]

    def _feed(self, batch: Batch) -> torch.Tensor:
        """Let the model see as many decided tokens as every row has; the logits of what comes next (rows, vocabulary)."""
        count = min(len(row.unfed) for row in batch.rows)
        fed = torch.tensor([row.unfed[:count] for row in batch.rows], device=batch.mask.device)
        for row in batch.rows:
            del row.unfed[:count]
        batch.mask = torch.cat([batch.mask, torch.ones_like(fed)], dim=1)
        out = self._forward(fed, batch.mask, batch.cache)
        batch.cache = out.past_key_values
        return out.logits[:, -1, : self._vocabulary]

    def _forward(self, ids: torch.Tensor, mask: torch.Tensor, cache: Any, keep: int = 1, **extra: Any) -> Any:
        positions = (mask.cumsum(dim=1) - 1).clamp(min=0)[:, -ids.shape[1] :]
        return self._model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=keep,
            **extra,
        )

    def _image_inputs(self, ids: torch.Tensor, images: list[bytes]) -> dict[str, Any]:
        """Pixels, and which tokens stand for them: those attend to each other both ways."""
        pixels = self._pixels(images).to(self._device, self._model.dtype)
        return {"pixel_values": pixels, "token_type_ids": (ids == self._image_id).long().to(self._device)}

    def _cache(self) -> Any:
        from transformers import DynamicCache

        return DynamicCache(config=self._model.config.get_text_config())

    @property
    def _device(self) -> torch.device:
        device: torch.device = self._model.get_input_embeddings().weight.device
        return device


def _groups(rows: list[Row]) -> list[list[Row]]:
    """What is prefilled together: a row that begins with the fixed part of a prompt alone, after what is kept of it."""
    alone = [[row] for row in rows if row.turn.fixed]
    whole = [row for row in rows if not row.turn.fixed]
    return [*alone, whole] if whole else alone


def _goes_on(row: Row, after_step: AfterStep) -> bool:
    return after_step(row) and not (row.finish_reason or row.lost)


def _allowed(row: Row, likeliest: int, logits: torch.Tensor) -> int:
    """What greedy decoding takes. Where the grammar allows the likeliest token of all, no mask is needed to find it."""
    if row.constraint is None or row.constraint.permits(likeliest):
        return likeliest
    return best(row.constraint, logits)


def best(constraint: Constraint, logits: torch.Tensor) -> int:
    """The most likely token of one row's logits among those the grammar allows."""
    if logits.device.type == "cuda":
        return int(logits.masked_fill(_forbidden(constraint, logits), float("-inf")).argmax())
    table = logits.float().numpy()
    bits = np.unpackbits(constraint.allowed().view(np.uint8), bitorder="little", count=len(table))
    allowed = np.flatnonzero(bits)
    return int(allowed[table[allowed].argmax()])


def _forbidden(constraint: Constraint, logits: torch.Tensor) -> torch.Tensor:
    """The mask unpacked where the logits are: one small copy to the device."""
    words = torch.from_numpy(constraint.allowed()).to(logits.device, non_blocking=True)
    bits = (words.unsqueeze(1) >> torch.arange(32, device=logits.device, dtype=torch.int32)) & 1
    return bits.view(-1)[: logits.shape[-1]] == 0
