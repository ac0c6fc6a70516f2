"""What the web process and the worker say to each other: msgpack frames, each after its length in four bytes, big-endian."""

from __future__ import annotations

from typing import BinaryIO

import msgspec
from msgspec import Struct

LARGEST = 256 * 1024 * 1024  # bytes of one frame: 85 slices fit many times over


class Load(Struct, frozen=True, tag="load", kw_only=True):
    """First frame to the worker. ``token`` is the user's own hub token, '' for none."""

    model: str
    revision: str = ""
    quantization: str = ""  # '', '8bit', '4bit'
    device: str = "auto"
    threads: int = 0
    token: str = ""
    download: bool = False
    max_batch: int = 16
    window_ms: float = 4.0
    prefixes: int = 8


class Picture(Struct, frozen=True):
    """One encoded image and the words right after it."""

    data: bytes
    label: str = ""


class Ask(Struct, frozen=True, tag="ask", kw_only=True):
    """One request. With ``labels`` it asks for their scores, otherwise for text."""

    id: int
    prompt: str
    fixed: int = 0
    schema: bytes = b""  # JSON
    max_tokens: int = 1024
    images: tuple[Picture, ...] = ()
    labels: tuple[str, ...] = ()
    waiting: bool = False
    stream: bool = False


class Count(Struct, frozen=True, tag="count"):
    """How many tokens this text is as a prompt; answered while the model is at work."""

    id: int
    text: str


class Cancel(Struct, frozen=True, tag="cancel"):
    """Nobody waits for this one any more."""

    id: int


class Progress(Struct, frozen=True, tag="progress"):
    """How far loading is. ``total`` 0: unknown."""

    stage: str
    done: int = 0
    total: int = 0


class Ready(Struct, frozen=True, tag="ready", kw_only=True):
    """The model is loaded."""

    revision: str
    images: bool
    context_tokens: int
    device: str


class NotLoaded(Struct, frozen=True, tag="not-loaded"):
    """Loading failed for good; ``message`` says what to do."""

    message: str


class Working(Struct, frozen=True, tag="working"):
    """The model is at work on what it was asked: a sign of life, said now and then."""


class Piece(Struct, frozen=True, tag="piece"):
    """Some text of an answer that is being made."""

    id: int
    text: str


class Answer(Struct, frozen=True, tag="answer", kw_only=True):
    """A finished answer, or one that was cut at the token limit."""

    id: int
    text: str
    finish_reason: str
    prompt_tokens: int
    completion_tokens: int


class Scored(Struct, frozen=True, tag="scored", kw_only=True):
    """Log-probabilities of the labels, in their order."""

    id: int
    logprobs: tuple[float, ...]
    prompt_tokens: int


class Counted(Struct, frozen=True, tag="counted"):
    """Tokens of a text, the frame of its turn included."""

    id: int
    tokens: int


class Failed(Struct, frozen=True, tag="failed"):
    """This request got no answer. ``kind`` is the name of a leaf of models/faults.py."""

    id: int
    kind: str
    message: str


ToWorker = Load | Ask | Count | Cancel
FromWorker = Progress | Ready | NotLoaded | Working | Piece | Answer | Scored | Counted | Failed

encode = msgspec.msgpack.Encoder().encode
decode_to_worker = msgspec.msgpack.Decoder(ToWorker).decode
decode_from_worker = msgspec.msgpack.Decoder(FromWorker).decode


def framed(message: ToWorker | FromWorker) -> bytes:
    """The message as it goes down a pipe."""
    body = encode(message)
    return len(body).to_bytes(4, "big") + body


def read(stream: BinaryIO) -> bytes | None:
    """The next frame's body; None at the end of the stream."""
    head = stream.read(4)
    if len(head) < 4:
        return None
    size = int.from_bytes(head, "big")
    body = stream.read(size)
    return body if len(body) == size else None
