"""Draw passengers and outcomes as SVG: no file to ship, nothing to fetch.

Pure functions of what a passenger is like. The drawings carry no ids, so that a page may hold
many of them, and bring their own background, so that they look the same on light and dark pages.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from html import escape

BANDS = {"baby": 3, "child": 14, "young": 30, "adult": 50}  # name -> the first age that is past it
GREY_AT, WHITE_AT = 48, 62  # years
BEARD_AT = {"whiskers": 50, "moustache": 28}  # years
CLASSES = {1: "first", 2: "second", 3: "third"}
WHO = {  # by age and sex
    "baby": {"female": "a baby girl", "male": "a baby boy", "": "a baby"},
    "child": {"female": "a girl", "male": "a boy", "": "a child"},
    "young": {"female": "a young woman", "male": "a young man", "": "a young person"},
    "adult": {"female": "a woman", "male": "a man", "": "a person"},
    "old": {"female": "an older woman", "male": "an older man", "": "an older person"},
}
RANKS = {"officer": "with an officer's, doctor's or minister's title", "noble": "of noble title"}

CENTRE, GLASS = 120, 104  # of the porthole, and the radius of its glass
RINGS = {1: ("#b98a35", "#ecd08a"), 2: ("#7d8a95", "#ccd6dd"), 3: ("#6b5c50", "#a8978a")}
SKINS = {"female": "#f3d0b2", "male": "#ebc3a0", "": "#e3b48c"}
HAIRS = ("#5a3b26", "#33261f", "#8a5a2f", "#9c4a2c", "#c49a55")
GREY, WHITE = "#98938e", "#cdc8c0"
COATS = {
    "male": {1: "#252a35", 2: "#4a5866", 3: "#6a5947"},
    "female": {1: "#7a2b47", 2: "#3d6070", 3: "#76674f"},
    "": {1: "#3b3552", 2: "#4d5964", 3: "#685d50"},
}
FUR, LINEN, BLACK, GOLD, RED = "#7b5638", "#f7f3ea", "#1d2027", "#d9b04c", "#9d3a34"

# Where the middle of the face is, how far the shoulders reach to each side, the size of the head
GROWN = (108, 78, 1.0)
SMALL = {"baby": (136, 66, 1.0), "child": (126, 58, 0.95)}
HEADS = {  # face outline, around its centre; the jaw of a man, of a woman, of a child
    "male": "M-32-6C-32-38 32-38 32-6C32 18 19 39 0 39S-32 18-32-6Z",
    "female": "M-31-6C-31-38 31-38 31-6C31 17 15 38 0 38S-31 17-31-6Z",
    "child": "M-34-4C-34-38 34-38 34-4C34 20 18 34 0 34S-34 20-34-4Z",
}


@dataclass(frozen=True)
class Look:
    """What the parts of a portrait follow from."""

    sex: str  # female, male or "" for unknown
    band: str
    pclass: int
    title: str
    skin: str
    hair: str
    beard: str  # whiskers, moustache or ""

    @property
    def small(self) -> bool:
        """Whether this is a child or a baby."""
        return self.band in ("baby", "child")


def passenger_svg(sex: str, age: float | None, pclass: int, title: str = "") -> str:
    """Draw a passenger at a porthole.

    `sex` is female or male, anything else counts as unknown; `age` is in years, None or NaN if
    unknown; `pclass` is 1, 2 or 3; `title` is one of `titanic.features.TITLES`, of which an
    officer's and a noble one show.
    """
    look = _look(sex, age, pclass, title)
    height, width, scale = SMALL.get(look.band, GROWN)
    neck = height + 45
    return _svg(
        (240, 240),
        _label(look, age),
        _sea(),
        _at(height, _back_hair(look) + _behind(look), scale),
        _torso(look, width, neck),
        _at(height, _neck(look), scale),
        _at(neck, _clothes(look), width / GROWN[1]),
        _at(height, _face(look) + _front_hair(look) + _hat(look), scale),
        _ring(look, age),
    )


def _label(look: Look, age: float | None) -> str:
    who, pclass = WHO[look.band][look.sex], CLASSES[look.pclass]
    said = f"Drawing of {who}, {pclass} class, age {_years(age)}"
    return said + (f", {RANKS[look.title]}" if look.title in RANKS else "")


def _known(age: float | None) -> bool:
    return age is not None and math.isfinite(age)


def _years(age: float | None) -> str:
    return f"{max(age, 0):.3g}" if _known(age) else "unknown"


def _band(age: float | None) -> str:
    if not _known(age):
        return "adult"
    return next((band for band, past in BANDS.items() if age < past), "old")


def _look(sex: str, age: float | None, pclass: int, title: str) -> Look:
    years = int(max(age, 0)) if _known(age) else 35
    sex = sex if sex in COATS else ""
    hair = HAIRS[(2 * pclass + len(sex)) % len(HAIRS)]
    hair = WHITE if years >= WHITE_AT else GREY if years >= GREY_AT else hair
    beards = [name for name, since in BEARD_AT.items() if years >= since and sex == "male"]
    band = _band(age)
    return Look(
        sex=sex,
        band=band,
        pclass=pclass,
        title="" if band in ("baby", "child") else title,
        skin=SKINS[sex],
        hair=hair,
        beard=next(iter(beards), ""),
    )


def _sea() -> str:
    """The sky, the sea and the horizon behind the glass."""
    return (
        _circle(CENTRE, CENTRE, GLASS, "#cfe4ea")
        + _circle(190, 92, 11, "#fbe7b4")
        + _path("M30 172A104 104 0 0 0 210 172L221 146H19Z", "#86b3c1")
        + _path("M19 146H221L217 156H23Z", "#a3c8d2")
        + _line("M34 166h26M176 164h30M26 154h16M190 176h18", "#c9e1e7", 2)
    )


def _ring(look: Look, age: float | None) -> str:
    """The porthole's frame, with bolts, and a plate that says class and age."""
    dark, light = RINGS[look.pclass]
    turns = [math.radians(angle) for angle in (0, 40, 140, 180, 220, 270, 320)]
    bolts = "".join(
        _circle(CENTRE + 110 * math.cos(t), CENTRE + 110 * math.sin(t), 3.2, light) for t in turns
    )
    said = f"{CLASSES[look.pclass]} · {'age ?' if not _known(age) else _years(age)}"
    wide = 8 * len(said) + 20
    return (
        f'<g fill="none"><circle cx="120" cy="120" r="110" stroke="{dark}" stroke-width="14"/>'
        f'<circle cx="120" cy="120" r="104" stroke="{light}" stroke-width="2.5"/></g>{bolts}'
        f'<rect x="{120 - wide / 2:g}" y="212" width="{wide}" height="24" rx="6" fill="{dark}" '
        f'stroke="{light}" stroke-width="2"/>{_text(120, 228.5, said, 13, "#fff")}'
    )


