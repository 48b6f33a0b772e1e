"""The command line of `infra/demo`: `python -m integrations.standins.demo`."""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Any

from integrations.standins.demo import projects
from integrations.standins.demo.mornings import PARCELS, Mornings, is_expected
from integrations.standins.demo.person import Ana
from integrations.standins.demo.stack import ROOT, TALLY, Stack
from integrations.standins.demo.story import BUG, FEATURE, VAGUE, Narrator, Story, StoryError

SETTINGS = {"LOOPLINE_CHECKS_QUIET_SECONDS": "2"}
MARK = "made-by-the-demo"
WELCOME = """
  Loopline is up. Everything it writes is below {home}.

    board          {board}           drag a card to “Agent”, open it, comment
    pull requests  {pull_requests}
    dashboard      {dashboard}/login#{password}
                   what the agents are doing now

  {bug} is handed over for you. Then try: drag {feature} to Agent and, while it works, comment
  “please call it --format json”; drag {vague} and see it ask; answer /approve and /merge on a ticket in review.
  Ctrl-C stops everything. What happens:
"""


def main() -> int:
    """Exit code 0: the story reached its expected end, or Ctrl-C."""
    args = _arguments()
    home = (args.home or ROOT / (".loopline-projects" if args.projects else ".loopline")).absolute()
    if args.projects and not args.clean and (missing := projects.find_missing_tools()):
        print(missing, file=sys.stderr)  # noqa: T201
        return 2
    if args.clean or args.once or args.projects:
        if not _removed(home):
            print(f"{home} was not made by the demo, so it is left alone: name another --home.", file=sys.stderr)  # noqa: T201
            return 2
        if args.clean:
            return 0
    try:
        _mark(home)
    except OSError as error:
        print(f"{home} cannot be created ({error.strerror}): name another --home.", file=sys.stderr)  # noqa: T201
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        if args.projects:
            return _play_projects(home, args)
        latency, shown = 0.1 if args.once else 0.6, (TALLY, PARCELS)
        with Stack(home, args.port_base, latency, extra=SETTINGS, projects=shown) as stack:
            ana = Ana(stack)
            return _once(stack, ana, args.patience) if args.once else _stay(stack, ana)
    except (RuntimeError, OSError) as error:
        print(f"The demo could not start: {error}", file=sys.stderr)  # noqa: T201
        return 1
    except KeyboardInterrupt:
        return 0


def _mark(home: Path) -> None:
    """Only a folder with this mark is ever removed: `.loopline` is also the service's own default home."""
    home.mkdir(parents=True, exist_ok=True)
    if not any(home.iterdir()):
        (home / MARK).write_text("infra/demo --clean removes this folder.\n")


def _removed(home: Path) -> bool:
    if home.exists() and not (home / MARK).exists() and any(home.iterdir()):
        return False
    shutil.rmtree(home, ignore_errors=True)
    return True


def _once(stack: Stack, ana: Ana, patience: float) -> int:
    narrator = Narrator(ana)
    story = Story(ana, narrator, patience)
    mornings: list[dict[str, Any]] = []
    try:
        narrator.look()
        story.play()
        mornings = Mornings(stack, patience).play()
    except StoryError as error:
        narrator.say(str(error))
    summary = story.summary()
    summary = {**summary, "mornings": mornings, "ok": summary["ok"] and is_expected(mornings)}
    print(json.dumps(summary))  # noqa: T201 - the last line is for programs
    return 0 if summary["ok"] else 1


def _play_projects(home: Path, args: argparse.Namespace) -> int:
    settings = projects.find_settings()
    with Stack(home, args.port_base, latency=0.1, extra=settings, projects=projects.PROJECTS) as stack:
        summary = projects.play(stack, args.patience)
        print(json.dumps(summary))  # noqa: T201 - the last line is for programs
        if not args.once:
            print(f"board {stack.urls['board']}, pull requests {stack.urls['pull_requests']}; Ctrl-C stops")  # noqa: T201
            signal.pause()
    return 0 if summary["ok"] else 1


def _stay(stack: Stack, ana: Ana) -> int:
    names = {"bug": BUG, "feature": FEATURE, "vague": VAGUE, "password": stack.tokens["dashboard"]}
    print(WELCOME.format(home=stack.home, **names, **stack.urls))  # noqa: T201
    narrator = Narrator(ana)
    if narrator.look()[BUG]["column"] == "Backlog":
        ana.drag(BUG, "Agent")
    while True:
        narrator.look()
        time.sleep(0.5)


def _port(text: str) -> int:
    number = int(text) if text.isdecimal() else 0
    if not 1024 <= number <= 65_530:
        raise argparse.ArgumentTypeError("write a number: five ports from here on have to lie between 1024 and 65535")
    return number


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="infra/demo", description=__doc__)
    parser.add_argument("--once", action="store_true", help="play the story to its end and print a summary")
    parser.add_argument("--projects", action="store_true", help="two projects with packages and PostgreSQL instead")
    parser.add_argument("--clean", action="store_true", help="remove everything that the demo wrote")
    parser.add_argument("--port-base", type=_port, default=8800, metavar="N", help="first of five ports (8800)")
    parser.add_argument("--home", type=Path, metavar="DIR", help="where to write")
    parser.add_argument("--patience", type=float, default=120.0, metavar="S", help="seconds to wait for one step")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
