import assert from "node:assert/strict";
import test from "node:test";

import { latest } from "../releases.js";

test("versions are compared as numbers", () => {
  assert.equal(latest(["v1.9.0", "v1.10.0"]), "v1.10.0");
});

test("no tags have no latest release", () => {
  assert.equal(latest([]), undefined);
});
