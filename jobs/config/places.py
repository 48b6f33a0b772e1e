"""Checks the files, folders and addresses that the settings name, and the system's own variables, before anything
starts. Creates and changes nothing.

Called by `jobs.config.environment`.
"""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import stat
from collections.abc import Iterator, Mapping
from itertools import combinations
from pathlib import Path

from integrations.explain import classify
from integrations.git.signing_key import find_key_problem
from integrations.images.archives import find_image_problem
from integrations.settings import split_address, split_url
from jobs.config.env_file import find_owner_problem
from jobs.config.settings import Settings

CODE = Path(__file__).resolve().parents[2]
SHARED = frozenset(
    map(
        Path,
        (*("/", "/bin", "/boot", "/dev", "/dev/shm", "/etc", "/home", "/lib", "/lib64", "/media", "/mnt", "/opt"),
         *("/proc", "/root", "/run", "/sbin", "/srv", "/sys", "/tmp", "/usr", "/usr/bin", "/usr/lib", "/usr/local"),
         *("/usr/share", "/var", "/var/cache", "/var/lib", "/var/log", "/var/run", "/var/tmp")),
    )
)  # fmt: skip
"""Folders of the system, https://refspecs.linuxfoundation.org/FHS_3.0/. Folders below them are permitted."""
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")
NO_PROXY = ("NO_PROXY", "no_proxy")
CERTIFICATE_FILES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
CERTIFICATES = (*CERTIFICATE_FILES, "SSL_CERT_DIR")
"""Files or folders of certificate authorities, for the clients of the providers."""
FOLDERS = (
    "alive", "audit", "connectors", "egress", "environments", "images", "journal", "logs",
    "redis", "repos", "runs", "sandbox-test", "spool", "trees",
)  # fmt: skip
PINS = "connector-pins.json"
FILES = (PINS, "dashboard-password", "epoch.json", "freeze", "up.json", "up.lock")
"""Entries of LOOPLINE_HOME."""
LONGEST_HOME = 1_000
"""Bytes. Linux limits a path to 4,096, and the paths of the repositories' files follow behind it."""


def find_home_problems(home: Path, *, to_write: bool) -> Iterator[str]:
    """Yield one sentence when LOOPLINE_HOME is not, and cannot become, a folder for Loopline alone. `to_write`: the
    process cannot work without writing to it."""
    try:
        problem = _find_home_problem(home, to_write)
    except OSError as error:
        problem = f"cannot be used ({error.strerror}); choose another folder"
    if problem:
        yield f"LOOPLINE_HOME is a path that {problem}."


def _find_home_problem(home: Path, to_write: bool) -> str:
    if len(os.fsencode(home)) > LONGEST_HOME:
        return f"has more than {LONGEST_HOME} bytes; choose a shorter one"
    real = Path(os.path.realpath(home))
    if SHARED & {real, Path(os.path.normpath(home))} or CODE.is_relative_to(real) or _is_personal(real):
        return "other programs or Loopline's own code use; choose a folder of its own below it, such as .loopline"
    if not home.exists() and home.is_symlink():
        return "is a symbolic link to a folder that does not exist; create the folder or remove the link"
    existing = next(folder for folder in (home, *home.parents) if folder.exists())
    if not existing.is_dir():
        return "is not a folder or leads through a file; choose a folder"
    if problem := find_owner_problem(home.stat()) if existing == home else "":
        return problem
    if to_write and (not os.access(existing, os.R_OK | os.W_OK | os.X_OK) or real.is_relative_to("/proc")):
        return "is not writable; choose a folder that this user can write to"
    return next(filter(None, (_find_entry_problem(home / name, to_write) for name in (*FOLDERS, *FILES))), "")


def _find_entry_problem(entry: Path, to_write: bool) -> str:
    """Check a folder or file of an earlier start, or of a backup."""
    if not os.path.lexists(entry):
        return ""
    if not (entry.is_dir() if entry.name in FOLDERS else entry.is_file()):
        kind = "folder" if entry.name in FOLDERS else "regular file"
        return f"has an entry {entry.name} that is not a {kind}; remove that entry"
    is_switch = entry.name == "freeze"  # an operator can set it as another user
    if to_write and not is_switch and not os.access(entry, os.R_OK | os.W_OK):
        return f"has an entry {entry.name} that this user cannot write to; change its owner and permissions"
    return ""


def _is_personal(folder: Path) -> bool:
    """Whether it is the user's home and has other files; a service user can have Loopline's folder as home."""
    try:
        is_home = folder == Path.home().resolve()
    except RuntimeError:  # the user has no home
        return False
    others = (entry for entry in (folder.iterdir() if is_home and folder.is_dir() else ()) if entry.name[0] != ".")
    return any(others) and not (folder / "up.lock").exists()


def find_sandbox_problems(settings: Settings) -> Iterator[str]:
    """Yield one sentence for each entry of LOOPLINE_SANDBOX_READ_ONLY that is missing or exposes Loopline's data."""
    for number, path in enumerate(settings.sandbox_read_only, 1):
        entry = f"LOOPLINE_SANDBOX_READ_ONLY, item {number}, is a path"
        try:
            home, real = os.path.realpath(settings.home), str(path.resolve(strict=True))
        except (OSError, RuntimeError) as error:  # a loop of symbolic links is a RuntimeError before Python 3.13
            yield f"{entry} that cannot be read ({getattr(error, 'strerror', error)}); correct it or remove it."
            continue
        if home.startswith(real.rstrip("/") + "/") or f"{real}/".startswith(f"{home}/"):
            yield f"{entry} that contains Loopline's data or a part of it; name the tool chain's own folder."


