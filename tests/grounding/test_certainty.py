"""What the record only supposes is never said as fact, and what it leaves open is never said to be excluded."""

from __future__ import annotations

import pytest

from cds_service.grounding.statement import Reason, Statement
from cds_service.grounding.verify import verify
from cds_service.record.facts import Fact
from tests.grounding.charts import ACUTE, NOW, ZONE, event, medication, problem


def told(text: str) -> Fact:
    return event(1, "DiagnosticReport", "Chest film", "2026-11-19", text=text)


def reason(said: str, fact: Fact) -> Reason | None:
    statement = Statement(text=said, fact_ids=("F1",))
    verdict = verify([statement], [fact], ZONE, person=ACUTE.person, now=NOW)
    return verdict.dropped[0].reason if verdict.dropped else None


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("Possible pneumonia.", "Pneumonia on chest film."),
        ("Findings suspicious for tumor.", "Chest film showed tumor."),
        ("Rule out myocardial infarction.", "Myocardial infarction."),
        ("?PE", "Chest film documents PE."),
        ("Query sepsis.", "Sepsis noted."),
        ("Concern for stroke.", "Stroke on chest film."),
        ("Likely viral infection.", "Viral infection."),
        ("Fracture is unlikely.", "Fracture."),
        ("Changes may represent edema.", "Edema on chest film."),
        ("Consolidation cannot be excluded.", "No consolidation on chest film."),
        ("Consolidation cannot be excluded.", "Consolidation on chest film."),
        ("Cannot exclude effusion.", "No effusion."),
        ("Effusion has not been ruled out.", "Effusion on chest film."),
        ("Return if fever or bleeding.", "Bleeding."),
        ("Screening for malignant neoplasm of colon", "Malignant neoplasm of colon."),
        ("Exposure to tuberculosis", "Tuberculosis."),
    ],
)
def test_a_supposition_of_the_record_is_not_said_as_fact(written: str, said: str) -> None:
    assert reason(said, told(written)) is not None


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("Possible pneumonia.", "Possible pneumonia on chest film."),
        ("Possible pneumonia. No effusion.", "No effusion on chest film."),
        ("Possible edema. Pneumonia of right lower lobe.", "Pneumonia of right lower lobe on chest film."),
        ("Exposure to tuberculosis", "Exposure to tuberculosis documented."),
        ("Pneumonia in May 2026.", "Pneumonia on chest film."),
    ],
)
def test_a_supposition_said_as_one_and_what_stands_beside_it_pass(written: str, said: str) -> None:
    assert reason(said, told(written)) is None


@pytest.mark.parametrize("verification", ["provisional", "differential", "unconfirmed"])
def test_a_problem_nobody_has_confirmed_is_said_with_how_sure_it_is(verification: str) -> None:
    fact = problem(1, "Lung cancer", "2026-09-22", verification=verification, note=verification)
    assert reason("Lung cancer.", fact) is Reason.INFERENCE
    assert reason("Lung cancer since 2026-09-22.", fact) is Reason.INFERENCE
    assert reason("Active problems: Lung cancer (2026-09-22).", fact) is Reason.INFERENCE
    assert reason(f"Lung cancer, {verification}.", fact) is None
    assert reason(f"Active problems: Lung cancer, {verification} (2026-09-22).", fact) is None
    assert reason(f"Lung cancer (active; {verification}).", fact) is None
    assert reason(f"Lung cancer (2026). Recorded ({verification}).", fact) is Reason.INFERENCE


def test_a_denial_that_is_denied_is_no_statement() -> None:
    refuted = problem(1, "Lung cancer", "2026-09-22", negated=True, verification="refuted")
    assert reason("Lung cancer has been ruled out.", refuted) is None
    assert reason("Lung cancer has not been ruled out.", refuted) is not None
    assert reason("Lung cancer cannot be excluded.", refuted) is not None


@pytest.mark.parametrize(
    ("dose", "said"),
    [
        ("10 mg twice daily", "Labetalol 10 mg daily."),
        ("10 mg twice daily", "Labetalol 10 mg once daily."),
        ("10 mg three times daily", "Labetalol 10 mg daily."),
        ("10 mg every 8 hours", "Labetalol 10 mg daily."),
        ("10 mg once daily", "Labetalol 10 mg weekly."),
        ("10 mg every other day", "Labetalol 10 mg every day."),
        ("10 mg every 4 hours as needed", "Labetalol 10 mg every 4 hours."),
    ],
)
def test_a_frequency_that_is_not_the_prescribed_one_is_dropped(dose: str, said: str) -> None:
    assert reason(said, medication(1, "Labetalol 10 MG Oral Tablet", dose, "2026-11-01")) is not None


