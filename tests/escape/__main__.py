"""The whole escape suite, with a summary: `infra/escape`."""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys

from tests.support.privileges import become_ordinary_user

PLACES = ("tests/escape", "tests/integrations/sandbox/test_attacks.py",
          "tests/integrations/sandbox/test_supervisor_attacks.py", "tests/integrations/egress/test_attacks.py",
          "tests/integrations/git/test_receive.py", "tests/integrations/git/test_tree_policy.py")  # fmt: skip


def main() -> int:
    """Run the attacks for each user; returns 1 when one has reached its goal."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--races", type=int, default=10_000, help="rounds of each race")
    rounds = parser.parse_args().races
    environment = {**os.environ, "LOOPLINE_TEST_RACES": str(rounds)}
    users = {"root": ()} if os.geteuid() == 0 else {}
    lines, failed = [], False
    for user, prefix in {**users, "ordinary user": become_ordinary_user()}.items():
        command = [*prefix, sys.executable, "-m", "pytest", "-q", "-rf", "-p", "no:cacheprovider", *PLACES]
        ended = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=False)
        sys.stdout.write(ended.stdout)
        failed = failed or ended.returncode != 0
        lines.append(f"escape, {user}: {summarize(ended.stdout)}")
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    return int(failed)


def summarize(output: str) -> str:
    """The attacks that were stopped and those that reached their goal, from pytest's last line."""
    counts = {kind: int(number) for number, kind in re.findall(r"(\d+) (passed|failed|errors?|skipped)", output[-200:])}
    reached = sum(counts.get(kind, 0) for kind in ("failed", "error", "errors"))
    return f"{counts.get('passed', 0)} stopped, {reached} reached their goal, {counts.get('skipped', 0)} not tried here"


if __name__ == "__main__":
    sys.exit(main())
