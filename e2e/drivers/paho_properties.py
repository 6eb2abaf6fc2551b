"""Version 5 properties in the form that paho-mqtt, and aiomqtt above it, want."""

from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from wire import properties_as_json


def for_connect(expiry):
    properties = Properties(PacketTypes.CONNECT)
    properties.SessionExpiryInterval = expiry
    return properties


def for_publish(wanted):
    if not wanted:
        return None
    properties = Properties(PacketTypes.PUBLISH)
    properties.UserProperty = [tuple(pair) for pair in wanted["user"]]
    properties.ContentType = wanted["content_type"]
    properties.ResponseTopic = wanted["response_topic"]
    properties.CorrelationData = wanted["correlation"]
    return properties


def from_message(properties):
    if properties is None:
        return None
    return properties_as_json(
        getattr(properties, "UserProperty", []),
        getattr(properties, "ContentType", None),
        getattr(properties, "ResponseTopic", None),
        getattr(properties, "CorrelationData", None),
    )
