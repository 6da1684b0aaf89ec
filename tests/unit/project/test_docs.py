"""The docs are held to the code: generated blocks, Python and YAML blocks, commands, settings,
metrics, links, words."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import typer
from sqlalchemy import text

from saga_cli.application import application
from saga_cli.exits import ExitCode
from saga_coordinator.api.problems import CODES as PROBLEMS
from saga_coordinator.definitions import CODES, Saga, lint
from saga_coordinator.engine.delaying import START_TOO_FAR
from saga_coordinator.engine.waiting import _WAY_OUT
from saga_coordinator.inbound import refused_replies
from saga_coordinator.loops import catch_up_loop, liveness, timer_loop
from saga_coordinator.loops.watchdog import READING
from saga_coordinator.schedules import lint_days, lint_schedule
from saga_coordinator.starts.requests import (
    DEFINITION_INACTIVE,
    DEFINITION_UNKNOWN,
    INPUT_INVALID,
    KEY_MISMATCH,
    LABELS_INVALID,
    REQUEST_REUSED,
)
from saga_coordinator.store.schema import metadata
from saga_coordinator.views import deliveries
from saga_messaging.kafka.record_sets import UNREADABLE_BATCH
from saga_messaging.kafka.record_walk import UNREADABLE_RECORD
from saga_messaging.settings import known_variables
from saga_participant import Participant
from saga_participant.barrier.answers import _READABLE_LATER
from saga_participant.database.guard import TransactionIsOurs
from saga_participant.delivery.invocation import code_of
from saga_participant.handling.containment import HandlerTaskExited
from saga_participant.telemetry.metrics import Metrics
from saga_participant.testing import Outcome, ParticipantTester
from saga_schemas.catalog import Catalog
from saga_schemas.files import read_schemas
from support.pages import blocks_of
from support.paths import ROOT

PAGES = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "examples/**/*.md", "deploy/*.md", "*/README.md")
    for path in ROOT.glob(pattern)
    if not path.relative_to(ROOT).parts[0].startswith(".")
)
TYPED_AS_A_WHOLE = frozenset({"docs/first-day.md"})
EPOCH_OF_SCHEDULES_US = 1_798_761_600_000_000
"""The year 2027 begins: schedules on the pages tick then."""
NAMES = [str(path.relative_to(ROOT)) for path in PAGES]
SHOP = ROOT / "participants" / "saga_demo" / "schemas"
LOYALTY = ROOT / "examples" / "loyalty" / "schemas"


def blocks(page: Path, language: str) -> list[str]:
    return [block.text for block in blocks_of(page.read_text()) if block.language == language]


def pages_with(language: str) -> list[str]:
    """Those of one piece: a page of files has a folder of its own to run in (tests/first_day)."""
    return [name for name, path in zip(NAMES, PAGES, strict=True) if blocks(path, language) and name not in TYPED_AS_A_WHOLE]


# --- what comes from the code ---------------------------------------------------------------------


@pytest.fixture
def generator(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    return importlib.import_module("generate_docs")


@pytest.mark.parametrize(
    "page", ["ARCHITECTURE.md", "definitions.md", "metrics.md", "operations.md", "performance.md", "wire.md"]
)
def test_generated_blocks_are_as_the_code_says(generator: ModuleType, page: str) -> None:
    text = (ROOT / "docs" / page).read_text()

    assert generator.generated(page, text) == text, "run: python tools/generate_docs.py"


@pytest.mark.parametrize("plot", ["throughput", "latency", "cpu"])
def test_plots_are_as_the_run_says(generator: ModuleType, plot: str) -> None:
    name = f"assets/performance-{plot}.svg"

    assert (ROOT / "docs" / name).read_text() == generator.FILES[name](), "run: make bench-docs"
    assert f"({name})" in (ROOT / "docs" / "performance.md").read_text()


def test_a_changed_block_is_noticed(generator: ModuleType) -> None:
    text = (ROOT / "docs" / "definitions.md").read_text().replace("`S101`", "`S999`", 1)

    assert generator.generated("definitions.md", text) != text


def test_every_lint_code_is_explained() -> None:
    page = (ROOT / "docs" / "definitions.md").read_text()

    assert [code for code in CODES if f"| `{code}` |" not in page] == []


def test_every_setting_stands_in_the_operations_page() -> None:
    page = (ROOT / "docs" / "operations.md").read_text()

    assert [name for name in known_variables() if f"`{name}`" not in page] == []


def test_every_reason_for_attention_has_a_way_out() -> None:
    page = (ROOT / "docs" / "operations.md").read_text()
    source = "".join(
        inspect.getsource(importlib.import_module(f"saga_coordinator.engine.{name}"))
        for name in ("forward", "backward", "decide")
    )
    raised = (
        set(re.findall(r'(?:stick|raise_attention)\([^)]*?"([a-z_]+)"(?:\)|, stuck_from)', source))
        | set(_WAY_OUT)
        | {"engine_error"}
    )

    assert len(raised) >= 9
    assert [reason for reason in sorted(raised) if f"| `{reason}` |" not in page] == []


def sources(*patterns: str) -> str:
    return "\n".join(path.read_text() for pattern in patterns for path in sorted(ROOT.glob(pattern)))


def rows_of(page: str, heading: str) -> set[str]:
    """What stands in backticks in the first column of the tables below a heading."""
    text = (ROOT / "docs" / page).read_text().partition(f"\n{heading}\n")[2]
    section = re.split(r"^##? ", text, maxsplit=1, flags=re.MULTILINE)[0]
    return {name for row in re.findall(r"^\| (`[^|]+) \|", section, re.MULTILINE) for name in re.findall(r"`([a-z_]+)`", row)}


def test_every_wait_and_every_code_of_a_mapping_has_a_way_out() -> None:
    package = "coordinator/saga_coordinator"
    waits = set(re.findall(r'name="([a-z_]+)"', sources(f"{package}/engine/waiting.py")))
    waits |= {"slot", "paused", "definition_missing", deliveries.PUBLISH, deliveries.KAFKA_AWAY, refused_replies.UNREADABLE}
    codes = set(re.findall(r'MappingFailed\("([a-z_]+)"', sources(f"{package}/**/*.py"))) | {"wrong_type"}

    assert len(waits) >= 12
    assert len(codes) >= 7
    assert sorted((waits | codes) - rows_of("operations.md", "## At 3 a.m.")) == []


def test_every_reason_of_a_dead_letter_has_its_row() -> None:
    found = sources(
        "schemas/saga_schemas/**/*.py", "coordinator/saga_coordinator/**/*.py", "participants/saga_participant/**/*.py"
    )
    raised = set(re.findall(r'(?:BadMessage|UnsupportedProtocol)\(\s*"([a-z_]+)"', found)) - {"kind_unsupported"}
    raised |= {UNREADABLE_RECORD, UNREADABLE_BATCH, "unknown_schema"}
    raised |= {
        DEFINITION_UNKNOWN,
        DEFINITION_INACTIVE,
        INPUT_INVALID,
        KEY_MISMATCH,
        LABELS_INVALID,
        REQUEST_REUSED,
        START_TOO_FAR,
    }

    assert len(raised) >= 25
    assert sorted(raised ^ rows_of("wire.md", "### Dead letters")) == []


def test_every_exit_code_has_its_row() -> None:
    page = (ROOT / "docs" / "operations.md").read_text()

    assert [int(code) for code in ExitCode if f"\n| {int(code)} | " not in page] == []


def test_every_reason_of_readyz_has_its_row() -> None:
    looked_at = set(re.findall(r'_try\("([a-z_]+)"', sources("coordinator/saga_coordinator/loops/watchdog.py"))) | {READING}
    loops = {"replies", "starts", catch_up_loop.LOOP, liveness.LOOP, timer_loop.LOOP} | set(
        re.findall(r'loops\.failed\("(\w+)"', sources("coordinator/saga_coordinator/**/*.py"))
    )

    assert len(looked_at) >= 7
    assert sorted((looked_at | loops | {"starting", "database"}) ^ rows_of("operations.md", "## Health") - set(PROBLEMS)) == []


def test_every_code_that_the_kit_itself_says_has_its_row() -> None:
    kit = sources("participants/saga_participant/**/*.py")
    said = set(re.findall(r'\bfailure\("([a-z_]+)"|_failed\(call, "([a-z_]+)"', kit))
    codes = {code for pair in said for code in pair if code} | set(_READABLE_LATER)
    codes |= {code_of(TransactionIsOurs()), code_of(HandlerTaskExited())}

    assert len(codes) >= 13
    assert codes ^ rows_of("participants.md", "### Codes of the kit") == set()


def test_every_line_of_a_participant_s_log_that_is_named_is_there() -> None:
    kit = sources("participants/saga_participant/**/*.py", "messaging/saga_messaging/**/*.py")
    section = (ROOT / "docs" / "participants.md").read_text().partition("### What the log says")[2].partition("\n### ")[0]
    named = re.findall(r"^\| (`[^|]+) \| (?:warning|error)", section, re.MULTILINE)
    parts = [part.strip() for line in named for part in re.split("[…`]", line) if part.strip(" ,:;")]

    assert len(named) > 15
    assert [part for part in parts if part not in kit] == []


def test_every_metric_of_a_participant_has_its_row() -> None:
    exposed = set(re.findall(r"^# TYPE (saga_participant_\w+) ", Metrics("payment").text(), re.MULTILINE))

    assert len(exposed) >= 16
    assert exposed ^ rows_of("participants.md", "### Health and metrics") == set()


def test_every_table_stands_in_the_architecture_page() -> None:
    page = (ROOT / "docs" / "ARCHITECTURE.md").read_text()

    assert [name for name in metadata.tables if f"`{name}`" not in page] == []


def test_every_file_the_architecture_page_names_exists() -> None:
    page = (ROOT / "docs" / "ARCHITECTURE.md").read_text()
    named = set(re.findall(r"`([a-z_/]+\.py)`", page))
    packages = [
        ROOT / each
        for each in (
            "coordinator/saga_coordinator",
            "coordinator",
            "messaging",
            "participants",
            "participants/saga_participant",
            "schemas",
            "schemas/saga_schemas",
        )
    ]

    assert len(named) > 20
    assert sorted(name for name in named if not any((package / name).exists() for package in packages)) == []


# --- code -----------------------------------------------------------------------------------------


def run_page(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """All Python blocks of a page as one module, in a folder with the schemas of the demo and of
    the example."""
    shutil.copytree(LOYALTY, folder / "schemas")
    shutil.copytree(SHOP, folder / "schemas", dirs_exist_ok=True)
    monkeypatch.chdir(folder)
    module = ModuleType("page")
    monkeypatch.setitem(sys.modules, "page", module)
    exec(compile("\n\n".join(blocks(ROOT / name, "python")), name, "exec"), module.__dict__)  # our own pages
    return vars(module)


@pytest.mark.parametrize("name", pages_with("python"))
def test_python_blocks_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their participants are bound to their schemas, their tests are run, their sagas linted."""
    found = run_page(name, tmp_path, monkeypatch)

    for value in list(found.values()):
        if isinstance(value, Participant):
            asyncio.run(prepared(value))
        if isinstance(value, Saga):
            assert value.lint(Catalog(read_schemas(SHOP))).ok
    for title, test in list(found.items()):
        if title.startswith("test_"):
            asyncio.run(test())


