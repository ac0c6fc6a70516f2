"""All that a CDS service wants of one patient: prefetch first, then what is missing, in parallel, inside the deadline.

Faults of data and servers never raise: each key comes back with a state that says what was found, or why nothing was.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterable, Mapping
from contextlib import suppress

import msgspec

from fhir_adapters import errors
from fhir_adapters.answers import LARGE_BYTES, serious
from fhir_adapters.client import BARE_PATIENT, RESOURCE_TYPE, FhirClient
from fhir_adapters.read.resources import Resources, read
from fhir_adapters.referenced import KEY, named_only_by_reference
from fhir_adapters.retrieved import Retrieved, State

__all__ = ["Retrieved", "State", "gather"]

SETTLE_S = 0.01  # sub-calls end this much before the deadline, so that each can still say how far it came
UNUSABLE = frozenset({State.FAILED, State.UNREADABLE})  # prefetch like this is asked for again
DENIED = frozenset({"forbidden", "security", "login", "expired", "suppressed"})
STATES: tuple[tuple[type[errors.FhirError], State], ...] = (
    (errors.NotPermitted, State.NOT_PERMITTED),
    (errors.TokenExpired, State.NOT_PERMITTED),
    (errors.Gone, State.GONE),
    (errors.TimedOut, State.TIMED_OUT),
    (errors.InvalidJson, State.UNREADABLE),
    (errors.TooDeep, State.UNREADABLE),
    (errors.WrongContentType, State.UNREADABLE),
)


async def gather(
    prefetch: Mapping[str, msgspec.Raw],
    queries: Mapping[str, str],
    client: FhirClient | None,
    deadline: float,
    drafts: msgspec.Raw | None = None,
) -> dict[str, Retrieved]:
    """One answer per key of ``queries`` (key → resolved query) and per further key of ``prefetch``.

    ``deadline`` is a moment of the event loop's clock; what is ready then is returned, the rest is TIMED_OUT. Drugs that
    the record or ``drafts`` name by reference alone come under the key ``medications-referenced``.
    """
    size = sum(memoryview(raw).nbytes for raw in prefetch.values())
    if size > LARGE_BYTES:
        found = await asyncio.to_thread(_read_prefetch, prefetch, queries)
    else:
        found = _read_prefetch(prefetch, queries)
    if client is None:
        for answer in found.values():
            if _has_next(answer):
                answer.truncated = "more entries exist that were not sent"
        for key in queries.keys() - found.keys():
            found[key] = Retrieved(key=key, resource_type=_type_of(queries[key]), state=State.NOT_ASKED)
    else:
        await _complete(found, queries, client, deadline)
        await _resolve(found, client, deadline, drafts)
    return found


def _read_prefetch(prefetch: Mapping[str, msgspec.Raw], queries: Mapping[str, str]) -> dict[str, Retrieved]:
    found = {}
    for key, raw in prefetch.items():
        resources = read(raw)
        state, detail = classify(resources)
        kind = _type_of(queries.get(key, "")) or next((view.resourceType for view in resources.views), "")
        found[key] = Retrieved(
            key=key,
            resource_type=kind,
            state=state,
            resources=[] if state is State.NONE_REPORTED else [resources],
            origin="prefetch",
            detail=detail,
            truncated=_reported(resources) if state is State.PRESENT else "",
        )
    return found


def classify(found: Resources) -> tuple[State, str]:
    """What one body comes to, and a detail without a word of the server."""
    if found.kind == "null":
        return State.NONE_REPORTED, ""
    if found.views or found.unknown:
        return State.PRESENT, ""
    if codes := serious(found):
        state = State.NOT_PERMITTED if DENIED.intersection(codes) else State.FAILED
        return state, _reported(found)
    if found.faults or found.kind == "not-fhir":
        return State.UNREADABLE, ", ".join(found.faults) or "not a FHIR resource"
    if found.total:
        return State.FAILED, f"{found.total} matches announced, none sent"
    return State.NONE_FOUND, ""


def _reported(found: Resources) -> str:
    codes = serious(found)
    return f"server reported: {', '.join(codes)}" if codes else ""


async def _complete(
    found: dict[str, Retrieved], queries: Mapping[str, str], client: FhirClient, deadline: float
) -> None:
    """Fetch what prefetch left open, all at once."""
    until = deadline - SETTLE_S
    jobs: list[Coroutine[None, None, None]] = []
    asked: dict[str, Retrieved] = {}
    for key, query in queries.items():
        earlier = found.get(key)
        if earlier is None or earlier.state in UNUSABLE:
            asked[key] = answer = Retrieved(
                key=key,
                resource_type=_type_of(query),
                state=State.TIMED_OUT,
                origin="fhir",
                fault=errors.TimedOut.title,
            )
            jobs.append(_ask(answer, client.search(query, deadline=until), query))
        elif _has_next(earlier):
            pages = client.follow(earlier.resources[-1].next, query, deadline=until)
            jobs.append(_continue(earlier, pages))
    for key in found.keys() - queries.keys():
        if _has_next(found[key]):
            found[key].truncated = "more entries exist that were not asked for"
    await _together(jobs, deadline)
    await _ask_again_typed(asked, queries, client, deadline)
    for key, answer in asked.items():
        found[key] = _better(found.get(key), answer)


async def _resolve(
    found: dict[str, Retrieved], client: FhirClient, deadline: float, drafts: msgspec.Raw | None
) -> None:
    """Fetch the Medications that are named by reference alone; what does not come is said, never taken for known."""
    wanted, left = named_only_by_reference(found.values(), drafts)
    if not wanted:
        return
    late = errors.TimedOut.title
    answer = Retrieved(key=KEY, resource_type="Medication", state=State.TIMED_OUT, origin="fhir", fault=late)
    found[KEY] = answer

    async def one(identity: str) -> None:
        try:
            page = await client.read("Medication", identity, deadline=deadline - SETTLE_S)
        except errors.FhirError as fault:
            answer.fault = fault.title
            if answer.state is State.TIMED_OUT:
                answer.state, answer.detail = _state(fault, f"Medication/{identity}"), fault.reason
            return
        answer.resources.append(page)

    await _together((one(identity) for identity in wanted), deadline)
    came = len(answer.resources)
    if came:
        answer.state, answer.detail = State.PRESENT, ""
        lacking = len(wanted) - came + left
        if came == len(wanted):
            answer.fault = ""
        if lacking:
            answer.truncated = f"{lacking} drugs named by reference alone could not be fetched and were not checked"


async def _together(jobs: Iterable[Coroutine[None, None, None]], deadline: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout_at(deadline), asyncio.TaskGroup() as group:
            for job in jobs:
                group.create_task(job)


async def _ask(answer: Retrieved, pages: AsyncIterator[Resources], query: str) -> None:
    """Fill ``answer`` page by page: whenever this is cut short, it says truly what it has."""
    first: tuple[State, str] | None = None
    notes: list[str] = []
    try:
        async for page in pages:
            answer.resources.append(page)
            state, detail = classify(page)
            first = first or (state, detail)
            if state is State.PRESENT:
                answer.state, answer.truncated = state, "further pages did not arrive in time"
            notes += filter(None, [_reported(page)])
        answer.fault = errors.OutcomeError.title if notes else ""
    except errors.FhirError as fault:
        answer.fault = fault.title
        if answer.state is not State.PRESENT:
            answer.state, answer.detail = _state(fault, query), fault.reason
            return
        notes.append(fault.reason)
    if answer.state is not State.PRESENT and first is not None:
        answer.state, answer.detail = first
    answer.truncated = "; ".join(dict.fromkeys(notes)) if answer.state is State.PRESENT else ""


async def _continue(answer: Retrieved, pages: AsyncIterator[Resources]) -> None:
    """Add the further pages of a prefetched Bundle."""
    note, answer.fault = answer.truncated, errors.TimedOut.title
    answer.truncated = (
        f"further pages: {errors.TimedOut.title}"  # said alike whichever of the two deadlines cuts this short
    )
    try:
        async for page in pages:
            answer.resources.append(page)
            note = note or _reported(page)
        answer.fault = ""
    except errors.FhirError as fault:
        answer.fault = fault.title
        note = f"further pages: {fault.reason}"
    answer.truncated = note


async def _ask_again_typed(
    asked: Mapping[str, Retrieved], queries: Mapping[str, str], client: FhirClient, deadline: float
) -> None:
    """Some servers answer ``patient=ID`` with an empty Bundle and want ``patient=Patient/ID``: a chart that is empty in
    every search is asked for once more in that spelling, until the server has shown which one it understands."""
    learned = client.learned
    bare = {key: answer for key, answer in asked.items() if BARE_PATIENT.search(queries[key])}
    if any(answer.state is State.PRESENT for answer in bare.values()) and not learned.typed_references:
        learned.bare_references = True
    empty = [key for key, answer in bare.items() if answer.state is State.NONE_FOUND]
    if learned.bare_references or learned.typed_references or len(empty) < max(len(bare), 2):
        return
    again = {key: msgspec.structs.replace(bare[key], resources=[], state=State.TIMED_OUT) for key in empty}
    until = deadline - SETTLE_S
    await _together(
        (_ask(again[key], client.search_typed(queries[key], deadline=until), queries[key]) for key in empty), deadline
    )
    for key, answer in again.items():
        if answer.state is State.PRESENT:
            learned.typed_references = True
            bare[key].state, bare[key].resources, bare[key].truncated = answer.state, answer.resources, answer.truncated


def _state(fault: errors.FhirError, query: str) -> State:
    if isinstance(fault, errors.OutcomeError) and DENIED.intersection(fault.codes):
        return State.NOT_PERMITTED
    if isinstance(fault, errors.NotFound):
        return State.NONE_FOUND if "/" in query.partition("?")[0] else State.NOT_OFFERED
    return next((state for kind, state in STATES if isinstance(fault, kind)), State.FAILED)


def _better(prefetched: Retrieved | None, fetched: Retrieved) -> Retrieved:
    """The fetched answer, telling also why the prefetched one was no use."""
    if prefetched is not None and fetched.state is not State.PRESENT:
        fetched.detail = "; ".join(filter(None, (fetched.detail, f"prefetch: {prefetched.detail}")))
    return fetched


def _has_next(answer: Retrieved) -> bool:
    return answer.state is State.PRESENT and bool(answer.resources[-1].next)


def _type_of(query: str) -> str:
    match = RESOURCE_TYPE.match(query)
    return match.group() if match else ""
