import pytest

from tests.faults.typed import FAULTS


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_a_text_is_a_text_and_nonsense_is_told(fault, tmp_path):
    outcome = fault.run(tmp_path, 1, fault.short)
    assert outcome.held, outcome