async def prepared(participant: Participant) -> None:
    async with participant.on("sqlite+aiosqlite://"):
        pass


async def test_the_readme_s_participant_charges_refunds_and_says_no(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = run_page("README.md", tmp_path, monkeypatch)
    payment, charge, refund = page["payment"], page["ChargeCard"], page["RefundCard"]
    order = {"order_id": "o-17", "account": "ada"}
    async with ParticipantTester(payment) as tester:
        async with tester.engine.begin() as db:
            await db.execute(text("CREATE TABLE account (name TEXT PRIMARY KEY, balance INTEGER)"))
            await db.execute(text("INSERT INTO account VALUES ('ada', 100)"))

        charged = await tester.action("charge", charge(**order, amount=70))
        assert charged is not None and charged.outcome is Outcome.SUCCEEDED
        undone = await tester.compensation("charge", refund(**order, amount=70, charge_id=charged.value["charge_id"]))
        tester.new_saga()
        no = await tester.action("charge", charge(**order, amount=101))

        assert undone is not None and undone.outcome is Outcome.UNDONE
        assert no is not None and no.failure is not None and no.failure.code == "over_limit"
        async with tester.engine.connect() as db:
            assert (await db.execute(text("SELECT balance FROM account"))).scalar_one() == 100


@pytest.mark.parametrize("name", pages_with("yaml"))
def test_definitions_in_the_docs_have_no_findings(name: str) -> None:
    catalog = Catalog(read_schemas(SHOP))
    found = blocks(ROOT / name, "yaml")
    definitions, schedules, days = (
        [block for block in found if block.startswith(key)] for key in ("saga:", "schedule:", "calendar:")
    )
    calendars = {document.calendar: document for document in (lint_days(block, name).required() for block in days)}

    assert definitions or schedules
    for block in definitions:
        assert [str(finding) for finding in lint(block.encode(), name, catalog).findings] == []
    for block in schedules:
        findings = lint_schedule(block.encode(), name, None, calendars, EPOCH_OF_SCHEDULES_US).findings
        assert [str(finding) for finding in findings if finding.code != "S311"] == []


@pytest.mark.parametrize("path", sorted((ROOT / "examples").rglob("*.saga.yaml")), ids=lambda path: path.name)
def test_example_definitions_have_no_findings(path: Path) -> None:
    beside = path.parent / "schemas"
    catalog = Catalog(read_schemas(beside if beside.is_dir() else SHOP))

    assert [str(finding) for finding in lint(path.read_bytes(), path.name, catalog).findings] == []


# --- commands -------------------------------------------------------------------------------------


def command_lines() -> Iterator[tuple[str, list[str]]]:
    """Every `saga …` in the docs' code, at the beginning of a shell line or in backticks."""
    for name, page in zip(NAMES, PAGES, strict=True):
        content = page.read_text()
        shell = re.findall(r"^(?:\$ )?(saga [a-z].*)$", "\n".join(blocks(page, "")), re.MULTILINE)
        inline = re.findall(r"`(saga [a-z][^`\n]*)`", content)
        for line in [*shell, *inline]:
            unquoted = re.sub(r"'[^']*'", "''", line)  # a query has signs of the shell's
            words = re.split(r"\s{2,}|\s#|…|\||>", unquoted, maxsplit=1)[0]
            if "saga demo   embedded" not in line:
                yield f"{name}: {line}", shlex.split(words)[1:]


NOT_BUILT = {"recover"}
"""Commands the docs name as missing."""


def test_every_command_in_the_docs_exists_with_its_options() -> None:
    root = typer.main.get_command(application())
    seen = 0
    for where, words in command_lines():
        if words and words[0] in NOT_BUILT:
            continue
        command: Any = root
        for word in words:
            nested = getattr(command, "commands", {})
            if nested and not word.startswith("-"):
                assert word in nested or "|" in word, where
                command = nested.get(word, command)
            elif word.startswith("--"):
                options = {option for parameter in command.params for option in parameter.opts}
                assert word.partition("=")[0] in options, where
        seen += 1

    assert seen > 40


def test_make_targets_in_the_docs_exist() -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {target for page in PAGES for target in re.findall(r"(?:^|`)make ([a-z0-9-]+)", page.read_text(), re.MULTILINE)}

    assert {"demo", "test"} <= named <= targets


# --- links and words ------------------------------------------------------------------------------


def anchors(text: str) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", text, flags=re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", NAMES)
def test_relative_links_lead_somewhere(name: str) -> None:
    page = ROOT / name
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target.read_text())):
            broken.append(link)

    assert broken == []


