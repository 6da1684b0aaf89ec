"""`saga demo`, as typed: embedded and on the real parts; what it prints, that its ledger check
turns red, and that nothing outlives it."""

from __future__ import annotations

import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from saga_cli.demo.ledger_check import Order, check
from saga_cli.demo.plan import SERVICES
from saga_cli.dev.kafka import KafkaService
from support.collector import Collector
from support.processes import gone_in_time

SAGA = Path(sys.executable).with_name("saga")
AGREED = "16 COMPLETED  4 COMPENSATED   stock, money and parcels agree: nothing lost, nothing doubled"
LIMIT_S = 120.0
GONE_LIMIT_S = 60.0
ELSEWHERE = {**os.environ, "PATH": "/usr/bin:/bin"}
"""Where no shell finds `saga`."""


def demo(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """As with an activated environment: the shell finds `saga`."""
    found = {**os.environ, "PATH": f"{SAGA.parent}{os.pathsep}{os.environ['PATH']}"}
    return subprocess.run(
        [SAGA, "demo", *options], cwd=folder, env=found, capture_output=True, text=True, timeout=LIMIT_S, check=False
    )


@contextmanager
def kept_in(folder: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], str, str]]:
    """A demo that stays up, where its coordinator is, and what it said."""
    with ExitStack() as stack:
        process = subprocess.Popen(
            [SAGA, "demo", "--keep", "--orders", "5", *options],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        stack.callback(process.wait, GONE_LIMIT_S)
        stack.callback(process.kill)
        assert process.stdout is not None
        stack.callback(process.stdout.close)
        said: list[str] = []
        for line in process.stdout:
            said.append(line)
            if found := re.match(r"  up at (http://\S+)", line):
                yield process, found[1], "".join(said)
                return
        pytest.fail("".join(said))


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str, str]]:
    """The folder of a demo that stays up and goes on, where its coordinator is, and what it
    said."""
    folder = tmp_path_factory.mktemp("kept")
    with kept_in(folder, "--every", "0.5") as (_, server, said):
        yield folder, server, said


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """A demo of twenty orders: its folder, and what it said."""
    folder = tmp_path_factory.mktemp("ended")
    return folder, demo(folder)


def takes(listener: socket.socket, port: int) -> bool:
    """Whether it has the port now."""
    with suppress(OSError):
        listener.bind(("127.0.0.1", port))
        listener.listen()
        return True
    return False


