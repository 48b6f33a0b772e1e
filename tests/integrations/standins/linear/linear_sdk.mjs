// Linear's own client on the stand-in: `node linear_sdk.mjs URL` prints its results as JSON. Started by
// test_linear_sdk.py in a folder where @linear/sdk is installed. The SDK's own documents select every field of a type,
// which the stand-in does not offer, so the client sends documents of ours.

import { LinearClient } from "@linear/sdk";

const [, , apiUrl] = process.argv;
const ana = new LinearClient({ apiUrl, apiKey: "lin_api_ana" }).client;
const app = new LinearClient({ apiUrl, accessToken: "lin_oauth_loop" }).client;
const stranger = new LinearClient({ apiUrl, apiKey: "lin_api_nobody" }).client;
const COMMENT = "mutation($input: CommentCreateInput!) { commentCreate(input: $input) { success } }";
const ISSUE = "query($id: String!) { issue(id: $id) { title state { name } comments { nodes { body user { name } } } } }";

async function refusal(promise) {
  try {
    await promise;
    return "accepted";
  } catch (error) {
    return `${error.constructor.name}: ${error.errors?.[0]?.message ?? error.message}`;
  }
}

const id = "11111111-1111-4111-8111-111111111111";
const comment = () => app.rawRequest(COMMENT, { input: { id, issueId: "ENG-1", body: "from the SDK" } });
const created = (await comment()).data;
const seen = {
  created,
  issue: (await ana.rawRequest(ISSUE, { id: "ENG-1" })).data.issue,
  again: await refusal(comment()),
  missing: await refusal(ana.rawRequest(ISSUE, { id: "ENG-99" })),
  invalid: await refusal(ana.rawRequest("{ nobody }", {})),
  stranger: await refusal(stranger.rawRequest(ISSUE, { id: "ENG-1" })),
};
console.log(JSON.stringify(seen));
