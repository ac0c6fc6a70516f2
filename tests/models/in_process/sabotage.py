"""``python -m tests.models.in_process.sabotage FOLDER``: a decoder that forgets the mask or runs out of memory, and what
becomes of its answers."""

from __future__ import annotations

import json
import sys
import weakref
from typing import Any

from tests.models.in_process.schemas import summary


def main(folder: str) -> None:
    """Print the kind of every message the worker's answering part sends: for three ways to lose the grammar, and for a
    batch that fits memory only row by row, with whether what filled the memory was gone by then."""
    import torch

    from cds_service.models.in_process import answering, decoding
    from cds_service.models.in_process.grammar import Constraint
    from cds_service.models.in_process.loading import load
    from cds_service.models.in_process.wire import Ask, Load

    sent: list[Any] = []
    loaded = load(Load(model=folder, device="cpu", threads=1), lambda *_: None)
    most: list[int] = []
    worker = answering.Answering(loaded, sent.append, lambda _: False, narrow=most.append)
    ask = Ask(id=1, prompt="Summarise.", schema=json.dumps(summary()).encode(), max_tokens=300)

    worker.answer([ask])
    best, row = decoding.best, worker._row
    decoding.best = lambda _constraint, logits: int(logits.argmax())  # the mask is not applied
    worker.answer([ask])
    decoding.best = best
    worker._row = lambda a: row(Ask(id=a.id, prompt=a.prompt, max_tokens=a.max_tokens))  # type: ignore[method-assign]
    worker.answer([ask])  # the row has no grammar at all
    worker._row = row  # type: ignore[method-assign]
    take = Constraint.take
    Constraint.take = lambda self, token: [*take(self, token)][:0]  # type: ignore[method-assign]  # forced tokens vanish
    worker.answer([ask])
    Constraint.take = take  # type: ignore[method-assign]
    lost = [getattr(m, "kind", None) or getattr(m, "finish_reason", "") for m in sent]

    sent.clear()
    freed: list[bool] = []
    held: list[weakref.ref[Any]] = []
    run = worker.decoder.run

    def narrow(rows: list[Any], after_step: Any, arriving: Any) -> None:
        freed.extend(tensor() is None for tensor in held)
        if len(rows) > 1:
            cache = torch.zeros(8)
            held.append(weakref.ref(cache))
            raise torch.OutOfMemoryError
        run(rows, after_step, arriving)

    worker.decoder.run = narrow  # type: ignore[method-assign]
    worker.answer([Ask(id=n, prompt="Summarise.", schema=ask.schema, max_tokens=300) for n in (1, 2, 3)])
    print(
        json.dumps(
            {"lost": lost, "narrow": [getattr(m, "finish_reason", m) for m in sent], "freed": freed, "most": most}
        )
    )


if __name__ == "__main__":
    main(sys.argv[1])
