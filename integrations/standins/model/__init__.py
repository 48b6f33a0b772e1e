"""A local model: Anthropic's Messages API as a stream over HTTP, with scripted answers. Started with `python -m`.

It offers what the runner uses (SSE, tools, usage with a prompt cache, context editing, errors in Anthropic's format)
and injects faults on request. Its answers are pure functions of the request, so a retry or a restart never gets out of
step.
"""

from __future__ import annotations
