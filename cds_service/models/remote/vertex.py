"""The ``vertex`` engine: MedGemma behind a Vertex AI endpoint, over its prediction routes or its OpenAI route.

``predict`` wraps the chat body in ``instances`` and answers with ``predictions`` (one instance: an object, several: a list);
``rawPredict`` takes and gives the bare body. Google's MedGemma container validates the body strictly: it knows neither
``response_format`` nor ``stream``, tells no ``finish_reason``, and reports its failures inside HTTP 200
(github.com/Google-Health/medgemma, python/serving). Pixels travel as data URLs, never as DICOMweb addresses: so no archive
credential (``access_credential``) ever leaves for Google.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

import msgspec
from msgspec import Struct

from cds_service.errors import ConfigurationError
from cds_service.models.faults import EngineRefused, ServerFault, Unreadable
from cds_service.models.remote.openai import Choice, Completion, Plain, Tokens
from fhir_adapters import json_guard

_ADDRESS = re.compile(
    r"(?:(?P<origin>https?://[^/\s]+)(?:/v1|/v1beta1)?/)?"
    r"(?P<resource>projects/[\w.:-]+/locations/(?P<region>[a-z0-9-]+)/endpoints/[\w-]+)/?",
    re.ASCII,
)
_LOOPBACK = re.compile(r"http://(?:127\.0\.0\.1|localhost|\[::1\])(?::\d+)?")
EXPECTED = (
    "projects/PROJECT/locations/REGION/endpoints/ID for a shared endpoint, "
    "or https://DEDICATED-DNS/projects/PROJECT/locations/REGION/endpoints/ID"
)


class Endpoint(Struct, frozen=True):
    """Where a deployed model answers."""

    origin: str  # 'https://ID.REGION-PROJECT.prediction.vertexai.goog', or the region's shared one
    resource: str  # 'projects/…/locations/…/endpoints/…'


def endpoint(address: str) -> Endpoint:
    """Of a resource name or a full URL; ConfigurationError says which forms there are.

    A dedicated endpoint answers under its own DNS name alone. https is required: the request carries a Google token.
    """
    match = _ADDRESS.fullmatch(address)
    if match is None:
        raise ConfigurationError(f"this is no address of a Vertex AI endpoint; write {EXPECTED}")
    origin = match["origin"] or f"https://{match['region']}-aiplatform.googleapis.com"
    if origin.startswith("http:") and not _LOOPBACK.fullmatch(origin):
        raise ConfigurationError("a Vertex AI endpoint is called over https")
    return Endpoint(origin, match["resource"])


def openai_route(address: str) -> Plain:
    """The route of the stock vLLM container that speaks OpenAI's own protocol."""
    found = endpoint(address)
    return Plain(f"{found.origin}/v1beta1/{found.resource}")


class Predicting:
    """``…:predict`` and ``…:rawPredict``."""

    def __init__(self, address: str, route: Literal["predict", "raw-predict"]) -> None:
        found = endpoint(address)
        self._wrapped = route == "predict"
        self._url = f"{found.origin}/v1/{found.resource}:{'predict' if self._wrapped else 'rawPredict'}"

    def url(self) -> str:
        """Absolute."""
        return self._url

    def wrap(self, body: Mapping[str, Any]) -> bytes:
        """The bytes to send."""
        return msgspec.json.encode({"instances": [body]} if self._wrapped else body)

    def unwrap(self, body: bytes) -> Completion:
        """The one completion in an answer. An error in it: EngineRefused for the request's form, else ServerFault."""
        try:
            answer = self._answer(body)
        except json_guard.JsonRefused:
            raise Unreadable from None
        _refuse(answer.error)
        if answer.choices is None:
            raise Unreadable
        return Completion(answer.choices, answer.usage)

    def _answer(self, body: bytes) -> _Answer:
        if not self._wrapped:
            return json_guard.decode(body, _Answer)
        wrapped = json_guard.decode(body, _Wrapped)
        _refuse(wrapped.error)
        return _only(wrapped.predictions)


class _Failure(Struct, frozen=True):
    """What the container says of a failure of its model; its words are not repeated."""

    message: str = ""


class _Answer(Struct, frozen=True):
    """A completion, or why there is none."""

    choices: list[Choice] | None = None
    usage: Tokens | None = None
    error: _Failure | str | None = None


class _Wrapped(Struct, frozen=True):
    """What ``predict`` answers."""

    predictions: _Answer | list[_Answer] | None = None
    error: _Failure | str | None = None


def _only(predictions: _Answer | list[_Answer] | None) -> _Answer:
    """The prediction of our one instance, whichever way the endpoint writes one."""
    if isinstance(predictions, _Answer):
        return predictions
    if not predictions or len(predictions) != 1:
        raise Unreadable("the endpoint answered one instance with another number of predictions")
    return predictions[0]


def _refuse(error: _Failure | str | None) -> None:
    """A bare string is the container's word for a body that breaks its schema; an object, for a model that failed."""
    if isinstance(error, str):
        raise EngineRefused("the container does not accept the request; check the profile and the container's version")
    if error is not None:
        raise ServerFault("the container reports that the model failed; see the endpoint's log")
