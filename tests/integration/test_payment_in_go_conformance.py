"""`saga participant check` on the payment in Go (examples/payment-go): two processes, one database,
kills in the middle. It passes every case."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from saga_cli.conformance.case import Status
from saga_cli.conformance.cases.every_case import every_case
from support.payment_check import CheckedPayment
from support.payment_go import payment_go


async def test_payment_in_go_passes_every_case(tmp_path: Path, kafka_address: str, postgres_url: Callable[[], str]) -> None:
    payment = CheckedPayment(program=payment_go(), folder=tmp_path, kafka=kafka_address, database=postgres_url())
    found = await payment.results(every_case())

    assert not {result.case.name: result.seen for result in found if result.status is Status.FAILED}
    assert {result.case.name for result in found if result.status is Status.LEFT_OUT} == {
        "failed.compensation-fails",  # nothing makes a refund fail, or say no
        "failed.compensation-is-rejected",
    }
