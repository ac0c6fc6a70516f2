"""The error tree of the service. Each leaf says what to do next and which HTTP status it becomes.

CdsError
├── BadRequest            400  the body is not what the specification asks for
│   ├── WrongPatient      400  prefetch holds another patient than the context
│   └── UnsafeAddress     400  fhirServer may not be called from here
├── NotAuthenticated      401  the client's token is missing or was refused (no reason is given)
├── NotAllowed            403  the client is known but may not do this
├── UnknownService        404  no service has this id
├── MissingData           412  required data neither in prefetch nor obtainable
├── BodyTooLarge          413  over CDS_MAX_BODY_BYTES
├── NotJson               415  content type is not JSON
├── TooManyRequests       429  this client floods; Retry-After says when
├── Unavailable           503  overloaded or a needed part is down; Retry-After says when
└── ConfigurationError    —    the service refuses to start
"""

from __future__ import annotations


class CdsError(Exception):
    """Root. ``status`` is the HTTP answer, ``code`` the OperationOutcome issue code (R4 issue-type)."""

    status = 500
    code = "exception"
    claimed = ""  # the issuer of the settings whom a token named, without proof: for the audit log

    def __init__(self, message: str, *, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.retry_after = retry_after


class BadRequest(CdsError):
    """The body breaks the specification; the message names the member to mend."""

    status = 400
    code = "invalid"


class WrongPatient(BadRequest):
    """The prefetch is about another patient than the context; the client must rebuild the request."""

    code = "business-rule"


class UnsafeAddress(BadRequest):
    """An address of the request may not be called; add its origin to CDS_FHIR_ALLOW if it is trusted."""

    code = "security"


class NotAuthenticated(CdsError):
    """A bare 401: the reason goes to the audit log alone (checklist row J7)."""

    status = 401
    code = "login"


class NotAllowed(CdsError):
    """Known client, not permitted."""

    status = 403
    code = "forbidden"


class UnknownService(CdsError):
    """No such service id; GET /cds-services lists them."""

    status = 404
    code = "not-found"


class MissingData(CdsError):
    """Required prefetch keys are absent and could not be fetched; the message names them."""

    status = 412
    code = "required"


class BodyTooLarge(CdsError):
    """Send less: narrow the prefetch, or raise CDS_MAX_BODY_BYTES."""

    status = 413
    code = "too-long"


class NotJson(CdsError):
    """Send ``Content-Type: application/json``."""

    status = 415
    code = "not-supported"


class TooManyRequests(CdsError):
    """This client is over its share; wait ``retry_after`` seconds."""

    status = 429
    code = "throttled"


class Unavailable(CdsError):
    """Overloaded or a needed part is down; wait ``retry_after`` seconds."""

    status = 503
    code = "transient"


class ConfigurationError(CdsError):
    """The service refuses to start; the message names the setting and what to write there."""