@pytest.mark.parametrize(
    ("dose", "said"),
    [
        ("10 mg once daily", "Labetalol 10 mg daily."),
        ("10 mg each morning", "Labetalol 10 mg each morning."),
        ("10 mg twice daily", "Labetalol 10 mg twice daily."),
        ("10 mg every 24 hours", "Labetalol 10 mg every 24 hours."),
        ("10 mg every 4 hours as needed", "Labetalol 10 mg as needed."),
    ],
)
def test_the_prescribed_frequency_passes(dose: str, said: str) -> None:
    assert reason(said, medication(1, "Labetalol 10 MG Oral Tablet", dose, "2026-11-01")) is None


def test_frequencies_of_two_drugs_are_not_exchanged() -> None:
    drugs = [
        medication(1, "Doxycycline 100 MG capsule", "100 mg twice daily", "2026-11-20"),
        medication(2, "Prednisolone 5 MG Oral Tablet", "30 mg once daily", "2026-11-20"),
    ]

    def kept(text: str) -> bool:
        said = Statement(text=text, fact_ids=("F1", "F2"))
        return bool(verify([said], drugs, ZONE, person=ACUTE.person, now=NOW).kept)

    assert kept("Doxycycline 100 mg twice daily and prednisolone 30 mg once daily.")
    assert not kept("Doxycycline 100 mg once daily and prednisolone 30 mg twice daily.")


@pytest.mark.parametrize(
    ("said", "true"),
    [
        ("Prednisolone 20 mg once daily.", True),
        ("Prednisolone 5 MG soluble tablet, 20 mg once daily.", True),
        ("Prednisolone 5 mg once daily.", False),
        ("Prednisolone 5 mg.", False),
    ],
)
def test_the_strength_of_a_tablet_is_not_said_to_be_the_dose(said: str, *, true: bool) -> None:
    fact = medication(1, "Prednisolone 5 MG soluble tablet", "20 mg once daily for 3 days", "2026-11-19")
    assert (reason(said, fact) is None) is true


@pytest.mark.parametrize(
    "said", ["Methotrexate 2.5 mg weekly.", "Methotrexate 2.5 mg once weekly.", "Methotrexate 20 mg daily."]
)
def test_a_weekly_dose_stays_whole_and_weekly(said: str) -> None:
    fact = medication(1, "Methotrexate 2.5 MG Oral Tablet", "20 mg once weekly", "2019-06-01")
    assert reason(said, fact) is not None
    assert reason("Methotrexate 20 mg weekly.", fact) is None


def test_a_concentration_is_part_of_the_name() -> None:
    fact = medication(1, "Ibuprofen 100 mg/5 mL suspension", "200 mg (10 mg/kg) up to three times daily", "2026-11-19")
    assert reason("Ibuprofen 100 mg/5 mL suspension, 200 mg (10 mg/kg) up to three times daily.", fact) is None
    assert reason("Ibuprofen 100 mg up to three times daily.", fact) is not None


def test_a_strength_is_the_dose_where_the_dosage_counts_tablets() -> None:
    fact = medication(1, "Lisinopril 10 MG Oral Tablet", "1 tablet once daily", "2026-11-19")
    assert reason("Lisinopril 10 mg once daily.", fact) is None


@pytest.mark.parametrize(
    ("kind", "said", "true"),
    [
        ("AMB", "Ambulatory visit on 2026-11-19.", True),
        ("AMB", "Admitted on 2026-11-19.", False),
        ("AMB", "Hospitalised on 2026-11-19.", False),
        ("EMER", "Inpatient stay on 2026-11-19.", False),
        ("IMP", "Admitted on 2026-11-19.", True),
        ("", "Admitted on 2026-11-19.", True),
    ],
)
def test_only_a_stay_is_called_an_admission(kind: str, said: str, *, true: bool) -> None:
    label = "Ambulatory visit" if kind == "AMB" else "Encounter"
    fact = event(1, "Encounter", label, "2026-11-19", category=kind, status="finished")
    assert (reason(said, fact) is None) is true


@pytest.mark.parametrize(
    ("label", "said"),
    [
        ("Benign neoplasm of colon", "Neoplasm of colon."),
        ("Latent tuberculosis", "Tuberculosis."),
        ("Rule-out sepsis", "Sepsis."),
        ("R/O sepsis", "Sepsis."),
        ("Sepsis vs pneumonia", "Sepsis."),
        ("Fear of flying", "Flying."),
        ("Inactive hepatitis", "Hepatitis."),
        ("Immune to hepatitis B", "Hepatitis B."),
    ],
)
def test_a_name_is_not_cut_to_the_opposite_of_itself(label: str, said: str) -> None:
    assert reason(said, problem(1, label, "2026-01-01")) is not None
