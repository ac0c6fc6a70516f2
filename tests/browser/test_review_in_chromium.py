"""A draft reviewed by hand in a real browser: read, accepted, withdrawn with a reason."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import Page

from cds_service.commands.calling import Caller
from cds_service.models import engines
from tests.imaging.image_engines import Probeable
from tests.imaging.test_from_study_to_report import demo as imaging_demo
from tests.imaging.test_from_study_to_report import until

pytestmark = [pytest.mark.integration, pytest.mark.long]


async def fits(page: Page) -> bool:
    """Whether nothing lies outside the window."""
    return bool(await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))


@pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")  # of dbos, about its own query
async def test_a_draft_is_read_accepted_and_withdrawn_by_hand(
    page: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "_bare", lambda _settings, name, _door: Probeable() if name == "image" else None)
    async with imaging_demo(tmp_path, image_engine="in-process") as base, Caller(base) as caller:
        card = await until("TEST WEIGHTS, not a read", caller, base, 60)
        await page.route("**/favicon.ico", lambda route: route.fulfill(status=204))
        await page.goto(f"{base}/review/")
        await page.click("text=Chest radiograph")
        assert page.url == card["links"][0]["url"]
        width = "document.querySelector('figure img').decode().then(() => document.querySelector('figure img').naturalWidth)"
        assert await page.evaluate(width) == 896
        for width in (390, 1280):
            await page.set_viewport_size({"width": width, "height": 900})
            assert await fits(page), width
        await page.click("text=Accept as drafted")
        assert "status preliminary" in await page.inner_text("main")
        assert await page.locator("text=Accept as drafted").count() == 0
        await page.fill("#reason", "The heart is not enlarged.")
        await page.keyboard.press("Enter")  # a new line, no decision
        assert "status preliminary" in await page.inner_text("main")
        await page.click("text=Withdraw from the record")
        said = await page.inner_text("main")
        assert "status entered-in-error" in said
        assert "The heart is not enlarged." in said
        struck = await page.evaluate("getComputedStyle(document.querySelector('.void p')).textDecorationLine")
        assert struck == "line-through"
        await page.set_viewport_size({"width": 390, "height": 900})
        assert await fits(page)
