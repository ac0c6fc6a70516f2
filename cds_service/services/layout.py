"""Findings → cards. The cap on cards is kept here: at most N cards, never a critical finding dropped.

Each finding prints its inputs with dates and resources, what was missing, and its source. A card that merges several
lists every one of them; where the client's length limit leaves no room for an explanation, the resources it rests on
and its rule stand in its place.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import accumulate
from zoneinfo import ZoneInfo

from msgspec import Struct
from msgspec.structs import replace

from cds_service.hooks.clients.profiles import Profile
from cds_service.hooks.markdown import escape, fit
from cds_service.hooks.protocol import Action, Card, Coding, Indicator, Source, Suggestion
from cds_service.randomness import uuid4
from cds_service.record import wording
from cds_service.rules.catalogue import Acknowledged, Finding, Rule, Severity
from cds_service.services import newer, noted
from cds_service.services.hygiene import critical as critical_of
from cds_service.services.hygiene import quietable
from cds_service.services.service import IssuedCard

RULE_SYSTEM = "urn:medgemma-cds:rule"
OVERRIDE_SYSTEM = "urn:medgemma-cds:override-reason"
LABEL = "MedGemma CDS rules"
MERGED_TOPIC = {"critical": "criticalfindings", "warning": "warnings", "info": "remarks"}
ROOM_FOR_NOTE = 80  # characters kept free for the line that says how many explanations were left out
NAMED = 4  # resources named in place of an explanation that does not fit


class Sheet(Struct, frozen=True, kw_only=True):
    """What the layout of one call needs to know."""

    service: str
    profile: Profile
    zone: ZoneInfo
    override_displays: Mapping[str, str]


class Laid(Struct, frozen=True):
    """A card beside what is remembered of it."""

    card: Card
    issued: IssuedCard


def block(finding: Finding, zone: ZoneInfo) -> str:
    """One finding in full: what was concluded, from what, what was missing, by whose rule."""
    lines = [escape(line) for line in finding.details]
    for other in finding.absorbed:
        told = (line for line in (other.summary, *other.details) if line not in finding.details)
        lines += [f"Also: {escape(line)}" for line in told]
    if finding.facts:
        if lines:
            lines.append("")
        lines += [f"- {escape(wording.line(fact, zone))}" for fact in finding.facts]
    if not_usable := newer.line(finding.unusable, zone):
        lines += ["", escape(not_usable)]
    if with_note := noted.line(finding.facts):
        lines += ["", escape(with_note)]
    if standing := _standing(finding, zone):
        lines += ["", standing]
    if finding.missing:
        lines += ["", f"Not recorded or not seen: {escape(', '.join(finding.missing))}."]
    for part in finding.parts:
        lines += ["", citation(part.rule)]
    return "\n".join(lines).strip()


def _standing(finding: Finding, zone: ZoneInfo) -> str:
    """Since when a repeated finding stands, and who answered it when; '' for one that is new."""
    newest = max((fact.time for fact in finding.facts if fact.time is not None), default=None)
    said = []
    if finding.since is not None and newest is not None and finding.since < newest:
        said.append(f"In every result since {finding.since.astimezone(zone):%Y-%m-%d %H:%M}.")
    if finding.acknowledged is not None:
        said.append(_acknowledgement(finding, finding.acknowledged, newest, zone))
    return " ".join(said)


def _acknowledgement(finding: Finding, answered: Acknowledged, newest: datetime | None, zone: ZoneInfo) -> str:
    """'Acknowledged 2026-11-20 08:10 by another user (Practitioner/7).', and what has changed since."""
    by = "you" if answered.mine else f"another user ({escape(answered.by)})" if answered.by else "another user"
    since = ["a newer result came since"] if newest is not None and newest > answered.at else []
    since += ["it is worse than it was then"] if finding.worse > answered.worse else []
    return "; ".join([f"Acknowledged {answered.at.astimezone(zone):%Y-%m-%d %H:%M} by {by}", *since]) + "."


def citation(rule: Rule) -> str:
    """Rule, version and every source with its edition; the limits of the rule in the same breath."""
    sources = "; ".join(
        f"{escape(s.label)}, {escape(s.edition)}" + (f" ({s.url})" if s.url else "") for s in rule.sources
    )
    limits = f" {escape(rule.limits)}" if rule.limits else ""
    return f"*Rule {escape(rule.id)} {escape(rule.version)}: {sources}.{limits}*"


def fit_list(parts: Sequence[str], limit: int, head: str = "", joint: str = "; ") -> str:
    """``head`` and the first ``parts`` that fit whole, then how many more there are: 'A; B; +2 more'.

    The parts stand worst first. A first part that is too long by itself is cut as ``fit`` cuts.
    """
    whole = head + joint.join(parts)
    if len(whole) <= limit:
        return whole
    shown = 0
    text = head
    for shown, part in enumerate(parts):
        longer = text + (joint if shown else "") + part
        if len(longer) + len(_more(len(parts) - shown - 1, joint)) > limit:
            break
        text = longer
    if shown:
        return text + _more(len(parts) - shown, joint)
    more = _more(len(parts) - 1, joint)
    return fit(head + parts[0], limit - len(more)) + more


def _more(count: int, joint: str) -> str:
    return f"{joint}+{count} more" if count else ""


def source(rule: Rule) -> Source:
    """Card source of a single rule: its first source's address, its static topic."""
    url = rule.sources[0].url if rule.sources else ""
    return Source(label=LABEL, url=url or None, topic=Coding(code=rule.topic, system=RULE_SYSTEM, display=rule.title))


