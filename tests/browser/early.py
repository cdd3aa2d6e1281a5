"""The program on a clock of its own: it is the hour that COURIER_TEST_CLOCK names when it starts, whatever time of day the tests run."""

import atexit
import os
from datetime import UTC, datetime, time

from api.app import create_app
from courier import logs, worker
from courier.desk import open_desk
from courier.domain.calendar import ZONE
from courier.settings import Settings

logs.configure()
_begun = datetime.now(UTC)
_early = datetime.combine(_begun.astimezone(ZONE), time.fromisoformat(os.environ["COURIER_TEST_CLOCK"]), ZONE)
desk = open_desk(Settings.from_environment())
desk.make_ready()
app = create_app(desk, clock=lambda: _early.astimezone(UTC) + (datetime.now(UTC) - _begun))
worker.start(desk)
atexit.register(desk.close)
