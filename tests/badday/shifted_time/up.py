"""Runs `python -m service` in such a way that every child process starts through the given interpreter.

`up.py INTERPRETER COMMAND …`. The service filters its children's environment, so an interpreter that sets the variables
of libfaketime is the way to reach all of them, including the embedded Redis.
"""

from __future__ import annotations

import sys

sys.executable = sys.argv[1]
sys.path.insert(0, ".")

from service.__main__ import main  # noqa: E402 - after the interpreter is replaced

raise SystemExit(main(sys.argv[2:]))
