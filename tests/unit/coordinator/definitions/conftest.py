"""The demo's shop schemas, and a small definition to spoil in one place."""

from __future__ import annotations

import pytest

from saga_schemas.catalog import Catalog
from saga_schemas.files import read_schemas
from support.paths import ROOT

SHOP = ROOT / "participants/saga_demo/schemas"


@pytest.fixture(scope="session")
def shop() -> Catalog:
    """Every schema of the demo."""
    return Catalog(read_schemas(SHOP))


@pytest.fixture(scope="session")
def demo_text() -> str:
    """The demo's definition."""
    return (ROOT / "participants/saga_demo/order.saga.yaml").read_text()


@pytest.fixture(scope="session")
def tour_text() -> str:
    """The longer definition of the README."""
    return (ROOT / "examples/order.saga.yaml").read_text()
