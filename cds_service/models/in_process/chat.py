"""A request as token ids. The frame of the chat comes from the checkpoint's template; what stands inside it is only text.

Frame and text are tokenised apart and their ids joined, for two reasons: a control token written in a record is then never
a control token, and the ids of the fixed part of a prompt are the same whatever follows, so that its keys and values can
be kept.
"""

# mypy: disable-error-code="import-not-found,import-untyped"

from __future__ import annotations

import json
from io import BytesIO
from typing import Any

from msgspec import Struct

from cds_service.models.in_process.wire import Ask

MARK = "\ue000"  # stands for one piece of text in the rendered frame
# added tokens that are mere text: runs of blanks, tags of HTML. All others steer the model.
_PLAIN_TAGS = frozenset((
    "table", "caption", "thead", "tbody", "tfoot", "tr", "th", "td", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote",
    "strong", "em", "b", "i", "u", "s", "sub", "sup", "code", "a", "p", "ul", "ol", "li", "img",
))  # fmt: skip


class Turn(Struct, frozen=True, kw_only=True):
    """Ids of one request. ``fixed`` of them at the start are the same in every call of its prompt."""

    ids: list[int]
    fixed: int
    images: list[bytes]


class Chat:
    """Tokenises requests for one checkpoint."""

    def __init__(self, tokenizer: Any, image_tokens: int = 0) -> None:
        self._tokenizer = tokenizer
        self._plain = _without_control_tokens(tokenizer)
        self._image_tokens = image_tokens
        self.image_id = int(tokenizer.convert_tokens_to_ids(tokenizer.image_token)) if image_tokens else -1
        self._around = sum(len(piece) for piece in self._frame([{"type": "text", "text": MARK}]))

    def text(self, text: str) -> list[int]:
        """Ids of text in which no control token is recognised."""
        return list(self._plain.encode(text, add_special_tokens=False).ids) if text else []

    def count(self, text: str) -> int:
        """Tokens of a prompt with its frame. Touches only what several threads may read at once."""
        return len(self.text(text.rstrip())) + self._around

    def turn(self, ask: Ask) -> Turn:
        """One user turn: images first, each with its label after it, then the prompt."""
        content: list[dict[str, str]] = []
        texts: list[list[int]] = []
        for image in ask.images:
            content.append({"type": "image"})
            if image.label:
                content.append({"type": "text", "text": MARK})
                texts.append(self.text(f"{image.label}\n"))
        content.append({"type": "text", "text": MARK})
        prompt = ask.prompt.rstrip()
        head, tail = self.text(prompt[: ask.fixed]), self.text(prompt[ask.fixed :])
        texts.append([*head, *tail])
        ids: list[int] = []
        for number, frame in enumerate(self._frame(content)):
            ids += frame
            if number < len(texts):
                ids += texts[number]
        after = len(tail) + len(self._frame(content)[-1])
        fixed = len(ids) - after if ask.fixed and not ask.images else 0
        return Turn(ids=ids, fixed=fixed, images=[image.data for image in ask.images])

    def _frame(self, content: list[dict[str, str]]) -> list[list[int]]:
        """Ids before, between and after the pieces of text."""
        rendered = self._tokenizer.apply_chat_template(
            [{"role": "user", "content": content if len(content) > 1 else MARK}],
            tokenize=False,
            add_generation_prompt=True,
        )
        if self._image_tokens:
            names = self._tokenizer
            expanded = f"\n\n{names.boi_token}{names.image_token * self._image_tokens}{names.eoi_token}\n\n"
            rendered = rendered.replace(names.boi_token, expanded)
        return [list(self._tokenizer.encode(piece, add_special_tokens=False)) for piece in rendered.split(MARK)]


def pixels(images: list[bytes], processor: Any) -> Any:
    """Encoded pictures as one tensor (images, 3, height, width)."""
    from PIL import Image

    opened = [Image.open(BytesIO(data)).convert("RGB") for data in images]
    return processor(opened, return_tensors="pt", do_pan_and_scan=False)["pixel_values"]


def _without_control_tokens(tokenizer: Any) -> Any:
    """The same tokenizer without the added tokens that steer the model, special or not (unused94 opens a thinking block)."""
    from tokenizers import Tokenizer

    described = json.loads(tokenizer.backend_tokenizer.to_str())
    described["added_tokens"] = [token for token in described["added_tokens"] if _is_text(token)]
    described["post_processor"] = None
    return Tokenizer.from_str(json.dumps(described))


def _is_text(token: dict[str, Any]) -> bool:
    content = str(token["content"])
    blank = not content.replace("▁", " ").strip()
    return not token["special"] and (blank or content.strip("</>") in _PLAIN_TAGS)
