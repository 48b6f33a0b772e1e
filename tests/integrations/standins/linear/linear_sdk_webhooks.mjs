// Linear's own webhook handler: `node linear_sdk_webhooks.mjs` reads the secret from standard input, prints the port it
// listens on, and then each event that it accepted, one JSON line each, until it is killed.

import { createServer } from "node:http";
import { createInterface } from "node:readline";
import { LinearWebhookClient } from "@linear/sdk/webhooks";

const lines = createInterface({ input: process.stdin });
const { value: secret } = await lines[Symbol.asyncIterator]().next();
const handler = new LinearWebhookClient(secret).createHandler();
handler.on("*", (event) => console.log(JSON.stringify([event.type, event.action])));
const server = createServer(handler).listen(0, "127.0.0.1", () => console.log(server.address().port));
