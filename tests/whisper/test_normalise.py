"""Texts that say the same become the same, language by language."""

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whisper.normalise import UNSPACED, by_character, normalise

LANGUAGES = st.sampled_from(["sv", "en", "it", "zh", "ja", "de", "hi", "??"])


@pytest.mark.parametrize(
    ("language", "text", "plain"),
    [
        ("sv", "Hej, på dig!", "hej på dig"),
        ("sv", "EU:s e-post – för- och nackdelar", "eus epost för och nackdelar"),
        ("sv", "25 % kl. 10:30", "25 procent kl 10 30"),
        ("sv", "A\u030asa (Åsa) är här", "åsa åsa är här"),
        ("en", "Don’t stop: it´s a well-known fact", "dont stop its a well known fact"),
        ("en", "[Music] Bread & butter", "bread and butter"),
        ("en", "3.5 and 10,000", "3 5 and 10 000"),
        ("it", "L’acqua dell'arte è un po' fredda.", "l acqua dell arte è un po fredda"),
        ("it", "il 20% degl'italo-americani", "il 20 per cento degl italo americani"),
        ("de", "STRASSE, Straße", "strasse strasse"),
        ("zh", "我用 ＩＰｈｏｎｅ，１２ 个 月。", "我用iphone12个月"),
        ("ja", "ﾃｽﾄ、です。", "テストです"),
        ("hi", "हिन्दी।", "हिन्दी"),
        ("sv", "co\u00adop \u200bhej a\u200b\u030a", "coop hej å"),
        ("en", "do\u0149t", "dont"),  # one character that unfolds to an apostrophe and n
        ("sv", " ...!? ", ""),
    ],
)
def test_texts_are_written_one_way(language, text, plain):
    assert normalise(text, language) == plain


def test_languages_without_blanks_are_scored_by_character():
    assert by_character("zh") and by_character("ja")
    assert not any(map(by_character, ("sv", "it", "en", "ko")))


@settings(max_examples=300)
@given(text=st.text(), language=LANGUAGES)
def test_normalising_twice_changes_nothing(text, language):
    once = normalise(text, language)
    assert normalise(once, language) == once


@settings(max_examples=300)
@given(text=st.text(), language=LANGUAGES)
def test_only_letters_marks_numbers_and_single_blanks_are_left(text, language):
    plain = normalise(text, language)
    assert {unicodedata.category(character)[0] for character in plain} <= set("LMNZ")
    assert plain.split(" ") == plain.split() or not plain
    assert not (language in UNSPACED and " " in plain)


@given(words=st.lists(st.from_regex(r"[a-zåäö]{1,8}", fullmatch=True), min_size=1))
def test_case_and_punctuation_make_no_difference(words):
    said = ", ".join(words).upper() + "!"
    assert normalise(said, "sv") == " ".join(words)
