"""An OpenAI-style server on loopback that answers as a test says: well, badly, late, or not at all."""

from __future__ import annotations

import json
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

import uvicorn
from msgspec import Struct, field

Send = Callable[[dict[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[dict[str, Any]]]


class Listening(Protocol):
    """An ASGI application that is told its address."""

    url: str

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """One request."""
        ...


S = TypeVar("S", bound=Listening)


class Server(Struct):
    """``content`` makes an answer's text of a request body; the rest misbehaves."""

    content: Callable[[dict[str, Any]], str]
    finish: str | None = "stop"
    listed: str = "tiny"  # the model it serves
    context: int = 0  # tokens it says it can hold; 0: it does not say
    status: int = 200
    hang: bool = False
    cut: bool = False  # close in mid-answer
    cuts_left: int = 0  # of the next requests
    bodies: list[dict[str, Any]] = field(default_factory=list)
    gone: threading.Event = field(default_factory=threading.Event)  # a client hung up while it waited
    url: str = ""

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        raw = b""
        while True:
            message = await receive()
            raw += message.get("body", b"")
            if not message.get("more_body"):
                break
        if scope["path"].endswith("/models"):
            told = {"max_model_len": self.context} if self.context else {}
            await reply(send, 200, {"data": [{"id": "another", "max_model_len": 7}, {"id": self.listed, **told}]})
        elif scope["method"] == "POST":
            await self._complete(json.loads(raw), receive, send)
        else:
            await reply(send, 200, {})

    async def _complete(self, body: dict[str, Any], receive: Receive, send: Send) -> None:
        asked = json.dumps(body["messages"])
        probe = "Name a word and a number." in asked or "Answer A or B." in asked
        if not probe:
            self.bodies.append(body)
        if self.hang and not probe:
            while (await receive())["type"] != "http.disconnect":
                pass
            self.gone.set()
            return
        if not probe and (self.cut or self.cuts_left):
            self.cuts_left = max(self.cuts_left - 1, 0)
            headers = [(b"content-type", b"application/json"), (b"content-length", b"1000")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": b"{", "more_body": True})
            return
        if self.status != 200 and not probe:
            await reply(send, self.status, {"error": {"message": "secret words of the prompt"}})
            return
        text = obedient(body) if probe else self.content(body)
        choice = {"message": {"role": "assistant", "content": text}, "finish_reason": "stop" if probe else self.finish}
        await reply(send, 200, {"choices": [choice], "usage": {"prompt_tokens": 9, "completion_tokens": 5}})


def obedient(body: dict[str, Any]) -> str:
    """The least document under the schema of a body."""
    wrapped = body.get("response_format", {}).get("json_schema", {}).get("schema")
    return json.dumps(least(wrapped), separators=(",", ":")) if wrapped else "Hello, how are you?"


def least(schema: dict[str, Any]) -> Any:
    """The least value under a schema."""
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema["type"]
    if kind == "object":
        return {name: least(child) for name, child in schema["properties"].items()}
    return {"string": "x", "integer": schema.get("minimum", 0), "boolean": True, "array": []}[kind]


async def reply(send: Send, status: int, body: Any) -> None:
    """A whole JSON answer."""
    payload = json.dumps(body).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(payload)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": payload})


@contextmanager
def serving(server: S) -> Iterator[S]:
    """The server on a free port, in a thread of its own."""
    config = uvicorn.Config(server, host="127.0.0.1", port=0, log_config=None, lifespan="off")  # type: ignore[arg-type]
    running = uvicorn.Server(config)
    thread = threading.Thread(target=running.run, daemon=True)
    thread.start()
    while not running.started:
        threading.Event().wait(0.01)
    server.url = f"http://127.0.0.1:{running.servers[0].sockets[0].getsockname()[1]}"
    try:
        yield server
    finally:
        running.should_exit = running.force_exit = True
        thread.join(5)
