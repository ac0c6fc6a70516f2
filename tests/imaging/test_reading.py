"""The read of one study: what a sober engine may say, and what is kept of one that misbehaves."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from cds_service.imaging import catalogue
from cds_service.imaging.read import ImageFinding, Read
from cds_service.imaging.reading import DISAGREE, Reader
from cds_service.imaging.seen import Seen
from cds_service.models.engine import Generation, Identity, Request, Scores
from cds_service.models.faults import EngineTimeout, ServerFault, Unsupported
from cds_service.models.prompting import templates
from tests.imaging.image_engines import ScriptedEngine, by_finding, finding, finding_of
from tests.imaging.pictures import chest, chest_ct

RIGHT = finding("present", "right", "right lower zone", "Dense right lower zone.")


@pytest.fixture(scope="module")
def reader() -> Reader:
    return Reader(templates.load(), catalogue.load())


def named(read: Read, key: str) -> ImageFinding:
    return next(f for f in read.findings if f.key == key)


def likely(*names: str) -> dict[str, float]:
    return dict.fromkeys(names, 0.97)


def engine(answers: dict[str, str], yes: dict[str, float] | None = None, *, logprobs: bool = True) -> ScriptedEngine:
    leans = yes or {}
    return ScriptedEngine(by_finding(answers), lambda name: leans.get(name, 0.02), logprobs=logprobs)


async def test_a_finding_both_questions_agree_on_is_suggested_with_its_place_and_nothing_the_model_wrote(
    reader: Reader,
) -> None:
    read = await reader.read(engine({"consolidation": RIGHT}, likely("consolidation")), chest())
    assert read.impression[0] == "Consolidation suggested, right lower zone."
    assert read.refused == ""
    assert len(read.findings) == 12
    assert named(read, "pneumothorax").state == "absent"
    assert not any("Dense" in line for line in (*read.impression, *read.limits))
    assert [box.structure for box in read.boxes] == ["right lung"]


async def test_questions_that_disagree_leave_the_finding_uncertain_and_are_counted(reader: Reader) -> None:
    read = await reader.read(engine({"consolidation": RIGHT}), chest())
    assert named(read, "consolidation").state == "uncertain"
    assert read.dropped[DISAGREE] == 1


async def test_no_percentage_stands_anywhere_in_a_read(reader: Reader) -> None:
    read = await reader.read(engine({"consolidation": RIGHT}, likely("consolidation")), chest())
    assert "%" not in " ".join((*read.impression, *read.limits))


async def test_an_image_with_nothing_seen_is_not_called_normal(reader: Reader) -> None:
    read = await reader.read(engine({}), chest())
    assert "does not make the image normal" in read.impression[0]  # the sentence a card begins with


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (finding("present", "left", "right lower zone", "Opacity."), "side contradicts"),
        (finding("present", "right", "right lower zone", "Opacity on the left."), "side contradicts"),
        (finding(seen="The lungs are clear."), "canned text"),
        (finding(seen="This mammogram shows dense tissue."), "other modality"),
        (finding(seen="The patella is intact."), "other body part"),
        (finding("present", "right", "right lower zone", "Start antibiotic treatment."), "beside the point"),
        (finding("absent", "left", "left lower zone", "Nothing."), "state contradicts"),
        (finding("present", seen="Somewhere."), "place contradicts"),
        (finding("present", "right", "the moon", "There."), "schema_violated"),
        ('{"seen":"Dense right lower zone.","state":"pres', "not_json"),
        ("<unused94>thought", "not_json"),
    ],
)
async def test_an_answer_that_does_not_stand_makes_its_finding_uncertain_and_is_counted(
    reader: Reader, answer: str, reason: str
) -> None:
    read = await reader.read(engine({"consolidation": answer}, likely("consolidation")), chest())
    assert named(read, "consolidation").state == "uncertain"
    assert named(read, "consolidation").location == ""
    assert read.dropped[reason] == 1
    assert any("discarded" in line for line in read.limits)


@pytest.mark.parametrize("seen", ["The lungs are clear. No acute cardiopulmonary process.", "The chest x-ray is fine."])
async def test_canned_chest_radiograph_text_about_ct_slices_refuses_the_whole_read(reader: Reader, seen: str) -> None:
    canned = finding(seen=seen, first_slice=0, last_slice=0)
    read = await reader.read(ScriptedEngine(lambda _: canned), chest_ct())
    assert "do not fit this image" in read.refused
    assert read.findings == ()
    assert read.impression == ()


async def test_a_ct_is_asked_slice_by_slice_label_and_slices_that_do_not_exist_are_discarded(reader: Reader) -> None:
    there = {"seen": "Dense.", "state": "present", "side": "left", "place": "left lower zone"}
    good = finding(**there, first_slice=3, last_slice=9)
    beyond = finding(**there, first_slice=3, last_slice=40)
    double = engine({"consolidation": good, "emphysema": beyond}, likely("consolidation", "emphysema"))
    read = await reader.read(double, chest_ct(12))
    assert named(read, "consolidation").state == "present"
    assert named(read, "emphysema").state == "uncertain"
    assert read.dropped["slices contradict"] == 1
    assert [image.label for image in double.asked[0].images][-1] == "SLICE 12"


async def test_a_model_that_prefers_a_letter_states_nothing(reader: Reader) -> None:
    class Stubborn(ScriptedEngine):
        async def score_labels(self, request, labels):  # type: ignore[no-untyped-def]
            scores = await super().score_labels(request, labels)
            return replace(scores, logprobs={labels[0]: -0.01, labels[1]: -5.0})

    read = await reader.read(Stubborn(by_finding({"consolidation": RIGHT})), chest())
    assert {f.state for f in read.findings} == {"uncertain"}


class Elsewhere(ScriptedEngine):
    """Was not about to write a letter when it was asked about some findings."""

    def __init__(self, *findings: str) -> None:
        super().__init__(by_finding({}))
        self.findings = findings

    async def score_labels(self, request: Request, labels: Sequence[str]) -> Scores:
        scores = await super().score_labels(request, labels)
        lost = finding_of(request) in self.findings
        return replace(scores, logprobs=dict.fromkeys(labels, -9.0)) if lost else scores


async def test_letters_the_model_was_not_about_to_write_have_no_opinion(reader: Reader) -> None:
    read = await reader.read(Elsewhere("consolidation", "atelectasis"), chest())
    assert {f.key for f in read.findings if f.state == "uncertain"} == {"consolidation", "atelectasis"}
    assert read.dropped["off the letters"] == 2


async def test_a_read_is_refused_once_more_than_a_fifth_of_its_answers_were_discarded(reader: Reader) -> None:
    names = [sought.name.lower() for sought in reader.catalogue.kinds[0].findings]
    assert (await reader.read(Elsewhere(*names[:4]), chest())).refused == ""  # 4 of 24
    read = await reader.read(Elsewhere(*names[:5]), chest())
    assert "5 of 24 were discarded" in read.refused
    assert read.findings == ()


async def test_test_weights_go_on_where_a_model_would_be_refused_and_state_nothing(reader: Reader) -> None:
    model = Elsewhere(*(sought.name.lower() for sought in reader.catalogue.kinds[0].findings))
    model.identity = Identity("in-process", "double", "1", test_weights=True)
    read = await reader.read(model, chest())
    assert (read.refused, read.test_weights) == ("", True)
    assert {f.state for f in read.findings} == {"uncertain"}


async def test_an_engine_without_scores_is_asked_in_words_in_both_orders_and_the_read_says_so(reader: Reader) -> None:
    def write(request: Request) -> str:
        if set(dict(request.schema or {})["properties"]) == {"answer"}:
            return '{"answer":"A"}' if "A: no" in request.prompt else '{"answer":"B"}'
        return by_finding({})(request)

    read = await reader.read(ScriptedEngine(write, logprobs=False), chest())
    assert {f.state for f in read.findings} == {"absent"}
    assert any("gives no scores" in line for line in read.limits)


@pytest.mark.parametrize(
    ("seen", "word"),
    [
        (chest(view="LATERAL"), "lateral"),
        (chest(view=""), "frontal"),
        (chest(body_part="KNEE"), "part of the body"),
        (chest(body_part=""), "which part"),
        (chest(modality="US", kind="ultrasound"), "ultrasound"),
        (chest(modality="MG"), "mammogram"),
        (chest(modality="DX", kind="photo"), "DX"),
        (chest(images=()), "no image"),
        (chest_ct(1), "one slice of a volume"),
        (chest_ct(9), "9 slices of a volume"),
        (replace(chest_ct(), plane="coronal"), "the slices are coronal"),
        (replace(chest_ct(), plane="sagittal"), "the slices are sagittal"),
    ],
)
async def test_an_image_that_is_not_admitted_is_refused_before_the_model_is_asked(
    reader: Reader, seen: Seen, word: str
) -> None:
    double = engine({})
    read = await reader.read(double, seen)
    assert word in read.refused
    assert double.asked == []


async def test_an_earlier_image_is_compared_for_findings_that_are_present_and_its_day_is_said(reader: Reader) -> None:
    earlier = chest(performed="2026-10-01T00:00:00")
    unsure = finding("uncertain", "left", "left lower zone", "Perhaps.")
    answers = {"consolidation": RIGHT, "atelectasis": unsure}
    read = await reader.read(engine(answers, likely("consolidation")), chest(), earlier)
    assert named(read, "atelectasis").state == "uncertain"
    assert named(read, "atelectasis").change == ""
    assert "Compared with the earlier image of 2026-10-01; each change was asked about once, not twice." in read.limits
    assert named(read, "consolidation").change == "more"
    assert named(read, "pneumothorax").change == ""
    assert read.compared_with == "2026-10-01T00:00:00"
    assert "more than on the earlier image" in read.impression[0]


async def test_a_side_is_kept_only_where_the_finding_or_its_place_has_one(reader: Reader) -> None:
    answers = {
        "fracture": finding("present", "left", "spine", "A wedge."),
        "enlarged heart silhouette": finding("present", "bilateral", seen="Wide."),
        "consolidation": finding("uncertain", "left", seen="Perhaps on the left."),
    }
    read = await reader.read(engine(answers, likely("fracture", "enlarged heart silhouette")), chest())
    assert [named(read, key).side for key in ("fracture", "cardiomegaly", "consolidation")] == ["", "", "left"]


async def test_an_earlier_lateral_view_is_not_compared(reader: Reader) -> None:
    read = await reader.read(engine({}), chest(), chest(view="LATERAL"))
    assert read.compared_with == ""
    assert any("No earlier image" in line for line in read.limits)


async def test_only_words_of_the_closed_lists_reach_the_engine(reader: Reader) -> None:
    double = engine({"consolidation": RIGHT}, likely("consolidation"))
    await reader.read(double, chest())
    allowed = " ".join(request.prompt for request in double.asked)
    assert "1.2.3" not in allowed
    assert "2026" not in allowed
    assert {finding_of(r) for r in double.asked} - {""} == {s.name.lower() for s in reader.catalogue.kinds[0].findings}


@pytest.mark.parametrize("fault", [ServerFault, EngineTimeout])
async def test_an_engine_that_cannot_be_asked_gives_no_read_at_all(reader: Reader, fault: type[Exception]) -> None:
    class Broken(ScriptedEngine):
        async def generate(self, request: Request) -> Generation:
            raise fault

    with pytest.raises(fault):
        await reader.read(Broken(by_finding({})), chest())


async def test_an_engine_for_fewer_images_than_there_are_slices_is_not_asked(reader: Reader) -> None:
    double = engine({})
    double.capabilities = replace(double.capabilities, max_images=4)
    with pytest.raises(Unsupported, match="4 images"):
        await reader.read(double, chest_ct(12))


async def test_test_weights_are_named_in_the_first_line(reader: Reader) -> None:
    model = engine({})
    model.identity = Identity("in-process", "double", "1", test_weights=True)
    read = await reader.read(model, chest())
    assert read.test_weights
    assert "test weights" in read.impression[0]
    assert read.identity == model.identity


async def test_a_question_is_answered_in_the_models_words_only_after_the_gates(reader: Reader) -> None:
    good = '{"answerable":true,"answer":"A line ends over the right atrium.","not_visible":""}'
    bad = '{"answerable":true,"answer":"No acute cardiopulmonary process.","not_visible":""}'
    kept = await reader.ask(ScriptedEngine(lambda _: good), chest(), "Where does the line end?")
    lost = await reader.ask(ScriptedEngine(lambda _: bad), chest(), "Is all well?")
    assert getattr(kept, "answer", "") == "A line ends over the right atrium."
    assert getattr(lost, "answer", "") == ""
    assert getattr(lost, "fault", "") == "canned text"
