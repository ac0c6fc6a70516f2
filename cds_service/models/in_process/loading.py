"""A checkpoint from disk, or from the hub with the user's leave, into memory: safetensors only, no code of the checkpoint's."""

# mypy: disable-error-code="import-not-found,import-untyped,no-untyped-call,misc,no-any-return"

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from msgspec import Struct

from cds_service.models.in_process.wire import Load

Tell = Callable[[str, int, int], None]
FILES = ("*.json", "*.jinja", "*.safetensors", "tokenizer.model")  # no pickles, no code
SAMPLE = 1 << 20  # bytes read at each of the places below for the fingerprint of a local folder
PLACES = 16
_VISION_TYPES = ("gemma3",)


class CannotLoad(Exception):
    """The model cannot be loaded; the message says what to do about it."""


class Loaded(Struct, frozen=True, kw_only=True):
    """A model ready to run and what belongs to it."""

    model: Any
    tokenizer: Any
    images: Any  # the image processor, or None for text only
    image_tokens: int
    vocabulary: int  # tokens the tokenizer knows
    ends: frozenset[int]
    context_tokens: int
    revision: str
    device: str


def load(asked: Load, tell: Tell) -> Loaded:
    """Load as asked, telling the stage and how far it is. Raises CannotLoad."""
    folder, revision = _folder(asked, tell)
    if not list(folder.glob("*.safetensors")):
        raise CannotLoad(
            "the model's folder holds no safetensors weights; other formats can hold code and are not read"
        )
    tell("libraries", 0, 0)
    from transformers import AutoConfig, AutoTokenizer

    _quiet(asked)
    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        tell("weights", 0, 0)
        model, device = _model(folder, config, asked)
    except (OSError, ValueError, KeyError, ImportError, RuntimeError) as fault:
        raise CannotLoad(f"the checkpoint cannot be read ({type(fault).__name__}): {_first_line(fault)}") from fault
    sees = config.model_type in _VISION_TYPES
    text = config.get_text_config()
    return Loaded(
        model=model,
        tokenizer=tokenizer,
        images=_image_processor(folder) if sees else None,
        image_tokens=int(config.mm_tokens_per_image) if sees else 0,
        vocabulary=min(len(tokenizer), int(text.vocab_size)),
        ends=_ends(model, tokenizer),
        context_tokens=int(text.max_position_embeddings),
        revision=revision,
        device=device,
    )


def _folder(asked: Load, tell: Tell) -> tuple[Path, str]:
    """Where the files lie and which version they are: the hub's commit, or a fingerprint of the folder."""
    local = Path(asked.model)
    if local.is_dir():
        tell("fingerprint", 0, 0)
        found = fingerprint(local)
        if asked.revision not in ("", found):
            raise CannotLoad(f"the folder holds {found}, not the pinned revision; pin that, or nothing")
        return local, found
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    tell("download" if asked.download else "local cache", 0, 0)
    try:
        path = snapshot_download(
            asked.model,
            revision=asked.revision or None,
            allow_patterns=list(FILES),
            token=asked.token or False,
            local_files_only=not asked.download,
            tqdm_class=_telling(tell) if asked.download else None,
        )
    except GatedRepoError:
        raise CannotLoad("the model is gated: accept its terms on its page and set a token of your own") from None
    except RepositoryNotFoundError:
        raise CannotLoad("the hub knows no such model, or not for this token") from None
    except RevisionNotFoundError:
        raise CannotLoad("the hub knows the model, but not the pinned revision of it") from None
    except LocalEntryNotFoundError:
        raise CannotLoad(
            "the model, at the pinned revision if one is pinned, is not on this machine: "
            "set CDS_TEXT_MODEL to a folder, or set a hub token to download it"
        ) from None
    except (HfHubHTTPError, OSError, ValueError) as fault:
        raise CannotLoad(f"the model could not be fetched ({type(fault).__name__})") from None
    return Path(path), Path(path).name


def fingerprint(folder: Path) -> str:
    """``local-`` and 12 hex digits over configuration, tokenizer and samples of the weights (1 MiB at 16 places a file).

    Hashing all of 54 GB would take a minute of every start; a fine-tune changes every layer, so samples tell.
    """
    digest = hashlib.sha256()
    for path in sorted(p for pattern in FILES for p in folder.glob(pattern)):
        size = path.stat().st_size
        digest.update(f"{path.name} {size}\n".encode())
        with path.open("rb") as file:
            places = [0] if size <= SAMPLE * PLACES else [size * n // PLACES for n in range(PLACES)]
            for place in places:
                file.seek(place)
                digest.update(file.read(SAMPLE * PLACES if len(places) == 1 else SAMPLE))
    return f"local-{digest.hexdigest()[:12]}"


def _model(folder: Path, config: Any, asked: Load) -> tuple[Any, str]:
    import torch
    from transformers import AutoModelForCausalLM, AutoModelForImageTextToText

    cuda = torch.cuda.is_available() and asked.device in ("auto", "cuda")
    if asked.device == "cuda" and not cuda:
        raise CannotLoad("no CUDA device is visible; set the device to auto or cpu")
    if not cuda:
        torch.set_num_threads(asked.threads or max((os.cpu_count() or 2) - 1, 1))
    if asked.quantization and not cuda:
        raise CannotLoad("8- and 4-bit weights need a CUDA device; leave quantization empty")
    kind = AutoModelForImageTextToText if config.model_type in _VISION_TYPES else AutoModelForCausalLM
    model = kind.from_pretrained(
        folder,
        config=config,
        dtype=torch.bfloat16 if cuda else torch.float32,  # float16 overflows in Gemma 3
        device_map="auto" if cuda else None,
        quantization_config=_quantization(asked.quantization) if asked.quantization else None,
        attn_implementation="sdpa",
        use_safetensors=True,
        local_files_only=True,
        trust_remote_code=False,
    )
    return model.eval(), "cuda" if cuda else "cpu"


def _quantization(bits: str) -> Any:
    import torch
    from transformers import BitsAndBytesConfig

    if bits == "8bit":
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )


def _image_processor(folder: Path) -> Any:
    """By name: the automatic choice needs torchvision."""
    from transformers.models.gemma3.image_processing_pil_gemma3 import Gemma3ImageProcessorPil

    return Gemma3ImageProcessorPil.from_pretrained(folder, local_files_only=True)


def _ends(model: Any, tokenizer: Any) -> frozenset[int]:
    """Tokens that end an answer: the published list, and the end of a turn where the list forgot it."""
    listed = model.generation_config.eos_token_id
    ends = set(listed if isinstance(listed, list) else [listed]) - {None}
    turn = tokenizer.convert_tokens_to_ids("<end_of_turn>")
    if isinstance(turn, int) and turn != tokenizer.unk_token_id:
        ends.add(turn)
    return frozenset(int(end) for end in ends)


def _quiet(asked: Load) -> None:
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    if not asked.download:
        os.environ["HF_HUB_OFFLINE"] = "1"


def _telling(tell: Tell) -> Any:
    """A progress bar that tells instead of drawing."""
    from tqdm.auto import tqdm

    class Telling(tqdm):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            kwargs.pop("name", None)
            kwargs["file"] = open(os.devnull, "w")  # noqa: PTH123, SIM115  # nothing may be drawn in the worker
            super().__init__(*args, **kwargs)

        def update(self, n: float | None = 1) -> bool | None:
            done = super().update(n)
            tell("download", int(self.n), int(self.total or 0))
            return done

    return Telling


def _first_line(fault: BaseException) -> str:
    return (str(fault).splitlines() or [""])[0][:200]
