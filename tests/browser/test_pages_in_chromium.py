"""What a person sees of the simulator, in a real browser."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from playwright.async_api import Page

pytestmark = pytest.mark.integration


async def test_the_simulator_page_lists_every_demo_patient_and_fits_the_window(page: Page, demo: str) -> None:
    await page.goto(f"{demo}/simulator/")
    assert await page.get_by_text("demo-sepsis").first.is_visible()
    text = await page.inner_text("body")
    for patient in ("demo-aki-contrast", "demo-pneumonia", "demo-healthy", "demo-many"):
        assert patient in text
    assert await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


class BlankPage(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><link rel=icon href='data:,'><title>client</title>")

    def log_message(self, *_: object) -> None:
        """Nothing to say."""


@pytest.fixture
def elsewhere() -> Iterator[str]:
    """A page of another origin than the service's."""
    with HTTPServer(("127.0.0.1", 0), BlankPage) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


async def test_a_browser_client_of_another_origin_calls_a_service(page: Page, demo: str, elsewhere: str) -> None:
    """What the CDS Hooks Sandbox does: discovery, then a hook call, cross-origin, read by script (checklist row T5)."""
    await page.goto(elsewhere)
    cards = await page.evaluate(
        """async (base) => {
            const services = (await (await fetch(base + '/cds-services')).json()).services;
            const service = services.find((each) => each.id === 'patient-summary');
            const answer = await fetch(base + '/cds-services/' + service.id, {
                method: 'POST',
                headers: {'Content-Type': 'application/json', 'Accept': 'application/json'},
                body: JSON.stringify({
                    hook: service.hook, hookInstance: crypto.randomUUID(),
                    fhirServer: base + '/simulator/fhir',
                    context: {userId: 'Practitioner/demo-practitioner', patientId: 'demo-sepsis'},
                }),
            });
            return (await answer.json()).cards;
        }""",
        demo,
    )
    assert cards[0]["indicator"] == "critical"
    assert "NEWS2" in cards[0]["summary"]
