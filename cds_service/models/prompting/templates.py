"""Loads, checks, hashes and renders the prompts of the ``prompts`` folder. Prompts are data: nothing of a record is ever code.

A folder is refused at start when anything about it is wrong (ConfigurationError): front matter, schema, variables.
"""

from __future__ import annotations

import hashlib
import math
import re
import secrets
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from jinja2 import StrictUndefined, Template, TemplateError, meta, pass_context
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from msgspec import Struct

from cds_service.errors import ConfigurationError
from cds_service.models.prompting.cleaning import clean
from cds_service.models.prompting.schemas import fill, schema_faults

FENCE = "+++"
_KEYS = {"name", "version", "title", "family", "schema", "budget", "inputs", "enums"}
_BUDGET = {"prompt_tokens", "output_tokens"}
CHARACTERS_PER_TOKEN = 3  # careful estimate for English and numbers; an engine with a tokenizer passes its own count


class PromptVariablesMissing(ValueError):
    """A prompt was rendered without all of its inputs, or with others; the message names them."""

    def __init__(self, prompt: str, missing: Sequence[str], unknown: Sequence[str]) -> None:
        parts = [f"lacks {', '.join(missing)}"] if missing else []
        parts += [f"does not take {', '.join(unknown)}"] if unknown else []
        super().__init__(f"prompt {prompt} {' and '.join(parts)}")
        self.missing = tuple(missing)
        self.unknown = tuple(unknown)


class PromptTooLong(ValueError):
    """The rendered prompt exceeds its budget; offer fewer facts."""


class Rendered(Struct, frozen=True, kw_only=True):
    """A prompt ready for an engine. ``boundary`` must never come back in an answer.

    The first ``fixed`` characters of ``text`` are the same in every call of this prompt: what a prefix cache may keep.
    """

    name: str
    version: str
    hash: str
    text: str
    fixed: int
    schema: Mapping[str, Any]
    tokens: int  # as counted by the caller's counter, else estimated
    output_tokens: int
    boundary: str = ""

    @property
    def label(self) -> str:
        """``record-summary@1 sha256:…`` as audit keeps it."""
        return _label(self.name, self.version, self.hash)


class Prompt(Struct, frozen=True, kw_only=True):
    """One folder of ``prompts``, checked and compiled."""

    name: str
    version: str
    title: str
    family: str
    inputs: Mapping[str, str]
    enums: Mapping[str, str]
    schema: Mapping[str, Any]
    prompt_tokens: int
    output_tokens: int
    hash: str
    template: Template
    fixed: int = 0  # characters before the first line that varies

    @property
    def label(self) -> str:
        """``record-summary@1 sha256:…`` as audit keeps it."""
        return _label(self.name, self.version, self.hash)

    def render(self, *, count: Callable[[str], int] | None = None, **variables: Any) -> Rendered:
        """The prompt for these inputs. ``boundary`` is made here unless given; ``count`` is the engine's tokenizer.

        Raises PromptVariablesMissing, or PromptTooLong when the text exceeds the budget of the front matter.
        """
        if "boundary" in self.inputs:
            variables.setdefault("boundary", secrets.token_hex(8))
        expected = {*self.inputs, *self.enums}
        missing, unknown = sorted(expected - variables.keys()), sorted(variables.keys() - expected)
        if missing or unknown:
            raise PromptVariablesMissing(self.name, missing, unknown)
        text = self.template.render({name: variables[name] for name in self.inputs})
        tokens = count(text) if count else estimated(text)
        if tokens > self.prompt_tokens:
            raise PromptTooLong(f"prompt {self.name}: {tokens} tokens, {self.prompt_tokens} allowed")
        return Rendered(
            name=self.name,
            version=self.version,
            hash=self.hash,
            text=text,
            fixed=self.fixed,
            schema=fill(self.schema, {name: variables[name] for name in self.enums}),
            tokens=tokens,
            output_tokens=self.output_tokens,
            boundary=str(variables.get("boundary", "")),
        )


class Prompts(Struct, frozen=True):
    """All prompts by name, as loaded at start."""

    by_name: Mapping[str, Prompt]

    def __getitem__(self, name: str) -> Prompt:
        return self.by_name[name]

    def render(self, name: str, **variables: Any) -> Rendered:
        """``Prompt.render`` of the prompt with this name."""
        return self.by_name[name].render(**variables)


