#!/usr/bin/env python3
"""The real khipu-mcp over sockets against bytes of every kind: http.py BIN_DIR. Each row is a request and the status and
code it has by the table of mcp/README.md; after each, a sound request is answered. Exit 0: all hold. 1: says what not.
"""
import json
import re
import signal
import socket
import subprocess
import sys
import time

import host
from host import ENVELOPE, MODERN, Answer, case, check, exchange, initialize, modern, request

bin_dir = sys.argv[1]
root = host.make_root(bin_dir)
process, port = host.start_http([f"{bin_dir}/khipu-mcp", "--access-log", "off", root])
OWN = f"127.0.0.1:{port}"


def post(body, headers=None, verb="POST", path="/mcp", version="HTTP/1.1", **more):
    """The bytes of a request. headers: a dict over the usual ones (None takes one away), or a list that stands for all."""
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
    usual = {"Host": OWN, "Content-Type": "application/json", "Accept": "application/json, text/event-stream",
             "Content-Length": str(len(body))}
    lines = headers if isinstance(headers, list) else [(k, v) for k, v in (usual | (headers or {}) | more).items() if v is not None]
    return f"{verb} {path} {version}\r\n".encode() + b"".join(
        k.encode("latin-1") + b": " + (v if isinstance(v, bytes) else v.encode("utf-8")) + b"\r\n" for k, v in lines) + b"\r\n" + body


def begin(revision="2025-11-25"):
    answer = exchange(port, post(initialize(revision)))
    check(answer.status == 200 and answer.headers.get("mcp-session-id"), answer.body)
    return {"Mcp-Session-Id": answer.headers["mcp-session-id"]}


def routed(method, name=None, version=MODERN):
    return {"MCP-Protocol-Version": version, "Mcp-Method": method} | ({"Mcp-Name": name} if name else {})


SOUND = post(request("sound", "tools/list", modern()), routed("tools/list"))


def hold(rows):
    """(what, bytes, status or statuses, code or None). All rows are tried, and all that do not hold are told."""
    wrong = []
    for what, data, status, code in rows:
        try:
            answer = exchange(port, data, half_close=what.startswith("half"))
        except host.Failed as failed:
            wrong.append(f"{what}: {failed}")
            continue
        allowed = status if isinstance(status, tuple) else (status,)
        if answer.status not in allowed or (code is not None and answer.code != code):
            wrong.append(f"{what}: {answer.status}, {answer.code}, and not {status}, {code}: {answer.body[:200]!r}")
        if isinstance(answer.json, dict) and answer.json.get("id", "") is None:
            wrong.append(f"{what}: id null")
        if b"\x1b" in answer.body:
            wrong.append(f"{what}: a control character comes back")
        if exchange(port, SOUND).status != 200:
            wrong.append(f"{what}: the sound request after it is not answered")
    check(not wrong, "\n  " + "\n  ".join(wrong))


