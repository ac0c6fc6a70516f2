"""Sends what ``call`` builds: discovery, prefetch from a FHIR server or a Bundle file, the hook call, the printing."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self
from urllib.parse import parse_qsl, urljoin

import msgspec
from rich.console import Console

from cds_service.commands.call import Ask, Query, build_request, choose
from cds_service.commands.terminal import occasion, print_cards, print_outcome
from cds_service.errors import BadRequest, CdsError, Unavailable
from cds_service.hooks.protocol import Services
from fhir_adapters import errors, json_guard
from fhir_adapters.addresses import Origin, Policy, origin_of
from fhir_adapters.outbound import Outbound

DEFAULT_URL = "http://127.0.0.1:8000"
PATIENCE_S = 30.0
BUNDLE = "bundle"  # the base of links in answers read from a file: nothing is there to follow
JSON = {"Content-Type": "application/json", "Accept": "application/json"}
FHIR = {"Accept": "application/fhir+json"}


class Caller:
    """A CDS client for one service. Its door out knows the service and the FHIR server, and nothing else."""

    def __init__(self, service_url: str, fhir_server: str = "") -> None:
        self._url = service_url.rstrip("/")
        origins = {str(_origin(url)) for url in (service_url, fhir_server) if url}
        self._outbound = Outbound(Policy(operator=origins))
        self._unanswered: dict[str, list[str]] = {}  # why → types of the prefetch

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._outbound.aclose()

    async def services(self) -> Services:
        """The discovery document."""
        status, body = await self._send("GET", f"{self._url}/cds-services", b"", JSON)
        if status != 200:
            raise Unavailable(f"{self._url}/cds-services answered {status}; is it a CDS Hooks service?")
        try:
            return json_guard.decode(body, Services)
        except json_guard.JsonRefused as fault:
            raise Unavailable(f"{self._url}/cds-services is no discovery document: {fault}") from None

    async def post(self, ask: Ask, query: Query | None) -> tuple[int, bytes]:
        """One hook call: status and body as they came."""
        entry = choose(await self.services(), ask)
        body = await build_request(entry, ask, query)
        for why, types in self._unanswered.items():
            _say(f"not prefetched ({why}): {', '.join(dict.fromkeys(types))}")
        return await self._send("POST", f"{self._url}/cds-services/{entry.id}", body, JSON)

    async def call(self, ask: Ask) -> tuple[int, dict[str, Any]]:
        """A hook call with prefetch from the FHIR server of ``ask``."""
        status, body = await self.post(ask, self.fhir(ask.fhir_server) if ask.fhir_server else None)
        return status, msgspec.json.decode(body)

    def fhir(self, base: str) -> Query:
        """Queries against a FHIR server; a refused or failed one is None and left out of the prefetch."""

        async def query(path: str) -> bytes | None:
            try:
                status, body = await self._send("GET", urljoin(f"{base}/", path), b"", FHIR)
            except Unavailable as error:
                self._unanswered.setdefault(error.message, []).append(path.split("?")[0])
                return None
            if status != 200:
                self._unanswered.setdefault(f"{base} answered HTTP {status}", []).append(path.split("?")[0])
            return body if status == 200 else None

        return query

    async def _send(self, method: str, url: str, content: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        deadline = asyncio.get_running_loop().time() + PATIENCE_S
        try:
            reply = await self._outbound.request(method, url, content=content, headers=headers, deadline=deadline)
        except errors.FhirError as error:
            raise Unavailable(f"no answer from {origin_of(url)}: {error}") from None
        return reply.status, reply.body


def _origin(url: str) -> Origin:
    try:
        return origin_of(url)
    except errors.UnsafeAddress as fault:
        raise BadRequest(f"'{url}' is no address ({fault.detail}); write it like http://127.0.0.1:8000") from None


def from_bundle(path: Path) -> Query:
    """Queries answered from a Bundle file, by the simulator's own search."""
    from cds_service.web.simulator.exchange import Request
    from cds_service.web.simulator.interactions import FhirServer
    from cds_service.web.simulator.outcome import FhirError
    from cds_service.web.simulator.store import Store

    store = Store()
    try:
        store.load(path.read_bytes())
    except FhirError as fault:
        raise BadRequest(f"{path}: {fault.diagnostics}") from None
    server = FhirServer(store)

    async def query(asked: str) -> bytes | None:
        path, _, parameters = asked.partition("?")
        pairs = parse_qsl(parameters, keep_blank_values=True)
        reply = server.respond(Request(method="GET", path=f"/{path}", query=pairs), f"file:///{BUNDLE}")
        return reply.body if reply.status == 200 else None

    return query


async def run(ask: Ask, *, service_url: str, bundle: Path | None, prefetch: bool, as_json: bool) -> int:
    """The command: 0 when cards (or a truthful empty answer) came, 1 otherwise."""
    async with AsyncExitStack() as stack:
        url = service_url or await stack.enter_async_context(service_at_hand())
        if not (ask.fhir_server or bundle):
            ask = msgspec.structs.replace(ask, fhir_server=f"{url}/simulator/fhir")
        caller = await stack.enter_async_context(Caller(url, ask.fhir_server))
        query = None
        if prefetch:
            query = from_bundle(bundle) if bundle else caller.fhir(ask.fhir_server)
        status, body = await caller.post(ask, query)
    if as_json:
        sys.stdout.buffer.write(body)
        sys.stdout.buffer.flush()
    else:
        _print(status, body, ask)
    return 0 if status == 200 else 1


def _print(status: int, body: bytes, ask: Ask) -> None:
    console = Console()
    try:
        answer = json_guard.decode(body)
    except json_guard.JsonRefused:
        answer = {}
    if status == 200:
        print_cards(answer, console, title=f"{occasion(ask.hook)} · patient {ask.patient}")
    else:
        print_outcome(status, answer, console)


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


@asynccontextmanager
async def service_at_hand() -> AsyncIterator[str]:
    """The service on the usual address, or one started for this call when none answers there."""
    try:
        async with Caller(DEFAULT_URL) as caller:
            await caller.services()
    except CdsError:
        from cds_service.commands.embedded import embedded

        _say(f"no service answers on {DEFAULT_URL}: one is started for this call")
        with TemporaryDirectory(prefix="medgemma-cds-") as state:
            async with embedded(Path(state)) as url:
                yield url
    else:
        yield DEFAULT_URL
