"""A repository whose stages are stubs."""

import pytest

from tests.helpers import sweeps
from tests.helpers.repository import clone


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    return sweeps.make(tmp_path_factory.mktemp("sweeps") / "repository")


@pytest.fixture
def repository(template, tmp_path):
    """Return a clone of a repository whose stages are stubs."""
    return clone(template, tmp_path / "repository")
