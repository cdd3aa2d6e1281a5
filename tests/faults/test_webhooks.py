"""The small campaign of webhooks under SIGKILL; the large one is a command (see tests/faults/webhooks.py)."""

import pytest

from courier.store.session import open_database
from tests.faults import webhooks


@pytest.mark.once
def test_no_notice_is_lost_or_out_of_order_while_processes_are_killed(new_database, tmp_path):
    url = new_database()
    found = webhooks.run(url, tmp_path, events=100, kills=2, seed=7)
    assert found.events == 100
    assert found.kills == 2
    assert found.holds, found
    # The receiver did cut lines after it had taken a notice: what makes notices come again was really there.
    assert found.calls >= found.taken == 100
    open_database(url).close()
