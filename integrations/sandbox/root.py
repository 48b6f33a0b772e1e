"""The root file system inside the sandbox: the host's /usr, or an image. Called by `profile`.

Checks which host paths exist; otherwise pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from integrations.sandbox.environment import HOME

UID = "1000"
ETC = {
    "/etc/passwd": f"root:x:0:0:root:/root:/usr/sbin/nologin\nagent:x:{UID}:{UID}:agent:{HOME}:/bin/bash\n"
    "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
    "/etc/group": f"root:x:0:\nagent:x:{UID}:\nnogroup:x:65534:\n",
    "/etc/hosts": "127.0.0.1 localhost sandbox\n::1 localhost\n",
    "/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
}
# Not /etc/ssl as a whole: a sandbox started by root could read /etc/ssl/private.
_ETC_OF_HOST = (
    "/etc/ld.so.cache", "/etc/alternatives", "/etc/ssl/certs", "/etc/ssl/openssl.cnf", "/etc/ca-certificates",
    "/etc/pki/tls/certs", "/etc/pki/ca-trust/extracted", "/etc/localtime", "/etc/mime.types",
)  # fmt: skip
_TOP_LEVEL = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")


def mount_system() -> list[str]:
    """/usr read-only, and the top-level names that link into it (or are separate folders on older systems)."""
    options = ["--ro-bind", "/usr", "/usr"]
    for name in _TOP_LEVEL:
        path = Path("/", name)
        if path.is_symlink():
            options += ["--symlink", str(path.readlink()), str(path)]
        elif path.is_dir():
            options += ["--ro-bind", str(path), str(path)]
    return options


def mount_etc(data: Mapping[str, int]) -> list[str]:
    """Generated files, and the host's that programs need."""
    options = ["--dir", "/etc"]
    for path, fd in data.items():
        options += ["--perms", "0444", "--file", str(fd), path]
    for path in _ETC_OF_HOST:
        options += ["--ro-bind-try", path, path]
    return options
