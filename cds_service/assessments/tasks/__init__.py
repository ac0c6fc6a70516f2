"""The text tasks by name. ``triage-label`` is the provisional label of the prompt ``triage``, without its rationale."""

from __future__ import annotations

from collections.abc import Mapping

from cds_service.assessments.task import Task
from cds_service.assessments.tasks.options import Options
from cds_service.assessments.tasks.question import Question
from cds_service.assessments.tasks.record_summary import RecordSummary
from cds_service.assessments.tasks.triage import Triage, TriageLabel
from cds_service.models.prompting.templates import Prompts

__all__ = ["load_tasks"]


def load_tasks(prompts: Prompts) -> Mapping[str, Task]:
    """Every text task, over prompts loaded at start."""
    tasks: list[Task] = [
        RecordSummary(prompts["record-summary"]),
        TriageLabel(prompts["triage"]),
        Triage(prompts["triage"]),
        Options(prompts["order-review"]),
        Options(prompts["considerations"]),
        Question(prompts["question"]),
    ]
    return {task.name: task for task in tasks}