def find_authority_problems(settings: Settings) -> Iterator[str]:
    """Yield one sentence when LOOPLINE_CA_FILE is not a file with certificates."""
    file = settings.ca_file
    if file and (reason := _find_certificate_problem(file, can_be_folder=False)):
        yield f"LOOPLINE_CA_FILE is a path without usable certificates ({reason}); name a PEM file of authorities."


def find_image_problems(settings: Settings) -> Iterator[str]:
    """Yield one sentence for each entry of LOOPLINE_IMAGES that cannot be used."""
    for name, path in settings.images.items():
        if problem := find_image_problem(Path(path)):
            yield f"LOOPLINE_IMAGES, image {name!r}, is a path that {problem}."


def find_automation_problems(settings: Settings) -> Iterator[str]:
    """Yield one sentence when LOOPLINE_AUTOMATIONS is no folder that can be read."""
    folder = settings.automations
    try:
        is_readable = not folder or (folder.is_dir() and os.access(folder, os.R_OK | os.X_OK))
    except OSError:
        is_readable = False
    if not is_readable:
        yield "LOOPLINE_AUTOMATIONS is a path that is no readable folder; create it, or correct the path."


def find_signing_problems(settings: Settings) -> Iterator[str]:
    """Yield one sentence when LOOPLINE_SIGNING_KEY_FILE cannot sign, or a sandbox could read it."""
    file = settings.signing_key_file
    if file is None or find_secret_file_problem(file):  # `find_problems` reports all files with a secret
        return
    start = "LOOPLINE_SIGNING_KEY_FILE is the path of a file that"
    if any(_is_below(file, folder) for folder in (Path("/usr"), *settings.sandbox_read_only)):
        yield f"{start} commands in the sandbox can read; move it out of /usr and LOOPLINE_SANDBOX_READ_ONLY."
    elif problem := find_key_problem(file):
        yield f"{start} {problem}."


def _is_below(file: Path, folder: Path) -> bool:
    """Whether the file is in the folder. False for one that cannot be read, which has a problem of its own."""
    try:
        return file.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError):
        return False


def find_secret_file_problem(path: Path) -> str:
    """Return the reason and the fix when the file of a secret cannot be used; empty if it can."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            return "is not a regular file; name the file"
        if not status.st_size:
            return "is empty; name the file of the key"
        if not os.access(path, os.R_OK):
            return "cannot be read by this user; change its permissions"
        return find_owner_problem(status)
    except OSError as error:
        return f"cannot be read ({error.strerror}); correct the path"


def find_address_problems(name: str, address: str) -> Iterator[str]:
    """Yield one sentence when the host of setting `name` cannot be resolved or is not an address of this machine."""
    host, _ = split_address(address)
    try:
        family, kind, protocol, _, target = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError):
        yield f"{name} is an address whose host cannot be resolved; write 127.0.0.1 or another address of this machine."
        return
    try:
        with socket.socket(family, kind, protocol) as probe:
            probe.bind(target)
    except OSError as error:
        yield f"{name} is an address that this machine does not have ({error.strerror}); write 127.0.0.1 or 0.0.0.0."


def find_equal_addresses(settings: Settings) -> Iterator[str]:
    """Yield one sentence for each two processes that would listen on the same address."""
    for (name, bind), (other, second_bind) in combinations(settings.binds().items(), 2):
        (host, port), (second, same) = split_address(bind), split_address(second_bind)
        hosts = {"127.0.0.1" if one.lower() == "localhost" else one for one in (host, second)}
        if port == same and (len(hosts) == 1 or hosts & {"0.0.0.0", "::"}):
            yield f"{name} and {other} have the same port {port}; choose another port for one."


def find_host_problems(variables: Mapping[str, str], *, runs_git: bool) -> Iterator[str]:
    """Yield one sentence for each variable of the system with which the clients of the providers, or git, cannot work.
    An empty one counts as not set."""
    for name in PROXIES:
        if (value := variables.get(name, "").strip()) and not _is_proxy(value):
            yield f"{name} is {classify(value)} that is not a proxy; write a URL such as http://proxy.example:3128."
    for name in CERTIFICATES:
        if (value := variables.get(name, "")) and (reason := _find_certificate_problem(Path(value))):
            yield f"{name} is a path without usable certificates ({reason}); correct it or remove the variable."
    if runs_git and not shutil.which("git", path=variables.get("PATH", os.defpath)):
        yield "PATH has no folder with the program git; install git, or add its folder."


def _is_proxy(value: str) -> bool:
    """Whether it is the address of an HTTP proxy. SOCKS needs packages that Loopline does not install."""
    url = value if "://" in value else f"http://{value}" if ":" in value else ""
    try:
        split_url(url, ("http", "https"), "")
    except ValueError:
        return False
    return True


def _find_certificate_problem(path: Path, *, can_be_folder: bool = True) -> str:
    try:
        if not can_be_folder or not path.is_dir():
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except (OSError, ValueError) as error:  # `ssl.SSLError` is an OSError
        return getattr(error, "strerror", "") or type(error).__name__
    return ""
