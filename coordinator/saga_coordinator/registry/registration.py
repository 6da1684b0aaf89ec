"""Registering definitions and schemas, and activating a version: all checks run before anything is
written.

A definition is checked with the schemas sent and those stored. A new schema must be compatible with
all earlier versions of its record, and so with those that open sagas pin. What is stored under a
name and version never changes: sending the same content again is no error, sending other content
is. Registering and activating are separate, and both are audited.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any, Final

from saga_coordinator.definitions import (
    CODES,
    CompileFailed,
    Document,
    Earlier,
    Finding,
    LintResult,
    Severity,
    check_compatibility,
    compile_definition,
    lint,
    lint_data,
    lint_document,
    records_reached,
)
from saga_coordinator.definitions.finding import MAX_FINDINGS
from saga_coordinator.definitions.retention import Terms, too_short
from saga_coordinator.registry.definition_cache import DefinitionCache
from saga_coordinator.store import port
from saga_coordinator.store.port import DefinitionRow, SchemaRow, Store
from saga_schemas.catalog import Catalog
from saga_schemas.compat import full_transitive
from saga_schemas.errors import SchemaCollision, SchemaRefused
from saga_schemas.gate import full_name_of
from saga_schemas.records import NAMESPACE, OWN
from saga_schemas.schema import Schema

MAX_SCHEMAS: Final = 3_010
"""Most schemas sent with one definition: input, command, reply and compensation of 1,000 steps."""
MAX_REASONS: Final = 50


class RegistrationRefused(Exception):
    """Nothing was stored.

    `code` is one of the API's: definition_invalid (with findings), version_exists, schema_invalid,
    schema_incompatible (with reasons), schema_collision, definition_unknown.
    """

    def __init__(self, code: str, detail: str, *, findings: Sequence[Finding] = (), reasons: Sequence[str] = ()) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
        self.findings = tuple(findings)
        self.reasons = tuple(reasons)


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """A definition as it stands in the store."""

    row: DefinitionRow
    created: bool
    """False: the same content was registered before."""
    warnings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """A schema as it stands in the store."""

    id: int
    full_name: str
    subject: str
    created: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """Who acts and why, for the audit."""

    who: str
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """The stored schemas, parsed."""

    rows: tuple[SchemaRow, ...]
    by_id: Mapping[int, Schema]

    def versions(self, name: str, subject: str) -> list[Schema]:
        """Return every schema of this record, and every schema under this subject, oldest first."""
        wanted = [row.id for row in self.rows if row.subject == subject or self.by_id[row.id].full_name == name]
        return [self.by_id[schema_id] for schema_id in dict.fromkeys(wanted)]

    def catalog_with(self, sent: Iterable[Schema]) -> Catalog:
        """Return a catalog whose `latest` is the schema sent, also when an older version was sent
        again."""
        sent = list(sent)
        ids = {schema.id for schema in sent}
        stored = [self.by_id[row.id] for row in self.rows if row.id not in ids]
        return Catalog((*OWN, *stored, *sent))


async def register(
    store: Store,
    definitions: DefinitionCache,
    *,
    document: str | Mapping[str, Any],
    schemas: Sequence[object] = (),
    tenant: str,
    file: str = "definition",
    act: Act,
    retention: Terms | None = None,
) -> Registered:
    """Check and store a definition (a file's text, the same as data, or a canonical document) with
    its schemas.

    `retention` says how long sagas are kept whose definition does not say it: not for less than
    their commands may be accepted.

    Raises RegistrationRefused, StoreError.
    """
    sent = _parsed(schemas)
    _refuse_ours(sent)
    known = await _known(store, definitions)
    catalog = _catalog(known, sent)
    result = await asyncio.to_thread(_linted, document, file, catalog)
    if result.document is None:
        raise RegistrationRefused("definition_invalid", "the definition has errors", findings=result.findings)
    made = result.document
    if retention is not None and (short := too_short([made], retention)):
        short = f"{short}, by `retention:` or SAGA_RETENTION_SAGAS"
        raise RegistrationRefused("definition_invalid", short, findings=[*result.findings, _finding("S115", short, file)])
    pinned = {name: schema for name in records_reached(made) if (schema := catalog.latest(name)) is not None}
    new = [schema for schema in sent if schema.id not in known.by_id]
    before = await store.definitions(tenant)
    earlier = _earlier(before, await store.open_definition_ids(), made, known)
    found = (*result.findings, *await asyncio.to_thread(_compared, made, pinned, new, earlier, known, file))
    if any(finding.severity is Severity.ERROR for finding in found):
        raise RegistrationRefused("definition_invalid", "a schema breaks what is in use", findings=found)
    try:
        compile_definition(made, catalog, pinned=pinned)
    except CompileFailed as failed:
        raise RegistrationRefused("definition_invalid", str(failed), findings=result.findings) from failed
    row = await _store_definition(store, made, new, pinned, tenant, act)
    await definitions.refresh()
    created = all(old.id != row.id for old in before)
    return Registered(row=row, created=created, warnings=found if created else (*found, *_kept(row, pinned, file)))


async def activate(
    store: Store, definitions: DefinitionCache, *, tenant: str, name: str, version: int, act: Act
) -> DefinitionRow:
    """Make this the version that new sagas run, and return it.

    Raises:
        RegistrationRefused: No such version is registered.
        DefinitionMissing: The version cannot be loaded.
        StoreError: The store failed.
    """
    await definitions.refresh()
    row = definitions.find(name, version)
    if row is None or row.tenant != tenant:
        raise RegistrationRefused("definition_unknown", "no such version is registered: `saga def list` shows those that are")
    await definitions.get(row.id)  # what cannot be loaded must not become what starts run
    async with store.transaction() as tx:
        if not await tx.activate(tenant, name, version):
            raise RegistrationRefused("definition_unknown", "no such version is registered")
        await tx.add_audit(
            tenant=tenant, act="definition.activate", target=f"{name}@{version}", who=act.who, why=act.why, at_us=tx.now_us
        )
    await definitions.refresh()
    found = definitions.find(name, version)
    assert found is not None, "a definition is never deleted"
    return found


async def add_schema(
    store: Store, definitions: DefinitionCache, *, subject: str | None, document: object, tenant: str, act: Act
) -> Added:
    """Check and store a later version of a record.

    Args:
        store: Where it is stored.
        definitions: The cache, refreshed afterwards.
        subject: None: the record's full name.
        document: The Avro schema.
        tenant: Owner of the audit's line.
        act: Who acts and why.

    Raises:
        RegistrationRefused: It is invalid, or incompatible with another version.
        StoreError: The store failed.
    """
    schemas = _parsed([document])
    if len(schemas) != 1:
        raise RegistrationRefused("schema_invalid", "a subject's schema is a record")
    schema = schemas[0]
    _refuse_ours(schemas, subject)
    known = await _known(store, definitions)
    _catalog(known, schemas)
    under = subject or schema.full_name
    stored = next((row for row in known.rows if row.id == schema.id), None)
    if stored is None:
        reasons = await asyncio.to_thread(_reasons, schema, known.versions(schema.full_name, under))
        if reasons:
            raise RegistrationRefused("schema_incompatible", "readers or writers in use would break", reasons=reasons)
        await _store_schema(store, schema, under, tenant, act)
        await definitions.refresh_schemas()
    return Added(id=schema.id, full_name=schema.full_name, subject=stored.subject if stored else under, created=stored is None)


# --- checking -------------------------------------------------------------------------------------


def _parsed(documents: Sequence[object]) -> list[Schema]:
    if len(documents) > MAX_SCHEMAS:
        raise RegistrationRefused("schema_invalid", f"at most {MAX_SCHEMAS} schemas with one definition")
    try:
        # References to other documents mean their newest version, which stands last.
        newest = {name: document for document in documents if (name := full_name_of(document)) is not None}
        parsed = [Schema.parse(document, newest) for document in documents if _is_record(document)]
    except SchemaRefused as refused:
        raise RegistrationRefused("schema_invalid", str(refused)) from None
    return list({schema.id: schema for schema in parsed}.values())


def _refuse_ours(schemas: Sequence[Schema], subject: str | None = None) -> None:
    """Refuse schemas in the protocol's namespace, unless they equal the protocol's own records."""
    for schema in schemas:
        if schema.full_name.startswith(NAMESPACE) and OWN.by_id(schema.id) is None:
            raise RegistrationRefused("schema_invalid", f"{schema.full_name}: {NAMESPACE}* are the protocol's own records")
    if subject is not None and subject.startswith(NAMESPACE) and subject not in {schema.full_name for schema in schemas}:
        raise RegistrationRefused("schema_invalid", f"subject {subject}: {NAMESPACE}* are the protocol's own records")


def _is_record(document: object) -> bool:
    """Return False for an enum or a fixed, which is reached from the records that use it.

    Anything else is parsed or refused.
    """
    return not isinstance(document, Mapping) or document.get("type") not in ("enum", "fixed")


async def _known(store: Store, definitions: DefinitionCache) -> _Known:
    await definitions.refresh_schemas()
    rows = sorted(await store.schemas(), key=lambda row: (row.subject, row.version))
    by_id = {row.id: definitions.catalog.by_id(row.id) or Schema.parse_json(row.document) for row in rows}
    return _Known(rows=tuple(rows), by_id=by_id)


def _catalog(known: _Known, sent: Sequence[Schema]) -> Catalog:
    for schema in sent:
        stored = known.by_id.get(schema.id)
        if stored is not None and stored.canonical != schema.canonical:
            raise RegistrationRefused(
                "schema_collision", f"{schema.full_name} has the id of another schema: change a default or an alias"
            )
    try:
        return known.catalog_with(sent)
    except SchemaCollision as collision:
        raise RegistrationRefused("schema_collision", str(collision)) from None


def _linted(document: str | Mapping[str, Any], file: str, catalog: Catalog) -> LintResult:
    if isinstance(document, str):
        return lint(document, file, catalog)
    return lint_document(document, file, catalog) if "format" in document else lint_data(document, file, catalog)


def _earlier(before: Sequence[DefinitionRow], in_flight: Set[int], made: Document, known: _Known) -> list[Earlier]:
    """Return the other versions of this definition that are active or have open sagas."""
    return [
        Earlier(
            document=Document.parse(row.document),
            reader_schemas={name: known.by_id[id_] for name, id_ in row.reader_schemas.items() if id_ in known.by_id},
            active=row.active,
        )
        for row in before
        if row.name == made.saga and row.hash != made.hash and (row.active or row.id in in_flight)
    ]


def _compared(
    made: Document,
    pinned: Mapping[str, Schema],
    new: Sequence[Schema],
    earlier: Sequence[Earlier],
    known: _Known,
    file: str,
) -> list[Finding]:
    """Compare the schemas to pin with those that open sagas pin, and each new schema with the
    others of its record."""
    found = list(check_compatibility(made, pinned, earlier, file))
    pins = {schema.id for schema in pinned.values()}
    pinned_before = {schema.id for one in earlier for schema in one.reader_schemas.values()}
    for place, schema in enumerate(new):
        others = [
            *known.versions(schema.full_name, schema.full_name),
            *(one for one in new[:place] if one.full_name == schema.full_name),
        ]
        others = [one for one in others if schema.id not in pins or one.id not in pinned_before]
        found += [_finding("S218", f"{schema.full_name}: {reason}", file) for reason in _reasons(schema, others)]
    return found[:MAX_FINDINGS]


def _kept(row: DefinitionRow, wanted: Mapping[str, Schema], file: str) -> list[Finding]:
    """Return a warning for each newer schema sent with a version that was registered before.

    The schema is stored, but the version keeps the schemas that it was registered with.
    """
    what = f"{row.name} {row.version} keeps the schema that it was registered with; give the definition a new version to use the newer one"
    newer = [name for name, schema in sorted(wanted.items()) if row.reader_schemas.get(name, schema.id) != schema.id]
    return [_finding("S222", f"{name}: {what}", file) for name in newer]


def _reasons(schema: Schema, earlier: Sequence[Schema]) -> list[str]:
    found = full_transitive(schema, earlier)
    return [f"{one.message} ({one.path})" if one.path else one.message for one in found][:MAX_REASONS]


def _finding(code: str, message: str, file: str) -> Finding:
    severity = Severity.WARNING if CODES[code].warning else Severity.ERROR
    return Finding(code=code, severity=severity, file=file, line=0, column=0, step=None, message=message)


# --- storing --------------------------------------------------------------------------------------


async def _store_definition(
    store: Store, made: Document, new: Sequence[Schema], pinned: Mapping[str, Schema], tenant: str, act: Act
) -> DefinitionRow:
    wanted = {schema.id: schema for schema in (*new, *(schema for schema in pinned.values() if OWN.by_id(schema.id) is None))}
    try:
        async with store.transaction() as tx:
            await tx.add_schemas([(schema.id, schema.full_name, schema.canonical) for schema in wanted.values()])
            row = await tx.add_definition(
                hash=made.hash,
                tenant=tenant,
                name=made.saga,
                version=made.version,
                document=made.canonical,
                reader_schemas={name: schema.id for name, schema in pinned.items()},
                now_us=tx.now_us,
            )
            if row is None:
                detail = f"version {made.version} is registered with other content: give the definition a new version"
                raise RegistrationRefused("version_exists", detail)
            target = f"{made.saga}@{made.version}"
            await tx.add_audit(tenant=tenant, act="definition.register", target=target, who=act.who, why=act.why, at_us=tx.now_us)
            return row
    except port.SchemaCollision as collision:
        raise RegistrationRefused("schema_collision", str(collision)) from None


async def _store_schema(store: Store, schema: Schema, subject: str, tenant: str, act: Act) -> None:
    try:
        async with store.transaction() as tx:
            await tx.add_schemas([(schema.id, subject, schema.canonical)])
            await tx.add_audit(tenant=tenant, act="schema.add", target=subject, who=act.who, why=act.why, at_us=tx.now_us)
    except port.SchemaCollision as collision:
        raise RegistrationRefused("schema_collision", str(collision)) from None
