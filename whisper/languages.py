"""What the languages that Whisper knows are called in English: `NAMES["sv"]` is "Swedish"."""

from whisper.feeds.names import LANGUAGES

# In the order of LANGUAGES, which is that of Whisper's tokenizer.
_NAMES = """
English, Chinese, German, Spanish, Russian, Korean, French, Japanese, Portuguese, Turkish, Polish,
Catalan, Dutch, Arabic, Swedish, Italian, Indonesian, Hindi, Finnish, Vietnamese, Hebrew, Ukrainian,
Greek, Malay, Czech, Romanian, Danish, Hungarian, Tamil, Norwegian, Thai, Urdu, Croatian, Bulgarian,
Lithuanian, Latin, Maori, Malayalam, Welsh, Slovak, Telugu, Persian, Latvian, Bengali, Serbian,
Azerbaijani, Slovenian, Kannada, Estonian, Macedonian, Breton, Basque, Icelandic, Armenian, Nepali,
Mongolian, Bosnian, Kazakh, Albanian, Swahili, Galician, Marathi, Punjabi, Sinhala, Khmer, Shona,
Yoruba, Somali, Afrikaans, Occitan, Georgian, Belarusian, Tajik, Sindhi, Gujarati, Amharic, Yiddish,
Lao, Uzbek, Faroese, Haitian Creole, Pashto, Turkmen, Norwegian Nynorsk, Maltese, Sanskrit,
Luxembourgish, Burmese, Tibetan, Tagalog, Malagasy, Assamese, Tatar, Hawaiian, Lingala, Hausa,
Bashkir, Javanese, Sundanese, Cantonese
"""
NAMES = dict(zip(LANGUAGES, " ".join(_NAMES.split()).split(", "), strict=True))
