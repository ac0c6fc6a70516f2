"""The ``in-process`` engine as the web process sees it: requests go to a worker that holds the model. Never imports torch."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec

from cds_service.models import faults
from cds_service.models.engine import Capabilities, Generation, Identity, Request, Scores, Usage
from cds_service.models.faults import (
    ConnectionFault,
    EngineFault,
    EngineRefused,
    EngineTimeout,
    NotReady,
    ServerFault,
    Truncated,
)
from cds_service.models.in_process import wire
from cds_service.models.in_process.child import Child
from cds_service.models.in_process.wire import Answer, Ask, Cancel, Count, Counted, Failed, Load, Picture, Piece, Scored
from cds_service.models.weights_mark import marked_as_test
from cds_service.settings import Settings
from cds_service.telemetry import log

Told = Callable[[wire.Progress], None]
State = Literal["stopped", "loading", "ready", "failed"]
BACKOFF_S = (1.0, 5.0, 30.0, 120.0)  # before the worker is started again after it died
MAX_IMAGES = 85  # slices of one volume, as the model was trained
CONTEXT = 131_072  # before the checkpoint has said
HUNG_S = 45.0  # a small question without an answer, and not a sign of work meanwhile: the worker hangs

PROBE = Request(
    prompt="Answer with compact JSON.",
    schema={
        "type": "object",
        "properties": {"ok": {"type": "boolean"}},
        "required": ["ok"],
        "additionalProperties": False,
    },
    max_tokens=32,
    waiting=True,
)

_log = log(__name__)


def from_settings(settings: Settings, part: Literal["text", "image"], progress: Told | None = None) -> InProcess:
    """The engine for texts or for images, as the operator configured it."""
    token = settings.hub_token.get_secret_value()
    load = Load(
        model=getattr(settings, f"{part}_model"),
        revision=getattr(settings, f"{part}_revision"),
        quantization=getattr(settings, f"{part}_quantization"),
        token=token,
        download=bool(token),
    )
    return InProcess(load, images=part == "image", progress=progress)


class InProcess:
    """MedGemma, or any Gemma 3 checkpoint, in a worker process on this machine.

    ``start`` returns at once; until the model is loaded every request raises NotReady. A worker that dies fails the
    requests it had (ConnectionFault) and is started again after a pause; the service itself stays ready.
    """

    def __init__(self, load: Load, *, images: bool = False, progress: Told | None = None) -> None:
        self._load = load
        self._images = self._wants_images = images
        self._progress = progress
        folder = Path(load.model)
        self._name = (
            folder.resolve().name if folder.is_dir() else load.model
        )  # a path of this machine is nobody's business
        self._revision = load.revision
        self._test_weights = marked_as_test(load.model)
        self._context = CONTEXT
        self._child: Child | None = None
        self._waiting: dict[int, tuple[asyncio.Future[Any], Request | None]] = {}
        self._keys = itertools.count(1)
        self._changed = asyncio.Event()
        self._restarting: asyncio.Task[None] | None = None
        self._deaths = 0
        self._heard = 0  # messages of the worker
        self.state: State = "stopped"
        self.why = ""  # what to do, once the state is 'failed'
        self.stage = wire.Progress("", 0, 0)

    @property
    def identity(self) -> Identity:
        """The model's id and the hub's commit, or a local folder's name and, once it is loaded, its fingerprint."""
        return Identity("in-process", self._name, self._revision, self._test_weights)

    @property
    def capabilities(self) -> Capabilities:
        """Everything; images where the checkpoint has a tower."""
        return Capabilities(
            schema=True,
            logprobs=True,
            images=self._images,
            max_images=MAX_IMAGES if self._images else 0,
            context_tokens=self._context,
        )

    @property
    def pid(self) -> int:
        """Of the worker; 0 when there is none."""
        return self._child.pid if self._child else 0

    async def start(self) -> None:
        """Start the worker; loading goes on behind. ConnectionFault when there is no process to be had; try again."""
        if self._child is None:
            self._set("loading")
            child = Child(self._load, self._told, self._ended)
            self._child = child
            try:
                await child.start()
            except OSError as fault:
                self._child = None
                self._set("stopped")
                raise ConnectionFault(f"the model's worker process cannot be started: {fault.strerror}") from fault

    async def ready(self, timeout_s: float) -> None:
        """Wait until it is loaded. Raises NotReady after ``timeout_s``, EngineRefused when it cannot be loaded."""
        try:
            async with asyncio.timeout(timeout_s):
                while self.state in ("loading", "stopped"):
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise NotReady from None
        self._require()

    async def aclose(self) -> None:
        """End the worker."""
        child, self._child = self._child, None
        self._set("stopped")
        if self._restarting:
            self._restarting.cancel()
        if child:
            await child.stop()
        self._break(ConnectionFault("the engine was closed"))

    async def probe(self) -> None:
        """Return once a small question was answered under its schema; NotReady while it loads, EngineRefused for good.

        A worker that answers nothing and does nothing hangs: it is ended, and started again like one that died.
        """
        if self.state == "stopped":
            await self.start()
        if self.state == "loading":
            raise NotReady(_loading(self.stage))
        if self._wants_images and not self._images:
            raise EngineRefused("this checkpoint takes no images; use one that does, as google/medgemma-1.5-4b-it")
        heard = self._heard
        try:
            async with asyncio.timeout(HUNG_S):
                await self.generate(PROBE)
        except TimeoutError:
            if self._child is not None and self._heard == heard:
                self._child.kill()
                raise ConnectionFault("the model's worker process hung; it is started again") from None
            raise EngineTimeout("the model is too busy to answer a small question") from None

    async def generate(self, request: Request) -> Generation:
        """See ``Engine.generate``. An answer cut at the token limit is Truncated, and nothing of it is handed out."""
        schema = b"" if request.schema is None else msgspec.json.encode(request.schema)
        answer = await self._ask(request, schema=schema, stream=request.listener is not None)
        if answer.finish_reason != "stop":
            raise Truncated
        return Generation(
            text=answer.text,
            finish_reason="stop",
            identity=self.identity,
            usage=Usage(answer.prompt_tokens, answer.completion_tokens),
        )

    async def score_labels(self, request: Request, labels: Sequence[str]) -> Scores:
        """See ``Engine.score_labels``. A label of several tokens is scored along its path."""
        if not labels or any(not label for label in labels):
            raise faults.Unsupported("labels must not be empty")
        scored = await self._ask(request, labels=tuple(labels))
        return Scores(
            logprobs=dict(zip(labels, scored.logprobs, strict=True)),
            identity=self.identity,
            usage=Usage(scored.prompt_tokens, 0),
        )

    async def count_tokens(self, text: str) -> int:
        """See ``CountsTokens``: by the checkpoint's own tokenizer, also while the model is at work."""
        counted = await self._exchange(lambda key: Count(key, text))
        return int(counted.tokens)

    async def _ask(self, request: Request, **how: Any) -> Any:
        """One request, as the worker takes it."""
        self._require()
        if lacks := self.capabilities.lacks(request):
            raise faults.Unsupported(lacks)
        images = tuple(Picture(image.data, image.label) for image in request.images)

        def ask(key: int) -> Ask:
            return Ask(
                id=key,
                prompt=request.prompt,
                fixed=request.fixed,
                max_tokens=request.max_tokens,
                images=images,
                waiting=request.waiting,
                **how,
            )

        return await self._exchange(ask, request)

    async def _exchange(self, message: Callable[[int], Ask | Count], request: Request | None = None) -> Any:
        """Send, wait, and take it back when the caller goes away."""
        child = self._require()
        key = next(self._keys)
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting[key] = (future, request)
        try:
            child.send(message(key))
            return await future
        except asyncio.CancelledError:
            if request is not None:
                child.send(Cancel(key))
            raise
        finally:
            self._waiting.pop(key, None)

    def _require(self) -> Child:
        if self.state == "failed":
            raise EngineRefused(self.why)
        if self._child is None or self.state != "ready":
            raise NotReady
        return self._child

    def _told(self, message: wire.FromWorker) -> None:
        self._heard += 1
        if isinstance(message, wire.Progress):
            self._tell(message)
        elif isinstance(message, wire.Ready):
            self._revision, self._context, self._deaths = message.revision, message.context_tokens, 0
            self._images = message.images
            self._set("ready")
            self._tell(wire.Progress("ready"))
        elif isinstance(message, wire.NotLoaded):
            self.why = message.message
            self._set("failed")
            self._tell(wire.Progress("failed"))
        elif not isinstance(message, wire.Working):
            self._answered(message)

    def _tell(self, stage: wire.Progress) -> None:
        self.stage = stage
        if self._progress:
            self._progress(stage)

    def _answered(self, message: Piece | Answer | Scored | Counted | Failed) -> None:
        future, request = self._waiting.get(message.id, (None, None))
        if future is None or future.done():
            return  # nobody waits for it any more
        if isinstance(message, Piece):
            if request is not None and request.listener is not None:
                request.listener(message.text)
        elif isinstance(message, Failed):
            future.set_exception(_fault(message))
        else:
            future.set_result(message)

    def _ended(self, code: int) -> None:
        """The worker is gone: everybody who waits is told now, and it comes back after a pause."""
        if self._child is None or self.state == "failed":
            return
        self._child = None
        self._set("loading")
        self._break(ConnectionFault("the model's worker process ended; it is started again"))
        pause = BACKOFF_S[min(self._deaths, len(BACKOFF_S) - 1)]
        self._deaths += 1
        _log.error("the worker of the model ended", code=code, engine="in-process", seconds=pause)
        self._restarting = asyncio.create_task(self._again(pause))

    async def _again(self, pause_s: float) -> None:
        await asyncio.sleep(pause_s)
        try:
            await self.start()
        except ConnectionFault as fault:  # the next look at the engine tries again
            _log.error("the worker of the model was not started", reason=fault.reason, engine="in-process")

    def _break(self, fault: EngineFault) -> None:
        for future, _request in self._waiting.values():
            if not future.done():
                future.set_exception(fault)

    def _set(self, state: State) -> None:
        self.state = state
        self._changed.set()


def _fault(message: Failed) -> EngineFault:
    kind = getattr(faults, message.kind, ServerFault)
    return kind(message.message) if issubclass(kind, EngineFault) else ServerFault(message.message)


def _loading(stage: wire.Progress) -> str:
    share = f" {100 * stage.done // stage.total} %" if stage.total else ""
    return f"the model is still loading: {stage.stage}{share}" if stage.stage else "the model is still loading"
