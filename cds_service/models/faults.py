"""What can go wrong with an engine, by name. Each leaf is one cause, and ``reason`` names it in metrics and audit.

EngineFault
├── EngineUnavailable          it could not be asked, or it broke: try later
│   ├── NotReady               it is still loading, or its probe has not passed
│   ├── QueueFull              too many requests wait, or this one waited too long: shed
│   ├── BreakerOpen            it failed too often lately and is left alone
│   ├── ConnectionFault        no connection, or it broke: the one fault that is tried again
│   └── ServerFault            it answered 5xx (out of memory, GPU lost)
├── EngineTimeout              the deadline of the request came first
├── EngineRefused              it will not do this, now or later: change the configuration or the request
│   ├── Unsupported            the engine lacks what the request needs
│   ├── NotAuthorized          the key or token was refused
│   ├── UnknownModel           the server does not serve this model
│   └── IgnoresSchema          it answers without regard to the schema
└── BadAnswer                  an answer that may not be used; none of its text leaves the engine
    ├── Truncated              the token limit came before the end
    ├── Empty                  nothing, or blanks
    ├── TooLong                more than was asked for
    ├── Looping                the same words or blanks over and over
    ├── Refusing               the model declines to answer
    ├── WrongLanguage          not English
    ├── NotJson                a schema was given and this is no JSON
    ├── SchemaViolated         JSON, but not under the schema
    ├── StrayTokens            control tokens or hidden characters in the text
    ├── ThinkingUnclosed       a thinking block that never ended
    ├── ImageDropped           the image never reached the model
    └── Unreadable             the envelope is not what this kind of server sends

No message holds a word of a prompt or an answer.
"""

from __future__ import annotations

from collections.abc import Iterator


class EngineFault(Exception):
    """Root. ``reason`` is a stable word for metrics; the message says what to do, without a word of the record.

    ``plain`` says the same to a clinician, who can do nothing about it.
    """

    reason = "fault"
    plain = "the model failed"

    def __init__(self, message: str = "", *, retry_after: float | None = None) -> None:
        super().__init__(message or (self.__class__.__doc__ or "").split("\n", 1)[0])
        self.retry_after = retry_after  # seconds, where the engine said so

    @property
    def message(self) -> str:
        """Why, in words."""
        return str(self.args[0])


class EngineUnavailable(EngineFault):
    """The engine cannot be asked now; the answer goes without it and a job asks again."""

    reason = "unavailable"
    plain = "the model could not be reached"


class NotReady(EngineUnavailable):
    """The engine is still loading or was not probed yet; wait, medgemma-cds doctor says how it stands."""

    reason = "not_ready"


class QueueFull(EngineUnavailable):
    """Too many requests wait for the engine; raise CDS_JOB_SLOTS if it can take more at once, or give it more hardware."""

    reason = "queue_full"


class BreakerOpen(EngineUnavailable):
    """The engine failed too often lately and is left alone for a while."""

    reason = "breaker_open"


class ConnectionFault(EngineUnavailable):
    """No connection to the engine, or it broke; check that it runs and its address."""

    reason = "connection"


class ServerFault(EngineUnavailable):
    """The engine's server failed; see its log (out of memory, GPU lost)."""

    reason = "server_error"
    plain = "the model's server failed"


class EngineTimeout(EngineFault):
    """The deadline came before the answer."""

    reason = "timeout"
    plain = "the model did not answer in time"


class EngineRefused(EngineFault):
    """The engine will not do this; change the configuration or the request."""

    reason = "refused"
    plain = "the model cannot be asked this"


class Unsupported(EngineRefused):
    """The engine was asked for something its capabilities do not list; choose another engine or another request."""

    reason = "unsupported"


class NotAuthorized(EngineRefused):
    """The server refuses our key; set the API key or renew the credentials."""

    reason = "not_authorized"


class UnknownModel(EngineRefused):
    """The server does not serve this model; set the model id to one it lists."""

    reason = "unknown_model"


class IgnoresSchema(EngineRefused):
    """The server answers without regard to the schema; use one that constrains decoding."""

    reason = "ignores_schema"


class BadAnswer(EngineFault):
    """The answer may not be used."""

    reason = "bad_answer"
    plain = "the model's answer could not be used"


class Truncated(BadAnswer):
    """The token limit came before the end of the answer; a cut answer is never read."""

    reason = "truncated"


class Empty(BadAnswer):
    """The engine answered nothing."""

    reason = "empty"


class TooLong(BadAnswer):
    """The engine answered more than it was asked for."""

    reason = "too_long"


class Looping(BadAnswer):
    """The engine repeats itself."""

    reason = "looping"


class Refusing(BadAnswer):
    """The model declines to answer."""

    reason = "refusing"


class WrongLanguage(BadAnswer):
    """The answer is not in English."""

    reason = "wrong_language"


class NotJson(BadAnswer):
    """A schema was given and the answer is no JSON."""

    reason = "not_json"


class SchemaViolated(BadAnswer):
    """The answer is JSON, but not under the schema."""

    reason = "schema_violated"


class StrayTokens(BadAnswer):
    """Control tokens or hidden characters stand in the answer."""

    reason = "stray_tokens"


class ThinkingUnclosed(BadAnswer):
    """A thinking block never ended, so there is no answer."""

    reason = "thinking_unclosed"


class ImageDropped(BadAnswer):
    """The image never reached the model; use a server and a model that take images."""

    reason = "image_dropped"


class Unreadable(BadAnswer):
    """The envelope is not what this kind of server sends; check the profile."""

    reason = "unreadable"


def in_words(reason: str) -> str:
    """``reason`` for a clinician: "the model's answer could not be used (not json)". Other words come back as they are."""
    kind = next((kind for kind in _kinds(EngineFault) if kind.reason == reason), None)
    return reason if kind is None else f"{kind.plain} ({reason.replace('_', ' ')})"


def _kinds(root: type[EngineFault]) -> Iterator[type[EngineFault]]:
    yield root
    for kind in root.__subclasses__():
        yield from _kinds(kind)