@pytest.mark.parametrize("name", NAMES)
def test_pages_name_no_path_of_somebodys_machine(name: str) -> None:
    text = (ROOT / name).read_text()

    assert re.findall(r"(?<![\w.])/(?:home|root|Users|mnt)/\S+", text) == []


@pytest.mark.parametrize("name", [name for name in NAMES if name != "CHANGELOG.md"])
def test_prose_has_at_most_100_columns(name: str) -> None:
    """Code and tables may be wider, and where a link leads is not read."""
    prose = re.sub(r"^```.*?^```$", "", (ROOT / name).read_text(), flags=re.MULTILINE | re.DOTALL)
    prose = re.sub(r"\]\([^)\s]+\)", "]", prose)

    assert [line for line in prose.splitlines() if len(line) > 100 and not line.startswith(("|", "    ", ":::"))] == []


def test_all_decisions_are_listed() -> None:
    folder = ROOT / "docs" / "adr"
    listed = re.findall(r"\((\d{4}-[a-z0-9-]+\.md)\)", (folder / "README.md").read_text())

    assert listed == sorted(path.name for path in folder.glob("0*.md"))
    for name in listed:
        text = (folder / name).read_text()
        assert all(f"**{part}" in text for part in ("Context.", "Decision.", "Rejected.", "Revisit when")), name
