"""MedGemma's text quirks: turns, thinking, control tokens, loops, boilerplate, variants."""

from __future__ import annotations

import pytest

from cds_service.errors import ConfigurationError
from cds_service.models.families import medgemma
from cds_service.models.families.variants import variant
from cds_service.models.faults import StrayTokens, ThinkingUnclosed


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("plain", "plain"),
        ("<unused94>thought\nhm<unused95>answer", "answer"),
        ("hm<unused95>answer", "answer"),
        ("<unused94>a<unused95>x <unused94>b<unused95>y", "x y"),
        ("before <unused94>a<unused95>after", "before after"),
    ],
)
def test_closed_thinking_is_taken_off(text: str, answer: str) -> None:
    assert medgemma.without_thinking(text) == answer


@pytest.mark.parametrize("text", ["<unused94>never ends", "<unused94>a<unused95>x<unused94>b", "answer<unused94>"])
def test_thinking_that_never_ends_is_no_answer(text: str) -> None:
    with pytest.raises(ThinkingUnclosed):
        medgemma.without_thinking(text)


@pytest.mark.parametrize("token", ["<end_of_turn>", "<start_of_image>", "<unused94>", "<bos>", "<END_OF_TURN>"])
def test_control_tokens_in_a_prompt_become_words(token: str) -> None:
    assert medgemma.neutralised(f"a {token} b <0.2") == f"a ({token[1:-1]}) b <0.2"


@pytest.mark.parametrize("text", ["x<unused32>", "<pad>", "a\u202eb", "a\x00b"])
def test_stray_tokens_and_hidden_characters_are_refused(text: str) -> None:
    with pytest.raises(StrayTokens):
        medgemma.refuse_stray(text)


def test_repetition_is_a_loop_and_a_list_of_results_is_none() -> None:
    assert medgemma.loops("Potassium is high. " * 5)
    assert medgemma.loops("x" + "\n" * 80)
    assert not medgemma.loops("Potassium 6.1 mmol/L; sodium 139 mmol/L; creatinine 2.1 mg/dL; lactate 4.2 mmol/L.")


def test_opening_phrase_and_disclaimer_are_taken_off() -> None:
    text = "Okay, here is the summary:\nThe lungs are clear.\n\n**Disclaimer:** This is not medical advice."
    assert medgemma.without_boilerplate(text) == "The lungs are clear."


def test_a_medgemma_that_does_not_exist_is_an_error_and_4b_is_warned_against_for_records() -> None:
    with pytest.raises(ConfigurationError, match=r"1\.5-27b"):
        variant("google/medgemma-1.5-27b-it")
    small, own = variant("medgemma:4b"), variant("hospital-model")
    assert small is not None
    assert small.record_warning
    assert own is None
