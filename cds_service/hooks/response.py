"""Writes a CDS Hooks response strictly: what the specification and the client's profile allow, and nothing else.

Services lay out cards; this is the last gate before the wire. It mends rather than refuses, so that one bad member
never costs a finding, and notes what it mended. Rows C1–C9, G1–G6, T2 and T3 are kept here for every service.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal, NamedTuple

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from cds_service.hooks.clients.profiles import Profile, origin
from cds_service.hooks.markdown import clean, escape, fit
from cds_service.hooks.protocol import Action, Card, Coding, Link, Response, Source, Suggestion, encode
from cds_service.randomness import uuid4
from cds_service.services.service import Answer, IssuedCard

SUMMARY_LIMIT = 139  # characters: the specification says fewer than 140
TOPIC_LIMIT = 100  # characters: the strictest client's
RANK = {"critical": 0, "warning": 1, "info": 2}
CUT = "\n\n… (cut: this client shows no more)"
NOTHING_SAID = "A finding without a headline; see the details"

_LIVE_HTML = re.compile(r"(?<!\\)((?:\\\\)*)<(?=[A-Za-z/!?])")
_LIVE_IMAGE = re.compile(r"!(?=\[)")
_UNSEEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]")
_NOT_ALPHANUMERIC = re.compile(r"[^A-Za-z0-9]")


class Written(NamedTuple):
    """The body, the cards in it, what the ledger must know of them, and what was mended (for the audit log)."""

    body: bytes
    cards: list[Card]
    issued: list[IssuedCard]
    notes: tuple[str, ...]


class _Kind(Struct):
    resourceType: str = ""  # noqa: N815


def write(answer: Answer, service_id: str, profile: Profile) -> Written:
    """Bytes of the HTTP body (CDS Hooks 2.0.1 §CDS Service Response): critical cards first, none of them dropped."""
    notes: list[str] = []
    cards = [_card(card, profile, notes) for card in answer.cards]
    cards.sort(key=lambda card: RANK[card.indicator])
    cards = _within(cards, profile.max_cards, notes)
    known = {issued.uuid: issued for issued in answer.issued}
    issued = [_issued(card, known, service_id) for card in cards]
    return Written(encode(Response(cards)), cards, issued, tuple(notes))


def _card(card: Card, profile: Profile, notes: list[str]) -> Card:
    detail = card.detail or ""
    suggestions: list[Suggestion] = []
    if card.suggestions:
        suggestions, lost = _suggestions(card.suggestions, profile)
        if lost:
            notes.append("suggestions this client cannot apply")
            lines = "\n".join(f"- {escape(label)}" for label in lost)
            detail = f"{detail}\n\nSuggested, to be done by hand (this client cannot apply it):\n\n{lines}"
    behavior = _behavior(card, profile) if suggestions else None
    if behavior == "at-most-one":
        suggestions = _one_recommended(suggestions)
    return Card(
        summary=fit(clean(card.summary), min(profile.summary_length, SUMMARY_LIMIT)) or NOTHING_SAID,
        indicator=card.indicator if card.indicator in RANK else "warning",
        source=_source(card.source),
        uuid=card.uuid or uuid4(),
        detail=_detail(detail, profile.detail_length, notes),
        suggestions=suggestions,
        selectionBehavior=behavior,
        overrideReasons=_reasons(card.overrideReasons) if profile.override_reasons else [],
        links=[sound for link in card.links if (sound := _link(link, profile, notes))],
    )


def _detail(text: str, limit: int, notes: list[str]) -> str | None:
    """Markdown without live HTML, images and unseen characters, cut at a line (row C5); None when there is none."""
    if not text.replace("\n", "").isprintable():
        text = _UNSEEN.sub("", text)
    if "<" in text:
        text = _LIVE_HTML.sub(r"\1\\<", text)
    if "![" in text:
        text = _LIVE_IMAGE.sub(r"\\!", text)
    text = text.strip()
    if len(text) > limit:
        notes.append("detail cut")
        head = text[: max(0, limit - len(CUT))]
        text = head[: max(head.rfind("\n"), 0) or len(head)].rstrip() + CUT
    return text or None


def _source(source: Source) -> Source:
    topic = source.topic
    if topic is not None:
        code = _NOT_ALPHANUMERIC.sub("", topic.code)[:TOPIC_LIMIT]
        display = clean(topic.display or "") or None
        topic = Coding(code=code, system=topic.system, display=display) if code and topic.system else None
    return Source(
        label=clean(source.label) or "MedGemma CDS",
        url=source.url if source.url and origin(source.url) else None,
        icon=source.icon if source.icon and origin(source.icon) else None,
        topic=topic,
    )


def _suggestions(suggestions: Iterable[Suggestion], profile: Profile) -> tuple[list[Suggestion], list[str]]:
    """Suggestions the client can apply, split where it takes fewer actions each, and the labels of those it cannot."""
    kept: list[Suggestion] = []
    lost: list[str] = []
    for suggestion in suggestions:
        label = fit(clean(suggestion.label), SUMMARY_LIMIT) or "Apply"
        actions = [_action(action, label) for action in suggestion.actions if _accepted(action, profile)]
        if len(actions) < len(suggestion.actions):
            lost.append(label)  # its actions belong together: all of them or none
            continue
        first = replace(
            suggestion,
            label=label,
            uuid=suggestion.uuid or uuid4(),
            isRecommended=suggestion.isRecommended or None,
            actions=actions,
        )
        kept += _split(first, profile.actions_per_suggestion)
    return kept, lost


def _split(suggestion: Suggestion, size: int) -> list[Suggestion]:
    actions = suggestion.actions
    if not size or len(actions) <= size:
        return [suggestion]
    parts = [actions[start : start + size] for start in range(0, len(actions), size)]
    return [
        replace(suggestion, actions=part, uuid=suggestion.uuid if number == 0 else uuid4())
        for number, part in enumerate(parts)
    ]


def _accepted(action: Action, profile: Profile) -> bool:
    """Row G4: create and update carry a resource, delete a relative reference; then what the client takes."""
    if action.type not in profile.action_types:
        return False
    if action.type == "delete":
        kind = (action.resourceId or "").partition("/")[0]
        sound = bool(kind) and action.resource is None
    else:
        kind = resource_type(action.resource)
        sound = bool(kind) and action.resourceId is None
    return sound and (not profile.suggestion_types or kind in profile.suggestion_types)


def resource_type(resource: Raw | None) -> str:
    """``resourceType`` of an embedded resource; '' when it has none or is no JSON object."""
    if resource is None:
        return ""
    try:
        return msgspec.json.decode(resource, type=_Kind).resourceType
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""


def _action(action: Action, label: str) -> Action:
    return replace(action, description=clean(action.description) or label)


def _behavior(card: Card, profile: Profile) -> Literal["at-most-one", "any"]:
    """Row C7: present with suggestions, and a value the client knows."""
    allowed = profile.selection_behaviors
    wanted = card.selectionBehavior if card.selectionBehavior in allowed else allowed[0]
    return "any" if wanted == "any" else "at-most-one"


def _one_recommended(suggestions: list[Suggestion]) -> list[Suggestion]:
    """Row G6: at most one recommendation where at most one suggestion may be taken."""
    first = next((s for s in suggestions if s.isRecommended), None)
    return [s if s is first or not s.isRecommended else replace(s, isRecommended=None) for s in suggestions]


def _reasons(reasons: Iterable[Coding]) -> list[Coding]:
    """Row C8: each with a display."""
    return [r if r.display else replace(r, display=r.code) for r in reasons if r.code and r.system]


def _link(link: Link, profile: Profile, notes: list[str]) -> Link | None:
    """Row C9: absolute address, a type the client takes, appContext only on a smart link and only where supported."""
    if link.type not in profile.link_types or not origin(link.url):
        notes.append("link this client cannot open")
        return None
    context = link.appContext if link.type == "smart" and profile.app_context else None
    return Link(
        label=clean(link.label) or "Open",
        url=link.url,
        type=link.type,
        appContext=context or None,
        autolaunchable=link.autolaunchable or None,
    )


def _within(cards: list[Card], most: int, notes: list[str]) -> list[Card]:
    """The cap, as a last guard: lesser cards beyond it are counted on the last one kept, critical ones all stay."""
    if len(cards) <= most:
        return cards
    critical = sum(card.indicator == "critical" for card in cards)
    kept = cards[: max(most, critical)]
    left_out = len(cards) - len(kept)
    if left_out:
        notes.append(f"{left_out} cards over the cap")
        line = f"{left_out} further {'card is' if left_out == 1 else 'cards are'} not shown here; they are less severe."
        last = kept[-1]
        kept[-1] = replace(last, detail=f"{last.detail}\n\n{line}" if last.detail else line)
    return kept


def _issued(card: Card, known: dict[str, IssuedCard], service_id: str) -> IssuedCard:
    """What the ledger keeps, with the uuids that really went out."""
    uuid = card.uuid or ""
    entry = known.get(uuid) or IssuedCard(uuid=uuid, service=service_id, indicator=card.indicator)
    suggestions = tuple(s.uuid for s in card.suggestions if s.uuid)
    return entry if entry.suggestions == suggestions else replace(entry, suggestions=suggestions)
