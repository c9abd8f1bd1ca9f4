"""Make a small model learn a few clips by heart: the quickest one that has something to say."""

import torch

from whisper import evaluation, networks, recipes
from whisper.torch_mel import log_mel

SMALL = recipes.named(
    "tiny", d_model=64, encoder_layers=2, decoder_layers=2, heads=4, ffn=128, bands=80, slack=0.1,
    dropout=0.0, learning_rate=4e-3, warmup_steps=10, max_steps=160, eval_batch_size=32,
)  # fmt: skip


def memorised(recipe, tokenizer, clips):
    """Give a model that knows what is said in clips, and nothing else.

    All of them are one batch in the longest window, for as many steps as the recipe has.
    """
    model = networks.build(recipe, tokenizer)
    frames = round(recipe.longest * 100)
    heard = torch.from_numpy(evaluation.waveforms(clips, frames))
    batch = {
        "input_features": log_mel(heard, recipe.bands, frames),
        "labels": labels(tokenizer, clips),
    }
    optimizer = torch.optim.AdamW(model.parameters(), recipe.learning_rate)
    rising, steps = recipe.warmup_steps, recipe.max_steps
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min(1, (step + 1) / rising) * (1 - step / steps)
    )
    model.train()
    for _ in range(steps):
        model(**batch).loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
    return model.eval()


def labels(tokenizer, clips):
    """Give what the model is to write after its start, filled up with what no loss counts."""
    rows = [
        [
            *tokenizer.prompt(clip.language, "transcribe")[1:],
            *tokenizer.label(clip.text_raw, clip.language),
            tokenizer.end,
        ]
        for clip in clips
    ]
    width = max(map(len, rows))
    return torch.tensor([row + [-100] * (width - len(row)) for row in rows])
