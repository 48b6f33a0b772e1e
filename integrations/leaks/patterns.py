"""Recognizes secrets by their form, in text that a change adds or a connector returns. Pure, and offline.

The patterns of most providers are those of detect-secrets (its maintained fork bc-detect-secrets, without its
verification, which would send the candidates to the providers). A marker in the text cannot silence a finding.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from detect_secrets.filters.heuristic import is_aws_arn, is_lock_file, is_sequential_string, is_templated_secret
from detect_secrets.plugins.aws import AWSKeyDetector
from detect_secrets.plugins.discord import DiscordBotTokenDetector
from detect_secrets.plugins.github_token import GitHubTokenDetector
from detect_secrets.plugins.jwt import JwtTokenDetector
from detect_secrets.plugins.npm import NpmDetector
from detect_secrets.plugins.sendgrid import SendGridDetector
from detect_secrets.plugins.slack import SlackDetector
from detect_secrets.plugins.square_oauth import SquareOAuthDetector
from detect_secrets.plugins.stripe import StripeDetector

MAX_TEXT = 16 * 2**20
"""Characters of added text in one file that are searched; more is a finding by itself."""
_LIBRARY = {
    detector.secret_type: tuple(detector.denylist)
    for detector in (
        AWSKeyDetector(), DiscordBotTokenDetector(), GitHubTokenDetector(),
        JwtTokenDetector(), NpmDetector(), SendGridDetector(), SlackDetector(), SquareOAuthDetector(), StripeDetector(),
    )
}  # fmt: skip
_MORE = {
    "AWS Access Key": r"(?i)secret_?access_?key\W{1,8}[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+])",
    "GitHub Token": r"\bgithub_pat_\w{22,255}",
    "GitLab Token": r"\bgl(?:pat|dt|rt|rtr|cbt|ptt|ft|soat|agent|imt|oas|ffct)-[\w-]{20,300}",
    "Slack Token": r"\bxox[a-z]-[\w-]{10,200}|\bxapp-\d-[\w-]{10,200}",
    "Stripe Access Key": r"\b[sr]k_(?:live|test)_[0-9A-Za-z]{16,200}|\bwhsec_[A-Za-z0-9+/]{24,}",
    "Anthropic API Key": r"\bsk-ant-[\w-]{20,300}",
    "OpenAI API Key": r"\bsk-(?:proj-|svcacct-|admin-)?(?!ant-)(?=[\w-]{0,300}[0-9])(?=[\w-]{0,300}[A-Z])[\w-]{20,300}",
    "Linear Key": r"\blin_(?:api|oauth|wh)_[A-Za-z0-9]{20,200}",
    "Azure Storage Account access key": r"(?i)account_?key\W{1,6}[A-Za-z0-9+/]{86}==",
    "Google API Key": r"\bAIza[\w-]{35}\b|\bGOCSPX-[\w-]{20,}|\bya29\.[\w-]{20,}",
    "PyPI Token": r"\bpypi-AgE[\w-]{50,}",
    "Token of a Provider": (
        r"\b(?:dckr_pat_[\w-]{20,}|hf_[A-Za-z]{30,}|do[opr]_v1_[0-9a-f]{60,}|shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}"
        r"|rubygems_[0-9a-f]{48}|hvs\.[\w-]{20,}|AGE-SECRET-KEY-1[A-Z0-9]{50,}|sntry[su]_[\w=+/.-]{20,}"
        r"|glsa_\w{30,}|NRAK-[A-Z0-9]{27}|PMAK-[\w-]{50,}|ATATT3[\w=-]{50,}|\d{8,10}:AA[\w-]{33})"
    ),
    "Private Key": r"-----BEGIN[A-Z ]{0,30}PRIVATE KEY(?: BLOCK)?-----(?:[^-]{0,300}?)[A-Za-z0-9+/]{40}",
    "PuTTY Private Key": r"PuTTY-User-Key-File-\d",
}  # fmt: skip
_PATTERNS = [(kind, one) for kind, patterns in _LIBRARY.items() for one in patterns]
_PATTERNS += [(kind, re.compile(pattern)) for kind, pattern in _MORE.items()]
_IN_URL = re.compile(
    r"\b[a-z][a-z0-9+.-]{1,20}://([^\s:/@'\"`<>{}$]{0,100}):([^\s:/@'\"`<>{}]{3,200})@([\w.-]{1,200})", re.IGNORECASE
)
_ASSIGNED = re.compile(
    r"(?:secret|token|passw(?:or)?d|passphrase|pwd|credential|api[_.-]?key|access[_.-]?key|auth[_.-]?key|private[_.-]?key"
    r"|encryption[_.-]?key|signing[_.-]?key)[\w.-]{0,40}[\"'`\]]{0,2}[ \t]{0,20}(?::=|=>|={1,3}|:)[ \t]{0,20}"
    r"(?:[brfu@]?[\"'`])?([^\s\"'`,;<>(){}\[\]]{12,500})",
    re.IGNORECASE,
)
_PLACEHOLDER = re.compile(
    r"example|sample|dummy|fake|mock|placeholder|change[_-]?me|redacted|insert|replace|your[_-]|test[_-]|[_-]test\b"
    r"|x{5,}|\*{3,}|\.{3}|\$[\w{(]|%\(\w|^%\w+%$|process\.env|os\.environ|get_?env|secrets\.",
    re.IGNORECASE,
)
_COMMON_PASSWORDS = frozenset({
    "password", "passwd", "pass", "pwd", "secret", "postgres", "mysql", "root", "admin", "user", "test", "guest",
    "redis", "rabbitmq", "mongo", "token", "changeme", "foobar", "hunter2",
})  # fmt: skip
_LOCAL = re.compile(
    r"localhost|127\.\d+\.\d+\.\d+|(?:[\w-]+\.)*(?:example(?:\.\w+)?|test|invalid|local|localdomain)", re.IGNORECASE
)
_HASH_FILE = re.compile(
    r".*(\.lock|\.sum|\.lockb|[-.]lock\.(json|ya?ml)|SHA\d*SUMS?|\.sha\d+|\.snap|\.map|\.svg|\.ipynb)$"
)
_HEXADECIMAL = re.compile(r"[0-9a-fA-F]+")
_DOTTED_NAME = re.compile(r"[A-Za-z_]\w{0,60}(?:\.[A-Za-z_]\w{0,60}){1,8}")
_WORD = re.compile(r"[a-z]{7,}|[A-Z]{7,}")
_KEY_END = re.compile(r"-----END[A-Z ]{0,40}-----")
_HASH = re.compile(r"(?:sha\d{1,3}|md5|blake\w{1,4})[-:=]", re.IGNORECASE)


@dataclass(frozen=True)
class FoundSecret:
    """A possible secret: its line, from 1, and its kind; never its text."""

    line: int
    kind: str


def find_secrets(path: str, added: Sequence[tuple[int, str]]) -> list[FoundSecret]:
    """Possible secrets in the added lines of one file, at most one per line; `added` has number and text of each."""
    text = "\n".join(line for _, line in added)
    if len(text) > MAX_TEXT:
        return [FoundSecret(added[0][0], f"more than {MAX_TEXT >> 20} MiB of added text, which is not searched")]
    starts = list(accumulate((len(line) + 1 for _, line in added), initial=0))
    found: dict[int, str] = {}
    for (start, _), kind in _find_all(path, text):
        found.setdefault(added[bisect_right(starts, start) - 1][0], kind)
    return [FoundSecret(line, kind) for line, kind in sorted(found.items())]


def redact_secrets(text: str) -> str:
    """`text` with the kind of each possible secret in its place; of a private key up to its end."""
    redacted, end = [], 0
    for (start, stop), kind in sorted(_find_all("", text)):
        if "Private Key" in kind:
            closing = _KEY_END.search(text, stop)
            stop = closing.end() if closing else len(text)
        if start >= end:
            redacted.append(f"{text[end:start]}[redacted: {kind}]")
        end = max(end, stop)
    return "".join(redacted) + text[end:]


def _find_all(path: str, text: str) -> Iterator[tuple[tuple[int, int], str]]:
    for kind, pattern in _PATTERNS:
        for match in pattern.finditer(text):
            if _is_random(match[0], 8) and (kind != "JSON Web Token" or JwtTokenDetector.is_formally_valid(match[0])):
                yield match.span(), kind
    for match in _IN_URL.finditer(text):
        if not _is_public(match[1], match[2], match[3]):
            yield match.span(2), "Password in a URL"
    if not is_lock_file(path) and not _HASH_FILE.fullmatch(path):
        yield from ((match.span(1), "Secret Assignment") for match in _ASSIGNED.finditer(text) if _is_secret(match[1]))


def _is_random(secret: str, distinct: int) -> bool:
    """Not a placeholder such as `ghp_xxxx` or the key in a provider's documentation."""
    return len(set(secret[-20:])) >= distinct and not re.search(r"EXAMPLE|x{8,}|X{8,}|0{12,}", secret)


