"""The words of a report, from the structured findings alone: it cannot say more than they do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files

import msgspec
from msgspec import Struct

from cds_service.imaging.read import ImageFinding


class Words(Struct, frozen=True, forbid_unknown_fields=True):
    """wording.toml."""

    present: str
    uncertain: str
    absent: str
    none: str
    nothing: str
    test_weights: str
    changes: Mapping[str, str]
    limits: Mapping[str, str]


@cache
def words() -> Words:
    """The sentences, read once."""
    return msgspec.toml.decode(files("cds_service.imaging").joinpath("wording.toml").read_bytes(), type=Words)


def impression(findings: Sequence[ImageFinding], *, test_weights: bool) -> tuple[str, ...]:
    """Suggested findings first, then uncertain ones, then in one sentence those not seen; where all are, that this is not normal."""
    text = words()
    lines = [text.test_weights] if test_weights else []
    lines += [_line(text, text.present, f) for f in findings if f.state == "present"]
    lines += [_line(text, text.uncertain, f) for f in findings if f.state == "uncertain"]
    absent = [f.name.lower() for f in findings if f.state == "absent"]
    if findings and len(absent) == len(findings):
        lines.append(text.none.format(count=len(findings)))
    if absent:
        lines.append(text.absent.format(names=", ".join(absent)))
    if not findings:
        lines.append(text.nothing)
    return tuple(lines)


def limits(
    kind: str, *, asked: int, discarded: int, scored: bool, compared: str | None, warnings: Sequence[str]
) -> tuple[str, ...]:
    """What the read cannot say. ``compared``: when the earlier image was taken, '' for none, None where this kind has none."""
    say = words().limits
    lines = [say["only"].format(kind=kind), say["uncalibrated"]]
    if not scored:
        lines.append(say["unscored"])
    if discarded:
        lines.append(say["discarded"].format(count=discarded, asked=asked))
    if compared is not None:
        lines.append(say["compared"].format(day=compared[:10]) if compared else say["prior"])
    return (*lines, *(f"{each[:1].upper()}{each[1:]}." for each in warnings))


def _line(text: Words, sentence: str, finding: ImageFinding) -> str:
    where = f", {finding.location}" if finding.location else ""
    return sentence.format(name=finding.name, where=where, change=text.changes.get(finding.change, ""))
