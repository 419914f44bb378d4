#!/usr/bin/env python3
"""Idle streams, clients that vanish within a call, and short sessions, against one server: soak.py PROGRAM STREAMS KILLS
SESSIONS. Afterwards it must hold no more descriptors and threads than before, and no more memory than half way.

PROGRAM is khipu-mcp-fixture: its tool test_wait_for_cancel ends only when it is cancelled. Exit 0: held. 1: says what not.
"""
import http.client
import json
import os
import socket
import struct
import subprocess
import sys
import time

program, streams_count, kills_count, sessions_count = sys.argv[1], *map(int, sys.argv[2:5])
JSON = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
RSS_GROWTH_KIB_MAX = 4096
META = {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}}

server = subprocess.Popen([program, "--http", "127.0.0.1:0", "--print-port"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
port = int(server.stdout.readline())


def check(holds, what):
    if not holds:
        server.kill()
        sys.exit(f"FAILED: {what}")


def status(name):
    for line in open(f"/proc/{server.pid}/status", encoding="ascii"):
        if line.startswith(name + ":"):
            return int(line.split()[1])
    return 0


def held():
    return len(os.listdir(f"/proc/{server.pid}/fd")), status("Threads")


def settle(baseline, what):
    """Waits until no more is held than at first; a connection that was cut is noticed within seconds."""
    deadline = time.monotonic() + 20
    while any(now > then for now, then in zip(held(), baseline)):
        check(time.monotonic() < deadline, f"{what}: descriptors and threads are {held()}, and were {baseline}")
        time.sleep(0.1)


def post(connection, message, headers):
    connection.request("POST", "/mcp", json.dumps(message), JSON | headers)
    answer = connection.getresponse()
    body = answer.read()
    check(answer.status in (200, 202), f"{message['method']}: {answer.status} {body[:200]!r}")
    return answer, body


def connect():
    return http.client.HTTPConnection("127.0.0.1", port, timeout=20)


def begin():
    """A session, on a connection that stays open."""
    connection = connect()
    params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "soak", "version": "1"}}
    answer, _ = post(connection, {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}, {})
    session = {"Mcp-Session-Id": answer.getheader("Mcp-Session-Id")}
    post(connection, {"jsonrpc": "2.0", "method": "notifications/initialized"}, session)
    return connection, session


def short_session():
    connection, session = begin()
    post(connection, {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}, session)
    call = {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "test_simple_text"}}
    _, body = post(connection, call, session)
    check(b"simple text response" in body, "the call of a short session")
    connection.request("DELETE", "/mcp", headers=session)
    check(connection.getresponse().status == 204, "DELETE")
    connection.close()


def modern(tool):
    params = {"name": tool, "_meta": META | {"progressToken": 1}}
    message = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})
    head = {"Host": f"127.0.0.1:{port}", "MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/call", "Mcp-Name": tool,
            "Content-Length": str(len(message))} | JSON
    return ("POST /mcp HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in head.items()) + "\r\n" + message).encode()


def cancelled_count():
    with socket.create_connection(("127.0.0.1", port), timeout=20) as plain:
        plain.sendall(modern("test_cancelled_count"))
        answer = http.client.HTTPResponse(plain)
        answer.begin()
        return int(json.loads(answer.read())["result"]["content"][0]["text"])


def idle_streams():
    opened = []
    for _ in range(streams_count):
        connection, session = begin()
        connection.request("GET", "/mcp", headers=session | {"Accept": "text/event-stream"})
        answer = connection.getresponse()
        check(answer.status == 200, f"stream {len(opened)}: {answer.status}")
        opened.append((connection, answer))
    start = time.monotonic()
    short_session()
    check(time.monotonic() - start < 5, "a session beside idle streams takes long")
    for connection, answer in opened:
        answer.close()
        connection.close()


def vanish():
    """A client that is gone without a word in the middle of its call."""
    plain = socket.create_connection(("127.0.0.1", port), timeout=20)
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    plain.sendall(modern("test_wait_for_cancel"))
    check(b"200" in plain.recv(4096), "a call that reports progress")
    plain.close()


for _ in range(20):
    short_session()
time.sleep(0.5)
baseline = held()
baseline = (baseline[0] + 1, baseline[1] + 1)  # a connection that is just being closed
idle_streams()
settle(baseline, "after the streams")
before = cancelled_count()
for _ in range(kills_count):
    vanish()
deadline = time.monotonic() + 20
while cancelled_count() < before + kills_count:
    check(time.monotonic() < deadline, f"of {kills_count} calls whose client is gone, {cancelled_count() - before} ended")
    time.sleep(0.1)
settle(baseline, "after the clients that vanished")
for _ in range(sessions_count // 2):
    short_session()
half_way = status("VmRSS")
for _ in range(sessions_count - sessions_count // 2):
    short_session()
growth = status("VmRSS") - half_way
check(growth <= RSS_GROWTH_KIB_MAX, f"memory grew by {growth} KiB in the second half of the sessions")
settle(baseline, "after the sessions")
resident = status("VmRSS")
server.terminate()
check(server.wait(timeout=10) == 0, "SIGTERM")
print(f"passed: {streams_count} streams, {kills_count} clients gone, {sessions_count} sessions; {resident} KiB resident at "
      f"the end, {growth} KiB more than half way")
