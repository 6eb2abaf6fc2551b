"""gmqtt: versions 3.1.1 and 5 on asyncio."""

import asyncio

import gmqtt

from wire import properties_as_json, report, report_message, run_async


class Driver:
    async def connect(self, command):
        options = {}
        modern = command["version"] == 5
        if modern:
            options["session_expiry_interval"] = command["expiry"]
        if will := command["will"]:
            options["will_message"] = gmqtt.Message(
                will["topic"], will["payload"], qos=will["qos"], retain=will["retain"]
            )
        self.client = gmqtt.Client(command["client_id"], clean_session=command["clean"], **options)
        self.client.set_config({"reconnect_retries": 0})
        self.client.on_connect = lambda _c, flags, _rc, _p: report("connected", session_present=bool(flags & 1))
        self.client.on_message = self.on_message
        self.client.on_subscribe = lambda *_: report("subscribed")
        self.client.on_unsubscribe = lambda *_: report("unsubscribed")
        self.client.on_disconnect = self.on_disconnect
        self.modern = modern
        self.leaving = False
        await self.client.connect(command["host"], command["port"], version=command["version"])

    def on_disconnect(self, client, packet, *_):
        client.stop_reconnect()
        if not self.leaving:
            # The packet's first byte is the reason code; without a packet the connection just ended.
            report("closed", reason=packet[0] if isinstance(packet, (bytes, bytearray)) and packet else None)

    def on_message(self, _client, topic, payload, qos, properties):
        seen = None
        if self.modern:

            def one(name):
                return properties[name][0] if properties.get(name) else None

            correlation = one("correlation_data")
            if isinstance(correlation, str):
                correlation = correlation.encode()
            seen = properties_as_json(
                properties.get("user_property", []), one("content_type"), one("response_topic"), correlation
            )
        report_message(topic, payload, qos, bool(properties["retain"]), seen)
        return 0

    async def subscribe(self, command):
        self.client.subscribe(command["filter"], qos=command["qos"])

    async def unsubscribe(self, command):
        self.client.unsubscribe(command["filter"])

    async def publish(self, command):
        options = {}
        if wanted := command["properties"]:
            options = {
                "user_property": [tuple(pair) for pair in wanted["user"]],
                "content_type": wanted["content_type"],
                "response_topic": wanted["response_topic"],
                "correlation_data": wanted["correlation"],
            }
        self.client.publish(
            command["topic"], command["payload"], qos=command["qos"], retain=command["retain"], **options
        )
        # This client does not tell when the server has acknowledged.
        report("published")

    async def disconnect(self, _command):
        self.leaving = True
        await self.client.disconnect()
        report("disconnected")


async def main():
    driver = Driver()
    names = ("connect", "subscribe", "unsubscribe", "publish", "disconnect")
    await run_async(asyncio.get_running_loop(), {name: getattr(driver, name) for name in names})


asyncio.run(main())
