"""`lint`: everything that is wrong with a definition, at once, and the canonical document when
nothing is.

A file, a builder's data and a stored document take the same way: a tree, a draft, the checks, the
document.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from saga_coordinator.definitions.canonical import document_of, source_of
from saga_coordinator.definitions.document import Document, DocumentInvalid
from saga_coordinator.definitions.draft import Draft
from saga_coordinator.definitions.finding import DefinitionInvalid, Finding, Report, any_error
from saga_coordinator.definitions.graph import read_graph
from saga_coordinator.definitions.mappings import check_mappings
from saga_coordinator.definitions.policy import check_policies
from saga_coordinator.definitions.structure import read_draft
from saga_coordinator.definitions.tree import Node, tree_of
from saga_coordinator.definitions.yaml_reader import read_yaml
from saga_schemas.catalog import Catalog


@dataclass(frozen=True, slots=True, kw_only=True)
class LintResult:
    """What was found."""

    findings: tuple[Finding, ...]
    document: Document | None
    """None when a finding is an error."""

    @property
    def ok(self) -> bool:
        """No error; there may be warnings."""
        return self.document is not None

    def required(self) -> Document:
        """The document. Raises DefinitionInvalid with the findings."""
        if self.document is None:
            raise DefinitionInvalid(self.findings)
        return self.document


def lint(source: str | bytes, file: str, catalog: Catalog) -> LintResult:
    """Check a definition file against the schemas of a catalog."""
    report = Report(file)
    root = read_yaml(source, report)
    return _result(None if root is None else _checked(root, catalog, report), report)


def lint_data(data: Mapping[str, Any], name: str, catalog: Catalog) -> LintResult:
    """Check a definition given as plain data of the file's shape, as the builder gives it."""
    report = Report(name)
    return _result(_checked(tree_of(data), catalog, report), report)


def lint_document(canonical: bytes | str | Mapping[str, Any], name: str, catalog: Catalog) -> LintResult:
    """Check a canonical document that somebody else made.

    It must pass every check and come out as the same bytes.
    """
    report = Report(name)
    try:
        given = Document.parse(json.dumps(canonical) if isinstance(canonical, Mapping) else canonical)
    except (DocumentInvalid, ValueError) as problem:
        report.add("S013", None, str(problem))
        return _result(None, report)
    made = _checked(tree_of(source_of(given)), catalog, report)
    if made is not None and made.canonical != given.canonical and not any_error(report.findings):
        report.add("S013", None, "the document does not follow from its own steps; register the file it was made from")
    return _result(made, report)


def _checked(root: Node, catalog: Catalog, report: Report) -> Document | None:
    draft = read_draft(root, report)
    return _document(draft, catalog, report)


def _document(draft: Draft, catalog: Catalog, report: Report) -> Document | None:
    graph = read_graph(draft, report)
    check_policies(draft, graph, report)
    replies = check_mappings(draft, graph, catalog, report)
    return None if any_error(report.findings) else document_of(draft, graph, replies)


def _result(document: Document | None, report: Report) -> LintResult:
    findings = report.sorted()
    return LintResult(findings=findings, document=None if any_error(findings) else document)