def _torso(look: Look, width: float, neck: float) -> str:
    """Shoulders `width` wide to each side, ending where the glass ends."""
    bottom = CENTRE + math.sqrt(GLASS**2 - width**2)
    left, right = CENTRE - width, CENTRE + width
    shoulder = neck + (bottom - neck) * 0.35
    path = (
        f"M108 {neck - 6:.0f}C104 {neck + 8:.0f} {left + 14:.0f} {shoulder - 8:.0f} "
        f"{left:.0f} {bottom:.1f}A104 104 0 0 0 {right:.0f} {bottom:.1f}"
        f"C{right - 14:.0f} {shoulder - 8:.0f} 136 {neck + 8:.0f} 132 {neck - 6:.0f}Z"
    )
    uniform = look.title == "officer" and look.sex == "male"
    cloth = "#232c42" if uniform else COATS[look.sex][look.pclass]
    return _path(path, "#efe9dc" if look.band == "baby" else cloth)


def _neck(look: Look) -> str:
    if look.band == "baby":
        return ""
    wide = 13 if look.sex == "male" else 10
    path = f"M-{wide} 22H{wide}V48C{wide} 62-{wide} 62-{wide} 48Z"
    return _path(path, look.skin) + _path(path, "#7a3b1d", 0.16)


def _face(look: Look) -> str:
    """Face, ears, eyes, nose and mouth around (0, 0)."""
    jaw = "child" if look.small else "male" if look.sex == "male" else "female"
    eye, apart, radius = {"baby": (8, 13, 3.6), "child": (5, 13, 3.3)}.get(look.band, (0, 12, 2.7))
    ears = "".join(_circle(side * 32, eye + 3, 6, look.skin) for side in (-1, 1))
    shade = _path(HEADS[jaw], look.skin)
    cheeks = "".join(_circle(side * 19, eye + 13, 6, "#e0705a", 0.28) for side in (-1, 1))
    eyes = "".join(
        _circle(side * apart, eye, radius, "#2b2320")
        + _circle(side * apart + 1, eye - 1, 0.9, "#fff")
        for side in (-1, 1)
    )
    brows = _line(f"M-18 {eye - 8}q6-4 11-1M18 {eye - 8}q-6-4-11-1", _brow(look), 2.2)
    nose = _line(f"M-1 {eye + 5}q-4 8 2 9", "#a8663f", 1.8)
    lips = "#b4463f" if look.sex == "female" and not look.small else "#9c5340"
    mouth = _line(f"M-7 {eye + 21}q7 6 14 0", lips, 2.4)
    glasses = _glasses() if look.title == "officer" and look.sex != "male" else ""
    return (
        ears
        + shade
        + cheeks
        + eyes
        + brows
        + nose
        + mouth
        + _age_marks(look)
        + glasses
        + _beard(look)
    )


