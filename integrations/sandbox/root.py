"""The root file system inside the sandbox: the host's /usr, or an image. Called by `profile`.

Checks which host paths exist; otherwise pure.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from integrations.sandbox.environment import HOME
from integrations.sandbox.limits import SandboxUnavailable

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
    "/etc/maven/m2.conf", "/etc/maven/logging",  # not settings.xml, which can have passwords
)  # fmt: skip
_ETC_PATTERNS = ("java", "java-*", "php/*/cli", "php/*/mods-available")
"""Settings to which installations below /usr link: without them Java does not start, and PHP has no extensions."""
_OWN = frozenset({
    "boot", "dev", "etc", "home", "lost+found", "media", "mnt", "proc", "root", "run", "srv", "sys", "tmp", "var",
    "workspace",
})  # fmt: skip
_PYTHON, _LIBRARIES = Path("/run/loopline/python"), Path("/run/loopline/lib")
_TOP_LEVEL = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")


def mount_system(image: Path | None) -> list[str]:
    """/usr read-only, and the top-level names that link into it (or are separate folders on older systems)."""
    if image:
        return _mount_image(image)
    options = ["--ro-bind", "/usr", "/usr"]
    for name in _TOP_LEVEL:
        path = Path("/", name)
        if path.is_symlink():
            options += ["--symlink", str(path.readlink()), str(path)]
        elif path.is_dir():
            options += ["--ro-bind", str(path), str(path)]
    return options


def _mount_image(image: Path) -> list[str]:
    """The top level of an image, read-only, without the folders that every sandbox has of its own."""
    options = []
    for path in sorted(image.iterdir()):
        if path.name in _OWN:
            continue
        if path.is_symlink():
            options += ["--symlink", str(path.readlink()), f"/{path.name}"]
        elif path.is_dir():
            options += ["--ro-bind", str(path), f"/{path.name}"]
    if (image / "var" / "lib").is_dir() and not any((image / one).is_symlink() for one in ("var", "var/lib")):
        options += ["--dir", "/var", "--ro-bind", str(image / "var" / "lib"), "/var/lib"]
    return options


def mount_etc(image: Path | None, data: Mapping[str, int]) -> list[str]:
    """Generated files, and those of the image or of the host that programs need."""
    if image:
        has_etc = (image / "etc").is_dir() and not (image / "etc").is_symlink()
        options = ["--overlay-src", str(image / "etc"), "--tmp-overlay", "/etc"] if has_etc else ["--dir", "/etc"]
        closing = ["--remount-ro", "/etc"] if has_etc else []
    else:
        paths = (
            *_ETC_OF_HOST,
            *(str(path) for pattern in _ETC_PATTERNS for path in sorted(Path("/etc").glob(pattern))),
        )
        options, closing = ["--dir", "/etc"], [part for path in paths for part in ("--ro-bind-try", path, path)]
    for path, fd in data.items():
        options += ["--perms", "0444", "--file", str(fd), path]
    return options + closing


def mount_interpreter(image: Path | None) -> list[str]:
    """The host's Python for Loopline's own programs inside of an image, which need not have one."""
    if image is None:
        return []
    loader = find_loader()
    python, libraries = Path(sys.base_prefix).resolve(), loader.parent
    return ["--ro-bind", str(python), str(_PYTHON), "--ro-bind", str(libraries), str(_LIBRARIES)]


def find_interpreter(image: Path | None, read_only: Sequence[Path] = ()) -> tuple[str, ...]:
    """The command that starts Python inside, with an absolute path: PATH can begin with folders of the repository.
    `read_only` are the host folders at their own path. In an image it is the host's Python, by the host's loader: the
    image can have another C library."""
    if image is None:
        prefixes = (*read_only, Path("/usr/local"), Path("/usr"))
        found = [path for prefix in prefixes if (path := prefix / "bin" / "python3").exists()]
        return (str(found[0] if found else "/usr/bin/python3"),)
    paths = f"{_LIBRARIES}:{_PYTHON}/lib"
    return (str(_LIBRARIES / find_loader().name), "--library-path", paths, str(_PYTHON / "bin" / "python3"))


@cache
def find_loader() -> Path:
    """The host's dynamic loader. Raises `SandboxUnavailable`."""
    for pattern in ("lib64/ld-linux*.so.*", "lib/ld-linux*.so.*", "lib/ld-musl-*.so.*", "lib/*/ld-linux*.so.*"):
        for path in sorted(Path("/").glob(pattern)):
            return path.resolve()
    raise SandboxUnavailable("no dynamic loader found in /lib64 and /lib, which images need: use the host's tools")