def estimated(text: str) -> int:
    """Tokens of a text where no tokenizer is at hand; rather too many than too few."""
    return math.ceil(len(text) / CHARACTERS_PER_TOKEN)


def fixed_length(body: str) -> int:
    """Characters of a template that stand before the first line with anything of a call in it."""
    found = re.search(r"\{[{%#]", body)
    return body.rfind("\n", 0, found.start()) + 1 if found else len(body)


def _label(name: str, version: str, digest: str) -> str:
    return f"{name}@{version} sha256:{digest[:16]}"


def folder() -> Path:
    """Where the prompts lie: inside the installed package, else beside it in a checkout."""
    package = Path(__file__).resolve().parents[2]
    packaged = package / "_prompts"
    return packaged if packaged.is_dir() else package.parent / "prompts"


def load(path: Path | None = None) -> Prompts:
    """Every prompt below ``path`` (default: ``folder()``), or ConfigurationError saying which is wrong and how."""
    root = path or folder()
    environment = _environment()
    found = [_load_one(each.parent, environment) for each in sorted(root.glob("*/template.md.j2"))]
    if not found:
        raise ConfigurationError(f"no prompts in {root}: the installation is incomplete")
    return Prompts({prompt.name: prompt for prompt in found})


def _environment() -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined,
        autoescape=False,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals.clear()
    return environment


@pass_context
def _finalize(context: Context, value: Any) -> Any:
    """The filter every printed value passes: no template can forget it."""
    if not isinstance(value, str):
        return value
    boundary = context.get("boundary", "")
    return value if value == boundary else clean(value, boundary if isinstance(boundary, str) else "")


def _load_one(path: Path, environment: ImmutableSandboxedEnvironment) -> Prompt:
    def refuse(why: str) -> ConfigurationError:
        return ConfigurationError(f"prompt {path.name}: {why}")

    try:
        raw = (path / "template.md.j2").read_text(encoding="utf-8")
        front, body = _split(raw)
        schema_bytes = (path / str(front.get("schema", ""))).read_bytes()
        schema = msgspec.json.decode(schema_bytes, type=dict[str, Any])
        used = meta.find_undeclared_variables(environment.parse(body))
        template = environment.from_string(body)
    except (OSError, ValueError, TemplateError, msgspec.DecodeError) as fault:
        raise refuse(str(fault)) from fault
    faults = [*_front_faults(front, path.name), *schema_faults(schema, front.get("enums", {}))]
    if used != set(front.get("inputs", {})):
        faults.append(f"inputs declared and used differ: {', '.join(sorted(used ^ set(front.get('inputs', {}))))}")
    if faults:
        raise refuse("; ".join(faults))
    return Prompt(
        name=front["name"],
        version=str(front["version"]),
        title=front["title"],
        family=front["family"],
        inputs=front["inputs"],
        enums=front["enums"],
        schema=schema,
        prompt_tokens=front["budget"]["prompt_tokens"],
        output_tokens=front["budget"]["output_tokens"],
        hash=hashlib.sha256(raw.encode() + b"\0" + schema_bytes).hexdigest(),
        template=template,
        fixed=fixed_length(body),
    )


def _split(raw: str) -> tuple[dict[str, Any], str]:
    parts = raw.split(f"{FENCE}\n", 2)
    if len(parts) != 3 or parts[0]:
        raise ValueError(f"front matter must stand between two {FENCE} lines at the top")
    return tomllib.loads(parts[1]), parts[2]


def _front_faults(front: Mapping[str, Any], name: str) -> list[str]:
    faults = [f"front matter lacks {key}" for key in sorted(_KEYS - front.keys())]
    faults += [f"front matter has unknown {key}" for key in sorted(front.keys() - _KEYS)]
    if front.get("name") != name:
        faults.append(f"is named {front.get('name')!r}")
    budget = front.get("budget", {})
    if set(budget) != _BUDGET or not all(isinstance(v, int) and v > 0 for v in budget.values()):
        faults.append("budget must give prompt_tokens and output_tokens above 0")
    return faults
