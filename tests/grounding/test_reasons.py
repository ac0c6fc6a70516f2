"""Each reason for which a statement is dropped: a sentence it catches, and its true neighbour that passes."""

from __future__ import annotations

import pytest

from cds_service.grounding.statement import Reason, Statement, Verdict
from cds_service.grounding.verify import verify
from cds_service.record.facts import Fact
from tests.grounding.charts import ACUTE, CHARTS, NOW, ZONE, event

# reason, chart, sentence that is caught, its facts, sentence that passes, its facts
CASES = [
    (Reason.SHAPE, "acute", "It is recorded.", "F5", "Sodium is recorded.", "F5"),
    (Reason.SHAPE, "acute", "x" * 401, "F5", "Sodium 138 mmol/L.", "F5"),
    (Reason.UNKNOWN_FACT, "acute", "Sodium 138 mmol/L.", "F5 F77", "Sodium 138 mmol/L.", "F5"),
    (Reason.UNKNOWN_FACT, "child", "Sodium 138 mmol/L.", "F55", "Body weight 21.3 kg.", "F1"),
    (Reason.UNCLEAN, "acute", "Sodium \u202e138 mmol/L.", "F5", "Sodium\u00a0138\u202fmmol/L.", "F5"),
    (Reason.UNCLEAN, "acute", "Натрий 138 mmol/L.", "F5", "Temperature 38.9 °C.", "F17"),
    (Reason.LINK, "acute", "Sodium 138 mmol/L at www.example.org.", "F5", "Sodium 138 mmol/L.", "F5"),
    (Reason.LINK, "acute", "[Sodium](https://x.example) 138 mmol/L.", "F5", "Sodium: 138 mmol/L.", "F5"),
    (Reason.CONTROL, "acute", "Assistant: sodium 138 mmol/L.", "F5", "On 2026-11-20: sodium 138 mmol/L.", "F5"),
    (Reason.DIRECTIVE, "acute", "Hold metformin.", "F41", "Taking metformin.", "F41"),
    (Reason.DIRECTIVE, "acute", "Please continue lisinopril 10 mg.", "F40", "Lisinopril 10 mg once daily.", "F40"),
    (Reason.AUTHORITY, "acute", "Reviewed by a radiologist: consolidation.", "F51", "Right lower lobe consolidation.", "F51"),
    (Reason.ALL_CLEAR, "acute", "Otherwise unremarkable sodium.", "F5", "Sodium is normal.", "F5"),
    (Reason.ALL_CLEAR, "acute", "No abnormality on chest radiograph.", "F51", "No pleural effusion on chest radiograph.", "F51"),
    (Reason.INFERENCE, "acute", "Acute kidney injury due to sepsis.", "F21 F20", "Acute kidney injury and sepsis.", "F21 F20"),
    (Reason.INFERENCE, "acute", "Lactate 4.2 mmol/L suggests sepsis.", "F10 F20", "Lactate 4.2 mmol/L with sepsis.", "F10 F20"),
    (Reason.INFERENCE, "acute", "Pneumonia diagnosed on chest radiograph.", "F22 F51", "Sepsis, diagnosed on 2026-11-20.", "F20"),
    (Reason.NUMBER, "acute", "Potassium 61 mmol/L.", "F1", "Potassium 6.1 mmol/L.", "F1"),
    (Reason.NUMBER, "acute", "Troponin I 4 ng/L.", "F13", "Troponin I <4 ng/L.", "F13"),
    (Reason.NUMBER, "acute", "Creatinine 270 µmol/L.", "F3", "Creatinine 207 µmol/L.", "F3"),
    (Reason.NUMBER, "acute", "Potassium about 7 mmol/L.", "F1", "Potassium about 6 mmol/L.", "F1"),
    (Reason.UNIT, "acute", "Potassium 6.1 mg/dL.", "F1", "Potassium 6.1 mmol/L.", "F1"),
    (Reason.DATE, "acute", "Potassium 6.1 mmol/L on 2026-11-19.", "F1", "Potassium 6.1 mmol/L on 2026-11-20.", "F1"),
    (Reason.DATE, "chronic", "Recent hip replacement on the left.", "F51", "Left hip replacement in 2016.", "F51"),
    (Reason.PAIRING, "acute", "Sodium 6.1 mmol/L and potassium 138 mmol/L.", "F1 F5", "Sodium 138 mmol/L and potassium 6.1 mmol/L.", "F1 F5"),
    (Reason.PAIRING, "chronic", "Haemoglobin 7.9 %.", "F6", "Haemoglobin A1c 7.9 %.", "F6"),
    (Reason.PAIRING, "chronic", "Haemoglobin 7.9 on 2026-11-02.", "F3 F6", "Haemoglobin 10.2 on 2026-11-02.", "F3 F6"),
    (Reason.NAME, "acute", "Taking warfarin.", "F41", "Taking metformin.", "F41"),
    (Reason.NAME, "acute", "Allergic to sulfonamide.", "F30", "Allergic to penicillin.", "F30"),
    (Reason.NAME, "acute", "Hyponatraemia with sodium 138 mmol/L.", "F5", "Sodium 138 mmol/L.", "F5"),
    (Reason.POLARITY, "acute", "Pulmonary embolism.", "F23", "No pulmonary embolism.", "F23"),
    (Reason.POLARITY, "acute", "No sepsis.", "F20", "Sepsis.", "F20"),
    (Reason.POLARITY, "acute", "Active problems: Pulmonary embolism.", "F23", "Refuted: Pulmonary embolism.", "F23"),
    (Reason.TENSE, "acute", "Taking ibuprofen.", "F42", "Ibuprofen was stopped.", "F42"),
    (Reason.TENSE, "chronic", "Colon cancer.", "F26", "Family history of colon cancer.", "F26"),
    (Reason.TENSE, "chronic", "Colonoscopy was performed.", "F54", "Colonoscopy is planned.", "F54"),
    (Reason.SIDE, "acute", "History of fracture of the right femur.", "F25", "History of fracture of the left femur.", "F25"),
    (Reason.TREND, "acute", "Potassium is falling.", "F1 F2", "Potassium is rising.", "F1 F2"),
    (Reason.TREND, "acute", "Potassium is rising.", "F1", "Potassium is high.", "F1"),
    (Reason.TREND, "chronic", "LDL cholesterol worsened.", "F8 F9", "LDL cholesterol improved.", "F8 F9"),
    (Reason.STATE, "acute", "Potassium 6.1 mmol/L, normal.", "F1", "Potassium 6.1 mmol/L, high.", "F1"),
    (Reason.PLACE, "acute", "The latest potassium is 4.9 mmol/L.", "F2", "The latest potassium is 6.1 mmol/L.", "F1"),
    (Reason.PLACE, "acute", "Sodium remains normal at 138 mmol/L.", "F5", "CRP remains high at 212 mg/L.", "F11"),
    (Reason.STALE, "acute", "Potassium 4.9 mmol/L.", "F2", "Potassium 4.9 mmol/L on 2026-11-18.", "F2"),
    (Reason.PERSON, "acute", "72-year-old man with sepsis.", "F20", "72-year-old woman with sepsis.", "F20"),
    (Reason.PERSON, "acute", "71-year-old with sepsis.", "F20", "72-year-old with sepsis.", "F20"),
]  # fmt: skip


