"""A small tokenizer built as Gemma 3's is: BPE with byte fallback, control tokens at the same ids, spaces as ▁."""

from __future__ import annotations

import struct
from pathlib import Path

SIZE = 3000
PAD, EOS, BOS, UNK = "<pad>", "<eos>", "<bos>", "<unk>"
TURN, END_OF_TURN = "<start_of_turn>", "<end_of_turn>"
IMAGE_BEGINS, IMAGE_ENDS, IMAGE = "<start_of_image>", "<end_of_image>", "<image_soft_token>"

# ids 0 to 106: unused94 and unused95 come out at 100 and 101, the turn marks at 105 and 106, as in the published vocabulary
HEAD = [PAD, EOS, BOS, UNK, "<mask>", "[multimodal]", *(f"<unused{n}>" for n in range(99)), TURN, END_OF_TURN]
TAIL = [IMAGE_BEGINS, IMAGE_ENDS, IMAGE]
SPECIAL = [PAD, EOS, BOS, UNK, "<mask>", TURN, END_OF_TURN, *TAIL]
BYTES = [f"<0x{n:02X}>" for n in range(256)]

_CONTROL, _UNKNOWN, _USER_DEFINED, _BYTE, _NORMAL = 3, 2, 4, 6, 1  # piece types of the SentencePiece model format


def train(lines: list[str]) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Vocabulary (piece → id) and merges, from the lines."""
    import json

    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

    learner = Tokenizer(models.BPE())
    learner.normalizer = normalizers.Replace(" ", "▁")
    words = Regex(r"▁?\p{L}+|\p{N}|▁+|\n+|[^\p{L}\p{N}▁\n]{1,5}")
    learner.pre_tokenizer = pre_tokenizers.Split(words, behavior="isolated")
    room = SIZE - len(HEAD) - len(BYTES) - len(TAIL)
    learner.train_from_iterator(lines, trainers.BpeTrainer(vocab_size=room, show_progress=False))
    learnt = json.loads(learner.to_str())["model"]
    trained = sorted(learnt["vocab"], key=learnt["vocab"].__getitem__)
    if len(trained) != room:
        raise RuntimeError(f"the corpus gives {len(trained)} pieces, {room} are needed")
    pieces = [*HEAD, *BYTES, *trained, *TAIL]
    return {piece: n for n, piece in enumerate(pieces)}, [(a, b) for a, b in learnt["merges"]]


def sentencepiece(vocabulary: dict[str, int]) -> bytes:
    """The same vocabulary as a SentencePiece model file: what a GGUF converter reads.

    Protobuf, written out: ModelProto{1: pieces{1: piece, 2: score, 3: type}, 2: trainer, 3: normalizer}. A later piece has
    a lower score, so merging by score follows the order of the merges.
    """
    body = bytearray()
    for piece, number in sorted(vocabulary.items(), key=lambda item: item[1]):
        inner = _bytes(1, piece.encode()) + b"\x15" + struct.pack("<f", -float(number)) + _varint(3, _kind(piece))
        body += _bytes(1, inner)
    trainer = _varint(3, 2) + _varint(4, len(vocabulary)) + _varint(35, 1)
    trainer += _varint(40, 3) + _varint(41, 2) + _varint(42, 1) + _varint(43, 0)
    normalizer = _bytes(1, b"identity") + _varint(3, 0) + _varint(4, 0) + _varint(5, 1)
    return bytes(body + _bytes(2, trainer) + _bytes(3, normalizer))


def save_sentencepiece(vocabulary: dict[str, int], folder: Path) -> None:
    """Write ``tokenizer.model``."""
    (folder / "tokenizer.model").write_bytes(sentencepiece(vocabulary))


def _kind(piece: str) -> int:
    if piece == UNK:
        return _UNKNOWN
    if piece in SPECIAL:
        return _CONTROL
    if piece in BYTES:
        return _BYTE
    return _USER_DEFINED if piece in HEAD else _NORMAL


def _number(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _varint(field: int, value: int) -> bytes:
    return _number(field << 3) + _number(value)


def _bytes(field: int, value: bytes) -> bytes:
    return _number(field << 3 | 2) + _number(len(value)) + value
