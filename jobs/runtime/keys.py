"""Names of all Redis keys.

Per ticket (`t` is its id in the tracker) and per run (`r`). No other module writes the name of a key.
"""

from __future__ import annotations

from integrations.values import RunId, TicketId

INBOX = "inbox"  # stream: verified webhook deliveries, raw
INBOX_GROUP = "dispatch"
READY = "ready"  # set: tickets with a mailbox or an outbox that is not empty
RUNS = "runs"  # set: unfinished runs
DUE = "due"  # sorted set: tickets by the earliest deadline of their loop, Unix seconds
LOOPS = "loops"  # set: tickets with a loop
AUTOMATIONS = "automations"  # set: mailboxes of the repositories whose automations are known
SWEEP_TURN = "sweep-turn"  # counter: the ticket whose pull request the sweep reads next
SWEPT = "swept"  # hash: times of the last sweeps, Unix seconds; see `jobs.sweep`
REBUILT = "rebuilt"  # set after the board was searched for loops that are missing in this Redis
BREAKER = "breaker:model"  # hash: since when, until when and why the circuit breaker is open; absent while closed
BREAKER_FAILURES = "breaker-failures:model"  # sorted set: recently failed calls by their time, milliseconds
CREDENTIALS_ALARM = "alarm:credentials"  # set while the provider rejects the API key or account: the reason
REFUSED_CREDENTIALS = "refused-credentials"  # the tracker's or code host's error; expires after a few minutes
TOKENS = "tokens"  # hash: encrypted access tokens by name; see `jobs.runtime.tokens`
WRITE_PROBE = "write-probe"  # never set; see `service.web.health`
DISK_USED = "disk-used"  # bytes of mirrors and worktrees, and the free bytes of the disk when they were measured
EPOCH = "epoch"  # hash: installation, number that is raised every few seconds, and Redis's time then, milliseconds
FREEZES = "freezes"  # hash: the freezes that hold, JSON by id; see `jobs.runtime.freeze`
AUDIT_HEADS = "audit-heads"  # hash: number and SHA-256 of the newest line of each audit chain
THAWED = "thawed"  # sorted set: ids of ended freezes by the time of the thaw
QUEUE_PLACES = "queue-places"  # hash: the shown places of runs that wait for an agent, JSON by ticket
PEOPLE = "people"  # hash: the accounts of one person on board and code host, JSON by the board's id
ACCESS_TOKENS = "access-tokens"  # hash: tokens of people for the MCP server, without the secret, JSON by id
WITH_LESSONS = "with-lessons"  # set: repositories with lessons
DEAD_LETTERS = "dead-letters"  # hash: items that failed too often or cannot be parsed, JSON by id

RUNS_WAITING = "runs-waiting"  # hash: since when a run waits for a slot, Unix seconds by run
RUN_TURNS = "run-turns"  # hash: ticket, and time of hand-over or last slot of an unfinished run, JSON by run
COLUMNS = "columns"  # hash: the columns that were found for the roles, and their problems, JSON by team
COLUMNS_FRESH = "columns-fresh"  # set while no process has to read the columns again
NEW_SESSIONS = "new-sessions"  # hash: agent sessions that wait for their first activity, the ticket's name by id
SESSIONS_LISTED = "sessions-listed"  # set while the sweep does not list the agent sessions again

BASE_TREES = "base-trees"  # sorted set: keys of `base_checks` by the time of their last result

CONNECTORS = "connectors"  # hash: MCP servers as the connectors process saw them last, JSON by name; expires
CONNECTOR_PINS = "connector-pins"  # hash: their accepted tools, JSON by name
BOUNDS = "sandbox:bounds"  # one sentence about bounds of a sandbox that are polled only, of the last agent process

REFUSAL = "sandbox:refusal"  # why the agent process that started last does not run, one sentence


ESCALATION_GROUPS = "escalation-groups"  # sorted set: groups with escalations to send, by the time when that is due
DIGESTS = "digests"  # hash: slot and costs of the last digest, JSON by team
PROBLEMS = "problems"  # hash: problems in the triage inbox that are not resolved, JSON by cause
PROBLEMS_FOUND = "problems-found"  # set after the board was searched for problems that are missing in this Redis

NOTICE_TOPICS = ("access", "board", "columns", "connectors", "clock", "notify", "redis", "skew")