def _glasses() -> str:
    rims = '<circle cx="-12" cy="1" r="8.5"/><circle cx="12" cy="1" r="8.5"/>'
    return f'<g fill="none" stroke="#5b5140" stroke-width="1.6">{rims}<path d="M-4 0q4-3 8 0"/></g>'


def _brow(look: Look) -> str:
    return GREY if look.hair == WHITE else look.hair if look.hair != "#c49a55" else "#8a6a35"


def _age_marks(look: Look) -> str:
    if look.band != "old":
        return ""
    lines = (
        "M-22-1l-5-2M-22 3l-5 1M22-1l5-2M22 3l5 1M-14 17q-3 4-3 8M14 17q3 4 3 8M-11-19q11-3 22 0"
    )
    return _line(lines, "#a8663f", 1.2, 0.55)


def _beard(look: Look) -> str:
    moustache = _path(
        "M0 15C-6 11-16 15-18 22C-10 23-3 22 0 19C3 22 10 23 18 22C16 15 6 11 0 15Z", look.hair
    )
    if look.beard == "whiskers":
        side = _path("M-32-4C-31 30-20 52 0 54H1V16C-4 15-8 16-14 17C-24 16-28 10-32-4Z", look.hair)
        return _both(side) + _line("M-6 23q6 5 12 0", "#9c5340", 2.4) + moustache
    return moustache if look.beard else ""


def _back_hair(look: Look) -> str:
    if look.band == "baby" or look.sex == "male":
        return ""
    if look.band == "child" or not look.sex:
        long = 46 if look.sex else 26
        return _path(
            f"M-38-4C-42-46 42-46 38-4C40 20 38 {long} 30 {long}H-30C-38 {long}-40 20-38-4Z",
            look.hair,
        )
    bun = "" if _cover(look) in (_large_hat, _shawl) else _circle(0, -54, 14, look.hair)
    back = "M-40 0C-50-48-24-52 0-52S50-48 40 0C38 14 32 20 26 22H-26C-32 20-38 14-40 0Z"
    return _path(back, look.hair) + bun


