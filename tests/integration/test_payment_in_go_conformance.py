"""`saga participant check` on the payment in Go (examples/payment-go): two processes, one database,
kills in the middle. It passes every case."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

from saga_cli.conformance.case import Status
from saga_cli.conformance.cases.every_case import every_case
from support.payment_check import PATIENCE, CheckedPayment
from support.payment_go import payment_go

NO_STRAYS: Final = replace(PATIENCE, stray_s=PATIENCE.reply_s)
"""It names the command that it answers. What comes twice on a busy machine, and names an earlier
one, is no answer to a later one.
"""


async def test_payment_in_go_passes_every_case(tmp_path: Path, kafka_address: str, postgres_url: Callable[[], str]) -> None:
    payment = CheckedPayment(
        program=payment_go(), folder=tmp_path, kafka=kafka_address, database=postgres_url(), patience=NO_STRAYS
    )
    found = await payment.results(every_case())

    assert not {result.case.name: result.seen for result in found if result.status is Status.FAILED}
    assert {result.case.name for result in found if result.status is Status.LEFT_OUT} == {
        "failed.compensation-fails",  # nothing makes a refund fail, or say no
        "failed.compensation-is-rejected",
    }
