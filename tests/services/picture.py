"""``python -m tests.services.picture``: writes docs/images/demo.svg, the README's picture, from a running demo service.

The cards are the service's own answers; of a chart only the first cards are shown, so that the picture fits a screen.
"""

from __future__ import annotations

import asyncio
import io
import re
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console

from cds_service.commands.call import Ask
from cds_service.commands.calling import Caller
from cds_service.commands.embedded import embedded
from cds_service.commands.terminal import occasion, print_cards
from cds_service.web.simulator.patients import load_patients

PICTURE = Path(__file__).resolve().parents[2] / "docs" / "images" / "demo.svg"
SHOWN = (("order-sign", "demo-penicillin-allergy", 1), ("patient-view", "demo-hyperkalaemia", 1))  # and how many cards
WIDTH = 100
FONT_FACES = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)  # a picture fetches nothing from other servers


async def draw() -> str:
    """The picture as SVG."""
    console = Console(record=True, width=WIDTH, file=io.StringIO())
    patients = {patient.id: patient for patient in load_patients(datetime.now(UTC))}
    with TemporaryDirectory() as folder:
        async with embedded(Path(folder)) as base, Caller(base) as caller:
            for hook, patient, most in SHOWN:
                shown = patients[patient]
                orders = shown.draft_orders if hook == "order-sign" else None
                ask = Ask(hook=hook, patient=patient, fhir_server=f"{base}/simulator/fhir", draft_orders=orders)
                _, body = await caller.call(ask)
                body["cards"] = body["cards"][:most]
                print_cards(body, console, title=f"{occasion(hook)}: {shown.title}", who=shown.who)
    return FONT_FACES.sub("", console.export_svg(title="medgemma-cds call"))


if __name__ == "__main__":
    PICTURE.write_text(asyncio.run(draw()), encoding="utf-8")
