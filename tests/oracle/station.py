"""A station: what it publishes, and what the broker has acknowledged of it."""

import threading
import time
from dataclasses import dataclass, field

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

ACKNOWLEDGEMENT_TIMEOUT = 60


@dataclass
class Publish:
    topic: str
    payload: bytes
    qos: int
    retain: bool
    # The numbers of its rows, and the raw bytes of its unusable ones.
    numbers: list = field(default_factory=list)
    unusable: list = field(default_factory=list)
    acknowledged: bool = False
    # How often the broker may hold it at most: a station publishes again what a lost broker has not acknowledged.
    at_most: int = 1

    @property
    def rows(self):
        return len(self.numbers) + len(self.unusable)


def durable_client(client_id):
    return mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id, protocol=mqtt.MQTTv5)


def connect(client, port):
    properties = Properties(PacketTypes.CONNECT)
    properties.SessionExpiryInterval = 0xFFFFFFFF
    client.reconnect_delay_set(0.1, 0.5)
    # mosquitto 2.0.11 saves no session that began with a clean start.
    client.connect("127.0.0.1", port, keepalive=600, clean_start=False, properties=properties)
    client.loop_start()


class Station:
    def __init__(self, port, publishes, seconds, in_flight, rest=None):
        self.publishes = publishes
        # From this publish on it waits for `publish_rest`.
        self.rest = rest
        self.held = threading.Event()
        self.released = threading.Event()
        self.seconds = seconds
        self.lock = threading.Condition()
        self.outstanding = {}
        self.early = set()
        self.paused = False
        self.idle = threading.Event()
        self.done = threading.Event()
        self.client = durable_client("station")
        self.client.max_queued_messages_set(0)
        self.client.max_inflight_messages_set(in_flight)
        self.client.on_publish = self._acknowledged
        self.client.on_disconnect = self._lost
        self.connections = 0
        self.client.on_connect = self._connected
        connect(self.client, port)
        self.thread = threading.Thread(target=self._publish_all, daemon=True)

    def start(self):
        self.thread.start()

    def _publish_all(self):
        pause = self.seconds / max(1, len(self.publishes))
        due = time.monotonic()
        for index, publish in enumerate(self.publishes):
            due += pause
            if index == self.rest:
                self.held.set()
            while self.paused or (self.held.is_set() and not self.released.is_set()):
                self.idle.set()
                time.sleep(0.005)
                due = time.monotonic()
            self.idle.clear()
            time.sleep(max(0, due - time.monotonic()))
            self._send(publish)
        self.done.set()
        while True:
            self.idle.set()
            time.sleep(0.05)

    def _send(self, publish):
        info = self.client.publish(publish.topic, publish.payload, publish.qos, publish.retain)
        with self.lock:
            if info.mid in self.early:
                self.early.discard(info.mid)
                publish.acknowledged = True
            else:
                self.outstanding[info.mid] = publish

    def _acknowledged(self, client, userdata, mid, reason, properties):
        with self.lock:
            publish = self.outstanding.pop(mid, None)
            if publish is None:
                self.early.add(mid)
            else:
                publish.acknowledged = True
            self.lock.notify_all()

    def _connected(self, *_):
        with self.lock:
            self.connections += 1
            self.lock.notify_all()

    def _lost(self, *_):
        with self.lock:
            for publish in self.outstanding.values():
                publish.at_most += 1

    def settle(self):
        """Waits until the broker has all that was published, also at QoS 0: it takes one packet after the other."""
        info = self.client.publish("barrier", b"", 1)
        barrier = Publish("barrier", b"", 1, False)
        with self.lock:
            if info.mid in self.early:
                self.early.discard(info.mid)
            else:
                self.outstanding[info.mid] = barrier
            if not self.lock.wait_for(lambda: not self.outstanding, ACKNOWLEDGEMENT_TIMEOUT):
                raise TimeoutError(f"the station's broker does not acknowledge {len(self.outstanding)} publishes")

    def pause(self):
        self.paused = True
        self.idle.wait()
        self.settle()
        self.connection = self.connections

    def resume(self):
        """Goes on, on a new connection: without one, publishes at QoS 0 would be lost here."""
        with self.lock:
            if not self.lock.wait_for(lambda: self.connections > self.connection, ACKNOWLEDGEMENT_TIMEOUT):
                raise TimeoutError("the station does not come back to its broker")
        self.paused = False

    def publish_rest(self):
        self.released.set()

    def end(self):
        self.client.loop_stop()
