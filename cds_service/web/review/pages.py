"""The review pages as HTML. Everything of a draft is escaped by the template; nothing is loaded from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING

from cds_service.drafts import report_text, resources
from cds_service.drafts.draft import Draft

if TYPE_CHECKING:
    from jinja2 import Template


def listing(drafts: Sequence[Draft], none_made: str = "", unopened: int = 0) -> str:
    """The newest drafts. ``none_made``: a sentence that says why no further one will be made.

    ``unopened``: how many more there are that no configured key opens.
    """
    rows = [
        {
            "id": draft.id,
            "state": draft.state,
            "fault": draft.fault,
            "test_weights": draft.read.test_weights,
            "patient": draft.patient,
            "created": draft.created,
            "examination": resources.examination(draft.read),
            "conclusion": report_text.conclusion(draft.read, resources.edited_words(draft)),
        }
        for draft in drafts
    ]
    return _template("list.html.j2").render(drafts=rows, none_made=none_made, unopened=unopened)


def page(draft: Draft, token: str, problem: str = "") -> str:
    """One draft with its decision form. ``token`` guards the form; ``problem`` says why the last one was not taken."""
    edited = resources.edited_words(draft)
    return _template("draft.html.j2").render(
        draft=draft,
        read=draft.read,
        examination=resources.examination(draft.read),
        regions=report_text.regions(draft.read),
        conclusion=report_text.conclusion(draft.read, edited),
        edited=bool(edited),
        retry=draft.state != "waiting" and not draft.settled,
        first=(len(draft.read.instances) + 1) // 2,  # of a volume its middle
        token=token,
        problem=problem,
    )


def refusal(message: str) -> str:
    """Why there is nothing to show."""
    return _template("refusal.html.j2").render(message=message)


def preparing(title: str, said: str) -> str:
    """How a text is getting on."""
    return _template("preparing.html.j2").render(title=title, said=said)


def moment(written: str) -> str:
    """An ISO 8601 time to the minute, in UTC where it has an offset; anything else as it is written."""
    try:
        time = datetime.fromisoformat(written)
    except ValueError:
        return written
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if time.tzinfo else f"{time:%Y-%m-%d %H:%M}"


@cache
def _template(name: str) -> Template:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("cds_service.web.review")
    made = Environment(loader=loader, autoescape=True, undefined=StrictUndefined)
    made.filters["moment"] = moment
    return made.get_template(name)
