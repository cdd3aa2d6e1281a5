"""Fields and the base of every schema: what the published schema allows is what the validator accepts, no more, no less."""

import re
from collections.abc import Sequence
from datetime import date
from typing import Any, ClassVar
from uuid import UUID

from marshmallow import RAISE, Schema, ValidationError, fields, validate
from webargs.multidictproxy import MultiDictProxy

from courier.domain.money import MOST_DONG

# What a 32-bit column of PostgreSQL holds.
MOST_WHOLE = 2**31 - 1
_WHOLE_TEXT = re.compile(r"-?[0-9]{1,15}")
# No space at either end, no control character: names and codes as people write them.
TRIMMED = r"^[^\s\x00-\x1f\x7f]([^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f])?$"
CLOCK_TIME = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"
DAY = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"


class Strict(Schema):
    """A body or query in which an unknown field is an error, also when it is published (`additionalProperties: false`)."""

    class Meta:
        """Marshmallow's options."""

        unknown = RAISE


class Matches(validate.Regexp):
    """The whole text matches. `Regexp` alone looks at the beginning only, JSON Schema anywhere: so patterns carry `^` and `$`."""

    def __call__(self, value: Any) -> Any:
        """Refuse what does not match from the first character to the last."""
        if self.regex.fullmatch(value) is None:
            raise ValidationError(self._format_error(value))
        return value


class Whole(fields.Integer):
    """A whole number between two bounds. `33.0` is one in JSON, `true` and `"33"` are not; in a query it is text."""

    def __init__(self, *, minimum: int = 0, maximum: int = MOST_WHOLE, **kwargs: Any) -> None:
        super().__init__(validate=validate.Range(min=minimum, max=maximum), **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **_: Any) -> int:  # noqa: ARG002
        if isinstance(value, str) and isinstance(data, MultiDictProxy) and _WHOLE_TEXT.fullmatch(value):
            return int(value)
        if isinstance(value, bool) or not isinstance(value, int | float) or value != value // 1:
            raise self.make_error("invalid", input=value)
        return int(value)


class Dong(Whole):
    """An amount of money in whole dong."""

    def __init__(self, *, minimum: int = 0, maximum: int = MOST_DONG, **kwargs: Any) -> None:
        super().__init__(minimum=minimum, maximum=maximum, **kwargs)


class Degrees(fields.Float):
    """A latitude or longitude between `-bound` and `bound`; text and `true` are refused."""

    def __init__(self, bound: int, **kwargs: Any) -> None:
        super().__init__(validate=validate.Range(min=-bound, max=bound), **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **_: Any) -> float:  # noqa: ARG002
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.make_error("invalid", input=value)
        return float(value)


class Flag(fields.Boolean):
    """`true` or `false`; in a query the same as text. Marshmallow's own also takes `yes`, `on` and `1`."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **_: Any) -> bool:  # noqa: ARG002
        if isinstance(value, bool):
            return value
        if isinstance(data, MultiDictProxy) and value in ("true", "false"):
            return bool(value == "true")
        raise self.make_error("invalid", input=value)


class Text(fields.String):
    """Text of bounded length; `pattern` is anchored at both ends and published."""

    def __init__(self, *, at_least: int = 0, at_most: int = 500, pattern: str | None = None, **kwargs: Any) -> None:
        checks: list[validate.Validator] = [validate.Length(min=at_least, max=at_most)]
        if pattern is not None:
            checks.append(Matches(pattern))
        super().__init__(validate=checks, **kwargs)


class Word(fields.String):
    """One of a few words, published as an enumeration."""

    def __init__(self, words: Sequence[str], **kwargs: Any) -> None:
        super().__init__(validate=validate.OneOf([str(word) for word in words]), **kwargs)


class Name(Text):
    """What people are called: no control characters, no space at the ends."""

    def __init__(self, *, at_most: int = 200, **kwargs: Any) -> None:
        super().__init__(at_least=1, at_most=at_most, pattern=TRIMMED, **kwargs)


class Id(fields.UUID):
    """A UUID in its usual 36 characters; braces, `urn:` and the bare 32 digits are refused."""

    _USUAL: ClassVar = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")

    def _deserialize(self, value: Any, *_args: Any, **_: Any) -> UUID:
        if not isinstance(value, str) or self._USUAL.fullmatch(value) is None:
            raise self.make_error("invalid_uuid")
        return UUID(value)


class LocalDay(fields.Date):
    """A day in Asia/Ho_Chi_Minh as `YYYY-MM-DD`; Python's other ISO forms (`20261122`, `2026-W47-7`) are refused."""

    def _deserialize(self, value: Any, *_args: Any, **_: Any) -> date:
        if not isinstance(value, str) or re.fullmatch(DAY, value) is None:
            raise self.make_error("invalid", input=value, obj_type="date")
        try:
            return date.fromisoformat(value)
        except ValueError as fault:
            raise self.make_error("invalid", input=value, obj_type="date") from fault


class Instant(fields.AwareDateTime):
    """An RFC 3339 instant with its offset."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(format="iso", **kwargs)


class ClockTime(fields.String):
    """A time of day as `HH:MM`, in the code as seconds from local midnight. `24:00` is not one: a shift ends by 23:59."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(validate=None, metadata={"pattern": CLOCK_TIME}, **kwargs)

    def _serialize(self, value: int | None, *_args: Any, **_: Any) -> str | None:  # type: ignore[override]  # a clock time is no text inside
        return None if value is None else f"{value // 3600:02d}:{value % 3600 // 60:02d}"

    def _deserialize(self, value: Any, *_args: Any, **_: Any) -> int:  # type: ignore[override]  # a clock time is no text inside
        if not isinstance(value, str) or re.fullmatch(CLOCK_TIME, value) is None:
            raise self.make_error("invalid")
        hours, minutes = value.split(":")
        return int(hours) * 3600 + int(minutes) * 60


class PageQuery(Strict):
    """The query of a list: `limit` (at most 200), `after` (the cursor of the page before), `q`."""

    limit = Whole(minimum=1, maximum=200, load_default=50)
    after = Text(at_least=1, at_most=500, load_default=None)
    q = Text(at_most=100, load_default=None)


def page_of(row: type[Schema]) -> type[Schema]:
    """The schema of one page of a list."""
    name = f"{row.__name__.removesuffix('Schema')}Page"
    members = {
        "data": fields.List(fields.Nested(row), required=True),
        "next": fields.String(required=True, allow_none=True, metadata={"description": "give it back as `after`"}),
    }
    return type(name, (Strict,), members)
