"""Acts on the lessons of one repository: opens the pull request of a lesson that was seen twice, follows it, and closes
it when a correction contradicts the lesson. Queued when a lesson was drafted, and by the sweep.

Loopline writes to no skill directly, and merges none of these pull requests. Every step is idempotent: the lesson keeps
its base commit before anything is pushed, so that a repeated step makes the same commit, and the pull request is looked
up by its branch first, also after a loss of Redis.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import structlog
from redis.exceptions import RedisError

from integrations.errors import Conflict, Frozen, IntegrationError, Rejected, Unauthorized, Unavailable
from integrations.git.mirror import Mirror
from integrations.leaks.own import OwnSecrets
from integrations.leaks.patterns import MAX_TEXT
from integrations.outward import check_outward
from integrations.ports.code_host import PullRequest, PullRequestDetails
from integrations.values import CommitSha, Ticket
from jobs.effects.gather import check_repository
from jobs.effects.leaks import find_leaks, refuse_own_secrets
from jobs.effects.texts import sanitize_text
from jobs.effects.upstream import AUTHOR
from jobs.effects.world import World, current_world
from jobs.loop.lesson_state import Lesson
from jobs.loop.policy import FILE as POLICY_FILE
from jobs.loop.policy import PolicyError, read_policy
from jobs.loop.skill_file import FOLDER, add_rule, find_rule_problem, find_topic_problem, remove_rule
from jobs.messages import lessons as messages
from jobs.roles.instructions import FILE, read_instructions
from jobs.runtime import queues
from jobs.runtime.freeze import POLL_SECONDS
from jobs.runtime.lease import Lease, hold
from jobs.runtime.scripts import LeaseLost
from jobs.workflow.hand_over import BRANCH_PREFIX
from jobs.workflow.lesson_rules import begin, choose_next, end_pull_request, give_back

RETRY_SECONDS = 60.0
_log = structlog.get_logger(__name__)


def tend_lessons(repository: str) -> None:
    """RQ's entry: take the repository's lessons as far as they go now."""
    world = current_world()
    queues.clear_wake_flag(world.redis, queues.TEND_LESSONS, repository)
    with (
        structlog.contextvars.bound_contextvars(repository=repository),
        hold(world.redis, f"lessons:{repository}") as lease,
    ):
        if lease is None:
            return
        try:
            _tend(repository, lease, world)
        except LeaseLost as error:
            _log.info("another process took over", reason=str(error))
        except Frozen:
            queues.wake(world.redis, queues.TEND_LESSONS, repository, delay=POLL_SECONDS)
        except (Unavailable, Unauthorized) as error:
            _log.warning("provider unavailable, will retry", item="lessons", reason=str(error))
            queues.wake(world.redis, queues.TEND_LESSONS, repository, delay=RETRY_SECONDS)
        except Rejected as error:  # about the repository; the sweep tries again
            _log.warning("lessons not tended", reason=str(error))
        except RedisError:
            raise
        except Exception:  # the sweep tries again
            _log.exception("unexpected error", item="lessons")
            if world.raise_faults:
                raise


def _tend(repository: str, lease: Lease, world: World) -> None:
    """Follow the open pull request, then open the next one."""
    book = world.lessons.list(repository)
    lesson = next((one for one in book if one.is_open), None) or choose_next(book, world.now())
    if lesson is None:
        return
    tender = _Tender(repository, lease, world)
    if lesson.is_open and (lesson.number or lesson.status == "withdrawing"):
        tender.follow(lesson)
        lesson = choose_next(world.lessons.list(repository), world.now())
    if lesson:
        tender.propose(lesson)


@dataclass(frozen=True)
class _Tender:
    """Works on the lessons of one repository while it holds the lease."""

    repository: str
    lease: Lease
    world: World

    def follow(self, lesson: Lesson) -> None:
        """Note the end of the pull request; close that of a contradicted lesson."""
        host, branch = self.world.code_host, _name_branch(lesson)
        if lesson.number:
            pull: PullRequest | None = host.fetch_pull_request(self.repository, lesson.number)
        else:
            pull = host.find_pull_request(self.repository, branch)
        if pull and pull.state == "open":
            if lesson.status != "withdrawing":
                return
            self._close(lesson, pull)
        is_merged = pull is not None and pull.merged
        self._delete_branch(branch, {lesson.head_sha, pull.head_sha if pull and is_merged else lesson.head_sha})
        self._update(lesson, lambda now: end_pull_request(now, is_merged=is_merged, at=self.world.now()))

    def _close(self, lesson: Lesson, pull: PullRequest) -> None:
        body = self._sanitize(lesson, messages.withdrawn_message(lesson))
        self._check()
        self.world.code_host.comment(self.repository, pull.number, body, f"lesson-{lesson.id}-{lesson.tries}")
        self._check()
        self.world.code_host.close_pull_request(self.repository, pull.number)

    def _delete_branch(self, branch: str, own: set[CommitSha]) -> None:
        """Delete the branch while its head is one of `own`: another one is a person's commit that is not merged."""
        head = self.world.code_host.branch_head(self.repository, branch)
        if not head or head not in own:
            return
        try:
            self._check()
            self._open_mirror()[0].delete_branch(branch, head)
        except Rejected as error:
            _log.warning("branch of a lesson not deleted", branch=branch, reason=str(error))

    def propose(self, lesson: Lesson) -> None:
        """Open the pull request that adds the rule to its skill, or removes it. A problem is kept as the reason, and
        the next day is another try."""
        mirror, base_branch = self._open_mirror()
        head, now = mirror.head(base_branch), self.world.now()
        begun = lesson if lesson.is_open else self._update(lesson, lambda one: begin(one, head, now))
        if begun is None or not begun.is_open:
            return
        try:
            pull = self.world.code_host.find_pull_request(self.repository, _name_branch(begun))
            if pull is None:
                self._check_policy(begun, mirror, base_branch)
                pull = self._open_pull(begun, mirror, base_branch)
            if pull and pull.state == "open":
                self._label(pull)
        except (Unavailable, Unauthorized, Frozen):
            raise
        except (IntegrationError, PolicyError) as error:
            _log.warning("lesson not proposed", lesson=begun.id, reason=str(error))
            problem, more = f"no pull request: {error}", isinstance(error, Conflict)
            self._update(begun, lambda one: replace(give_back(one, problem), tries=one.tries + more))
            return
        if pull is None:
            removes = begun.status == "removing"
            reason = f"the skill {begun.topic} has no such line: a person changed or removed it" if removes else ""
            self._update(begun, lambda one: replace(end_pull_request(one, is_merged=True, at=now), reason=reason))
        else:
            self._update(begun, lambda one: replace(one, number=pull.number, url=pull.url))
            _log.info("lesson proposed", lesson=begun.id, number=pull.number)

    def _check_policy(self, lesson: Lesson, mirror: Mirror, base_branch: str) -> None:
        """Raises `Rejected` where the present policy wants no pull requests, or the rule is no plain sentence."""
        policy = read_policy(mirror.read(lesson.base_sha, POLICY_FILE), f"{self.repository} at {base_branch}")
        if policy.loop.lessons != "propose":
            raise Rejected(f"loop.lessons in {POLICY_FILE} is {policy.loop.lessons!r}")
        if problem := find_rule_problem(lesson.rule) or find_topic_problem(lesson.topic):
            raise Rejected(problem)

    def _open_pull(self, lesson: Lesson, mirror: Mirror, base_branch: str) -> PullRequest | None:
        """Push the changed skill to the lesson's branch, and open the pull request. None if there is nothing to change:
        a person has already added the rule, or removed it."""
        base, removes = lesson.base_sha, lesson.status == "removing"
        skills = read_instructions(mirror, base).skills
        folder = next((one.folder for one in skills if one.name == lesson.topic), f"{FOLDER}/{lesson.topic}")
        path = f"{folder}/{FILE}"
        before = mirror.read(base, path)
        after = remove_rule(before or "", lesson.rule) if removes else add_rule(before, lesson.topic, lesson.rule)
        if after == (before or ""):
            return None
        title, email = messages.lesson_title(lesson), self.world.settings.commit_email
        tree = mirror.replace_text(base, path, after)
        sha = mirror.write_candidate(tree, base, title, AUTHOR, email, int(lesson.begun_at))
        refuse_own_secrets(mirror, OwnSecrets(self.world.settings.secret_values()), sha, [base])
        if find_leaks(mirror.changes(base, sha, MAX_TEXT)):
            raise Rejected("the rule looks like a secret")
        self._update(lesson, lambda one: replace(one, head_sha=sha))
        host, branch = self.world.code_host, _name_branch(lesson)
        self._check()
        mirror.push(branch, sha, None)
        body = self._sanitize(lesson, messages.lesson_body(lesson, path))
        self._check()
        return host.open_pull_request(self.repository, branch, base_branch, title, body)

    def _label(self, pull: PullRequest) -> None:
        self._check()
        details = PullRequestDetails(labels=(messages.LABEL,))
        for problem in self.world.code_host.describe_pull_request(self.repository, pull.number, details):
            _log.warning("pull request of a lesson not described", number=pull.number, reason=problem)

    def _open_mirror(self) -> tuple[Mirror, str]:
        """The mirror with the present default branch, and that branch's name."""
        host = self.world.code_host
        found = check_repository(host.repository(self.repository), self.repository)
        mirror = self.world.mirror(self.repository, found.clone_url, host.git_credentials(self.repository))
        mirror.fetch(found.default_branch)
        return mirror, found.default_branch

    def _sanitize(self, lesson: Lesson, text: str) -> str:
        seen = lesson.sightings[0]
        return sanitize_text(
            text, Ticket(id=seen.ticket, identifier=seen.identifier, title="", url=seen.url), self.world
        )

    def _update(self, lesson: Lesson, rule: Callable[[Lesson], Lesson]) -> Lesson | None:
        """Apply the rule to the lesson's present state, which a draft can have changed. Raises `LeaseLost`."""
        self.lease.check()
        return self.world.lessons.update(self.repository, lesson.id, rule)

    def _check(self) -> None:
        """Before each outward effect. Raises `LeaseLost`, `Frozen`."""
        self.lease.check()
        check_outward()


def _name_branch(lesson: Lesson) -> str:
    """Another one for each try, so that a branch that exists already does not block the lesson."""
    removal = "-removal" if lesson.status == "removing" else ""
    return f"{BRANCH_PREFIX}lesson-{lesson.id}{removal}" + (f"-{lesson.tries}" if lesson.tries > 1 else "")
