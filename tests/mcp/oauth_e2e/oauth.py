#!/usr/bin/env python3
"""The real khipu-mcp as an OAuth resource server, its authorization server played with openssl: oauth.py BIN_DIR.

Exit 0: as it should be. 1: says what not. 4: there is no openssl program.
"""
import base64
import http.client
import http.server
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

bin_dir = sys.argv[1]
if shutil.which("openssl") is None:
    print("SKIPPED: there is no openssl program")
    sys.exit(4)
folder = tempfile.mkdtemp()
ISSUER, RESOURCE = "https://login.example.org/", "https://audit.example.org/mcp"
servers = []


def check(holds, what):
    if not holds:
        raise SystemExit(f"FAILED: {what}")


def run(*words, given=None):
    done = subprocess.run(words, input=given, capture_output=True, check=False)
    check(done.returncode == 0, f"{words}: {done.stderr[-400:]!r}")
    return done.stdout


def encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Key:
    def __init__(self, name):
        self.name, self.path = name, f"{folder}/{name}.pem"
        run("openssl", "genrsa", "-out", self.path, "2048")
        modulus = run("openssl", "rsa", "-in", self.path, "-noout", "-modulus").decode().strip().split("=")[1]
        self.public = {"kty": "RSA", "kid": name, "use": "sig", "n": encode(bytes.fromhex(modulus)), "e": "AQAB"}

    def token(self, **changes):
        claims = {"iss": ISSUER, "aud": RESOURCE, "sub": "alice", "exp": int(time.time()) + 300, "scope": "khipu:query"}
        head = {"alg": "RS256", "typ": "at+jwt", "kid": self.name}
        text = ".".join(encode(json.dumps(part).encode()) for part in (head, claims | changes))
        return text + "." + encode(run("openssl", "dgst", "-sha256", "-sign", self.path, given=text.encode()))


def start(keys):
    process = subprocess.Popen(
        [f"{bin_dir}/khipu-mcp", "--http", "127.0.0.1:0", "--print-port", "--access-log", "off", "--oauth-issuer", ISSUER,
         "--oauth-resource", RESOURCE, "--oauth-keys", keys, f"{folder}/root"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    servers.append(process)
    line = process.stdout.readline()
    check(line.strip().isdigit(), f"the server did not start: {process.stderr.read()!r}" if not line else line)
    return process, int(line)


def ask(port, token, method="tools/list", params=None, path="/mcp", verb="POST"):
    params = (params or {}) | {"_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28",
                                         "io.modelcontextprotocol/clientCapabilities": {}}}
    headers = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream",
               "MCP-Protocol-Version": "2026-07-28", "Mcp-Method": method}
    if "name" in params:
        headers["Mcp-Name"] = params["name"]
    if token:
        headers["Authorization"] = f"Bearer {token}"
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}) if verb == "POST" else None
    connection.request(verb, path, body, headers)
    answer = connection.getresponse()
    return answer.status, answer.getheader("WWW-Authenticate") or "", answer.read().decode()


def query(port, token):
    status, _, body = ask(port, token, "tools/call", {"name": "audit_query", "arguments": {}})
    check(status == 200, body)
    return json.loads(body)["result"]


def main():
    run(f"{bin_dir}/khipu", "init", f"{folder}/root", "--origin", "example.test/audit")
    events = "".join(json.dumps({"actor": {"type": "user", "id": "u-1"}, "action": "PUT", "source": source}) + "\n"
                     for source in ("billing", "billing", "payroll"))
    run(f"{bin_dir}/khipu", "append", f"{folder}/root", given=events.encode())
    key, next_key = Key("k-1"), Key("k-2")
    keys_file = f"{folder}/keys.json"

    def publish(*keys):
        with open(keys_file + ".new", "w", encoding="utf-8") as out:
            json.dump({"keys": [one.public for one in keys]}, out)
        os.replace(keys_file + ".new", keys_file)

    publish(key)
    process, port = start(keys_file)
    for path in ("/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/mcp"):
        status, _, body = ask(port, "", path=path, verb="GET")
        check(status == 200 and json.loads(body)["resource"] == RESOURCE, f"{path}: {status} {body}")
    for token in ("", "nonsense", "khp_" + "A" * 43, next_key.token(), key.token(aud="https://other.example/mcp"),
                  key.token(iss="https://evil.example/"), key.token(exp=int(time.time()) - 60)):
        status, challenge, _ = ask(port, token)
        check(status == 401 and "/.well-known/oauth-protected-resource/mcp" in challenge, f"{status} {challenge} for {token[:60]}")
    status, challenge, _ = ask(port, key.token(scope="openid"))
    check(status == 403 and 'error="insufficient_scope"' in challenge, f"no scope: {status} {challenge}")

    status, _, body = ask(port, key.token())
    names = [tool["name"] for tool in json.loads(body)["result"]["tools"]]
    check("audit_query" in names and "audit_verify" not in names, f"tools of khipu:query: {names}")
    _, _, body = ask(port, key.token(scope="khipu:query khipu:verify"))
    check("audit_verify" in body, "khipu:verify does not list audit_verify")
    check('"total":3' in json.dumps(query(port, key.token()), separators=(",", ":")), "a query sees three events")
    seen = json.dumps(query(port, key.token(khipu_sources=["payroll"])), separators=(",", ":"))
    check('"total":1' in seen and "billing" not in seen, f"khipu_sources does not limit: {seen[:400]}")

    publish(next_key)
    check(ask(port, next_key.token())[0] == 401, "a file is not read unasked")
    process.send_signal(signal.SIGHUP)
    for _ in range(100):
        if ask(port, next_key.token())[0] == 200:
            break
        time.sleep(0.05)
    check(ask(port, next_key.token())[0] == 200 and ask(port, key.token())[0] == 401, "SIGHUP does not read the keys again")

    # The same keys from an address, and an address that does not answer.
    class Keys(http.server.SimpleHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if self.path == "/keys" else 302)
            self.send_header("Location", "/keys")
            self.end_headers()
            self.wfile.write(open(keys_file, "rb").read())

        def log_message(self, *_):
            pass

    host = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Keys)
    threading.Thread(target=host.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{host.server_port}"
    _, port = start(address + "/keys")
    check(ask(port, next_key.token())[0] == 200, "keys from an address")
    for wrong in (address + "/moved", "http://127.0.0.1:1/keys", "http://login.example.org/keys", f"{folder}/none.json"):
        done = subprocess.run([f"{bin_dir}/khipu-mcp", "--http", "127.0.0.1:0", "--oauth-issuer", ISSUER, "--oauth-resource",
                               RESOURCE, "--oauth-keys", wrong, f"{folder}/root"], capture_output=True, timeout=30, check=False)
        check(done.returncode == 3 and b"OAuth keys" in done.stderr, f"{wrong}: {done.returncode} {done.stderr!r}")


try:
    main()
    print("passed")
finally:
    for server in servers:
        server.kill()
        server.wait()
    shutil.rmtree(folder, ignore_errors=True)
