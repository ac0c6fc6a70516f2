"""JSON Schemas as token grammars (llguidance): compact JSON, compiled once per schema, one matcher per answer."""

# mypy: disable-error-code="import-not-found,import-untyped,no-any-return"

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import numpy as np
from llguidance import LLMatcher, LLTokenizer
from llguidance.numpy import allocate_token_bitmask, fill_next_token_bitmask
from numpy.typing import NDArray

KEPT = 128  # compiled schemas: a schema per call holds that call's fact ids, so most are used a few times only
COMPACT: Any = {"whitespace_flexible": False, "item_separator": ",", "key_separator": ":"}


class GrammarLost(RuntimeError):
    """A token was chosen that the grammar forbids, or the answer does not obey its schema: a fault of this engine."""


class SchemaRefused(ValueError):
    """The schema uses what the grammar cannot express; the message names the keyword."""


class Constraint:
    """One answer under one schema: which tokens may come next, and which must."""

    def __init__(self, matcher: LLMatcher, schema: Any, vocabulary: int) -> None:
        self._matcher = matcher
        self._schema = schema
        self._mask = allocate_token_bitmask(1, vocabulary)
        self.consumed = 0

    @property
    def complete(self) -> bool:
        """Nothing may follow but the end of the sequence."""
        return bool(self._matcher.is_stopped())

    def allowed(self) -> NDArray[np.int32]:
        """Bits of the tokens that may come next, 32 a word."""
        fill_next_token_bitmask(self._matcher, self._mask, 0)
        if self._matcher.is_error():
            raise GrammarLost("the grammar gave no mask")
        mask: NDArray[np.int32] = self._mask[0]
        return mask

    def permits(self, token: int) -> bool:
        """Whether this token may come next: far cheaper than the whole mask."""
        return bool(self._matcher.validate_tokens([token]) == 1)

    def end(self, token: int) -> None:
        """Accept the end of the sequence, where the grammar allows it before it is complete (a bare number)."""
        if not self._matcher.consume_token(token) or not self.complete:
            raise GrammarLost("the answer ended before its grammar did")

    def take(self, token: int) -> list[int]:
        """Accept a chosen token; the tokens that the grammar then forces, already accepted."""
        if not self._matcher.consume_token(token):
            raise GrammarLost("a token was chosen outside the grammar")
        forced: list[int] = [] if self.complete else list(self._matcher.compute_ff_tokens())
        if forced and not self._matcher.consume_tokens(forced):
            raise GrammarLost("the grammar refuses what it forces")
        self.consumed += 1 + len(forced)
        return forced

    def check(self, text: str, tokens: int) -> None:
        """What was promised, checked on the finished text by another library."""
        import jsonschema

        if not self.complete or self.consumed != tokens:
            raise GrammarLost("the answer did not pass through its grammar")
        try:
            jsonschema.validate(json.loads(text), self._schema)
        except (json.JSONDecodeError, jsonschema.ValidationError):
            raise GrammarLost("the answer does not obey its schema") from None  # their messages quote it


class Grammars:
    """Compiled schemas by hash."""

    def __init__(self, tokenizer: Any, vocabulary: int, ends: Sequence[int]) -> None:
        backend = tokenizer.backend_tokenizer.to_str()
        self._tokenizer = LLTokenizer(backend, n_vocab=vocabulary, eos_token=list(ends))
        self._vocabulary = vocabulary
        self._compiled: OrderedDict[bytes, tuple[LLMatcher, Any]] = OrderedDict()

    def constraint(self, schema: bytes) -> Constraint:
        """A fresh constraint under ``schema`` (JSON), or SchemaRefused."""
        key = hashlib.sha256(schema).digest()
        found = self._compiled.get(key)
        if found is None:
            found = self._compiled[key] = self._compile(schema)
            if len(self._compiled) > KEPT:
                self._compiled.popitem(last=False)
        self._compiled.move_to_end(key)
        return Constraint(found[0].deep_copy(), found[1], self._vocabulary)

    def _compile(self, schema: bytes) -> tuple[LLMatcher, Any]:
        grammar = LLMatcher.grammar_from_json_schema(schema.decode(), overrides=COMPACT)
        matcher = LLMatcher(self._tokenizer, grammar)
        if matcher.is_error():
            raise SchemaRefused(matcher.get_error().splitlines()[0][:200])
        return matcher, json.loads(schema)
