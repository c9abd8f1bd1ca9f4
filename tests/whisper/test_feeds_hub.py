"""Datasets come from the Hugging Face Hub by its own client, file by file, into its cache."""

import hashlib
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

pytest.importorskip("huggingface_hub")
pytest.importorskip("soundfile")

from huggingface_hub import constants

from fti.errors import SourceError, SourceUnreachable, UserError
from tests.whisper import corpora
from tests.whisper.loopback import Service, running
from whisper import clips, sources
from whisper.feeds import hub
from whisper.feeds.parquet import Columns

ROOT = Path(__file__).parents[2]
SPLITS = ("train", "validation", "test")
NAMED = Columns.parse("text=words,speaker=reader")


class Hub(Service):
    """A Hub with datasets; `branches` are the files of a dataset and a branch, by their paths."""

    def __init__(self):
        super().__init__()
        self.branches = {}
        self.refusal = None  # status and code, to every question
        self.gated, self.busy, self.size = set(), 0, None

    def put(self, name, branch, folder):
        """Put the files of a folder into a branch."""
        files = (file for file in sorted(folder.rglob("*")) if file.is_file())
        there = {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}
        self.branches[name, branch] = there

    def answer(self, method, path, headers, body):
        if self.refusal:
            return self.refusal[0], {"X-Error-Code": self.refusal[1]}, {"error": "refused"}
        if self.busy:
            self.busy -= 1
            return 503, {}, {"error": "busy"}
        address = unquote(urlsplit(path).path)
        for (name, branch), files in self.branches.items():
            commit = hashlib.sha1(branch.encode(), usedforsecurity=False).hexdigest()
            for revision in (branch, commit):
                if address == f"/api/datasets/{name}/revision/{revision}":
                    return 200, {}, {"id": name, "sha": commit, "siblings": []}
                if f"{address}/".startswith(f"/api/datasets/{name}/tree/{revision}/"):
                    return self.tree(path, address.partition(revision)[2][1:], files)
                found = files.get(address.removeprefix(f"/datasets/{name}/resolve/{revision}/"))
                if found is not None:
                    if name in self.gated:
                        return 403, {"X-Error-Code": "GatedRepo"}, {}
                    etag = hashlib.sha256(found).hexdigest()
                    return 200, {"ETag": f'"{etag}"', "X-Repo-Commit": commit}, found
        known = any(name in address for name, _ in self.branches)
        code = "RevisionNotFound" if known else "RepoNotFound"
        return 404, {"X-Error-Code": code}, {"error": "not found"}

    def tree(self, path, folder, files):
        """Give what is in a folder two at a time, and where the next ones are."""
        query = parse_qs(urlsplit(path).query)
        entries = self.entries(files)
        if query["recursive"][0].lower() != "true":
            entries = [one for one in entries if one["path"].rpartition("/")[0] == folder]
        first = int(query.get("cursor", "0")[0])
        following = f"{self.address}{path.partition('?')[0]}?recursive=true&cursor={first + 2}"
        headers = {"Link": f'<{following}>; rel="next"'} if first + 2 < len(entries) else {}
        return 200, headers, entries[first : first + 2]

    def entries(self, files):
        """Give files and the folders above them as the Hub lists them."""
        folders = {one.as_posix() for path in files for one in list(Path(path).parents)[:-1]}
        found = [{"type": "directory", "path": path, "oid": "0" * 40} for path in sorted(folders)]
        for path, data in files.items():
            size = len(data) if self.size is None else self.size
            found.append({"type": "file", "path": path, "size": size, "oid": "1" * 40})
        return found


@pytest.fixture
def service(tmp_path, monkeypatch):
    """A loopback Hub; its client, already imported, is told where it is and where to keep files."""
    with running(Hub()) as server:
        monkeypatch.setattr(constants, "ENDPOINT", server.address)
        template = server.address + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(hub, "PAUSE", 0)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield server


@pytest.fixture
def fleurs(service, tmp_path):
    """FLEURS in Swedish and English, as the Hub converted it."""
    long = [{"bytes": corpora.written(corpora.sound(10.0)), "path": "long.wav"}] * 2
    for language, texts, audio in (
        ("sv_se", ("Hej.", "Hej då."), None),
        ("en_us", ("Hello.", "Goodbye."), long),
    ):
        for split in SPLITS:
            columns = {
                "id": [7, 8],
                "path": [f"{split}1.wav", f"{split}2.wav"],
                "raw_transcription": list(texts),
                "transcription": ["hej", "hej då"],
                "lang_id": [83, 83],
            }
            path = tmp_path / "fleurs" / language / split / "0000.parquet"
            corpora.as_parquet(path, columns, audio)
    service.put("google/fleurs", hub.CONVERTED, tmp_path / "fleurs")
    return service


