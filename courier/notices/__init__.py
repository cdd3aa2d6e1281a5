"""Messages to citizens (tin báo): who is told, what carries it, what became of it, and who wants none."""

from courier.notices.carrying import OVER_BUDGET, carry_job, give_up
from courier.notices.overview import MOST, Count, Line, Overview, Spent, by_state, is_dry_run, once_more, overview
from courier.notices.receiving import MOST_BYTES, choose, receive, wants_messages
from courier.notices.telling import announce_job, give_up_telling, tell_job
from courier.store.messages import ANNOUNCE_JOB, CARRY_JOB, TELL_JOB

__all__ = [
    "ANNOUNCE_JOB",
    "CARRY_JOB",
    "MOST",
    "MOST_BYTES",
    "OVER_BUDGET",
    "TELL_JOB",
    "Count",
    "Line",
    "Overview",
    "Spent",
    "announce_job",
    "by_state",
    "carry_job",
    "choose",
    "give_up",
    "give_up_telling",
    "is_dry_run",
    "once_more",
    "overview",
    "receive",
    "tell_job",
    "wants_messages",
]
