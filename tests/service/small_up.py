"""A small `loopline up`: the real supervisor with processes that only record their end.

`python -m tests.service.small_up <home> <behaviour of the second process>`
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from service.lifeline import wrap_command
from service.supervisor.child import Process
from service.supervisor.supervisor import Supervisor

HOME = Path(sys.argv[1])
BEHAVIOUR = sys.argv[2]

POLITE = """
import signal, sys, time
def leave(*_):
    open(sys.argv[1] + "/ended", "a").write(sys.argv[2] + "\\n")
    sys.exit(0)
signal.signal(signal.SIGTERM, leave)
print("started", sys.argv[2], flush=True)
open(sys.argv[1] + "/" + sys.argv[2] + ".ready", "w").close()
time.sleep(600)
"""
BEHAVIOURS = {
    "polite": POLITE,
    "crashing": "print('crashing', flush=True); raise SystemExit(7)",
    "refusing": "import sys; sys.exit('MISSING_SETTING is empty.' and (print('MISSING_SETTING is empty.'), 2)[1])",
    "stubborn": POLITE.replace("sys.exit(0)", "None"),
    "parent": "import subprocess, sys; subprocess.Popen(['sleep', '600.125'])\n" + POLITE,
}


def process(name: str, code: str, stop_order: int, ready: Callable[[], bool] = lambda: True) -> Process:
    def start(output: int) -> subprocess.Popen[bytes]:
        command = wrap_command([sys.executable, "-c", code, str(HOME), name])
        return subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True)

    return Process(name, start, stop_order, ready, grace=1.0)


def main() -> int:
    slow = partial((HOME / "first.ready").exists)
    children = [
        process("first", "import time; time.sleep(0.3)\n" + POLITE, 3, slow),
        process("second", BEHAVIOURS[BEHAVIOUR], 1),
        process("third", POLITE, 2),
    ]
    return Supervisor(children, HOME, {"web": "http://x"}).run()


if __name__ == "__main__":
    raise SystemExit(main())
