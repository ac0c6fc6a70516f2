"""Rows T2–T4, A1, A2, C1–C9, G1–G6 and Y1: what goes out. Services here are careless on purpose; the writer is not."""
# ruff: noqa: N802 - the rows of the checklist are upper case

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from msgspec import Raw
from starlette.testclient import TestClient

from cds_service.errors import (
    BadRequest,
    BodyTooLarge,
    CdsError,
    MissingData,
    NotAllowed,
    NotAuthenticated,
    NotJson,
    TooManyRequests,
    Unavailable,
    UnknownService,
)
from cds_service.hooks.protocol import Action, Card, Coding, Link, Source, Suggestion
from cds_service.services.service import Answer, Call
from cds_service.settings import Client, Settings

from . import bodies
from .checking import check_response
from .minimal import Minimal, card, services

ORDER = Raw(
    b'{"resourceType":"ServiceRequest","id":"s1","status":"draft","intent":"order","quantityQuantity":{"value":1.50}}'
)


def shown(*cards: Card, profile: str = "spec") -> list[dict[str, Any]]:
    """The cards a client of the profile gets when a service answers with ``cards``."""

    async def answer(call: Call) -> Answer:
        return Answer(cards=list(cards))

    settings = Settings(clients={"ehr": Client(fhir_origins=["https://fhir.example"], profile=profile)})
    with TestClient(Minimal(settings, services(answer)).app) as client:
        body = bodies.request(fhirServer="https://fhir.example/r4")
        response = client.post("/cds-services/patient-summary", json=body)
    assert response.status_code == 200
    return check_response(response.json())


def update(label: str = "Set priority to urgent", **members: Any) -> Suggestion:
    """A suggestion of one update."""
    action = Action(type="update", description=label, resource=ORDER)
    return Suggestion(**{"label": label, "actions": [action], **members})


@pytest.mark.parametrize("hook", ["patient-view", "order-select", "order-sign", "encounter-start"])
def test_T2_T3_answers_have_no_null_and_no_empty_value(client: TestClient, hook: str) -> None:
    found = client.get("/cds-services").json()["services"]
    (service,) = [s["id"] for s in found if s["hook"] == hook]
    answer = client.post(f"/cds-services/{service}", json=bodies.request(hook))
    assert answer.status_code == 200
    check_response(answer.json())


def test_T2_T3_empty_members_of_a_card_are_left_out() -> None:
    (found,) = shown(
        card(
            "Something",
            detail="",
            links=[
                Link(label="Evidence", url="https://example.org/", type="absolute", appContext="", autolaunchable=False)
            ],
            source=Source(label="Echo", url="", icon="", topic=Coding(code="seen", system="urn:x", display="")),
            suggestions=[Suggestion(label="Think again", isRecommended=False)],
        )
    )
    assert set(found) == {"summary", "indicator", "source", "uuid", "suggestions", "selectionBehavior", "links"}
    assert found["source"] == {"label": "Echo", "topic": {"code": "seen", "system": "urn:x"}}
    assert found["links"] == [{"label": "Evidence", "url": "https://example.org/", "type": "absolute"}]
    assert set(found["suggestions"][0]) == {"label", "uuid"}


def test_T4_an_embedded_resource_keeps_its_numbers_as_written() -> None:
    async def answer(call: Call) -> Answer:
        return Answer(cards=[card("Priority", suggestions=[update()])])

    with TestClient(Minimal(Settings(), services(answer)).app) as client:
        text = client.post("/cds-services/patient-summary", json=bodies.request()).text
    assert ORDER_TEXT in text


ORDER_TEXT = bytes(ORDER).decode()


def test_A1_nothing_to_say_is_an_empty_array() -> None:
    assert shown() == []


