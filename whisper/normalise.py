"""One spelling for texts that say the same: what scores are computed on, beside the raw texts.

These rules are this project's own; state them beside a score, as scores after other rules differ.
In order:

 1. What stands in square brackets is a remark on the sound ("[Music]") and goes.
 2. Compatibility forms become plain ones (NFKC: full-width, ligatures) and case is folded
    (ß is ss). Accents stay: å and a are different letters.
 3. %, & and + become words in the languages of `SPOKEN`.
 4. An apostrophe between letters separates words in the languages of elision (Italian, French,
    Catalan: dell'arte is dell arte) and is left out elsewhere (don't is dont).
 5. A hyphen between letters is left out in languages that write compounds as one word (Swedish:
    e-post is epost), as is the colon of Swedish endings (EU:s is eus); elsewhere a hyphen
    separates words (well-known is well known). A dash always does.
 6. All other punctuation and symbols become blanks; 3,5 and 3.5 both become 3 5, and 10 000,
    10,000 and 10.000 the same.
 7. Blanks are single ones; languages written without them (Chinese, Japanese) lose them all, so
    that a character error rate counts characters and nothing else.

Numbers in digits and in words stay different, as do Traditional and Simplified Chinese: texts of
one corpus have to be written one way.
"""

import re
import unicodedata

UNSPACED = frozenset({"zh", "yue", "ja", "th", "lo", "my", "km"})  # scored by character
ELISION = frozenset({"it", "fr", "ca"})
COMPOUNDING = frozenset({"sv", "da", "no", "nb", "nn", "de", "nl", "fi", "is"})

SPOKEN = {
    "sv": {"%": "procent", "&": "och", "+": "plus"},
    "en": {"%": "percent", "&": "and", "+": "plus"},
    "it": {"%": "per cento", "&": "e", "+": "più"},
}

_REMARK = re.compile(r"\[[^\[\]]*\]")
# NFKC would turn the acute accent that people type for an apostrophe into a blank.
_APOSTROPHES = dict.fromkeys(map(ord, "’‘‛ʼʹ′´`＇"), "'")
_HYPHENS = dict.fromkeys(map(ord, "‐‑﹣－"), "-")
_LETTER = r"[^\W\d_]"
_APOSTROPHE = re.compile(rf"(?<={_LETTER})'(?={_LETTER})")
_HYPHEN = re.compile(rf"(?<={_LETTER})-(?={_LETTER})")
_ENDING = re.compile(rf"(?<={_LETTER}):(?={_LETTER})")
_KEPT = frozenset("LMN")  # letters, the marks that vowels of many scripts are, numbers


def normalise(text: str, language: str) -> str:
    """Give a text in the one spelling of its language (ISO 639-1); "" when nothing is left.

    Normalising twice changes nothing.
    """
    text = _REMARK.sub(" ", text.translate(_APOSTROPHES))
    text = _folded(text).translate(_APOSTROPHES | _HYPHENS)
    for symbol, word in SPOKEN.get(language, {}).items():
        text = text.replace(symbol, f" {word} ")
    text = _APOSTROPHE.sub(" " if language in ELISION else "", text)
    if language in COMPOUNDING:
        text = _HYPHEN.sub("", text)
    if language == "sv":
        text = _ENDING.sub("", text)
    words = "".join(map(_plain, text)).split()
    # Marks that a dropped character kept apart from their letter may join it now.
    joined = ("" if language in UNSPACED else " ").join(words)
    return unicodedata.normalize("NFKC", joined)


def by_character(language: str) -> bool:
    """Whether a language is written without blanks, and so scored by its characters."""
    return language in UNSPACED


def _folded(text: str) -> str:
    """Case folding of compatibility forms, as Unicode defines it (toNFKC_Casefold)."""
    decomposed = unicodedata.normalize("NFD", text).casefold()
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", decomposed).casefold())


def _plain(character: str) -> str:
    kind = unicodedata.category(character)
    if kind[0] in _KEPT:
        return character
    return "" if kind == "Cf" else " "  # soft hyphens and joiners have no width
