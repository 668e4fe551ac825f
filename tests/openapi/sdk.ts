// SPDX-License-Identifier: MIT
// A client that @hey-api/openapi-ts made: submits, waits, reads results and a body, and gets a
// typed problem for what does not exist.
import assert from "node:assert/strict";

import { createClient } from "./generated/client/index.js";
import * as sdk from "./generated/index.js";

const [base, ok, missing] = process.argv.slice(2);
const client = createClient({ baseUrl: base });

const submitted = await sdk.submitBatch({ client, body: { urls: [ok, missing], name: "typed" }, headers: { Prefer: "wait=30" } });
const batch = submitted.data;
assert(batch && submitted.response?.status === 202);
assert.equal(batch.state, "finished");
assert.deepEqual([batch.counts.succeeded, batch.counts.failed], [1, 1]);

const page = await sdk.listResults({ client, path: { id: batch.id }, query: { order: "input" } });
assert.deepEqual(page.data?.results.map((r) => r.error?.code ?? r.state), ["succeeded", "http_status"]);

const body = await sdk.getBody({ client, path: { id: batch.id, index: 0 }, parseAs: "text" });
assert.match(String(body.data), /^hello/);

const gone = await sdk.getBatch({ client, path: { id: "01a20784-47ea-70cf-8e6e-d3ed642bb296" } });
assert.equal(gone.error?.code, "not_found");
console.log("the generated client works");