@pytest.mark.parametrize(
    "error",
    [
        BadRequest("context is required"),
        NotAuthenticated("bad signature"),
        NotAllowed("not for this client"),
        UnknownService("no such service"),
        MissingData("required prefetch key 'patient' is not available"),
        BodyTooLarge("too large"),
        NotJson("not JSON"),
        TooManyRequests("slow down", retry_after=7),
        Unavailable("busy", retry_after=3),
    ],
)
def test_A2_every_error_carries_an_OperationOutcome(error: CdsError) -> None:
    async def refuse(call: Call) -> Answer:
        raise error

    with TestClient(Minimal(Settings(), services(refuse)).app) as client:
        answer = client.post("/cds-services/patient-summary", json=bodies.request())
    assert answer.status_code == error.status
    outcome = answer.json()
    assert outcome["resourceType"] == "OperationOutcome"
    (issue,) = outcome["issue"]
    assert issue["severity"] == "error"
    assert issue["code"] == error.code
    assert answer.headers.get("Retry-After") == (str(error.retry_after) if error.retry_after else None)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/cds-services/no-such-service", 404),
        ("POST", "/cds-services/no-such-service/feedback", 404),
        ("GET", "/cds-services/patient-summary", 405),
        ("POST", "/cds-services", 405),
        ("DELETE", "/cds-services/patient-summary/feedback", 405),
    ],
)
def test_A2_addresses_and_methods_nobody_serves_carry_one_too(
    client: TestClient, method: str, path: str, status: int
) -> None:
    answer = client.request(method, path)
    assert answer.status_code == status
    assert answer.json()["resourceType"] == "OperationOutcome"


def test_C1_summary_is_under_140_characters_and_cut_at_a_word() -> None:
    words = "Potassium is critical and rising " * 10
    (found,) = shown(card(words))
    assert len(found["summary"]) <= 139
    assert found["summary"].endswith("…")
    assert words.startswith(found["summary"][:-1])
    assert words[len(found["summary"]) - 1] == " "


def test_C1_a_summary_of_139_characters_stays_whole() -> None:
    (found,) = shown(card("x" * 139))
    assert found["summary"] == "x" * 139


def test_C1_a_summary_is_one_line() -> None:
    (found,) = shown(card("Potassium\n6.1\u202e\x00 mmol/L"))
    assert found["summary"] == "Potassium 6.1 mmol/L"


def test_C2_critical_cards_come_first_and_others_keep_their_order() -> None:
    found = shown(card("a"), card("b", indicator="warning"), card("c", indicator="critical"))
    assert [c["indicator"] for c in found] == ["critical", "warning", "info"]


def test_C2_the_cap_never_drops_a_critical_card_and_counts_what_it_leaves_out() -> None:
    cards = [card(f"info {n}") for n in range(3)] + [card(f"critical {n}", indicator="critical") for n in range(4)]
    found = shown(*cards)
    assert [c["summary"] for c in found] == [f"critical {n}" for n in range(4)]
    assert "3 further cards are not shown here" in found[-1]["detail"]


def test_C3_source_has_a_label_and_only_absolute_addresses() -> None:
    (found,) = shown(card("x", source=Source(label="", url="/relative", icon="javascript:alert(1)")))
    assert found["source"] == {"label": "MedGemma CDS"}


def test_C4_topic_code_is_alphanumeric_short_and_the_same_each_time() -> None:
    topic = Coding(code="metformin-contrast." + "x" * 200, system="urn:x")
    codes = {shown(card("x", source=Source(label="y", topic=topic)))[0]["source"]["topic"]["code"] for _ in range(2)}
    assert codes == {"metformincontrast" + "x" * 83}


def test_C5_detail_has_no_live_html_no_image_and_no_unseen_characters() -> None:
    (found,) = shown(card("x", detail="a <script>b</script> ![beacon](https://x.example/p.png) < 5 \u202e\x00 \\<ok"))
    assert found["detail"] == "a \\<script>b\\</script> \\![beacon](https://x.example/p.png) < 5  \\<ok"


