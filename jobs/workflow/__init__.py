"""The rules of Loopline: every decision about a ticket, and none of the effects.

    event + loop (the stored state) + policy of the service  ->  new loop + commands

Called by `jobs.drive` alone. No clock, no randomness, no network, no provider's vocabulary: a rule that needs the time
takes it from the event.
"""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from integrations import events as e
from integrations.agent_events import PersonAsked, TicketProposed
from integrations.findings import Found, Matched
from integrations.lessons import Learned
from integrations.results import Answered, Checked, Gated, Judged, Made, Planned, Preflighted, Scouted
from integrations.workload_events import LinesCounted, OverlapFound, PathsClaimed, TicketCreated
from jobs.loop.state import Loop, Stage
from jobs.workflow import (
    agreement,
    answers,
    approvals,
    bandwidth,
    calls,
    ci,
    deadlines,
    edits,
    escalation,
    finding_reports,
    foreign,
    hand_over,
    lessons,
    mentions,
    merge_result,
    merging,
    moves,
    overlap,
    parts,
    preflight,
    publish,
    questions,
    reviews,
    run,
    run_results,
    sessions,
    skill_outcomes,
    steering,
    upstream,
)
from jobs.workflow.decision import Decision, ServicePolicy
from jobs.workflow.limits import limit_replies

__all__ = ["Decision", "ServicePolicy", "decide"]


def decide(loop: Loop, event: e.Event, policy: ServicePolicy) -> Decision:
    """The rule for this event, applied. Pure; the commands are performed by `jobs.effects.perform`."""
    loop = foreign.follow_rename(loop, policy)
    decision = merging.release_merge(loop, _apply_rule(loop, event, policy))
    decision = questions.release_run(loop, decision)
    decision = sessions.keep_session(loop, decision)
    if decision.loop.generation > loop.generation:
        by = event.by if isinstance(event, e.TicketMoved) else getattr(event, "author", None)
        decision = replace(decision, loop=approvals.note_requester(decision.loop, by))
    decision = finding_reports.report_finding(loop, decision, event, policy)
    decision = answers.continue_answering(decision, event.at, policy)
    return lessons.learn(loop, skill_outcomes.count_skills(loop, decision, event), event, policy)


def _apply_rule(loop: Loop, event: e.Event, policy: ServicePolicy) -> Decision:
    match event:
        case e.CodeHostEvent():
            return _apply_code_host_rule(loop, event, policy)
        case e.CodeHostResult():
            return _apply_result_rule(loop, event, policy)
        case e.TicketMoved():
            return limit_replies(loop, moves.on_ticket_moved(loop, event, policy), None, event.at)
        case e.TicketEdited():
            return limit_replies(loop, agreement.on_ticket_edited(loop, event, policy), None, event.at)
        case e.TicketRemoved():
            return hand_over.on_ticket_removed(loop, event)
        case e.TicketCommented():
            event = sessions.read_choice(loop, event)
            decision = sessions.on_offer_answered(loop, event, policy)
            decision = decision or finding_reports.on_question_answered(loop, event, policy)
            decision = decision or steering.on_ticket_commented(loop, event, policy)
            return calls.answer_call(loop, event, limit_replies(loop, decision, event.author, event.at))
        case e.TicketDelegated():
            return limit_replies(loop, sessions.on_ticket_delegated(loop, event, policy), event.author, event.at)
        case e.TicketMentioned():
            return limit_replies(loop, sessions.on_ticket_mentioned(loop, event, policy), event.author, event.at)
        case e.TicketUndelegated():
            return sessions.on_ticket_undelegated(loop, event, policy)
        case e.SessionQuiet():
            return sessions.on_session_quiet(loop, event)
        case e.TicketCommentRemoved():
            return edits.on_ticket_comment_removed(loop, event)
        case e.TicketReacted():
            return escalation.on_ticket_reacted(loop, event)
        case e.EscalationUnanswered():
            return escalation.on_escalation_unanswered(loop, event, policy)
        case e.WorkspaceReady() if mentions.awaits_answer(loop):
            return mentions.on_repository_read(loop, event)
        case e.WorkspaceReady():
            return hand_over.on_workspace_ready(loop, event, policy)
        case e.RunFinished():
            return on_run_finished(loop, event, policy)
        case e.RunParked() if answers.is_answer_run(loop, event.run_id):
            return answers.on_answer_parked(loop, event)
        case e.RunParked():
            return run.on_run_parked(loop, event)
        case PersonAsked():
            return questions.on_person_asked(loop, event)
        case TicketProposed():
            return questions.on_ticket_proposed(loop, event)
        case e.SteeringTaken():
            return steering.on_steering_taken(loop, event)
        case e.BranchPublished():
            return publish.on_branch_published(loop, event, policy)
        case e.PullRequestOpened():
            return publish.on_pull_request_opened(loop, event, policy)
        case TicketCreated() | PathsClaimed() | OverlapFound() | LinesCounted():
            return _apply_workload_rule(loop, event, policy)
        case e.TimePassed():
            return deadlines.on_time_passed(loop, event, policy)
        case e.CommandFailed():
            return _on_command_failed(loop, event, policy)
        case _:
            assert_never(event)