@case("table: legacy requests have the status and code of their row")
def legacy():
    session = begin()
    with_batches = begin("2025-03-26")
    batch = [request(1, "ping"), request(2, "tools/list")]
    hold([
        ("ping", post(request(1, "ping"), session), 200, 0), ("a notification", post({"jsonrpc": "2.0", "method": "notifications/x"}, session), 202, None),
        ("not JSON", post(b"{", session), 400, -32700), ("no UTF-8", post(b'{"a":"\xff"}', session), 400, -32700), ("nothing", post(b"", session), 400, -32700),
        ("a NUL", post(b'{"jsonrpc":"2.0","id":1,"method":"ping"}\x00', session), 400, -32700),
        ("a number", post(b"7", session), 400, -32600), ("an empty batch", post(b"[]", session), 400, -32600),
        ("a batch", post(batch, session), 400, -32600), ("a batch where there are some", post(batch, with_batches), 200, None),
        ("a batch without a session", post(batch), 400, -32600), ("a batch with initialize", post([initialize("2025-03-26")]), 400, -32600),
        ("too deep", post(b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":' + b"[" * 90 + b"]" * 90 + b"}}", session), 400, -32600),
        ("much too deep", post(b"[" * 1_000_000, session), 400, -32700),
        ("a million values", post(b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":[' + b"[]," * 1_000_000 + b"0]}}", session), 400, -32600),
        ("a member twice", post(b'{"jsonrpc":"2.0","id":1,"id":1,"method":"ping"}', session), 400, -32600),
        ("id null", post(b'{"jsonrpc":"2.0","id":null,"method":"ping"}', session), 400, -32600),
        ("id 1.5", post(b'{"jsonrpc":"2.0","id":1.5,"method":"ping"}', session), 400, -32600),
        ("id of 2^64", post(b'{"jsonrpc":"2.0","id":18446744073709551616,"method":"ping"}', session), 400, -32600),
        ("params a list", post(b'{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}', session), 200, -32602),
        ("an unknown method", post(request(1, "no/such"), session), 200, -32601), ("a method not declared", post(request(1, "logging/setLevel"), session), 200, -32601),
        ("an unknown tool", post(request(1, "tools/call", {"name": "none"}), session), 200, -32602),
        ("a wrong cursor", post(request(1, "tools/list", {"cursor": "x"}), session), 200, -32602),
        ("an unknown prompt", post(request(1, "prompts/get", {"name": "none"}), session), 200, -32602),
        ("a wrong argument", post(request(1, "tools/call", {"name": "audit_query", "arguments": {"x": 1}}), session), 200, 0),
        ("a missing resource", post(request(1, "resources/read", {"uri": "audit://none"}), session), 200, -32002),
        ("initialize twice", post(initialize("2025-11-25"), session), 200, 0),
        ("initialize for the future", post(initialize(MODERN)), 200, 0), ("initialize without a version", post(request(1, "initialize")), 200, -32602),
        ("initialize under a modern header", post(initialize("2025-11-25"), {"MCP-Protocol-Version": MODERN}), 400, -32020),
        ("a version nobody speaks", post(request(1, "ping"), session | {"MCP-Protocol-Version": "1999-01-01"}), 400, None),
        ("another of ours", post(request(1, "ping"), session | {"MCP-Protocol-Version": "2024-11-05"}), 200, 0),
        ("no session", post(request(1, "ping")), 400, -32000), ("an unknown session", post(request(1, "ping"), {"Mcp-Session-Id": "x"}), 404, -32001),
        ("a session of odd letters", post(request(1, "ping"), {"Mcp-Session-Id": "a b"}), 400, None),
        ("a long session", post(request(1, "ping"), {"Mcp-Session-Id": "a" * 300}), 400, None),
        ("a response to nothing", post({"jsonrpc": "2.0", "id": 1, "result": {}}, session), 400, -32600),
        ("a cancellation of nothing", post({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 77}}, session), 202, None),
        ("a cancellation of no id", post({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": {}}}, session), 202, None),
        ("resumption, which is not offered", post(request(1, "ping"), session | {"Last-Event-ID": "7"}), 200, 0),
        ("DELETE", post(b"", session, "DELETE"), 204, None), ("DELETE again", post(b"", session, "DELETE"), 404, None),
        ("POST after DELETE", post(request(1, "ping"), session), 404, -32001),
        ("GET after DELETE", post(b"", session | {"Accept": "text/event-stream"}, "GET"), 404, None), ("DELETE without one", post(b"", {}, "DELETE"), 405, None),
    ])


@case("table: modern requests have the status and code of their row")
def modern_rows():
    good, query = routed("tools/list"), routed("tools/call", "audit_query")
    no_capabilities = {"_meta": {"io.modelcontextprotocol/protocolVersion": MODERN}}
    strange = {"_meta": ENVELOPE | {"io.modelcontextprotocol/protocolVersion": "v9"}}
    typed = {"_meta": ENVELOPE | {"io.modelcontextprotocol/protocolVersion": 7}}
    listed = request(1, "tools/list", modern())
    called = request(1, "tools/call", modern({"name": "audit_query", "arguments": {"limit": 1}}))
    read = request(1, "resources/read", modern({"uri": "audit://entity/user/u%2d1"}))
    hold([
        ("a list", post(listed, good), 200, 0), ("a call", post(called, query), 200, 0), ("discovery", post(request(1, "server/discover", modern()), routed("server/discover")), 200, 0),
        ("no _meta", post(request(1, "tools/list"), good), 400, -32602), ("no capabilities", post(request(1, "tools/list", no_capabilities), good), 400, -32602),
        ("discovery without _meta", post(request(1, "server/discover")), 400, -32602), ("a subscription without _meta", post(request(1, "subscriptions/listen")), 400, -32602),
        ("a version of no kind", post(request(1, "tools/list", typed), good), 400, -32602),
        ("another version", post(request(1, "tools/list", strange), routed("tools/list", version="v9")), 400, -32022),
        ("no version header", post(listed, {"Mcp-Method": "tools/list"}), 400, -32020), ("another version header", post(listed, routed("tools/list", version="2025-11-25")), 400, -32020),
        ("no Mcp-Method", post(listed, {"MCP-Protocol-Version": MODERN}), 400, -32020), ("another Mcp-Method", post(listed, routed("tools/call")), 400, -32020),
        ("Mcp-Method in capitals", post(listed, routed("TOOLS/LIST")), 400, -32020), ("no Mcp-Name", post(called, routed("tools/call")), 400, -32020),
        ("another Mcp-Name", post(called, routed("tools/call", "audit_verify")), 400, -32020), ("Mcp-Name with blanks around", post(called, routed("tools/call", "  audit_query  ")), 200, 0),
        ("names of headers in any case", post(listed, {"mcp-protocol-VERSION": MODERN, "MCP-METHOD": "tools/list"}), 200, 0),
        ("Mcp-Name in base64", post(called, routed("tools/call", "=?base64?YXVkaXRfcXVlcnk=?=")), 200, 0), ("Mcp-Name in bad base64", post(called, routed("tools/call", "=?base64?YXVkaXRfcXVlcnk?=")), 400, -32020),
        ("Mcp-Name twice", post(called, [("Host", OWN), ("Content-Type", "application/json"), *query.items(), ("Mcp-Name", "x"), ("Content-Length", str(len(json.dumps(called))))]), 400, None),
        ("an escape in a URI", post(read, routed("resources/read", "audit://entity/user/u%2d1")), 200, 0), ("Mcp-Name with a line break", post(read, routed("resources/read", "a%0D%0Ab")), 400, None),
        ("initialize", post(request(1, "initialize", modern()), routed("initialize")), 404, -32601), ("ping", post(request(1, "ping", modern()), routed("ping")), 404, -32601),
        ("setLevel", post(request(1, "logging/setLevel", modern()), routed("logging/setLevel")), 404, -32601), ("subscribe", post(request(1, "resources/subscribe", modern()), routed("resources/subscribe")), 404, -32601),
        ("an unknown method", post(request(1, "no/such", modern()), routed("no/such")), 404, -32601), ("an unknown tool", post(request(1, "tools/call", modern({"name": "none"})), routed("tools/call", "none")), 200, -32602),
        ("a missing resource", post(request(1, "resources/read", modern({"uri": "audit://none"})), routed("resources/read", "audit://none")), 200, -32602),
        ("a forged state", post(request(1, "tools/call", modern({"name": "audit_query", "requestState": "AAAA"})), query), 200, -32602),
        ("a batch", post([listed], good), 400, -32600), ("a response", post({"jsonrpc": "2.0", "id": 1, "result": {}}, good), 400, -32600),
        ("a notification", post({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": modern({"requestId": 1})}, good), 202, None),
        ("a session id, which is ignored", post(listed, good | {"Mcp-Session-Id": "unknown"}), 200, 0), ("GET", post(b"", good, "GET"), 405, None), ("DELETE", post(b"", good, "DELETE"), 405, None),
        ("a session id, which means nothing here", post(listed, good | {"Mcp-Session-Id": "a b"}), 200, 0),
        ("an Mcp-Param nobody asked for", post(called, query | {"Mcp-Param-X": "1"}), 200, 0),
    ])
    check("mcp-session-id" not in exchange(port, post(listed, good)).headers, "a session was made for a modern request")


@case("export: what a call links to is read under its address, by its caller, row for row")
def export():
    asked = {"name": "audit_query", "arguments": {"limit": 2, "export": True}}
    result = exchange(port, post(request(1, "tools/call", modern(asked)), routed("tools/call", "audit_query"))).json["result"]
    links = [block for block in result["content"] if block["type"] == "resource_link"]
    check(len(links) == 1 and links[0]["uri"].startswith("audit://export/"), result)
    uri = links[0]["uri"]
    read = exchange(port, post(request(2, "resources/read", modern({"uri": uri})), routed("resources/read", uri))).json["result"]
    lines = [json.loads(line) for line in read["contents"][0]["text"].splitlines()]
    check([row["seq"] for row in lines[1:-1]] == list(range(29, -1, -1)), lines[-1])
    check(lines[0]["as_of"] == result["structuredContent"]["as_of"] and lines[-1]["complete"] is True, lines[-1])


@case("attack: strangers' Host and Origin are refused on every method, and tricks with them too")
def names():
    body = request(1, "tools/list", modern())
    good = routed("tools/list")
    rows = [(f"Host {name!r}", post(body, good | {"Host": name}), (400, 403), None) for name in (
        "evil.example.com", "localhost.evil.com", "127.0.0.1.evil.com", "evil.com@localhost", "localhost@evil.com", "localhost:80:80", "localhost:x", "[::1", "", "localhost/x",
        "127.1", "0x7f.1", "0.0.0.0", "xn--localhost", "localhost.", "localhost\\evil.com", "a" * 300)]
    rows += [(f"Origin {name!r}", post(body, good | {"Origin": name}), 403, None) for name in (
        "http://evil.example.com", "null", "http://localhost.evil.com", "http://localhost@evil.com", "http://127.0.0.1.evil.com", "file://", "https://evil.com#localhost",
        "http://localhost:80/../evil", "chrome-extension://x", "http://[::1].evil.com", "javascript:alert(1)", " ")]
    for verb in ("GET", "DELETE", "OPTIONS", "PUT", "HEAD"):
        rows.append((f"{verb} of a stranger", post(b"", {"Origin": "http://evil.example.com"}, verb), 403, None))
        rows.append((f"{verb} at another Host", post(b"", {"Host": "evil.example.com"}, verb), 403, None))
    # The library decodes escapes in headers: this is localhost, which no other site's page can make a browser say.
    rows += [("Host with an escape", post(body, good | {"Host": "loc%61lhost"}), (200, 400, 403), None), ("no Host", post(body, good | {"Host": None}), 400, None), ("our Origin", post(body, good | {"Origin": f"http://{OWN}"}), 200, 0),
             ("two Hosts", post(body, [("Host", OWN), ("Host", OWN), ("Content-Length", "2")]), 400, None),
             ("the target with another host", post(body, good, path="http://evil.example.com/mcp"), (400, 403, 404), None),
             ("X-Forwarded-Host", post(body, good | {"X-Forwarded-Host": "evil.example.com", "X-Forwarded-For": "1.2.3.4", "Forwarded": "for=1.2.3.4"}), 200, 0)]
    hold(rows)


@case("attack: malformed, doubled, huge and smuggled HTTP is refused, and the next request is served")
def framing():
    body = json.dumps(request(1, "tools/list", modern())).encode()
    good = routed("tools/list")
    usual = [("Host", OWN), ("Content-Type", "application/json"), *good.items()]
    bad, any_refusal = (400, 0), (400, 408, 411, 413, 414, 415, 431, 501, 505, 0)
    hold([
        ("a TLS hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 100 + b"\r\n\r\n", any_refusal, None), ("nothing but line ends", b"\r\n\r\n\r\n\r\n", any_refusal, None),
        ("half a request line", b"POST /mcp", any_refusal, None), ("a request line of 1 MB", b"POST /" + b"a" * 1_000_000 + b" HTTP/1.1\r\n\r\n", any_refusal, None),
        ("half: a request line without an end", b"G" * 200_000, any_refusal, None), ("another protocol", post(body, good, version="HTTP/9.9"), any_refusal, None),
        ("an unknown method", post(b"", {}, "BREW"), (400, 405, 501), None), ("TRACE", post(b"", {}, "TRACE"), (400, 405, 501), None), ("CONNECT", post(b"", {}, "CONNECT"), (400, 405, 501, 0), None),
        ("PUT", post(body, good, "PUT"), 405, None), ("PATCH", post(body, good, "PATCH"), 405, None), ("another path", post(body, good, path="/other"), 404, None),
        ("a path in capitals", post(body, good, path="/MCP"), 404, None), ("a way out of the path", post(body, good, path="/x/../mcp"), (400, 404), None), ("an escaped path", post(body, good, path="/%2e%2e/etc/passwd"), (400, 404), None),
        ("a token in the query", post(body, good, path="/mcp?access_token=x"), 200, 0),
        ("no length", post(body, [*usual]), (400, 411), None), ("a length of letters", post(body, [*usual, ("Content-Length", "ten")]), any_refusal, None),
        ("a negative length", post(body, [*usual, ("Content-Length", "-1")]), any_refusal, None), ("a length of 2^64", post(b"", [*usual, ("Content-Length", "18446744073709551616")]), any_refusal, None),
        ("a length of 100 GB", post(b"", [*usual, ("Content-Length", "100000000000")]), 413, None), ("two lengths", post(body, [*usual, ("Content-Length", "5"), ("Content-Length", str(len(body)))]), any_refusal, None),
        ("length and chunks", post(b"0\r\n\r\n", [*usual, ("Content-Length", "5"), ("Transfer-Encoding", "chunked")]), 400, None),
        ("half: a body that ends early", post(body[:10], [*usual, ("Content-Length", str(len(body)))]), any_refusal, None), ("chunks", post(b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body), [*usual, ("Transfer-Encoding", "chunked")]), 200, 0),
        ("half: a chunk of nonsense", post(b"xyz\r\n", [*usual, ("Transfer-Encoding", "chunked")]), any_refusal, None), ("half: a chunk of 2^70", post(b"fffffffffffffffff\r\n", [*usual, ("Transfer-Encoding", "chunked")]), any_refusal, None),
        ("half: an unknown coding", post(body, [*usual, ("Transfer-Encoding", "gzip, identity"), ("Content-Length", str(len(body)))]), any_refusal, None),
        ("a body of 5 MB", post(b" " * (5 << 20), good), 413, None), ("zipped", post(body, good | {"Content-Encoding": "gzip"}), 415, None),
        ("a form", post(b"--x\r\nContent-Disposition: form-data; name=\"a\"; filename=\"" + b"f" * 300_000 + b"\"\r\n\r\n\r\n--x--\r\n", good | {"Content-Type": "multipart/form-data; boundary=x"}), 415, None),
        ("no type", post(body, good | {"Content-Type": None}), 415, None), ("text", post(body, good | {"Content-Type": "text/plain"}), 415, None), ("an Accept that fits nothing", post(body, good | {"Accept": "image/png"}), 406, None),
        ("no Accept", post(body, good | {"Accept": None}), 200, 0), ("any Accept", post(body, good | {"Accept": "*/*"}), 200, 0),
        ("20,000 header lines", post(body, [*usual, *((f"X-{i}", "x") for i in range(20_000)), ("Content-Length", str(len(body)))]), any_refusal, None),
        ("a header of 100 KB", post(body, good | {"X-Long": "x" * 100_000}), any_refusal, None), ("a control character", post(body, good | {"X-A": "a\x01b"}), 400, None), ("an escaped line break, which is text", post(body, good | {"X-A": "a%0D%0Ab"}), 200, 0), ("an escaped length", post(body, good | {"Content-Length": "%34"}), 400, None),
        ("a NUL", post(body, good | {"X-A": "a\x00b"}), any_refusal, None), ("a header without a colon", b"POST /mcp HTTP/1.1\r\nHost: " + OWN.encode() + b"\r\nnonsense\r\nContent-Length: 0\r\n\r\n", any_refusal + (415,), None),
        ("bytes that are no UTF-8", post(body, good | {"X-A": b"\xff\xfe"}), (200, 400), None), ("REMOTE_ADDR of our own", post(body, good | {"REMOTE_ADDR": "6.6.6.6", "LOCAL_ADDR": "6.6.6.6"}), 200, 0),
        ("Expect", post(body, good | {"Expect": "200-maybe"}), (200, 417), None),
    ])


@case("quirk F19, L6: a session may have two streams, neither ends the other, and each message goes to one of them")
def two_streams():
    session = begin()
    follow = exchange(port, post(request(1, "resources/subscribe", {"uri": "audit://coverage"}), session))
    check(follow.status == 200, follow.body)
    streams = []
    for _ in range(2):
        plain = socket.create_connection(("127.0.0.1", port), timeout=host.PATIENCE_S)
        plain.sendall(post(b"", session | {"Accept": "text/event-stream"}, "GET"))
        first = b""
        while b": open" not in first:
            more = plain.recv(4096)
            check(more, f"the stream ended: {first[:200]!r}")
            first += more
        check(Answer(first).status == 200, first)
        streams.append(plain)
    check(exchange(port, post(request(2, "ping"), session)).status == 200, "a ping beside two streams")
    check(exchange(port, post(b"", session, "DELETE")).status == 204, "DELETE")
    for plain in streams:
        rest = b""
        while b"0\r\n\r\n" not in rest:  # the end of the session is the end of its streams
            more = plain.recv(4096)
            check(more, f"cut, and not ended: {rest!r}")
            rest += more
        plain.close()


@case("quirk F20, L4: a session of a server that was started anew is 404, initialize begins another, and no DELETE is needed")
def restarted():
    other, other_port = host.start_http([f"{bin_dir}/khipu-mcp", "--access-log", "off", root])
    answer = exchange(other_port, post(initialize("2025-11-25"), {"Host": f"127.0.0.1:{other_port}"}))
    stale = {"Mcp-Session-Id": answer.headers["mcp-session-id"]}
    lost = exchange(port, post(request(5, "ping"), stale))  # to this server that id is one of another life
    check((lost.status, lost.json["id"]) == (404, 5), lost.body)
    check(exchange(port, post(initialize("2025-11-25"), stale)).headers.get("mcp-session-id") not in (None, stale["Mcp-Session-Id"]), "initialize with a stale id")
    other.terminate()
    check(other.wait(timeout=host.PATIENCE_S) == 0, "SIGTERM")


@case("attack: requests in one packet are answered in their order, none behind a refused one, and Expect: 100-continue works")
def pipelined():
    def answers(*requests, cut=None):
        """All that comes back for requests sent at once; `cut`: the last bytes come later."""
        raw, sent = b"", b"".join(requests)
        with socket.create_connection(("127.0.0.1", port), timeout=host.PATIENCE_S) as plain:
            plain.sendall(sent[:cut])
            if cut is not None:
                raw = plain.recv(1 << 16)
                plain.sendall(sent[cut:])
            while more := plain.recv(1 << 16):
                raw += more
        return raw

    three = [post(request(f"n-{i}", "server/discover", modern()), routed("server/discover"),
                  Connection="close" if i == 2 else "keep-alive") for i in range(3)]
    for cut in (None, -5, -len(three[2]) - 7):
        raw = answers(*three, cut=cut)
        ids = re.findall(rb'"id":"(n-\d)"', raw)
        check(raw.count(b"HTTP/1.1 200") == raw.count(b"HTTP/1.1 ") == 3 and ids == [b"n-0", b"n-1", b"n-2"], (cut, raw[-300:]))
    refused = post(request("n-x", "server/discover", modern()), routed("server/discover") | {"Host": "evil.example"})
    raw = answers(three[0], refused, three[1])
    check(raw.count(b"HTTP/1.1 ") == 2 and b'"id":"n-0"' in raw and b'"id":"n-1"' not in raw, raw[-300:])
    body = json.dumps(request(1, "tools/list", modern())).encode()
    with socket.create_connection(("127.0.0.1", port), timeout=host.PATIENCE_S) as plain:
        plain.sendall(post(b"", routed("tools/list") | {"Expect": "100-continue", "Content-Length": str(len(body))}))
        told = b""
        while not told.endswith(b"\r\n\r\n"):
            more = plain.recv(4096)
            check(more and b"HTTP/1.1 100".startswith(told[:12]), f"no 100: {told!r}")
            told += more
        plain.sendall(body)
        answered = plain.recv(4096)
        check(answered.startswith(b"HTTP/1.1 200"), f"after the 100: {answered[:300]!r}")


@case("attack: a hundred clients that drip, say nothing or only connect keep nobody else waiting")
def slow_clients():
    plain = []
    for i in range(100):
        one = socket.create_connection(("127.0.0.1", port), timeout=host.PATIENCE_S)
        one.sendall((b"", b"POST /mcp HTTP/1.1\r\nHost: ", SOUND[:-5], SOUND)[i % 4])
        plain.append(one)
    begun = time.monotonic()
    for _ in range(5):
        check(exchange(port, SOUND).status == 200, "beside slow clients")
    check(time.monotonic() - begun < 5, f"five requests took {time.monotonic() - begun:.1f} s")
    for one in plain:
        one.close()


@case("tokens: the first one of a reader is wanted from the next SIGHUP on, and when it is taken back nobody is let in")
def first_token():
    other, door = host.start_http([f"{bin_dir}/khipu-mcp", "--access-log", "off", root])

    def khipu(*words):
        done = subprocess.run([f"{bin_dir}/khipu", "token", words[0], root, *words[1:]], capture_output=True, text=True, check=False)
        check(done.returncode == 0, done.stderr)
        return done.stdout.split()

    def becomes(status, data):
        until = time.monotonic() + 5
        while exchange(door, data).status != status:
            check(time.monotonic() < until, f"no {status}")
            time.sleep(0.02)

    listed = post(request(1, "tools/list", modern()), routed("tools/list") | {"Host": f"127.0.0.1:{door}"})
    check(exchange(door, listed).status == 200, "an open server")
    token = next(word for word in khipu("add", "bob", "--grant", "query") if word.startswith("khp_"))
    other.send_signal(signal.SIGHUP)
    becomes(401, listed)
    shown = post(request(1, "tools/list", modern()), routed("tools/list") | {"Host": f"127.0.0.1:{door}", "Authorization": f"Bearer {token}"})
    check(exchange(door, shown).status == 200, "with the token")
    khipu("revoke", "bob")
    other.send_signal(signal.SIGHUP)
    becomes(401, shown)
    check(exchange(door, listed).status == 401, "nobody, after the last token was taken back")
    other.terminate()
    check(other.wait(timeout=host.PATIENCE_S) == 0, "SIGTERM")


@case("attack: after all that the server ends in order")
def still_there():
    check(process.poll() is None, "the server is gone")
    process.terminate()
    check(process.wait(timeout=host.PATIENCE_S) == 0, "SIGTERM")


sys.exit(host.run_cases())