def test_C5_a_detail_too_long_for_the_client_is_cut_at_a_line_and_says_so() -> None:
    lines = [f"- line {n}: some fact of the record" for n in range(500)]
    (found,) = shown(card("x", detail="\n".join(lines)))
    assert len(found["detail"]) <= 8000
    kept, _, note = found["detail"].rpartition("\n\n")
    assert note == "… (cut: this client shows no more)"
    assert kept.splitlines() == lines[: len(kept.splitlines())]


def test_C6_every_card_has_a_uuid_that_the_ledger_knows() -> None:
    async def answer(call: Call) -> Answer:
        return Answer(cards=[card("x", suggestions=[update()])])

    house = Minimal(Settings(), services(answer))
    with TestClient(house.app) as client:
        (found,) = check_response(client.post("/cds-services/patient-summary", json=bodies.request()).json())
    ((_, call, entry),) = house.ledger.issued
    assert entry.uuid == found["uuid"]
    assert entry.suggestions == (found["suggestions"][0]["uuid"],)
    assert call.request.context.userId == "Practitioner/demo"


@pytest.mark.parametrize(
    ("profile", "wanted", "expected"),
    [
        ("spec", None, "at-most-one"),
        ("spec", "any", "any"),
        ("spec", "all", "at-most-one"),
        ("sandbox", "at-most-one", "at-most-one"),
    ],
)
def test_C7_suggestions_bring_a_selection_behaviour_the_client_knows(profile: str, wanted: Any, expected: str) -> None:
    (found,) = shown(card("x", suggestions=[update()], selectionBehavior=wanted), profile=profile)
    assert found["selectionBehavior"] == expected


def test_C7_without_suggestions_there_is_no_selection_behaviour() -> None:
    (found,) = shown(card("x", selectionBehavior="any"))
    assert "selectionBehavior" not in found


def test_C8_override_reasons_have_a_display() -> None:
    (found,) = shown(card("x", overrideReasons=[Coding(code="known", system="urn:x"), Coding(code="", system="")]))
    assert found["overrideReasons"] == [{"code": "known", "system": "urn:x", "display": "known"}]


def test_C9_appContext_stands_only_on_smart_links_and_links_are_absolute() -> None:
    links = [
        Link(label="Evidence", url="https://example.org/e", type="absolute", appContext="secret", autolaunchable=True),
        Link(label="Review", url="https://example.org/launch", type="smart", appContext="draft=1"),
        Link(label="Broken", url="javascript:alert(1)", type="absolute"),
    ]
    (found,) = shown(card("x", links=links))
    assert found["links"] == [
        {"label": "Evidence", "url": "https://example.org/e", "type": "absolute", "autolaunchable": True},
        {"label": "Review", "url": "https://example.org/launch", "type": "smart", "appContext": "draft=1"},
    ]


def test_G1_suggestions_have_a_label_and_a_uuid() -> None:
    (found,) = shown(card("x", suggestions=[update(label=""), update()], selectionBehavior="any"))
    assert [s["label"] for s in found["suggestions"]] == ["Apply", "Set priority to urgent"]


def test_G1_several_may_be_recommended_when_any_may_be_taken() -> None:
    several = [update(isRecommended=True), update(isRecommended=True)]
    (found,) = shown(card("x", suggestions=several, selectionBehavior="any"))
    assert [s.get("isRecommended") for s in found["suggestions"]] == [True, True]


def test_G2_actions_that_belong_together_are_sent_together_or_not_at_all() -> None:
    broken = Action(type="create", description="No resource")
    sound = Action(type="update", description="Sound", resource=ORDER)
    (found,) = shown(card("x", suggestions=[Suggestion(label="Both", actions=[sound, broken])]))
    assert "suggestions" not in found
    assert "- Both" in found["detail"]


def test_G3_actions_have_a_type_and_a_description() -> None:
    bare = Suggestion(label="Do it", actions=[Action(type="update", description="", resource=ORDER)])
    (found,) = shown(card("x", suggestions=[bare]))
    (action,) = found["suggestions"][0]["actions"]
    assert action["description"] == "Do it"
    assert action["type"] == "update"


