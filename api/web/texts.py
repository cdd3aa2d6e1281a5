"""The words of the pages: one catalogue a language, both with the same keys, and how amounts, days and times are written.

Vietnamese is the language of the house; a cookie asks for English. Sentences of the rules come from the domain in Vietnamese.
"""

import json
from collections.abc import Mapping
from datetime import date, datetime
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from flask import g, request

from courier.domain.calendar import ZONE

LANGUAGES: Final = ("vi", "en")
COOKIE: Final = "courier_language"
_FOLDER: Final = Path(__file__).parent / "i18n"


@cache
def catalogue(language: str) -> Mapping[str, str]:
    """Every text of a language by its dotted key."""
    flat: dict[str, str] = {}

    def take(prefix: str, texts: Mapping[str, Any]) -> None:
        for key, text in texts.items():
            if isinstance(text, str):
                flat[prefix + key] = text
            else:
                take(f"{prefix}{key}.", text)

    take("", json.loads((_FOLDER / f"{language}.json").read_text(encoding="utf-8")))
    return MappingProxyType(flat)


def language() -> str:
    """The language of this request."""
    if "language" not in g:
        asked = request.cookies.get(COOKIE)
        g.language = asked if asked in LANGUAGES else LANGUAGES[0]
    return str(g.language)


def t(key: str, **values: object) -> str:
    """The text of a key with its values filled in.

    Raises:
        KeyError: the catalogue has no such key.
    """
    text = catalogue(language())[key]
    return text.format_map(values) if values else text


def has(key: str) -> bool:
    """True when the catalogue knows the key."""
    return key in catalogue(language())


def word(group: str, code: object) -> str:
    """The word for a code of ours, the code itself where the catalogue is silent."""
    key = f"{group}.{code}"
    return t(key) if has(key) else str(code)


def incident(code: str) -> str:
    """The heading of an incident; codes made of an event and a state share one."""
    return word("incident", code) if has(f"incident.{code}") else t("incident.no_code")


def refusal(code: str, sentence: str) -> str:
    """What a person reads of a refusal. The domain's sentence is Vietnamese and exact; English has one per code."""
    key = f"refused.{code}"
    # The one sentence that names states by their code.
    if has(key) and (language() != "vi" or code == "wrong-state"):
        return t(key)
    return sentence


def dong(amount: int) -> str:
    """An amount as it is written here: 165.000 đ."""
    return f"{amount:,}".replace(",", ".").replace("-", "−") + " đ"


def digits(amount: int) -> str:
    """An amount in a field to type in: 165.000."""
    return f"{amount:,}".replace(",", ".")


def share(value: tuple[int, int]) -> str:
    """A part of a whole in per cent: 83,3 %; a dash where there is no whole."""
    part, whole = value
    if not whole:
        return "–"
    told = f"{part / whole * 100:.1f}".removesuffix(".0")
    return (told.replace(".", ",") if language() == "vi" else told) + " %"


def day(value: date | str | None) -> str:
    """A day: 22/11/2026."""
    if value is None:
        return "–"
    found = date.fromisoformat(value) if isinstance(value, str) else value
    return f"{found:%d/%m/%Y}"


def weekday(value: date) -> str:
    """A day with its name: Chủ nhật, 22/11/2026."""
    name = t(f"weekday.{value.weekday()}").replace(" ", "\N{NO-BREAK SPACE}")
    return f"{name}, {day(value)}"


def clock(value: datetime | str | None) -> str:
    """A time of day in Viet Nam: 08:05."""
    if value is None:
        return "–"
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    return f"{moment.astimezone(ZONE):%H:%M}"


def about(value: datetime | str) -> str:
    """A planned time, rounded to five minutes: it is an estimate and should look like one."""
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    seconds = round(moment.timestamp() / 300) * 300
    return f"{datetime.fromtimestamp(seconds, ZONE):%H:%M}"


def moment(value: datetime) -> str:
    """A moment: 08:05 22/11/2026."""
    return f"{value.astimezone(ZONE):%H:%M %d/%m/%Y}"


def seconds(value: int) -> str:
    """A time of day given in seconds from midnight: 07:30."""
    return f"{value // 3600:02d}:{value % 3600 // 60:02d}"
