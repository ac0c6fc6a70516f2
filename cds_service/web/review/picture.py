"""``/review/{draft}/image``: what the model was shown, fetched and made again, the boxes of the read drawn. Never stored."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from starlette.responses import Response

from cds_service.drafts.draft import Draft
from cds_service.errors import BadRequest, CdsError, Unavailable
from cds_service.imaging.seen import Refused
from cds_service.imaging.viewer import Viewer

PATIENCE_S = 20.0
PASSING = frozenset(
    {"unavailable", "web-page", "bad-answer", "bad-multipart", "decoder-died", "decoder-timeout", "decoder-memory"}
)  # refusals another attempt may not meet


class NoPicture(CdsError):
    """There is nothing to show; the message says why."""

    status = 404
    code = "not-found"


async def picture(viewer: Viewer | None, draft: Draft, number: str, headers: Mapping[str, str]) -> Response:
    """The instance of the read with this number, counted from 1, as PNG, a slice of a volume as JPEG.

    Raises BadRequest for no number, NoPicture where the read names no such image or it is refused now, Unavailable
    where the archive or the decoder does not answer.
    """
    if not number.isdecimal() or len(number) > 4:
        raise BadRequest("number is the image's place in the list, counted from 1")
    place = int(number) - 1
    if not 0 <= place < len(draft.read.instances):
        raise NoPicture("the read names no such image")
    if viewer is None:
        raise NoPicture("imaging is switched off: no picture can be made")
    instance = draft.read.instances[place]
    seen = await viewer.instance(
        instance.study_uid,
        instance.series_uid,
        instance.instance_uid,
        frame=instance.frame,
        patient_check=None,  # the read was made of this very object after its check
        deadline=asyncio.get_running_loop().time() + PATIENCE_S,
        archive=draft.read.archive,
        of_volume=len(draft.read.instances) > 1,
        boxes=tuple(box for box in draft.read.boxes if box.instance == place),
    )
    if isinstance(seen, Refused):
        fault = Unavailable if seen.code in PASSING else NoPicture
        raise fault(f"the image cannot be shown: {seen.reason}")
    return Response(seen.images[0].data, media_type=seen.images[0].media_type, headers=dict(headers))
