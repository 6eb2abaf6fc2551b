"""aiomqtt: versions 3.1, 3.1.1 and 5 on asyncio."""

import asyncio

import aiomqtt

import paho_properties
from wire import report, report_message, run_async


class Driver:
    async def connect(self, command):
        modern = command["version"] == 5
        options = {"clean_session": command["clean"]}
        if modern:
            options = {"clean_start": command["clean"], "properties": paho_properties.for_connect(command["expiry"])}
        will = command["will"]
        if will:
            options["will"] = aiomqtt.Will(will["topic"], will["payload"], will["qos"], will["retain"])
        self.client = aiomqtt.Client(
            command["host"],
            command["port"],
            identifier=command["client_id"],
            protocol=aiomqtt.ProtocolVersion(command["version"]),
            **options,
        )
        self.leaving = False
        await self.client.__aenter__()
        # This client does not tell whether the server kept a session.
        report("connected", session_present=None)
        self.reader = asyncio.create_task(self.read())

    async def read(self):
        try:
            async for message in self.client.messages:
                properties = paho_properties.from_message(message.properties)
                report_message(str(message.topic), message.payload, message.qos, message.retain, properties)
        except aiomqtt.MqttError as error:
            if not self.leaving:
                reason = getattr(error.__cause__, "rc", None)
                report("closed", reason=getattr(reason, "value", None), what=str(error))

    async def subscribe(self, command):
        await self.client.subscribe(command["filter"], command["qos"])
        report("subscribed")

    async def unsubscribe(self, command):
        await self.client.unsubscribe(command["filter"])
        report("unsubscribed")

    async def publish(self, command):
        properties = paho_properties.for_publish(command["properties"])
        await self.client.publish(
            command["topic"], command["payload"], command["qos"], command["retain"], properties=properties
        )
        report("published")

    async def disconnect(self, _command):
        self.leaving = True
        await self.client.__aexit__(None, None, None)
        report("disconnected")


async def main():
    driver = Driver()
    names = ("connect", "subscribe", "unsubscribe", "publish", "disconnect")
    await run_async(asyncio.get_running_loop(), {name: getattr(driver, name) for name in names})


asyncio.run(main())
