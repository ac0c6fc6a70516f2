"""The words of a report, made by template from the findings alone, so that they cannot say more than these do."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING

from msgspec import Struct

from cds_service.imaging.read import ImageFinding, Read

if TYPE_CHECKING:
    from jinja2 import Template

NOTHING = "No impression was drafted."


SAID = {"present": "suggested", "absent": "not seen", "uncertain": "uncertain"}  # a model states nothing more than this


class Line(Struct, frozen=True):
    """One finding as it is printed."""

    name: str
    state: str
    said: str
    where: str


def conclusion(read: Read, edited: str = "") -> str:
    """The impression, or the reviewer's own words in its place."""
    return edited.strip() or " ".join(read.impression).strip() or NOTHING


def regions(read: Read) -> Sequence[tuple[str, Sequence[Line]]]:
    """Findings by region, in the order of the read."""
    grouped: dict[str, list[Line]] = {}
    for finding in read.findings:
        grouped.setdefault(finding.region, []).append(
            Line(finding.name, finding.state, SAID[finding.state], where(finding))
        )
    return list(grouped.items())


def where(finding: ImageFinding) -> str:
    """Side and location, the side not said twice."""
    named = finding.side and finding.side in finding.location.split()
    return finding.location if named else f"{finding.side} {finding.location}".strip()


def minute(written: str) -> str:
    """An ISO 8601 time as the header or the record gives it, to the minute and with its offset; never converted."""
    try:
        time = datetime.fromisoformat(written)
    except ValueError:
        return written
    return f"{time:%Y-%m-%d}" if len(written) == 10 else f"{time:%Y-%m-%d %H:%M %Z}".strip()


def text(read: Read, examination: str, *, patient: str = "", reviewer: str = "", edited: str = "") -> str:
    """The whole report as plain text. ``patient``: the logical id; ``reviewer``: who took it and when, '' for nobody yet."""
    return _template().render(
        read=read,
        examination=examination,
        regions=regions(read),
        conclusion=conclusion(read, edited),
        patient=patient,
        reviewer=reviewer,
        edited=bool(edited),
        model=read.identity.label if read.identity else "an unnamed model",
    )


@cache
def _template() -> Template:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("cds_service.drafts")
    environment = Environment(loader=loader, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)  # noqa: S701 - plain text
    environment.filters["minute"] = minute
    return environment.get_template("report.txt.j2")
