"""A batch of requests through the model: to ids, through the decoder, back to text, checked."""

# mypy: disable-error-code="import-not-found"

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import torch

from cds_service.models.in_process.chat import Chat, Turn, pixels
from cds_service.models.in_process.decoding import Decoder, Row
from cds_service.models.in_process.grammar import GrammarLost, Grammars, SchemaRefused
from cds_service.models.in_process.loading import Loaded
from cds_service.models.in_process.wire import Answer, Ask, Failed, FromWorker, Piece, Scored, Working

WORKING_S = 5.0  # between two signs of life
Send = Callable[[FromWorker], None]


class DeviceLost(Exception):
    """The accelerator no longer answers; only a new process gets it back."""


class Refused(Exception):
    """One request cannot be run; the rest of its batch can."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Answering:
    """What the worker does with a batch."""

    def __init__(
        self,
        loaded: Loaded,
        send: Send,
        cancelled: Callable[[int], bool],
        *,
        joining: Callable[[list[Ask]], list[Ask]] = lambda _asks: [],
        narrow: Callable[[int], None] = lambda _most: None,
        prefixes: int = 8,
    ) -> None:
        """``joining``: what may join these requests now; ``narrow`` is told how many still may when memory did not suffice."""
        self._loaded = loaded
        self._send = send
        self._cancelled = cancelled
        self._joining, self._narrow = joining, narrow
        self._alive_at = time.monotonic()
        self.open: dict[int, Ask] = {}  # begun, and neither answered nor given up
        self._running: dict[int, _Running] = {}
        self.chat = Chat(loaded.tokenizer, loaded.image_tokens)
        vocabulary = max(loaded.vocabulary, max(loaded.ends) + 1)
        self.grammars = Grammars(loaded.tokenizer, vocabulary, sorted(loaded.ends))
        self.decoder = Decoder(
            loaded.model,
            pixels=lambda images: pixels(images, loaded.images),
            image_id=self.chat.image_id,
            vocabulary=vocabulary,
            ends=loaded.ends,
            prefixes=prefixes,
        )

    def answer(self, batch: list[Ask]) -> None:
        """Answer each request, and those that join meanwhile, or say why not. Raises DeviceLost."""
        self.open = {ask.id: ask for ask in batch}
        if self._fits(batch):
            return
        self._let_go()
        self._narrow(len(self.open) // 2)
        for ask in list(self.open.values()):  # one by one, and joined by none, they may fit
            if not self._fits([ask], joined=False):
                self._let_go()
                self._fail(
                    ask,
                    "ServerFault",
                    "out of memory on the accelerator by this request alone: quantize the model",
                )

    def _fits(self, batch: list[Ask], *, joined: bool = True) -> bool:
        """False when memory ran out. The fault ends here: its traceback holds the tensors that filled the memory."""
        try:
            self._score([ask for ask in batch if ask.labels])
            rows = self._rows([ask for ask in batch if not ask.labels])
            if rows:
                self.decoder.run(rows, self._after_step, self._arriving if joined else _none)
        except torch.OutOfMemoryError:
            return False
        except torch.AcceleratorError as fault:
            raise DeviceLost from fault
        return True

    def _let_go(self) -> None:
        self._running.clear()
        self.decoder.prefixes.clear()
        torch.cuda.empty_cache()

    def _rows(self, asks: list[Ask]) -> list[Row]:
        """Those that can be run; the others are told why not."""
        rows = []
        for ask in asks:
            try:
                rows.append(self._row(ask))
            except Refused as refusal:
                self._fail(ask, refusal.kind, str(refusal))
                continue
            self._running[ask.id] = _Running(ask, _Stream(self._loaded.tokenizer) if ask.stream else None)
        return rows

    def _arriving(self, live: list[Row]) -> list[Row]:
        """Between two steps: labels are scored at once, the rest may join the rows under way."""
        asks = self._joining([self._running[row.key].ask for row in live])
        self.open.update((ask.id, ask) for ask in asks)
        self._score([ask for ask in asks if ask.labels])
        return self._rows([ask for ask in asks if not ask.labels])

    def _row(self, ask: Ask) -> Row:
        """Tokenised, with its grammar. A schema gives a row with a constraint or no row."""
        turn = self._turn(ask)
        if not ask.schema:
            return Row(ask.id, turn, None, ask.max_tokens)
        try:
            return Row(ask.id, turn, self.grammars.constraint(ask.schema), ask.max_tokens)
        except SchemaRefused as fault:
            raise Refused("Unsupported", f"the grammar cannot hold this schema: {fault}") from fault

    def _turn(self, ask: Ask) -> Turn:
        if ask.images and self._loaded.images is None:
            raise Refused("Unsupported", "this checkpoint takes no images")
        turn = self.chat.turn(ask)
        room = self._loaded.context_tokens - (0 if ask.labels else ask.max_tokens)
        if len(turn.ids) > room:
            raise Refused("Unsupported", f"the prompt has {len(turn.ids)} tokens, {room} fit beside the answer")
        return turn

    def _after_step(self, row: Row) -> bool:
        if time.monotonic() - self._alive_at >= WORKING_S:
            self._alive_at = time.monotonic()
            self._send(Working())
        ask, stream = self._running[row.key]
        gone = self._cancelled(row.key)
        if not gone and stream is not None and (text := stream.new(row.made)):
            self._send(Piece(row.key, text))
        if not (gone or row.lost or row.finish_reason):
            return True
        del self._running[row.key]
        if gone:
            self.open.pop(row.key, None)
        elif row.lost:
            self._fail(ask, "SchemaViolated", row.lost)
        else:
            self._finish(ask, row)
        return False

    def _finish(self, ask: Ask, row: Row) -> None:
        made = row.made[: ask.max_tokens] if row.finish_reason == "length" else row.made
        text = self._loaded.tokenizer.decode(made, skip_special_tokens=row.constraint is None)
        if row.finish_reason == "stop" and ask.schema:
            try:
                if row.constraint is None:
                    raise GrammarLost("the answer did not pass through its grammar")
                row.constraint.check(text, len(row.made))
            except GrammarLost as fault:
                self._fail(ask, "SchemaViolated", str(fault))
                return
        self._ended(
            Answer(
                id=ask.id,
                text=text,
                finish_reason=row.finish_reason,
                prompt_tokens=len(row.turn.ids),
                completion_tokens=len(made),
            )
        )

    def _score(self, asks: list[Ask]) -> None:
        for ask in asks:
            if self._cancelled(ask.id):
                self.open.pop(ask.id, None)
                continue
            try:
                turn = self._turn(ask)
            except Refused as refusal:
                self._fail(ask, refusal.kind, str(refusal))
                continue
            paths = [self.chat.text(label) for label in ask.labels]
            scores = self.decoder.next_logprobs(turn, paths)
            if not all(math.isfinite(score) for score in scores):
                self._fail(ask, "BadAnswer", "the model gave no finite scores")
                continue
            self._ended(Scored(id=ask.id, logprobs=tuple(scores), prompt_tokens=len(turn.ids)))

    def _fail(self, ask: Ask, kind: str, message: str) -> None:
        self._ended(Failed(ask.id, kind, message))

    def _ended(self, message: Answer | Scored | Failed) -> None:
        self._send(message)
        self.open.pop(message.id, None)


def _none(_live: list[Row]) -> list[Row]:
    return []


class _Running(NamedTuple):
    """A request whose row is under way."""

    ask: Ask
    stream: _Stream | None


class _Stream:
    """Text that is certain so far: a character split over tokens waits for its rest."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._sent = 0

    def new(self, made: list[int]) -> str:
        text: str = self._tokenizer.decode(made, skip_special_tokens=True)
        if text.endswith("\N{REPLACEMENT CHARACTER}"):
            return ""
        new = text[self._sent :]
        self._sent = len(text)
        return new
