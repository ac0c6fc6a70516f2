"""``/review/texts/{key}``: how a text a model drafts is getting on, for the link of a card. No word of a record or a draft.

The key is a keyed hash that only the card tells (assessments/key.py). As the other pages under ``/review/`` not in production.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Collection, Mapping

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from cds_service.assessments.rows import OPEN, State
from cds_service.db.gateway import DatabaseUnavailable
from cds_service.models.faults import in_words
from cds_service.web.review import pages
from cds_service.web.review.router import HEADERS

PATH = "/review/texts"
LOOK_S = 2.0
AGAIN_S = 5  # a page about something under way loads itself anew
_KEY = re.compile("[0-9a-f]{32}")

Look = Callable[[Collection[str], float], Awaitable[Mapping[str, State]]]


def attach_preparing(app: FastAPI, look: Look) -> None:
    """The page. ``look`` is that of the jobs."""

    async def show(request: Request) -> Response:
        key = request.path_params["key"]
        if not _KEY.fullmatch(key):
            return HTMLResponse(pages.refusal("there is no such text"), 404, headers=HEADERS)
        try:
            found = (await look([key], asyncio.get_running_loop().time() + LOOK_S)).get(key)
        except DatabaseUnavailable as fault:
            return HTMLResponse(pages.refusal(fault.message), 503, headers=HEADERS)
        title, said = told(found)
        again = {"Refresh": str(AGAIN_S)} if found is not None and found.state in OPEN else {}
        return HTMLResponse(pages.preparing(title, said), 200 if found else 404, headers=HEADERS | again)

    app.router.routes.append(Route(f"{PATH}/{{key}}", show, methods=["GET"]))


def told(state: State | None) -> tuple[str, str]:
    """A title, and what it means for who opened the page."""
    if state is None:
        return "Not known", "Nothing is known of this text: it was never begun, or it is older than a day."
    if state.state in OPEN:
        return "Being prepared", "The model is at it. This page looks again by itself every few seconds."
    if state.state == "done":
        return "Ready", "Open the chart again: its card shows what stood up to the record."
    again = " Opening the chart again asks for it anew." if state.state == "shed" else ""
    return (
        "Not prepared",
        f"It could not be prepared: {in_words(state.reason)}.{again} The rules' own card stands as it is.",
    )
