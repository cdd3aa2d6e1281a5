"""What every use case may reach for, put together once: database, settings, facts, gazetteer, jobs, carriers."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from courier.domain.notices import Channel
from courier.facts import Facts
from courier.gazetteer import Gazetteer
from courier.outside.carriers import Carrier, null_carriers
from courier.outside.gateways import connect
from courier.settings import Settings
from courier.store.jobs import Jobs
from courier.store.session import Database, migrate, open_database


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """The first argument of a use case that needs more than the database."""

    database: Database
    settings: Settings
    facts: Facts
    gazetteer: Gazetteer
    jobs: Jobs
    carriers: Mapping[Channel, Carrier] = field(default_factory=null_carriers)

    def make_ready(self) -> None:
        """Bring the schema and the job engine's tables up to date; quick when they are."""
        make_ready(self.database, self.jobs)

    def close(self) -> None:
        """Stop the jobs of this process and give every connection back."""
        self.jobs.stop()
        self.database.close()


def make_ready(database: Database, jobs: Jobs | None = None) -> None:
    """Bring the schema and the job engine's tables up to date; for those who need no desk, `jobs` is made for the moment."""
    migrate(database)
    if jobs is not None:
        jobs.migrate()
        return
    passing = Jobs(database)
    try:
        passing.migrate()
    finally:
        passing.stop()


def open_desk(settings: Settings) -> Desk:
    """Open the database and read the facts. Neither migrates nor starts jobs.

    Raises:
        OSError, ValueError: a file of facts is missing or damaged.
        Misconfigured: what connects a channel makes no sense.
    """
    facts = Facts.load(settings.data_dir)
    carriers = connect(settings.channels, facts.notices)
    database = open_database(settings.database_url)
    return Desk(
        database=database,
        settings=settings,
        facts=facts,
        gazetteer=Gazetteer.load(settings.data_dir / "gazetteer"),
        jobs=Jobs(database),
        carriers=carriers,
    )