def _front_hair(look: Look) -> str:
    if look.band == "baby":
        return _line("M-2-37q-5 9 3 12M4-38q-2 7 4 9", look.hair, 3)
    if look.sex == "male":
        return _man_hair(look)
    if look.band == "child" or not look.sex:
        return _path(
            "M-35 2C-39-44 39-44 35 2C30-14 24-20 14-22C4-14-20-14-27-20C-31-14-33-6-35 2Z",
            look.hair,
        )
    return _path(
        "M-33 2C-38-30-22-42 0-42S38-30 33 2C30-16 18-26 0-28C-18-26-30-16-33 2Z", look.hair
    )


def _man_hair(look: Look) -> str:
    if look.band == "old":
        return _both(_path("M-33 6C-40 0-39-20-29-24C-31-14-28-6-30 4Z", look.hair))
    return _path(
        "M-34 2C-40-32-22-46 2-44C26-46 39-30 34 2C32-10 29-16 24-21C8-16-14-18-24-26"
        "C-29-18-32-8-34 2Z",
        look.hair,
    )


def _behind(look: Look) -> str:
    """What of the hat is behind the face."""
    if look.band == "baby":
        return _circle(0, -2, 43, "#fbf7ee" if look.pclass < 3 else "#b58a63")
    if _cover(look) is _shawl:
        return _path(
            "M-42 6C-50-46-22-54 0-54S50-46 42 6C42 34 30 52 22 60H-22C-30 52-42 34-42 6Z",
            "#93624a",
        )
    return ""


def _hat(look: Look) -> str:
    draw = _cover(look)
    return draw() if draw else ""


def _cover(look: Look) -> Callable[[], str] | None:
    """What draws the hat that title, age, sex and class ask for."""
    if look.band == "baby":
        return _knitted_cap if look.pclass == 3 else _bonnet
    kind = "child" if look.band == "child" else look.title
    return HATS.get((look.sex, kind), HATS[look.sex, ""])[look.pclass - 1]


def _top_hat() -> str:
    return (
        _path("M-27-32L-31-82C-14-89 14-89 31-82L27-32Z", BLACK)
        + _path("M-28-44L-27-32H27L28-44Z", "#5d2733")
        + _line("M-22-78q-1 16 2 30", "#4a505e", 3)
        + _path("M-48-36C-30-28 30-28 48-36C46-24 30-18 0-18S-46-24-48-36Z", "#2b303b")
    )


def _large_hat() -> str:
    return (
        _path("M-36-30C-40-66 40-66 36-30Z", "#8d3a58")
        + _path("M-38-38C-20-30 20-30 38-38L37-28C20-22-20-22-37-28Z", "#f0dcc0")
        + _path("M-72-30C-60-46 58-46 72-34C66-14-58-12-72-30Z", "#7a2b47")
        + _path("M-68-30C-40-20 40-20 66-31C40-14-46-14-68-30Z", "#5b1e35")
        + _path(
            "M14-42C10-70 40-88 58-74C70-62 62-48 54-44C56-56 48-64 40-60C30-58 30-48 30-42Z",
            "#f6e8d2",
        )
        + _line("M22-44C24-62 40-76 54-68", "#dcc5a0", 1.6)
        + _circle(18, -42, 7, "#d98a86")
        + _circle(18, -42, 3, "#f3c7b8")
    )


def _flat_cap() -> str:
    return (
        _path("M-38-16C-46-48-14-58 8-54C34-52 46-36 40-20C22-30-16-30-38-16Z", "#59534b")
        + _path("M-42-14C-30-34 24-36 40-20C24-26-14-24-42-14Z", "#3f3a34")
        + _line("M-20-46q16-8 32-4M0-52v20", "#4a443d", 1.5)
    )


def _shawl() -> str:
    return _path(
        "M-37 14C-46-40-20-48 0-48S46-40 37 14C34-16 20-30 0-31C-20-30-34-16-37 14Z", "#a8735a"
    ) + _line("M-38-4C-34-30-18-40 0-40S34-30 38-4", "#c99a80", 2)


