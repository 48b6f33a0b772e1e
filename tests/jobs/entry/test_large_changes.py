"""The gate on large changes and long checks: bounded, measured, and its progress is shown (cases 35 and 37)."""

from __future__ import annotations

import re
import threading

from jobs.advance_run import advance_run
from jobs.loop.policy import LimitsPolicy, LoopPolicy
from jobs.messages.progress import running_check_line
from jobs.runtime import queues
from tests.jobs.entry.test_gate import CODE, RIGHT, Gate, gate, host, only, wait_for

__all__ = ["gate", "host"]
LOCK = '{"node_modules/a": {"version": "1.0.0", "integrity": "sha512-0123456789abcdef"}}\n' * 20_000


def test_gate_measures_a_change_without_its_lock_file_and_generated_files(gate: Gate) -> None:
    generated = {f"gen/f{n}.py": f"value = {n}\n" * 10 for n in range(200)}
    event = gate({"shop/cart.py": RIGHT, "package-lock.json": LOCK, **generated}, "true")

    assert event.outcome == "done" and event.result.stray == ()
    size = event.result.size
    assert (size.files, size.lines, size.skipped) == (201, 2_002, 1)
    assert size.folders[0].path == "gen" and size.folders[0].files == 200
    assert "shop/cart.py" not in [one.path for one in size.first][1:5] and len(size.first) == 20


def test_gate_ends_a_command_that_floods_its_output_with_the_limit_named(gate: Gate) -> None:
    policy = LoopPolicy(limits=LimitsPolicy(output_megabytes=2), flaky_reruns=0)
    found = only(gate({"shop/cart.py": RIGHT}, "yes 'a line of a log' | head -c 200000000", policy=policy))

    assert "it wrote more than 2097152 bytes" in found.killed and not found.passed
    assert len(found.output) < 5_000 and found.seconds < 20


def test_gate_shows_which_check_runs_and_since_when(gate: Gate) -> None:
    spec = gate.spec({"shop/cart.py": CODE + "\n"}, ("true", "sleep 60", "true"))
    runs, redis, ticket = gate.world.runs, gate.world.redis, gate.world.store
    assert runs.running_check(spec.run_id) is None
    thread = threading.Thread(target=advance_run, args=(spec.run_id,))
    thread.start()
    wait_for(lambda: (found := runs.running_check(spec.run_id)) is not None and found.number == 2)

    shown = runs.running_check(spec.run_id)
    assert shown and re.fullmatch(
        r"Check 2 of 3 since \d\d:\d\d UTC, at most 5 min: `sleep 60`", running_check_line(shown)
    )
    assert queues.has_delayed_wake(redis, spec.ticket.id) and ticket.next_event(spec.ticket.id) is None
    runs.ask_to_stop(spec.run_id)
    thread.join(10)
    assert runs.running_check(spec.run_id) is None
