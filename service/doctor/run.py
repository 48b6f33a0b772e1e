"""Runs the probes in order and prints each finding as it comes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TextIO

from integrations.errors import IntegrationError
from integrations.outbound import get_outbound
from integrations.ports.setup import Finding, found_problem
from jobs.config.environment import configure_clients, find_problems, find_warnings, load
from jobs.config.settings import Settings
from jobs.runtime import logging
from service.doctor import probes
from service.doctor.connectors import probe_connectors
from service.doctor.notifications import probe_notifications
from service.doctor.report import find_exit_code, render_json, render_line, render_summary
from service.doctor.workflows import probe_workflow

Probe = Callable[[], Iterable[Finding]]


def run_doctor(
    environ: Mapping[str, str],
    env_file: Path | None,
    out: TextIO,
    *,
    as_json: bool = False,
    strict: bool = False,
    notify: bool = False,
) -> int:
    """Print one line per finding and a summary, or JSON; returns 0 or 1. Settings that cannot be used end with 2, as in
    every command. `notify` sends a test to each notification target."""
    if as_json and (sentences := find_problems("up", environ)):
        out.write(f"{render_json([found_problem('Settings', sentence) for sentence in sentences])}\n")
        return 2
    settings = load("up", environ)
    configure_clients(settings, environ)
    secrets = settings.secret_values() | get_outbound().secret_values()
    logging.configure("doctor", secrets, None)
    findings = []
    for finding in diagnose(settings, find_warnings(settings, env_file), notify=notify):
        findings.append(_hide(finding, secrets))
        if not as_json:
            out.write(f"{render_line(findings[-1])}\n")
            out.flush()
    out.write(f"{render_json(findings) if as_json else render_summary(findings)}\n")
    return find_exit_code(findings, strict=strict)


def diagnose(settings: Settings, warnings: Iterable[str] = (), *, notify: bool = False) -> Iterator[Finding]:
    """Run all probes."""
    for subject, probe in list_probes(settings, warnings, notify=notify).items():
        yield from run_probe(subject, probe)


def list_probes(settings: Settings, warnings: Iterable[str] = (), *, notify: bool = False) -> dict[str, Probe]:
    """The probes in their order. The providers' come before the clock, which their responses are compared with."""
    return {
        "Settings": partial(probes.probe_settings, settings, warnings),
        "Disk": partial(probes.probe_disk, settings),
        "Redis": partial(probes.probe_redis, settings),
        "Sandbox": partial(probes.probe_sandbox, settings),
        "Tracker": partial(probes.probe_tracker, settings),
        "Code host": partial(probes.probe_code_host, settings),
        "WORKFLOW.md": partial(_probe_workflows, settings),
        "Model": partial(probes.probe_models, settings),
        "Clock": partial(probes.probe_clocks, settings),
        "Environments": partial(probes.probe_environments, settings),
        "Connectors": partial(probe_connectors, settings),
        "Notifications": partial(probe_notifications, settings, send_test=notify),
        "Dashboard": partial(probes.probe_dashboard, settings),
        "Addresses": partial(probes.probe_addresses, settings),
    }


def run_probe(subject: str, probe: Probe) -> Iterator[Finding]:
    """The findings of one probe; an error that it did not expect is one more, so that the others still run."""
    try:
        yield from probe()
    except (IntegrationError, OSError) as error:
        yield found_problem(subject, str(error).removesuffix("."))
    except Exception as error:  # noqa: BLE001 - the report is for people, who cannot read a traceback
        yield found_problem(subject, f"this check failed ({type(error).__name__}: {error})", "report it as a defect")


def _probe_workflows(settings: Settings) -> Iterator[Finding]:
    if host := probes.build_code_host_setup(settings):
        for repository in probes.list_repositories(settings):
            yield from probe_workflow(repository, host, settings)


def _hide(finding: Finding, secrets: Iterable[str]) -> Finding:
    """The finding without a secret that a provider repeated."""
    parts = [finding.text, finding.fix]
    for secret in secrets:
        parts = [part.replace(secret, "[secret]") for part in parts]
    return Finding(finding.level, finding.subject, *parts)
