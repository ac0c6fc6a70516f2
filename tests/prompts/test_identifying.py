"""What somebody typed into a free text and names a person does not reach a prompt, and clinical words are left as they are."""

from __future__ import annotations

import pytest

from cds_service.models.prompting.cleaning import clean
from tests.grounding.charts import ACUTE, event
from tests.prompts.test_text_prompts import NAMES, PROMPTS, ZONE, inputs, rank, record, rendered


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("Mrs Muster fell at home.", "Mrs (name) fell at home."),
        ("Seen by Dr. Anna O'Neill-Roe today", "Seen by Dr (name) today"),
        ("Herr Müller klagt über Schmerzen", "Herr (name) klagt über Schmerzen"),
        ("MRN 00123-77, admitted", "MRN (withheld), admitted"),
        ("mrn:A99871 admitted", "mrn (withheld) admitted"),
        ("DOB 12/03/1954; fever", "DOB (withheld); fever"),
        ("Patient name: Erika Muster; fever", "Patient name: (withheld); fever"),
        ("Tel: 030 1234567, call back", "Tel: (withheld), call back"),
        ("results to e.muster@example.org", "results to (address)"),
        ("reach +49 30 1234 5678 at night", "reach (number) at night"),
    ],
)
def test_what_a_mark_says_identifies_is_masked(written: str, read: str) -> None:
    assert clean(written) == read


@pytest.mark.parametrize(
    "clinical",
    [
        "MR of head without contrast", "MRSA carrier", "Dr block on ECG", "Prof. guideline", "SSNRI 20 mg",
        "Potassium 6.1 mmol/L", "2026-11-20 08:10", "Contact dermatitis", "Mobile 40 m with frame", "Blood pressure 120/80",
        "INR +2.5 since 2026-11-18", "Telemetry: no arrhythmia", "Miss no dose", "DOB stress echo", "Frozen shoulder",
    ],
)  # fmt: skip
def test_clinical_words_stay(clinical: str) -> None:
    assert clean(clinical) == clinical


@pytest.mark.parametrize("name", NAMES)
def test_no_prompt_holds_what_a_note_says_of_who_the_patient_is(name: str) -> None:
    note = event(99, "DiagnosticReport", "Progress note", "2026-11-19", text="Mrs Zyxwvut has a cough. Tel: 030 778899")
    built = record(ACUTE)
    selection = rank(built, 12)
    selection.facts.append(note)
    given = inputs(built, selection, ZONE)
    text = rendered(name, **{key: given[key] for key in ("facts", "fact_ids")}).text
    assert "cough" in text[PROMPTS[name].fixed :]
    assert "Zyxwvut" not in text
    assert "778899" not in text
