"""The grammar alone, without a model: what it admits, what it forces, what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from tokenizers import Tokenizer

from cds_service.models.in_process.grammar import GrammarLost, Grammars, SchemaRefused
from tests.models.in_process.schemas import summary

TEXT = '{"statements":[{"text":"Potassium 6.1 \\n high","fact_ids":["F7"],"kind":"record"}]}'


@pytest.fixture(scope="module")
def tokenizer(text_checkpoint: Path) -> Tokenizer:
    return Tokenizer.from_file(str(text_checkpoint / "tokenizer.json"))


@pytest.fixture(scope="module")
def grammars(tokenizer: Tokenizer) -> Grammars:
    return Grammars(SimpleNamespace(backend_tokenizer=tokenizer), tokenizer.get_vocab_size(), [1, 106])


def schema(ids: int = 12) -> bytes:
    return json.dumps(summary(ids)).encode()


def walk(grammars: Grammars, tokenizer: Tokenizer, text: str) -> tuple[object, list[int]]:
    """Feed the text token by token, skipping what is forced."""
    constraint, made = grammars.constraint(schema()), []
    rest = text
    while rest:
        token = tokenizer.encode(rest, add_special_tokens=False).ids[0]
        made += [token, *constraint.take(token)]
        written = tokenizer.decode(made, skip_special_tokens=False)
        if not text.startswith(written):
            raise GrammarLost("the grammar forces other words")
        rest = text[len(written) :]
    return constraint, made


def test_a_valid_document_passes_and_its_keys_are_forced(grammars: Grammars, tokenizer: Tokenizer) -> None:
    constraint, made = walk(grammars, tokenizer, TEXT)
    assert constraint.complete  # type: ignore[attr-defined]
    constraint.check(TEXT, len(made))  # type: ignore[attr-defined]


@pytest.mark.parametrize("wrong", [
    TEXT.replace("F7", "F99"), TEXT.replace(":[", ": ["), TEXT.replace("record", "advice"), TEXT.replace("text", "note"), "\n" + TEXT,
])  # fmt: skip
def test_a_document_outside_the_schema_cannot_be_written(grammars: Grammars, tokenizer: Tokenizer, wrong: str) -> None:
    with pytest.raises(GrammarLost):
        walk(grammars, tokenizer, wrong)


def test_an_answer_whose_tokens_did_not_all_pass_the_grammar_is_no_answer(
    grammars: Grammars, tokenizer: Tokenizer
) -> None:
    constraint, made = walk(grammars, tokenizer, TEXT)
    with pytest.raises(GrammarLost):
        constraint.check(TEXT, len(made) + 1)  # type: ignore[attr-defined]
    with pytest.raises(GrammarLost):
        constraint.check(TEXT.replace("F7", "F99"), len(made))  # type: ignore[attr-defined]


def test_a_schema_is_compiled_once_and_every_answer_starts_afresh(grammars: Grammars, tokenizer: Tokenizer) -> None:
    first, again = grammars.constraint(schema(31)), grammars.constraint(schema(31))
    first.take(tokenizer.encode('{"', add_special_tokens=False).ids[0])
    assert again.consumed == 0
    assert first.consumed > 0


@pytest.mark.parametrize("keyword", [{"uniqueItems": True}, {"contains": {"type": "integer"}}])
def test_a_keyword_that_cannot_be_kept_is_refused_by_name(grammars: Grammars, keyword: dict[str, object]) -> None:
    with pytest.raises(SchemaRefused, match=next(iter(keyword))):
        grammars.constraint(json.dumps({"type": "array", "maxItems": 3, **keyword}).encode())
