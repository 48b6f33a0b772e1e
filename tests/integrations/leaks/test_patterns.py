"""Secrets of every kind are found, ordinary files are not. The secrets are made here,
so that none is in the repository."""

from __future__ import annotations

import base64
import hashlib
import json
import random
import string
import uuid
from collections.abc import Callable

import pytest

from integrations.leaks.patterns import MAX_TEXT, FoundSecret, find_secrets
from tests.support.checkout import REPOSITORY

LETTERS = string.ascii_letters + string.digits
UPPER = string.ascii_uppercase + string.digits
HEX = "0123456789abcdef"
_random = random.Random(11)


def some(length: int, alphabet: str = LETTERS) -> str:
    return "".join(_random.choice(alphabet) for _ in range(length))


def jwt() -> str:
    parts = ({"alg": "HS256", "typ": "JWT"}, {"sub": some(8), "exp": 1_900_000_000})
    return (
        ".".join(base64.urlsafe_b64encode(json.dumps(p).encode()).decode().rstrip("=") for p in parts) + "." + some(43)
    )


def private_key(kind: str) -> str:
    lines = "\n".join(some(64, LETTERS + "+/") for _ in range(6))
    return f"-----BEGIN {kind}PRIVATE KEY-----\n{lines}\n-----END {kind}PRIVATE KEY-----"


SECRETS: dict[str, Callable[[], str]] = {
    "aws id": lambda: f"aws_access_key_id = {'AK' + 'IA'}{some(16, UPPER)}",
    "aws secret": lambda: f'AWS_SECRET_ACCESS_KEY="{some(40, LETTERS + "+/")}"',
    "github": lambda: f"token: {'gh' + 'p_'}{some(36)}",
    "github app": lambda: f"{'gh' + 's_'}{some(36)}",
    "github fine-grained": lambda: f"GITHUB={'github' + '_pat_'}{some(22)}_{some(59)}",
    "gitlab": lambda: f"x = '{'gl' + 'pat-'}{some(20)}'",
    "gitlab runner": lambda: f"{'gl' + 'rt-'}{some(20)}",
    "slack": lambda: f"{'xox' + 'b-'}{some(12, string.digits)}-{some(12, string.digits)}-{some(24)}",
    "slack webhook": lambda: f"https://hooks.slack.com/services/T{some(8, UPPER)}/B{some(8, UPPER)}/{some(24)}",
    "stripe": lambda: f"{'sk_' + 'live_'}{some(24)}",
    "stripe restricted": lambda: f"key='{'rk_' + 'live_'}{some(40)}'",
    "anthropic": lambda: f"{'sk-' + 'ant-api03-'}{some(93, LETTERS + '-_')}AA",
    "openai": lambda: f"{'sk-' + 'proj-'}{some(48)}",
    "openai old": lambda: f"OPENAI = '{'sk-'}{some(48)}'",
    "linear": lambda: f"{'lin_' + 'api_'}{some(40)}",
    "linear oauth": lambda: f"{'lin_' + 'oauth_'}{some(64, HEX)}",
    "google": lambda: f"{'AI' + 'za'}{some(35)}",
    "npm": lambda: f"//registry.acme.test/:_authToken={'npm' + '_'}{some(36)}",
    "sendgrid": lambda: f"{'SG' + '.'}{some(22)}.{some(43)}",
    "azure": lambda: f"AccountName=a;AccountKey={some(86, LETTERS + '+/')}==;",
    "rsa key": lambda: private_key("RSA "),
    "key": lambda: private_key(""),
    "openssh key": lambda: private_key("OPENSSH "),
    "key in a string": lambda: private_key("EC ").replace("\n", "\\n"),
    "jwt": lambda: f"Authorization: Bearer {jwt()}",
    "password in a url": lambda: f"DATABASE_URL=postgres://shop:{some(16)}@db.acme.com:5432/shop",
    "password in a url of redis": lambda: f"rediss://:{some(24)}@cache.acme.com/0",
    "assignment": lambda: f'client_secret = "{some(32)}"',
    "assignment in yaml": lambda: f"  api_key: {some(32, HEX)}",
    "assignment in json": lambda: f'"authToken": "{some(40)}",',
    "assignment in an env file": lambda: f"SESSION_SECRET={some(28, LETTERS + '_-!')}",
    "assignment in code": lambda: f'const PASSWORD = `{some(20, LETTERS + "!#%&")}`;',
    "assignment in ruby": lambda: f"config[:secret_key] => '{some(30)}'",
}  # fmt: skip


def find(path: str, text: str) -> list[FoundSecret]:
    return find_secrets(path, list(enumerate(text.splitlines(), 1)))


@pytest.mark.parametrize("name", SECRETS)
def test_secret_of_each_kind_is_found_in_its_line_and_its_text_is_not_kept(name: str) -> None:
    _random.seed(11)  # the same values in whatever order the tests run
    for _ in range(20):
        secret = SECRETS[name]()
        found = find("src/config.py", f"# settings\n\n{secret}\nx = 1\n")

        assert 3 in {one.line for one in found}, secret
        assert not any(secret in one.kind or one.kind in secret for one in found)


def test_secret_is_found_whatever_marker_stands_beside_it() -> None:
    for marker in ("# pragma: allowlist secret", "# nosec", "// gitleaks:allow", "# noqa"):
        assert find("a.py", f"{SECRETS['github']()}  {marker}"), marker


def test_secret_of_a_provider_is_found_in_lock_files_and_on_long_lines_too() -> None:
    assert find("package-lock.json", f'"x": "{SECRETS["github"]()}"')
    assert find("dist/app.min.js", "a=1;" * 50_000 + SECRETS["stripe"]())


