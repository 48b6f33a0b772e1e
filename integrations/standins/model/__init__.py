"""A local model: Anthropic's Messages wire format over HTTP, played from scripts. Started with `python -m`.

The product reaches it through a base URL only. It offers what the runner and the SDK use (JSON and SSE, tools, usage
with a prefix cache, errors in Anthropic's shape) and misbehaves on request. Its answers are pure functions of the
request, so that a retry or a restart can never get out of step.
"""

from __future__ import annotations