def _headscarf() -> str:
    return _path("M-36-2C-42-46 42-46 36-2C28-22 14-28 0-28S-28-22-36-2Z", "#b5503f") + "".join(
        _circle(x, y, 2.2, "#f0d9b8") for x, y in ((-24, -24), (-9, -33), (9, -33), (24, -24))
    )


def _boater() -> str:
    return (
        _path("M-27-26L-25-50H25L27-26Z", "#e7cf91")
        + _path("M-27-36L-27-26H27L27-36Z", "#2f4a6b")
        + _path("M-48-27C-40-36 40-36 48-27C40-18-40-18-48-27Z", "#f0dca6")
    )


def _straw_hat() -> str:
    return (
        _path("M-30-24C-34-56 34-56 30-24Z", "#ecd9a8")
        + _path("M-31-32C-14-26 14-26 31-32L31-22H-31Z", "#d7798a")
        + _path("M-56-18C-50-34 50-34 56-18C40-26-40-26-56-18Z", "#f4e6c0")
        + _circle(26, -29, 6, "#f3c3c8")
        + _circle(34, -25, 4.5, "#fff3ea")
    )


def _bow() -> str:
    wing = _path("M0-38C-8-54-28-56-30-46C-31-36-14-30 0-38Z", "#4f7fa3")
    return _both(wing) + _circle(0, -39, 5, "#3a6384")


def _bonnet() -> str:
    frill = "".join(
        _circle(39 * math.sin(math.radians(a)), -2 - 39 * math.cos(math.radians(a)), 7, "#ffffff")
        for a in range(-100, 101, 20)
    )
    return frill + _both(_path("M0 40C-10 32-22 36-20 44C-16 50-6 46 0 40Z", "#e7a9b0"))


def _knitted_cap() -> str:
    return (
        _path("M-38-4C-44-52 44-52 38-4C24-18-24-18-38-4Z", "#a3704b")
        + _path("M-40 0C-38-14-20-22 0-22S38-14 40 0C24-10-24-10-40 0Z", "#c69a72")
        + _circle(0, -44, 7, "#c69a72")
    )


def _officers_cap() -> str:
    return (
        _path("M-44-40C-40-60 40-60 44-40L33-26H-33Z", "#222a3d")
        + _path("M-34-34H34L33-22H-33Z", "#12161f")
        + _line("M-33-24H33", GOLD, 2.4)
        + _circle(0, -33, 6, GOLD)
        + _circle(0, -33, 2.6, "#7a2b2b")
        + _path("M-33-22C-18-8 18-8 33-22C16-18-16-18-33-22Z", "#12161f")
    )


def _tiara() -> str:
    return _path("M-26-30L-24-46L-14-38L0-56L14-38L24-46L26-30C10-36-10-36-26-30Z", GOLD) + "".join(
        _circle(x, y, 2.6, "#e8f3ff") for x, y in ((-14, -39), (0, -46), (14, -39))
    )


def _clothes(look: Look) -> str:
    """What covers the shoulders, around the middle of the neck's base."""
    if look.band == "baby":
        return _line("M-40 40q10 8 20 0t20 0t20 0t20 0", "#d9cfba", 3)
    if look.band == "child":
        return (_velvet, _sailor, _braces)[look.pclass - 1](look)
    if look.title == "officer" and look.sex == "male":
        return _uniform(look)
    drawn = CLOTHES[look.sex][look.pclass - 1](look)
    sash = _path("M-44 8L-32 2L44 58H22Z", "#2f5f9a") + _circle(30, 30, 6, GOLD)
    return drawn + (sash if look.title == "noble" else "")


def _tailcoat(look: Look) -> str:
    fur = "M-16-8C-40 2-44 34-16 62L-4 62C-18 40-16 14-11-2Z"
    bow = _path("M0 8C-5 2-14 2-15 7V13C-14 18-5 16 0 12Z", BLACK)
    return (
        _path("M-14-8H14L0 60Z", LINEN)
        + _both(_path(fur, FUR) + _line("M-26 4C-34 20-30 40-14 56", "#9a7350", 3, 1, "1 6"))
        + _both(_path("M-14-9L-1 6L-9 12L-16-4Z", "#fff") + bow)
        + _circle(0, 24, 1.8, GOLD)
        + _circle(0, 36, 1.8, GOLD)
    )