def words(folder, files):
    """Write Parquet files of a dataset that nobody knows."""
    for number, file in enumerate(files):
        columns = {"words": ["Hej.", "Hej då."], "reader": [f"v{number}"] * 2}
        corpora.as_parquet(folder / file, columns)
    return folder


def test_fleurs_is_fetched_from_the_hubs_conversion_to_parquet(fleurs):
    found = list(sources.read("fleurs:sv_se"))
    assert Counter(one.split for one in found) == {"train": 2, "validation": 2, "test": 2}
    first = found[0]
    assert (first.corpus, first.language, first.text) == ("fleurs", "sv", "Hej.")
    assert (first.file, first.translation) == ("sv/test1.wav", "")
    assert clips.make(first).seconds == 1.0
    assert not fleurs.asked("en_us")


def test_english_sentences_of_fleurs_come_without_their_audio(fleurs):
    found = list(sources.read("fleurs:sv_se", translate=True))
    assert [one.translation for one in found[:2]] == ["Hello.", "Goodbye."]
    files = fleurs.branches["google/fleurs", hub.CONVERTED].items()
    whole = sum(len(data) for path, data in files if path.startswith("en_us"))
    assert 0 < sum(last + 1 - first for first, last in fleurs.ranges) < whole / 4
    assert not [one.translation for one in sources.read("fleurs:sv_se") if one.translation]


def test_files_are_downloaded_once(fleurs):
    read = [[one.audio for one in sources.read("fleurs:sv_se")] for _ in range(2)]
    assert read[0] == read[1]
    assert len(fleurs.asked("GET /datasets")) == 3


def test_a_file_whose_connection_breaks_is_asked_for_again(fleurs):
    fleurs.breaks = [20_000]
    found = [clips.make(one).seconds for one in sources.read("fleurs:sv_se")]
    assert found == [1.0] * 6


def test_a_hub_that_is_busy_is_asked_again(fleurs):
    fleurs.busy = 2
    assert len(list(sources.read("fleurs:sv_se"))) == 6


def test_covost_is_fetched_with_its_translations(service, tmp_path):
    files = [f"sv-SE_en/{split}-00000-of-00001.parquet" for split in SPLITS]
    for number, file in enumerate(files):
        columns = {
            "client_id": [f"v{number}"],
            "file": ["common_voice_sv-SE_1.mp3"],
            "sentence": ["Hej."],
            "translation": ["Hello."],
        }
        corpora.as_parquet(tmp_path / "covost" / file, columns)
    words(tmp_path / "covost", ["ja_en/test-00000-of-00001.parquet"])
    service.put("fixie-ai/covost2", "main", tmp_path / "covost")
    found = {one.split: one for one in sources.read("covost2:sv-SE_en")}
    assert set(found) == set(SPLITS)
    test = found["test"]
    assert (test.corpus, test.language, test.speaker) == ("covost2", "sv", "v2")
    assert test.translation == "Hello."
    assert not service.asked("ja_en/")


@pytest.mark.parametrize("folder", ["", "data/", "sv/"])
def test_any_dataset_is_fetched_with_its_columns_named(service, tmp_path, folder):
    words(tmp_path / "d", [f"{folder}{split}-00000.parquet" for split in SPLITS])
    service.put("me/words", "main", tmp_path / "d")
    found = list(sources.read("hub:me/words", "sv", columns=NAMED))
    assert Counter(one.split for one in found) == {"train": 2, "validation": 2, "test": 2}
    assert {(one.corpus, one.language) for one in found} == {("me/words", "sv")}
    assert found[0].file == "sv/test-00000.parquet:0"  # no commit, which would make it another clip
    assert len({clips.clip_id(one) for one in found}) == 6


