"""One small model learns what espeak-ng says in three languages, and is scored in each."""

import shutil
from dataclasses import replace

import pytest

from tests.whisper.training.memorising import SMALL, memorised
from whisper import evaluation, labels, shards
from whisper.clips import TEST
from whisper.feeds import espeak

pytestmark = pytest.mark.skipif(not shutil.which("espeak-ng"), reason="espeak-ng is not installed")

RECIPE = replace(
    SMALL, windows=(2.0,), longest=2.0, max_steps=120, target_positions=32, max_new_tokens=28
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Shards of 10 short sentences each in Swedish, Italian and Mandarin."""
    folder = tmp_path_factory.mktemp("languages") / "shards"
    spoken = [
        replace(one, split=TEST)
        for language in ("sv", "it", "zh")
        for one in espeak.Espeak(language, 10, shortest=2, longest=2, speakers=1).recordings()
    ]
    shards.write(spoken, folder, labels.train((one.text for one in spoken), size=400))
    return folder


def test_swedish_italian_and_mandarin_sentences_are_memorised(folder):
    tokenizer = labels.load(folder / "tokenizer")
    clips = list(shards.read(shards.files(folder)))
    assert len(clips) == 30 and max(clip.seconds for clip in clips) < 2
    model = memorised(RECIPE, tokenizer, clips)
    found = evaluation.evaluate(model, tokenizer, folder, TEST, RECIPE)
    assert found["wer_sv"] < 0.2 and found["wer_it"] < 0.2 and found["cer_zh"] < 0.2
    assert found["error_rate"] < 0.2
    assert "cer_sv" not in found and "wer_zh" not in found