def _suit(look: Look) -> str:
    lapel = _path("M-15-8L-30 8L-20 14L-24 20L-2 58Z", "#000", 0.22)
    return (
        _path("M-14-8H14L0 58Z", LINEN)
        + _path("M-5 4H5L3 10L7 44L0 54L-7 44L-3 10Z", "#7a3b3b")
        + _both(lapel + _path("M-14-10L0 5L-9 13L-16-4Z", "#fff"))
    )


def _jacket(look: Look) -> str:
    lapel = _path("M-15-6L-34 12L-22 20L-4 58L-1 58Z", "#000", 0.2)
    return (
        _path("M-14-8H14L2 58H-2Z", "#c9b99a")
        + _both(lapel)
        + _path("M-17-8C-8 2 8 2 17-8L19 2C8 14-8 14-19 2Z", RED)
        + _path("M-5 8L5 8L9 28L1 22L-7 30Z", RED)
        + _line("M44 44h14v12h-14z", "#4d4032", 1.6)
    )


def _stole(look: Look) -> str:
    fur = "M-13-6C-36 4-66 20-72 44C-50 34-20 34-4 62L0 62V40C-10 20-12 6-13-6Z"
    return (
        _path("M-12-8H12L0 40Z", look.skin)
        + _both(_path(fur, FUR) + _line("M-24 8C-40 16-54 24-62 36", "#9a7350", 3, 1, "1 7"))
        + _line("M-12-2C-8 16 8 16 12-2", "#fdf8ee", 4.5, 1, "0.1 5")
        + _line("M-13 6C-8 28 8 28 13 6", "#fdf8ee", 4.5, 1, "0.1 5")
    )


def _blouse(look: Look) -> str:
    lapel = _path("M-14-4L-30 14L-18 24L-3 60Z", "#000", 0.22)
    return (
        _path("M-14-10H14L4 60H-4Z", LINEN)
        + _both(lapel)
        + _path("M-12-14C-6-9 6-9 12-14L14 0C6 6-6 6-14 0Z", "#fffaf0")
        + _circle(0, 2, 4.5, "#4a7d86")
        + _circle(0, 2, 2, "#cfe6e6")
    )


def _knit(look: Look) -> str:
    cross = "M-18-6C-40 6-62 24-74 52C-40 40-14 50 16 62L6 40C-10 26-16 8-18-6Z"
    return (
        _path("M-14-8H14L0 30Z", "#d8c7a6")
        + f'<g transform="scale(-1 1)">{_path(cross, "#99674d")}</g>{_path(cross, "#a8735a")}'
        + _line("M-26 6C-40 18-54 28-64 44M-14 22C-20 30-34 36-46 40", "#c99a80", 2)
    )


def _velvet(look: Look) -> str:
    collar = _path("M0-4C-16-8-38 4-42 20C-36 30-26 22-24 28C-16 34-10 24-4 26L0 12Z", "#fffaf0")
    return _both(collar) + _circle(0, 10, 4, GOLD)


def _sailor(look: Look) -> str:
    collar = _path("M0-6C-16-8-40 6-46 26L-14 22L0 36Z", "#f5f1e6")
    stripe = _line("M-40 20L-15 16L0 28", "#3d6a8c", 2.2)
    return _both(collar + stripe) + _path("M0 32L-9 52L0 46L9 52Z", RED)


def _braces(look: Look) -> str:
    shirt = _path("M-22-4C-40 4-52 20-56 62H56C52 20 40 4 22-4C10 6-10 6-22-4Z", "#d9cdb4")
    return (
        shirt
        + _both(_path("M-34 6L-26 2L-22 62H-32Z", "#5a4a3b"))
        + _line("M0 8V60", "#b8aa8d", 1.8)
    )


