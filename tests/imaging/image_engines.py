"""Doubles for the weights of the image model: an engine that answers by script, well or badly, and keeps what it was asked."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cds_service.models.engine import Capabilities, Generation, Identity, Request, Scores

IDENTITY = Identity(engine="in-process", model="double", revision="1")


class ScriptedEngine:
    """``write`` gives the text for a request, ``lean`` the probability of yes for a finding's name in lower case."""

    def __init__(
        self, write: Callable[[Request], str], lean: Callable[[str], float] = lambda _: 0.01, *, logprobs: bool = True
    ) -> None:
        self.capabilities = Capabilities(schema=True, logprobs=logprobs, images=True, max_images=85)
        self.identity = IDENTITY
        self.asked: list[Request] = []
        self._write = write
        self._lean = lean

    async def generate(self, request: Request) -> Generation:
        self.asked.append(request)
        return Generation(text=self._write(request), finish_reason="stop", identity=IDENTITY)

    async def score_labels(self, request: Request, labels: Sequence[str]) -> Scores:
        self.asked.append(request)
        yes = self._lean(finding_of(request))
        first = yes if "A: yes" in request.prompt else 1 - yes
        return Scores(
            logprobs={labels[0]: math.log(first * 0.98), labels[1]: math.log((1 - first) * 0.98)}, identity=IDENTITY
        )


def finding_of(request: Request) -> str:
    """The finding a request asks about, in lower case; '' for a request about none."""
    for line in request.prompt.splitlines():
        if line.startswith("Finding: "):
            return line.removeprefix("Finding: ")
        if line.startswith("Question: does it show "):
            return line.removeprefix("Question: does it show ").split("?")[0]
    return ""


def finding(
    state: str = "absent", side: str = "none", place: str = "none", seen: str = "As asked.", **more: int
) -> str:
    """An answer of image-report or, with slices, of ct-volume."""
    return json.dumps({"seen": seen, "state": state, "side": side, "place": place, **more})


def by_finding(answers: Mapping[str, str], otherwise: str = "") -> Callable[[Request], str]:
    """Answers by finding; boxes and comparisons are answered soberly."""

    def write(request: Request) -> str:
        properties: dict[str, Any] = dict(request.schema or {})["properties"]
        if "box_2d" in properties:
            left = "left" in request.prompt.rsplit("Where is the", 1)[1]
            box = [150, 550, 850, 900] if left else [150, 100, 850, 450]
            return json.dumps({"seen": "In its place.", "found": True, "box_2d": box})
        if "change" in properties:
            return json.dumps({"seen": "Denser now.", "change": "more"})
        usual = finding(first_slice=0, last_slice=0) if "first_slice" in properties else finding()
        return answers.get(finding_of(request), otherwise or usual)

    return write


class Probeable(ScriptedEngine):
    """The double where the application expects an engine that can be looked at."""

    def __init__(self, *, test_weights: bool = True) -> None:
        right = finding("present", "right", "right lower zone", "Dense right lower zone.")
        super().__init__(by_finding({"consolidation": right}), lambda name: 0.97 if name == "consolidation" else 0.01)
        self.identity = Identity("in-process", "double", "1", test_weights)

    async def probe(self) -> None:
        """Ready."""

    async def aclose(self) -> None:
        """Nothing to let go of."""
