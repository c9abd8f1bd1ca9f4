"""What Swedish listings of flats write, as numbers: areas, rooms, fees, prices, days, floors.

    area("103 + 15 m²")                 Area(living=103.0, extra=15.0)
    address("Roslagsgatan 29 a, 3,5tr") street "roslagsgatan", number "29a", floor 3.5
    cell("slutpris 4 430 000 kr")       ("price", 4430000.0)

Pure functions. Text that is not understood gives None, never a guess; what can be read in two ways
is not understood either, and `address` and `floor_said` then say why. Any text is allowed.
"""

from __future__ import annotations

import math
import re
import unicodedata
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

MONTHS = (
    "januari", "februari", "mars", "april", "maj", "juni", "juli", "augusti", "september",
    "oktober", "november", "december",
)  # fmt: skip
# Zero-width characters, soft hyphens and marks of direction: pages hide them in long words.
INVISIBLE = dict.fromkeys(map(ord, "\u00ad\u200b\u200c\u200d\u2060\ufeff\u200e\u200f"))
HYPHENS = {ord(hyphen): "-" for hyphen in "\u2010\u2011\u2012\u2013\u2014\u2212"}
AMENITIES = frozenset({"balkong", "hiss", "uteplats", "nyproduktion"})
NOTHING = frozenset({"", "null", "none", "nan", "-", "saknas", "uppgift saknas"})
NO_ADDRESS = frozenset({"adress saknas", "adresssaknas", *NOTHING})

DIGITS = r"\d{1,3}(?: \d{3}){1,4}|\d{1,15}"  # thousands apart by spaces, or not apart
AMOUNT = rf"(?:{DIGITS})(?:[.,]\d{{1,2}})?"  # three digits after a dot could be thousands
SQUARE = r"(?:m²|m2|kvm)"
AREA = re.compile(rf"({AMOUNT})(?: ?\+ ?({AMOUNT}))? ?{SQUARE}")
PLOT = re.compile(rf"({AMOUNT}) ?{SQUARE} tomt")
ROOMS = re.compile(r"(\d{1,2}(?:[.,]5)?|½|\d{1,2} ?½) ?(?:rum och kök|rum|rok)")
SIZE = re.compile(rf"(?P<area>{AREA.pattern})?,? ?(?P<rooms>{ROOMS.pattern})?")
MONTHLY = re.compile(rf"({AMOUNT}) ?kr ?/ ?(?:månad|mån)\.?")
YEARLY = re.compile(rf"({AMOUNT}) ?kr ?/ ?år")
PRICE = re.compile(rf"(?:(?:slutpris|sista bud|såld för):? ?)?({AMOUNT}) ?kr")
PER_M2 = re.compile(rf"({AMOUNT}) ?kr ?/ ?{SQUARE}")
CHANGE = re.compile(rf"([±+-]?) ?({AMOUNT}) ?%")
DAY = re.compile(r"(?:såld )?(?:den )?(\d{1,2}) ([a-zåäö]+)\.? (\d{4})")
ISO_DAY = re.compile(r"(?:såld )?(\d{4})-(\d\d)-(\d\d)(?:[t ]\d\d:\d\d.{0,20})?")


class Area(NamedTuple):
    """Square metres: what counts as living area, and what comes on top."""

    living: float
    extra: float


class Size(NamedTuple):
    """What the size of a listing says; each part can be missing."""

    area: Area | None
    rooms: float | None


@dataclass(frozen=True)
class Address:
    """An address taken apart. `problem` says why a part of it is not known, "" when all is well.

    `text` is the whole, cleaned, and `rest` what follows the street number, in lower case.
    """

    text: str
    street: str | None
    number: str | None
    floor: float | None
    problem: str = ""
    rest: str = ""


def clean(text: Any) -> str:
    """Give text on one line: spaces of all kinds as one, nothing invisible, plain hyphens."""
    if text is None or (isinstance(text, float) and math.isnan(text)):
        return ""
    plain = unicodedata.normalize("NFC", str(text)).translate(INVISIBLE).translate(HYPHENS)
    return " ".join(plain.split())


def number(text: Any) -> float | None:
    """Read "2 391", "1,5" or "46.5"; "1.250" could be two numbers and is none."""
    found = re.fullmatch(AMOUNT, clean(text), re.ASCII)
    return _amount(found[0]) if found else None


def area(text: Any) -> Area | None:
    """Read "42 m²", "103 + 15 m²" or "46,5 kvm"; a plot ("2 051 m² tomt") is no area."""
    found = AREA.fullmatch(_plain(text))
    return Area(_amount(found[1]), _amount(found[2] or "0")) if found else None


def plot(text: Any) -> float | None:
    """Read "2 051 m² tomt", the ground that a house stands on."""
    return _one(PLOT, text)


def rooms(text: Any) -> float | None:
    """Read "2 rum", "1,5 rum" or "3 rok"."""
    found = ROOMS.fullmatch(_plain(text))
    return _level(found[1]) if found else None


def size(text: Any) -> Size | None:
    """Read "42 m²   1,5 rum", of which each half can be missing."""
    found = SIZE.fullmatch(_plain(text))
    if not found or not found[0]:
        return None
    return Size(area(found["area"] or ""), rooms(found["rooms"] or ""))