def _uniform(look: Look) -> str:
    buttons = "".join(_circle(-11, y, 2.6, GOLD) for y in (22, 36, 50))
    lapel = _path("M-15-8L-30 6L-20 13L0 22Z", "#151b2a")
    return (
        _path("M-14-8H14L0 22Z", LINEN)
        + _path("M-4 2H4L3 16L0 20L-3 16Z", BLACK)
        + _both(lapel + buttons + _path("M-14-10L0 4L-9 11L-16-4Z", "#fff"))
        + _both(_line("M-62 27l18-8", GOLD, 5))
    )


def outcome_svg(survived: bool) -> str:
    """Draw a lifeboat at dawn, or the ship going down at night."""
    if survived:
        return _svg((320, 180), "Drawing: saved, in a lifeboat at dawn", *_dawn(), *_lifeboat())
    return _svg((320, 180), "Drawing: lost, as the ship goes down at night", *_night(), *_ship())


def _dawn() -> list[str]:
    """The morning sky, the steamer that came, and the sea."""
    return [
        _path("M0 0H320V110H0Z", "#f3b08c"),
        _path("M0 40C90 30 220 52 320 36V110H0Z", "#f8c79a"),
        _path("M0 72C110 62 210 82 320 70V110H0Z", "#fbe0b0"),
        _circle(92, 104, 40, "#fff3cf", 0.6),
        _circle(92, 104, 24, "#fffbe8"),
        _path("M236 98H292L286 108H242Z", "#5d5866"),
        _path("M250 92H280V98H250Z", "#e9dccb"),
        _path("M262 76H269V92H262Z", "#b4553f"),
        _path("M265 74C250 66 240 70 226 58C244 60 252 52 270 72Z", "#8d8794", 0.5),
        _path("M0 106H320V180H0Z", "#6fa3b4"),
        _path("M0 128C80 120 230 136 320 126V180H0Z", "#55899c"),
        _line("M66 113h54M76 121h36M84 131h20", "#fff0c4", 3, 0.8),
    ]


def _lifeboat() -> list[str]:
    people = zip(
        range(112, 226, 19),
        ("#7a2b47", "#3d4a5c", "#a8735a", "#2f5f7a", "#6a5947", "#8b8f4e"),
        (122, 119, 124, 119, 126, 121),
        strict=True,
    )
    seated = [
        _path(f"M{x - 11} 152C{x - 11} {y + 6} {x + 11} {y + 6} {x + 11} 152Z", coat)
        + _circle(x, y, 7, SKINS["female"])
        + _path(f"M{x - 7.5} {y}A7.5 7.5 0 0 1 {x + 7.5} {y}Z", HAIRS[x % 5])
        for x, coat, y in people
    ]
    return [
        *seated,
        _path(
            "M82 138C130 148 200 148 248 138C242 156 232 164 218 166H112C98 164 88 156 82 138Z",
            "#f7f1e4",
        ),
        _path("M82 138C130 148 200 148 248 138L246 144C200 154 130 154 84 144Z", "#a9784a"),
        _line("M138 136L74 174M202 136L270 174", "#d9b27a", 3.5),
        _path("M0 164C70 158 240 172 320 162V180H0Z", "#47788c"),
        _text(160, 176, "saved", 11, "#ffffff"),
    ]


def _night() -> list[str]:
    """Stars over a flat sea, and ice."""
    stars = ((18, 22), (52, 48), (84, 14), (120, 36), (158, 12), (196, 30), (232, 10), (262, 40),
             (300, 18), (30, 74), (284, 66), (140, 58))  # fmt: skip
    return [
        _path("M0 0H320V180H0Z", "#0e1a33"),
        _path("M0 62C100 50 220 74 320 58V180H0Z", "#13223f"),
        _path("M0 96C100 88 220 104 320 94V180H0Z", "#1a2d4d"),
        *(_circle(x, y, 0.9 + (x % 3) * 0.3, "#e9eefb") for x, y in stars),
        _path("M6 130L22 102L34 112L46 94L66 130Z", "#7f9bb5"),
        _path("M46 94L66 130H52L42 110Z", "#5f7b97"),
    ]


