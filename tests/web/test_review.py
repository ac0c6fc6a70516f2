"""The review pages over HTTP: what they show, and that a decision counts only when it comes from the page."""

from __future__ import annotations

import asyncio
import re
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import uvicorn
from pydantic import SecretStr
from starlette.testclient import TestClient

from cds_service import app as composition
from cds_service.drafts.draft import Draft
from cds_service.drafts.drafts import Drafts
from cds_service.settings import Settings
from tests.drafts.reads import read


class Served(NamedTuple):
    client: TestClient
    drafts: Drafts
    draft: Draft


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """The service in demo mode on a real socket (it writes to its own simulator) with one draft."""
    import httpx2

    kept: list[composition.Parts] = []
    made = composition.parts_of

    def parts(settings: Settings) -> composition.Parts:
        kept.append(made(settings))
        return kept[-1]

    monkeypatch.setattr(composition, "parts_of", parts)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        app = composition.create_app(Settings(mode="demo", state_dir=tmp_path, public_url=address))
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, ws="none", timeout_graceful_shutdown=1))
        loops: list[asyncio.AbstractEventLoop] = []

        async def serve() -> None:
            loops.append(asyncio.get_running_loop())
            await server.serve([listener])

        thread = threading.Thread(target=lambda: asyncio.run(serve()))
        thread.start()
        while not server.started:
            time.sleep(0.02)
        hostile = read(limits=("<script>alert(1)</script>",))
        put = kept[0].drafts.put(hostile, patient="demo-pneumonia", study_reference="ImagingStudy/s1", tenant="t")
        draft = asyncio.run_coroutine_threadsafe(put, loops[0]).result(20)
        with httpx2.Client(base_url=address, timeout=60) as client:
            yield Served(client, kept[0].drafts, draft)  # type: ignore[arg-type]
        server.should_exit = True
        thread.join(timeout=10)


def form(page: str, **members: str) -> dict[str, str]:
    hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page))
    return {**hidden, **members}


def test_the_page_says_what_it_is_and_escapes_what_it_shows(served: Served) -> None:
    listing = served.client.get("/review/")
    assert served.draft.id in listing.text
    page = served.client.get(f"/review/{served.draft.id}")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "not reviewed" in page.text
    assert "test weights" in page.text
    assert "<script>" not in page.text
    assert "Consolidation: suggested" in page.text


def test_accepting_on_the_page_files_the_report_and_says_where(served: Served) -> None:
    address = f"/review/{served.draft.id}"
    page = served.client.get(address).text
    answer = served.client.post(address, data=form(page, decision="accept"))
    assert answer.status_code == 303
    shown = served.client.get(address).text
    assert "In the record: DiagnosticReport/" in shown
    assert "status preliminary" in shown
    record = served.client.get("/simulator/fhir/DiagnosticReport?patient=demo-pneumonia&_count=50").json()
    ours = [
        e["resource"]
        for e in record["entry"]
        if e["resource"].get("identifier", [{}])[0].get("value") == served.draft.identifier
    ]
    assert [report["status"] for report in ours] == ["preliminary"]
    assert served.client.post(address, data=form(page, decision="accept")).status_code == 409


def test_a_form_without_its_token_cookie_or_origin_is_refused(served: Served) -> None:
    address = f"/review/{served.draft.id}"
    page = served.client.get(address).text
    assert served.client.post(address, data={"decision": "accept", "version": "1"}).status_code == 403
    foreign = served.client.post(address, data=form(page, decision="accept"), headers={"Sec-Fetch-Site": "cross-site"})
    assert foreign.status_code == 403
    served.client.cookies.clear()
    assert served.client.post(address, data=form(page, decision="accept")).status_code == 403
    assert "Nothing was written" not in served.client.get(address).text


def test_an_unknown_draft_and_an_odd_form_are_refused(served: Served) -> None:
    assert served.client.get("/review/none").status_code == 404
    address = f"/review/{served.draft.id}"
    page = served.client.get(address).text
    assert served.client.post(address, data=form(page, decision="sign")).status_code == 400
    assert served.client.post(address, content=b"x" * 70_000).status_code == 400


def test_production_shows_no_draft_to_anybody_yet(tmp_path: Path) -> None:
    from cds_service.settings import Client

    settings = Settings(
        mode="production",
        state_dir=tmp_path,
        encryption_key=SecretStr("A" * 43 + "="),
        cors_origins=["https://ehr.example.org"],
        clients={"a": Client(issuer="https://ehr.example.org", jwks_url="https://ehr.example.org/jwks")},
    )
    with TestClient(composition.create_app(settings)) as client:
        assert client.get("/review/").status_code == 403
        assert client.get("/review/x").status_code == 403
        assert client.get("/review/x/image").status_code == 403
        assert client.post("/review/x", data={"decision": "accept"}).status_code == 403
