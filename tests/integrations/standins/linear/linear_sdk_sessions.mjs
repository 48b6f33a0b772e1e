// Linear's own client drives an agent session of the stand-in: `node linear_sdk_sessions.mjs URL` prints JSON. Writes use
// the SDK's own methods and documents; reads use documents of ours, because the SDK's select every field of a type.

import { LinearClient } from "@linear/sdk";

const [, , apiUrl] = process.argv;
const app = new LinearClient({ apiUrl, accessToken: "lin_oauth_loop" });

async function refusal(promise) {
  try {
    return (await promise).success;
  } catch (error) {
    return `${error.constructor.name}: ${error.errors?.[0]?.message ?? error.message}`;
  }
}

const SESSIONS = "query { agentSessions(first: 10) { nodes { id status issue { identifier } } } }";
const SESSION = `query($id: String!) { agentSession(id: $id) { status externalLinks { label }
  activities(first: 10) { nodes { content { __typename } } } } }`;
const agentSessionId = (await app.client.rawRequest(SESSIONS, {})).data.agentSessions.nodes[0].id;
const id = "11111111-1111-4111-8111-111111111112";
const thought = () =>
  app.createAgentActivity({ id, agentSessionId, content: { type: "thought", body: "Reading" }, ephemeral: true });
const result = {
  thought: await refusal(thought()),
  again: await refusal(thought()),
  plan: await refusal(
    app.updateAgentSession(agentSessionId, {
      plan: [{ content: "Read", status: "inProgress" }],
      addedExternalUrls: [{ label: "Loopline", url: "http://127.0.0.1:8080/tickets/ENG-1" }],
    }),
  ),
  elicitation: await refusal(
    app.createAgentActivity({
      agentSessionId,
      content: { type: "elicitation", body: "Which?" },
      signal: "select",
      signalMetadata: { options: [{ value: "This" }, { value: "That" }] },
    }),
  ),
  proactive: await refusal(app.agentSessionCreateOnIssue({ issueId: "ENG-2" })),
  wrong: await refusal(app.createAgentActivity({ agentSessionId, content: { type: "response", body: "" } })),
};
const session = (await app.client.rawRequest(SESSION, { id: agentSessionId })).data.agentSession;
result.status = session.status;
result.links = session.externalLinks.map((link) => link.label);
result.activities = session.activities.nodes.map((activity) => activity.content.__typename);
console.log(JSON.stringify(result));
