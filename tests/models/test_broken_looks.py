"""A server's page that is no JSON, and a probe that breaks: both are told, and looking goes on."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from cds_service.metrics import Metrics
from cds_service.models import engines, standing
from cds_service.models.standing import Standing
from cds_service.settings import Settings
from tests.models.answering_engine import Receive, Send, Server, obedient, serving

LATIN, DEEP = '{"data":[{"id":"m\xfc"}]}'.encode("latin-1"), b'{"data":' + b"[" * 100_000


class Odd(Server, kw_only=True):
    """Lists its models in bytes that are no JSON of ours."""

    page: bytes

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].endswith("/models"):
            await super().__call__(scope, receive, send)
            return
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(self.page)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": self.page})


@pytest.mark.parametrize("page", [LATIN, DEEP], ids=["Latin-1", "deep"])
async def test_a_list_of_models_that_cannot_be_read_is_passed_over(tmp_path: Path, page: bytes) -> None:
    with serving(Odd(obedient, page=page)) as server:
        settings = Settings(state_dir=tmp_path, text_engine="openai", text_base_url=server.url, text_model="tiny")
        async with engines.door(settings) as door:
            built = engines.build(settings, door, Metrics())
            assert built.text is not None
            try:
                assert await built.text.look() == "ready", built.text.why
            finally:
                await built.aclose()


class Breaking:
    """Breaks at the first look, as code of ours may; is well at the second."""

    identity = None
    capabilities = None
    looks = 0

    async def probe(self) -> None:
        self.looks += 1
        if self.looks == 1:
            raise UnicodeDecodeError("utf-8", b"\xe9", 0, 1, "invalid continuation byte")

    async def aclose(self) -> None:
        return


async def test_a_look_that_breaks_is_absence_with_a_reason_and_is_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standing, "FIRST_PAUSE_S", 0.02)
    engine = Standing(Breaking(), "text", Metrics())  # type: ignore[arg-type]
    assert await engine.look() == "absent"
    assert "UnicodeDecodeError" in engine.why
    assert "utf-8" not in engine.why
    assert engine.unready == "the model cannot be reached"

    again = Standing(Breaking(), "text", Metrics())  # type: ignore[arg-type]
    await again.start()
    async with asyncio.timeout(5):
        while again.state != "ready":  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.01)
    await again.aclose()
