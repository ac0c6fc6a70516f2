"""``python -m tests.benchmarks.in_process_gpu SHAPE``: random weights of the true shapes (4b, 27b) on a CUDA device.

Prints one JSON line: time to a label at 4,096 prompt tokens, decode tokens a second against the bandwidth bound (target at
least 65 %), 16 concurrent summaries against transformers' plain ``generate`` one after another (target at least 4 ×).
Random weights run as fast as trained ones. The tokenizer is the small one of the tests: ids beyond it never occur.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.models.in_process import build
from tests.models.in_process.schemas import summary

# Published shapes (config.json of Gemma 3; the totals agree with 4.30 and 27.43 billion parameters with the tower)
SHAPES: dict[str, dict[str, Any]] = {
    "4b": {"num_hidden_layers": 34, "hidden_size": 2560, "intermediate_size": 10240, "num_attention_heads": 8,
           "num_key_value_heads": 4, "head_dim": 256, "query_pre_attn_scalar": 256},
    "27b": {"num_hidden_layers": 62, "hidden_size": 5376, "intermediate_size": 21504, "num_attention_heads": 32,
            "num_key_value_heads": 16, "head_dim": 128, "query_pre_attn_scalar": 168},
}  # fmt: skip
BANDWIDTH = {"H100": 3.35e12, "H200": 4.8e12, "A100": 2.0e12, "L4": 0.3e12}  # bytes a second, makers' data sheets
PROMPT, DECODED, BATCH = 4096, 128, 16


def model(shape: str) -> Any:
    """Random bf16 weights made on the device: nothing of the size is ever written to disk."""
    import torch
    from transformers import Gemma3ForCausalLM

    given = SHAPES[shape]
    layers = ["full_attention" if (n + 1) % 6 == 0 else "sliding_attention" for n in range(given["num_hidden_layers"])]
    config = build.text_config(
        **given, layer_types=layers, vocab_size=262_144, sliding_window=1024, max_position_embeddings=131_072
    )
    torch.set_default_dtype(torch.bfloat16)
    with torch.device("cuda"):
        made = Gemma3ForCausalLM(config).eval()
    torch.set_default_dtype(torch.float32)
    return made


def measure(shape: str) -> dict[str, str]:
    """All figures of one shape."""
    import torch

    from cds_service.models.in_process.answering import Answering
    from cds_service.models.in_process.chat import Turn
    from cds_service.models.in_process.decoding import Row
    from cds_service.models.in_process.loading import Loaded
    from cds_service.models.in_process.wire import Ask

    name = torch.cuda.get_device_name()
    with tempfile.TemporaryDirectory() as folder:
        words = build.tokenizer(Path(folder))
    made = model(shape)
    ends = frozenset({1, 106})
    loaded = Loaded(
        model=made, tokenizer=words, images=None, image_tokens=0, vocabulary=len(words), ends=ends,
        context_tokens=131_072, revision="", device="cuda",
    )  # fmt: skip
    sent: list[Any] = []
    answering = Answering(loaded, sent.append, lambda _: False)
    turn = Turn(ids=[2, *(300 + n % 2000 for n in range(PROMPT - 1))], fixed=0, images=[])

    def timed(action: Any) -> float:
        torch.cuda.synchronize()
        began = time.perf_counter()
        action()
        torch.cuda.synchronize()
        return time.perf_counter() - began

    answering.decoder.next_logprobs(turn, [[300], [301]])
    label = min(timed(lambda: answering.decoder.next_logprobs(turn, [[300], [301], [302]])) for _ in range(3))

    def decode(count: int) -> None:
        answering.decoder.run([Row(1, turn, None, count)], lambda _row: True)

    step = (timed(lambda: decode(DECODED)) - timed(lambda: decode(2))) / (DECODED - 2)
    weights = sum(p.numel() * p.element_size() for p in made.parameters())
    bandwidth = next((b for key, b in BANDWIDTH.items() if key in name), 0.0)
    share = weights / bandwidth / step if bandwidth else 0.0
    schema = json.dumps(summary(40, statements=4, characters=160)).encode()
    asks = [Ask(id=n, prompt=f"{n} potassium " * 300, schema=schema, max_tokens=700) for n in range(BATCH)]
    answering.answer(asks[:1])
    sent.clear()
    ours = timed(lambda: answering.answer(asks))
    tokens = [m.completion_tokens for m in sent]

    def plain() -> None:
        for ask, count in zip(asks, tokens, strict=True):
            ids = torch.tensor([answering.chat.turn(ask).ids], device="cuda")
            made.generate(input_ids=ids, do_sample=False, min_new_tokens=count, max_new_tokens=count)

    theirs = timed(plain)
    return {
        "device": name,
        f"time to label at {PROMPT} tokens": f"{label * 1000:.0f} ms",
        "decode": f"{1 / step:.1f} tokens/s, {100 * share:.0f} % of the bandwidth bound (target 65 %)",
        f"{BATCH} summaries": f"{ours:.1f} s, plain generate {theirs:.1f} s: {theirs / ours:.1f} × (target 4 ×)",
    }


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1])))
