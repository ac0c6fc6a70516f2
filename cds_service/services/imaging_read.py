"""imaging-read (patient-view): says at once how the read of the newest imaging study stands. Only where imaging is on.

Nothing is waited for: a draft exists, is being prepared, was refused and why, or cannot be made and why.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

import msgspec
from msgspec import Raw

from cds_service.drafts import offered
from cds_service.drafts.draft import Draft, Edit
from cds_service.hooks.clients.profiles import Profile
from cds_service.hooks.markdown import escape, fit
from cds_service.hooks.protocol import Action, Card, Coding, Link, Source
from cds_service.imaging.patient_check import Expected
from cds_service.imaging.read import ImageFinding, Read
from cds_service.imaging.viewer import PriorStudy
from cds_service.imaging.work import Progress, Wanted
from cds_service.models.faults import in_words
from cds_service.randomness import uuid4
from cds_service.record import wording
from cds_service.record.facts import Event, Person, Record
from cds_service.rules.catalogue import Switch
from cds_service.services import layout, templates
from cds_service.services.chart import Chart, Charts
from cds_service.services.service import Answer, Call, IssuedCard
from cds_service.services.showing import Showing
from cds_service.settings import Settings
from fhir_adapters.read.patient import PatientView
from fhir_adapters.retrieved import Retrieved

SHOWN = 3  # studies listed
RESERVE_S = 0.1  # of the deadline, kept for the layout
NOTED = "Investigational: not for diagnostic use, {checked}, no replacement for a radiologist's report."
UNCHECKED = "not checked by a person"
NOTICE = NOTED.format(checked=UNCHECKED)
REJECTED = "The person who reviewed this draft rejected it. Nothing of it is shown here: do not use it."
REWORDED = "The person who reviewed the draft put these words in its place; what the model said is not shown here."
UNREAD = "No image model is configured: nothing was read, nothing is implied about these studies."
OLDER = "An older read exists, made by another model or other prompts; it is not what a read would say now."
EARLIER = "A read made earlier exists; whether this model made it cannot be told now."
SAID = {
    "preparing": ("Imaging read being prepared", "A draft read is being prepared; open the chart again in a while."),
    "refused": ("Imaging not read by a model", "No read was made of the newest study"),
    "failed": ("Imaging not read by a model", "The read of the newest study did not succeed"),
    "waiting": ("Imaging not read by a model", "A read cannot be started now"),
}
MODEL_STATES = {"present": "suggested (two separate questions agree)", "uncertain": "uncertain"}


class Reads(Protocol):
    """How the read of a study stands; has it made where nobody asked before."""

    async def progress(self, wanted: Wanted, deadline: float) -> Progress:
        """Answers by ``deadline``, a moment of the event loop's clock."""
        ...


