"""Starts over HTTP: what has arrived goes into one transaction together (natural batching, no
linger).
"""

from __future__ import annotations

import asyncio

import structlog

from saga_coordinator.failures import comes_again, error_fields
from saga_coordinator.starts.execution import StartExecution
from saga_coordinator.starts.preparation import Prepared, StartPreparation
from saga_coordinator.starts.requests import OVERLOADED, StartRefused, StartRequest, StartResult
from saga_coordinator.store.port import StoreError
from saga_coordinator.telemetry.instruments import Instruments

SOURCE = "http"
BATCH_STARTS = 200
ANSWER_S = 30.0

_Answer = asyncio.Future[StartResult]


class StartQueue:
    """A bounded queue of prepared starts."""

    def __init__(self, preparation: StartPreparation, execution: StartExecution, instruments: Instruments, *, limit: int) -> None:
        self._preparation = preparation
        self._execution = execution
        self._instruments = instruments
        self._queue: asyncio.Queue[tuple[Prepared, _Answer]] = asyncio.Queue(maxsize=limit)
        self._log = structlog.get_logger("start_queue")

    async def submit(self, request: StartRequest) -> StartResult:
        """Wait until the start is carried out, with whatever else has arrived.

        Raises:
            StartRefused: It is not carried out.
            StoreError: Nothing is known to be started: the same request id may be sent again.
            TimeoutError: The same.
        """
        try:
            return await self._submit(request)
        except StartRefused as refused:
            self._instruments.start_refused(SOURCE, refused.code)
            raise

    async def _submit(self, request: StartRequest) -> StartResult:
        prepared = await self._preparation.prepare(request)
        answer: _Answer = asyncio.get_running_loop().create_future()
        try:
            self._queue.put_nowait((prepared, answer))
        except asyncio.QueueFull:
            raise StartRefused(OVERLOADED, "too many starts are waiting: try again with the same request id") from None
        return await asyncio.wait_for(answer, ANSWER_S)

    async def run(self) -> None:
        while True:
            waiting = [await self._queue.get()]
            while len(waiting) < BATCH_STARTS and not self._queue.empty():
                waiting.append(self._queue.get_nowait())
            await self._carry_out(waiting)

    async def _carry_out(self, waiting: list[tuple[Prepared, _Answer]]) -> None:
        try:
            results = await self._execution.carry_out([prepared for prepared, _ in waiting])
        except asyncio.CancelledError:
            _fail(waiting, StoreError("the coordinator is stopping"))
            raise
        except Exception as error:
            self._note(error)
            _fail(waiting, error)
            return
        self._instruments.start_batch(SOURCE, len(waiting))
        for (_, answer), result in zip(waiting, results, strict=True):
            if isinstance(result, Exception):
                self._note(result)
            if answer.done():
                continue
            if isinstance(result, Exception):
                answer.set_exception(result)
            else:
                answer.set_result(result)

    def _note(self, error: Exception) -> None:
        if not isinstance(error, StartRefused) and comes_again(error):
            self._log.error("starts_failed", **error_fields(error))
            self._instruments.loop_failed("start_queue")


def _fail(waiting: list[tuple[Prepared, _Answer]], error: Exception) -> None:
    for _, answer in waiting:
        if not answer.done():
            answer.set_exception(error)
