"""Shards of Whisper go to Hopsworks and come back by the real client."""

import json

import pytest

pytest.importorskip("soundfile")
pytest.importorskip("av")

from tests.whisper import corpora
from whisper import labels, shards
from whisper.clips import Recording

KEEP_AND_FETCH = """
import json, sys
from pathlib import Path
import fti
from whisper import storage

project, here, there = fti.login(), Path(sys.argv[1]), Path(sys.argv[2])
counts = [storage.keep(project, here), storage.keep(project, here)]
counts += [storage.fetch(project, there), storage.fetch(project, there)]
print(json.dumps([*counts, project.name in str(storage.folder(project))]))
"""


def write(folder, text):
    sound = corpora.written(corpora.sound(1.0))
    recordings = [
        Recording("made", "sv", f"{n}.wav", text, "train", "ada", audio=sound) for n in range(4)
    ]
    shards.write(recordings, folder, labels.train([" ord"]), part_clips=2)


def test_shards_are_kept_and_fetched_by_the_client(client, tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    for text, moved in (("ord", 3), ("word", 2)):
        write(here, text)
        done = client.run("-c", KEEP_AND_FETCH, str(here), str(there), FTI_HOME=str(tmp_path))
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout.splitlines()[-1]) == [moved, 0, moved, 0, True]
        assert {clip.text_raw for clip in shards.read(shards.files(there))} == {text}
