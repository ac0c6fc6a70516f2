"""``/review/``: drafts for a person to accept, edit or reject. In production 403 until a SMART session exists.

A decision needs the token of the page it comes from: a keyed hash of a cookie of this browser, the draft and its
version. The cookie is not sent from other sites (SameSite=Strict), and no other site can read the token.
"""

from __future__ import annotations

import hmac
import secrets
from urllib.parse import parse_qs

import msgspec
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from cds_service.drafts.draft import Accept, Decision, Draft, Edit, Person, Reject
from cds_service.drafts.drafts import Drafts
from cds_service.encryption import Cipher
from cds_service.errors import BadRequest, CdsError, NotAllowed
from cds_service.imaging.viewer import Viewer
from cds_service.settings import Mode
from cds_service.web.review import pages
from cds_service.web.review.picture import picture

COOKIE = "cds_review"
MAX_FORM = 64 * 1024
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; img-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
SIMULATED = Person(reference="Practitioner/demo-practitioner", display="Demo, Practitioner")


class Review:
    """The pages and what their forms do."""

    def __init__(
        self, drafts: Drafts, cipher: Cipher, mode: Mode, viewer: Viewer | None = None, *, none_made: str = ""
    ) -> None:
        self._drafts = drafts
        self._none_made = none_made
        self._viewer = viewer
        self._cipher = cipher
        self._mode = mode

    async def listing(self, _request: Request) -> Response:
        """``GET /review/``."""
        try:
            self._person()
            found = await self._drafts.newest()
            return HTMLResponse(pages.listing(found.drafts, self._none_made, found.unopened), headers=HEADERS)
        except CdsError as fault:
            return _refusal(fault)

    async def show(self, request: Request) -> Response:
        """``GET /review/{draft}``."""
        try:
            self._person()
            draft = await self._drafts.get(request.path_params["draft"])
            return _refusal(BadRequest("there is no such draft"), 404) if draft is None else self._page(request, draft)
        except CdsError as fault:
            return _refusal(fault)

    async def image(self, request: Request) -> Response:
        """``GET /review/{draft}/image?number=1``: what the model was shown, the boxes of the read drawn."""
        try:
            self._person()
            draft = await self._drafts.get(request.path_params["draft"])
            if draft is None:
                return _refusal(BadRequest("there is no such draft"), 404)
            return await picture(self._viewer, draft, request.query_params.get("number", "1"), HEADERS)
        except CdsError as fault:
            return _refusal(fault)

    async def decide(self, request: Request) -> Response:
        """``POST /review/{draft}``: back to the page, which says what came of it."""
        own_id = request.path_params["draft"]
        try:
            person = self._person()
            form = await _form(request)
            draft = await self._drafts.get(own_id)
            if draft is None:
                return _refusal(BadRequest("there is no such draft"), 404)
            self._check(request, draft.id, form)
            try:
                await self._drafts.decide(own_id, _decision(form, draft), person)
            except CdsError as fault:
                if fault.status != 409:
                    raise
                newest = await self._drafts.get(own_id) or draft
                return self._page(request, newest, f"Not taken: {fault.message}.", 409)
        except CdsError as fault:
            return _refusal(fault)
        return RedirectResponse(own_id, 303, headers=HEADERS)

    def _person(self) -> Person:
        if self._mode == "production":
            raise NotAllowed("reviewing needs a SMART session, which this version cannot open yet")
        return SIMULATED

    def _page(self, request: Request, draft: Draft, problem: str = "", status: int = 200) -> Response:
        cookie = request.cookies.get(COOKIE, "") or secrets.token_urlsafe(24)
        token = self._token(cookie, draft.id, str(draft.version))
        response = HTMLResponse(pages.page(draft, token, problem), status, headers=HEADERS)
        secure = request.url.scheme == "https"
        response.set_cookie(COOKIE, cookie, path="/review", httponly=True, samesite="strict", secure=secure)
        return response

    def _check(self, request: Request, own_id: str, form: dict[str, str]) -> None:
        cookie, sent = request.cookies.get(COOKIE, ""), form.get("token", "")
        expected = self._token(cookie, own_id, form.get("version", ""))
        foreign = request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none")
        if not cookie or foreign or not hmac.compare_digest(expected.encode(), sent.encode()):
            raise NotAllowed("this form did not come from the review page; open the draft again")

    def _token(self, cookie: str, own_id: str, version: str) -> str:
        return self._cipher.pseudonym("review form", cookie, own_id, version)


def none_made(*, imaging: bool, engine: str) -> str:
    """Why this service makes no draft at all, '' where it does."""
    if not imaging:
        return "Imaging is switched off (CDS_IMAGING)."
    return "No image model is configured (CDS_IMAGE_ENGINE)." if engine == "none" else ""


def attach_review(app: FastAPI, review: Review) -> None:
    """The list, and one page a draft."""
    app.router.routes.append(Route("/review/", review.listing, methods=["GET"]))
    app.router.routes.append(Route("/review/{draft}", review.show, methods=["GET"]))
    app.router.routes.append(Route("/review/{draft}/image", review.image, methods=["GET"]))
    app.router.routes.append(Route("/review/{draft}", review.decide, methods=["POST"]))


async def _form(request: Request) -> dict[str, str]:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MAX_FORM:
            raise BadRequest("the form is too long")
    try:
        return {name: values[0] for name, values in parse_qs(body.decode(), max_num_fields=10).items()}
    except ValueError:
        raise BadRequest("not a form") from None


def _decision(form: dict[str, str], draft: Draft) -> Decision:
    version, chosen = form.get("version", ""), form.get("decision", "")
    number = int(version) if version.isdecimal() and len(version) < 12 else -1
    if chosen == "retry" and draft.decision is not None and number == draft.version:
        return msgspec.structs.replace(draft.decision, version=number)
    if chosen == "accept":
        return Accept(version=number)
    if chosen == "edit":
        return Edit(conclusion=form.get("conclusion", ""), version=number)
    if chosen == "reject":
        return Reject(reason=form.get("reason", ""), version=number)
    raise BadRequest("choose accept, edit or reject")


def _refusal(fault: CdsError, status: int = 0) -> Response:
    return HTMLResponse(pages.refusal(fault.message), status or fault.status, headers=HEADERS)
