"""How handlers are registered: the decorators of a `Participant`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

from saga_messaging.errors import ConfigurationError
from saga_participant.handling.handlers import Handler, Role, read_handler

F = TypeVar("F", bound=Callable[..., Awaitable[Any]])


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
    def action(self, *, external: bool = False, fenceable: bool = False) -> Callable[[F], F]: ...

    def action(self, function: F | None = None, *, external: bool = False, fenceable: bool = False) -> F | Callable[[F], F]:
        """Register the handler of an action's command.

        The type of its first model names the command.

        Args:
            function: The handler, an `async def`.
            external: The handler calls somebody else. It runs outside any transaction and has no
                `db`. An exception means that nobody knows of an effect, so there is no reply.
            fenceable: Work that was accepted (`InProgress`) may be called off; a later answer is
                refused.

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
            ```
        """
        return self._register(function, Role.ACTION, external=external, fenceable=fenceable)

    @overload
    def compensation(self, function: F) -> F: ...

    @overload
    def compensation(self, *, external: bool = False) -> Callable[[F], F]: ...

    def compensation(self, function: F | None = None, *, external: bool = False) -> F | Callable[[F], F]:
        """Register the handler of a compensation's command.

        It runs only when there is an effect to undo, and takes effect once. It may take the
        action's reply as a second model.

        Args:
            function: The handler, an `async def`.
            external: As for `action`.

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
        return self._register(function, Role.COMPENSATION, external=external, fenceable=False)

    def withdrawn(self, function: F) -> F:
        """Register what is called when accepted work is called off before it was answered.

        It is found by the action's command and runs in the transaction that calls the work off: for
        a RESOLVE where the action is `fenceable`, or for a compensation. When it returns, the work
        has ended without effect. When it raises, the work stays accepted, as if there were no such
        handler and the action were not fenceable.

        Args:
            function: The handler, an `async def` that returns None.

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
        return self._add(function, Role.WITHDRAWN, external=False, fenceable=False)

    def _register(self, function: F | None, role: Role, *, external: bool, fenceable: bool) -> F | Callable[[F], F]:
        def register(handler: F) -> F:
            return self._add(handler, role, external=external, fenceable=fenceable)

        return register if function is None else register(function)

    def _add(self, function: F, role: Role, *, external: bool, fenceable: bool) -> F:
        if self._served():
            raise ConfigurationError(f"{self.name} is being served already: register handlers before")
        self._handlers.append(read_handler(function, role, external=external, fenceable=fenceable))
        return function
