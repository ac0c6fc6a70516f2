"""A model's results: the store, the jobs that make them, what services see of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from cds_service.assessments.jobs import Jobs, Limits, Work
from cds_service.assessments.key import Keys
from cds_service.assessments.store import Store
from cds_service.assessments.task import Task
from cds_service.assessments.tasks import load_tasks
from cds_service.assessments.texts import KIND, Stands, Texts
from cds_service.imaging.assembly import work_of
from cds_service.imaging.work import IMAGE_PROMPTS, ImageReads
from cds_service.imaging.work import KIND as IMAGE
from cds_service.models.engine import Engine
from cds_service.models.prompting import templates
from cds_service.models.standing import Standing
from cds_service.rules.catalogue import Switch
from cds_service.wiring.own_access import archives
from cds_service.wiring.parts import Parts

MOST_PATIENT_S = 3.0  # the longest deadline among hooks/clients/profiles.toml


class Assessments(NamedTuple):
    """A model's results as services see them, and the jobs behind them."""

    jobs: Jobs
    texts: Texts | None = None  # None for the extractive engine
    reads: ImageReads | None = None  # None without an image engine


def assessments(parts: Parts, text: Stands | None) -> Assessments | None:
    """What keeps and makes a model's results; None where no engine runs a model. dbos is imported when the jobs start."""
    settings, gateway, count = parts.settings, parts.gateway, parts.metrics.count
    image = parts.engines.image.engine if settings.imaging and parts.engines.image is not None else None
    if text is None and image is None:
        return None
    store, prompts = Store(parts.cipher, ttl_s=settings.assessment_ttl_s, count=count), templates.load()
    tasks = load_tasks(prompts)
    works: dict[str, Work] = {}
    viewer, texts, reader = parts.viewer, None, None

    def off() -> bool:
        return parts.switches.ai is Switch.OFF

    if text is not None:
        texts = Texts(text, tasks, store, Keys(parts.cipher), parts.switches, lambda: parts.charts.pack, count)
        works[KIND] = texts.make
    if image is not None and viewer is not None:
        reader, works[IMAGE] = work_of(
            viewer, prompts, image, parts.drafts, count=count, issuers=settings.patient_id_issuers,
            archives=archives(settings, parts.outbound),
            security=lambda code: parts.audit.write("images refused", outcome="refused", notes=[code]),
            tracing=parts.tracing, off=off,
        )  # fmt: skip
    jobs = Jobs(
        gateway,
        store,
        works,
        url=settings.database if gateway.shared else f"sqlite:///{settings.state_dir / 'jobs.sqlite3'}",
        limits=Limits(slots=settings.job_slots, depth=settings.job_depth, age_s=settings.job_age_s),
        count=count,
        ended=lambda _key, task, state, reason: parts.audit.write(
            "assessment", state=state, notes=[task, reason], **_made_by(task, tasks, text, image, prompts)
        ),
        tracing=parts.tracing,
        off=off,
        hurries=lambda: text is not None and _may_be_waited_for(text, settings.deadline_ms / 1000),
    )
    if texts is not None:
        texts.use(jobs)
    reads = (
        ImageReads(parts.cipher, store, jobs, parts.drafts, reader, image, lambda: _not_ready(parts.engines.image))
        if reader and image
        else None
    )
    return Assessments(jobs=jobs, texts=texts, reads=reads)


def _made_by(
    job: str, tasks: Mapping[str, Task], text: Stands | None, image: Engine | None, prompts: templates.Prompts
) -> dict[str, Any]:
    """The prompts and the engine of a job, for its audit line."""
    kind, _, name = job.partition(":")
    if kind == IMAGE:
        labels = [prompt.label for name, prompt in sorted(prompts.by_name.items()) if name in IMAGE_PROMPTS]
        return {"prompts": labels, "engines": [image.identity.label] if image is not None else []}
    task = tasks.get(name)
    return {
        "prompts": [task.label] if task is not None else [],
        "engines": [text.engine.identity.label] if text is not None else [],
    }


def _may_be_waited_for(text: Stands, deadline_s: float) -> bool:
    """Whether an answer comes quickly enough for the most patient of calls."""
    most = max(deadline_s, MOST_PATIENT_S)
    return text.fits(most) or text.fits(most, labels=True)


def _not_ready(standing: Standing | None) -> str:
    """Why an engine cannot be asked yet, '' when it can."""
    if standing is None or standing.state == "ready":
        return ""
    return f"the image model is {standing.state}"