def fee(text: Any) -> float | None:
    """Read kronor a month: "2 391 kr/mån"."""
    return _one(MONTHLY, text)


def running_cost(text: Any) -> float | None:
    """Read kronor a month of "6 000 kr/år" or "500 kr/mån"."""
    yearly = _one(YEARLY, text)
    return _one(MONTHLY, text) if yearly is None else yearly / 12


def price(text: Any) -> float | None:
    """Read "slutpris 4 430 000 kr", "sista bud 4 430 000 kr" or "4 430 000 kr".

    The last bid is what the seed took for the price where it is all that is known. An asking price
    ("utropspris ...") is none.
    """
    return _one(PRICE, text)


def price_per_m2(text: Any) -> float | None:
    """Read "118 571 kr/m²"; only good for checking that price and area were read well."""
    return _one(PER_M2, text)


def change(text: Any) -> float | None:
    """Read percent: "+20 %", "±0 %", "-5 %"."""
    found = CHANGE.fullmatch(_plain(text))
    if not found or (found[1] == "±" and _amount(found[2]) != 0):
        return None
    return -_amount(found[2]) if found[1] == "-" else _amount(found[2])


def day(text: Any) -> date | None:
    """Read "såld 15 januari 2022", "15 jan 2022" or "2022-01-15"."""
    plain = _plain(text)
    iso, said = ISO_DAY.fullmatch(plain), DAY.fullmatch(plain)
    try:
        if iso:
            return date(*map(int, iso.groups()))
        return date(int(said[3]), _month(said[2]), int(said[1])) if said else None
    except ValueError:
        return None


def cell(text: Any) -> tuple[str, Any] | None:
    """Tell what a cell of a listing is about, and its value, from what it says alone.

    Gives ("size", Size), ("fee", float), ("plot", float), ("price", float), ("sold_on", date),
    ("change", float), ("price_per_m2", float), ("amenities", set of words), ("nothing", None), or
    None when it says none of these.
    """
    plain = _plain(text)
    if plain in NOTHING:
        return "nothing", None
    for kind, read in CELLS.items():
        value = read(plain)
        if value is not None:
            return kind, value
    return None


def amenities(text: Any) -> frozenset[str] | None:
    """Read "balkong&hiss": the words of AMENITIES."""
    words = frozenset(word.strip() for word in re.split(r"[&,+/]", _plain(text)))
    return words if words and words <= AMENITIES else None


CELLS = {
    "size": size,
    "fee": fee,
    "plot": plot,
    "price": price,
    "sold_on": day,
    "change": change,
    "price_per_m2": price_per_m2,
    "amenities": amenities,
}


# Floors -------------------------------------------------------------------------------------------

GROUND = r"bottenvåning(?:en)?|bottenplan|entréplan|entreplan|markplan|bv|nb|n\.b|ep"
LEVEL = rf"(?:(?:-?\d{{1,2}}(?:[.,]\d)?(?: ?½)?|½)(?!\d)|(?:{GROUND})\b)"
AND = r" ?(?:[+&-]|och) ?(?:vån )?"  # a flat on two floors is where its lower one is
OF = r"(?: ?(?:/|av) ?(?P<{}>\d{{1,2}})(?!\d))?"
STAIRS = r"tr(?:p|appor|appa)?\b"
STOREY = r"(?:vån(?:ingen|ing|plan)?|plan)"
FLOORS = re.compile(
    rf"(?<![\w,.])(?P<up>{LEVEL})(?:(?: ?tr)?{AND}(?P<up2>{LEVEL}))?{OF.format('up_of')} ?{STAIRS}"
    rf"|\btr\.? ?(?P<tr>{LEVEL})"
    rf"|\b{STOREY}\.? ?(?P<at>{LEVEL})(?:{AND}(?P<at2>{LEVEL}))?{OF.format('at_of')}"
    rf"|(?<![\w,.])(?P<th>{LEVEL})(?::[ea])? {STOREY}\b"
    rf"|\bl(?:gh|hg)\.? ?(?:nr )?(?P<flat>\d{{4}})\b"
    rf"|^(?P<only>\d{{1,2}}) ?(?:/|av) ?(?P<only_of>\d{{1,2}})$"
    rf"|(?<!\w)(?P<ground>{GROUND})(?!\w)"
)
BARE_LEVEL = re.compile(LEVEL)
BARE_FLAT = re.compile(r"1[0-9]\d\d")
HALF = re.compile(r"(?<=\d )1 ?/ ?2\b")  # "2 1 / 2 tr"


def floor(text: Any) -> float | None:
    """Read a floor: "BV" 0, "½ tr" 0.5, "3,5tr", "tr 2", "våning 3", "3 av 5", "5"."""
    return floor_said(text)[0]


def floor_said(text: Any) -> tuple[float | None, str]:
    """Give the floor that a cell is, and why it is not known, "" when there is no such reason."""
    plain = _plain(text).strip(" .,!:-") if _plain(text)[:1] != "-" else _plain(text)
    if plain in NOTHING:
        return None, ""
    if BARE_LEVEL.fullmatch(plain):
        return _whole_or_half(_level(plain))
    found, why = floor_within(plain)
    return (found, why) if found is not None or why else (None, "it is not a floor")


