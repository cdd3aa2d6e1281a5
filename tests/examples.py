"""How many cases a costly test tries: all of them, or under `make test` a part."""

from hypothesis import settings

FEW = "few"
"""The profile of hypothesis under which `make test` runs: `pytest --hypothesis-profile few`."""


def examples(few: int, *, of: int) -> int:
    """The number of cases to try: `few` in `make test`, all `of` them in `make test-all` and wherever a test is run by name."""
    return few if settings.get_current_profile_name() == FEW else of
