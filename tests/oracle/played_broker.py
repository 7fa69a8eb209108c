"""A broker of MQTT 5 for subscribers alone, which chooses packet ids as the tests need them.

It keeps sessions with what they have not acknowledged, delivers it again with DUP on the next connection, keeps the
client's window and its own, hands out shared subscriptions, and keeps retained publishes. Rows are published by
calling it. `lowest` gives the lowest free id, as some brokers do; `wrapping` counts on and begins anew, as mosquitto
does at 65,535, here as soon as a client can know the difference: behind its window and the broker's own.
"""

import socket
import struct
import threading
import time
from collections import OrderedDict, deque
from dataclasses import dataclass, field

CONNECT, CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP = 1, 2, 3, 4, 5, 6, 7
SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK, PINGREQ, PINGRESP, DISCONNECT = 8, 9, 10, 11, 12, 13, 14
SESSION_EXPIRY, RECEIVE_MAXIMUM = 0x11, 0x21
# Sizes of the values of CONNECT's and SUBSCRIBE's properties; `None`: a length stands before each.
PROPERTY_SIZES = {0x11: 4, 0x21: 2, 0x27: 4, 0x22: 2, 0x19: 1, 0x17: 1, 0x15: None, 0x16: None} | {
    0x26: "pair",
    0x0B: "varint",
}


def varint(number):
    encoded = bytearray()
    while True:
        number, byte = divmod(number, 128)
        encoded.append(byte | (0x80 if number else 0))
        if not number:
            return bytes(encoded)


def read_varint(data, at):
    number, shift = 0, 0
    while True:
        number |= (data[at] & 0x7F) << shift
        shift += 7
        at += 1
        if not data[at - 1] & 0x80:
            return number, at


def text(data, at):
    length = struct.unpack_from(">H", data, at)[0]
    return data[at + 2 : at + 2 + length], at + 2 + length


def properties(data, at):
    length, at = read_varint(data, at)
    end, found = at + length, {}
    while at < end:
        name, size = data[at], PROPERTY_SIZES[data[at]]
        at += 1
        if size == "varint":
            found[name], at = read_varint(data, at)
        elif size == "pair":
            _, at = text(data, at)
            _, at = text(data, at)
        elif size is None:
            found[name], at = text(data, at)
        else:
            found[name] = int.from_bytes(data[at : at + size], "big")
            at += size
    return found, end


def matches(topic_filter, topic):
    filters, levels = topic_filter.split("/"), topic.split("/")
    for place, level in enumerate(filters):
        if level == "#":
            return True
        if place >= len(levels) or level not in ("+", levels[place]):
            return False
    return len(filters) == len(levels)


@dataclass
class Message:
    topic: str
    payload: bytes
    qos: int
    retained: bool = False
    # Whether no client can tell it from the publish that had its packet id before.
    alike: bool = False


@dataclass
class Session:
    client_id: str
    expires: bool
    # Filter, as the client named it: quality of service.
    subscriptions: dict = field(default_factory=dict)
    # By packet id, in the order they were sent: the message, and whether its PUBREC has come.
    in_flight: OrderedDict = field(default_factory=OrderedDict)
    queue: deque = field(default_factory=deque)
    next_id: int = 1
    link: socket.socket = None
    window: int = 65535
    # How long it was connected before, in seconds, and since when it is.
    connected_for: float = 0.0
    since: float = 0.0
    # By packet id, after how long a time with a connection its last publish was acknowledged.
    freed: dict = field(default_factory=dict)

    def age(self):
        return self.connected_for + (time.monotonic() - self.since if self.link else 0)


