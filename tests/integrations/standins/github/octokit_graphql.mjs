// GitHub's own client with GraphQL documents. Run by test_graphql.py; prints what it saw as one JSON object.
import { Octokit } from "octokit";

const [baseUrl, number] = process.argv.slice(2);
const shop = { owner: "acme", repo: "shop" };
const Client = Octokit.defaults({ baseUrl, throttle: { enabled: false }, retry: { enabled: false } });
const ada = new Client({ auth: "ghp_ada" });
const bob = new Client({ auth: "ghp_bob" });

const read = `query Read($number: Int!) {
  repository(owner: "acme", name: "shop") {
    pullRequest(number: $number) {
      id headRefOid state mergeStateStatus reviewDecision autoMergeRequest { mergeMethod }
      reviews(first: 10) { totalCount }
      commits(last: 1) { nodes { commit { statusCheckRollup { state } } } }
    }
  }
}`;
const enable = `mutation Enable($input: EnablePullRequestAutoMergeInput!) {
  enablePullRequestAutoMerge(input: $input) { pullRequest { autoMergeRequest { mergeMethod } } }
}`;
const pull = async () => (await bob.graphql(read, { number: Number(number) })).repository.pullRequest;

const first = await pull();
const merge = { ...shop, pull_number: Number(number) };
const refused = await ada.rest.pulls.merge(merge).catch((error) => error);
const input = { pullRequestId: first.id, mergeMethod: "SQUASH", expectedHeadOid: first.headRefOid };
const enabled = await bob.graphql(enable, { input });
await ada.rest.pulls.createReview({ ...merge, event: "APPROVE" });
const disable = `mutation Off($input: DisablePullRequestAutoMergeInput!) {
  disablePullRequestAutoMerge(input: $input) { pullRequest { id } }
}`;
await bob.graphql(disable, { input: { pullRequestId: first.id } });
const status = { ...shop, sha: first.headRefOid, context: "build" };
await bob.graphql(enable, { input });
await bob.graphql(disable, { input: { pullRequestId: first.id } });
await ada.rest.repos.createCommitStatus({ ...status, state: "success" });
const twice = await bob.graphql(enable, { input }).catch((error) => error.errors[0]);
await ada.rest.repos.createCommitStatus({ ...status, state: "pending" });
await bob.graphql(enable, { input });
await ada.rest.repos.createCommitStatus({ ...status, state: "success" });
const last = await pull();
const missing = await bob.graphql(read, { number: 99 }).catch((error) => error.errors[0].type);

console.log(
  JSON.stringify({
    before: [first.mergeStateStatus, first.reviewDecision, first.autoMergeRequest],
    refused: [refused.response.data.message.split("\n")[0], refused.status],
    enabled: enabled.enablePullRequestAutoMerge.pullRequest.autoMergeRequest.mergeMethod,
    twice: [twice.type, twice.message],
    after: [last.state, last.commits.nodes[0].commit.statusCheckRollup.state],
    missing,
  }),
);
