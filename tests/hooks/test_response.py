from __future__ import annotations

from uuid import uuid4

import msgspec
import pytest
from conformance.checking import check_response
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from msgspec import Raw

from cds_service.hooks.clients import profiles
from cds_service.hooks.protocol import Action, Card, Coding, Link, Source, Suggestion
from cds_service.hooks.response import write
from cds_service.services.service import Answer, IssuedCard

PROFILES = profiles.read()
texts = st.text(max_size=300)
codings = st.builds(Coding, code=texts, system=texts, display=st.none() | texts)
urls = st.sampled_from(["https://example.org/", "http://x.example:8080/a", "/relative", "javascript:alert(1)", ""])
resources = st.sampled_from([None, Raw(b'{"resourceType":"ServiceRequest"}'), Raw(b"{}"), Raw(b"[]"), Raw(b"{")])
actions = st.builds(
    Action,
    type=st.sampled_from(["create", "update", "delete"]),
    description=texts,
    resource=resources,
    resourceId=st.sampled_from([None, "", "ServiceRequest/1"]),
)
suggestions = st.builds(
    Suggestion,
    label=texts,
    uuid=st.none() | st.uuids().map(str),
    isRecommended=st.none() | st.booleans(),
    actions=st.lists(actions, max_size=3),
)
links = st.builds(
    Link,
    label=texts,
    url=urls,
    type=st.sampled_from(["absolute", "smart"]),
    appContext=st.none() | texts,
    autolaunchable=st.none() | st.booleans(),
)
cards = st.builds(
    Card,
    summary=texts,
    indicator=st.sampled_from(["info", "warning", "critical"]),
    source=st.builds(Source, label=texts, url=st.none() | urls, icon=st.none() | urls, topic=st.none() | codings),
    uuid=st.none() | st.uuids().map(str),
    detail=st.none() | st.text(max_size=3000),
    suggestions=st.lists(suggestions, max_size=3),
    selectionBehavior=st.sampled_from([None, "any", "at-most-one"]),
    overrideReasons=st.lists(codings, max_size=2),
    links=st.lists(links, max_size=2),
)


@given(st.lists(cards, max_size=6), st.sampled_from(sorted(PROFILES)))
def test_whatever_a_service_says_goes_out_as_the_specification_wants_it(said: list[Card], name: str) -> None:
    profile = PROFILES[name]
    written = write(Answer(cards=said), "patient-summary", profile)
    shown = check_response(msgspec.json.decode(written.body))
    assert sum(c["indicator"] == "critical" for c in shown) == sum(c.indicator == "critical" for c in said)
    assert [entry.uuid for entry in written.issued] == [c["uuid"] for c in shown]
    for card in shown:
        assert len(card.get("detail", "")) <= profile.detail_length + 200
        assert len(card["summary"]) <= profile.summary_length
        assert card.get("selectionBehavior", profile.selection_behaviors[0]) in profile.selection_behaviors
        for suggestion in card.get("suggestions", []):
            assert not profile.actions_per_suggestion or len(suggestion.get("actions", [])) <= 1
            for action in suggestion.get("actions", []):
                assert action["type"] in profile.action_types


def test_what_the_ledger_knew_of_a_card_is_kept() -> None:
    uuid = str(uuid4())
    card = Card(summary="x", indicator="info", source=Source(label="y"), uuid=uuid)
    known = IssuedCard(uuid=uuid, service="s", rules=("r@1",), prompt="p", engine="e")
    assert write(Answer(cards=[card], issued=[known]), "s", PROFILES["spec"]).issued == [known]


def test_a_card_left_out_by_the_cap_is_not_recorded_as_issued() -> None:
    said = [Card(summary=str(n), indicator="info", source=Source(label="y")) for n in range(5)]
    written = write(Answer(cards=said), "s", PROFILES["spec"])
    assert len(written.issued) == len(written.cards) == 3
    assert written.notes == ("2 cards over the cap",)


HTML = ["\\<b>", "\\\\<b>", "<b>", "a<b", "5 < 6", "<3", "&lt;b&gt;", "<!-- x -->", "<?x?>"]


@pytest.mark.parametrize("detail", HTML)
def test_no_detail_opens_an_html_tag(detail: str) -> None:
    card = Card(summary="x", indicator="info", source=Source(label="y"), detail=detail)
    (shown,) = write(Answer(cards=[card]), "s", PROFILES["spec"]).cards
    page = MarkdownIt("commonmark", {"html": True}).render(shown.detail or "")
    assert page.replace("<p>", "").replace("</p>", "").count("<") == 0
