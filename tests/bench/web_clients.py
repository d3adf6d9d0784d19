#!/usr/bin/env python3
"""Clients of the page, each run by a host of its own (bench_web.py).

web_clients.py honest URL HOW SECONDS: asks for the page and reads it whole; HOW
    is `keep` (one connection, 50 pages a second) or `new` (one a page; over TLS
    10 a second, which the box lets one address have).
    Prints JSON: milliseconds of each, and how many came to nothing.
web_clients.py crowd URL N SECONDS: N clients that say a byte of a request
    a second, N that ask for the page and take a byte of it a second, and N
    that say nothing. Who is cut comes again, twice a second at most. Prints
    how many connections were made and how many were cut. With https:// the slow
    ones are slow within the handshake, and the readers after it.
"""

import json
import selectors
import socket
import ssl
import sys
import time

EVERY, EVERY_NEW_TLS = 0.02, 0.1
PATIENCE = 5
CONTEXT = ssl._create_unverified_context()


def parts(url):
    """(TLS?, address, port)"""
    scheme, _, address = url.partition("://")
    return scheme == "https", address, 443 if scheme == "https" else 80


def hello():
    """What a client of TLS says first."""
    out = ssl.MemoryBIO()
    try:
        CONTEXT.wrap_bio(ssl.MemoryBIO(), out).do_handshake()
    except ssl.SSLWantReadError:
        pass
    return out.read()


def request(address):
    return (f"GET / HTTP/1.1\r\nHost: {address}\r\n"
            "User-Agent: bench\r\nAccept: text/html\r\n\r\n").encode()


class Honest:
    def __init__(self, url):
        self.tls, self.address, self.port = parts(url)
        self.s = None

    def connect(self):
        self.s = socket.create_connection((self.address, self.port), PATIENCE)
        self.s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.tls:
            self.s = CONTEXT.wrap_socket(self.s)

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


def honest(url, how, seconds):
    client = Honest(url)
    every = EVERY_NEW_TLS if client.tls and how == "new" else EVERY
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
        due = max(due + every, time.monotonic())
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
        self.s.connect_ex((self.crowd.address, self.crowd.port))
        self.said = 0
        self.shaken = not self.crowd.tls
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

    def shake(self):
        if not isinstance(self.s, ssl.SSLSocket):
            self.s = CONTEXT.wrap_socket(self.s, do_handshake_on_connect=False)
        self.s.do_handshake()
        self.shaken = True

    def step(self, now):
        if not self.s:
            if now >= self.again:
                self.connect(now)
            return
        try:
            if self.kind == "loris":
                text = self.crowd.text
                self.s.send(text[self.said:self.said + 1] or b"x")
                self.said += 1
            elif self.kind == "reader" and not self.shaken:
                self.shake()
            elif self.kind == "reader" and not self.said:
                self.s.send(request(self.crowd.address))
                self.said = 1
            elif self.kind == "reader":
                if not self.s.recv(1):
                    self.gone()
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            pass
        except OSError:
            self.gone()


class Crowd:
    def __init__(self, url):
        self.tls, self.address, self.port = parts(url)
        self.text = hello() if self.tls else request(self.address)[:-2]
        self.sel = selectors.DefaultSelector()
        self.made = self.cut = 0


def crowd(url, n, seconds):
    all_ = Crowd(url)
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
    what, url, arg, seconds = sys.argv[1:]
    if what == "honest":
        honest(url, arg, float(seconds))
    elif what == "crowd":
        crowd(url, int(arg), float(seconds))
    else:
        sys.exit(f"what is {what}?")


if __name__ == "__main__":
    main()
