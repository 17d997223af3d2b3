import pytest

from tests.faults.access import FAULTS

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_nobody_gets_in_and_no_token_gets_out(fault, tmp_path):
    outcome = fault.run(tmp_path, 1, fault.short)
    assert outcome.held, outcome
