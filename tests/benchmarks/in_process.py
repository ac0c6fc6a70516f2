"""Speed of the in-process engine: what the grammar costs, what batching gives; on a GPU also the true shapes."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

from rich.table import Table

from cds_service.models.engine import Request
from cds_service.models.in_process.engine import InProcess
from cds_service.models.in_process.wire import Load
from tests.models.in_process.checkpoints import CHECKOUT, tiny_text
from tests.models.in_process.schemas import summary

VOCABULARY = 262_144
STEP_MS = 12.0  # one decode step of the 27B in bf16 at the bandwidth of an H200 (54.8 GB at 4.8 TB/s): the fastest realistic one
IDS = 300
BATCH = 16
TEXT = "Potassium 6.1 mmol/L, high; creatinine 182 µmol/L, rising since 2026-11-18. "


def rows(table: Table, limit: Callable[..., None], ratio: Callable[..., None]) -> None:
    """All figures; ``limit`` and ``ratio`` print one line each, as the other benches do."""
    grammar(table, limit)
    with tempfile.TemporaryDirectory() as folder:
        one, many = asyncio.run(batching(tiny_text(Path(folder))))
    ratio(table, f"{BATCH} summaries, batch / one after another", f"{many:.2f} s", f"{one:.2f} s", many / one, 0.25)
    gpu(table)


def grammar(table: Table, limit: Callable[..., None]) -> None:
    """Mask and choice per step, and the compile time, at the vocabulary of Gemma 3 (pieces made here)."""
    import torch

    from cds_service.models.in_process.decoding import Row, _allowed

    grammars, backend = _large()
    times = []
    for n in range(5):
        schema = json.dumps(summary(IDS + n, statements=12, characters=240, cited=8)).encode()
        began = time.perf_counter()
        grammars.constraint(schema)
        times.append((time.perf_counter() - began) * 1000)
    limit(table, f"schema with {IDS} fact ids, first compile of the process", times[0], "ms", 50.0)
    limit(table, f"schema with {IDS} fact ids, compile (median of the next four)", sorted(times[1:])[2], "ms", 50.0)
    # the mask is needed where the model's first choice is forbidden: here in one step of four, more than a trained model does
    logits = torch.randn(VOCABULARY, generator=torch.Generator().manual_seed(1))
    spent, forced, steps = 0.0, 0, 0
    for _ in range(3):
        row = Row(1, SimpleNamespace(), grammars.constraint(schema), 4000)  # type: ignore[arg-type]
        for token in _document(backend):
            if row.unfed:  # forced before: no step of its own
                row.unfed.pop(0)
                forced += 1
                continue
            likeliest = 0 if steps % 4 == 0 else token
            began = time.process_time()
            _allowed(row, likeliest, logits)
            row.take(token, frozenset())
            spent += time.process_time() - began
            row.unfed.pop(0)
            steps += 1
    mean = spent / steps * 1000
    limit(table, "constraint per decode step, 262k vocabulary, mean", mean, "ms", 1.0)
    limit(table, f"constraint's share of a {STEP_MS:g} ms step", 100 * mean / STEP_MS, "%", 8.0)
    table.add_row("tokens the grammar forced", f"{100 * forced / (forced + steps):.0f} %", "", "", "")


async def batching(checkpoint: Path) -> tuple[float, float]:
    """Seconds for 16 summaries one after another, and at once."""
    engine = InProcess(Load(model=str(checkpoint), device="cpu", threads=1, max_batch=BATCH, window_ms=10))
    await engine.start()
    await engine.ready(120)
    asked = [
        Request(prompt=f"{n} {TEXT * 4}", schema=summary(8, statements=3, characters=120), max_tokens=900)
        for n in range(BATCH)
    ]
    await asyncio.gather(*(engine.generate(request) for request in asked))
    began = time.perf_counter()
    for request in asked:
        await engine.generate(request)
    one = time.perf_counter() - began
    began = time.perf_counter()
    await asyncio.gather(*(engine.generate(request) for request in asked))
    many = time.perf_counter() - began
    await engine.aclose()
    return one, many


def gpu(table: Table) -> None:
    """The true shapes, where a CUDA device is present (tests/benchmarks/in_process_gpu.py)."""
    import torch

    if not torch.cuda.is_available():
        table.add_row("27B and 4B shapes on a GPU", "not run: no CUDA device", "", "", "")
        return
    for shape in ("4b", "27b"):
        run = subprocess.run(
            [sys.executable, "-m", "tests.benchmarks.in_process_gpu", shape],
            cwd=CHECKOUT, capture_output=True, text=True, timeout=3600, check=True,
        )  # fmt: skip
        for name, value in json.loads(run.stdout.splitlines()[-1]).items():
            table.add_row(f"{shape}: {name}", str(value), "", "", "")


def _large() -> tuple[object, object]:
    """Grammars over a vocabulary as large as Gemma 3's: the small one's pieces, and joined ones for the rest."""
    from tokenizers import Tokenizer

    from cds_service.models.in_process.grammar import Grammars
    from tests.models.in_process import corpus, vocabulary

    pieces, merges = vocabulary.train(corpus.lines())
    words = [p for p in pieces if p.isalpha() or p.startswith("▁")]
    for left in words:
        for right in words:
            if len(pieces) >= VOCABULARY:
                break
            pieces.setdefault(left + right, len(pieces))
    added = [
        {
            "id": n,
            "content": p,
            "single_word": False,
            "lstrip": False,
            "rstrip": False,
            "normalized": False,
            "special": True,
        }
        for n, p in enumerate(vocabulary.HEAD)
    ]
    described = {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": added, "post_processor": None, "pre_tokenizer": None,
        "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
        "decoder": {"type": "Sequence", "decoders": [
            {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"}]},
        "model": {"type": "BPE", "dropout": None, "unk_token": "<unk>", "continuing_subword_prefix": None, "end_of_word_suffix": None,
                  "fuse_unk": True, "byte_fallback": True, "ignore_merges": False, "vocab": pieces, "merges": [list(m) for m in merges]},
    }  # fmt: skip
    backend = Tokenizer.from_str(json.dumps(described))
    return Grammars(SimpleNamespace(backend_tokenizer=backend), VOCABULARY, [1, 106]), backend


def _document(backend: object) -> list[int]:
    """Token ids of a valid answer, keys as the grammar forces them."""
    statements = [{"text": TEXT.strip(), "fact_ids": [f"F{n}", f"F{n + 100}"], "kind": "record"} for n in range(1, 7)]
    text = json.dumps({"statements": statements}, separators=(",", ":"), ensure_ascii=False)
    return list(backend.encode(text, add_special_tokens=False).ids)  # type: ignore[attr-defined]
