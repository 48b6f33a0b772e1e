"""The order of the set-up. Each answer is kept in `.env` at once, so that a second start asks only for the rest."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from integrations.errors import IntegrationError, Unauthorized
from integrations.ports.provider import CodeHostProvider, Provider, RunnerProvider, TrackerProvider
from integrations.ports.setup import CodeHostSetup, CreatedApp, TrackerSetup
from integrations.registry import default_name, find_provider
from jobs.config.env_file import read_env_file
from jobs.config.field_types import Columns
from jobs.config.settings import list_fields
from jobs.effects.perform import NEEDS_HUMAN_LABEL
from jobs.loop.policy import FILE, inspect_policy
from service.init.app_page import register_app
from service.init.dialog import TRIES, Aborted, Dialog
from service.init.proposal import READ, Proposal, explain, propose, render
from service.init.reach import advise, find_reach_problem, parse_public_url
from service.init.settings_file import write_private, write_settings
from service.init.trial import try_policy

C = TypeVar("C", TrackerSetup, CodeHostSetup)
BRANCH = "loopline-workflow"
APP = "app"
DEFAULT_BIND = "127.0.0.1:8700"


@dataclass(frozen=True)
class Options:
    """Answers given in advance, by the options of the command; empty ones are asked for."""

    public_url: str = ""
    team: str = ""
    repository: str = ""
    changes: bool = True
    """False: nothing is created at the providers."""


@dataclass
class Setup:
    """The state of one set-up: the settings so far (environment over file), and where they are written."""

    file: Path
    environ: dict[str, str]
    dialog: Dialog
    options: Options
    public_url: str = ""
    columns: Columns = field(default_factory=Columns)

    def keep(self, values: Mapping[str, str]) -> None:
        """Write the variables that the file does not set yet."""
        known = read_env_file(self.file) if self.file.exists() else {}
        if new := {name: value for name, value in values.items() if value and not known.get(name)}:
            try:
                write_settings(self.file, new)
            except ValueError as error:
                raise Aborted(f"one of {', '.join(new)} cannot be written to {self.file}: {error}") from None
            self.environ |= {name: value for name, value in new.items() if not self.environ.get(name)}


def run_setup(setup: Setup) -> None:
    """Ask and act until `.env` is complete. Raises `Aborted`, `IntegrationError` and `OSError`."""
    tracker = find_provider(TrackerProvider, setup.environ.get("LOOPLINE_TRACKER") or default_name(TrackerProvider))
    host = find_provider(CodeHostProvider, setup.environ.get("LOOPLINE_CODE_HOST") or default_name(CodeHostProvider))
    runner = find_provider(RunnerProvider, setup.environ.get("LOOPLINE_RUNNER") or default_name(RunnerProvider))
    setup.dialog.show(f"Settings are kept in {setup.file}; Ctrl-C interrupts, and a second start continues.")
    setup.keep({name: setup.environ.get(name, "") for name in list_fields()})  # of a caller's environment
    _ask_public_url(setup, tracker, host)
    board = _sign_in_tracker(setup, tracker)
    team = _choose_team(setup, board)
    _prepare_team(setup, board, team, tracker)
    code_host = _sign_in_code_host(setup, host)
    repository = _choose_repository(setup, code_host)
    proposal = _prepare_repository(setup, code_host, repository, host)
    _ask_credential(setup, runner)
    _keep_team(setup, team, repository)
    if proposal:
        _propose_policy(setup, code_host, repository, proposal)


def _ask_public_url(setup: Setup, *providers: Provider[Any, Any]) -> None:
    """The address at which the providers reach the web process; needed until both webhooks exist."""
    secrets_of = [provider.webhooks.secrets for provider in providers if provider.webhooks]
    if all(setup.environ.get(name) for name in secrets_of) and not setup.options.public_url:
        return
    bind = setup.environ.get("LOOPLINE_WEB_BIND") or DEFAULT_BIND
    if not setup.options.public_url:
        setup.dialog.show("", "Webhooks need a public address of this service.", *advise(bind))
    given = setup.options.public_url
    setup.public_url = (
        _parse_option("--public-url", parse_public_url, given)
        if given
        else setup.dialog.ask("Public URL", parse_public_url, missing="give --public-url https://<your host>")
    )
    if problem := find_reach_problem(setup.public_url, bind):
        setup.dialog.show(f"! {problem}: webhooks will not arrive before it leads to {bind}. The set-up goes on.")
    else:
        setup.dialog.show(f"✓ {setup.public_url} leads to {bind}")


def _parse_option(name: str, parse: Any, value: str) -> str:
    try:
        return str(parse(value))
    except ValueError as error:
        raise Aborted(f"{name} cannot be used: {error}") from None


def _sign_in_tracker(setup: Setup, provider: TrackerProvider[Any]) -> TrackerSetup:
    if provider.set_up is None:
        raise Aborted(f"the tracker {provider.name} has no guided set-up; see its documentation")
    return _sign_in(setup, provider, provider.set_up)


def _sign_in_code_host(setup: Setup, provider: CodeHostProvider[Any]) -> CodeHostSetup:
    if provider.set_up is None:
        raise Aborted(f"the code host {provider.name} has no guided set-up; see its documentation")
    return _sign_in(setup, provider, provider.set_up)


def _sign_in(setup: Setup, provider: Provider[Any, Any], build: Callable[[Any], C]) -> C:
    """Ask for the credential until the provider accepts it."""
    for _ in range(TRIES):
        given = _ask_credential(setup, provider, keep=False)
        try:
            client = build(_settings_of({**setup.environ, **given}, provider))
            setup.dialog.show(f"✓ {provider.name}: signed in as {client.describe_account()}")
        except Unauthorized as error:
            if not given or not setup.dialog.is_interactive:
                raise
            setup.dialog.show(f"  {error}.")
            continue
        setup.keep(given)
        return client
    raise Aborted(f"{provider.name} refused the credential {TRIES} times")


def _settings_of(environ: Mapping[str, str], provider: Provider[Any, Any]) -> Any:
    try:
        return provider.settings.from_variables(environ)
    except ValidationError as error:
        names = ", ".join(str(one["loc"][0]) for one in error.errors(include_input=False))
        raise Aborted(f"{names} cannot be used; run loopline doctor, and correct it") from None


def _ask_credential(setup: Setup, provider: Provider[Any, Any], *, keep: bool = True) -> Mapping[str, str]:
    """The variables of the credential, empty when the settings have it. The answer 'app' creates an app instead."""
    missing = list(_settings_of(setup.environ, provider).missing_credentials())
    if not missing or provider.form is None:
        return {}
    form = provider.form
    setup.dialog.show("", f"Where to get it: {form.where}.")

    def parse(answer: str) -> Mapping[str, str]:
        if answer == APP and isinstance(provider, CodeHostProvider) and provider.registration:
            return {}
        return form.parse(answer)

    given = setup.dialog.ask(form.question, parse, secret=True, missing=missing[0].removesuffix("."))
    if not given and isinstance(provider, CodeHostProvider) and provider.registration:
        return _register(setup, provider)
    if keep:
        setup.keep(given)
    return given


def _register(setup: Setup, provider: CodeHostProvider[Any]) -> Mapping[str, str]:
    """Create an app by manifest and keep its key in a file beside the settings."""
    if not setup.public_url:
        raise Aborted("a new app needs the public URL; start with --public-url https://<your host>")
    assert provider.registration
    registration = provider.registration(_settings_of(setup.environ, provider))
    created: CreatedApp = register_app(registration, setup.public_url, setup.dialog)
    file = setup.file.resolve().parent / f"{provider.name}-app.pem"
    write_private(file, created.key)
    setup.keep({**created.variables, created.key_variable: str(file)})
    setup.dialog.show(f"The app was created, and its key is in {file}.")
    setup.dialog.ask(f"Install it at {created.install_url}, then press Enter", str, default=" ")
    return {}


def _choose_team(setup: Setup, board: TrackerSetup) -> str:
    teams = {f"{team.key} {team.name}": team.key for team in board.list_teams()}
    known = list(_read_teams(setup))
    wanted = setup.options.team or (known[0] if known else "")
    if wanted:
        if wanted not in teams.values():
            raise Aborted(f"there is no team {wanted}; this account sees {', '.join(teams.values()) or 'none'}")
        return wanted
    if not teams:
        raise Aborted("this account sees no team; add it to one")
    setup.dialog.show("")
    return teams[setup.dialog.choose("Team", list(teams), missing=f"give --team, one of {', '.join(teams.values())}")]


def _prepare_team(setup: Setup, board: TrackerSetup, team: str, provider: TrackerProvider[Any]) -> None:
    """Create what the team lacks, after one question."""
    present = {name.casefold() for name in board.list_columns(team)}
    try:
        setup.columns = Columns(**_read_teams(setup).get(team, {}).get("columns", {}))
    except (ValueError, TypeError):
        raise Aborted(f"LOOPLINE_TEAMS, columns of the team {team}: they cannot be used; run loopline doctor") from None
    columns = {role: name for role, name in setup.columns.roles().items() if name.casefold() not in present}
    needs_label = not board.has_label(team, NEEDS_HUMAN_LABEL)
    variable, hook = _webhook(setup, provider)
    wanted = [f"the column {name}" for name in columns.values()]
    wanted += [f"the label {NEEDS_HUMAN_LABEL}"] * needs_label + [f"a webhook to {hook}"] * bool(hook)
    if not wanted or not _may_change(setup, f"Create in the team {team}: {', '.join(wanted)}?"):
        return
    for role, name in columns.items():
        board.create_column(team, role, name)
        setup.dialog.show(f"✓ column {name}")
    if needs_label:
        board.create_label(team, NEEDS_HUMAN_LABEL)
        setup.dialog.show(f"✓ label {NEEDS_HUMAN_LABEL}")
    if hook:
        setup.keep({variable: board.ensure_webhook(team, hook, secrets.token_hex(24))})
        setup.dialog.show(f"✓ webhook to {hook}")


def _webhook(setup: Setup, provider: Provider[Any, Any]) -> tuple[str, str]:
    """The variable of the signing secret and the URL; no URL when the secret is there already."""
    if provider.webhooks is None or not setup.public_url:
        return "", ""
    variable = provider.webhooks.secrets
    return variable, "" if setup.environ.get(variable) else f"{setup.public_url}/webhooks/{provider.name}"


def _may_change(setup: Setup, question: str) -> bool:
    if not setup.options.changes:
        setup.dialog.show(f"! left to you: {question.removesuffix('?')}")
        return False
    setup.dialog.show("")
    return setup.dialog.confirm(question)


def _choose_repository(setup: Setup, host: CodeHostSetup) -> str:
    known = [team["repository"] for team in _read_teams(setup).values() if "repository" in team]
    if wanted := setup.options.repository or (known[0] if known else ""):
        return str(wanted)
    found = list(host.list_repositories())
    if not found:
        raise Aborted("this credential can write to no repository; grant it one")
    setup.dialog.show("")
    return setup.dialog.choose("Repository", found, missing=f"give --repository, such as {found[0]}")


def _prepare_repository(
    setup: Setup, host: CodeHostSetup, repository: str, provider: CodeHostProvider[Any]
) -> Proposal | None:
    """Create the webhook, after one question; returns the WORKFLOW.md to propose."""
    variable, hook = _webhook(setup, provider)
    proposal, wanted = None, [f"a webhook to {hook}"] * bool(hook)
    if host.read_file(repository, FILE) is None:
        paths = host.list_files(repository)
        texts = {name: content for name in READ if name in paths and (content := host.read_file(repository, name))}
        proposal = propose(paths, texts)
        setup.dialog.show("", f"{repository} has no {FILE}. Proposal:", "", render(proposal))
        wanted.append(f"a pull request that adds {FILE}")
    if not wanted or not _may_change(setup, f"Create in {repository}: {' and '.join(wanted)}?"):
        return None
    if hook:
        secret = secrets.token_hex(24)
        created = host.ensure_webhook(repository, hook, secret)
        if created:
            setup.keep({variable: secret})
            setup.dialog.show(f"✓ webhook to {hook}")
        elif not setup.environ.get(variable):
            setup.dialog.show(f"! there is a webhook to {hook} already: set its secret in {variable}")
    return proposal


def _propose_policy(setup: Setup, host: CodeHostSetup, repository: str, proposal: Proposal) -> None:
    """Open the pull request with the checks that pass on the default branch."""
    policy = inspect_policy(render(proposal)).policy
    assert policy, "a proposal can be used"
    setup.dialog.show("", f"Trying {FILE} on {repository}; this can take some minutes.")
    trial = try_policy(setup.environ, repository, policy, setup.dialog.show)
    if trial.problem:
        setup.dialog.show(f"! not tried: {trial.problem}")
    chosen = replace(proposal, checks={n: run for n, run in proposal.checks.items() if n not in trial.failed})
    body = explain(proposal, trial.place, trial.failed, trial.problem)
    url = host.propose_file(repository, BRANCH, FILE, render(chosen), f"Add {FILE} for Loopline", body)
    setup.dialog.show(f"✓ pull request {url}: merge it before the first ticket")


def _read_teams(setup: Setup) -> dict[str, Any]:
    """LOOPLINE_TEAMS as it is set already."""
    try:
        teams = json.loads(setup.environ.get("LOOPLINE_TEAMS") or "{}")
        if isinstance(teams, dict) and all(isinstance(team, dict) for team in teams.values()):
            return teams
    except ValueError:
        pass
    raise Aborted(f"LOOPLINE_TEAMS cannot be used; correct it or remove it from {setup.file}")


def _keep_team(setup: Setup, team: str, repository: str) -> None:
    setup.keep({"LOOPLINE_TEAMS": json.dumps({team: {"repository": repository}})})


def describe_error(error: Exception) -> str:
    """One sentence for an error that ends the set-up."""
    message = str(error) if isinstance(error, Aborted | IntegrationError) else f"cannot read or write ({error})"
    return f"{message[:1].upper()}{message[1:].removesuffix('.')}. A further loopline init continues here."