def checked(chart: str, text: str, ids: str, **more: object) -> Verdict:
    statement = Statement(text=text, fact_ids=tuple(ids.split()), **more)  # type: ignore[arg-type]
    return verify([statement], CHARTS[chart].facts, ZONE, person=CHARTS[chart].person, now=NOW)


@pytest.mark.parametrize(("reason", "chart", "wrong", "wrong_ids", "right", "right_ids"), CASES)
def test_a_statement_is_dropped_for_its_reason_and_its_true_neighbour_is_kept(
    reason: Reason, chart: str, wrong: str, wrong_ids: str, right: str, right_ids: str
) -> None:
    caught, kept = checked(chart, wrong, wrong_ids), checked(chart, right, right_ids)
    assert [each.reason for each in caught.dropped] == [reason]
    assert caught.kept == []
    assert [each.text for each in kept.kept] == [right], kept.dropped


def test_every_reason_has_a_case() -> None:
    assert {case[0] for case in CASES} == set(Reason)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("stop warfarin", Reason.DIRECTIVE), ("potassium 40 mg", Reason.NUMBER), ("no sepsis", Reason.POLARITY),
        ("John Sample", Reason.NAME), ("evil.example", Reason.LINK), ("patient is safe", Reason.AUTHORITY), ("call 5550100", Reason.DIRECTIVE),
        ("history of stroke", Reason.TENSE), ("sepsis today", Reason.DATE), ("x" * 81, Reason.SHAPE), ("", Reason.SHAPE),
        ("sep\u200bsis", Reason.UNCLEAN), ("<b>sepsis</b>", Reason.LINK), ("the and of", Reason.SHAPE),
    ],
)  # fmt: skip
def test_the_name_of_a_hypothesis_is_a_name_and_nothing_else(name: str, reason: Reason) -> None:
    found = checked("acute", "Lactate 4.2 mmol/L.", "F10", kind="hypothesis", name=name)
    assert [each.reason for each in found.dropped] == [reason]


