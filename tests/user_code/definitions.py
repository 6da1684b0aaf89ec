"""A user's module: a definition made in Python.

Checked as tests/unit/project/test_user_types.py says.
"""

from datetime import timedelta
from pathlib import Path
from typing import assert_type

from pydantic import BaseModel

from saga_coordinator.definitions import Compensation, Document, Finding, LintResult, Retry, Saga, Timeout
from saga_schemas.catalog import Catalog
from saga_schemas.files import read_schemas


class Order(BaseModel):
    order_id: str


class Reserve(BaseModel):
    order_id: str


class Reserved(BaseModel):
    reservation: str


class Release(BaseModel):
    order_id: str


by_names = (
    Saga("order", version=1, input="shop.Order", key="${input.order_id}", deadline="10m")
    .step("reserve", to="inventory", command="shop.Reserve", compensation="shop.Release")
    .step("screen", to="fraud", command="shop.Screen", compensation="none", after=[], when="input.total > 100")
    .step("ship", to="shipping", command="shop.Ship", after=["reserve", "screen"], pivot=True)
)
by_models = Saga("order", version=1, input=Order, show_key=True, deadline=timedelta(minutes=10)).step(
    "reserve",
    to="inventory",
    command=Reserve,
    reply=Reserved,
    with_={"order_id": "${input.order_id}", "lines": [{"sku": "s-1", "count": 2}]},
    compensation=Compensation(command=Release, with_={"order_id": "o-1"}, retry=Retry(attempts=5)),
    retry=Retry(attempts="unlimited", first="200ms", factor=2, cap=timedelta(seconds=10), jitter=0.1, never=["fraud"]),
    timeout=Timeout(step="30s", reask=timedelta(seconds=5), heartbeat="1m", expiry="1h", attention="1d"),
)


def checked() -> Document:
    assert_type(by_names, Saga)
    assert_type(by_models, Saga)
    catalog = Catalog(read_schemas(Path("schemas")))
    found = by_models.lint(catalog)
    assert_type(found, LintResult)
    assert_type(found.findings, tuple[Finding, ...])
    assert_type(found.document, Document | None)
    return by_names.document(catalog)


def made_wrongly() -> None:
    Saga("order", input=Order)  # type: ignore[call-arg]
    Saga("order", version="1", input=Order)  # type: ignore[arg-type]
    Saga("order", version=1, input=Order, deadline=600)  # type: ignore[arg-type]
    by_names.step("pay", command="shop.Pay")  # type: ignore[call-arg]
    by_names.step("pay", to="payment", command=Order(order_id="o-1"))  # type: ignore[arg-type]
    by_names.step("pay", to="payment", command="shop.Pay", after=1)  # type: ignore[arg-type]
    by_names.step("pay", to="payment", command="shop.Pay", with_=[])  # type: ignore[arg-type]
    by_names.step("pay", to="payment", command="shop.Pay", retry={"attempts": 5})  # type: ignore[arg-type]
    Retry(attempts="forever")  # type: ignore[arg-type]
    Retry(5)  # type: ignore[call-arg]
    Timeout(step=30)  # type: ignore[arg-type]
    Compensation(with_={})  # type: ignore[call-arg]
