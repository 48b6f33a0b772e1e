"""GitHub as a provider: settings, webhooks, code host."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import SecretStr

from integrations.code_hosts.github.form import FORM
from integrations.code_hosts.github.webhooks import GitHubWebhooks
from integrations.errors import Unauthorized
from integrations.ports.code_host import CodeHost
from integrations.ports.provider import MEBIBYTE, CodeHostProvider, ProviderSettings, Webhooks
from integrations.ports.setup import AppRegistration, CodeHostSetup
from integrations.settings import OptionalFile, Secrets, Url, match_pattern, setting

if TYPE_CHECKING:
    from integrations.code_hosts.github.api import Credentials
    from integrations.code_hosts.github.app import AppCredentials

LARGEST_KEY = 65_536
"""Bytes of a file with a private key; one of 4,096 bits has 3,300."""
AppId = Annotated[str, match_pattern(r"[A-Za-z0-9.]{0,40}", "write the App's id or client id")]
InstallationId = Annotated[str, match_pattern(r"([1-9][0-9]{0,17})?", "write the number of the installation")]


class GitHubSettings(ProviderSettings):
    """Endpoint and credentials: a token, or a GitHub App."""

    api_url: Url = setting("GITHUB_API_URL", "https://api.github.com")
    """URL of GitHub's REST API.
    Changed for GitHub Enterprise or a stand-in."""
    token: SecretStr = setting("GITHUB_TOKEN", "", seen_by=("worker",), usual=True)
    """Fine-grained personal token with contents, pull requests and commit statuses: write.
    Set this or the GITHUB_APP settings."""
    app_id: AppId = setting("GITHUB_APP_ID", "", seen_by=("worker",))
    """Id of the GitHub App that Loopline acts as.
    Better than a token: short-lived credentials for one repository."""
    app_private_key_file: OptionalFile = setting("GITHUB_APP_PRIVATE_KEY_FILE", "", seen_by=("worker",))
    """Path of the App's private key in PEM format.
    A file, so that no environment contains the key."""
    app_installation_id: InstallationId = setting("GITHUB_APP_INSTALLATION_ID", "", seen_by=("worker",))
    """Id of the App's installation; empty means a lookup for each repository.
    The number at the end of the installation's URL."""

    reviewer_token: SecretStr = setting("GITHUB_REVIEWER_TOKEN", "", seen_by=("worker",))
    """Token of a second account, with pull requests: write, that reviews for people who approve on the ticket.
    The account that opens a pull request cannot approve it; without a second one, /approve writes a comment."""
    reviewer_app_id: AppId = setting("GITHUB_REVIEWER_APP_ID", "", seen_by=("worker",))
    """Id of a second GitHub App that reviews in place of GITHUB_REVIEWER_TOKEN."""
    reviewer_app_private_key_file: OptionalFile = setting(
        "GITHUB_REVIEWER_APP_PRIVATE_KEY_FILE", "", seen_by=("worker",)
    )
    """Path of the second App's private key in PEM format."""

    webhook_secrets: Secrets = setting("GITHUB_WEBHOOK_SECRETS", "", seen_by=("web",), usual=True)
    """Secrets of GitHub's webhook, comma separated.
    Several, for rotation without downtime; each has at least 12 characters."""

    merge_method: Literal["merge", "squash", "rebase"] = setting("GITHUB_MERGE_METHOD", "squash")
    """How pull requests are merged: merge, squash or rebase.
    Squash, because an agent's intermediate commits are drafts."""

    def missing_credentials(self) -> Iterator[str]:
        """A token or an App with a key that can be used, not both; the same for the reviewer, which is optional."""
        yield from self._find_reviewer_problems()
        app = (self.app_id, self.app_private_key_file)
        if self.app_installation_id and not any(app):
            yield "GITHUB_APP_INSTALLATION_ID needs GITHUB_APP_ID and GITHUB_APP_PRIVATE_KEY_FILE; set both."
        elif any(app) and not all(app):
            yield "GITHUB_APP_ID and GITHUB_APP_PRIVATE_KEY_FILE belong together; one of them is empty."
        elif any(app) and self.token.get_secret_value():
            yield "GITHUB_TOKEN and a GitHub App are both set; keep one of them."
        elif not any(app) and not self.token.get_secret_value():
            yield "GITHUB_TOKEN is empty and no GitHub App is set; set one of them to push and open pull requests."
        elif self.app_private_key_file and not _has_rsa_key(self.app_private_key_file):
            yield (
                "GITHUB_APP_PRIVATE_KEY_FILE is the path of a file that has no RSA private key in PEM format; download "
                "one from the App's page."
            )

    def _find_reviewer_problems(self) -> Iterator[str]:
        token, app = self.reviewer_token.get_secret_value(), (self.reviewer_app_id, self.reviewer_app_private_key_file)
        if any(app) and not all(app):
            yield (
                "GITHUB_REVIEWER_APP_ID and GITHUB_REVIEWER_APP_PRIVATE_KEY_FILE belong together; one of them is empty."
            )
        elif any(app) and token:
            yield "GITHUB_REVIEWER_TOKEN and a reviewer App are both set; keep one of them."
        elif token and token == self.token.get_secret_value():
            yield "GITHUB_REVIEWER_TOKEN is that of GITHUB_TOKEN; use one of another account."
        elif self.reviewer_app_id and self.reviewer_app_id == self.app_id:
            yield "GITHUB_REVIEWER_APP_ID is that of GITHUB_APP_ID; use another App."
        elif self.reviewer_app_private_key_file and not _has_rsa_key(self.reviewer_app_private_key_file):
            yield (
                "GITHUB_REVIEWER_APP_PRIVATE_KEY_FILE is the path of a file that has no RSA private key in PEM format; "
                "download one from the App's page."
            )