def _apply_code_host_rule(loop: Loop, event: e.AnyCodeHostEvent, policy: ServicePolicy) -> Decision:
    match event:
        case e.PullRequestMerged():
            return foreign.on_pull_request_merged(loop, event)
        case e.PullRequestClosed():
            return foreign.on_pull_request_closed(loop, event, policy)
        case e.PullRequestReopened():
            return foreign.on_pull_request_reopened(loop, event)
        case e.PullRequestChanged():
            return limit_replies(loop, foreign.on_pull_request_changed(loop, event), None, event.at)
        case e.RepositoryChanged():
            return foreign.on_repository_changed(loop, event, policy)
        case e.ReviewSubmitted():
            return limit_replies(loop, reviews.on_review_submitted(loop, event, policy), event.author, event.at)
        case e.PullRequestCommented():
            decision = steering.on_pull_request_commented(loop, event, policy)
            return limit_replies(loop, decision, event.author, event.at)
        case e.BranchPushed():
            return limit_replies(loop, foreign.on_branch_pushed(loop, event, policy), None, event.at)
        case e.PullRequestDequeued():
            return merging.on_dequeued(loop, event)
        case e.MergeGroupRequested():
            return merging.on_merge_group_requested(loop, event)
        case e.ChecksReported():
            return ci.on_checks_reported(loop, event, policy)
        case _:
            assert_never(event)


def _apply_result_rule(loop: Loop, event: e.AnyCodeHostResult, policy: ServicePolicy) -> Decision:
    match event:
        case e.BaseMerged() if loop.stage is Stage.MERGING:
            return merge_result.on_base_moved(loop, event, policy)
        case e.BaseMerged():
            return upstream.on_base_merged(loop, event, policy)
        case e.BranchMoved():
            return foreign.on_branch_moved(loop, event, policy)
        case e.MergeHeld():
            return merging.on_merge_held(loop, event)
        case e.MergeWaits():
            return merging.on_merge_waits(loop, event)
        case e.ApprovalPublished():
            return approvals.on_approval_published(loop, event)
        case e.AccountLinked():
            return approvals.on_account_linked(loop, event)
        case e.ChecksRead():
            return ci.on_checks_read(loop, event, policy)
        case e.FailuresRead():
            return ci.on_failures_read(loop, event, policy)
        case e.ChecksRerun():
            return ci.on_checks_rerun(loop, event, policy)
        case _:
            assert_never(event)


def _apply_workload_rule(
    loop: Loop, event: TicketCreated | PathsClaimed | OverlapFound | LinesCounted, policy: ServicePolicy
) -> Decision:
    match event:
        case TicketCreated():
            return parts.on_ticket_created(loop, event, event.at)
        case PathsClaimed():
            return overlap.on_paths_claimed(loop, event, policy)
        case OverlapFound():
            return overlap.on_overlap_found(loop, event)
        case LinesCounted():
            return bandwidth.on_lines_counted(loop, event)
        case _:
            assert_never(event)


def _on_command_failed(loop: Loop, event: e.CommandFailed, policy: ServicePolicy) -> Decision:
    """A command cannot be performed. A read for an answer, or of checks, is only given up."""
    if event.command in {"StartRun", "PrepareWorkspace"} and mentions.awaits_answer(loop):
        return mentions.give_up(loop)
    if event.command == "DraftLesson":
        return Decision(lessons.give_up(loop))
    if event.command == "StartRun" and loop.comments.answering.run_id:
        return answers.on_answer_not_started(loop, event)
    if event.command in {"ReadChecks", "ReadFailures", "RerunChecks"}:
        return ci.on_command_failed(loop, event, policy)
    return limit_replies(loop, publish.on_command_failed(loop, event), None, event.at)


def on_run_finished(loop: Loop, event: e.RunFinished, policy: ServicePolicy) -> Decision:
    """Count the cost of the run. Its result counts only while the loop waits for this run."""
    loop = replace(loop, spend=replace(loop.spend, usage=loop.spend.usage.plus(event.usage)))
    loop = run.keep_checkpoint(run.count_calls(loop, event), event)
    if answers.is_answer_run(loop, event.run_id) and isinstance(event.result, Answered):
        return answers.on_answer_finished(loop, event, event.result, policy)
    if lessons.is_lesson_run(loop, event.run_id) and isinstance(event.result, Learned):
        return lessons.on_lesson_finished(loop, event, event.result)
    if not run.is_current(loop, event.run_id, event.generation):
        return Decision(loop)
    if loop.stage is Stage.MERGING and isinstance(event.result, Gated):
        return merge_result.on_result_gated(loop, event, event.result, policy)
    loop = skill_outcomes.note_skills(loop, event)
    loop = replace(loop, candidate=loop.candidate.add_provenance(event.provenance))
    loop = loop.add_blocked(event.role, event.blocked)
    if event.outcome in run_results.BLOCKED:
        return run_results.on_run_blocked(loop, event)
    if event.outcome == "budget" and event.role != "planner":
        return run_results.on_budget_used_up(loop, event)
    match event.result:
        case Preflighted() as result:
            return preflight.on_preflight_finished(loop, event, result, policy)
        case Planned() as result:
            return agreement.on_planner_finished(loop, result, event.at, policy)
        case Scouted() as result:
            return run_results.on_scout_finished(loop, result, event.at, policy)
        case Made() as result:
            return run_results.on_maker_finished(loop, event, result, policy)
        case Gated() as result:
            return run_results.on_gate_finished(loop, event, result, policy)
        case Judged() as result:
            return run_results.on_judge_finished(loop, event, result, policy)
        case Checked() as result:
            return run_results.on_checker_finished(loop, event, result, policy)
        case Answered() | Found() | Matched() | Learned():
            return Decision(loop)
        case _:
            assert_never(event.result)
