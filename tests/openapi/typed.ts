// SPDX-License-Identifier: MIT
// openapi-fetch over the types that openapi-typescript made: hosts, statistics, paging, deletion.
import assert from "node:assert/strict";

import createClient from "openapi-fetch";
import type { components, paths } from "./schema.js";

const [base, ok] = process.argv.slice(2);
const client = createClient<paths>({ baseUrl: base });

const rejected = await client.POST("/v1/batches", { body: { urls: [ok, "nonsense"] } });
assert.equal(rejected.response.status, 422);
assert.deepEqual(rejected.error?.errors?.map((e) => [e.pointer, e.code]), [["/urls/1", "invalid_url"]]);

const text = await client.POST("/v1/batches", {
  body: `${ok}\n${ok}\n`,
  bodySerializer: (body) => String(body),
  headers: { "Content-Type": "text/plain" },
});
assert.equal(text.data?.counts.total, 2);

const ids: string[] = [];
for (let i = 0; i < 3; i++) {
  const { data } = await client.POST("/v1/batches", { body: [ok], headers: { "Content-Type": "application/json" } });
  assert(data);
  ids.push(data.id);
}
const seen: components["schemas"]["Batch"][] = [];
let after: string | undefined;
while (seen.length < ids.length) {
  const { data }: { data?: components["schemas"]["BatchPage"] } = await client.GET("/v1/batches", {
    params: { query: { limit: 1, after } },
  });
  assert(data?.next);
  seen.push(...data.batches);
  after = data.next;
}
assert.deepEqual(seen.map((b) => b.id), ids.reverse());

const host = new URL(ok).hostname;
const set = await client.PATCH("/v1/hosts/{host}", { params: { path: { host } }, body: { delay_ms: 5 } });
assert.deepEqual([set.data?.delay_ms, set.data?.overrides.delay_ms], [5, 5]);

const path = { id: ids[0] };
await client.GET("/v1/batches/{id}", { params: { path, query: { wait: 30 } } });
assert.equal((await client.DELETE("/v1/batches/{id}", { params: { path } })).response.status, 204);
assert.equal((await client.GET("/v1/stats")).data?.draining, false);
console.log("the typed client works");
