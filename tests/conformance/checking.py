"""What the specification says of every card, as one walk over a response."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

Json = dict[str, Any]


def empty_values(value: object, path: str = "$", allowed: tuple[str, ...] = ("$.cards", "$.services")) -> list[str]:
    """Paths of nulls and of empty strings, arrays and objects (rows T2, T3), but for the two that may be empty."""
    if value in (None, "") or (value in ([], {}) and path not in allowed):
        return [path]
    found: list[str] = []
    if isinstance(value, dict):
        for name, member in value.items():
            found += empty_values(member, f"{path}.{name}", allowed)
    elif isinstance(value, list):
        for number, member in enumerate(value):
            found += empty_values(member, f"{path}[{number}]", allowed)
    return found


def is_absolute(url: str) -> bool:
    """An http(s) address with a host."""
    parts = urlsplit(url)
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def check_response(response: Json) -> list[Json]:
    """Rows A1, C1–C9, G1–G6 and Y1 on a whole response; its cards."""
    assert set(response) == {"cards"}
    assert empty_values(response) == []
    cards: list[Json] = response["cards"]
    for card in cards:
        check_card(card)
    uuids = [card["uuid"] for card in cards] + [s["uuid"] for card in cards for s in card.get("suggestions", [])]
    assert len(uuids) == len(set(uuids))
    return cards


def check_card(card: Json) -> None:
    """One card."""
    assert 0 < len(card["summary"]) < 140
    assert card["indicator"] in ("info", "warning", "critical")
    UUID(card["uuid"])
    check_source(card["source"])
    assert isinstance(card.get("detail", ""), str)
    assert ("suggestions" in card) == ("selectionBehavior" in card)
    recommended = 0
    for suggestion in card.get("suggestions", []):
        check_suggestion(suggestion)
        recommended += suggestion.get("isRecommended", False)
    if card.get("suggestions"):
        assert card["selectionBehavior"] in ("at-most-one", "any")
        assert recommended <= 1 or card["selectionBehavior"] == "any"
    for reason in card.get("overrideReasons", []):
        assert reason["code"]
        assert reason["system"]
        assert reason["display"]
    for link in card.get("links", []):
        check_link(link)


def check_source(source: Json) -> None:
    """Rows C3 and C4."""
    assert source["label"]
    for name in ("url", "icon"):
        assert name not in source or is_absolute(source[name])
    if "topic" in source:
        assert source["topic"]["code"].isalnum()
        assert source["topic"]["system"]


def check_suggestion(suggestion: Json) -> None:
    """Rows G1–G5."""
    assert suggestion["label"]
    UUID(suggestion["uuid"])
    assert "actionSelectionBehavior" not in suggestion
    for action in suggestion.get("actions", []):
        assert action["description"]
        if action["type"] == "delete":
            assert "resource" not in action
            assert "/" in action["resourceId"]
        else:
            assert action["type"] in ("create", "update")
            assert action["resource"]["resourceType"]
            assert "resourceId" not in action


def check_link(link: Json) -> None:
    """Row C9."""
    assert link["label"]
    assert is_absolute(link["url"])
    assert link["type"] in ("absolute", "smart")
    assert "appContext" not in link or link["type"] == "smart"
    assert isinstance(link.get("autolaunchable", False), bool)
