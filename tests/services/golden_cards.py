"""The cards of every demo patient, as a reader sees them: the real service over HTTP, at one fixed moment.

``python -m tests.services.golden_cards`` rewrites the files of ``golden/`` (``golden/si``: a site with SI units); read the difference line by line before
committing it. Uuids are replaced by numbers, for they differ on every call; nothing else is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import msgspec
from starlette.testclient import TestClient

from cds_service import app as composition
from cds_service.commands.call import Ask, build_request, choose
from cds_service.hooks.protocol import Services
from cds_service.settings import Settings
from cds_service.web.simulator.patients import DemoPatient, load_patients

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
FOLDER = Path(__file__).parent / "golden"
BASE = "http://testserver"
HOOKS = ("patient-view", "encounter-start", "order-select", "order-sign")
IN_SI = ("demo-aki-contrast", "demo-ckd-metformin")  # also read at a site that works in SI units
REWRITE = "python -m tests.services.golden_cards"
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_HEAD = "<!-- Written by `{}`. Read by a person against the chart before it is committed. -->"


@contextmanager
def service(**settings: Any) -> Iterator[TestClient]:
    """The demo service with its simulator, its clock stopped at ``NOW``."""
    with (
        TemporaryDirectory() as state,
        patch.object(composition, "_clock", lambda: NOW),
        TestClient(
            composition.create_app(Settings(mode="demo", state_dir=Path(state), public_url=BASE, **settings)), BASE
        ) as client,
    ):
        yield client


def patients() -> list[DemoPatient]:
    """Every demo patient at ``NOW``."""
    return load_patients(NOW)


async def answer(client: TestClient, patient: DemoPatient, hook: str) -> dict[str, Any]:
    """The response body of one hook call, with prefetch from the simulator as an EHR would send it."""
    ask = Ask(
        hook=hook, patient=patient.id, encounter=patient.encounter, draft_orders=patient.draft_orders,
        select=patient.selections,
    )  # fmt: skip

    async def query(path: str) -> bytes | None:
        found = client.get(f"/simulator/fhir/{path}")
        return found.content if found.status_code == 200 else None

    entry = choose(msgspec.json.decode(client.get("/cds-services").content, type=Services), ask)
    body = await build_request(entry, ask, query)
    found = client.post(f"/cds-services/{entry.id}", content=body, headers={"Content-Type": "application/json"})
    assert found.status_code == 200, found.text
    return msgspec.json.decode(found.content)  # type: ignore[no-any-return]


def hooks_of(patient: DemoPatient) -> Iterator[str]:
    """The hooks an EHR would fire for this patient."""
    for hook in HOOKS:
        if patient.draft_orders is not None or not hook.startswith("order"):
            yield hook


def page(patient: DemoPatient, hook: str, body: dict[str, Any]) -> str:
    """The response as a page: every member of every card, in the order of the answer."""
    parts = [
        _HEAD.format(REWRITE),
        f"# {patient.id}, {hook}: {patient.title}",
        f"{patient.who}. At {NOW:%Y-%m-%d %H:%M} UTC.",
    ]
    parts += [_card(number, card) for number, card in enumerate(body["cards"], 1)] or ["`cards: []`: nothing to say."]
    rest = {name: value for name, value in body.items() if name != "cards"}
    parts += [_json(rest)] if rest else []
    return _numbered("\n\n".join(parts)) + "\n"


def _card(number: int, card: dict[str, Any]) -> str:
    source, topic = card["source"], card["source"].get("topic", {})
    lines = [
        f"## {number}. [{card['indicator']}] {card['summary']}",
        f"source: {source['label']} · {topic.get('code', '')} ({topic.get('display', '')}) · {source.get('url', 'no address')}",
        card.get("detail", ""),
    ]
    for suggestion in card.get("suggestions", ()):
        lines.append(f"suggestion: {suggestion['label']} ({suggestion['uuid']})\n\n{_json(suggestion['actions'])}")
    reasons = ", ".join(reason["display"] for reason in card.get("overrideReasons", ()))
    lines.append(f"reasons to override: {reasons}" if reasons else "")
    known = {"summary", "indicator", "source", "detail", "suggestions", "overrideReasons", "uuid"}
    rest = {name: value for name, value in card.items() if name not in known}
    lines.append(_json(rest) if rest else "")
    return "\n\n".join(line for line in lines if line)


def _json(value: Any) -> str:
    written = msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
    return f"```json\n{written}\n```"


def _numbered(text: str) -> str:
    """Every uuid by the order in which it is met: which stand for the same thing stays visible."""
    met: dict[str, str] = {}
    return _UUID.sub(lambda found: met.setdefault(found[0], f"uuid-{len(met) + 1}"), text)


def cases(units: str) -> Iterator[tuple[DemoPatient, str, Path]]:
    """Every demo patient, hook and page of a site with these units."""
    for patient in patients():
        for hook in hooks_of(patient):
            if units == "conventional":
                yield patient, hook, FOLDER / f"{patient.id}.{hook}.md"
            elif patient.id in IN_SI:
                yield patient, hook, FOLDER / "si" / f"{patient.id}.{hook}.md"


async def rewrite() -> None:
    """Write every file anew, and remove those of patients or hooks that are gone."""
    (FOLDER / "si").mkdir(parents=True, exist_ok=True)
    kept = set()
    for units in ("conventional", "si"):
        with service(units=units) as client:
            for patient, hook, path in cases(units):
                path.write_text(page(patient, hook, await answer(client, patient, hook)), encoding="utf-8")
                kept.add(path)
    for path in set(FOLDER.rglob("*.md")) - kept:
        path.unlink()


if __name__ == "__main__":
    import asyncio

    asyncio.run(rewrite())
