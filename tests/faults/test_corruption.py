"""Each fault of changed bytes in its short form."""

import pytest

from tests.faults.corruption import FAULTS
from tests.faults.table import Skipped


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_what_changed_bytes_break(fault, tmp_path):
    try:
        outcome = fault.run(tmp_path, 1, fault.short)
    except Skipped as why:
        pytest.skip(str(why))
    assert outcome.held, outcome
