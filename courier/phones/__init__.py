"""The postmen's phones: which there are, what they are given for the day, what they bring besides their acts."""

from courier.phones import media
from courier.phones.bag import Bag, bag
from courier.phones.enrolment import Enrolled, enrol, list_phones, revoke
from courier.phones.papers import give_up, prepare
from courier.phones.rescue import Sender, sender_of
from courier.store.digests import JOB as PAPERS_JOB

__all__ = [
    "PAPERS_JOB",
    "Bag",
    "Enrolled",
    "Sender",
    "bag",
    "enrol",
    "give_up",
    "list_phones",
    "media",
    "prepare",
    "revoke",
    "sender_of",
]
