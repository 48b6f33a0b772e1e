"""Markup that must arrive as text, wherever it stands."""

from __future__ import annotations

PAYLOADS = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "\"><svg onload=alert(1)>",
    "' autofocus onfocus='alert(1)",
    "</pre></details><script>alert(1)</script>",
    "`<img src=x onerror=alert(1)>`",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "{{ 7*7 }}{% raw %}<b onmouseover=alert(1)>",
    "</textarea></title></style><script>alert(1)</script>",
    "<!--><a href=\"javascript:alert(1)\">x</a>",
)  # fmt: skip