def overrides(keys: Iterable[str], sheet: Sheet) -> list[Coding]:
    """Coded override reasons with their displays, where the client shows them."""
    if not sheet.profile.override_reasons:
        return []
    return [
        Coding(code=key, system=OVERRIDE_SYSTEM, display=sheet.override_displays[key]) for key in dict.fromkeys(keys)
    ]


def single(finding: Finding, sheet: Sheet) -> Laid:
    """A card of one finding."""
    return _lay(
        sheet,
        [finding],
        summary=finding.summary,
        indicator=finding.severity.value,
        origin=source(finding.rule),
        detail=block(finding, sheet.zone),
    )


def merged(findings: Sequence[Finding], sheet: Sheet) -> Laid:
    """One listing card of several findings, worst first; every summary stands before any explanation."""
    worst = findings[0].severity
    critical = sum(f.severity is Severity.CRITICAL for f in findings)
    mixed = 0 < critical < len(findings)
    title = f"{len(findings)} findings, {critical} critical: " if mixed else f"{len(findings)} findings: "
    if critical == len(findings):
        title = f"{critical} critical findings: "
    listed = "\n".join(
        f"{n}. **{escape(f.summary)}**" + (" (critical)" if mixed and f.severity is Severity.CRITICAL else "")
        for n, f in enumerate(findings, 1)
    )
    return _lay(
        sheet,
        findings,
        summary=fit_list([f.summary.rstrip(".") for f in findings], sheet.profile.summary_length, title),
        indicator=worst.value,
        origin=Source(
            label=LABEL,
            topic=Coding(code=MERGED_TOPIC[worst.value], system=RULE_SYSTEM, display=f"Several {worst.value} findings"),
        ),
        detail=listed + _explained(findings, sheet, sheet.profile.detail_length - len(listed)),
    )


def _explained(findings: Sequence[Finding], sheet: Sheet, room: int) -> str:
    """Every finding in full while ``room`` lasts; of the others, the resources they rest on and their rules."""
    full = [
        f"\n\n**{number}. {escape(finding.rule.title)}**\n\n{block(finding, sheet.zone)}"
        for number, finding in enumerate(findings, 1)
    ]
    if sum(map(len, full)) <= room:
        return "".join(full)
    brief = [_brief(number, finding) for number, finding in enumerate(findings, 1)]
    spare = room - sum(map(len, brief))
    if spare < 0:
        kept = _within(brief, room - ROOM_FOR_NOTE)
        left = len(brief) - kept
        return "".join(brief[:kept]) + f"\n\nThe explanations of {left} findings did not fit into this view."
    parts = []
    for text, short in zip(full, brief, strict=True):
        fits = len(text) - len(short) <= spare
        spare -= len(text) - len(short) if fits else 0
        parts.append(text if fits else short)
    return "".join(parts)


def _brief(number: int, finding: Finding) -> str:
    """What stands in place of an explanation that does not fit."""
    named = list(dict.fromkeys(fact.reference for fact in finding.facts if fact.reference))
    others = f" and {len(named) - NAMED} more" if len(named) > NAMED else ""
    rests = f" It rests on {escape(', '.join(named[:NAMED]))}{others}." if named else ""
    if finding.unusable:
        rests += f" Newer and not usable: {escape(', '.join(reading.label for reading in finding.unusable))}."
    rules = ", ".join(f"{part.rule.id} {part.rule.version}" for part in finding.parts)
    return (
        f"\n\n**{number}. {escape(finding.rule.title)}**\n\nThe explanation did not fit into this view.{rests} "
        f"*Rule {escape(rules)}.*"
    )


