"""Where the project's own files are."""

from __future__ import annotations

from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
TESTS: Final = ROOT / "tests"
DOCS: Final = ROOT / "docs"
DEMO: Final = ROOT / "participants" / "saga_demo"
PAYMENT_GO: Final = ROOT / "examples" / "payment-go"
