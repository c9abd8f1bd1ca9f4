"""Let a Whisper model hear windows shorter than 30 s: seven times less work for 5 s of speech.

    use_windows(model)                              before training or decoding
    with generation_window(model, frames=600):      6 s
        model.generate(features)                    bands x 600 frames

The encoder's positions are fixed sinusoids, so a shorter window takes the first of them. Weights,
their names and what comes out of a full window stay what they were, to the last bit. Only a model
that was trained on short windows understands them well: stock ones repeat themselves.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.nn import functional as F
from transformers.modeling_outputs import BaseModelOutput
from transformers.models.whisper.modeling_whisper import WhisperEncoder
from transformers.utils.generic import merge_with_config_defaults
from transformers.utils.output_capturing import capture_outputs

FRAMES_PER_POSITION = 2  # the second convolution takes every other frame


class WindowedEncoder(WhisperEncoder):
    """The encoder of transformers without its check of the length, which needs 30 s."""

    @merge_with_config_defaults
    @capture_outputs
    def forward(
        self, input_features: torch.Tensor, attention_mask: Any = None, **kwargs: Any
    ) -> BaseModelOutput:
        """Give the states of a log-mel (clips x bands x frames); raises ValueError for long ones.

        The mask is unused, as it is in transformers: silence needs none.
        """
        hidden = F.gelu(self.conv2(F.gelu(self.conv1(input_features)))).permute(0, 2, 1)
        known = self.embed_positions.num_embeddings
        if hidden.shape[1] > known:
            raise ValueError(
                f"the window has {input_features.shape[-1]} frames, but the model knows positions"
                f" for {known * FRAMES_PER_POSITION}"
            )
        hidden = hidden + self.embed_positions.weight[: hidden.shape[1]]
        hidden = F.dropout(hidden, p=self.dropout, training=self.training)
        for layer in self.layers:  # none is dropped: Whisper's layerdrop is 0
            hidden = layer(hidden, None, **kwargs)
        return BaseModelOutput(last_hidden_state=self.layer_norm(hidden))


def use_windows(model: Any) -> Any:
    """Give the model, its encoder now taking windows of any length up to its own."""
    encoder = model.get_encoder()
    if type(encoder) is not WindowedEncoder:
        encoder.__class__ = WindowedEncoder
    return model


@contextmanager
def generation_window(model: Any, frames: int) -> Iterator[Any]:
    """Let `generate` take windows of that many frames.

    It would pad them with zeros, which are not silence in a log-mel, to what the config tells.
    """
    config = model.config
    full, config.max_source_positions = config.max_source_positions, frames // FRAMES_PER_POSITION
    try:
        yield model
    finally:
        config.max_source_positions = full
