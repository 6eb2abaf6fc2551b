"""A well-behaved pair: paho-mqtt publishes one QoS 1 message at a time, and the next one when it came back.

A command on stdin, "report" or "until N", is answered with one JSON object: how many messages made the round, how many
came twice, out of order or not at all, how often a connection ended, and the slowest round in milliseconds. "until N"
waits for N more rounds before it answers.
"""

import json
import queue
import sys
import threading
import time

import paho.mqtt.client as paho

host, port, topic = sys.argv[1], int(sys.argv[2]), sys.argv[3]
arrivals = queue.Queue()
ready = threading.Barrier(3)
ends = []


def connect(role, subscribe):
    client = paho.Client(
        paho.CallbackAPIVersion.VERSION2, client_id=f"{topic}-{role}", protocol=paho.MQTTv5, reconnect_on_failure=False
    )
    client.on_disconnect = lambda _c, _d, _f, reason, _p: ends.append(f"{role}: {reason}")
    client.on_message = lambda _c, _d, message: arrivals.put(int(message.payload))
    if subscribe:
        client.on_connect = lambda *_: client.subscribe(topic, 1)
        client.on_subscribe = lambda *_: ready.wait(30)
    else:
        client.on_connect = lambda *_: ready.wait(30)
    client.connect(host, port)
    client.loop_start()
    return client


subscriber = connect("subscriber", subscribe=True)
publisher = connect("publisher", subscribe=False)
ready.wait(30)

state = {"rounds": 0, "wrong": 0, "missing": 0, "slowest_ms": 0.0}
changed = threading.Condition()


def exchange():
    number = 0
    while True:
        number += 1
        started = time.monotonic()
        publisher.publish(topic, str(number), qos=1)
        try:
            arrived = arrivals.get(timeout=30)
        except queue.Empty:
            state["missing"] += 1
            continue
        took = (time.monotonic() - started) * 1000
        with changed:
            state["rounds"] += 1
            state["wrong"] += arrived != number
            state["slowest_ms"] = max(state["slowest_ms"], took)
            changed.notify_all()


threading.Thread(target=exchange, daemon=True).start()
for line in sys.stdin:
    with changed:
        words = line.split()
        if words[0] == "until":
            goal = state["rounds"] + int(words[1])
            changed.wait_for(lambda: state["rounds"] >= goal or ends, timeout=60)
        print(json.dumps({**state, "ends": ends}), flush=True)
