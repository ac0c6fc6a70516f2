"""Bearer tokens for Google Cloud, renewed before they run out, without holding up a request that still has a good one.

google-auth finds the credentials (Application Default Credentials) and talks to Google's token services itself, from a
thread: the metadata server is a link-local address, which our own door rightly never calls. No PHI passes here.
"""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Protocol

from cds_service import telemetry
from cds_service.models.faults import ConnectionFault, EngineFault, EngineRefused, NotAuthorized

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
RENEW_S = 300.0  # left on a token: renewed beside the requests, which still use it
LEAST_S = 30.0  # left on a token: less and a request waits for the new one
PATIENCE_S = 10.0  # of one request to a token service
log = telemetry.log(__name__)


class Credentials(Protocol):
    """What is used of google-auth's credentials."""

    token: str | None
    expiry: datetime | None  # UTC without zone, as google-auth writes it; None: never

    def refresh(self, request: Any) -> None:
        """Blocking; a google.auth.exceptions.GoogleAuthError when it fails."""
        ...


Source = Callable[[], tuple[Credentials, Any]]  # blocking; credentials and the transport they refresh over


def application_default() -> tuple[Credentials, Any]:
    """What Google's own tools would use: a key file, ``gcloud auth application-default login``, or the machine's identity."""
    import google.auth
    from google.auth.transport.requests import Request

    class Bounded(Request):
        """A token service that hangs is left after ``PATIENCE_S``, not after google-auth's two minutes."""

        def __call__(self, url: str, method: str = "GET", body: Any = None, headers: Any = None,
                     timeout: Any = PATIENCE_S, **options: Any) -> Any:  # fmt: skip
            return super().__call__(url, method, body, headers, timeout, **options)  # type: ignore[no-untyped-call]

    transport = Bounded()
    credentials, _project = google.auth.default(scopes=[SCOPE], request=transport)
    return credentials, transport


class GoogleToken:
    """The Authorization header of each request."""

    def __init__(self, source: Source = application_default) -> None:
        self._source = source
        self._held: tuple[Credentials, Any] | None = None
        self._renewing: asyncio.Task[None] | None = None

    async def headers(self) -> Mapping[str, str]:
        """``Authorization: Bearer …``; NotAuthorized, ConnectionFault or EngineRefused when there is no token."""
        left = self._left()
        if left < RENEW_S and self._renewing is None:
            self._renewing = asyncio.create_task(self._renew(), name="renewal of a Google token")
            self._renewing.add_done_callback(self._renewed)
        if left < LEAST_S and self._renewing is not None:
            await asyncio.shield(self._renewing)  # a caller that goes away does not stop it for the others
        if self._held is None or not self._held[0].token:
            raise NotAuthorized("Google gave no token; renew the credentials")
        return {"Authorization": f"Bearer {self._held[0].token}"}

    def _left(self) -> float:
        """Seconds the token still has."""
        if self._held is None or not self._held[0].token:
            return 0.0
        expiry = self._held[0].expiry
        return RENEW_S if expiry is None else (expiry.replace(tzinfo=UTC) - datetime.now(UTC)).total_seconds()

    async def _renew(self) -> None:
        if importlib.util.find_spec("google") is None or importlib.util.find_spec("google.auth") is None:
            raise EngineRefused("google-auth is not installed; pip install 'medgemma-cds[vertex]'")
        await asyncio.to_thread(self._refresh)

    def _refresh(self) -> None:
        """In a thread. google-auth's words are not repeated: they may hold parts of a key."""
        from google.auth import exceptions

        try:
            self._held = self._held or self._source()
            credentials, transport = self._held
            credentials.refresh(transport)
        except exceptions.DefaultCredentialsError:
            raise NotAuthorized(
                "no Google credentials were found; set GOOGLE_APPLICATION_CREDENTIALS or run where a service account is"
            ) from None
        except exceptions.TransportError:
            raise ConnectionFault("Google's token service could not be reached") from None
        except exceptions.GoogleAuthError as fault:
            if fault.retryable:
                raise ConnectionFault("Google's token service failed") from None
            raise NotAuthorized("Google refused to renew the token; renew the credentials") from None
        except ImportError:
            raise EngineRefused("a part of google-auth is missing; pip install 'google-auth[requests]'") from None

    def _renewed(self, task: asyncio.Task[None]) -> None:
        self._renewing = None
        if task.cancelled():
            return
        fault = task.exception()
        if fault is not None:  # those that waited are told; for those that did not, the next request tries again
            log.warning("token not renewed", reason=fault.reason if isinstance(fault, EngineFault) else "failed")
