"""Whisper in int8 with torch, on CPUs on which its products are faster than CTranslate2's.

Weights are int8, one scale a row; activations are int8 for products with weights, bfloat16 inside
attention where the CPU multiplies it, float32 elsewhere. Reads the files of transformers
(config.json, model.safetensors, generation_config.json) and needs torch, not transformers. The
encoder takes windows of any even length up to the model's own: its positions are sliced.

Only import this where torch is installed (`whisper.engines` does).
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from torch.nn import functional

from whisper.engines import Decoded, Specials, shares

SCORES = 2**21  # of attention held at a time: they stay in a core's cache
FIRST_SECOND = 50  # timestamps: the first one said lies in the window's first second


class TorchEngine:
    """A model of transformers on this CPU; see `whisper.engines.Engine`."""

    name = "torch"

    def __init__(self, folder: Path, specials: Specials, threads: int = 0):
        self.specials = specials
        if threads:
            torch.set_num_threads(threads)
        config = json.loads((folder / "config.json").read_text("utf-8"))
        generation = folder / "generation_config.json"
        said = json.loads(generation.read_text("utf-8")) if generation.exists() else {}
        self.bands = config["num_mel_bins"]
        self.positions = config["max_target_positions"]
        self.never = list(said.get("suppress_tokens") or [])
        self.never_first = list(said.get("begin_suppress_tokens") or [])
        with _Weights(folder) as weights, torch.inference_mode():
            self._encoder = _Encoder(weights, config)
            self._decoder = _Decoder(weights, config)

    @torch.inference_mode()
    def decode(
        self,
        features: np.ndarray,
        prompts: Sequence[Sequence[int]],
        max_tokens: int,
        never: Sequence[int] = (),
    ) -> list[Decoded]:
        """Say the likeliest token, again and again, for each window."""
        state = _State(self._decoder, self._encoder(torch.from_numpy(features)), self.positions)
        prompt = torch.tensor(prompts)
        logits = self._decoder(prompt, state)
        at_start = logits[:, list(prompts[0]).index(self.specials.start)]
        silent = at_start.softmax(-1)[:, self.specials.no_speech]
        chooser = _Chooser(self, prompts, [*self.never, *never])
        logits = logits[:, -1]
        for _ in range(min(max_tokens, self.positions - prompt.shape[1])):
            chosen = chooser(logits)
            if chooser.done:
                break
            logits = self._decoder(chosen[:, None], state)[:, -1]
        return [
            Decoded(ids, total / (len(ids) + 1), quiet)
            for ids, total, quiet in zip(chooser.said, chooser.totals, silent.tolist(), strict=True)
        ]

    @torch.inference_mode()
    def languages(self, features: np.ndarray, tokens: Mapping[str, int]) -> list[dict[str, float]]:
        """Tell for each window how probable each language is."""
        state = _State(self._decoder, self._encoder(torch.from_numpy(features)), 1)
        start = torch.full((len(features), 1), self.specials.start)
        logits = self._decoder(start, state)[:, -1, list(tokens.values())]
        chances = logits.softmax(-1).tolist()
        return [shares(dict(zip(tokens, one, strict=True))) for one in chances]


class _Chooser:
    """Greedy choice with Whisper's rules for timestamps, and what was chosen so far."""

    def __init__(self, engine: TorchEngine, prompts: Sequence[Sequence[int]], never: list[int]):
        self._specials, self._never, self._never_first = engine.specials, never, engine.never_first
        self._timed = engine.specials.no_timestamps not in prompts[0]
        self.said: list[list[int]] = [[] for _ in prompts]
        self.totals = [0.0] * len(prompts)
        self._ended = [False] * len(prompts)

    @property
    def done(self) -> bool:
        return all(self._ended)

    def __call__(self, logits: torch.Tensor) -> torch.Tensor:
        logits[:, self._never] = -torch.inf
        if not any(self.said):
            logits[:, self._never_first] = -torch.inf
        if self._timed:
            for row, said in zip(logits, self.said, strict=True):
                self._keep_timestamps_in_order(row, said)
        best, chosen = logits.log_softmax(-1).max(-1)
        for index, (token, chance) in enumerate(zip(chosen.tolist(), best.tolist(), strict=True)):
            if self._ended[index]:
                continue
            self.totals[index] += chance
            self._ended[index] = token == self._specials.end
            if not self._ended[index]:
                self.said[index].append(token)
        return chosen

    def _keep_timestamps_in_order(self, row: torch.Tensor, said: list[int]) -> None:
        begin, end = self._specials.timestamps, self._specials.end
        row[self._specials.no_timestamps] = -torch.inf
        if not said:
            row[:begin] = -torch.inf
            row[begin + FIRST_SECOND + 1 :] = -torch.inf
            return
        timed = [token >= begin for token in said[-2:]]
        if timed[-1]:
            if len(timed) < 2 or timed[0]:  # a segment has begun: text follows
                row[begin:] = -torch.inf
            else:  # one has ended: the next one begins, or nothing follows
                row[:end] = -torch.inf
        if past := [token for token in said if token >= begin]:
            # A segment has some length, but the next one may begin where it ends.
            reached = past[-1] + (0 if timed[-1] and not (len(timed) < 2 or timed[0]) else 1)
            row[begin:reached] = -torch.inf
        chances = row.log_softmax(-1)
        if chances[begin:].logsumexp(-1) > chances[:begin].max():
            row[:begin] = -torch.inf


