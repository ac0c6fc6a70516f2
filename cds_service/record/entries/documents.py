"""DiagnosticReports and DocumentReferences → events with bounded text. Only text that came inline is read; nothing is fetched."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from html.parser import HTMLParser

import msgspec

from cds_service.record import text
from cds_service.record.coding import coded, first_code, texts
from cds_service.record.entries.scope import Scope, joined
from cds_service.record.facts import Event
from fhir_adapters.read.datatypes import Attachment
from fhir_adapters.read.documents import DiagnosticReportView, DocumentReferenceView

TEXT_LIMIT = 6_000  # characters of one document
DATA_LIMIT = 400_000  # base64 characters that are decoded of one attachment
ALL_TEXT = 400_000  # characters of all documents of a record
OVER = frozenset({"entered-in-error", "superseded"})
NOT_RESULTS = frozenset({"cancelled", "registered"})


def within(events: list[Event], room: int = ALL_TEXT) -> tuple[list[Event], int]:
    """The events in their order (newest first) with as much text as fits, and how many had to be cut."""
    kept, cut = [], 0
    for event in events:
        if len(event.text) > room:
            event = msgspec.structs.replace(event, text=event.text[:room], note=joined(event.note, "text cut"))
            cut += 1
        room -= len(event.text)
        kept.append(event)
    return kept, cut


def reports(scope: Scope) -> list[Event]:
    """Diagnostic reports; a report that is only registered or was cancelled has nothing to say."""
    made = []
    for view, reference, note in scope.of(DiagnosticReportView):
        status = text.word(view.status)
        if status in NOT_RESULTS:
            scope.excluded[f"DiagnosticReport: {status}"] += 1
            continue
        name, period = coded(view.code), view.effectivePeriod
        when = scope.past(
            scope.at(view.effectiveDateTime, (period.end or period.start) if period else None, view.issued)
        )
        said = [view.conclusion or "", "; ".join(texts(view.conclusionCode))]
        attached, remark = _attached(view.presentedForm)
        words = text.lines("\n".join(s for s in (*said, attached) if s), TEXT_LIMIT)
        made.append(
            Event(
                number=0, reference=reference, resource_type="DiagnosticReport",
                label=name.label or "Diagnostic report", codes=name.codes, time=when.time,
                time_text=when.text, status=status,
                note=joined(note, name.note, when.note, remark), category=first_code(view.category), start=when.time,
                text=words, identifiers=_values(view),
            )
        )  # fmt: skip
    return made


def documents(scope: Scope) -> list[Event]:
    """Notes and other documents."""
    made = []
    for view, reference, note in scope.of(DocumentReferenceView):
        over = {(view.docStatus or "").casefold(), (view.status or "").casefold()} & OVER
        if over:
            scope.excluded[f"DocumentReference: {over.pop().replace('-', ' ')}"] += 1
            continue
        name = coded(view.type)
        when = scope.past(scope.at(view.date))
        attached, remark = _attached([c.attachment for c in view.content or () if c.attachment is not None])
        made.append(
            Event(
                number=0, reference=reference, resource_type="DocumentReference",
                label=name.label or text.label(view.description or "") or "Document", codes=name.codes, time=when.time,
                time_text=when.text, status=text.word(view.docStatus or view.status),
                note=joined(note, name.note, when.note, remark), category=first_code(view.category), start=when.time,
                text=text.lines(attached, TEXT_LIMIT),
            )
        )  # fmt: skip
    return made


def _values(view: DiagnosticReportView) -> tuple[str, ...]:
    return tuple(text.clean(i.value, 120) for i in view.identifier or () if i.value)


def _attached(attachments: Iterable[Attachment] | None) -> tuple[str, str]:
    """Text of the first attachment that came inline as text, and a remark for those that were not read."""
    unread: dict[str, None] = {}
    for attachment in list(attachments or ())[:10]:
        kind, _, parameters = (attachment.contentType or "").casefold().partition(";")
        kind = kind.strip()
        if attachment.data and kind in ("text/plain", "text/html", "text/markdown", "application/xhtml+xml"):
            words, cut = decode(attachment.data, parameters)
            words = words if kind in ("text/plain", "text/markdown") else plain_text(words)
            return words, "text cut" if cut or len(words) > TEXT_LIMIT else ""
        unread[
            f"attachment not read: {text.clean(kind, 60) or 'unknown type'}"
            + ("" if attachment.data else ", not inline")
        ] = None
    return "", "; ".join(unread)


def decode(data: str, parameters: str) -> tuple[str, bool]:
    """Bounded base64 to text; undecodable bytes become replacement characters, undecodable base64 nothing."""
    cut = len(data) > DATA_LIMIT
    kept = "".join(data[:DATA_LIMIT].split())
    try:
        body = base64.b64decode(kept[: len(kept) // 4 * 4] if cut else kept, validate=False)
    except (binascii.Error, ValueError):
        return "", cut
    charset = parameters.partition("charset=")[2].strip(' "').split(";")[0] or "utf-8"
    try:
        return body.decode(charset, "replace"), cut
    except (LookupError, UnicodeError):
        return body.decode("utf-8", "replace"), cut


class _Words(HTMLParser):
    """Keeps what a reader would see."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.said: list[str] = []
        self.hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.hidden += tag in ("script", "style", "head", "title")
        if tag in ("p", "br", "div", "tr", "li", "h1", "h2", "h3", "h4"):
            self.said.append("\n")

    def handle_endtag(self, tag: str) -> None:
        self.hidden -= bool(self.hidden) and tag in ("script", "style", "head", "title")

    def handle_data(self, data: str) -> None:
        if not self.hidden:
            self.said.append(data + " ")


def plain_text(html: str) -> str:
    """The words of an HTML document; scripts, styles and tags go."""
    parser = _Words()
    try:
        parser.feed(html)
        parser.close()
    except (AssertionError, ValueError):  # html.parser on hostile markup
        return ""
    return "".join(parser.said)
