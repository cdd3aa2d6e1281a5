"""How passwords are kept and made up."""

import re
import threading

import pytest

from courier.staffing import passwords


def test_a_password_is_kept_as_argon2id_with_owasps_least_work():
    assert passwords.hash_password("một câu dài").startswith("$argon2id$v=19$m=19456,t=2,p=1$")


def test_only_the_same_password_fits():
    kept = passwords.hash_password("một câu dài")
    assert passwords.fits("một câu dài", kept)
    assert not passwords.fits("một câu dai", kept)
    assert not passwords.fits("một câu dài", None)


def test_somebody_who_does_not_exist_takes_the_same_work():
    assert passwords._NOBODY.startswith("$argon2id$v=19$m=19456,t=2,p=1$")


def test_who_waits_too_long_for_the_hasher_is_told_to_come_back(monkeypatch):
    monkeypatch.setattr(passwords, "_HASHING", threading.BoundedSemaphore(1))
    monkeypatch.setattr(passwords, "_WAIT_SECONDS", 0)
    with passwords._Turn(), pytest.raises(passwords.TooManyTries):
        passwords.fits("một câu dài", None)
    assert not passwords.fits("một câu dài", None)  # the place is free again


def test_one_time_passwords_differ_and_hold_no_letters_that_look_alike():
    made = {passwords.one_time_password() for _ in range(200)}
    assert len(made) == 200
    assert all(re.fullmatch(r"([a-hjkmnp-z2-9]{4}-){2}[a-hjkmnp-z2-9]{4}", word) for word in made)
