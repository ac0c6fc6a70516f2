"""Cards that say what could not be done. A failure is never 200 with nothing."""

from __future__ import annotations

from msgspec.structs import replace

from cds_service.hooks.protocol import Card, Coding, Source
from cds_service.randomness import uuid4
from cds_service.services.service import Answer, IssuedCard

SYSTEM = "urn:medgemma-cds:notice"
_NOT_CHECKED = "Nothing was checked by this service. Do not read its silence as an all-clear."


def timed_out(service_id: str, title: str) -> Answer:
    """The answer of a service that overran its deadline."""
    return _notice(
        service_id,
        "servicetimeout",
        "Not completed in time",
        f"{title} could not be completed in time",
        f"{_NOT_CHECKED} Opening the chart or the order again asks it anew.",
    )


def failed(service_id: str, title: str) -> Answer:
    """The answer of a service that broke."""
    return _notice(
        service_id,
        "servicefailure",
        "Not completed because of a fault",
        f"{title} could not be completed because of a fault",
        f"{_NOT_CHECKED} The fault is in the service's log.",
    )


def incomplete(service_id: str, title: str) -> Answer:
    """For an answer that calls itself partial or failed and has no card to say so."""
    return _notice(
        service_id,
        "serviceincomplete",
        "Could not check everything",
        f"{title} could not check everything",
        "Parts of the record were not available, and nothing was found in the parts that were.",
    )


def join(answer: Answer, notice: Answer) -> Answer:
    """The answer with the notice's card; its outcome, counts and notes stay its own."""
    return replace(answer, cards=[*answer.cards, *notice.cards], issued=[*answer.issued, *notice.issued])


def _notice(service_id: str, topic: str, display: str, summary: str, detail: str) -> Answer:
    uuid = uuid4()
    card = Card(
        summary=summary,
        indicator="warning",
        source=Source(label="MedGemma CDS", topic=Coding(code=topic, system=SYSTEM, display=display)),
        uuid=uuid,
        detail=detail,
    )
    issued = IssuedCard(uuid=uuid, service=service_id, indicator="warning")
    return Answer(cards=[card], issued=[issued], outcome="failed", notes=(topic,))
