"""Sentences a careful clinician could write from the three charts, each with the facts it stands on. All are true.

Written by hand in many styles first (``WRITTEN``); ``made`` adds systematic ones over every fact, so that the set is large
enough to measure false drops.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping

from msgspec import Struct

from cds_service.record.facts import Event, Medication, Problem, Reading
from cds_service.record.wording import level, number, unit
from tests.grounding.charts import CHARTS, Chart


class TrueStatement(Struct, frozen=True):
    """One true sentence."""

    chart: str
    text: str
    ids: tuple[int, ...]


ACUTE = [
    ("Potassium 6.1 mmol/L on 2026-11-20 08:10, high (4.9 mmol/L on 2026-11-18), rising.", 1, 2),
    ("Potassium rose from 4.9 mmol/L on 2026-11-18 to 6.1 mmol/L on 2026-11-20.", 1, 2),
    ("Potassium is high at 6.1 mmol/L (reference 3.5-5.1).", 1),
    ("The latest potassium is 6.1 mmol/L, above the reference range.", 1),
    ("K 6.1 mmol/L, up from 4.9 mmol/L two days earlier.", 1, 2),
    ("Serum potassium has risen from 4.9 to 6.1 mmol/L over 2 days.", 1, 2),
    ("Potassium was normal at 4.9 mmol/L on 2026-11-18.", 2),
    ("Previous potassium 4.9 mmol/L on 18 November 2026.", 2),
    ("Creatinine 2.34 mg/dL (ref 0.6–1.1), high.", 3),
    ("Creatinine increased from 0.98 mg/dL on 2026-11-17 to 2.34 mg/dL on 2026-11-20.", 3, 4),
    ("Creatinine has worsened: 0.98 mg/dL on 2026-11-17, 2.34 mg/dL on 2026-11-20.", 3, 4),
    ("Creatinine 207 µmol/L on 2026-11-20.", 3),
    ("Creatinine, 2.34 mg/dL, is higher than 0.98 mg/dL on 2026-11-17.", 3, 4),
    ("Sodium normal at 138 mmol/L.", 5),
    ("Sodium 138 mmol/L and potassium 6.1 mmol/L on 20 Nov 2026.", 5, 1),
    ("On 2026-11-20 at 08:10, potassium was 6.1 mmol/L and creatinine 2.34 mg/dL.", 1, 3),
    ("Blood pressure 92/54 mmHg on 2026-11-20 at 09:00.", 6, 7),
    ("BP 92/54, HR 118, RR 26, SpO2 91 %.", 6, 7, 8, 9, 16),
    ("Heart rate 118/min and respiratory rate 26/min at 09:00.", 8, 9),
    ("Respiratory rate of 26 breaths/min.", 9),
    ("Temperature 38.9 °C on 2026-11-20.", 17),
    ("Lactate 4.2 mmol/L, critically high.", 10),
    ("Lactate 4.2 mmol/L is above the upper limit of 2.0 mmol/L.", 10),
    ("CRP rose from 38 mg/L to 212 mg/L between 2026-11-18 and 2026-11-20.", 11, 12),
    ("C-reactive protein 212 mg/L, previously 38 mg/L.", 11, 12),
    ("Troponin I was <4 ng/L on 2026-11-20.", 13),
    ("Troponin I less than 4 ng/L.", 13),
    ("SARS-CoV-2 RNA not detected on 2026-11-19.", 14),
    ("SARS-CoV-2 RNA was negative.", 14),
    ("White blood cell count 18.4 ×10⁹/L, high.", 15),
    ("WBC 18.4 10^3/uL, elevated.", 15),
    ("Oxygen saturation 91 % on 2026-11-20.", 16),
    ("Sepsis was recorded on 2026-11-20.", 20),
    (
        "Active problems: sepsis, acute kidney injury and community acquired pneumonia of the right lower lobe.",
        20,
        21,
        22,
    ),
    ("72-year-old woman with sepsis and acute kidney injury.", 20, 21),
    ("The patient has sepsis.", 20),
    ("AKI with creatinine 2.34 mg/dL.", 21, 3),
    ("Acute kidney injury since 2026-11-20; creatinine 2.34 mg/dL.", 21, 3),
    ("New acute kidney injury on 2026-11-20.", 21),
    ("Community-acquired pneumonia, right lower lobe, since 2026-11-19.", 22),
    ("Pneumonia of the right lower lobe, with right lower lobe consolidation on chest radiograph 2026-11-20.", 22, 51),
    ("Pulmonary embolism was ruled out.", 23),
    ("No pulmonary embolism.", 23),
    ("Pulmonary embolism: refuted.", 23),
    ("Type 2 diabetes mellitus without retinopathy since 2011.", 24),
    ("Type 2 diabetes mellitus (2011-05-03), no retinopathy.", 24),
    ("T2DM since May 2011.", 24),
    ("History of fracture of the left femur in 2003, resolved in 2004.", 25),
    ("Previous left femur fracture (2003-07-14).", 25),
    ("Past problem: fracture of left femur.", 25),
    ("Penicillin allergy with anaphylaxis.", 30),
    ("Severe penicillin allergy (anaphylaxis), high criticality.", 30),
    ("Allergic to penicillin: anaphylaxis.", 30),
    ("Allergy to penicillin recorded in 1999.", 30),
    ("Taking lisinopril 10 mg once daily and metformin hydrochloride 500 mg twice daily.", 40, 41),
    (
        "Current medications: lisinopril 10 mg once daily; metformin 500 mg twice daily; ceftriaxone 1 g every 24 hours.",
        40,
        41,
        43,
    ),
    ("Lisinopril 10 mg once daily since 2026-02-11.", 40),
    ("On metformin 500 mg twice daily.", 41),
    ("Metformin with creatinine 2.34 mg/dL, high.", 41, 3),
    ("Ibuprofen 400 mg every 8 hours was stopped.", 42),
    ("No longer taking ibuprofen.", 42),
    ("Recently stopped: ibuprofen 400 mg.", 42),
    ("Ceftriaxone 1 g every 24 hours started on 2026-11-20 at 09:20.", 43),
    ("Ceftriaxone is prescribed beside a penicillin allergy.", 43, 30),
    ("Emergency department visit since 2026-11-20 07:40.", 50),
    ("Currently in the emergency department (since 07:40).", 50),
    ("Chest radiograph 2026-11-20: right lower lobe consolidation, no pleural effusion or pneumothorax.", 51),
    ("The chest radiograph shows consolidation in the right lower lobe.", 51),
    ("Chest radiograph without pleural effusion.", 51),
    ("Appendectomy on 1988-10-05.", 52),
    ("Previous appendectomy (1988).", 52),
    ("A CT of the chest with contrast is ordered as a draft.", 60),
    ("Draft order: CT of chest with contrast.", 60),
    ("CT of the chest with contrast is planned; creatinine 2.34 mg/dL.", 60, 3),
    ("Lisinopril with potassium 6.1 mmol/L, high and rising from 4.9 mmol/L.", 40, 1, 2),
    ("Sepsis with lactate 4.2 mmol/L and BP 92/54 mmHg.", 20, 10, 6, 7),
]

CHRONIC = [
    ("eGFR fell from 52 mL/min/1.73 m² on 2025-10-20 to 38 mL/min/1.73 m² on 2026-11-02.", 1, 2),
    ("eGFR 38 mL/min/1.73m2, low, falling from 52.", 1, 2),
    ("eGFR has worsened from 52 to 38.", 1, 2),
    ("Haemoglobin 10.2 g/dL (ref 13.0–17.0), low.", 3),
    ("Hemoglobin decreased from 12.8 to 10.2 g/dL.", 3, 4),
    ("Hb 10.2 g/dL on 2026-11-02, down from 12.8 g/dL on 2026-05-12.", 3, 4),
    ("Hemoglobin 102 g/L on 2026-11-02.", 3),
    ("INR 2.6 on 2026-11-02.", 5),
    ("INR 2.6 on warfarin 5 mg once daily.", 5, 40),
    ("HbA1c 7.9 %, high.", 6),
    ("Hemoglobin A1c 7.9% in November 2026.", 6),
    ("Body weight 84.5 kg.", 7),
    ("Weight 84.5 kg on 2026-11-02 at 09:45.", 7),
    ("LDL cholesterol improved from 131 mg/dL to 71 mg/dL.", 8, 9),
    ("LDL cholesterol is normal at 71 mg/dL, previously high at 131 mg/dL.", 8, 9),
    ("Former smoker.", 10),
    ("Tobacco smoking status: former smoker (2026-11-02).", 10),
    ("TSH 2.1 mIU/L, normal.", 11),
    ("TSH within range at 2.1 mIU/L.", 11),
    ("Glucose 180 mg/dL (10.0 mmol/L), high.", 12),
    ("Atrial fibrillation since 2018-03-11, on warfarin 5 mg once daily.", 20, 40),
    ("AF (2018) and heart failure (2021).", 20, 22),
    ("79-year-old man with atrial fibrillation, heart failure and chronic kidney disease stage 3.", 20, 22, 21),
    ("CKD stage 3 since January 2020; eGFR 38 mL/min/1.73 m².", 21, 1),
    ("Chronic kidney disease stage 3, eGFR falling from 52 to 38.", 21, 1, 2),
    ("He has essential hypertension since 2001.", 23),
    ("Osteoarthritis of the right knee since 2015.", 24),
    ("Right knee osteoarthritis.", 24),
    ("Malignant tumor of the prostate, in remission since 2010.", 25),
    ("History of malignant tumour of the prostate (2009).", 25),
    ("Family history of colon cancer.", 26),
    ("Colon cancer in the family history.", 26),
    ("No known allergies.", 30),
    ("No known allergies are recorded.", 30),
    ("Warfarin 5 mg once daily since 20 March 2018.", 40),
    ("Furosemide 40 mg each morning and bisoprolol 2.5 mg once daily since 2021-07-02.", 41, 42),
    ("Active medications: warfarin, furosemide, bisoprolol.", 40, 41, 42),
    ("Digoxin 125 mcg once daily was stopped on 2020-02-14.", 43),
    ("Digoxin discontinued in February 2020.", 43),
    ("Admitted on 2026-09-03 for heart failure and discharged on 2026-09-09.", 50),
    ("Recent hospital admission for heart failure (2026-09-03 to 2026-09-09).", 50),
    ("Hospital admission for heart failure lasting from 2026-09-03 to 2026-09-09.", 50),
    ("Inpatient stay from 2026-09-03 until 2026-09-09.", 50),
    ("Total replacement of the left hip in 2016.", 51),
    ("Left hip replacement (2016-01-19).", 51),
    ("Influenza vaccine given on 2026-10-06.", 52),
    ("Immunization: influenza vaccine, October 2026.", 52),
    ("Echocardiogram 2026-09-04: ejection fraction 38 %, mild mitral regurgitation, no pericardial effusion.", 53),
    ("Ejection fraction 38 % on echocardiogram in September 2026.", 53),
    ("Mild mitral regurgitation and no pericardial effusion on echocardiogram.", 53),
    ("Heart failure with ejection fraction 38 % (2026-09-04).", 22, 53),
    ("Colonoscopy ordered on 2026-11-02.", 54),
    ("A colonoscopy is planned (ordered 2 November 2026).", 54),
    ("Cardiology clinic booked for 2026-12-14.", 55),
    ("Planned: cardiology clinic on 14 December 2026 at 09:00.", 55),
    ("Warfarin with haemoglobin falling from 12.8 to 10.2 g/dL.", 40, 3, 4),
]

CHILD = [
    ("6-year-old boy with asthma.", 20),
    ("Asthma since September 2023, on salbutamol 100 mcg 2 puffs as needed.", 20, 40),
    ("Body weight 21.3 kg.", 1),
    ("Oxygen saturation improved from 93 % on 2026-11-19 to 97 % on 2026-11-20.", 2, 3),
    ("SpO2 rose from 93 % to 97 %.", 2, 3),
    ("SpO2 97 % on 2026-11-20 at 10:30.", 3),
    ("Respiratory rate fell from 34/min to 24/min.", 4, 5),
    ("Respiratory rate 24/min, down from 34/min on 2026-11-19.", 4, 5),
    ("Respiratory rate 24 /min on 2026-11-20 and oxygen saturation 97 %.", 5, 3),
    ("Influenza A antigen positive on 2026-11-19.", 6),
    ("Influenza A antigen positive, streptococcus A antigen negative.", 6, 7),
    ("Streptococcus A antigen was negative.", 7),
    ("Total bilirubin 17.1 µmol/L.", 8),
    ("Acute otitis media of the left ear in January 2025, resolved.", 21),
    ("History of acute otitis media, left ear.", 21),
    ("Foreign body in the right ear was ruled out.", 22),
    ("No foreign body in right ear.", 22),
    ("Low back pain since 2026-08-01.", 23),
    ("Peanut allergy with urticaria.", 30),
    ("Food allergy: peanut (urticaria), high criticality.", 30),
    ("Not allergic to amoxicillin.", 31),
    ("Amoxicillin allergy refuted.", 31),
    ("Salbutamol 100 mcg inhaler, 2 puffs as needed.", 40),
    ("Prednisolone 20 mg once daily for 3 days, started 2026-11-19.", 41),
    ("Prednisolone started on 19 November 2026.", 41),
    ("Ambulatory visit on 2026-11-19.", 50),
    ("Outpatient visit yesterday.", 50),
    ("Bilateral tympanostomy tubes were inserted on 2025-03-21.", 51),
    ("Insertion of bilateral tympanostomy tubes in March 2025.", 51),
    ("Discharge note 2026-11-19: viral wheeze improving after salbutamol.", 52),
    ("Viral wheeze according to the discharge note.", 52),
]

WRITTEN = [
    TrueStatement(chart, text, tuple(ids))
    for chart, listed in (("acute", ACUTE), ("chronic", CHRONIC), ("child", CHILD))
    for text, *ids in listed
]


def made(charts: Mapping[str, Chart] = CHARTS) -> Iterator[TrueStatement]:
    """Systematic sentences over every fact of every chart."""
    for name, chart in charts.items():
        for fact in chart.facts:
            day = fact.time.strftime("%Y-%m-%d") if fact.time else ""
            if isinstance(fact, Reading) and fact.value is not None:
                yield from (
                    TrueStatement(name, text, (fact.number,))
                    for text in _of_reading(fact, day, old=_replaced(fact, chart))
                )
            elif isinstance(fact, Problem) and not fact.negated and fact.active:
                yield TrueStatement(name, f"Active problem: {fact.label} ({day}).", (fact.number,))
                yield TrueStatement(name, f"{fact.label} has been recorded since {day[:4]}.", (fact.number,))
            elif isinstance(fact, Medication) and fact.active:
                drug = fact.label.split()[0].lower()
                yield TrueStatement(name, f"The patient is taking {drug}, {fact.dose}.", (fact.number,))
                yield TrueStatement(name, f"{fact.label}: {fact.dose}, prescribed {day}.", (fact.number,))
            elif isinstance(fact, Event) and fact.resource_type == "Procedure":
                yield TrueStatement(name, f"{fact.label} was performed on {day}.", (fact.number,))
        yield from _pairs(name, chart)


def _replaced(fact: Reading, chart: Chart) -> bool:
    """A later value of the same thing stands in the chart: without its date the old one would read as the present one."""
    alike = (
        f for f in chart.facts if isinstance(f, Reading) and (f.concept or f.label) == (fact.concept or fact.label)
    )
    return any(f.time is not None and fact.time is not None and f.time > fact.time for f in alike)


def _of_reading(fact: Reading, day: str, *, old: bool) -> Iterator[str]:
    shown = f"{fact.comparator}{number(fact.value or 0)} {unit(fact.unit)}".strip()  # type: ignore[arg-type]
    label = fact.label
    yield f"{label} {shown} on {day}."
    yield f"On {day}, {label.lower()} was {shown}."
    yield f"{label} measured {shown} at {fact.time:%H:%M} on {fact.time:%-d %B %Y}."
    state = level(fact)
    if state:
        yield f"{label} was {state} at {shown} on {day}." if old else f"{label} is {state} at {shown}."


def _pairs(name: str, chart: Chart) -> Iterator[TrueStatement]:
    readings = [f for f in chart.facts if isinstance(f, Reading) and f.exact]
    for first, second in itertools.pairwise(readings):
        if first.concept == second.concept:
            continue
        a, b = (
            f"{r.label.lower()} {number(r.value or 0)} {unit(r.unit)}".strip()  # type: ignore[arg-type]
            + (f" on {r.time:%Y-%m-%d}" if _replaced(r, chart) else "")
            for r in (first, second)
        )
        yield TrueStatement(name, f"Recorded: {a} and {b}.", (first.number, second.number))
    problems = [f for f in chart.facts if isinstance(f, Problem) and f.active and not f.negated]
    for one, other in itertools.pairwise(problems):
        yield TrueStatement(name, f"{one.label} and {other.label}.", (one.number, other.number))


def all_true() -> list[TrueStatement]:
    """Every true sentence, the written ones first."""
    return [*WRITTEN, *made()]