def floor_within(text: Any) -> tuple[float | None, str]:
    """Give the floor said somewhere in a text, as beside a street number, and why it is not known.

    Stairs ("3 tr") count before storeys ("vån 4"): they are counted from the entrance, as here. The
    number of a flat ("lgh 1302") has its floor in its first two digits, 10 at the entrance.
    """
    plain = HALF.sub("½", _plain(text))
    kinds: dict[str, set[float]] = {"stairs": set(), "storey": set(), "flat": set()}
    for match in FLOORS.finditer(plain):
        kind, levels, total = _statement(match)
        if kind == "stairs" and match["up"] == "1" and total == 2:
            return None, "1/2 is half a floor, or the first of two"
        if total is not None and min(levels) > total:
            return None, "the floor is above the house"
        kinds[kind].add(min(levels))
    for levels in kinds.values():
        if len(levels) > 1:
            return None, "it says several floors"
        if levels:
            return _whole_or_half(levels.pop())
    return None, ""


def _statement(match: re.Match) -> tuple[str, list[float], float | None]:
    """Give the kind of a match of FLOORS, its levels, and of how many floors, if said."""
    named = {name: value for name, value in match.groupdict().items() if value}
    if "flat" in named:
        return "flat", [float(named["flat"][:2]) - 10], None
    kind = "stairs" if {"up", "tr", "ground"} & set(named) else "storey"
    totals = [float(value) for name, value in named.items() if name.endswith("_of")]
    levels = [_level(value) for name, value in named.items() if not name.endswith("_of")]
    return kind, levels, totals[0] if totals else None


def _level(text: str) -> float:
    """Give the number of "3", "3,5", "3 ½", "½" or of a word for the ground floor."""
    if re.fullmatch(GROUND, text):
        return 0.0
    whole = text.removesuffix("½").strip().replace(",", ".")
    return (float(whole) if whole else 0.0) + (0.5 if text.endswith("½") else 0.0)


def _whole_or_half(level: float) -> tuple[float | None, str]:
    return (None, "a floor is whole or half") if (2 * level) % 1 else (level, "")


# Addresses ----------------------------------------------------------------------------------------

ADDRESS = re.compile(
    r"(?P<street>(?:\d:[ae] )?[^\W\d_](?:[^\W\d_]|[ .:'’´-])*?),? ?"
    r"(?: (?P<number>\d{1,3})"
    r"(?P<range>-\d{1,3}(?! ?(?:tr|½|[.,]\d)))?"
    r"(?:(?P<letter>[a-z])|(?: (?P<apart>[a-hj-z]|i(?! [^\W\d])))(?![.:] ?[a-zåäö]))?(?![\w½])"
    r"(?P<rest>.*))?"
)


def address(text: Any) -> Address:
    """Take apart "roslagsgatan 29 a, 3,5tr": street in lower case, number with letter, floor.

    Of two addresses ("sveavägen 45 / tegnérgatan 29") the first counts, of a range of numbers too.
    """
    said, plain = clean(text), _plain(text)
    if plain in NO_ADDRESS:
        return Address(said, None, None, None)
    found = ADDRESS.fullmatch(plain)
    if not found:
        return Address(said, None, None, None, "it is not a street and a number")
    street = found["street"].strip(" .:'’´-")
    if found["number"] is None:
        return Address(said, street, None, None)
    letter = found["letter"] or found["apart"] or ""
    rest = found["rest"].strip(" .,!:")
    level, why = floor_within(rest)
    if level is None and not why and BARE_FLAT.fullmatch(rest):
        level = float(rest[:2]) - 10
    elif level is None and not why and re.fullmatch(r"[\d,½ -]+", rest):
        why = "what follows the street number says nothing"
    return Address(said, street, f"{int(found['number'])}{letter}", level, why, rest)


# Small things -------------------------------------------------------------------------------------


def municipality(text: Any) -> str | None:
    """Read "vasastan, stockholms kommun": the name without its genitive, in lower case."""
    found = re.fullmatch(r"(?:.*, ?)?([^,]+?) (?:kommun|stad)", _plain(text))
    if not found:
        return None
    # Names that end in s have no further s: Borås kommun, Strängnäs kommun, Kramfors kommun.
    own = re.search(r"(?:ås|näs|fors|grums)$", found[1])
    return found[1] if own else found[1].removesuffix("s")


def _plain(text: Any) -> str:
    return clean(text).lower()


def _one(pattern: re.Pattern, text: Any) -> float | None:
    found = pattern.fullmatch(_plain(text))
    return _amount(found[1]) if found else None


def _amount(text: str) -> float:
    return float(text.replace(" ", "").replace(",", "."))


def _month(word: str) -> int:
    """Give the month of its name or its first three letters or more; ValueError otherwise."""
    for place, name in enumerate(MONTHS, start=1):
        if len(word) >= 3 and name.startswith(word):
            return place
    raise ValueError(word)