class ImagingRead:
    """Lists the newest studies and says truthfully how the read of the newest one stands."""

    id = "imaging-read"
    hook = "patient-view"
    title = "Imaging read"
    description = (
        "The state of a draft read of the patient's newest imaging study. Image interpretation is investigational, "
        "not for diagnostic use, and never replaces a radiologist's report."
    )
    prefetch = templates.prefetch(id)

    def __init__(
        self,
        charts: Charts,
        showing: Showing,
        settings: Settings,
        reads: Reads | None = None,
        ai: Callable[[], Switch] = lambda: Switch.ON,
    ) -> None:
        self._charts = charts
        self._showing = showing
        self._base = settings.public_url.rstrip("/")
        self._reads = reads
        self._ai = ai
        self._expected = templates.expected(self.id)

    async def answer(self, call: Call) -> Answer:
        """No study, no card; a study without an image model is said to be unread."""
        chart = await self._charts.open(call, self.prefetch, self._expected)
        shown = await self._showing.choose(call, [])
        studies = chart.record.imaging[:SHOWN]
        if not studies:
            return shown.answer([], chart)
        progress = await self._progress(call, chart)
        sheet = self._showing.sheet(self.id, call)
        if progress is not None and progress.state == "preparing" and not sheet.profile.pending_card:
            return shown.answer([], chart)
        if progress is not None and progress.draft is not None:
            laid = self._drafted(progress.draft, sheet)
        else:
            laid = _unread(progress, studies, sheet, off=self._reads is not None, base=self._base)
        return shown.answer([laid], chart, {} if progress is None else {f"image_reads:{progress.state}": 1})

    async def _progress(self, call: Call, chart: Chart) -> Progress | None:
        """None where no image model may speak: none is configured, or everything a model words is off or in shadow."""
        wanted = wanted_of(call, chart)
        if self._reads is None or self._ai() is Switch.OFF:
            return None
        if wanted is None:
            return Progress(state="refused", why="the record gives no Study Instance UID for it")
        progress = await self._reads.progress(wanted, call.deadline - RESERVE_S)
        return progress if self._ai() is Switch.ON else None

    def _drafted(self, draft: Draft, sheet: layout.Sheet) -> layout.Laid:
        read, uuid = draft.read, uuid4()
        review = f"{self._base}/review/{draft.id}"
        mark = "TEST WEIGHTS, not a read: " if read.test_weights else ""
        card = Card(
            uuid=uuid,
            summary=fit(
                f"{mark}{_headline(draft, sheet.profile.summary_length - len(mark))}", sheet.profile.summary_length
            ),
            indicator="info",
            source=_source(),
            detail="\n\n".join(_told(draft)),
            links=[
                Link(label="Review this draft", url=review, type="absolute"),
                *(
                    [Link(label="Image as the model saw it", url=f"{review}/image", type="absolute")]
                    if read.instances
                    else []
                ),
            ],
        )
        model = read.identity.label if read.identity else ""
        issued = IssuedCard(uuid=uuid, service=self.id, prompt=" ".join(read.prompts[:1]), engine=model)
        laid = layout.Laid(card, issued)
        if draft.state != "waiting" or draft.filed or read.test_weights or not takes_report(sheet.profile):
            return laid
        action = Action(
            type="create",
            description="Add the draft report, unverified (status partial)",
            resource=Raw(msgspec.json.encode(offered.report(draft))),
        )
        return layout.with_suggestions(laid, [layout.suggestion("Add as unverified draft", action)], sheet)


def wanted_of(call: Call, chart: Chart) -> Wanted | None:
    """The newest study of the record as a job's order; None when the record gives no UID for it."""
    context, record = call.request.context, chart.record
    whose = expected_of(record.person, context.patientId, chart.retrieved)
    return order_of(
        record, record.imaging[0], whose, tenant=call.tenant, patient=context.patientId, encounter=context.encounterId or "",
    )  # fmt: skip


def expected_of(person: Person, patient: str, retrieved: Mapping[str, Retrieved]) -> Expected:
    """What the images are compared with. Identifiers go into the sealed order of the job and nowhere else."""
    found = retrieved.get("patient")
    views = [view for page in found.resources for view in page.views] if found is not None else []
    own = next((v for v in views if isinstance(v, PatientView) and v.id == patient), None)
    born = person.birth_date if person.birth_precision == "day" else None
    return Expected(
        identifiers=tuple((i.system or "", i.value) for i in (own.identifier if own else None) or () if i.value),
        birth_date=f"{born:%Y%m%d}" if born else "",
        sex=person.sex,
    )


def order_of(
    record: Record, study: Event, expected: Expected, *, tenant: str, patient: str, encounter: str = ""
) -> Wanted | None:
    """A study of the record as a job's order, those before it as its priors; None when it has no UID."""
    if not study.identifiers:
        return None
    return Wanted(
        tenant=tenant,
        patient=patient,
        expected=expected,
        study_uid=study.identifiers[0],
        study_reference=study.reference,
        encounter=encounter,
        earlier=tuple(_earlier(each) for each in record.imaging if each.identifiers and each is not study),
    )


def takes_report(profile: Profile) -> bool:
    """Whether this client accepts a suggestion that creates a DiagnosticReport."""
    kinds = profile.suggestion_types
    return "create" in profile.action_types and (not kinds or "DiagnosticReport" in kinds)