def test_a_config_is_chosen_where_there_are_several(service, tmp_path):
    for place in ("data/sv", "data/it"):
        words(tmp_path / "d", [f"{place}/{split}/0.parquet" for split in SPLITS])
    service.put("me/words", "main", tmp_path / "d")
    assert {one.language for one in sources.read("hub:me/words:it", columns=NAMED)} == {"it"}
    with pytest.raises(SourceError, match=r"configs data/it, data/sv; add one, as hub:me/words:"):
        next(sources.read("hub:me/words", columns=NAMED))
    with pytest.raises(SourceError, match=r"configs data/it, data/sv; 'fr' was asked for"):
        next(sources.read("hub:me/words:fr", columns=NAMED))
    with pytest.raises(UserError, match=r"it is in 'it'; 'sv' was asked for"):
        next(sources.read("hub:me/words:it", "sv", columns=NAMED))


@pytest.mark.parametrize(
    "layout",
    ["partial-{}/0000.parquet", "words-{}.parquet", "words-{}-00000-of-00005.parquet"],
    ids=["of today", "of 2023", "of 2023, in parts"],
)
def test_a_dataset_without_parquet_is_read_as_the_hub_converted_it(service, tmp_path, layout):
    words(tmp_path / "d", [f"default/{layout.format(split)}" for split in SPLITS])
    service.put("me/words", hub.CONVERTED, tmp_path / "d")
    (tmp_path / "e").mkdir()
    (tmp_path / "e/words.py").write_text("# a loading script", encoding="utf-8")
    service.put("me/words", "main", tmp_path / "e")
    found = Counter(one.split for one in sources.read("hub:me/words", "sv", columns=NAMED))
    assert found == {"train": 2, "validation": 2, "test": 2}
    del service.branches["me/words", hub.CONVERTED]
    with pytest.raises(SourceError, match="neither as Parquet nor converted"):
        next(sources.read("hub:me/words", "sv", columns=NAMED))


@pytest.mark.parametrize(
    ("status", "code", "says"),
    [
        (401, "RepoNotFound", "no such dataset, or shows it to others only; check its name"),
        (403, "GatedRepo", "accept its terms on the Hub; do so and set HF_TOKEN"),
        (403, "", "does not give it"),
        (500, "", "does not give it .*try again later"),
    ],
)
def test_what_the_hub_refuses_is_one_sentence(service, status, code, says):
    service.refusal = (status, code)
    with pytest.raises(SourceError, match=says) as caught:
        next(sources.read("fleurs:sv_se"))
    assert "\n" not in str(caught.value)


def test_a_gated_dataset_that_lists_its_files_is_one_sentence(fleurs):
    fleurs.gated.add("google/fleurs")
    with pytest.raises(SourceError, match=r"accept its terms on the Hub; do so and set HF_TOKEN"):
        next(sources.read("fleurs:sv_se"))


def test_a_hub_that_is_away_or_not_to_be_asked_is_one_sentence(service, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(SourceUnreachable, match=r"HF_HUB_OFFLINE is set.*unset it"):
        next(sources.read("fleurs:sv_se"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(SourceUnreachable, match=r"the Hub does not give it .*--source PATH"):
        next(sources.read("fleurs:sv_se"))


def test_a_disk_that_is_too_small_is_told_before(fleurs):
    fleurs.size = 10**18
    with pytest.raises(UserError, match=r"fleurs takes [\d,]+.0 GB.*name another place with HF_H"):
        next(sources.read("fleurs:sv_se"))
    assert not fleurs.asked("resolve")


@pytest.mark.parametrize(
    "said", ["fleurs:", "covost2:", "hub:", "hub:words", "hub:a/b/c", "hub:/b"]
)
def test_names_that_are_none_are_one_sentence(service, said):
    with pytest.raises(UserError, match=r"write (it as|hub:OWNER/NAME)"):
        next(sources.read(said))
    assert not service.requests


def test_the_command_respects_the_settings_of_the_hubs_client(fleurs, tmp_path):
    settings = {"HF_ENDPOINT": fleurs.address, "HF_HOME": str(tmp_path / "home")}
    settings |= {"HF_HUB_OFFLINE": "0", "PYTHONIOENCODING": "utf-8"}
    settings |= {"HF_HUB_CACHE": str(tmp_path / "home/hub")}  # or one of the machine would count
    done = subprocess.run(
        [sys.executable, "-m", "whisper.sources", "--source", "fleurs:sv_se", "--translate"],
        env=os.environ | settings,
        cwd=ROOT,
        capture_output=True,
        check=True,
        encoding="utf-8",
    )
    assert "validation │ 2 " in done.stdout
    assert next((tmp_path / "home").rglob("sv_se/train/0000.parquet"))
