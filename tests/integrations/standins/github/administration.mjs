// Retarget, lock, branch rename, archive, rename and transfer by GitHub's own client; prints what it saw as one JSON object.
import { Octokit } from "octokit";

const [baseUrl, sha] = process.argv.slice(2);
const shop = { owner: "acme", repo: "shop" };
const options = { baseUrl, auth: "ghp_ada", throttle: { enabled: false }, retry: { enabled: false } };
const { rest } = new Octokit(options);

await rest.git.createRef({ ...shop, ref: "refs/heads/release", sha });
const { data: opened } = await rest.pulls.create({ ...shop, title: "Late", head: "late", base: "main" });
const pull = { ...shop, pull_number: opened.number };
const { data: retargeted } = await rest.pulls.update({ ...pull, base: "release" });
await rest.issues.lock({ ...shop, issue_number: opened.number, lock_reason: "resolved" });
const { data: locked } = await rest.pulls.get(pull);
await rest.issues.unlock({ ...shop, issue_number: opened.number });
await rest.repos.renameBranch({ ...shop, branch: "release", new_name: "stable" });
const { data: followed } = await rest.pulls.get(pull);
const { data: branch } = await rest.repos.getBranch({ ...shop, branch: "release" });
await rest.repos.update({ ...shop, archived: true });
const archived = await rest.pulls.update({ ...pull, title: "No" }).catch((error) => error);
await rest.repos.update({ ...shop, archived: false });
await rest.repos.update({ ...shop, name: "store" });
await rest.repos.transfer({ owner: "acme", repo: "store", new_owner: "beta" });
const { data: elsewhere } = await rest.pulls.get(pull);
await rest.git.deleteRef({ owner: "beta", repo: "store", ref: "heads/stable" });
const { data: closed } = await rest.pulls.get({ owner: "beta", repo: "store", pull_number: opened.number });

console.log(
  JSON.stringify({
    bases: [opened.base.ref, retargeted.base.ref, followed.base.ref],
    lock: [locked.locked, locked.active_lock_reason],
    branch: branch.name,
    archived: archived.status,
    elsewhere: elsewhere.base.repo.full_name,
    closed: closed.state,
  }),
);