class _Weights:
    """Tensors of a model by name, read one at a time from one file or several."""

    def __init__(self, folder: Path):
        index = folder / "model.safetensors.index.json"
        names = ["model.safetensors"]
        if index.exists():
            names = sorted(set(json.loads(index.read_text("utf-8"))["weight_map"].values()))
        self._paths = [folder / name for name in names]

    def __enter__(self) -> _Weights:
        self._files = [safe_open(path, framework="pt") for path in self._paths]
        self._where = {}
        for file in self._files:
            file.__enter__()
            self._where |= dict.fromkeys(file.keys(), file)
        return self

    def __exit__(self, *error: object) -> None:
        for file in self._files:
            file.__exit__(*error)

    def __getitem__(self, name: str) -> torch.Tensor:
        return self._where[name].get_tensor(name).float()

    def norm(self, name: str) -> tuple[torch.Tensor, torch.Tensor]:
        return self[f"{name}.weight"], self[f"{name}.bias"]

    def linear(self, name: str, scale: float = 1.0) -> tuple[torch.Tensor, torch.Tensor]:
        """The weight and the bias of a layer; keys of attention have none, which is zeros."""
        weight = self[f"{name}.weight"] * scale
        bias = f"{name}.bias"
        return weight, self[bias] * scale if bias in self._where else weight.new_zeros(len(weight))


class _Product:
    """Some linear layers with the same input, in int8 with one scale a row."""

    def __init__(self, *layers: tuple[torch.Tensor, torch.Tensor | None]):
        weight = torch.cat([weight for weight, _ in layers])
        bias = None if layers[0][1] is None else torch.cat([bias for _, bias in layers])
        scales = (weight.abs().amax(1) / 127).clamp(min=1e-12).double()
        zeros = torch.zeros(len(weight), dtype=torch.int64)
        with warnings.catch_warnings():
            # A later torch will not have them, but this one is pinned, and others are slower.
            warnings.filterwarnings("ignore", "torch.quantize_per_tensor", UserWarning)
            whole = torch.quantize_per_channel(weight, scales, zeros, 0, torch.qint8)
        self._packed = torch.ops.quantized.linear_prepack(whole, bias)
        # Without these instructions sums of two products of 8 bits do not fit into 16.
        self._seven_bits = not torch.cpu._is_vnni_supported()

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        return torch.ops.quantized.linear_dynamic(x, self._packed, self._seven_bits)


