"""The software bill of materials lists exactly the locked packages."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def test_sbom_has_every_locked_package_with_its_hashes() -> None:
    command = [sys.executable, str(ROOT / "infra/sbom")]
    text, again = (subprocess.run(command, capture_output=True, text=True, check=True).stdout for _ in range(2))
    bom = json.loads(text)
    lock = (ROOT / "infra/requirements.txt").read_text()

    assert text == again and (bom["bomFormat"], bom["specVersion"]) == ("CycloneDX", "1.6")
    pinned = re.findall(r"^([A-Za-z0-9][\w.-]*)==([^\s;\\]+)", lock, re.MULTILINE)
    assert [(one["name"], one["version"]) for one in bom["components"]] == pinned
    hashes = [digest["content"] for one in bom["components"] for digest in one["hashes"]]
    assert hashes == re.findall(r"--hash=sha256:([0-9a-f]{64})", lock)
    references = [one["bom-ref"] for one in bom["components"]]
    assert len(set(references)) == len(references)
