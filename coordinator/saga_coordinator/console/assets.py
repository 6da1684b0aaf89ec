"""Styles, scripts and fonts. Their addresses bear a hash of what they hold, so browsers keep
them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from starlette.responses import Response

from saga_coordinator.api.problems import Problem
from saga_schemas.record_class import record

STATIC: Final = Path(__file__).parent / "static"
_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".woff2": "font/woff2",
    ".svg": "image/svg+xml",
}
_HASH_CHARS: Final = 12


@record
class Asset:
    """One file."""

    address: str
    """Below `/console`."""
    content: bytes
    media_type: str


class Assets:
    """All files of `static/`, in memory."""

    def __init__(self, root: str) -> None:
        """`root` is where the browser sees the console; the stylesheet names fonts by it."""
        self._by_name: dict[str, Asset] = {}
        for path in sorted(STATIC.rglob("*")):
            if path.suffix in _TYPES and path.suffix != ".css":
                self._add(path, path.read_bytes())
        for path in sorted(STATIC.rglob("*.css")):
            self._add(path, self._with_addresses(path.read_text(encoding="utf-8"), root))
        self._by_address: Mapping[str, Asset] = {asset.address: asset for asset in self._by_name.values()}

    def _add(self, path: Path, content: bytes) -> None:
        digest = hashlib.sha256(content).hexdigest()[:_HASH_CHARS]
        self._by_name[path.name] = Asset(address=f"/static/{digest}/{path.name}", content=content, media_type=_TYPES[path.suffix])

    def _with_addresses(self, text: str, root: str) -> bytes:
        """A stylesheet names a font as `asset(NAME)`."""
        for name, asset in self._by_name.items():
            text = text.replace(f"asset({name})", f'url("{root}{asset.address}")')
        return text.encode()

    def address(self, name: str) -> str:
        """Where a file is, below `/console`. Raises KeyError for one that is not there."""
        return self._by_name[name].address

    def response(self, digest: str, name: str) -> Response:
        """The file. Raises Problem."""
        asset = self._by_address.get(f"/static/{digest}/{name}")
        if asset is None:
            raise Problem("not_found")
        return Response(
            asset.content, media_type=asset.media_type, headers={"cache-control": "public, max-age=31536000, immutable"}
        )