def detail_of(read: Read, checked: str = UNCHECKED) -> str:
    """Who made it, what it says, what it cannot say. Every word is ours: model text never stands on this card."""
    parts = [_notice(read, checked)]
    said = [f for f in read.findings if f.state != "absent"]
    if said:
        parts.append("**Findings**\n\n" + "\n".join(f"- {escape(_line(f))}" for f in said))
    if absent := [f.name.lower() for f in read.findings if f.state == "absent"]:
        parts.append(f"Asked about and not seen by the model: {escape(', '.join(absent))}.")
    if read.limits:
        parts.append("**Not looked at or not sure**\n\n" + "\n".join(f"- {escape(line)}" for line in read.limits))
    return "\n\n".join(parts)


def _line(finding: ImageFinding) -> str:
    where = f", {finding.location}" if finding.location else ""
    return f"{finding.name}{where}: {MODEL_STATES[finding.state]}"


def _notice(read: Read, checked: str) -> str:
    model = read.identity.label if read.identity else "unknown model"
    said = f"**{NOTED.format(checked=checked)}** {escape(model)}."
    if not read.test_weights:
        return said
    return f"{said}\n\n**Test weights: made at random, they know nothing of images. Nothing here is a finding.**"


def _headline(draft: Draft, room: int) -> str:
    """What a person decided comes first. What they rejected is not said; their own words are said whole or not at all."""
    read, words = draft.read, _words(draft)
    if draft.state == "rejected":
        return "AI draft rejected by a person: do not use"
    if words:
        whole = f"Worded by a person, not signed: {words}"
        return whole if len(whole) <= room else "Imaging read worded by a person, not signed; see the conclusion below"
    mark = "AI draft accepted by a person, not signed" if draft.state == "accepted" else "AI draft, unverified"
    return f"{mark}: {_first(read)}"


def _first(read: Read) -> str:
    """The first sentence of the impression, and how many suggested findings it does not name."""
    first = read.impression[0] if read.impression else "no impression"
    more = sum(finding.state == "present" for finding in read.findings) - 1
    return f"{first.rstrip('.')}; {more} more suggested" if more > 0 and not read.test_weights else first


def _told(draft: Draft) -> Iterator[str]:
    """The paragraphs of the card."""
    read, words = draft.read, _words(draft)
    if draft.state == "rejected":
        yield from (_notice(read, "rejected by a person"), REJECTED)
    elif words:
        yield from (_notice(read, "worded by a person"), f"**Conclusion**\n\n{escape(words)}", REWORDED)
    else:
        yield detail_of(read, "accepted by a person" if draft.state == "accepted" else UNCHECKED)
    if draft.fault:
        yield f"**Not finished:** {escape(draft.fault)}."


def _words(draft: Draft) -> str:
    """The conclusion of a person's own wording on one line, '' where they gave none."""
    taken = draft.decision.conclusion if draft.state == "edited" and isinstance(draft.decision, Edit) else ""
    return " ".join(taken.split())


def _unread(
    progress: Progress | None, studies: Sequence[Event], sheet: layout.Sheet, *, off: bool, base: str
) -> layout.Laid:
    uuid, links = uuid4(), list[Link]()
    if progress is None:
        why = "image reads are switched off" if off else "no image model is configured"
        headline, told = (
            f"Imaging not read by a model: {why}",
            UNREAD.replace("No image model is configured", why.capitalize()),
        )
    else:
        headline, told = SAID[progress.state]
        told = f"{told}: {escape(in_words(progress.why))}." if progress.why else told
        if progress.older is not None:
            told = f"{told} {EARLIER if progress.state == 'waiting' else OLDER}"
            links = [Link(label="Older draft", url=f"{base}/review/{progress.older.id}", type="absolute")]
    lines = "\n".join(f"- {escape(wording.line(study, sheet.zone))}" for study in studies)
    card = Card(
        uuid=uuid,
        summary=fit(f"{headline} ({studies[0].label})", sheet.profile.summary_length),
        indicator="info",
        source=_source(),
        detail=f"{told}\n\n{lines}",
        links=links,
    )
    return layout.Laid(card, IssuedCard(uuid=uuid, service=sheet.service))


def _source() -> Source:
    topic = Coding(code="imagingread", system=layout.RULE_SYSTEM, display="Draft read of an imaging study")
    return Source(label="MedGemma CDS imaging", topic=topic)


def _earlier(study: Event) -> PriorStudy:
    return PriorStudy(
        study_uid=study.identifiers[0],
        started=study.time.isoformat() if study.time else "",
        modalities=study.modalities,
    )
