"""A strict walk over Avro bytes, for values that do not re-encode to the same bytes.

Two encoders may legally differ: block sizes of arrays and maps, letter case of a UUID, padding of a
decimal, which of two fitting branches of a union. Everything else that fastavro lets pass is
refused here: indexes out of range, over-long varints, bytes of a boolean other than 0 and 1, a
map's key twice, decimals of too many digits, times of day beyond a day. It holds no value, only
positions; it runs on what the gate has bounded, after fastavro has read the bytes once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NoReturn

from saga_schemas.errors import BadMessage
from saga_schemas.scalars import UUID_TEXT

_LONGEST_VARINT: Final = 10
_DAY: Final = {"time-millis": 86_400_000, "time-micros": 86_400_000_000}


def check_wire(document: Any, types: Mapping[str, Any], body: bytes) -> None:
    """Checks that the bytes are one legal spelling of a value of this canonical document.

    `types` are its named types. Raises BadMessage.
    """
    walk = _Walk(body, types)
    walk.value(document)
    if walk.position != len(body):
        raise BadMessage("trailing_bytes", "bytes follow the value")


class _Walk:
    __slots__ = ("body", "position", "types")

    def __init__(self, body: bytes, types: Mapping[str, Any]) -> None:
        self.body = body
        self.position = 0
        self.types = types

    def value(self, node: Any) -> None:
        if isinstance(node, list):
            index = self.long()
            if not 0 <= index < len(node):
                _refuse("a union's index is out of range")
            self.value(node[index])
            return
        if isinstance(node, str):
            node = self.types.get(node, {"type": node})
        _KINDS[node["type"]](self, node)

    def take(self, size: int) -> bytes:
        if size < 0 or self.position + size > len(self.body):
            raise BadMessage("truncated", "a length points beyond the value")
        start = self.position
        self.position += size
        return self.body[start : self.position]

    def long(self, bits: int = 64) -> int:
        raw = 0
        for count in range(_LONGEST_VARINT):
            byte = self.take(1)[0]
            raw |= (byte & 0x7F) << (7 * count)
            if not byte & 0x80:
                break
        else:
            _refuse("a number is spelled too long")
        if (count and not byte) or raw >> bits:
            _refuse("a number is spelled too long")
        return (raw >> 1) ^ -(raw & 1)

    def null(self, node: Any) -> None:
        pass

    def boolean(self, node: Any) -> None:
        if self.take(1) not in (b"\0", b"\1"):
            _refuse("a boolean is neither 0 nor 1")

    def int(self, node: Any) -> None:
        self._number(node, self.long(32))

    def long_value(self, node: Any) -> None:
        self._number(node, self.long())

    def _number(self, node: Any, value: Any) -> None:
        day = _DAY.get(node.get("logicalType", ""))
        if day is not None and not 0 <= value < day:
            _refuse("a time of day is beyond a day")

    def float(self, node: Any) -> None:
        self.take(4)

    def double(self, node: Any) -> None:
        self.take(8)

    def bytes(self, node: Any) -> None:
        self._decimal(node, self.take(self.long()))

    def string(self, node: Any) -> None:
        text = self._text()
        if node.get("logicalType") == "uuid" and UUID_TEXT.fullmatch(text.decode()) is None:
            _refuse("a UUID is spelled in an unusual way")

    def _text(self) -> Any:
        raw = self.take(self.long())
        try:
            raw.decode()
        except UnicodeDecodeError:
            _refuse("a string is not UTF-8")
        return raw

    def fixed(self, node: Any) -> None:
        self._decimal(node, self.take(node["size"]))

    def _decimal(self, node: Any, raw: Any) -> None:
        # A padded decimal has the same value; an empty one has none. (A number of too many digits
        # would be rounded.)
        if node.get("logicalType") == "decimal" and (not raw or abs(_signed(raw)) >= 10 ** node["precision"]):
            _refuse("a decimal has too many digits")

    def enum(self, node: Any) -> None:
        if not 0 <= self.long() < len(node["symbols"]):
            _refuse("an enum's index is out of range")

    def record(self, node: Any) -> None:
        for entry in node["fields"]:
            self.value(entry["type"])

    def array(self, node: Any) -> None:
        self._blocks(lambda: self.value(node["items"]))

    def map(self, node: Any) -> None:
        keys: set[Any] = set()

        def entry() -> None:
            key = self._text()
            if key in keys:
                _refuse("a map has a key twice")
            keys.add(key)
            self.value(node["values"])

        self._blocks(entry)

    def _blocks(self, item: Callable[[], None]) -> None:
        while count := self.long():
            end = None
            if count < 0:
                count, size = -count, self.long()
                end = self.position + size
            for _ in range(count):
                item()  # takes at least one byte: the gate refuses items without width
            if end is not None and end != self.position:
                _refuse("a block's size is not that of its items")


_KINDS: Final[dict[str, Callable[[_Walk, Any], None]]] = {
    "null": _Walk.null,
    "boolean": _Walk.boolean,
    "int": _Walk.int,
    "long": _Walk.long_value,
    "float": _Walk.float,
    "double": _Walk.double,
    "bytes": _Walk.bytes,
    "string": _Walk.string,
    "fixed": _Walk.fixed,
    "enum": _Walk.enum,
    "record": _Walk.record,
    "array": _Walk.array,
    "map": _Walk.map,
}


def _signed(raw: Any) -> Any:
    return int.from_bytes(raw, "big", signed=True)


def _refuse(rule: str) -> NoReturn:
    raise BadMessage("not_canonical", rule)