@pytest.fixture(scope="module")
def in_the_way(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """What a demo says where its port is taken and the shell does not find `saga`."""
    folder = tmp_path_factory.mktemp("in_the_way")
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        gone_in_time(lambda: takes(taken, 8700))  # another test's demo gives it back; whoever else has it keeps it: as good
        command = [str(SAGA), "demo", "--orders", "1"]
        return folder, subprocess.run(
            command, cwd=folder, env=ELSEWHERE, capture_output=True, text=True, timeout=LIMIT_S, check=False
        )


def test_the_demo_ends_well_and_shows_what_the_tour_shows(ended: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    _, done = ended

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert re.fullmatch(
        r"saga demo   embedded: SQLite files in \.saga-demo/, in-process Kafka stand-in on 127\.0\.0\.1:\d+ \(not for production\)",
        lines[0],
    )
    assert lines[1].split() == ["coordinator", lines[1].split()[1], "participants", *SERVICES]
    assert f"  {AGREED}" in lines
    assert re.search(r"starting 20 orders, every fifth has no carrier   ━+ 20/20  0:00:\d\d", done.stdout)
    drawn = next(place for place, line in enumerate(lines) if line.startswith("  order o-"))
    assert re.fullmatch(r"  order o-\d+-\w{3}   COMPENSATED   ship: REJECTED no_carrier", lines[drawn])
    assert re.fullmatch(r"  ├─ reserve  SUCCEEDED +[\d.]+ m?s     undone +[\d.]+ m?s    [▇▁]{11}", lines[drawn + 1])
    assert re.fullmatch(r"  └─ ship     REJECTED +[\d.]+ m?s +[▇▁]{11}", lines[drawn + 3])
    hint = r"no collector on :4317; start Jaeger and run again with --otlp|one listens on :4317; run again with --otlp \S+"
    assert re.fullmatch(rf"  trace [0-9a-f]{{32}}   \(({hint}) to look at it there\)", lines[-2])
    key = r"o-\d+-\w{3}"
    assert re.fullmatch(
        rf"  next: saga demo --keep     \(then: the console, saga list, saga show {key}, saga trace show {key}\)", lines[-1]
    )


async def test_one_effect_removed_or_doubled_in_the_databases_turns_the_check_red(
    ended: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    folder = ended[0] / ".saga-demo"
    urls = {name: f"sqlite+aiosqlite:///{folder / name}.sqlite" for name in SERVICES}
    orders = orders_of(folder)
    assert await check(urls, orders) == []

    for service in SERVICES:
        with sqlite3.connect(folder / f"{service}.sqlite") as books:
            (row,) = books.execute("SELECT saga_id, step, kind, run, at FROM effect_ledger LIMIT 1").fetchall()
            books.execute("INSERT INTO effect_ledger VALUES (?, ?, ?, ?, ?)", row)
        assert len(await check(urls, orders)) == 1, f"an effect of {service} was doubled"
        with sqlite3.connect(folder / f"{service}.sqlite") as books:
            books.execute("DELETE FROM effect_ledger WHERE saga_id = ? AND step = ? AND kind = ?", row[:3])
        assert len(await check(urls, orders)) == 1, f"an effect of {service} was removed"
        with sqlite3.connect(folder / f"{service}.sqlite") as books:
            books.execute("INSERT INTO effect_ledger VALUES (?, ?, ?, ?, ?)", row)
        assert await check(urls, orders) == []


def test_a_demo_whose_books_do_not_agree_ends_1(tmp_path: Path) -> None:
    """Inventory counts every reservation twice: a trigger stands for the bug."""
    (tmp_path / ".saga-demo").mkdir()
    (tmp_path / ".saga-demo" / "kept").touch()
    with sqlite3.connect(tmp_path / ".saga-demo" / "inventory.sqlite") as books:
        books.executescript(
            """
            CREATE TABLE effect_ledger (saga_id TEXT, step TEXT, kind TEXT, run INTEGER, at TIMESTAMP DEFAULT CURRENT_TIMESTAMP);
            CREATE TRIGGER doubled AFTER INSERT ON effect_ledger WHEN new.run > 0 BEGIN
                INSERT INTO effect_ledger (saga_id, step, kind, run) VALUES (new.saga_id, new.step, new.kind, -new.run);
            END;
            """
        )

    done = demo(tmp_path, "--orders", "2")

    assert done.returncode == 1, done.stdout + done.stderr
    assert "2 COMPLETED   the books do not agree:" in done.stdout
    assert "reserve was done 2 times and undone 0 times" in done.stdout


def test_the_demo_runs_on_real_kafka_and_postgresql(
    tmp_path: Path, own_kafka: Callable[[], KafkaService], database_url: str
) -> None:
    """A Kafka of its own: the demo uses the usual names of topics and groups."""
    kafka = own_kafka()

    with Collector() as collector:
        real = ("--bootstrap-servers", kafka.bootstrap_servers, "--database", database_url, "--otlp", collector.endpoint)
        done = demo(tmp_path, *real)

    assert done.returncode == 0, done.stdout + done.stderr
    assert AGREED in done.stdout
    assert done.stdout.startswith(f"saga demo   PostgreSQL, Kafka on {kafka.bootstrap_servers}\n")
    shown = re.search(r"^  trace http://127\.0\.0\.1:16686/trace/([0-9a-f]{32})$", done.stdout, re.MULTILINE)
    assert shown, done.stdout
    assert {"order", "process shop.BookCarrier", "UPDATE reservations"} <= {span.name for span in collector.trace(shown[1])}


def test_a_taken_port_makes_the_demo_take_a_free_one_and_say_so(
    in_the_way: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    _, done = in_the_way

    assert done.returncode == 0, done.stdout + done.stderr
    found = re.search(r"export SAGA_SERVER=http://127\.0\.0\.1:(\d+)", done.stdout)
    assert found
    assert found[1] != "8700"


def commanded(server: str, *words: str) -> str:
    """What the command `saga` prints of that coordinator."""
    return subprocess.run([SAGA, *words, "--server", server], capture_output=True, text=True, check=True).stdout


def test_a_kept_demo_answers_the_other_commands(kept: tuple[Path, str, str]) -> None:
    _, server, _ = kept

    undone = commanded(server, "list", "--phase", "COMPENSATED", "-o", "ids").split()[-1]

    assert "COMPENSATED   ship: REJECTED no_carrier" in commanded(server, "show", undone)


def test_a_kept_demo_says_where_its_console_is_before_its_orders_and_after_them(kept: tuple[Path, str, str]) -> None:
    _, server, said = kept

    assert said.index(f"  console       {server}/console/\n") < said.index("5/5")
    assert f"look at all of it in the console:   {server}/console/\n" in said
    assert httpx.get(f"{server}/console/", timeout=30).status_code == 200


def test_a_kept_demo_has_an_order_that_needs_a_person_and_the_way_out_ends_it(kept: tuple[Path, str, str]) -> None:
    _, server, said = kept
    (key,) = re.findall(r"^  (o-\d+-\w{3}) needs you", said, re.MULTILINE)
    (saga,) = httpx.get(f"{server}/v1/sagas", params={"key": key}, timeout=30).json()["items"]

    assert saga["attention"] == ["confirm: rejected"]
    commanded(server, "step", "retry", saga["id"], "confirm", "--reason", "the customer gave another address")
    ended = httpx.get(f"{server}/v1/sagas/{saga['id']}", params={"wait_s": 30}, timeout=60).json()
    assert ended["phase"] == "COMPLETED"


def test_a_kept_demo_has_an_order_that_waits_for_a_slow_participant(kept: tuple[Path, str, str]) -> None:
    _, server, said = kept
    (key,) = re.findall(r"^  (o-\d+-\w{3}) waits", said, re.MULTILINE)
    (line,) = httpx.get(f"{server}/v1/sagas", params={"key": key}, timeout=30).json()["items"]
    saga = httpx.get(f"{server}/v1/sagas/{line['id']}", timeout=30).json()

    assert [step["attempts"][0]["asked_at"] is not None for step in saga["steps"] if step["name"] == "screen"] == [True]


def test_orders_go_on_in_a_kept_demo_and_some_are_rejected(kept: tuple[Path, str, str]) -> None:
    _, server, _ = kept

    def how_many(phase: str) -> int:
        listed = httpx.get(f"{server}/v1/sagas", params={"phase": phase, "definition": "order", "limit": 500}, timeout=30)
        return len(listed.json()["items"])

    assert gone_in_time(lambda: how_many("COMPENSATED") > 1)
    assert gone_in_time(lambda: how_many("COMPLETED") > 6)


def test_where_the_shell_does_not_find_saga_the_demo_says_how_it_would(
    in_the_way: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    folder, done = in_the_way

    said = re.search(r"^  so that your shell finds `saga`:   (.+)$", done.stdout, re.MULTILINE)
    assert said, done.stdout
    found = subprocess.run(
        ["/bin/sh", "-c", f"{said[1]}; command -v saga"], cwd=folder, env=ELSEWHERE, capture_output=True, text=True
    )
    assert found.stdout == f"{SAGA}\n"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_nothing_outlives_a_demo_however_it_ends(tmp_path: Path, number: signal.Signals) -> None:
    with kept_in(tmp_path) as (process, server, _):
        children = children_of(process.pid)
        assert children, "the stand-in is a child"

        process.send_signal(number)
        code = process.wait(GONE_LIMIT_S)

        assert code == (-signal.SIGKILL if number is signal.SIGKILL else 130)
        assert gone_in_time(lambda: not any(is_running(child) for child in children))
        with pytest.raises(httpx.TransportError):
            httpx.get(f"{server}/healthz", timeout=2)


def test_a_second_demo_in_a_kept_ones_folder_is_refused(kept: tuple[Path, str, str]) -> None:
    done = demo(kept[0])

    assert done.returncode == 78
    assert done.stderr.startswith("saga: a demo is running in .saga-demo/")
    assert done.stderr.count("\n") == 1


def orders_of(folder: Path) -> list[Order]:
    """The demo's orders as the services know them: those with a parcel completed."""
    with sqlite3.connect(folder / "inventory.sqlite") as inventory:
        reserved = inventory.execute("SELECT reservation_id, order_id, quantity FROM reservations").fetchall()
    with sqlite3.connect(folder / "shipping.sqlite") as shipping:
        shipped = {row[0] for row in shipping.execute("SELECT order_id FROM parcels")}
    with sqlite3.connect(folder / "payment.sqlite") as payment:
        charged = dict(payment.execute("SELECT order_id, amount FROM charges").fetchall())
    return [
        Order(
            saga_id=reservation[len("res-") :].rpartition("-")[0],
            order_id=order_id,
            completed=order_id in shipped,
            quantity=quantity,
            total=charged[order_id],
        )
        for reservation, order_id, quantity in reserved
    ]


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_running(pid: int) -> bool:
    """Whether the process exists and is no zombie (an orphan's zombie is its new parent's to
    reap)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
