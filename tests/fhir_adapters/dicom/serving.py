"""An ASGI application on a loopback port for the length of a test, and one that answers what it is told."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from fhir_adapters.addresses import Policy, origin_of
from fhir_adapters.outbound import Outbound


@contextmanager
def serving(app: Any) -> Iterator[str]:
    """The base URL."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        thread.join(10)


def door(base: str) -> Outbound:
    """An Outbound that may call this origin."""
    return Outbound(Policy(operator=[str(origin_of(base))]))


class Scripted:
    """``answers``: path (without query) to (status, content type, body, headers …) or a list of these in turn."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {}
        self.asked: list[tuple[str, str, str]] = []  # path, query, Accept

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        headers = dict(scope["headers"])
        self.asked.append((scope["path"], scope["query_string"].decode(), headers.get(b"accept", b"").decode()))
        answer = self.answers.get(scope["path"], (404, "text/plain", b""))
        if isinstance(answer, list):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        status, kind, body, *more = answer(scope["query_string"].decode()) if callable(answer) else answer
        headers = [(b"content-type", kind.encode()), *more]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})