def _ship() -> list[str]:
    funnels = "".join(
        _path(f"M{x} 78L{x + 3} 48H{x + 15}L{x + 14} 78Z", "#c8904a")
        + _path(f"M{x + 2.4} 55L{x + 3} 46H{x + 15}L{x + 15.2} 55Z", "#15181f")
        for x in (96, 130, 164, 198)
    )
    ship = (
        _line("M66 92V36M252 92V40M66 40L252 44", "#6d7787", 1.2)
        + funnels
        + _path("M80 78H236V94H70Z", "#e7e2d6")
        + _path("M30 94H276C276 112 268 130 262 140H52C42 128 34 112 30 94Z", "#1b1f29")
        + _path("M47 130H267L262 140H52Z", "#7d2f2f")
        + _line("M82 86H232", "#ffd877", 3, 1, "3 5")
        + _line("M60 104H262M58 114H258", "#ffd877", 2.6, 1, "0.1 8")
    )
    return [
        f'<g transform="rotate(-13 150 120) translate(8 8)">{ship}</g>',
        _path("M0 126C60 120 240 130 320 124V180H0Z", "#0b1526"),
        _path("M0 146C90 138 230 152 320 142V180H0Z", "#081020"),
        _line("M150 136h70M170 143h40M184 151h22", "#ffd877", 2, 0.35),
        _text(160, 172, "lost", 11, "#dfe6f2"),
    ]


def _svg(size: tuple[int, int], label: str, *parts: str) -> str:
    return (
        f'<svg viewBox="0 0 {size[0]} {size[1]}" role="img" aria-label="{escape(label)}" '
        f'xmlns="http://www.w3.org/2000/svg">{"".join(parts)}</svg>'
    )


def _at(y: float, inside: str, scale: float = 1.0) -> str:
    move = f"translate(120 {y:g})" + (f" scale({scale:.3g})" if scale != 1 else "")
    return f'<g transform="{move}">{inside}</g>'


def _both(half: str) -> str:
    """A left half, and its mirror image."""
    return f'{half}<g transform="scale(-1 1)">{half}</g>'


def _path(d: str, fill: str, opacity: float = 1) -> str:
    return f'<path d="{d}" fill="{fill}"{_opacity(opacity)}/>'


def _circle(x: float, y: float, r: float, fill: str, opacity: float = 1) -> str:
    return f'<circle cx="{x:.4g}" cy="{y:.4g}" r="{r:g}" fill="{fill}"{_opacity(opacity)}/>'


def _line(d: str, stroke: str, width: float, opacity: float = 1, dashes: str = "") -> str:
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    return (
        f'<path d="{d}" fill="none" stroke="{stroke}" stroke-width="{width:g}" '
        f'stroke-linecap="round"{dashed}{_opacity(opacity)}/>'
    )


def _opacity(opacity: float) -> str:
    return "" if opacity == 1 else f' opacity="{opacity:g}"'


def _text(x: float, y: float, text: str, size: float, fill: str) -> str:
    return (
        f'<text x="{x:g}" y="{y:g}" text-anchor="middle" style="font: 600 {size:g}px system-ui, '
        f'sans-serif; fill: {fill}">{escape(text)}</text>'
    )


# What there is to wear: in first, second and third class
HATS = {
    ("male", ""): (_top_hat, None, _flat_cap),
    ("male", "child"): (_boater, None, _flat_cap),
    ("male", "officer"): (_officers_cap, _officers_cap, _officers_cap),
    ("female", ""): (_large_hat, None, _shawl),
    ("female", "child"): (_straw_hat, _bow, _headscarf),
    ("female", "noble"): (_tiara, _tiara, _tiara),
    ("", ""): (_boater, None, _flat_cap),
}
CLOTHES = {
    "male": (_tailcoat, _suit, _jacket),
    "female": (_stole, _blouse, _knit),
    "": (_suit, _suit, _jacket),
}
