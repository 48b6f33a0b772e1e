"""Probes `WORKFLOW.md` on the default branch of each repository, with the names that it needs from the operator. Pure
but for the read of the file."""

from __future__ import annotations

from collections.abc import Iterator

from integrations.egress.hosts import matches
from integrations.egress.policy import REGISTRIES, expand_hosts
from integrations.errors import IntegrationError
from integrations.ports.setup import CodeHostSetup, Finding, found_ok, found_problem, found_warning
from jobs.config.settings import Settings
from jobs.loop.limit_bounds import LimitBounds, check_limits
from jobs.loop.policy import FILE, PolicyError, RepositoryPolicy, check_runners, inspect_policy


def probe_workflow(repository: str, host: CodeHostSetup, settings: Settings) -> Iterator[Finding]:
    """Whether the file exists, can be used, and names only images, secrets, hosts and runners that there are."""
    subject = f"{FILE} of {repository}"
    try:
        text = host.read_file(repository, FILE)
    except IntegrationError as error:
        yield found_warning(subject, f"cannot be read ({error})")
        return
    if text is None:
        fix = "run loopline init, which proposes one, or add one as infra/docs/workflow.md describes"
        yield found_problem(subject, "there is none on the default branch", fix)
        return
    yield from inspect_workflow(subject, repository, text, settings)


def inspect_workflow(subject: str, repository: str, text: str, settings: Settings) -> Iterator[Finding]:
    """The findings about the text of one file."""
    found = inspect_policy(text)
    if found.policy is None:
        for problem in found.problems:
            yield found_problem(
                subject, problem, "correct it on the default branch; loopline workflow check finds it, too"
            )
        return
    findings = [
        *_check_bounds(subject, found.policy, settings),
        *_check_names(subject, repository, found.policy, settings),
    ]
    findings += [found_warning(subject, note) for note in found.policy.notes]
    if not found.policy.loop.checks:
        text = "has no loop.checks, so each ticket waits for an answer to its acceptance criteria"
        findings.append(found_warning(subject, text, "add the commands that must pass"))
    if not any(finding.level == "problem" for finding in findings):
        names = ", ".join(check.name for check in found.policy.loop.checks) or "none"
        yield found_ok(subject, f"can be used; checks: {names}")
    yield from findings


def _check_bounds(subject: str, policy: RepositoryPolicy, settings: Settings) -> Iterator[Finding]:
    most = (settings.max_command_minutes, settings.max_output_megabytes)
    bounds = LimitBounds(*most, settings.max_change_files, settings.max_change_megabytes)
    try:
        check_runners(policy, settings.runner_names(), "it")
        check_limits(policy, bounds, "it")
    except PolicyError as error:
        yield found_problem(subject, str(error).removesuffix("."))


def _check_names(subject: str, repository: str, policy: RepositoryPolicy, settings: Settings) -> Iterator[Finding]:
    """Names that the operator has to offer."""
    environment = policy.loop.environment
    if environment.image and environment.image not in settings.images:
        offered = ", ".join(settings.images) or "none"
        fix = f"add the image to LOOPLINE_IMAGES; offered: {offered}"
        yield found_problem(subject, f"loop.environment.image is {environment.image!r}, which is not offered", fix)
    offered_secrets = {name.rpartition(":")[2] for name in settings.setup_secrets if _is_for(name, repository)}
    if missing := [name for name in environment.secrets if name not in offered_secrets]:
        text = f"loop.environment.secrets names {', '.join(missing)}, which LOOPLINE_SETUP_SECRETS does not have"
        yield found_problem(subject, text, "add the secret there, or remove the name")
    if REGISTRIES in environment.network and not settings.registries and policy.setup_commands():
        text = "setup needs package registries, and LOOPLINE_REGISTRIES is empty"
        yield found_warning(subject, text, "loopline registries prints those of this machine")
    allowed = expand_hosts(tuple(x for x in settings.agent_network if not x.startswith("*.")), settings.registries)
    patterns = (*allowed, *(x for x in settings.agent_network if x.startswith("*.")))
    hosts = expand_hosts(policy.loop.network, settings.registries)
    if denied := [host for host in hosts if host not in allowed and not matches(host, patterns)]:
        text = f"loop.network names {', '.join(denied)}, which LOOPLINE_AGENT_NETWORK does not allow"
        yield found_problem(subject, text, "add the hosts there, or remove them")


def _is_for(secret: str, repository: str) -> bool:
    """Whether a name of LOOPLINE_SETUP_SECRETS, as 'acme/shop:TOKEN' or 'TOKEN', holds for the repository."""
    owner, separator, _ = secret.rpartition(":")
    return not separator or owner.lower() == repository.lower()
