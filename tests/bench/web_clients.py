#!/usr/bin/env python3
"""Clients of the page, each run by a host of its own (bench_web.py).

web_clients.py honest ADDRESS HOW SECONDS: asks for the page 50 times a second
    and reads it whole; HOW is `keep` (one connection) or `new` (one a page).
    Prints JSON: milliseconds of each, and how many came to nothing.
web_clients.py crowd ADDRESS N SECONDS: N clients that say a byte of a request
    a second, N that ask for the page and take a byte of it a second, and N
    that say nothing. Who is cut comes again, twice a second at most. Prints
    how many connections were made and how many were cut.
"""

import json
import selectors
import socket
import sys
import time

EVERY = 0.02
PATIENCE = 5


def request(address):
    return (f"GET / HTTP/1.1\r\nHost: {address}\r\n"
            "User-Agent: bench\r\nAccept: text/html\r\n\r\n").encode()


class Honest:
    def __init__(self, address):
        self.address = address
        self.s = None

    def connect(self):
        self.s = socket.create_connection((self.address, 80), PATIENCE)
        self.s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def page(self):
        """True when it came whole."""
        self.s.sendall(request(self.address))
        out = b""
        while b"\r\n\r\n" not in out:
            part = self.s.recv(65536)
            if not part:
                return False
            out += part
        head, _, body = out.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            return False
        left = int(head.lower().split(b"content-length: ")[1].split()[0])
        left -= len(body)
        while left > 0:
            part = self.s.recv(65536)
            if not part:
                return False
            left -= len(part)
        return True

    def close(self):
        if self.s:
            self.s.close()
        self.s = None

    def ask(self, keep):
        try:
            if not self.s:
                self.connect()
            good = self.page()
        except OSError:
            good = False
        if not keep or not good:
            self.close()
        return good


def honest(address, how, seconds):
    client = Honest(address)
    took, failed = [], 0
    begin = time.monotonic()
    due = begin
    while due < begin + seconds:
        time.sleep(max(0, due - time.monotonic()))
        start = time.monotonic()
        if client.ask(how == "keep"):
            took.append((time.monotonic() - start) * 1000)
        else:
            failed += 1
        due = max(due + EVERY, time.monotonic())
    client.close()
    print(json.dumps({"ms": took, "failed": failed}))


class Bad:
    """One of a crowd; `step` is once a second."""

    def __init__(self, crowd, kind):
        self.crowd = crowd
        self.kind = kind
        self.s = None
        self.said = 0
        self.again = 0.0

    def connect(self, now):
        self.s = socket.socket()
        self.s.setblocking(False)
        if self.kind == "reader":
            self.s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        self.s.connect_ex((self.crowd.address, 80))
        self.said = 0
        self.again = now + 0.5
        self.crowd.made += 1
        # A reader looks when it likes; the others hear of their end at once.
        if self.kind != "reader":
            self.crowd.sel.register(self.s, selectors.EVENT_READ, self)

    def gone(self):
        if self.kind != "reader":
            self.crowd.sel.unregister(self.s)
        self.s.close()
        self.s = None
        self.crowd.cut += 1

    def readable(self):
        try:
            if not self.s.recv(4096):
                self.gone()
        except BlockingIOError:
            pass
        except OSError:
            self.gone()

    def step(self, now):
        if not self.s:
            if now >= self.again:
                self.connect(now)
            return
        try:
            if self.kind == "loris":
                text = request(self.crowd.address)[:-2]
                self.s.send(text[self.said:self.said + 1] or b"x")
                self.said += 1
            elif self.kind == "reader" and not self.said:
                self.s.send(request(self.crowd.address))
                self.said = 1
            elif self.kind == "reader":
                if not self.s.recv(1):
                    self.gone()
        except BlockingIOError:
            pass
        except OSError:
            self.gone()


class Crowd:
    def __init__(self, address):
        self.address = address
        self.sel = selectors.DefaultSelector()
        self.made = self.cut = 0


def crowd(address, n, seconds):
    all_ = Crowd(address)
    bad = [Bad(all_, kind) for kind in ("loris", "reader", "idle")
           for _ in range(n)]
    end = time.monotonic() + seconds
    at = 0
    while time.monotonic() < end:
        # All have their turn once a second, spread over it.
        for _ in range(max(1, len(bad) // 50)):
            bad[at].step(time.monotonic())
            at = (at + 1) % len(bad)
        until = time.monotonic() + 0.02
        while (left := until - time.monotonic()) > 0:
            for key, _ in all_.sel.select(left):
                key.data.readable()
    print(json.dumps({"made": all_.made, "cut": all_.cut}))


def main():
    what, address, arg, seconds = sys.argv[1:]
    if what == "honest":
        honest(address, arg, float(seconds))
    elif what == "crowd":
        crowd(address, int(arg), float(seconds))
    else:
        sys.exit(f"what is {what}?")


if __name__ == "__main__":
    main()
