"""Text that both databases take: PostgreSQL refuses U+0000 in any text, and neither can write half of a surrogate pair.

What others say (why a step failed, what is wrong with a record) is made storable where it enters. What identifies something (keys, request
ids, names) is never changed: it is refused at the door (`saga_schemas.ids`).
"""

from __future__ import annotations

import re
from typing import Final

_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")
REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"


def storable(text: str) -> str:
    """The text with U+FFFD for each character that no database takes, as long as it was: `storable("no\\0 way") == "no\\ufffd way"`."""
    return _UNSTORABLE.sub(REPLACEMENT, text)
