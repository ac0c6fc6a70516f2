"""Server-sent events of a chat completion, joined into the completion they are parts of.

Nothing is used before the stream has ended: a stream without its end, or with an error in it, is no answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Struct

from cds_service.models.faults import ConnectionFault, ServerFault, Unreadable

DONE = b"[DONE]"


class Delta(Struct, frozen=True):
    """What one event adds to the answer."""

    content: str | None = None
    refusal: str | None = None


class Part(Struct, frozen=True):
    """Of the one choice we ask for."""

    delta: Delta = Delta()
    finish_reason: str | None = None


class Counts(Struct, frozen=True):
    """As the server counts tokens; they come in a last event without a choice."""

    prompt_tokens: int = 0
    completion_tokens: int = 0


class Event(Struct, frozen=True):
    """``chat.completion.chunk``, or an error in the middle of a stream."""

    choices: list[Part] = []
    usage: Counts | None = None
    error: Any = None


class Joined(Struct, frozen=True):
    """The whole answer."""

    content: str
    refusal: str
    finish_reason: str | None
    usage: Counts | None


_decode = msgspec.json.Decoder(Event).decode


def joined(body: bytes) -> Joined:
    """Of all events. ConnectionFault for a stream cut short, ServerFault for an error in it, Unreadable for no stream."""
    content, refusal = [], []
    finish, usage = None, None
    for event in _events(body):
        if event.error is not None:
            raise ServerFault("the server failed in the middle of its answer; see its log")
        usage = event.usage or usage
        for part in event.choices[:1]:
            content.append(part.delta.content or "")
            refusal.append(part.delta.refusal or "")
            finish = part.finish_reason or finish
    return Joined("".join(content), "".join(refusal), finish, usage)


def _events(body: bytes) -> Iterator[Event]:
    found = False
    for line in body.splitlines():
        name, _, data = line.partition(b":")
        if name not in (b"data", b"error") or not (data := data.strip()):
            continue
        found = True
        if name == b"error":
            raise ServerFault("the server failed in the middle of its answer; see its log")
        if data == DONE:
            return
        try:
            yield _decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise Unreadable from None
    if found:
        raise ConnectionFault("the stream of the answer broke before its end")
    raise Unreadable
