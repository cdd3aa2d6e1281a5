"""Messages while the web and the worker are killed: none is lost, none is sent twice. The large one is a command."""

import pytest

from tests.faults.notices import Campaign


@pytest.mark.slow
@pytest.mark.timeout(900)  # everything starts five times, beside whatever else a machine does
def test_no_message_is_lost_or_doubled_while_everything_is_killed(new_database, tmp_path):
    campaign = Campaign(tmp_path / "var", messages=60, kills=4, seed=7, database_url=new_database())
    try:
        campaign.prepare()
        outcome = campaign.run()
    finally:
        campaign.close()
    assert (outcome.lost, outcome.twice) == ([], [])
    assert outcome.states == {"sent": 60}
    # The trouble was there.
    assert sum(outcome.kills.values()) == 4
    assert outcome.provider["refused"] + outcome.provider["cut"] > 0


@pytest.mark.slow
def test_the_judge_sees_a_message_that_is_missing_and_one_too_many(tmp_path):
    campaign = Campaign(tmp_path / "var", messages=2, kills=0, seed=1)
    try:
        campaign.prepare()
        told = {"asked": 3, "refused": 0, "cut": 0, "again": 0}
        campaign._told = lambda: told | {"sent": [{"phone": campaign.phones[0]}, {"phone": campaign.phones[0]}]}
        outcome = campaign._judge()
    finally:
        campaign.close()
    assert (outcome.lost, outcome.twice) == ([campaign.phones[1]], [campaign.phones[0]])
    assert not outcome.is_well
