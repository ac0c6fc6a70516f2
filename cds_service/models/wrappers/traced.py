"""One span a request, as the caller sees it: waiting, second try and all. Named and described as the GenAI conventions say
(https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/), without a word of prompt or answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cds_service.models.engine import Engine, Generation, Request, Scores
from cds_service.models.wrappers.wrapper import Wrapper
from cds_service.tracing import Span, Spanning, Tracing

PROVIDERS: Mapping[str, str] = {"vertex": "gcp.vertex_ai"}  # the conventions' word where it is not ours


class Traced(Wrapper):
    """Outermost, and only where tracing is on."""

    def __init__(self, inner: Engine, tracing: Tracing) -> None:
        super().__init__(inner)
        self._tracing = tracing

    async def generate(self, request: Request) -> Generation:
        """See ``Engine``."""
        with self._span("chat", request) as span:
            generation = await self.inner.generate(request)
            span.set(finish_reasons=(generation.finish_reason,))
            _told(span, generation)
            return generation

    async def score_labels(self, request: Request, labels: Sequence[str]) -> Scores:
        """See ``Engine``."""
        with self._span("score_labels", request) as span:
            scores = await self.inner.score_labels(request, labels)
            _told(span, scores)
            return scores

    def _span(self, operation: str, request: Request) -> Spanning:
        identity = self.identity
        prompt, _, digest = request.label.partition(" ")
        return self._tracing.span(
            f"{operation} {identity.model}",
            "internal" if identity.engine == "in-process" else "client",
            operation=operation,
            provider=PROVIDERS.get(identity.engine, identity.engine),
            engine=identity.engine,
            model=identity.model,
            revision=identity.revision,
            max_tokens=request.max_tokens,
            images=len(request.images),
            waiting=request.waiting,
            prompt=prompt,
            prompt_hash=digest,
        )


def _told(span: Span, answer: Generation | Scores) -> None:
    """What answered, and the tokens it counted; an engine that does not count says 0."""
    usage = answer.usage
    span.set(
        answered=answer.identity.model,
        input_tokens=usage.prompt_tokens or None,
        output_tokens=usage.completion_tokens or None,
    )
