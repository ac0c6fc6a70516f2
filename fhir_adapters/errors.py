"""What can go wrong between us and a FHIR server, by name. Each leaf is one cause.

FhirError
├── NotSent                    refused here, nothing left the house
│   ├── UnsafeAddress          scheme, origin or network address not allowed
│   ├── BreakerOpen            this server failed too often lately; ``retry_after`` says when it is tried again
│   └── TokenExpired           the access token of the call is used up
├── NoAnswer
│   ├── TimedOut               the deadline came first
│   └── Unreachable            no connection, or it broke
├── Refused                    an answer that says no
│   ├── NotPermitted           401, 403
│   ├── NotFound               404
│   ├── Gone                   410
│   ├── Conflict               409, 412: somebody else was there first, or several matched
│   ├── Throttled              429, or 503 with Retry-After; ``retry_after`` seconds
│   ├── BadQuery               any other 4xx
│   ├── ServerError            5xx
│   └── Redirected             3xx to another origin, or too many of them
├── BadBody                    a 2xx whose body cannot be used
│   ├── HtmlBody               a page for people: captive portal, log-in form
│   ├── WrongContentType       neither FHIR JSON nor plain JSON
│   ├── InvalidJson            truncated, NaN, a member twice, byte order mark, not UTF-8
│   ├── TooDeep                nested beyond the cap
│   ├── TooLarge               more bytes than the cap, counted after decompression
│   └── OutcomeError           an OperationOutcome of severity error or fatal in place of data
└── PagingStopped              what was read before it counts
    ├── PagingLoop             a next link seen before
    ├── ForeignNext            a next link to another origin
    └── PagingCap              page, entry or byte cap reached

No message holds an id, a query, a token or a word of the server: ``where`` is a path template (``GET Patient/{id}``).
"""

from __future__ import annotations


class FhirError(Exception):
    """Root. ``status`` is the HTTP status, 0 where none came; ``codes`` are OperationOutcome issue codes."""

    title = "failed"

    def __init__(
        self,
        where: str = "",
        status: int = 0,
        *,
        detail: str = "",
        codes: tuple[str, ...] = (),
        retry_after: float | None = None,
    ) -> None:
        super().__init__(where, status)
        self.where = where
        self.status = status
        self.detail = detail
        self.codes = codes
        self.retry_after = retry_after

    @property
    def reason(self) -> str:
        """Why, in words without the place: ``server error (500)``, ``invalid JSON: a member twice``."""
        status = f" ({self.status})" if self.status >= 300 else ""
        detail = ", ".join(filter(None, (self.detail, *self.codes)))
        return f"{self.title}{status}{': ' if detail else ''}{detail}"

    def __str__(self) -> str:
        return f"{self.where}: {self.reason}" if self.where else self.reason


class NotSent(FhirError):
    """Refused here before anything was sent."""


class UnsafeAddress(NotSent):
    """List the origin in the settings if it is trusted; ``detail`` says which rule it broke."""

    title = "unsafe address"


class BreakerOpen(NotSent):
    """The server is left alone for ``retry_after`` seconds."""

    title = "server left alone after repeated failures"


class TokenExpired(NotSent):
    """No token of this call is valid any more: fetch nothing further."""

    title = "access token expired"


class NoAnswer(FhirError):
    """Nothing usable came back."""


class TimedOut(NoAnswer):
    """The deadline of the call came first."""

    title = "timed out"


class Unreachable(NoAnswer):
    """Connection refused, reset, TLS refused, or not HTTP."""

    title = "unreachable"


class Refused(FhirError):
    """The server answered no."""


class NotPermitted(Refused):
    """The token does not allow this; never read as "none"."""

    title = "not permitted"


class NotFound(Refused):
    """No such resource or type."""

    title = "not found"


class Gone(Refused):
    """The resource was deleted."""

    title = "gone"


class Conflict(Refused):
    """The version moved on, or a conditional create matched several."""

    title = "conflict"


class Throttled(Refused):
    """Ask again after ``retry_after`` seconds, not before."""

    title = "throttled"


class BadQuery(Refused):
    """The server does not accept the query."""

    title = "query refused"


class ServerError(Refused):
    """The server failed; a read may be tried once more."""

    title = "server error"


class Redirected(Refused):
    """Redirects are followed within one origin only, and few of them."""

    title = "redirected elsewhere"


class BadBody(FhirError):
    """Answered, with a body that is not the data asked for."""


class HtmlBody(BadBody):
    """A page for people in place of FHIR."""

    title = "a web page instead of FHIR"


class WrongContentType(BadBody):
    """Neither FHIR JSON nor JSON."""

    title = "wrong content type"


class InvalidJson(BadBody):
    """``detail`` says what is wrong with it."""

    title = "invalid JSON"


class TooDeep(BadBody):
    """Nested beyond the cap."""

    title = "nested too deeply"


class TooLarge(BadBody):
    """Beyond the byte cap."""

    title = "too large"


class OutcomeError(BadBody):
    """``codes`` are the issue codes the server gave."""

    title = "server reported an error"


class PagingStopped(FhirError):
    """There was more; the pages before are good."""


class PagingLoop(PagingStopped):
    """A next link seen before."""

    title = "paging went in a circle"


class ForeignNext(PagingStopped):
    """A next link leads to another server."""

    title = "next page on another server"


class PagingCap(PagingStopped):
    """``detail`` names the cap."""

    title = "more pages than are read"


def for_status(status: int, where: str, *, codes: tuple[str, ...] = (), retry_after: float | None = None) -> Refused:
    """The leaf for an HTTP status of 300 and above."""
    kind: type[Refused]
    if status == 429 or (status == 503 and retry_after is not None):
        kind = Throttled
    elif status >= 500:
        kind = ServerError
    elif status < 400:
        kind = Redirected
    else:
        kind = BY_STATUS.get(status, BadQuery)
    return kind(where, status, codes=codes, retry_after=retry_after)


BY_STATUS: dict[int, type[Refused]] = {
    401: NotPermitted,
    403: NotPermitted,
    404: NotFound,
    409: Conflict,
    410: Gone,
    412: Conflict,
}
