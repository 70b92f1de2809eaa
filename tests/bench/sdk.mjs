// Uploads the rows of JSONL files with @azure/monitor-ingestion, 8 calls at once, and prints what that cost as JSON.
// Only the calls of the library are measured; the rows are parsed before.  node sdk.mjs MODULES ENDPOINT FILE...
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const [modules, endpoint, ...paths] = process.argv.slice(2);
const { LogsIngestionClient } = createRequire(`${modules}/x.js`)("@azure/monitor-ingestion");
const credential = { getToken: async () => ({ token: "bench", expiresOnTimestamp: Date.now() + 86399000 }) };
const client = new LogsIngestionClient(endpoint, credential);
let [seconds, cpu, rows] = [0, 0, 0];
for (const path of paths) {
  const logs = readFileSync(path, "utf8").trimEnd().split("\n").map((line) => JSON.parse(line));
  const [began, used] = [performance.now(), process.cpuUsage()];
  await client.upload("dcr-bench", "Custom-kubelogs_CL", logs, { maxConcurrency: 8 });
  seconds += (performance.now() - began) / 1000;
  const { user, system } = process.cpuUsage(used);
  cpu += (user + system) / 1e6;
  rows += logs.length;
}
console.log(JSON.stringify({ rows, seconds, cpu, peak: process.resourceUsage().maxRSS * 1024 }));