FORGOTTEN = (
    *("loop:*", LOOPS, "mailbox:*", "events:*", "outbox:*", "failures:*", "retry:*", "lease:*", "report:*"),
    *(RUNS, READY, DUE, "steering:*", "stop:*", "ledger:ticket:*", "holds:*", "breaker*", "alarm:*", REBUILT),
    *("later", "wake:*", "order:*", QUEUE_PLACES, RUNS_WAITING, RUN_TURNS),
    *("state:*", AUTOMATIONS, "session:*", NEW_SESSIONS, SESSIONS_LISTED, "claims:*", ACCESS_TOKENS),
    *("notifications:*", "notifications-claimed:*", "escalation-group*", DIGESTS),
    *("request:*", "requests-of:*", "question:*"),
    *("charged-requests:*", "connector-call:*"),
)
"""Patterns of the keys that a Redis with an older state must not act on; the others are history, counters, indexes."""


def notice(topic: str) -> str:  # a sentence for operators; expires
    return f"notice:{topic}"


def token_lock(name: str) -> str:  # set while a process replaces this token
    return f"token-lock:{name}"


def authorization(state: str) -> str:  # an authorization of an app that an operator has begun, JSON; expires
    return f"authorization:{state}"


def authorization_result(state: str) -> str:  # list: the result of that authorization, one sentence, JSON; expires
    return f"authorization-result:{state}"


def member(email: str) -> str:  # a person's rights on the board, JSON; expires
    return f"member:{email}"


def call(digest: str) -> str:  # the event of a request of an MCP client, and the digest of its arguments, JSON; expires
    return f"call:{digest}"


def call_answer(event_id: str) -> str:  # the answer to that request, JSON; expires
    return f"call-answer:{event_id}"


def seen_delivery(source: str, delivery_id: str) -> str:  # set for an accepted delivery, for deduplication
    return f"seen:{source}:{delivery_id}"


def loop(t: TicketId) -> str:  # the loop's state, JSON
    return f"loop:{t}"


def automations(t: TicketId) -> str:  # state of a repository's automations, JSON
    return f"state:{t}"


def source_items(run: str) -> str:  # list: items that a run of an automation read, the most urgent first, JSON; expires
    return f"source-items:{run}"


def mailbox(t: str) -> str:  # list: the ticket's pending events, oldest first, JSON
    return f"mailbox:{t}"


def known_events(t: str) -> str:  # set: ids of all events that were ever in the mailbox, for deduplication
    return f"events:{t}"


def outbox(t: str, lane: str) -> str:  # list: the ticket's pending commands, oldest first, JSON
    return f"outbox:{lane}:{t}"


def failures(t: TicketId | RunId) -> str:  # hash: how often the item at the head of a list has failed
    return f"failures:{t}"


def retry_at(t: str) -> str:  # set while the ticket backs off from a provider; its TTL is the rest of the backoff
    return f"retry:{t}"


def lease(name: str) -> str:  # the fencing token of the lease holder; its TTL is the rest of the lease
    return f"lease:{name}"


def session(session_id: str) -> str:  # hash: digests of what the agent session shows, time of its last activity
    return f"session:{session_id}"


def report(t: TicketId) -> str:  # digests and time of the report that was written last, JSON
    return f"report:{t}"


def report_wait(t: TicketId) -> str:  # set while the report waits for the request allowance
    return f"report-wait:{t}"


def own_move(t: TicketId) -> str:  # the column that Loopline moved the ticket to, by which its webhook is recognized
    return f"own-move:{t}"


def labelled(t: TicketId) -> str:  # set after Loopline labelled the ticket, until it removes the label
    return f"labelled:{t}"


def bucket(name: str) -> str:  # a provider's request allowance, JSON; see `integrations.request_budget`
    return f"bucket:{name}"


def fence(name: str) -> str:  # counter: the epoch of the lease, part of the fencing token
    return f"fence:{name}"


def run(r: RunId) -> str:  # the run's spec, JSON
    return f"run:{r}"


def runs_of(t: TicketId) -> str:  # sorted set: the ticket's runs by their start, Unix seconds
    return f"runs-of:{t}"


def transcript(r: RunId) -> str:  # stream: the run's transcript
    return f"transcript:{r}"


def provenance(r: RunId) -> str:  # hash: digests of the run's inputs; its provenance, JSON, once it has finished
    return f"provenance:{r}"


