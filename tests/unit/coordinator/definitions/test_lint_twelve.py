"""Twelve mistakes in one file: each is found at its line, and none hides another."""

from __future__ import annotations

from pathlib import Path

from saga_coordinator.definitions import lint
from saga_schemas.catalog import Catalog

TWELVE = Path(__file__).with_name("twelve.saga.yaml")


def test_twelve_mistakes_in_one_file_give_twelve_findings(shop: Catalog) -> None:
    result = lint(TWELVE.read_text(), "twelve.saga.yaml", shop)
    found = [(finding.code, finding.line, finding.column, finding.step) for finding in result.findings]
    assert found == [
        ("S009", 6, 11, None),  # bad duration
        ("S101", 14, 11, "reserve"),  # duplicate step name
        ("S102", 20, 13, "lost"),  # unknown after
        ("S103", 26, 13, "hen"),  # cycle
        ("S211", 41, 20, "charge"),  # type mismatch
        ("S104", 49, 12, "screen"),  # unbounded retry before the pivot
        ("S105", 52, 11, "hold"),  # missing compensation
        ("S201", 58, 14, "weigh"),  # unknown record
        ("S205", 65, 21, "ship"),  # unknown input path
        ("S106", 67, 11, "audit"),  # compensatable step not before the pivot
        ("S107", 77, 12, "notify"),  # second pivot
        ("S006", 82, 5, "thank"),  # unknown key
    ]
    assert result.document is None


def test_each_mistake_alone_is_one_finding(shop: Catalog) -> None:
    """Mending eleven of the twelve leaves the twelfth: no finding is only the shadow of another."""
    mended = {
        "S009": ("deadline: ten minutes", "deadline: 10m"),
        "S101": (
            "  - name: reserve\n    participant: inventory\n    command: shop.ReserveStock\n    compensation: shop.ReleaseStock\n\n"
            "  - name: lost",
            "  - name: lost",
        ),
        "S102": ("after: [resrve]", "after: [reserve]"),
        "S103": ("after: [egg]", "after: []"),
        "S211": ('"${input.address}", reason', '"${input.total}", reason'),
        "S104": ("attempts: unlimited", "attempts: 5"),
        "S105": ("name: hold\n", "name: hold\n    compensation: none\n"),
        "S201": ("shop.WeighParcel", "shop.ScreenOrder"),
        "S205": ("input.adress", "input.address"),
        "S106": (
            "name: audit\n    after: [reserve]\n    participant: inventory\n    command: shop.ReserveStock\n"
            "    compensation: shop.ReleaseStock\n",
            "name: audit\n    participant: inventory\n    command: shop.ReserveStock\n",
        ),
        "S107": ("    pivot: true\n\n  - name: thank", "\n  - name: thank"),
        "S006": ("    comand: shop.SendConfirmation\n", ""),
    }
    text = TWELVE.read_text()
    for left in mended:
        mending = text
        for code, (wrong, right) in mended.items():
            if code != left:
                assert mending.count(wrong) == 1, code
                mending = mending.replace(wrong, right)
        result = lint(mending, "one.saga.yaml", shop)
        assert [finding.code for finding in result.findings] == [left]
    for wrong, right in mended.values():
        text = text.replace(wrong, right)
    assert lint(text, "none.saga.yaml", shop).findings == ()


def test_a_finding_reads_as_a_compiler_would_say_it(shop: Catalog) -> None:
    result = lint(TWELVE.read_text(), "twelve.saga.yaml", shop)
    said = {finding.code: str(finding) for finding in result.findings}
    assert said["S104"] == (
        "twelve.saga.yaml:49:12  error  S104  step screen: retried without end before the pivot; give retry.attempts a number"
    )
    assert said["S211"] == (
        "twelve.saga.yaml:41:20  error  S211  step charge: shop.ChargeCard.amount is a long, ${input.address} is a string"
    )
