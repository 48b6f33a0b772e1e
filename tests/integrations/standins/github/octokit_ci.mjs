// GitHub's own client reads failed checks and starts them again. Run by test_ci.py; prints what it saw as one JSON object.
import { Octokit } from "octokit";

const [baseUrl, ref] = process.argv.slice(2);
const shop = { owner: "acme", repo: "shop" };
const bob = new Octokit({ baseUrl, auth: "ghp_bob", throttle: { enabled: false }, retry: { enabled: false } });

const runs = async () => {
  const found = await bob.paginate(bob.rest.checks.listForRef, { ...shop, ref, per_page: 1 });
  return Object.fromEntries(found.map((run) => [run.name, run]));
};
const before = await runs();
const job = { ...shop, job_id: before.build.id };
const { data: build } = await bob.rest.actions.getJobForWorkflowRun(job);
const { data: log, url } = await bob.rest.actions.downloadJobLogsForWorkflowRun(job);
const { data: notes } = await bob.rest.checks.listAnnotations({ ...shop, check_run_id: build.id });
const { data: status } = await bob.rest.repos.getCombinedStatusForRef({ ...shop, ref });
const { data: found } = await bob.rest.actions.listWorkflowRunsForRepo({ ...shop, head_sha: build.head_sha });

await bob.rest.actions.reRunWorkflowFailedJobs({ ...shop, run_id: build.run_id });
await bob.rest.checks.rerequestRun({ ...shop, check_run_id: before.scan.id });
const again = await runs();
await bob.rest.actions.reRunJobForWorkflowRun({ ...shop, job_id: again.build.id });
const refused = await bob.rest.checks.rerequestRun({ ...shop, check_run_id: again.build.id }).catch((error) => error);
const { data: jobs } = await bob.rest.actions.listJobsForWorkflowRun({ ...shop, run_id: build.run_id, filter: "all" });
const { data: suites } = await bob.rest.checks.listSuitesForRef({ ...shop, ref });
for (const { id: check_suite_id } of suites.check_suites) await bob.rest.checks.rerequestSuite({ ...shop, check_suite_id });

console.log(
  JSON.stringify({
    before: [before.build.conclusion, before.scan.conclusion, status.state],
    runs: found.workflow_runs.map((run) => [run.name, run.conclusion]),
    steps: build.steps.map((step) => `${step.name}: ${step.conclusion}`),
    log: log.includes("AssertionError") && log.includes("##[error]"),
    other: new URL(url).host !== new URL(baseUrl).host,
    notes: notes.map((note) => `${note.path}:${note.start_line} ${note.message}`),
    again: [again.build.conclusion, again.scan.conclusion, again.build.id !== before.build.id],
    attempts: jobs.jobs.map((one) => [one.run_attempt, one.conclusion]),
    refused: refused.status,
  }),
);
