"""Passwords: how they are stored, compared, judged and made up."""

import secrets
import threading
import unicodedata
from typing import Final

import argon2

from courier.domain.errors import FieldError, Invalid

LEAST_PASSWORD: Final = 10
MOST_PASSWORD: Final = 128
_LEAST_DIFFERENT: Final = 5

# OWASP's least for Argon2id: 19 MiB, two passes, one lane.
_HASHER: Final = argon2.PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
# Hashing is dear, and so a lever for somebody who wants the server busy: two at a time, the rest wait a little.
_HASHING: Final = threading.BoundedSemaphore(2)
_WAIT_SECONDS: Final = 8


class TooManyTries(Exception):
    """Wait `seconds`, then try again."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"wait {seconds} seconds")
        self.seconds = seconds


def hash_password(password: str) -> str:
    """What is stored of a password.

    Raises:
        TooManyTries: the server is busy hashing.
    """
    with _Turn():
        return _HASHER.hash(_plain(password))


def fits(password: str, stored: str | None) -> bool:
    """True when this is the stored password. None stands for a login that does not exist, and takes as long as one that does.

    Raises:
        TooManyTries: the server is busy hashing.
    """
    with _Turn():
        try:
            return _HASHER.verify(stored or _NOBODY, _plain(password))
        except argon2.exceptions.VerifyMismatchError:
            return False


def _plain(password: str) -> str:
    # The same letters typed on two keyboards may come composed or decomposed.
    return unicodedata.normalize("NFC", password)


class _Turn:
    """One of the two places at the hasher."""

    def __enter__(self) -> None:
        if not _HASHING.acquire(timeout=_WAIT_SECONDS):
            raise TooManyTries(_WAIT_SECONDS)

    def __exit__(self, *_: object) -> None:
        _HASHING.release()


def one_time_password() -> str:
    """A password to be read out once and changed at the first sign-in: 59 bits, no letters that look alike."""
    letters = "abcdefghjkmnpqrstuvwxyz23456789"
    return "-".join("".join(secrets.choice(letters) for _ in range(4)) for _ in range(3))


def check_password(password: str, *, login: str, field: str = "new_password") -> None:
    """Refuse a password that is easy to guess.

    Raises:
        Invalid: too short, too long, made of the login or of very few characters.
    """
    if not LEAST_PASSWORD <= len(password) <= MOST_PASSWORD:
        raise Invalid(FieldError(field, "weak", f"Mật khẩu dài từ {LEAST_PASSWORD} đến {MOST_PASSWORD} ký tự."))
    if login.casefold() in password.casefold() or len(set(password)) < _LEAST_DIFFERENT:
        raise Invalid(FieldError(field, "weak", "Mật khẩu không chứa tên đăng nhập và có ít nhất 5 ký tự khác nhau."))


_NOBODY: Final = _HASHER.hash(secrets.token_urlsafe(16))
