"""The names that publishers give to languages and splits, and ours for them."""

from __future__ import annotations

import re

from fti.errors import SourceError
from whisper.clips import TEST, TRAIN, VALIDATION

# What Whisper's tokenizer knows.
_CODES = """
en zh de es ru ko fr ja pt tr pl ca nl ar sv it id hi fi vi he uk el ms cs ro da hu ta no th ur hr
bg lt la mi ml cy sk te fa lv bn sr az sl kn et mk br eu is hy ne mn bs kk sq sw gl mr pa si km sn
yo so af oc ka be tg sd gu am yi lo uz fo ht ps tk nn mt sa lb my bo tl mg as tt haw ln ha ba jw su
yue
"""
LANGUAGES = tuple(_CODES.split())  # in the order of its tokenizer
ALSO = {"cmn": "zh", "nb": "no", "fil": "tl", "iw": "he", "jv": "jw"}
LOCALE = re.compile(r"[a-z]{2,3}([-_](hans|hant|latn|cyrl))?[-_][A-Za-z]{2}([-_][a-z]{2})?")
COUNTER = re.compile(r"(-\d+-of-\d+)?(\.\w+)?$")  # of a file that is one of several
SPLITS = {
    "train": TRAIN,
    "training": TRAIN,
    "dev": VALIDATION,
    "val": VALIDATION,
    "valid": VALIDATION,
    "validation": VALIDATION,
    "test": TEST,
}


def language(locale: str) -> str:
    """Give the language of a locale as "sv-SE", "cmn_hans_cn" or "sv-SE_en"; "" for no locale."""
    code = re.split(r"[-_]", locale, maxsplit=1)[0].lower()
    code = ALSO.get(code, code)
    return code if code in LANGUAGES else ""


def language_of_locale(name: str) -> str:
    """Give the language of a whole locale, as "sv_se" or "sv-SE_en"; "" for other names."""
    return language(name) if LOCALE.fullmatch(name) else ""


def split(said: str, where: str) -> str:
    """Give the split of a name as "dev"; `where` begins the sentence about one that is none."""
    try:
        return SPLITS[said.strip().lower()]
    except KeyError:
        known = ", ".join(SPLITS)
        raise SourceError(
            f"{where}: the split '{said[:40]}' is not known; call it one of {known}."
        ) from None


def split_of_path(*parts: str) -> str:
    """Give the split that a file is of: by a folder called so, or how its name begins or ends.

    `parts` are the folders and the name, as ("sv_se", "train", "0000.parquet") or
    ("sv_se", "fleurs-train-00000-of-00005.parquet"); "" comes out for none.
    """
    *folders, name = parts
    words = re.split(r"[-_.]", COUNTER.sub("", name))
    return next(filter(None, map(_split_of, (words[0], words[-1], *reversed(folders)))), "")


def is_split(folder: str) -> bool:
    """Whether a folder is called by a split."""
    return bool(_split_of(folder))


def _split_of(name):
    """Give the split of a name, "" for none; "partial-train" is one that the Hub cut short."""
    return SPLITS.get(name.lower().removeprefix("partial-"), "")
