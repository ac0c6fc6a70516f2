"""Why a client's keys could not be had is in the log and counted: its tokens are refused for it."""

from __future__ import annotations

import time
from collections import Counter

import pytest

from cds_service.errors import Unavailable
from cds_service.hooks.clients.keys import FetchedKeys
from cds_service.wiring.outside import json_fetcher
from fhir_adapters.outbound import Outbound
from tests.fhir_adapters.fixtures import ehr, outbound, running_server, within
from tests.fhir_adapters.misbehaving import Behaviour, Misbehaving, answer, hang
from tests.test_telemetry import Sink, sink, withheld

__all__ = ["ehr", "outbound", "running_server", "sink", "withheld"]


def raw(body: bytes) -> Behaviour:
    async def behave(exchange: object) -> None:
        await exchange.start(200, {"content-type": "application/json"})  # type: ignore[attr-defined]
        await exchange.body(body)  # type: ignore[attr-defined]

    return behave


@pytest.mark.parametrize(
    ("behaviour", "said"),
    [
        (answer({}, 503), {"reason": "server error", "status": 503}),
        (answer({}, 404), {"reason": "not found", "status": 404}),
        (hang, {"reason": "timed out"}),
        (raw(b'{"keys":"M\xfcller"}'), {"reason": "not readable as json"}),
    ],
)
async def test_the_origin_and_the_reason_are_logged_and_counted(
    ehr: Misbehaving,
    outbound: Outbound,
    sink: Sink,
    withheld: Counter[str],
    behaviour: Behaviour,
    said: dict[str, object],
) -> None:
    ehr.on("Keys", behaviour)
    counts: Counter[str] = Counter()
    fetch = json_fetcher(outbound, lambda name: counts.update([name]))
    assert await fetch(f"{ehr.base}/Keys?secret=1", within(0.3)) is None
    (event,) = sink.events()
    assert event["event"] == "keys of a client were not fetched"
    assert event["origin"] == ehr.origin
    assert said.items() <= event.items()
    assert counts == {"client_keys:not fetched": 1}
    assert withheld == {}


async def test_an_address_that_may_not_be_called_says_so(outbound: Outbound, sink: Sink) -> None:
    fetch = json_fetcher(outbound, lambda _name: None)
    assert await fetch("http://other.example.org/jwks", within(0.3)) is None
    (event,) = sink.events()
    assert (event["reason"], event["fault"]) == ("unsafe address", "https required")


async def test_keys_that_come_are_given_and_nothing_is_said(ehr: Misbehaving, outbound: Outbound, sink: Sink) -> None:
    ehr.on("Keys", answer({"keys": []}))
    assert await json_fetcher(outbound, lambda _name: None)(f"{ehr.base}/Keys", within(2)) == {"keys": []}
    assert sink.events() == []


async def test_a_document_without_a_usable_key_says_so(sink: Sink) -> None:
    async def fetched(_url: str, _deadline: float) -> object:
        return {"keys": [{"kty": "oct", "kid": "symmetric", "k": "c2VjcmV0"}]}

    keys = FetchedKeys("https://ehr.example/jwks.json", fetched, time.monotonic)
    with pytest.raises(Unavailable):
        await keys.find("symmetric", within(1))
    (event,) = sink.events()
    assert (event["event"], event["origin"]) == ("no usable key at the address of a client", "https://ehr.example")