def test_added_text_that_is_too_large_to_be_searched_is_a_finding_by_itself() -> None:
    (found,) = find_secrets("a.txt", [(7, "x" * (MAX_TEXT + 1))])
    assert (found.line, "not searched" in found.kind) == (7, True)


def digest(n: int, name: str = "sha256") -> str:
    return hashlib.new(name, str(n).encode()).hexdigest()


ORDINARY: dict[str, tuple[str, str]] = {
    "npm lock file": ("package-lock.json", "\n".join(
        f'"integrity": "sha512-{base64.b64encode(hashlib.sha512(bytes([n])).digest()).decode()}",' for n in range(50))),
    "yarn lock file": ("yarn.lock", "\n".join(
        f'  resolved "https://npm.acme.test/a/-/a-1.{n}.tgz#{digest(n, "sha1")}"' for n in range(50))),
    "python requirements": ("requirements.txt",
    "\n".join(f"flask==3.1.{n} --hash=sha256:{digest(n)}" for n in range(50))),
    "go.sum": ("go.sum", "\n".join(
        f"example.com v1.{n} h1:{base64.b64encode(hashlib.sha256(bytes([n])).digest()).decode()}" for n in range(50))),
    "commit hashes": ("CHANGES.md", "\n".join(f"- fixed in {digest(n, 'sha1')}" for n in range(50))),
    "pinned actions": ("x.yml", f"uses: actions/checkout@{digest(1, 'sha1')} # v4"),
    "image digest": ("Dockerfile", f"FROM python@sha256:{digest(1)}"),
    "uuids": ("fixtures/users.json", f'{{"id": "{uuid.UUID(int=1 << 90 | 77)}", "name": "Ann"}}'),
    "code that reads secrets": ("app.py", """
        password = os.environ["DATABASE_PASSWORD"]
        api_key = settings.api_key.get_secret_value()
        token = await client.fetch_access_token(session_id)
        self.secret_key = config.get("SECRET_KEY", default=None)
        if user.password_hash == hash_password(password, user.salt): pass
        const token = process.env.GITHUB_TOKEN ?? "";
        private_key: ed25519.Ed25519PrivateKey = load_pem_private_key(data)
        PASSWORD_RESET_TIMEOUT_SECONDS = 60 * 60 * 24
        tokenizer = AutoTokenizer.from_pretrained("bert-base-uncased")
        secret_name = "projects/acme/secrets/stripe-webhook/versions/latest"
     """),
    "workflow": ("ci.yml",
    "env:\n  TOKEN: ${{ secrets.GITHUB_TOKEN }}\n  API_KEY: $API_KEY\n  PASSWORD: {{ vault_password }}\n"),
    "placeholders": (".env.example", """
        API_KEY=your-api-key-goes-here-1234567890
        SECRET_KEY=changeme-0123456789abcdef
        TOKEN=<paste your token here>
        STRIPE_KEY=sk_test_xxxxxxxxxxxxxxxxxxxxxxxx
        AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE
        PASSWORD=
        SESSION_SECRET=example-secret-do-not-use-1a2b3c
     """),
    "test fixtures": ("tests/test_login.py", """
        login("ann@example.com", password="correct horse battery staple")
        client.post("/login", json={"password": "hunter2", "token": "abc123"})
        assert decode("token-of-ann") == {"sub": "1234567890"}
        settings = Settings(api_key="test-key", webhook_secret="test-secret-0123456789")
        DATABASE_URL = "postgres://postgres:postgres@localhost:5432/test"
        REDIS = "redis://:password@127.0.0.1:6379/0"
        PROXY = "http://user:pass@proxy.example.com:3128"
     """),
    "a compose file": ("compose.yaml", "POSTGRES_PASSWORD: postgres\nURL: postgres://app:app@db:5432/app\n"),
    "a parser of keys": ("pem.py",
    'BEGIN = "-----BEGIN PRIVATE KEY-----"\nif line.startswith(BEGIN):\n    raise ValueError()\n'),
    "html": ("index.html",
    '<input type="password" name="password" autocomplete="current-password" id="login-password-2">'),
    "translations": ("de.json", '{"passwordTooShort": "Das Passwort braucht mindestens 12 Zeichen, davon 2 Ziffern."}'),
    "inline image": ("a.css", f"background: url(data:image/png;base64,{base64.b64encode(bytes(range(256))).decode()})"),
}  # fmt: skip


@pytest.mark.parametrize("name", ORDINARY)
def test_ordinary_files_cause_no_alarm(name: str) -> None:
    path, text = ORDINARY[name]
    assert find(path, text) == []


def test_product_and_its_lock_files_cause_no_alarm() -> None:
    folders = ("jobs", "service", "integrations/git", "integrations/trackers", "integrations/code_hosts")
    files = [path for folder in folders for path in (REPOSITORY / folder).rglob("*.py")]
    files += [*(REPOSITORY / "infra/lock").glob("*.txt"), REPOSITORY / "README.md"]
    assert len(files) > 100
    assert {str(path): find(str(path), path.read_text()) for path in files if find(str(path), path.read_text())} == {}


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "line", ["token" * 40_000, "secret=" * 30_000, "a://" + "b:" * 60_000, "eyJ" + "a." * 60_000, "aws key " * 20_000,
             "-----BEGIN PRIVATE KEY-----" * 6_000, "sk-" + "a-" * 80_000]
)  # fmt: skip
def test_hostile_lines_take_no_exponential_time(line: str) -> None:
    find("a.txt", line)
