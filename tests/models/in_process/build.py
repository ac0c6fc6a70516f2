"""``python -m tests.models.in_process.build KIND FOLDER``: one small Gemma 3 checkpoint with random weights.

Shape: 6 text layers in the published pattern made small (sliding, sliding, full, twice), hidden 64; SigLIP of 2 layers over
56 × 56 pixels in patches of 14, pooled to 4 image tokens. Runs in a process of its own, so that no test imports torch.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from tests.models.in_process import corpus, vocabulary
from tests.models.in_process.vocabulary import END_OF_TURN, HEAD, IMAGE, IMAGE_BEGINS, IMAGE_ENDS, TURN

SEED = 20260
PADDED = 3008  # rows of the embedding, more than the vocabulary has: as published
LAYERS = ["sliding_attention", "sliding_attention", "full_attention"] * 2

# The published turn format: roles alternate, a system text goes before the first user turn, images are one mark each.
TEMPLATE = """\
{{- bos_token -}}
{%- set opening = namespace(text='', skip=0) -%}
{%- if messages and messages[0]['role'] == 'system' -%}
  {%- set content = messages[0]['content'] -%}
  {%- set opening.text = (content if content is string else content[0]['text']) + '\n\n' -%}
  {%- set opening.skip = 1 -%}
{%- endif -%}
{%- for message in messages[opening.skip:] -%}
  {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) -%}
    {{- raise_exception('user and assistant must take turns') -}}
  {%- endif -%}
  {{- '<start_of_turn>' + ('model' if message['role'] == 'assistant' else message['role']) + '\n' -}}
  {{- opening.text if loop.first else '' -}}
  {%- if message['content'] is string -%}
    {{- message['content'] | trim -}}
  {%- else -%}
    {%- for part in message['content'] -%}
      {{- '<start_of_image>' if part['type'] == 'image' else part['text'] | trim -}}
    {%- endfor -%}
  {%- endif -%}
  {{- '<end_of_turn>\n' -}}
{%- endfor -%}
{{- '<start_of_turn>model\n' if add_generation_prompt else '' -}}
"""


def tokenizer(folder: Path) -> Any:
    """The tokenizer, also saved in the form a GGUF converter reads."""
    from tokenizers import AddedToken
    from transformers import GemmaTokenizer

    pieces, merges = vocabulary.train(corpus.lines())
    made = GemmaTokenizer(
        vocab=pieces,
        merges=merges,
        extra_special_tokens={"image_token": IMAGE, "boi_token": IMAGE_BEGINS, "eoi_token": IMAGE_ENDS},
    )
    # as published: turn marks are special, the unused ones are matched in text too but are not special
    made.add_tokens([AddedToken(t, normalized=False, special=True) for t in (TURN, END_OF_TURN)], special_tokens=True)
    made.add_tokens([AddedToken(t, normalized=False) for t in HEAD if t.startswith(("<unused", "["))])
    made.chat_template = TEMPLATE
    vocabulary.save_sentencepiece(pieces, folder)
    return made


def text_config(**changes: Any) -> Any:
    """Six layers; long positions scaled as in the published 27B."""
    from transformers import Gemma3TextConfig

    given = {
        "vocab_size": PADDED,
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": len(LAYERS),
        "layer_types": LAYERS,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "query_pre_attn_scalar": 16,
        "sliding_window": 32,
        "max_position_embeddings": 8192,
        "rope_parameters": {
            "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1e6},
            "sliding_attention": {"rope_type": "default", "rope_theta": 1e4},
        },
        "initializer_range": 0.1,
        "pad_token_id": 0,
        "eos_token_id": 1,
        "bos_token_id": 2,
    }
    return Gemma3TextConfig(**{**given, **changes})


def build(kind: str, folder: Path) -> None:
    """Write the checkpoint: weights as safetensors, configuration, tokenizer, processor."""
    import torch
    from transformers import GenerationConfig
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    folder.mkdir(parents=True, exist_ok=True)
    words = tokenizer(folder)
    model = _multimodal(words, folder) if kind == "multimodal" else _text()
    words.save_pretrained(folder)
    with torch.no_grad():  # weak embeddings, or tied weights repeat the last token whatever the layers do
        model.get_input_embeddings().weight.mul_(0.2)
    ends = [1, words.convert_tokens_to_ids(END_OF_TURN)]
    # sampling is the published default of Gemma 3; the engine must decode greedily all the same
    model.generation_config = GenerationConfig(
        bos_token_id=2, eos_token_id=ends, pad_token_id=0, do_sample=True, top_k=64, top_p=0.95
    )
    model.save_pretrained(folder)
    if kind == "multimodal":
        _rename_tower(folder / "model.safetensors")


def _rename_tower(weights: Path) -> None:
    """Published checkpoints, and what converts them, name the tower ``vision_tower.vision_model``."""
    from safetensors.torch import load_file, save_file

    tensors = load_file(weights)
    old, new = "vision_tower.", "vision_tower.vision_model."
    renamed = {new + n.removeprefix(old) if n.startswith(old) and new not in n else n: t for n, t in tensors.items()}
    save_file(renamed, weights, metadata={"format": "pt"})


def _text() -> Any:
    from transformers import Gemma3ForCausalLM

    return Gemma3ForCausalLM(text_config()).eval()


def _multimodal(words: Any, folder: Path) -> Any:
    from transformers import Gemma3Config, Gemma3ForConditionalGeneration, Gemma3Processor, SiglipVisionConfig
    from transformers.models.gemma3.image_processing_pil_gemma3 import Gemma3ImageProcessorPil

    vision = SiglipVisionConfig(
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=56,
        patch_size=14,
        vision_use_head=False,
    )
    config = Gemma3Config(
        text_config=text_config(),
        vision_config=vision,
        mm_tokens_per_image=4,
        boi_token_index=words.convert_tokens_to_ids(IMAGE_BEGINS),
        eoi_token_index=words.convert_tokens_to_ids(IMAGE_ENDS),
        image_token_index=words.convert_tokens_to_ids(IMAGE),
        initializer_range=0.1,
    )
    images = Gemma3ImageProcessorPil(size={"height": 56, "width": 56}, image_seq_length=4, do_pan_and_scan=False)
    Gemma3Processor(images, words, chat_template=TEMPLATE, image_seq_length=4).save_pretrained(folder)
    return Gemma3ForConditionalGeneration(config).eval()


if __name__ == "__main__":
    build(sys.argv[1], Path(sys.argv[2]))
