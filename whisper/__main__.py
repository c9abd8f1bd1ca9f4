"""The whole way in order: features, training when it is due, batch inference of new recordings.

    python -m whisper --source ../shared/data/whisper/spoken_digits

The last line is one JSON object: error rates as shares (`wer`, `wer_untrained`, ...), of how many
`clips`, and the `seconds` that it all took. Each pipeline also runs alone.
"""

from __future__ import annotations

import json
import time

from fti import console
from fti.training import Train
from whisper import feature_pipeline, learning, recipes, sources, training_pipeline
from whisper.batch_inference_pipeline import RecordingsOption, write_down
from whisper.training_pipeline import RecipeOption, SetOption, TaskOption, TrainOption


def main(
    source: sources.SourceOption = None,
    test_source: feature_pipeline.TestSourceOption = None,
    language: sources.LanguageOption = None,
    recordings: RecordingsOption = None,
    date: console.DateOption = None,
    recipe: RecipeOption = recipes.TINY.name,
    settings: SetOption = None,
    task: TaskOption = None,
    train: TrainOption = Train.due,
) -> None:
    """Run feature, training and batch inference pipeline for one day."""
    began, date = time.monotonic(), console.day(date)
    learning.need_torch()
    chosen = training_pipeline.choose(recipe, settings, task)
    feature_pipeline.main(
        source, date, language, learning.tokenizer_of(chosen), test_source=test_source
    )
    report = training_pipeline.run(chosen, date, train)
    console.say(report.pop("message"))
    write_down(recordings, date, language)
    console.say(json.dumps(report | {"seconds": round(time.monotonic() - began, 1)}))


if __name__ == "__main__":
    console.run(main)
