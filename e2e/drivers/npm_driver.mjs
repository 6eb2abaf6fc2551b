// npm's mqtt: versions 3.1, 3.1.1 and 5. The commands and events are described in wire.py.

import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const mqtt = createRequire(`${process.env.E2E_TOOLS}/npm/`)("mqtt");

let client;
let leaving = false;

function report(event, details = {}) {
    process.stdout.write(`${JSON.stringify({ event, ...details })}\n`);
}

function reporter(event) {
    return (error) => (error ? report("failed", { what: `${event}: ${error.message}` }) : report(event));
}

function seenProperties(properties) {
    const user = Object.entries(properties.userProperties ?? {}).flatMap(([name, values]) =>
        [values].flat().map((value) => [name, value]),
    );
    return {
        user,
        content_type: properties.contentType ?? null,
        response_topic: properties.responseTopic ?? null,
        correlation: properties.correlationData ? Buffer.from(properties.correlationData).toString("base64") : null,
    };
}

function wantedProperties(properties) {
    const userProperties = {};
    for (const [name, value] of properties.user) (userProperties[name] ??= []).push(value);
    return {
        userProperties,
        contentType: properties.content_type,
        responseTopic: properties.response_topic,
        correlationData: Buffer.from(properties.correlation, "base64"),
    };
}

const handlers = {
    connect(command) {
        const modern = command.version === 5;
        const options = {
            host: command.host,
            port: command.port,
            protocol: "mqtt",
            protocolVersion: command.version,
            protocolId: command.version === 3 ? "MQIsdp" : "MQTT",
            clientId: command.client_id,
            clean: command.clean,
            reconnectPeriod: 0,
            resubscribe: false,
        };
        if (modern) options.properties = { sessionExpiryInterval: command.expiry };
        if (command.will) options.will = { ...command.will, payload: Buffer.from(command.will.payload, "base64") };
        client = mqtt.connect(options);
        let reason = null;
        client.on("connect", (packet) => report("connected", { session_present: packet.sessionPresent }));
        client.on("message", (topic, payload, packet) => {
            report("message", {
                topic,
                payload: payload.toString("base64"),
                qos: packet.qos,
                retain: packet.retain,
                properties: modern ? seenProperties(packet.properties ?? {}) : null,
            });
        });
        client.on("disconnect", (packet) => (reason = packet.reasonCode));
        client.on("error", (error) => report("failed", { what: error.message }));
        client.on("close", () => (leaving ? report("disconnected") : report("closed", { reason })));
    },
    subscribe(command) {
        client.subscribe(command.filter, { qos: command.qos }, reporter("subscribed"));
    },
    unsubscribe(command) {
        client.unsubscribe(command.filter, reporter("unsubscribed"));
    },
    publish(command) {
        const options = { qos: command.qos, retain: command.retain };
        if (command.properties) options.properties = wantedProperties(command.properties);
        client.publish(command.topic, Buffer.from(command.payload, "base64"), options, reporter("published"));
    },
    disconnect() {
        leaving = true;
        client.end();
    },
};

createInterface({ input: process.stdin })
    .on("line", (line) => {
        const command = JSON.parse(line);
        handlers[command.do](command);
    })
    .on("close", () => process.exit(0));
