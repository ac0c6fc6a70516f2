"""Client profiles: what one kind of EHR can take, as data (profiles.toml), picked per call."""

from __future__ import annotations

from msgspec import Struct


class Profile(Struct, frozen=True, kw_only=True):
    """What a client accepts. Sources for each vendor's row stand beside it in profiles.toml."""

    name: str
    deadline_ms: dict[str, int]  # per hook; 'default' for the rest
    selection_behaviors: tuple[str, ...] = ("at-most-one", "any")  # allowed values, preferred first
    actions_per_suggestion: int = 0  # 0: no limit
    suggestion_types: tuple[str, ...] = ()  # resource types accepted in actions; empty: all
    action_types: tuple[str, ...] = ("create", "update", "delete")
    link_types: tuple[str, ...] = ("absolute", "smart")
    app_context: bool = True
    summary_length: int = 139
    detail_length: int = 8000
    max_cards: int = 3
    override_reasons: bool = True
    pending_card: bool = True  # whether "being prepared" is shown as a card

    def deadline(self, hook: str) -> float:
        """Seconds this client gives a hook."""
        return self.deadline_ms.get(hook, self.deadline_ms["default"]) / 1000
