"""paho-mqtt: versions 3.1, 3.1.1 and 5."""

import paho.mqtt.client as paho

import paho_properties
from wire import report, report_message, run_blocking


class Driver:
    def connect(self, command):
        version = command["version"]
        modern = version == 5
        self.client = paho.Client(
            paho.CallbackAPIVersion.VERSION2,
            client_id=command["client_id"],
            protocol=version,
            clean_session=None if modern else command["clean"],
            reconnect_on_failure=False,
        )
        if will := command["will"]:
            self.client.will_set(will["topic"], will["payload"], will["qos"], will["retain"])
        self.client.on_connect = self.on_connect
        self.client.on_disconnect = self.on_disconnect
        self.client.on_message = self.on_message
        self.client.on_publish = lambda *_: report("published")
        self.client.on_subscribe = lambda *_: report("subscribed")
        self.client.on_unsubscribe = lambda *_: report("unsubscribed")
        options = {}
        if modern:
            options = {"clean_start": command["clean"], "properties": paho_properties.for_connect(command["expiry"])}
        self.leaving = False
        self.client.connect(command["host"], command["port"], **options)
        self.client.loop_start()

    def on_connect(self, _client, _data, flags, reason, _properties):
        if reason.is_failure:
            report("failed", what=f"refused: {reason}")
        else:
            report("connected", session_present=bool(flags.session_present))

    def on_disconnect(self, _client, _data, flags, reason, _properties):
        if self.leaving:
            report("disconnected")
        else:
            report("closed", reason=reason.value if flags.is_disconnect_packet_from_server else None)

    def on_message(self, _client, _data, message):
        properties = paho_properties.from_message(getattr(message, "properties", None))
        report_message(message.topic, message.payload, message.qos, message.retain, properties)

    def subscribe(self, command):
        self.client.subscribe(command["filter"], command["qos"])

    def unsubscribe(self, command):
        self.client.unsubscribe(command["filter"])

    def publish(self, command):
        properties = paho_properties.for_publish(command["properties"])
        self.client.publish(
            command["topic"], command["payload"], command["qos"], command["retain"], properties=properties
        )

    def disconnect(self, _command):
        self.leaving = True
        self.client.disconnect()


driver = Driver()
run_blocking(
    {name: getattr(driver, name) for name in ("connect", "subscribe", "unsubscribe", "publish", "disconnect")}
)
