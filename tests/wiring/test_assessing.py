"""The audit line of a job that ended names what made it."""

from __future__ import annotations

import re

from cds_service.assessments.tasks import load_tasks
from cds_service.hooks.clients import profiles
from cds_service.imaging.work import IMAGE_PROMPTS
from cds_service.models.prompting import templates
from cds_service.wiring.assessing import MOST_PATIENT_S, _made_by
from tests.assessments.doubles import Double, Stand

PROMPTS = templates.load()
TASKS = load_tasks(PROMPTS)
HASHED = re.compile(r"[a-z-]+@\d+ sha256:[0-9a-f]{16,}( label)?")


def test_a_text_job_names_its_prompt_with_its_hash_and_the_text_engine() -> None:
    for name in TASKS:
        made = _made_by(f"text:{name}", TASKS, Stand(Double()), None, PROMPTS)
        assert made["engines"] == ["openai double@1"]
        (prompt,) = made["prompts"]
        assert HASHED.fullmatch(prompt), prompt


def test_an_image_job_names_every_prompt_of_its_reading_and_the_image_engine() -> None:
    made = _made_by("image:read", TASKS, Stand(Double()), Double(revision="7"), PROMPTS)
    assert made["engines"] == ["openai double@7"]
    assert {prompt.partition("@")[0] for prompt in made["prompts"]} == IMAGE_PROMPTS
    assert all(HASHED.fullmatch(prompt) for prompt in made["prompts"])


def test_the_most_patient_of_calls_is_known() -> None:
    assert max(max(profile.deadline_ms.values()) for profile in profiles.read().values()) == MOST_PATIENT_S * 1000
