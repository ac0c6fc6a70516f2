"""A Vertex AI endpoint on loopback with MedGemma's container behind it, as strict as their documents: built from the
routes of Vertex AI and from the request schema and answers of github.com/Google-Health/medgemma, python/serving.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Literal

import jsonschema
from msgspec import Struct, field

from tests.models.answering_engine import Receive, Send, reply

RESOURCE = "projects/4711/locations/europe-west4/endpoints/mg-endpoint-1"
DEFAULT_LIMIT = 500  # tokens, where the request names none

_TEXT = {
    "type": "object",
    "properties": {"type": {"const": "text"}, "text": {"type": "string"}},
    "required": ["type", "text"],
    "additionalProperties": False,
}
_IMAGE_URL = {
    "type": "object",
    "properties": {
        "type": {"const": "image_url"},
        "image_url": {
            "type": "object",
            "properties": {"url": {"type": "string", "pattern": "^(https?:|data:)"}},
            "required": ["url"],
            "additionalProperties": False,
        },
    },
    "required": ["type", "image_url"],
    "additionalProperties": False,
}
_NUMBERS = (
    "temperature", "top_p", "min_p", "frequency_penalty", "presence_penalty", "repetition_penalty",
)  # fmt: skip
_INTEGERS = (
    "max_tokens", "max_completion_tokens", "n", "top_k", "seed", "best_of", "min_tokens", "truncate_prompt_tokens",
)  # fmt: skip
_FLAGS = (
    "ignore_eos", "skip_special_tokens", "spaces_between_special_tokens", "include_stop_str_in_output",
    "add_generation_prompt",
)  # fmt: skip
REQUEST = {
    "type": "object",
    "properties": {
        "@requestFormat": {"const": "chatCompletions"},
        "model": {"type": "string"},
        "messages": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "properties": {
                    "role": {"enum": ["system", "user", "assistant"]},
                    "content": {
                        "anyOf": [{"type": "string"}, {"type": "array", "items": {"anyOf": [_TEXT, _IMAGE_URL]}}]
                    },
                },
                "required": ["role", "content"],
                "additionalProperties": False,
            },
        },
        "stop": {"type": "string"},
        **{name: {"type": "number"} for name in _NUMBERS},
        **{name: {"type": "integer"} for name in _INTEGERS},
        **{name: {"type": "boolean"} for name in _FLAGS},
    },
    "required": ["messages"],
    "additionalProperties": False,
}


class Endpoint(Struct):
    """``content`` makes an answer's text of a chat body; the rest says how the endpoint behaves."""

    content: Callable[[dict[str, Any]], str]
    shape: Literal["dict", "list"] = "dict"  # of predictions
    failing: bool = False  # the model fails, said inside HTTP 200
    spends: int | None = None  # completion tokens reported; None: the limit less one
    counts: bool = True
    token: str = "good"  # noqa: S105: the one the double takes
    bodies: list[dict[str, Any]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    url: str = ""

    @property
    def address(self) -> str:
        """What an operator would write into the settings."""
        return f"{self.url}/{RESOURCE}"

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        raw, more = b"", True
        while more:
            message = await receive()
            raw, more = raw + message.get("body", b""), message.get("more_body", False)
        path = scope["path"]
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        self.paths.append(path)
        self.tokens.append(headers.get("authorization", "").removeprefix("Bearer "))
        if self.tokens[-1] != self.token:
            await reply(send, 401, {"error": {"code": 401, "status": "UNAUTHENTICATED"}})
        elif path == f"/v1/{RESOURCE}:predict":
            await reply(send, 200, self._predict(json.loads(raw)))
        elif path == f"/v1/{RESOURCE}:rawPredict":
            await reply(send, 200, self._complete(json.loads(raw)))
        else:
            await reply(send, 404, {"error": {"code": 404, "status": "NOT_FOUND"}})

    def _predict(self, body: dict[str, Any]) -> dict[str, Any]:
        if set(body) != {"instances"} or not isinstance(body["instances"], list):
            return {"error": "instances is missing, or something stands beside it"}
        answers = [self._complete(instance) for instance in body["instances"]]
        one = len(answers) == 1 and self.shape == "dict"
        return {"deployedModelId": "1", "model": "m", "predictions": answers[0] if one else answers}

    def _complete(self, body: dict[str, Any]) -> dict[str, Any]:
        try:
            jsonschema.validate(body, REQUEST)
        except jsonschema.ValidationError as fault:
            return {"error": fault.message}
        self.bodies.append(body)
        if self.failing:
            return {"error": {"message": f"secret words of {body['messages']}"[:1024], "object": "error"}}
        limit = body.get("max_tokens", body.get("max_completion_tokens", DEFAULT_LIMIT))
        images = json.dumps(body["messages"]).count('"image_url": {')
        spent = limit - 1 if self.spends is None else self.spends
        usage = {"prompt_tokens": 9 + 260 * images, "completion_tokens": spent, "total_tokens": 9 + spent}
        return {
            "id": "1",
            "object": "chat.completion",
            "created": 0,
            "model": "placeholder",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": self.content(body)}}],
            **({"usage": usage} if self.counts else {}),
        }
