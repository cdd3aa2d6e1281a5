"""The postmen's phones: which there are, what they are given for the day, what they bring besides their acts."""

from courier.phones import media
from courier.phones.bag import Bag, bag
from courier.phones.enrolment import Enrolled, enrol, list_phones, revoke

__all__ = ["Bag", "Enrolled", "bag", "enrol", "list_phones", "media", "revoke"]
