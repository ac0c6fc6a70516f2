"""An answer is used only if it stands up to ``models/trust.py``, whatever engine gave it: a grammar keeps a loop valid."""

from __future__ import annotations

import msgspec

from cds_service.models.engine import Generation, Request
from cds_service.models.trust import accepted
from cds_service.models.wrappers.wrapper import Wrapper


class Trusted(Wrapper):
    """Hands out only what ``accepted`` lets pass."""

    async def generate(self, request: Request) -> Generation:
        """See ``Engine``; a leaf of BadAnswer for an answer that may not be used."""
        generation = await self.inner.generate(request)
        text = accepted(generation.text, generation.finish_reason, request)
        return msgspec.structs.replace(generation, text=text)
