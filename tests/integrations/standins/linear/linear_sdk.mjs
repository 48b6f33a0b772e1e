// Linear's own client at work on the stand-in: `node linear_sdk.mjs URL TOKEN` prints what it saw as JSON.
// It runs from a folder where @linear/sdk is installed, started by test_linear_sdk.py.

import { LinearClient } from "@linear/sdk";

const [, , apiUrl, token] = process.argv;
const client = new LinearClient(token.startsWith("lin_api_") ? { apiUrl, apiKey: token } : { apiUrl, accessToken: token });
const seen = {};

async function refusal(promise) {
  try {
    await promise;
    return "accepted";
  } catch (error) {
    return `${error.constructor.name}: ${error.errors?.[0]?.message ?? error.message}`;
  }
}

const viewer = await client.viewer;
seen.viewer = { name: viewer.name, app: viewer.app, isMe: viewer.isMe };
seen.organization = (await client.organization).urlKey;

const teams = await client.teams({ filter: { key: { eq: "ENG" } } });
const team = await client.team(teams.nodes[0].id);
const states = (await team.states()).nodes.sort((a, b) => a.position - b.position);
seen.states = states.map((state) => state.name);

const pages = await client.issues({ first: 1 });
while (pages.pageInfo.hasNextPage) await pages.fetchNext();
seen.issues = pages.nodes.map((issue) => issue.identifier);

const issue = await client.issue("ENG-1");
seen.issue = { title: issue.title, state: (await issue.state).name, team: (await issue.team).key, priority: issue.priorityLabel };
seen.labels = (await issue.labels()).nodes.map((label) => label.name);
await (await issue.update({ stateId: states[1].id })).issue;
seen.moved = (await (await client.issue("ENG-1")).state).name;

const id = crypto.randomUUID();
const comment = await (await client.createComment({ id, issueId: issue.id, body: "from the SDK" })).comment;
seen.comment = { sameId: comment.id === id, body: comment.body, author: (await comment.user).name };
seen.again = (await refusal(client.createComment({ id, issueId: issue.id, body: "again" }))).replace(id, "ID");
await client.updateComment(id, { body: "edited" });
seen.edited = (await client.comment({ id })).body;
await client.createReaction({ commentId: id, emoji: "eyes" });
seen.comments = (await issue.comments()).nodes.map((one) => [one.body, one.reactions.map((reaction) => reaction.emoji)]);

const url = "https://github.com/acme/export/pull/17";
await client.createAttachment({ issueId: issue.id, url, title: "one", metadata: { attempt: 1 } });
await client.createAttachment({ issueId: issue.id, url, title: "two", metadata: { attempt: 2 } });
seen.attachments = (await client.attachmentsForURL(url)).nodes.map((one) => [one.title, one.metadata]);
seen.duplicate = await refusal(client.attachmentLinkGitHubPR(issue.id, url));

const created = await (await client.createIssue({ teamId: team.id, title: "Made by the SDK" })).issue;
seen.created = created.identifier;
seen.deleted = (await created.delete()).success;
seen.users = (await client.users({ filter: { email: { eq: "ben@example.com" } } })).nodes.map((user) => user.guest);
seen.branch = (await client.issueVcsBranchSearch(issue.branchName)).identifier;
seen.limits = (await client.rateLimitStatus).limits.map((limit) => limit.type);
const webhook = await (await client.createWebhook({ url: "http://127.0.0.1:9/", teamId: team.id, resourceTypes: ["Issue"] })).webhook;
seen.webhook = [webhook.enabled, webhook.resourceTypes, (await client.deleteWebhook(webhook.id)).success];
seen.missing = await refusal(client.issue("ENG-99"));
seen.stranger = await refusal(new LinearClient({ apiUrl, apiKey: "lin_api_nobody" }).viewer);

console.log(JSON.stringify(seen));
