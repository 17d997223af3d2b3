import itertools

import pytest

from workbench.database import Database

NUMBER = itertools.count()


@pytest.fixture
def schema():
    """A name that no other test has."""
    return f"test_{next(NUMBER)}"


@pytest.fixture
def database(postgresql, schema):
    made = Database(postgresql.url, schema)
    yield made
    made.close()
