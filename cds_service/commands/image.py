"""``medgemma-cds image``: what the image model would see of an object, written as PNG, with every step taken."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path

import msgspec

from cds_service.errors import ConfigurationError
from cds_service.imaging.seen import Refused, Seen
from cds_service.settings import Settings
from cds_service.wiring.viewing import viewer
from fhir_adapters.addresses import Policy, origin_of
from fhir_adapters.errors import UnsafeAddress
from fhir_adapters.outbound import Outbound

REFUSED = 3  # exit code
PATIENCE_S = 120.0
ENDINGS = {"image/png": ".png", "image/jpeg": ".jpg"}
INSTANCE = re.compile(
    r"(?P<base>https?://.+)/studies/(?P<study>[\d.]+)/series/(?P<series>[\d.]+)/instances/(?P<uid>[\d.]+)/?"
)
STUDY = re.compile(r"(?P<base>https?://.+)/studies/(?P<study>[\d.]+)/?")


async def run(settings: Settings, source: str, *, frame: int | None, out: Path | None, as_json: bool) -> int:
    """Exit code: 0, or 3 when the object is refused."""
    if frame is not None and frame < 1:
        raise ConfigurationError("--frame counts from 1")
    seen = await _see(settings, source, None if frame is None else frame - 1)
    if isinstance(seen, Refused):
        _say({"refused": seen.reason, "code": seen.code}, as_json)
        return REFUSED
    files = await asyncio.to_thread(_write, seen, out) if out else []
    _say(_account(seen, files), as_json)
    return 0


async def _see(settings: Settings, source: str, frame: int | None) -> Seen | Refused:
    match = INSTANCE.fullmatch(source) or STUDY.fullmatch(source)
    if source.startswith(("http://", "https://")) and match is None:
        raise ConfigurationError("a DICOMweb URL ends with /studies/UID or /studies/UID/series/UID/instances/UID")
    base = match["base"] if match else settings.dicomweb_url
    try:
        policy = Policy(operator=[str(origin_of(base))] if base else [])
    except UnsafeAddress as error:
        raise ConfigurationError(f"the DICOMweb address cannot be called: {error.detail}") from None
    async with Outbound(policy) as outbound:
        looking = viewer(settings, outbound, base)
        try:
            if match is None:
                return await looking.file(Path(source), frame)
            deadline = asyncio.get_running_loop().time() + PATIENCE_S
            if "uid" in match.groupdict():
                return await looking.instance(
                    match["study"], match["series"], match["uid"], frame=frame, patient_check=None, deadline=deadline
                )
            return await looking.study(match["study"], patient_check=None, deadline=deadline)
        finally:
            await looking.aclose()


def _write(seen: Seen, out: Path) -> list[str]:
    """One file, or one a slice; the ending is what the bytes are."""
    names = []
    for number, image in enumerate(seen.images, start=1):
        part = f"-{number}" if len(seen.images) > 1 else ""
        name = out.with_name(f"{out.stem}{part}{ENDINGS[image.media_type]}")
        name.write_bytes(image.data)
        names.append(str(name))
    return names


def _account(seen: Seen, files: list[str]) -> dict[str, object]:
    """Everything but the pictures; no UID and no time: what is printed may be pasted into a report of a fault."""
    return {
        "kind": seen.kind, "modality": seen.modality, "body_part": seen.body_part, "view": seen.view,
        "laterality": seen.laterality, "rows": seen.size[0], "columns": seen.size[1], "pictures": len(seen.images),
        "frames": [instance.frame + 1 for instance in seen.instances], "steps": seen.steps, "warnings": seen.warnings,
        "transforms": seen.transforms, "files": files,
    }  # fmt: skip


def _say(account: dict[str, object], as_json: bool) -> None:
    if as_json:
        sys.stdout.write(msgspec.json.encode(account).decode() + "\n")
        return
    for name, value in account.items():
        lines = value if isinstance(value, tuple | list) else (value,)
        for line in lines:
            shown = msgspec.json.encode(line).decode() if isinstance(line, msgspec.Struct) else line
            sys.stdout.write(f"{name}: {shown}\n")
