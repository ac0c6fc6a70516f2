import pytest

from fhir_adapters.templates import is_id, resolve

CONTEXT = {"patientId": "p-1.A", "encounterId": "e1", "userId": "Practitioner/dr7"}


def test_tokens_are_filled_from_the_context() -> None:
    template = "Observation?patient={{context.patientId}}&encounter={{ context.encounterId }}&_count=5"
    assert resolve(template, CONTEXT) == "Observation?patient=p-1.A&encounter=e1&_count=5"
    assert resolve("{{context.userId}}", CONTEXT) == "Practitioner/dr7"
    assert resolve("Practitioner/{{userPractitionerId}}", {"userPractitionerId": "dr7"}) == "Practitioner/dr7"


@pytest.mark.parametrize(
    "template", ["Patient/{{context.encounterId}}", "{{patientId}}", "{{context.draftOrders.entry}}"]
)
def test_a_token_that_is_unknown_or_not_in_the_context_is_an_error(template: str) -> None:
    with pytest.raises(ValueError, match=r"context|token"):
        resolve(template, {"patientId": "p1"})


@pytest.mark.parametrize("value", ["p1", "A-Za-z0-9.-", "a" * 64, "..a"])
def test_ids_of_fhir_syntax_are_ids(value: str) -> None:
    assert is_id(value)


@pytest.mark.parametrize("value", ["", ".", "..", "a" * 65, "p 1", "p_1", "é", "p1\n", None, 7])
def test_other_things_are_not(value: object) -> None:
    assert not is_id(value)


def test_a_reference_fills_the_user_token_only() -> None:
    with pytest.raises(ValueError, match="patientId"):
        resolve("Patient/{{context.patientId}}", {"patientId": "Patient/p1"})
    with pytest.raises(ValueError, match="userId"):
        resolve("{{context.userId}}", {"userId": "Practitioner/.."})
