"""How handlers are registered: the decorators of a `Participant`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import Any, Literal, TypeVar, overload

from saga_messaging.errors import ConfigurationError
from saga_participant.handling.handlers import Handler, Role, read_handler

F = TypeVar("F", bound=Callable[..., Awaitable[Any]])
M = TypeVar("M", bound=Callable[..., Awaitable[list[Any]]])


class Decorators(ABC):
    """`@payment.action`, `@payment.compensation` and `@payment.withdrawn`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._handlers: list[Handler] = []

    @abstractmethod
    def _served(self) -> bool:
        """It is too late for another handler."""

    @overload
    def action(self, function: F) -> F: ...

    @overload
    def action(self, *, external: bool = False, fenceable: bool = False, many: Literal[False] = False) -> Callable[[F], F]: ...

    @overload
    def action(self, *, many: Literal[True]) -> Callable[[M], M]: ...

    def action(
        self, function: F | None = None, *, external: bool = False, fenceable: bool = False, many: bool = False
    ) -> F | Callable[[F], F]:
        """Register the handler of an action's command.

        The type of its first model names the command.

        Args:
            function: The handler, an `async def`.
            external: The handler calls somebody else. It runs outside any transaction and has no
                `db`. An exception means that nobody knows of an effect, so there is no reply.
            fenceable: Work that was accepted (`InProgress`) may be called off; a later answer is
                refused.
            many: The handler takes a list of commands, which wait at the same time, and returns a
                list of as many: for each its reply, `Rejected` or `Failed`. What it says no to has
                had no effect: nothing is rolled back for it.

        Returns:
            The handler, unchanged.

        Raises:
            ConfigurationError: The signature is not one the kit can serve, or it is served already.

        Example:
            ```python
            @payment.action(fenceable=True)
            async def charge(
                command: ChargeCard, db: AsyncConnection, step: Step
            ) -> CardCharged | InProgress: ...

            @payment.action(many=True)
            async def charge_all(
                commands: list[ChargeCard], db: AsyncConnection, steps: list[Step]
            ) -> list[CardCharged | Rejected]: ...
            ```
        """
        return self._register(function, Role.ACTION, external=external, fenceable=fenceable, many=many)

    @overload
    def compensation(self, function: F) -> F: ...

    @overload
    def compensation(self, *, external: bool = False) -> Callable[[F], F]: ...

    def compensation(self, function: F | None = None, *, external: bool = False, many: bool = False) -> F | Callable[[F], F]:
        """Register the handler of a compensation's command.

        It runs only when there is an effect to undo, and takes effect once. It may take the
        action's reply as a second model.

        Args:
            function: The handler, an `async def`.
            external: As for `action`.
            many: Is for actions, and refused.

        Returns:
            The handler, unchanged.

        Raises:
            ConfigurationError: The signature is not one the kit can serve, or it is served already.

        Example:
            ```python
            @payment.compensation
            async def refund(
                command: RefundCard, charged: CardCharged, db: AsyncConnection
            ) -> None: ...
            ```
        """
        return self._register(function, Role.COMPENSATION, external=external, many=many)

    @overload
    def withdrawn(self, function: F) -> F: ...

    @overload
    def withdrawn(self) -> Callable[[F], F]: ...

    def withdrawn(self, function: F | None = None, *, many: bool = False) -> F | Callable[[F], F]:
        """Register what is called when accepted work is called off before it was answered.

        It is found by the action's command and runs in the transaction that calls the work off: for
        a RESOLVE where the action is `fenceable`, or for a compensation. When it returns, the work
        has ended without effect. When it raises, the work stays accepted, as if there were no such
        handler and the action were not fenceable.

        Args:
            function: The handler, an `async def` that returns None.
            many: Is for actions, and refused.

        Returns:
            The handler, unchanged.

        Raises:
            ConfigurationError: The signature is not one the kit can serve, or it is served already.

        Example:
            ```python
            @payment.withdrawn
            async def called_off(command: ChargeCard, db: AsyncConnection, step: Step) -> None: ...
            ```
        """
        return self._register(function, Role.WITHDRAWN, many=many)

    def _register(self, function: F | None, role: Role, **options: bool) -> F | Callable[[F], F]:
        def register(handler: F) -> F:
            if self._served():
                raise ConfigurationError(f"{self.name} is being served already: register handlers before")
            self._handlers.append(read_handler(handler, role, **options))
            return handler

        return register if function is None else register(function)