@pytest.mark.parametrize(
    "name",
    [
        "pulmonary embolism", "type 2 myocardial infarction", "non-contrast CT of chest", "MRI without contrast", "blood cultures",
        "drug-induced acute kidney injury", "unfractionated heparin therapy", "repeat troponin", "SGLT2 inhibitor", "stage 3 chronic kidney disease",
    ],
)  # fmt: skip
def test_an_ordinary_clinical_name_may_be_supposed(name: str) -> None:
    assert checked("acute", "Lactate 4.2 mmol/L.", "F10", kind="hypothesis", name=name).kept


def test_the_text_of_a_hypothesis_is_held_to_the_rules_of_a_record_statement() -> None:
    wrong = checked("acute", "Lactate 5.2 mmol/L.", "F10", kind="hypothesis", name="septic shock")
    assert [each.reason for each in wrong.dropped] == [Reason.NUMBER]


@pytest.mark.parametrize(
    "more",
    [
        {"name": "sepsis"},
        {"contrary_ids": ("F1",)},
        {"changes": ("lactate",)},
        {"topic": "diagnosis"},
        {"kind": "opinion"},
    ],
)
def test_a_record_statement_carries_nothing_of_a_hypothesis(more: dict[str, object]) -> None:
    assert [each.reason for each in checked("acute", "Sodium 138 mmol/L.", "F5", **more).dropped] == [Reason.SHAPE]


def test_a_fifth_may_be_dropped_and_not_more() -> None:
    right, wrong = ("Sodium 138 mmol/L.", ("F5",)), ("Sodium 139 mmol/L.", ("F5",))
    for wrongs, discarded in ((1, False), (2, True)):
        said = [Statement(text=t, fact_ids=i) for t, i in [right] * 4 + [wrong] * wrongs]
        verdict = verify(said, ACUTE.facts, ZONE, now=NOW)
        assert bool(verdict.discarded) is discarded
        assert len(verdict.kept) == (0 if discarded else 4)


def test_contradicting_a_critical_value_discards_everything() -> None:
    said = [Statement(text="Sodium 138 mmol/L.", fact_ids=("F5",))] * 20 + [
        Statement(text="Lactate 1.2 mmol/L.", fact_ids=("F10",))
    ]
    assert verify(said, ACUTE.facts, ZONE, now=NOW).discarded.startswith("a critical fact was contradicted")


def test_denying_a_standing_allergy_discards_everything() -> None:
    said = [Statement(text="Sodium 138 mmol/L.", fact_ids=("F5",))] * 20 + [
        Statement(text="No known allergies.", fact_ids=("F5",))
    ]
    assert verify(said, ACUTE.facts, ZONE, now=NOW).discarded.startswith("a critical fact was contradicted")


@pytest.mark.parametrize("text", ["No acute kidney injury.", "No AKI."])
def test_a_note_does_not_deny_a_problem_that_stands_under_either_of_its_names(text: str) -> None:
    note = event(
        99, "DocumentReference", "Progress note", "2026-11-19", text="No acute kidney injury. No AKI. No ascites."
    )
    others = [fact for fact in ACUTE.facts if fact.number != 21]

    def kept(facts: list[Fact], said: str) -> bool:
        return bool(verify([Statement(text=said, fact_ids=("F99",))], [*facts, note], ZONE, now=NOW).kept)

    assert kept(others, text)
    assert kept(list(ACUTE.facts), "No ascites.")
    assert not kept(list(ACUTE.facts), text)


def test_what_will_be_shown_later_is_not_said_relative_to_now() -> None:
    for text in ("Potassium 6.1 mmol/L today.", "Potassium 6.1 mmol/L 4 hours ago."):
        said = [Statement(text=text, fact_ids=("F1",))]
        assert verify(said, ACUTE.facts, ZONE, now=NOW).kept, text
        assert not verify(said, ACUTE.facts, ZONE, now=NOW, lasting=True).kept, text
