"""A TCP proxy between a client and its broker that cuts, stalls and swallows."""

import socket
import struct
import threading
import time

POLL_INTERVAL = 0.005


class Proxy:
    def __init__(self, to_port):
        self.to_port = to_port
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        self.lock = threading.Lock()
        self.pairs = []
        self.stalls = 0
        self.away = 0
        # Directions whose bytes vanish: "up" is client to broker, "down" is broker to client.
        self.swallowed = {"up": 0, "down": 0}
        self.moved = time.monotonic()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            client, _ = self.listener.accept()
            try:
                if self.away:
                    raise ConnectionRefusedError
                broker = socket.create_connection(("127.0.0.1", self.to_port))
            except OSError:
                client.close()
                continue
            for end in (client, broker):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self.lock:
                self.pairs.append((client, broker))
            for direction, source, target in (("up", client, broker), ("down", broker, client)):
                arguments = (direction, source, target)
                threading.Thread(target=self._pass, args=arguments, daemon=True).start()

    def _pass(self, direction, source, target):
        try:
            while True:
                while self.stalls:
                    time.sleep(POLL_INTERVAL)
                data = source.recv(16384)
                if not data:
                    break
                while self.stalls:
                    time.sleep(POLL_INTERVAL)
                if self.swallowed[direction]:
                    continue
                target.sendall(data)
                self.moved = time.monotonic()
        except OSError:
            pass
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def cut(self, reset=False):
        """Ends all connections without a word."""
        with self.lock:
            pairs, self.pairs = self.pairs, []
        for end in (end for pair in pairs for end in pair):
            try:
                if reset:
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                end.shutdown(socket.SHUT_RDWR)
                if reset:
                    end.close()
            except OSError:
                pass

    def stall(self, seconds, then_cut):
        self.stalls += 1
        time.sleep(seconds)
        if then_cut:
            self.cut()
        self.stalls -= 1

    def swallow(self, direction, seconds):
        """Bytes of one direction vanish; a stream with a hole is of no use, so that it is cut behind it."""
        self.swallowed[direction] += 1
        time.sleep(seconds)
        self.cut()
        self.swallowed[direction] -= 1

    def leave(self, seconds):
        """The broker cannot be reached."""
        self.away += 1
        self.cut(reset=True)
        time.sleep(seconds)
        self.away -= 1

    def unread(self):
        """Bytes that clients of this proxy have been sent and have not read."""
        rows = (line.split() for line in open("/proc/net/tcp").readlines()[1:])
        return sum(int(row[4].split(":")[1], 16) for row in rows if int(row[2].split(":")[1], 16) == self.port)
