// GitHub's own client at work, as a person and as an App. Run by test_octokit.py; prints what it saw as one JSON object.
import { readFileSync } from "node:fs";
import { verify } from "@octokit/webhooks-methods";
import { App, Octokit } from "octokit";

const [baseUrl, keyFile, sha] = process.argv.slice(2);
const shop = { owner: "acme", repo: "shop" };
const Client = Octokit.defaults({ baseUrl, throttle: { enabled: false }, retry: { enabled: false } });
const ada = new Client({ auth: "ghp_ada" });
const bob = new Client({ auth: "ghp_bob" });
const app = new App({ appId: 7, privateKey: readFileSync(keyFile, "utf8"), Octokit: Client });

const { data: installation } = await app.octokit.rest.apps.getRepoInstallation(shop);
const bot = await app.getInstallationOctokit(installation.id);

const search = { ...shop, head: "acme:fix", base: "main", state: "open" };
const before = await bob.rest.pulls.list(search);
const { data: opened } = await bob.rest.pulls.create({ ...shop, title: "Fix", head: "fix", base: "main", body: "Why" });
const after = await bob.rest.pulls.list(search);
const pull = { ...shop, pull_number: opened.number };

const run = { ...shop, name: "loopline", head_sha: sha, status: "in_progress" };
const { data: started } = await bot.rest.checks.create(run);
const output = { title: "2 of 2", summary: "All met" };
const finished = { ...shop, check_run_id: started.id, status: "completed", conclusion: "success", output };
const { data: checked } = await bot.rest.checks.update(finished);

const comments = [{ path: "calc.py", line: 2, body: "Plus?" }];
await ada.rest.pulls.createReview({ ...pull, event: "REQUEST_CHANGES", body: "No", comments });
await ada.rest.pulls.createReview({ ...pull, event: "APPROVE" });
for (const body of ["1", "2", "3"]) await bot.rest.issues.createComment({ ...shop, issue_number: opened.number, body });
const said = await bot.paginate(bot.rest.issues.listComments, { ...shop, issue_number: opened.number, per_page: 2 });
const reviews = await bot.paginate(bot.rest.pulls.listReviews, { ...pull, per_page: 1 });

const own = await bob.rest.pulls.createReview({ ...pull, event: "APPROVE" }).catch((error) => error);
const moved = await ada.rest.pulls.merge({ ...pull, sha: "0".repeat(40) }).catch((error) => error);
const outdated = { ...pull, expected_head_sha: "0".repeat(40) };
const update = await ada.rest.pulls.updateBranch(outdated).catch((error) => error);
const { data: merged } = await ada.rest.pulls.merge({ ...pull, sha, merge_method: "squash" });

const deliveries = await app.octokit.paginate("GET /app/hook/deliveries", { per_page: 5 });
const heard = JSON.parse(readFileSync(0, "utf8"));
const verified = await Promise.all(heard.map(({ secret, raw, signature }) => verify(secret, raw, signature)));

console.log(
  JSON.stringify({
    found: [before.data.length, after.data.length],
    check: [started.status, checked.conclusion, checked.app.slug],
    said: said.map((comment) => comment.body),
    reviews: reviews.map((review) => review.state),
    errors: [own.status, moved.status, update.status],
    merged: merged.merged,
    events: deliveries.map((delivery) => delivery.event).sort(),
    verified,
  }),
);
