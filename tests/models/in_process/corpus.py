"""Text to train a small vocabulary on: clinical sentences, fact lines and JSON, made from short word lists by a fixed seed."""

from __future__ import annotations

import json
import random
import string

_WORDS = (
    "patient record summary potassium sodium creatinine haemoglobin glucose lactate troponin platelets high low normal critical "
    "active problem medication allergy encounter procedure report result reading rising falling improved worsened latest highest "
    "stopped ordered planned history family refuted chest left right bilateral lower upper zone effusion pneumonia pneumothorax heart "
    "kidney liver failure diabetes hypertension fibrillation anticoagulant warfarin apixaban metformin penicillin amlodipine "
    "the a of and to in is was for with on no not by from at this that what which every only never any one two three more than "
    "facts cite statement sentence copy names numbers units dates words source reference range flag rule answer compact nothing else "
    "begins ends data now age sex male female years months unknown urgent routine asap stat image study series view report finding "
    "present absent uncertain consider option reason support contrary change appropriate safer alternative missing work up you write "
    "clinician opened chart line between carries same random word describe addressed short says needs related share return most first "
    "You The An If Use Say Add Order Rules Answer Facts Patient Now Could Left At Related Show Scan Findings Impression"
).split()
_UNITS = ("mmol/L", "mg/dL", "g/L", "%", "mL/min", "U/L", "ng/mL", "mmHg", "10*9/L", "kg", "µmol/L", "°C")
_KEYS = ("statements", "text", "fact_ids", "kind", "category", "rationale", "findings", "state", "location", "side", "name",
         "contrary_ids", "impression", "label", "question", "options", "answer")  # fmt: skip
_LABELS = (
    "record",
    "hypothesis",
    "routine",
    "urgent",
    "asap",
    "stat",
    "present",
    "absent",
    "uncertain",
    "left",
    "right",
    "yes",
    "no",
)
_SYLLABLES = (
    "lo",
    "ra",
    "mi",
    "ta",
    "pro",
    "ven",
    "cil",
    "zol",
    "sar",
    "tan",
    "ne",
    "fo",
    "dip",
    "ine",
    "ole",
    "ast",
    "xa",
    "be",
    "gli",
    "kar",
)


def lines(count: int = 1500, seed: int = 7) -> list[str]:
    """``count`` lines of each of four sorts, the same for the same seed."""
    rng = random.Random(seed)
    made = [string.printable, *(f" {word}" for word in _WORDS), *_LABELS]
    names = ["".join(rng.sample(_SYLLABLES, rng.randint(2, 4))) for _ in range(900)]  # stand for drug names
    for _ in range(count):
        made += (_sentence(rng), _fact(rng), _document(rng), " ".join(rng.choices(names, k=8)))
    return made


def _sentence(rng: random.Random) -> str:
    return " ".join(rng.choices(_WORDS, k=rng.randint(6, 16))).capitalize() + rng.choice(".,;:?!")


def _fact(rng: random.Random) -> str:
    day = f"20{rng.randint(10, 26)}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02} {rng.randint(0, 23):02}:{rng.randint(0, 59):02}"
    value = f"{rng.choice(_WORDS).capitalize()} {rng.randint(1, 400)}.{rng.randint(0, 9)} {rng.choice(_UNITS)}"
    return f"F{rng.randint(1, 300)} · {day} · {value} · ref {rng.randint(1, 9)}–{rng.randint(10, 99)} · high · Observation/k{rng.randint(1, 99)}"


def _document(rng: random.Random) -> str:
    statements = [
        {
            "text": _sentence(rng),
            "fact_ids": [f"F{rng.randint(1, 300)}" for _ in range(rng.randint(1, 4))],
            rng.choice(_KEYS): rng.choice(_LABELS),
        }
        for _ in range(rng.randint(1, 3))
    ]
    return json.dumps({rng.choice(_KEYS): statements}, separators=(",", ":"), ensure_ascii=False)
