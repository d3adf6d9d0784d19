"""A webhook's receiver for tests: hookpeer.py ADDRESS PORT KIND. Each request
is told on stdout as a line of JSON; KIND says how it is answered."""

import json
import socket
import sys
import threading
import time


def receive(conn):
    """Head and body of one request, or None."""
    data = b""
    while b"\r\n\r\n" not in data:
        part = conn.recv(65536)
        if not part:
            return None
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) if line.lower().startswith(
        ("host", "content", "conn")) else (
            line.split(": ", 1)[0].lower(), line.split(": ", 1)[1])
        for line in lines[1:])
    while len(body) < int(headers["content-length"]):
        body += conn.recv(65536)
    return {"line": lines[0], "headers": headers, "body": body.decode()}


def endless(conn, data):
    while True:
        conn.sendall(data)


def drip(conn, data):
    for i in range(len(data)):
        conn.sendall(data[i:i + 1])
        time.sleep(0.5)


def answer(conn, kind):
    if kind == "ok":
        conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    elif kind == "continue":
        conn.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        time.sleep(0.2)
        conn.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
    elif kind == "garbage":
        conn.sendall(b"\x00\xff" * 2000)
    elif kind == "endless-head":
        conn.sendall(b"HTTP/1.1 200 OK\r\n")
        endless(conn, b"X-More: " + b"x" * 1000 + b"\r\n")
    elif kind == "endless-body":
        conn.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        endless(conn, b"y" * 65536)
    elif kind == "endless-continue":
        endless(conn, b"HTTP/1.1 100 Continue\r\n\r\n")
    elif kind == "slow":
        drip(conn, b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100)
    elif kind == "silent":
        time.sleep(600)
    elif kind == "redirect":
        conn.sendall(b"HTTP/1.1 302 Found\r\nLocation: http://10.77.0.1:81/"
                     b"\r\nContent-Length: 0\r\n\r\n")
    elif kind == "close":
        pass
    elif kind.isdigit():
        conn.sendall(f"HTTP/1.1 {kind} No\r\nContent-Length: 0\r\n\r\n"
                     .encode())


def serve(conn, kind):
    with conn:
        try:
            got = receive(conn)
            if got:
                print(json.dumps(got), flush=True)
                answer(conn, kind)
        except OSError as e:
            print(json.dumps({"left": str(e)}), flush=True)


def main():
    address, port, kind = sys.argv[1:4]
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((address, int(port)))
    s.listen()
    print("ready", flush=True)
    while True:
        conn, _ = s.accept()
        threading.Thread(target=serve, args=(conn, kind),
                         daemon=True).start()


if __name__ == "__main__":
    main()
