"""The shop's commands and replies, named after their Avro records in `schemas/`."""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict


class FaultKind(StrEnum):
    """How a step fails."""

    REJECT = "reject"
    FAIL = "fail"
    DELAY = "delay"
    HANG = "hang"
    CRASH = "crash"


class Message(BaseModel):
    model_config = ConfigDict(frozen=True)


class Fault(Message):
    """An order's request that a step fails the first `times` times it is tried; `ms` is the length
    of a delay."""

    step: str
    kind: FaultKind
    times: int = 1
    ms: int = 0


class ReserveStock(Message):
    order_id: str
    sku: str
    quantity: int
    faults: list[Fault] = []


class StockReserved(Message):
    reservation_id: str


class ReleaseStock(Message):
    order_id: str
    sku: str
    quantity: int


class ChargeCard(Message):
    order_id: str
    account: str
    amount: int
    reason: str = "order"
    faults: list[Fault] = []


class CardCharged(Message):
    charge_id: str


class RefundCard(Message):
    charge_id: str
    order_id: str
    account: str
    amount: int


class BookCarrier(Message):
    order_id: str
    address: str
    carrier: str | None = None
    faults: list[Fault] = []


class CarrierBooked(Message):
    parcel_id: str


class ScreenOrder(Message):
    order_id: str
    customer: str
    total: int
    faults: list[Fault] = []


class OrderScreened(Message):
    score: int


class SendConfirmation(Message):
    order_id: str
    customer: str
    faults: list[Fault] = []


class ConfirmationSent(Message):
    message_id: str