class PlayedBroker:
    def __init__(self, window, choice, spare=1, confirmed_after=0.0):
        """Of `wrapping` ids there are `spare` more than both windows hold."""
        self.window, self.choice, self.spare = window, choice, spare
        # A client may need a connection for so long, in seconds, to learn and to save that its acknowledgements have
        # come; what then has an id anew and is delivered again is counted.
        self.confirmed_after = confirmed_after
        self.alike = 0
        self.sessions = {}
        # Of each shared filter, whose turn it is, and what waits for any of its sessions.
        self.turns, self.waiting = {}, {}
        self.retained = {}
        self.acknowledged = 0
        self.lock = threading.RLock()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                link, _ = self.listener.accept()
            except OSError:
                return
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._serve, args=(link,), daemon=True).start()

    # What a station does.
    def publish(self, topic, payload, qos, retain=False):
        with self.lock:
            message = Message(topic, payload, qos)
            if retain:
                self.retained[topic] = Message(topic, payload, qos, retained=True)
            groups = set()
            for session in list(self.sessions.values()):
                for named, subscribed in session.subscriptions.items():
                    group, plain = split_share(named)
                    if not matches(plain, topic):
                        continue
                    if group is None:
                        self._enqueue(session, message, min(qos, subscribed))
                    else:
                        groups.add(named)
            for named in groups:
                self.waiting.setdefault(named, deque()).append(message)
                self._share(named)

    def _share(self, named):
        """Hands what waits to the sessions of a share group that are there, in turn."""
        waiting = self.waiting.get(named, deque())
        while waiting:
            members = [s for s in self.sessions.values() if named in s.subscriptions and s.link]
            if not members:
                return
            turn = self.turns[named] = self.turns.get(named, 0) + 1
            session, message = members[turn % len(members)], waiting.popleft()
            self._enqueue(session, message, min(message.qos, session.subscriptions[named]))

    def _enqueue(self, session, message, qos):
        if qos == 0 and not session.link:
            return
        session.queue.append(Message(message.topic, message.payload, qos, message.retained))
        self._send_what_fits(session)

    def _free_id(self, session):
        if self.choice == "lowest":
            return next(number for number in range(1, 65536) if number not in session.in_flight)
        ids = self.ids(session)
        while session.next_id in session.in_flight:
            session.next_id = session.next_id % ids + 1
        chosen, session.next_id = session.next_id, session.next_id % ids + 1
        return chosen

    def ids(self, session):
        return min(65535, session.window + self.window + self.spare)

    def _send_what_fits(self, session):
        window = min(session.window, self.window)
        while session.link and session.queue:
            message = session.queue[0]
            if message.qos and len(session.in_flight) >= window:
                return
            session.queue.popleft()
            packet_id = None
            if message.qos:
                packet_id = self._free_id(session)
                session.in_flight[packet_id] = [message, False]
            self._send_publish(session, message, packet_id, again=False)

    def _send_publish(self, session, message, packet_id, again):
        topic = message.topic.encode()
        body = struct.pack(">H", len(topic)) + topic
        body += struct.pack(">H", packet_id) if packet_id else b""
        head = PUBLISH << 4 | again << 3 | message.qos << 1 | message.retained
        self._send(session.link, head, body + b"\0" + message.payload)

    def _send(self, link, head, body):
        try:
            link.sendall(bytes([head]) + varint(len(body)) + body)
        except OSError:
            pass

    # What a client does.
    def _serve(self, link):
        session = None
        try:
            stream = link.makefile("rb")
            while head := stream.read(1):
                length, shift = 0, 0
                while True:
                    byte = stream.read(1)[0]
                    length |= (byte & 0x7F) << shift
                    shift += 7
                    if not byte & 0x80:
                        break
                body = stream.read(length)
                with self.lock:
                    kind = head[0] >> 4
                    if kind == CONNECT:
                        session = self._connect(link, body)
                    elif kind == DISCONNECT:
                        break
                    else:
                        self._take(session, kind, body)
        except (OSError, IndexError):
            pass
        with self.lock:
            if session and session.link is link:
                session.connected_for, session.link = session.age(), None
                if session.expires:
                    self.sessions.pop(session.client_id, None)
        link.close()

    def _connect(self, link, body):
        clean = bool(body[7] & 2)
        found, at = properties(body, 10)
        client_id = text(body, at)[0].decode()
        old = self.sessions.get(client_id)
        if old and old.link:
            old.link.close()
        if clean:
            old = self.sessions.pop(client_id, None) and None
        session = old or Session(client_id, True)
        session.expires = found.get(SESSION_EXPIRY, 0) == 0
        session.window = found.get(RECEIVE_MAXIMUM, 65535)
        if not session.link:
            session.since = time.monotonic()
        session.link = link
        self.sessions[client_id] = session
        self._send(link, CONNACK << 4, bytes([bool(old), 0, 0]))
        # QoS 0 is for those who are there.
        session.queue = deque(message for message in session.queue if message.qos)
        for packet_id, (message, received) in session.in_flight.items():
            if received:
                self._send(link, PUBREL << 4 | 2, struct.pack(">H", packet_id))
            else:
                freed = session.freed.get(packet_id)
                if freed is not None and session.connected_for - freed < self.confirmed_after:
                    self.alike += not message.alike
                    message.alike = True
                self._send_publish(session, message, packet_id, again=True)
        for named in session.subscriptions:
            self._share(named)
        self._send_what_fits(session)
        return session

    def _take(self, session, kind, body):
        if kind == PINGREQ:
            return self._send(session.link, PINGRESP << 4, b"")
        packet_id = struct.unpack_from(">H", body)[0]
        named = struct.pack(">H", packet_id)
        reason = body[2] if len(body) > 2 else 0
        if kind == SUBSCRIBE:
            self._subscribe(session, packet_id, body)
        elif kind == UNSUBSCRIBE:
            self._unsubscribe(session, packet_id, body)
        elif kind == PUBACK or (kind == PUBREC and reason >= 0x80) or kind == PUBCOMP:
            if session.in_flight.pop(packet_id, None):
                self.acknowledged += 1
                session.freed[packet_id] = session.age()
            self._send_what_fits(session)
        elif kind == PUBREC:
            if packet_id in session.in_flight:
                session.in_flight[packet_id][1] = True
            self._send(session.link, PUBREL << 4 | 2, named)

    def _subscribe(self, session, packet_id, body):
        _, at = properties(body, 2)
        codes, sent = bytearray(), []
        while at < len(body):
            topic_filter, at = text(body, at)
            options, at, named = body[at], at + 1, topic_filter.decode()
            qos, handling = options & 3, options >> 4 & 3
            group, plain = split_share(named)
            new = named not in session.subscriptions
            session.subscriptions[named] = qos
            codes.append(qos)
            if group is None and (handling == 0 or (handling == 1 and new)):
                sent += [(message, qos) for topic, message in self.retained.items() if matches(plain, topic)]
        self._send(session.link, SUBACK << 4, struct.pack(">H", packet_id) + b"\0" + bytes(codes))
        for message, qos in sent:
            self._enqueue(session, message, min(qos, message.qos))
        for named in session.subscriptions:
            self._share(named)

    def _unsubscribe(self, session, packet_id, body):
        _, at = properties(body, 2)
        codes = bytearray()
        while at < len(body):
            topic_filter, at = text(body, at)
            codes.append(0 if session.subscriptions.pop(topic_filter.decode(), None) is not None else 0x11)
        self._send(session.link, UNSUBACK << 4, struct.pack(">H", packet_id) + b"\0" + bytes(codes))

    def subscribed(self):
        with self.lock:
            return sum(len(session.subscriptions) for session in self.sessions.values())

    def owed(self):
        """Publishes that nobody has acknowledged."""
        with self.lock:
            owed = sum(len(session.in_flight) + len(session.queue) for session in self.sessions.values())
            return owed + sum(map(len, self.waiting.values()))

    def end(self):
        self.listener.close()


def split_share(named):
    """The group of a shared subscription, and its filter."""
    if named.startswith("$share/"):
        _, group, plain = named.split("/", 2)
        return group, plain
    return None, named
