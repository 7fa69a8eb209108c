"""A receiver with a session of its own on the broker that a sink publishes to."""

import threading

from station import connect, durable_client


class Receiver:
    def __init__(self, port, topic):
        self.payloads = []
        self.subscribed = threading.Event()
        self.client = durable_client("receiver-" + topic.replace("/", "-"))
        self.client.on_message = lambda client, userdata, message: self.payloads.append(message.payload)
        self.client.on_connect = lambda client, *_: client.subscribe(topic, 1)
        self.client.on_subscribe = lambda *_: self.subscribed.set()
        connect(self.client, port)
        if not self.subscribed.wait(30):
            raise TimeoutError(f"no subscription to {topic}")

    def lines(self):
        return list(self.payloads)

    def end(self):
        self.client.loop_stop()