def _normed(x: torch.Tensor, norm: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    return functional.layer_norm(x, x.shape[-1:], *norm)


def _heads(x: torch.Tensor, heads: int) -> torch.Tensor:
    """Windows x positions x width as windows x heads x positions x width of a head."""
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


def _half() -> torch.dtype:
    """The type that the CPU multiplies fastest in attention."""
    return torch.bfloat16 if torch.cpu._is_avx512_bf16_supported() else torch.float32


class _Attention:
    """The weights of attention; queries are scaled beforehand."""

    def __init__(self, weights: _Weights, name: str, heads: int, *, of_itself: bool):
        width = len(weights[f"{name}.q_proj.weight"])
        query = weights.linear(f"{name}.q_proj", (width // heads) ** -0.5)
        others = [weights.linear(f"{name}.{part}_proj") for part in "kv"]
        self.heads = heads
        self.inputs = (
            [_Product(query, *others)] if of_itself else [_Product(query), _Product(*others)]
        )
        self.out = _Product(weights.linear(f"{name}.out_proj"))


class _Feed:
    """The two layers behind attention."""

    def __init__(self, weights: _Weights, name: str):
        self._norm = weights.norm(f"{name}.final_layer_norm")
        self._wide = _Product(weights.linear(f"{name}.fc1"))
        self._narrow = _Product(weights.linear(f"{name}.fc2"))

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        return x + self._narrow(functional.gelu(self._wide(_normed(x, self._norm))))


class _Encoder:
    def __init__(self, weights: _Weights, config: dict):
        self._convolutions = [weights.linear(f"model.encoder.conv{n}") for n in (1, 2)]
        self._positions = weights["model.encoder.embed_positions.weight"]
        self._layers = []
        for number in range(config["encoder_layers"]):
            name = f"model.encoder.layers.{number}"
            attention = _Attention(
                weights, f"{name}.self_attn", config["encoder_attention_heads"], of_itself=True
            )
            norm = weights.norm(f"{name}.self_attn_layer_norm")
            self._layers.append((norm, attention, _Feed(weights, name)))
        self._norm = weights.norm("model.encoder.layer_norm")
        self._type = _half()

    def __call__(self, features: torch.Tensor) -> torch.Tensor:
        """Windows x bands x frames in, windows x frames / 2 x width out."""
        x = functional.gelu(functional.conv1d(features, *self._convolutions[0], padding=1))
        x = functional.gelu(functional.conv1d(x, *self._convolutions[1], stride=2, padding=1))
        x = x.transpose(1, 2)
        x = x + self._positions[: x.shape[1]]
        for norm, attention, feed in self._layers:
            x = feed(x + attention.out(self._attended(_normed(x, norm), attention)))
        return _normed(x, self._norm)

    def _attended(self, x: torch.Tensor, attention: _Attention) -> torch.Tensor:
        parts = attention.inputs[0](x).to(self._type).chunk(3, -1)
        query, key, value = (_heads(part, attention.heads).flatten(0, 1) for part in parts)
        key = key.transpose(1, 2)
        out = torch.empty_like(query, memory_format=torch.contiguous_format)
        step = max(1, SCORES // query.shape[1] ** 2)
        for first in range(0, len(query), step):
            some = slice(first, first + step)
            scores = torch.bmm(query[some], key[some]).softmax(-1)
            torch.bmm(scores, value[some], out=out[some])
        return out.unflatten(0, (len(x), -1)).transpose(1, 2).flatten(2).float()


class _State:
    """What the decoder has seen: keys and values of the window and of the tokens so far."""

    def __init__(self, decoder: _Decoder, heard: torch.Tensor, positions: int):
        self.heard = [
            tuple(
                _heads(part, attention.heads).contiguous().to(decoder.type)
                for part in attention.inputs[1](heard).chunk(2, -1)
            )
            for attention in decoder.listening
        ]
        shape = (len(heard), decoder.heads, positions, decoder.width // decoder.heads)
        self.said = [(torch.empty(shape), torch.empty(shape)) for _ in decoder.listening]
        self.length = 0


class _Decoder:
    def __init__(self, weights: _Weights, config: dict):
        self.heads, self.width = config["decoder_attention_heads"], config["d_model"]
        self.type = _half()
        self._tokens = weights["model.decoder.embed_tokens.weight"]
        self._positions = weights["model.decoder.embed_positions.weight"]
        self._layers, self.listening = [], []
        for number in range(config["decoder_layers"]):
            name = f"model.decoder.layers.{number}"
            itself = _Attention(weights, f"{name}.self_attn", self.heads, of_itself=True)
            heard = _Attention(weights, f"{name}.encoder_attn", self.heads, of_itself=False)
            norms = [weights.norm(f"{name}.{k}_attn_layer_norm") for k in ("self", "encoder")]
            self._layers.append((*norms, itself, heard, _Feed(weights, name)))
            self.listening.append(heard)
        self._norm = weights.norm("model.decoder.layer_norm")
        self._words = _Product((self._tokens, None))  # the same weights say which token comes

    def __call__(self, tokens: torch.Tensor, state: _State) -> torch.Tensor:
        """Windows x new tokens in, the logits behind each of them out."""
        first, last = state.length, state.length + tokens.shape[1]
        x = self._tokens[tokens] + self._positions[first:last]
        # A single new token may look at all before it; of several, each at those before itself.
        seen = torch.ones(last - first, last, dtype=torch.bool).tril(first)
        for number, (norm, heard_norm, itself, heard, feed) in enumerate(self._layers):
            keys, values = state.said[number]
            query, key, value = (
                _heads(part, self.heads) for part in itself.inputs[0](_normed(x, norm)).chunk(3, -1)
            )
            keys[:, :, first:last], values[:, :, first:last] = key, value
            said = functional.scaled_dot_product_attention(
                query, keys[:, :, :last], values[:, :, :last], attn_mask=seen, scale=1.0
            )
            x = x + itself.out(said.transpose(1, 2).flatten(2))
            query = _heads(heard.inputs[0](_normed(x, heard_norm)), self.heads).to(self.type)
            key, value = state.heard[number]
            listened = (query @ key.transpose(2, 3)).softmax(-1) @ value
            x = feed(x + heard.out(listened.transpose(1, 2).flatten(2).float()))
        state.length = last
        return self._words(_normed(x, self._norm))