def _has_rsa_key(file: Path) -> bool:
    """Whether the file has an RSA key. True also for a file that cannot be read, which the check of files reports."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        if not file.is_file():
            return True  # a pipe would block
        with file.open("rb") as opened:
            content = opened.read(LARGEST_KEY)
        return not content or isinstance(load_pem_private_key(content, password=None), RSAPrivateKey)
    except OSError:
        return True
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return False


def _build(settings: GitHubSettings) -> CodeHost:
    """Raises `Unauthorized` for a key file that cannot be read."""
    from integrations.code_hosts.github.code_host import GitHub

    app = _read_app(settings)
    token = "" if app else settings.token.get_secret_value()
    reviewer = _build_reviewer(settings)
    return GitHub(settings.api_url, token, app, merge_method=settings.merge_method, reviewer=reviewer)


def _build_reviewer(settings: GitHubSettings) -> Credentials | None:
    """The second identity, None without one. Raises `Unauthorized` for a key file that cannot be read."""
    from integrations.code_hosts.github.app import AppCredentials, InstallationTokens, PersonalToken

    if settings.reviewer_app_id and settings.reviewer_app_private_key_file:
        name = "GITHUB_REVIEWER_APP_PRIVATE_KEY_FILE"
        key = _read_key(name, settings.reviewer_app_private_key_file)
        names = f"GITHUB_REVIEWER_APP_ID and {name}"
        return InstallationTokens(settings.api_url, AppCredentials(settings.reviewer_app_id, key, settings=names))
    token = settings.reviewer_token.get_secret_value()
    return PersonalToken(token, "GITHUB_REVIEWER_TOKEN") if token else None


def _read_app(settings: GitHubSettings) -> AppCredentials | None:
    """The App; None with a token. Raises `Unauthorized` for a key file that cannot be read."""
    from integrations.code_hosts.github.app import AppCredentials

    if not settings.app_id or not settings.app_private_key_file:
        return None
    key = _read_key("GITHUB_APP_PRIVATE_KEY_FILE", settings.app_private_key_file)
    installation = int(settings.app_installation_id) if settings.app_installation_id else None
    return AppCredentials(settings.app_id, key, installation)


def _read_key(variable: str, file: Path) -> str:
    try:
        return file.read_text(encoding="ascii")
    except (OSError, ValueError) as error:
        raise Unauthorized(f"{variable} cannot be read: {type(error).__name__}") from error


def _set_up(settings: GitHubSettings) -> CodeHostSetup:
    """Raises `Unauthorized` for a key file that cannot be read."""
    from integrations.code_hosts.github.setup import GitHubSetup

    token, app = settings.token.get_secret_value(), _read_app(settings)
    reviewer = _build_reviewer(settings)
    return GitHubSetup(settings.api_url, "" if app else token, app, settings.merge_method, reviewer)


def _build_registration(settings: GitHubSettings) -> AppRegistration:
    from integrations.code_hosts.github.setup import GitHubRegistration

    return GitHubRegistration(settings.api_url)


GITHUB = CodeHostProvider(
    name="github",
    settings=GitHubSettings,
    shares_prefix=True,  # GitHub Actions sets many GITHUB_ variables
    build=_build,
    form=FORM,
    set_up=_set_up,
    registration=_build_registration,
    # GitHub documents 25 MB as the limit of its payloads.
    webhooks=Webhooks(
        GitHubWebhooks(),
        "GITHUB_WEBHOOK_SECRETS",
        largest_body=25 * MEBIBYTE,
        access_events=frozenset({"installation", "installation_repositories"}),
    ),
)
