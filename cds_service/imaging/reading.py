"""One study that was seen → its read: every finding asked twice, the answers through the gates, the words by template.

Pure but for the engine: no store, no clock, no address. The same images, prompts and engine give the same read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from msgspec import Struct

from cds_service.imaging import task_gates as gates
from cds_service.imaging import wording
from cds_service.imaging.catalogue import Catalogue, Kind, Sought
from cds_service.imaging.read import Box, ImageFinding, Read
from cds_service.imaging.seen import Refused, Seen
from cds_service.imaging.tasks import classification, comparison, localize, question
from cds_service.imaging.tasks.report import Reported, report
from cds_service.models.engine import Engine
from cds_service.models.faults import Unsupported
from cds_service.models.prompting.templates import Prompts

UNFIT = "the model's answers do not fit this image: {dropped} of {asked} were discarded"
UNUSABLE = "too many of the model's answers could not be used: {dropped} of {asked} were discarded"
DISAGREE = "questions disagree"


class Reader(Struct, frozen=True):
    """The prompts and closed lists of a read, looked up once."""

    prompts: Prompts
    catalogue: Catalogue

    async def read(self, engine: Engine, seen: Seen, earlier: Seen | None = None) -> Read:
        """The read of one study. ``earlier`` is compared where the kind allows it.

        A refusal comes back as a Read with ``refused``. Raises only EngineUnavailable, EngineTimeout and EngineRefused:
        the engine could not be asked, so nothing is known and a job asks again.
        """
        kind = gates.admit(seen, self.catalogue)
        if isinstance(kind, Refused):
            return self._refused(seen, kind.reason)
        if len(seen.images) > engine.capabilities.max_images:
            raise Unsupported(f"the engine takes {engine.capabilities.max_images} images, not {len(seen.images)}")
        prior = earlier if earlier is not None and self._comparable(earlier, kind) else None
        dropped: Counter[str] = Counter()
        findings, unfit = [], 0
        for sought in kind.findings:
            reported = await report(engine, self.prompts, seen, kind, sought)
            unfit += reported.fault in gates.FOREIGN
            findings.append(await self._finding(engine, seen, prior, kind, sought, reported, dropped))
        if why := _unusable(unfit, dropped, len(kind.findings), test_weights=engine.identity.test_weights):
            return self._refused(seen, why, dropped, engine, kind)
        boxes = await self._boxes(engine, seen, kind, findings, dropped)
        return self._whole(engine, seen, prior, kind, tuple(findings), boxes, dropped)

    async def ask(self, engine: Engine, seen: Seen, asked: str) -> question.Replied | Refused:
        """A clinician's question about an image that is admitted."""
        kind = gates.admit(seen, self.catalogue)
        if isinstance(kind, Refused):
            return kind
        return await question.reply(engine, self.prompts[question.PROMPT], seen, kind, asked)

    async def _finding(
        self, engine: Engine, seen: Seen, prior: Seen | None, kind: Kind, sought: Sought, reported: Reported,
        dropped: Counter[str],
    ) -> ImageFinding:  # fmt: skip
        second = await classification.classify(
            engine, self.prompts[classification.PROMPT], seen, kind, sought, self.catalogue.labels
        )
        state = reported.state if reported.state == second.state else "uncertain"
        dropped.update(fault for fault in (reported.fault, second.fault) if fault)
        if not reported.fault and not second.fault and {reported.state, second.state} == {"present", "absent"}:
            dropped[DISAGREE] += 1
        change: comparison.Compared | None = None
        if prior is not None and sought.compare and state == "present":  # of what is uncertain no change is stated
            change = await comparison.compare(engine, self.prompts[comparison.PROMPT], prior, seen, kind, sought, state)
            dropped.update([change.fault] if change.fault else [])
        return ImageFinding(
            key=sought.key, name=sought.name, region=sought.region, state=state,
            location=reported.place if state != "absent" else "", side=reported.side if state != "absent" else "",
            change=change.change if change else "",
        )  # fmt: skip

    async def _boxes(
        self, engine: Engine, seen: Seen, kind: Kind, findings: list[ImageFinding], dropped: Counter[str]
    ) -> tuple[Box, ...]:
        if not kind.localize or not seen.transforms:
            return ()
        boxes = []
        for key in dict.fromkeys(_anatomy(kind, findings)):
            structure = self.catalogue.anatomy[key]
            found = await localize.localize(engine, self.prompts[localize.PROMPT], seen, kind, structure)
            dropped.update([found.fault] if found.fault else [])
            if found.box is not None:
                boxes.append(found.box)
        return tuple(boxes)

    def _comparable(self, earlier: Seen, kind: Kind) -> bool:
        return kind.compare and gates.admit(earlier, self.catalogue) == kind

    def _labels(self, kind: Kind, *, compared: bool) -> tuple[str, ...]:
        names = [kind.prompt, classification.PROMPT]
        names += [comparison.PROMPT] if compared else []
        names += [localize.PROMPT] if kind.localize else []
        return tuple(self.prompts[name].label for name in names)

    def _whole(
        self, engine: Engine, seen: Seen, prior: Seen | None, kind: Kind, findings: tuple[ImageFinding, ...],
        boxes: tuple[Box, ...], dropped: Counter[str],
    ) -> Read:  # fmt: skip
        limits = wording.limits(
            kind.words, asked=2 * len(findings), discarded=dropped.total() - dropped[DISAGREE],
            scored=engine.capabilities.logprobs, compared=(prior.performed if prior else "") if kind.compare else None,
            warnings=seen.warnings,
        )  # fmt: skip
        return Read(
            study_uid=seen.study_uid, modality=seen.modality, body_part=seen.body_part, view=seen.view,
            performed=seen.performed, identity=engine.identity, prompts=self._labels(kind, compared=prior is not None),
            instances=seen.instances, compared=seen.compared, archive=seen.archive,
            findings=findings, compared_with=prior.performed if prior else "", boxes=boxes,
            impression=wording.impression(findings, test_weights=engine.identity.test_weights), steps=seen.steps, limits=limits,
            dropped=dropped, test_weights=engine.identity.test_weights,
        )  # fmt: skip

    def _refused(
        self, seen: Seen, why: str, dropped: Counter[str] | None = None, engine: Engine | None = None,
        kind: Kind | None = None,
    ) -> Read:  # fmt: skip
        return Read(
            study_uid=seen.study_uid, modality=seen.modality, body_part=seen.body_part, view=seen.view,
            performed=seen.performed, identity=engine.identity if engine else None,
            prompts=self._labels(kind, compared=False) if kind else (), instances=seen.instances,
            compared=seen.compared, archive=seen.archive, steps=seen.steps,
            limits=seen.warnings, dropped=dropped or Counter(), refused=why,
            test_weights=engine is not None and engine.identity.test_weights,
        )  # fmt: skip


def _unusable(unfit: int, dropped: Counter[str], findings: int, *, test_weights: bool) -> str:
    """Why the read as a whole is not used, '' when it is. Each finding was asked about twice.

    Answers about another image refuse any read. So does a fifth of answers discarded for whatever reason: the rest comes
    of the same model in the same state. Test weights alone are let through there, marked, to show the whole way.
    """
    if unfit > gates.MOST_DROPPED * findings:
        return UNFIT.format(dropped=unfit, asked=findings)
    discarded, asked = dropped.total() - dropped[DISAGREE], 2 * findings
    if discarded > gates.MOST_DROPPED * asked and not test_weights:
        return UNUSABLE.format(dropped=discarded, asked=asked)
    return ""


def _anatomy(kind: Kind, findings: list[ImageFinding]) -> Iterator[str]:
    """Structures in which a place of the read lies, for findings that are stated."""
    places = {sought.key: sought.places for sought in kind.findings}
    for finding in findings:
        place = places[finding.key].get(finding.location)
        if finding.state == "present" and place is not None and place.anatomy:
            yield place.anatomy
