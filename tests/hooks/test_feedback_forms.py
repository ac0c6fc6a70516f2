"""The forms in which clients send override reasons, from the wire to the row."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cds_service.hooks.feedback import parse
from cds_service.hooks.ledger import read_words
from tests.hooks.ledger_fixtures import TENANT, House, call, card, finding

REASON = {"code": "will-monitor", "system": "urn:x", "display": "Will monitor"}
EPIC = "com.epic.cdshooks.feedback.overrideReason."
LOCAL = {
    f"{EPIC}reasonCategory": "45",
    f"{EPIC}reasonDisplay": "Not met",
    f"{EPIC}reasonTitle": "Does not meet criteria",
}


@pytest.mark.parametrize(
    ("given", "codes", "displays"),
    [
        ({"overrideReason": {"reason": REASON}}, ["will-monitor"], {"will-monitor": "Will monitor"}),
        ({"overrideReasons": {"reason": REASON}}, ["will-monitor"], {"will-monitor": "Will monitor"}),
        ({"overrideReasons": [{"reason": REASON}]}, ["will-monitor"], {"will-monitor": "Will monitor"}),
        ({"overrideReason": REASON}, ["will-monitor"], {"will-monitor": "Will monitor"}),
        ({"overrideReasons": {"extension": LOCAL}}, ["45"], {"45": "Does not meet criteria"}),
        ({"overrideReasons": {"extension": {f"{EPIC}reasonTitle": "Other"}}}, ["other"], {"other": "Other"}),
        ({"overrideReasons": {"extension": ["odd"]}}, [], {}),
        ({}, [], {}),
    ],
)
@pytest.mark.parametrize("batched", [True, False])
async def test_every_form_of_an_override_reason_reaches_the_ledger(
    tmp_path: Path, given: dict[str, Any], codes: list[str], displays: dict[str, str], batched: bool
) -> None:
    house = House(f"sqlite:///{tmp_path / 'cds.sqlite3'}", tmp_path)
    await house.gateway.start()
    issued = card(finding())
    house.ledger.issue(TENANT, call(), [issued])
    entry = {"card": issued.uuid, "outcome": "overridden", "outcomeTimestamp": "2026-05-19T19:44:04Z", **given}
    body = {"feedback": [entry]} if batched else entry
    counts = await house.ledger.settle(TENANT, "order-triage", parse(json.dumps(body).encode()).entries)
    (row,) = await house.rows("feedback", 1)
    assert counts == {"overridden": 1}
    assert [reason["code"] for reason in json.loads(row["reasons"])] == codes
    found = read_words(house.cipher, row["id"], row["words"]).displays if row["words"] else {}
    assert found == displays
    await house.gateway.close()
