"""The words of a message: sentences from data, filled, and shortened until the channel can carry them.

An SMS in the GSM alphabet has 160 signs (153 in a part of a longer one), with one letter outside it 70 (67): so it goes
without diacritics, and sentences that can be spared are left out before a second one is paid for.
"""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from courier.domain.calendar import ZONE
from courier.domain.notices import Channel

ZNS_MOST: Final = 400
"""Signs of a whole ZNS message."""
_GSM_BASIC: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM_EXTENDED: Final = frozenset("^{}\\[~]|€\f")  # two places each
_STROKES: Final = str.maketrans({"đ": "d", "Đ": "D", "–": "-", "—": "-", "“": '"', "”": '"', "’": "'", "•": "-"})


class Unsayable(Exception):
    """The words do not fit, or something that they need is missing. `code` is stable."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(f"{code}: {sentence}")
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    """A sentence in both languages. `rank` 0 is never left out, the highest first; `needs` must be known, `unless` must not."""

    vi: str
    en: str
    rank: int = 0
    needs: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Parameter:
    """A typed parameter of a ZNS template: its text and how many signs Zalo takes."""

    text: str
    most: int


@dataclass(frozen=True, slots=True)
class Template:
    """How a kind of message is said."""

    sentences: tuple[Sentence, ...]
    zns: Mapping[str, Parameter]


def plain(text: str) -> str:
    """The text without diacritics: "Bưu điện Cà Mau" becomes "Buu dien Ca Mau"."""
    bare = "".join(c for c in unicodedata.normalize("NFD", text.translate(_STROKES)) if not unicodedata.combining(c))
    return unicodedata.normalize("NFC", bare)


def sms_segments(text: str) -> int:
    """How many SMS a text is."""
    if all(sign in _GSM_BASIC or sign in _GSM_EXTENDED for sign in text):
        places, alone, part = sum(2 if sign in _GSM_EXTENDED else 1 for sign in text), 160, 153
    else:
        places, alone, part = len(text.encode("utf-16-be")) // 2, 70, 67
    return 1 if places <= alone else -(-places // part)


def spoken(words: Mapping[str, Any], *, lang: str, link: str | None) -> dict[str, str]:
    """The words as they are read: days 25/11/2026, times 08:30, money 165.000 đ. `link` is made when the message goes."""
    said: dict[str, str] = {}
    for name in ("day", "next_on", "until"):
        if words.get(name):
            said[name] = f"{date.fromisoformat(words[name]):%d/%m/%Y}"
    for name, source in (("from", "opens"), ("to", "closes"), ("at", "at")):
        if words.get(source):
            said[name] = f"{datetime.fromisoformat(words[source]).astimezone(ZONE):%H:%M}"
    if words.get("amount_dong"):
        said["amount"] = f"{int(words['amount_dong']):,} đ".replace(",", ".")
    for name in ("office", "code"):
        if words.get(name):
            said[name] = str(words[name])
    if link:
        said["link"] = link
    nothing = {"vi": "không", "en": "none"}[lang]
    for name in ("amount", "next_on", "until"):
        said[f"{name}_or_none"] = said.get(name, nothing)
    return said


def say(
    template: Template, words: Mapping[str, Any], *, channel: Channel, lang: str, link: str | None, segments: int
) -> str:
    """The text of a message, short enough for its channel.

    Raises:
        Unsayable: `too-long` even without what can be spared, `missing-word` where a sentence needs what is not known.
    """
    said = spoken(words, lang=lang, link=link)
    chosen = [
        sentence
        for sentence in template.sentences
        if said.keys() >= set(sentence.needs) and not said.keys() & set(sentence.unless)
    ]
    while True:
        text = " ".join(_filled(getattr(sentence, lang), said) for sentence in chosen)
        if channel is Channel.SMS:
            text = plain(text)
        if _fits(text, channel, segments):
            return text
        spare = max(chosen, key=lambda sentence: sentence.rank)
        if spare.rank == 0:
            raise Unsayable("too-long", f"{len(text)} signs do not fit {channel}")
        chosen.remove(spare)


def _fits(text: str, channel: Channel, segments: int) -> bool:
    if channel is Channel.SMS:
        return sms_segments(text) <= segments
    return channel is not Channel.ZNS or len(text) <= ZNS_MOST


def parameters(template: Template, words: Mapping[str, Any], *, lang: str, link: str | None) -> dict[str, str]:
    """What fills a ZNS template. A value longer than Zalo takes is cut and ends in "…"; a link is never cut.

    Raises:
        Unsayable: `too-long` for a link, `missing-word` as in `say`.
    """
    said = spoken(words, lang=lang, link=link)
    values: dict[str, str] = {}
    for name, parameter in template.zns.items():
        value = _filled(parameter.text, said)
        if len(value) > parameter.most:
            if "{link}" in parameter.text:
                raise Unsayable("too-long", f"a link of {len(value)} signs, {parameter.most} are allowed")
            value = value[: parameter.most - 1] + "…"
        values[name] = value
    return values


def _filled(text: str, said: Mapping[str, str]) -> str:
    try:
        return text.format_map(said)
    except KeyError as missing:
        raise Unsayable("missing-word", f"nobody said {missing}") from None
