"""Findings of a run against the known ones: identity, duplicates, rejections, limits, groups."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from integrations.findings import Match, ProposedFinding, SourceItem
from integrations.proposals import ProposedCriterion
from integrations.values import Identifier, Ticket, TicketId, TicketRef
from jobs.loop.automation import AutomationLimits, StartRule
from jobs.loop.automation_state import FindingStatus, KnownFinding
from jobs.loop.derived_ids import finding_ticket_id
from jobs.workflow.automations.findings import (
    MOST_PAIRS,
    RECENT_SECONDS,
    FilingPlan,
    build_known,
    can_start_itself,
    find_resembling,
    identify_finding,
    must_ask,
    plan_filing,
    read_status,
)

DAY = 86_400.0
CHECK = SourceItem(key="check:ci/test/Run tests", kind="check", title="Run tests", signature="s1")
LINT = SourceItem(key="check:ci/lint/ruff", kind="check", title="ruff", signature="s1")
ISSUE = SourceItem(key="issue:acme/shop#7", kind="issue", title="Tests fail", signature="s1")
COMMIT = SourceItem(key="commit:abc", kind="commit", title="Speed up", signature="abc")


def finding(*cited: SourceItem, title: str = "Rounding is wrong", **fields: Any) -> ProposedFinding:
    """A finding that cites these items."""
    fingerprint, evidence = identify_finding(cited)
    items = tuple(item.key for item in cited)
    given = {"title": title, "body": title, "items": items, "fingerprint": fingerprint, "evidence": evidence} | fields
    return ProposedFinding(**given)


def known(one: ProposedFinding, status: FindingStatus = "open", number: int = 1, **fields: Any) -> KnownFinding:
    """The finding after a morning, with its ticket."""
    plan = plan_filing([one], [], AutomationLimits(), "ci-triage", "acme/shop", 1.0)
    ref = TicketRef(id=TicketId(f"t{number}"), identifier=Identifier(f"ENG-{number}"))
    return replace(build_known(plan.filings[0], "ci-triage", 1.0), ticket=ref, status=status, **fields)


def plan(*found: ProposedFinding, known: list[KnownFinding] | None = None, **fields: Any) -> FilingPlan:
    given: dict[str, Any] = {
        "limits": AutomationLimits(),
        "automation": "ci-triage",
        "repository": "acme/shop",
        "at": 5 * DAY,
    } | fields
    return plan_filing(found, known or [], **given)


def titles(one: FilingPlan) -> list[str]:
    return [filing.finding.title for filing in one.filings]


def test_finding_of_the_same_failure_in_other_words_is_filed_once_in_ten_mornings() -> None:
    state: dict[str, KnownFinding] = {}
    filed = 0
    for morning in range(10):
        cited = (CHECK, replace(COMMIT, key=f"commit:{morning}", signature=f"{morning}"))
        one = finding(
            *(cited if morning % 2 else reversed(cited)), title=f"Wording number {morning}", body=f"{morning}"
        )
        result = plan(one, known=list(state.values()), at=morning * DAY)
        filed += len(result.filings)
        state |= {f.finding.fingerprint: build_known(f, "ci-triage", morning * DAY) for f in result.filings}
        state |= {note.known.fingerprint: note.known for note in result.notes}

    assert (filed, len(state)) == (1, 1)
    assert next(iter(state.values())).seen == 10


@pytest.mark.parametrize("status", ["open", "accepted"])
def test_finding_with_an_open_ticket_is_noted(status: FindingStatus) -> None:
    result = plan(finding(CHECK, title="Other words"), known=[known(finding(CHECK), status)])

    assert (titles(result), result.duplicates) == ([], 1)
    assert (result.notes[0].known.seen, result.notes[0].known.last_at) == (2, 5 * DAY)


def test_rejected_finding_is_dropped_while_its_evidence_is_the_same() -> None:
    rejected = known(finding(CHECK), "rejected", reason="we know")

    result = plan(finding(CHECK, COMMIT, LINT, title="Again"), known=[rejected])

    assert (titles(result), [one.title for one in result.rejected]) == ([], ["Again"])


def test_rejected_finding_with_other_evidence_is_filed_again_with_a_reference() -> None:
    rejected = known(finding(CHECK), "rejected")

    result = plan(finding(replace(CHECK, signature="s2")), known=[rejected])

    filing = result.filings[0]
    assert (filing.previous, filing.returns, filing.reopened) == (rejected.ticket, "rejected", 1)


def test_finding_that_is_done_and_comes_back_is_a_new_ticket_with_a_reference() -> None:
    done = known(finding(CHECK), "done", decided_at=5 * DAY - RECENT_SECONDS, reopened=2)

    filing = plan(finding(CHECK), known=[done]).filings[0]

    assert (filing.previous, filing.returns, filing.reopened) == (done.ticket, "done", 3)
    assert build_known(filing, "ci-triage", 1.0).reopened == 3


def test_finding_that_was_done_just_now_is_noted() -> None:
    assert plan(finding(CHECK), known=[known(finding(CHECK), "done", decided_at=5 * DAY - 60)]).duplicates == 1


def test_finding_with_some_items_of_a_known_one_is_the_same() -> None:
    both = known(finding(CHECK, LINT))

    assert plan(finding(LINT), known=[both]).duplicates == 1
    assert plan(finding(CHECK), known=[both]).duplicates == 1


def test_finding_noted_with_more_items_is_known_by_each_of_them() -> None:
    noted = plan(finding(CHECK, ISSUE), known=[known(finding(CHECK))]).notes[0].known

    assert plan(finding(ISSUE), known=[noted]).duplicates == 1


def test_findings_with_the_same_item_in_one_run_are_filed_as_one_with_both_texts() -> None:
    one = finding(CHECK, title="First", criteria=(ProposedCriterion(text="a is right", command="make a"),))
    other = finding(CHECK, title="Second", severity="urgent")

    result = plan(one, other)

    assert (titles(result), result.merged) == (["First"], 1)
    assert result.filings[0].finding.severity == "urgent" and "Second" in result.filings[0].finding.body


def test_matcher_decides_about_findings_that_resemble_each_other() -> None:
    open_one = known(finding(CHECK, title="The rounding of cents is wrong"))
    found = finding(ISSUE, title="Wrong rounding of cents in invoices")
    same = Match(fingerprint=found.fingerprint, known=open_one.fingerprint)

    assert [pair.known for pair in find_resembling([found], [open_one])] == [open_one.fingerprint]
    assert plan(found, known=[open_one]).duplicates == 0
    assert plan(found, known=[open_one], matches=[same]).duplicates == 1
    related = plan(found, known=[open_one], matches=[replace(same, relation="related")]).filings[0]
    assert related.related == (open_one.ticket,)


def test_finding_whose_text_describes_a_known_title_is_compared() -> None:
    open_one = known(finding(CHECK, title="The split of a bill loses a cent"))
    found = finding(ISSUE, title="Invoices do not add up", body="A split bill is one cent short since May.")

    assert [pair.known for pair in find_resembling([found], [open_one])] == [open_one.fingerprint]


def test_matcher_merges_findings_of_one_run() -> None:
    one, other = finding(CHECK, title="Rounding of cents"), finding(ISSUE, title="Rounding of cents is off")
    third = finding(LINT, title="Rounding of cents again")
    matches = [
        Match(fingerprint=other.fingerprint, known=one.fingerprint),
        Match(fingerprint=third.fingerprint, known=other.fingerprint),
    ]

    result = plan(one, other, third, matches=matches)

    assert (titles(result), result.merged) == (["Rounding of cents"], 2)
    assert result.filings[0].finding.items == (CHECK.key, ISSUE.key, LINT.key)


def test_finding_that_is_the_same_as_a_known_one_and_as_a_new_one_makes_both_known() -> None:
    open_one = known(finding(CHECK, title="Rounding of cents"))
    one, other = finding(LINT, title="Rounding of cents is off"), finding(ISSUE, title="Rounding of cents again")
    to_known = Match(fingerprint=other.fingerprint, known=open_one.fingerprint)
    to_new = Match(fingerprint=other.fingerprint, known=one.fingerprint)

    for matches in ([to_known, to_new], [to_new, to_known]):
        result = plan(one, other, known=[open_one], matches=matches)
        assert (titles(result), result.duplicates) == ([], 2)


def test_related_findings_of_one_run_are_linked_by_the_id_of_the_first_ticket() -> None:
    one, other = finding(CHECK, title="Rounding of cents"), finding(ISSUE, title="Rounding of cents is off")

    result = plan(one, other, matches=[Match(fingerprint=other.fingerprint, known=one.fingerprint, relation="related")])

    assert [ref.id for ref in result.filings[1].related] == [finding_ticket_id("acme/shop", one.fingerprint, 0)]


def test_matcher_cannot_hide_a_finding_behind_one_that_does_not_resemble_it() -> None:
    rejected = known(finding(CHECK), "rejected")
    found = finding(ISSUE, title="Passwords are stored in plain text")

    assert titles(
        plan(found, known=[rejected], matches=[Match(fingerprint=found.fingerprint, known=rejected.fingerprint)])
    )


def test_matcher_cannot_drop_an_urgent_finding_as_rejected() -> None:
    rejected = known(finding(CHECK, title="Rounding of cents"), "rejected")
    found = finding(ISSUE, title="Rounding of cents", severity="urgent")
    match = Match(fingerprint=found.fingerprint, known=rejected.fingerprint)

    assert plan(found, known=[rejected], matches=[match]).filings[0].previous == rejected.ticket
    normal = replace(found, severity="normal")
    assert plan(normal, known=[rejected], matches=[match]).rejected == (normal,)


def numbered(number: int, severity: str = "normal") -> ProposedFinding:
    item = SourceItem(key=f"check:{number}", kind="check", title="c", signature="s")
    return finding(item, title=f"{severity} {chr(97 + number % 26) * 5}{number}", severity=severity)


def test_limits_keep_the_most_severe_findings_and_never_drop_an_urgent_one() -> None:
    found = [numbered(n, severity) for n, severity in enumerate(["low", "normal", "high", "urgent", "urgent", "high"])]

    result = plan(*found, limits=AutomationLimits(findings=3, open_findings=10))

    assert [one.finding.severity for one in result.filings] == ["urgent", "urgent", "high"]
    assert [one.severity for one in result.dropped] == ["high", "normal", "low"]
    none = plan(*found, limits=AutomationLimits(findings=0))
    assert [one.finding.severity for one in none.filings] == ["urgent", "urgent"]


def test_limit_of_open_findings_counts_those_of_the_same_automation_only() -> None:
    mine = [known(numbered(n), number=n) for n in range(3)]
    others = [replace(one, automation="flaky", fingerprint=f"f{n}") for n, one in enumerate(mine)]
    found = [numbered(n) for n in range(10, 14)]

    result = plan(*found, known=[*mine, *others], limits=AutomationLimits(findings=10, open_findings=4))

    assert (len(result.filings), len(result.dropped)) == (1, 3)


def test_five_hundred_findings_are_compared_within_bounds() -> None:
    found = [numbered(n) for n in range(500)]

    assert len(find_resembling([replace(one, title="the same title") for one in found[:60]], [])) == MOST_PAIRS
    assert len(plan(*found).filings) == AutomationLimits().findings


def test_note_is_raised_once_when_an_open_finding_becomes_urgent() -> None:
    first = plan(finding(CHECK, severity="urgent"), known=[known(finding(CHECK))]).notes[0]

    assert first.raised and first.known.severity == "urgent"
    assert not plan(finding(CHECK, severity="urgent"), known=[first.known]).notes[0].raised


@pytest.mark.parametrize(
    ("fields", "role", "status"),
    [
        ({}, "triage", "open"),
        ({"cancelled": True}, None, "rejected"),
        ({"duplicate": True}, None, "rejected"),
        ({"trashed": True}, "triage", "rejected"),
        ({}, "agent", "accepted"),
        ({"column_type": "started"}, None, "accepted"),
        ({}, "done", "done"),
        ({"column_type": "completed"}, None, "done"),
        ({"column_type": "backlog"}, None, "open"),
        ({"column": "Todo", "column_type": "unstarted"}, None, "accepted"),
        ({"column": "Inbox", "column_type": "backlog"}, None, "open"),
        ({"column": "Other inbox"}, "triage", "open"),
    ],
)
def test_status_of_a_finding_is_that_of_its_ticket(fields: dict[str, Any], role: Any, status: str) -> None:
    ticket = Ticket(id=TicketId("t"), identifier=Identifier("E-1"), title="t", **fields)

    assert read_status(ticket, role, "Inbox" if ticket.column else "") == status


def test_finding_made_from_an_issue_never_starts_itself() -> None:
    rule = StartRule(policy="auto", severities=("low",))

    assert can_start_itself(finding(CHECK, COMMIT, severity="low"), rule)
    assert not can_start_itself(finding(CHECK, severity="high"), rule)
    assert not can_start_itself(finding(CHECK, ISSUE, severity="low"), rule)
    assert not can_start_itself(finding(CHECK, severity="low"), replace(rule, policy="ask"))


def test_start_question_is_asked_for_the_severities_of_the_rule() -> None:
    assert must_ask(finding(CHECK), StartRule(policy="ask"))
    assert not must_ask(finding(CHECK), StartRule(policy="ask", severities=("urgent",)))
    assert not must_ask(finding(CHECK), StartRule())