def _is_public(user: str, password: str, host: str) -> bool:
    """Not a secret: a placeholder, or the password of a development server on this machine."""
    plain = password.lower()
    if plain in _COMMON_PASSWORDS or plain == user.lower() or _PLACEHOLDER.search(password):
        return True
    return _LOCAL.fullmatch(host) is not None and not _is_secret(password)


def _is_secret(value: str) -> bool:
    """Whether an assigned value looks random: long, mixed, and without words."""
    if _PLACEHOLDER.search(value) or is_templated_secret(value) or is_sequential_string(value) or is_aws_arn(value):
        return False
    if (
        _HASH.match(value)
        or _DOTTED_NAME.fullmatch(value)
        or "://" in value
        or value.startswith(("/", "./", "../", "@"))
    ):
        return False
    letters, digits = sum(map(str.isalpha, value)), sum(map(str.isdigit, value))
    mixed = min(letters, digits) >= 2 or (len(value) >= 16 and _count_changes(value) >= 0.3 * len(value))
    lowest = 2.8 if _HEXADECIMAL.fullmatch(value) else 3.2
    return mixed and _measure_entropy(value) >= lowest and not _holds_words(value)


def _count_changes(value: str) -> int:
    """Changes between upper and lower case, letters and digits: half of the characters of a random text, fewer than
    a third of those of `aNameInCamelCase`."""
    return sum((a.isupper(), a.isdigit()) != (b.isupper(), b.isdigit()) for a, b in pairwise(value))


def _holds_words(value: str) -> bool:
    """Names in code have words of letters, joined by dots, dashes and capitals; random text has few of them."""
    return sum(len(word) for word in _WORD.findall(value)) * 2 > len(value)


def _measure_entropy(value: str) -> float:
    """Bits per character (Shannon)."""
    return -sum(n / len(value) * math.log2(n / len(value)) for n in Counter(value).values())
