// npm's mqtt over any URL: subscribes, publishes once, prints what came back. Arguments: URL, options as JSON.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const mqtt = createRequire(`${process.env.E2E_TOOLS}/npm/`)("mqtt");
const [url, text] = process.argv.slice(2);
const options = JSON.parse(text);
if (options.ca) options.ca = readFileSync(options.ca);

const client = mqtt.connect(url, { ...options, reconnectPeriod: 0 });
client.on("error", (error) => {
    console.error(error.message);
    process.exit(1);
});
client.on("message", (topic, payload) => {
    console.log(`${topic} ${payload}`);
    client.end();
});
client.on("connect", async () => {
    await client.subscribeAsync("echo/npm", { qos: 1 });
    await client.publishAsync("echo/npm", "hello", { qos: 1 });
});
