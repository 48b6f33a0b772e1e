"""`loopline doctor`: checks everything that Loopline needs with real requests, and reports one line each.

`probes` and `workflows` return findings, `report` renders them, `run` orders them. `check` is an alias of the command.
"""

from __future__ import annotations
