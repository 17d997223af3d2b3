import pytest

from tests.faults.inputs import FAULTS

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_a_worker_stands_what_no_client_should_send(fault, tmp_path):
    outcome = fault.run(tmp_path, 1, fault.short)
    assert outcome.held, outcome