def _within(texts: Sequence[str], room: int) -> int:
    """How many of the texts, from the first on, fit into ``room`` characters."""
    return sum(total <= room for total in accumulate(map(len, texts)))


def _lay(
    sheet: Sheet, findings: Sequence[Finding], *, summary: str, indicator: Indicator, origin: Source, detail: str
) -> Laid:
    uuid = uuid4()
    card = Card(
        summary=fit(summary, sheet.profile.summary_length),
        indicator=indicator,
        source=origin,
        uuid=uuid,
        detail=detail,
        overrideReasons=overrides((k for f in findings for part in f.parts for k in part.rule.override_reasons), sheet),
    )
    return Laid(card, issued(sheet, uuid, findings, indicator))


def issued(sheet: Sheet, uuid: str, findings: Sequence[Finding], indicator: str) -> IssuedCard:
    """What the ledger keeps: rules and versions, and for quietness which finding stood at which value."""
    return IssuedCard(
        uuid=uuid,
        service=sheet.service,
        rules=tuple(dict.fromkeys(f"{part.rule.id}@{part.rule.version}" for f in findings for part in f.parts)),
        indicator=indicator,
        findings=quietable(findings),
        critical=critical_of(findings),
    )


def arrange(
    findings: Sequence[Finding], fixed: Sequence[Laid], sheet: Sheet, optional: Sequence[Laid] = ()
) -> list[Laid]:
    """Findings as cards beside ``fixed`` ones, worst first, at most ``profile.max_cards`` in all.

    One card each while they fit; else all criticals share one card and, if still needed, all others share one.
    ``optional`` ones take what room is left: no finding is merged for their sake.
    """
    cards = _beside(findings, fixed, sheet)
    return cards + list(optional)[: max(0, sheet.profile.max_cards - len(cards))]


def given_way(optional: Sequence[Laid], laid: Sequence[Laid]) -> tuple[str, ...]:
    """For the audit line: optional cards that found no room."""
    shown = {each.issued.uuid for each in laid}
    left = [
        each.card.source.topic.code for each in optional if each.issued.uuid not in shown and each.card.source.topic
    ]
    return tuple(f"no room for the card {code}" for code in left)


def _beside(findings: Sequence[Finding], fixed: Sequence[Laid], sheet: Sheet) -> list[Laid]:
    room = max(1, sheet.profile.max_cards - len(fixed))
    ranked = sorted(findings, key=lambda f: -f.severity.rank)
    if len(ranked) <= room:
        cards = [single(f, sheet) for f in ranked]
    else:
        critical = [f for f in ranked if f.severity is Severity.CRITICAL]
        lesser = ranked[len(critical) :]
        if room == 1:
            cards = [merged(ranked, sheet)]
        else:
            cards = [one_or_merged(critical, sheet)] if critical else []
            open_slots = room - len(cards)
            alone = lesser if len(lesser) <= open_slots else lesser[: open_slots - 1]
            cards += [single(f, sheet) for f in alone]
            if rest := lesser[len(alone) :]:
                cards.append(one_or_merged(rest, sheet))
    return cards + list(fixed)


def one_or_merged(findings: Sequence[Finding], sheet: Sheet) -> Laid:
    """A single card for one finding, a listing card for several; worst first."""
    ranked = sorted(findings, key=lambda f: -f.severity.rank)
    return single(ranked[0], sheet) if len(ranked) == 1 else merged(ranked, sheet)


def with_suggestions(laid: Laid, suggestions: list[Suggestion], sheet: Sheet) -> Laid:
    """The same card with suggestions, which need a selection behaviour (checklist row C7)."""
    allowed = sheet.profile.selection_behaviors
    wanted = "any" if len(suggestions) > 1 else "at-most-one"
    behavior = wanted if wanted in allowed else allowed[0]
    return Laid(
        replace(laid.card, suggestions=suggestions, selectionBehavior=behavior),
        replace(laid.issued, suggestions=tuple(s.uuid for s in suggestions if s.uuid)),
    )


def suggestion(label: str, action: Action) -> Suggestion:
    """One suggestion of one action, with the uuid feedback needs."""
    return Suggestion(label=label, uuid=uuid4(), actions=[action])