@pytest.mark.parametrize(
    "action",
    [
        Action(type="create", description="no resource"),
        Action(type="update", description="not a resource", resource=Raw(b'{"id":"x"}')),
        Action(type="delete", description="no id"),
        Action(type="delete", description="both", resource=ORDER, resourceId="ServiceRequest/s1"),
    ],
)
def test_G4_an_action_that_is_not_whole_is_not_sent(action: Action) -> None:
    (found,) = shown(card("x", suggestions=[Suggestion(label="Odd", actions=[action])]))
    assert "suggestions" not in found


def test_G4_update_carries_the_whole_resource_and_delete_a_reference() -> None:
    actions = [
        Action(type="update", description="Change", resource=ORDER),
        Action(type="delete", description="Remove", resourceId="ServiceRequest/s2"),
    ]
    (found,) = shown(card("x", suggestions=[Suggestion(label="Both", actions=actions)]))
    changed, removed = found["suggestions"][0]["actions"]
    assert set(changed["resource"]) == {"resourceType", "id", "status", "intent", "quantityQuantity"}
    assert removed == {"type": "delete", "description": "Remove", "resourceId": "ServiceRequest/s2"}


def test_G5_actionSelectionBehavior_is_never_sent(client: TestClient) -> None:
    answer = client.post("/cds-services/order-triage", json=bodies.request("order-sign"))
    assert "actionSelectionBehavior" not in answer.text


def test_G6_at_most_one_is_recommended_where_at_most_one_may_be_taken() -> None:
    several: Sequence[Suggestion] = [update(), update(isRecommended=True), update(isRecommended=True)]
    (found,) = shown(card("x", suggestions=list(several), selectionBehavior="at-most-one"))
    assert [s.get("isRecommended") for s in found["suggestions"]] == [None, True, None]


@pytest.mark.parametrize("hook", ["patient-view", "order-sign"])
def test_Y1_no_system_action_is_ever_sent(client: TestClient, hook: str) -> None:
    service = {"patient-view": "patient-summary", "order-sign": "order-triage"}[hook]
    answer = client.post(f"/cds-services/{service}", json=bodies.request(hook))
    assert set(answer.json()) == {"cards"}


def test_an_epic_client_gets_one_action_a_suggestion_any_selection_and_only_what_it_applies() -> None:
    create = Action(type="create", description="Problem", resource=Raw(b'{"resourceType":"Condition"}'))
    remove = Action(type="delete", description="Stop it", resourceId="MedicationRequest/m1")
    report = Action(type="create", description="Report", resource=Raw(b'{"resourceType":"DiagnosticReport"}'))
    suggestions = [
        Suggestion(label="Two", uuid="8f14e45f-ceea-467f-9c5d-000000000001", actions=[create, remove]),
        Suggestion(label="Draft report", actions=[report]),
        update(),
    ]
    (found,) = shown(card("x", suggestions=suggestions, selectionBehavior="at-most-one"), profile="epic")
    assert found["selectionBehavior"] == "any"
    assert [[a["description"] for a in s["actions"]] for s in found["suggestions"]] == [["Problem"], ["Stop it"]]
    assert found["suggestions"][0]["uuid"] == "8f14e45f-ceea-467f-9c5d-000000000001"
    assert "- Draft report" in found["detail"]
    assert "- Set priority to urgent" in found["detail"]


def test_a_cerner_client_gets_no_appContext_and_shorter_texts() -> None:
    link = Link(label="Review", url="https://example.org/launch", type="smart", appContext="draft=1")
    (found,) = shown(card("word " * 40, detail="line\n" * 1000, links=[link]), profile="cerner")
    assert "appContext" not in found["links"][0]
    assert len(found["summary"]) <= 100
    assert len(found["detail"]) <= 1500
