"""Cards and faults as a person at a terminal sees them."""

from __future__ import annotations

from typing import Any

from rich.console import Console, Group, RenderableType
from rich.markdown import Markdown
from rich.padding import Padding
from rich.panel import Panel
from rich.text import Text

STYLE = {"critical": "bold red", "warning": "yellow", "info": "cyan"}
OCCASIONS = {
    "patient-view": "Opening the chart",
    "encounter-start": "Starting an encounter",
    "order-select": "Selecting an order",
    "order-sign": "Signing orders",
}


def occasion(hook: str) -> str:
    """'Opening the chart (patient-view)': when a client fires a hook, in plain words."""
    return f"{OCCASIONS[hook]} ({hook})" if hook in OCCASIONS else hook


def print_cards(body: dict[str, Any], console: Console, *, title: str, who: str = "") -> None:
    """Every card of a CDS Hooks response, in the order the client would get it. ``who`` stands on each of them."""
    cards = body.get("cards", [])
    console.print()
    console.rule(Text(title, style="bold"), align="left")
    if not cards:
        console.print("No cards: the service looked and has nothing to say.", style="green")
    for card in cards:
        console.print(_panel(card, who))


def _panel(card: dict[str, Any], who: str) -> Panel:
    style = STYLE.get(card["indicator"], "white")
    parts: list[RenderableType] = [Text(card["summary"], style="bold")]
    if detail := card.get("detail"):
        parts += [Text(), Markdown(detail)]
    for suggestion in card.get("suggestions", []):
        actions = "; ".join(a["description"] for a in suggestion.get("actions", []))
        parts += [
            Text(),
            Text(f"▸ Suggestion: {suggestion['label']}", style="bold"),
            Padding(Text(actions), (0, 0, 0, 2)),
        ]
    for link in card.get("links", []):
        parts += [Text(), Text(f"▸ Link: {link['label']} {link['url']}", style="blue")]
    if reasons := card.get("overrideReasons"):
        parts += [Text(), Text(f"Reasons to override: {', '.join(each['display'] for each in reasons)}", style="dim")]
    source = card.get("source", {})
    heading = Text(f" {card['indicator'].upper()} ", style=style)
    heading.append(f"· {who} " if who else "", style="bold")
    return Panel(
        Group(*parts),
        title=heading,
        title_align="left",
        subtitle=Text(source.get("label", ""), style="dim"),
        subtitle_align="right",
        border_style=style.removeprefix("bold "),
        padding=(1, 2),
    )


def print_outcome(status: int, body: dict[str, Any], console: Console) -> None:
    """An OperationOutcome of an error status, one line an issue."""
    issues = body.get("issue") or [{"code": "unknown", "diagnostics": "no OperationOutcome in the body"}]
    for issue in issues:
        text = issue.get("diagnostics") or issue.get("details", {}).get("text", "")
        console.print(f"HTTP {status} {issue.get('code', '')}: {text}", style="red", markup=False)
