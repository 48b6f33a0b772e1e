"""Which files can be made unloadable, and how."""

from __future__ import annotations

import pytest

from jobs.evidence.proof.breaking import GARBAGE, make_unloadable


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        ("shop/cart.py", "x = 1\n", f"{GARBAGE}\nx = 1\n"),
        ("src/lib.rs", "#![allow(x)]\n", f"{GARBAGE}\n#![allow(x)]\n"),
        ("bin/run", "#!/bin/sh\necho\n", f"#!/bin/sh\n{GARBAGE}\necho\n"),
        ("cart.php", "<?php\n$x = 1;\n", f"<?php\n{GARBAGE}\n\n$x = 1;\n"),
        (
            "Cart.vue",
            "<template/>\n<script setup>\nx\n</script>\n",
            f"<template/>\n<script setup>\n{GARBAGE}\n\nx\n</script>\n",
        ),
    ],
)
def test_an_unloadable_file_has_a_syntax_error_where_it_is_loaded(path: str, text: str, expected: str) -> None:
    assert make_unloadable(path, text) == expected


@pytest.mark.parametrize(
    "path", ["data.json", "views/cart.html", "site.css", "table.csv", "notes", "a.yaml", "Cart.vue"]
)
def test_an_unloadable_file_is_code(path: str) -> None:
    assert make_unloadable(path, "x") is None