def blocked_hosts(r: RunId) -> str:  # hash: connections of the run's commands that were refused, by host
    return f"blocked-hosts:{r}"


def request(request_id: str) -> str:  # hash: a run's request to another process, token of its lease, answer, outage
    return f"request:{request_id}"


def requests_of(r: RunId, kind: str) -> str:  # set: ids of the run's requests of this kind
    return f"requests-of:{kind}:{r}"


def charged_requests(r: RunId) -> str:  # set: ids of the run's requests whose price is in the ledgers
    return f"charged-requests:{r}"


def connector_call(request_id: str) -> str:  # set before a call that changes something, which is never repeated
    return f"connector-call:{request_id}"


def connector_check(check_id: str) -> str:  # list: an operator's check of all servers has ended
    return f"connector-check:{check_id}"


def question(r: RunId) -> str:  # the id of the run's request to a person
    return f"question:{r}"


def running_check(r: RunId) -> str:  # string: the command that the gate runs, JSON
    return f"running-check:{r}"


def steering(r: str) -> str:  # list: guidance for the run that it has not read yet, JSON
    return f"steering:{r}"


def stop(r: str) -> str:  # set when the run must stop
    return f"stop:{r}"


def run_ledger(r: str) -> str:  # hash: usage of the run, reservation of its current call, working time
    return f"ledger:run:{r}"


def ticket_ledger(t: str) -> str:  # hash: usage of the ticket's runs
    return f"ledger:ticket:{t}"


def day_ledger(day: str) -> str:  # hash: usage of all runs on `day`, as '2026-11-25'
    return f"ledger:day:{day}"


def holds(ledger: str) -> str:  # hash: reservations of current calls in a ticket's or a day's ledger, by run
    return f"holds:{ledger}"


def pull_request(repository: str, number: int) -> str:  # the ticket that a pull request belongs to
    return f"index:pull:{repository.lower()}#{number}"


def branch(repository: str, name: str) -> str:  # the ticket that a branch belongs to
    return f"index:branch:{repository.lower()}:{name}"


def places(repository: str) -> str:  # set: runs of this repository that agents advance now, while their leases exist
    return f"places:{repository.lower()}"


def policy_notes(repository: str, digest: str) -> str:  # the ticket that reports these notes on WORKFLOW.md
    return f"policy-notes:{repository.lower()}:{digest}"


def base_branch(repository: str, name: str) -> str:  # set: tickets to wake at the branch's next commit
    return f"index:base:{repository.lower()}:{name}"


def claims(repository: str, base: str) -> str:  # hash: files that tickets edit, JSON by ticket
    return f"claims:{repository.lower()}:{base}"


def merged_lines(repository: str) -> str:  # hash: merged pull requests of the last weeks, JSON by number
    return f"merged-lines:{repository.lower()}"


def notifications(target: str) -> str:  # list: notifications for this target, oldest first, JSON
    return f"notifications:{target}"


def claimed_notification(target: str) -> str:  # list: the one that is being sent, at most one
    return f"notifications-claimed:{target}"


def known_notifications(target: str) -> str:  # sorted set: ids of queued and sent ones by time, for deduplication
    return f"notifications-known:{target}"


def escalation_group(name: str) -> str:  # hash: command of the first escalation, tickets of the others by command
    return f"escalation-group:{name}"


def target_backoff(target: str) -> str:  # hash: failures in a row, reason, and time of the next attempt
    return f"notifications-backoff:{target}"


def lessons(repository: str) -> str:  # hash: lessons from corrections by people, JSON by id
    return f"lessons:{repository.lower()}"


def skill_outcomes(repository: str) -> str:  # hash: attempts in which agents read skills, JSON by command
    return f"skill-outcomes:{repository.lower()}"


def run_order(t: TicketId) -> str:  # priority and due date of the ticket's runs, JSON
    return f"order:{t}"


def ticket_watchers(t: TicketId) -> str:  # set: tickets that wait for this one
    return f"index:waits:{t}"


def base_checks(digest: str) -> str:  # hash: results of checks on one base tree, JSON by command
    return f"base-checks:{digest}"


def head(repository: str, sha: str) -> str:  # the ticket that a head commit belongs to
    return f"index:head:{repository.lower()}:{sha}"
