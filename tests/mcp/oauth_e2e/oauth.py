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
import ssl
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


def words(keys):
    return [f"{bin_dir}/khipu-mcp", "--http", "127.0.0.1:0", "--print-port", "--access-log", "off", "--oauth-issuer", ISSUER,
            "--oauth-resource", RESOURCE, "--oauth-keys", keys, f"{folder}/root"]


def start(keys, **how):
    process = subprocess.Popen(words(keys), stdout=subprocess.PIPE, stderr=subprocess.PIPE, **how)
    servers.append(process)
    line = process.stdout.readline()
    check(line.strip().isdigit(), f"the server did not start: {process.stderr.read()!r}" if not line else line)
    return process, int(line)


def refused(keys, what, **how):
    """A start that fails, saying that it is for the keys; how long it took."""
    begun = time.monotonic()
    done = subprocess.run(words(keys), capture_output=True, timeout=60, check=False, **how)
    check(done.returncode == 3 and b"OAuth keys" in done.stderr, f"{what}: {done.returncode} {done.stderr!r}")
    return time.monotonic() - begun


def until(holds, what):
    deadline = time.monotonic() + 20
    while not holds():
        check(time.monotonic() < deadline, what)
        time.sleep(0.05)


class Keys(http.server.SimpleHTTPRequestHandler):
    """The authorization server's keys: at /keys; /moved leads there; /slow never ends, /large neither."""
    path_of_keys = ""
    asked = 0

    def do_GET(self):
        Keys.asked += 1
        self.send_response(200 if self.path != "/moved" else 302)
        self.send_header("Location", "/keys")
        document = open(Keys.path_of_keys, "rb").read()
        if self.path not in ("/slow", "/large"):  # over TLS an end without a length could be anybody's doing
            self.send_header("Content-Length", str(len(document)))
        self.end_headers()
        try:
            if self.path == "/slow":
                while True:
                    self.wfile.write(b" ")
                    time.sleep(0.2)
            if self.path == "/large":
                while True:
                    self.wfile.write(b" " * 65536)
            self.wfile.write(document)
        except OSError:
            pass  # given up, as it should be

    def log_message(self, *_):
        pass


def serve_keys(certificate=None, port=0):
    host = http.server.ThreadingHTTPServer(("127.0.0.1", port), Keys)
    host.daemon_threads = True
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        host.socket = context.wrap_socket(host.socket, server_side=True)
    threading.Thread(target=host.serve_forever, daemon=True).start()
    return host


def certificate(name, subject):
    """A self-signed one for a name and its address: (certificate, key)."""
    pair = f"{folder}/{name}.crt", f"{folder}/{name}.key"
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", f"/CN={subject}",
        "-addext", f"subjectAltName=DNS:{subject}", "-keyout", pair[1], "-out", pair[0])
    return pair


def over_tls(key, next_key, publish):
    """Keys from https: a certificate that nobody vouches for is refused, keys change, and the server goes and comes back."""
    good, other = certificate("good", "localhost"), certificate("other", "elsewhere.example")
    trusting = {"env": os.environ | {"SSL_CERT_FILE": good[0]}}
    publish(key)
    host = serve_keys(good)
    port = host.server_port
    address = f"https://localhost:{port}/keys"
    refused(address, "a certificate nobody vouches for", env=os.environ | {"SSL_CERT_FILE": other[0]})
    stranger = serve_keys(other)
    refused(f"https://localhost:{stranger.server_port}/keys", "a certificate of another name", env=os.environ | {"SSL_CERT_FILE": other[0]})
    stranger.shutdown()
    stranger.server_close()

    process, served = start(address, **trusting)
    check(ask(served, key.token())[0] == 200, "keys over TLS")
    asked = Keys.asked
    for _ in range(5):
        check(ask(served, next_key.token())[0] == 401, "a key that is not published")
    check(Keys.asked == asked, "strangers' keys make it ask within the minute")
    publish(key, next_key)  # rotation: both for a while, then the new one
    process.send_signal(signal.SIGHUP)
    until(lambda: ask(served, next_key.token())[0] == 200, "the new key is not taken")
    check(ask(served, key.token())[0] == 200, "the old key is still published")

    host.shutdown()
    host.server_close()
    process.send_signal(signal.SIGHUP)
    time.sleep(0.5)
    check(ask(served, key.token())[0] == 200 and ask(served, next_key.token())[0] == 200, "keys are held while their server is away")
    refused(address, "a server that is away at start", **trusting)
    publish(next_key)
    host = serve_keys(good, port)
    process.send_signal(signal.SIGHUP)
    until(lambda: ask(served, key.token())[0] == 401, "a key that was taken back is still in force")
    check(ask(served, next_key.token())[0] == 200, "the new key after its server came back")
    host.shutdown()
    host.server_close()


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

    Keys.path_of_keys = keys_file

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

    # The same keys from an address, and addresses that do not answer as they should.
    host = serve_keys()
    address = f"http://127.0.0.1:{host.server_port}"
    _, port = start(address + "/keys")
    check(ask(port, next_key.token())[0] == 200, "keys from an address")
    for wrong in (address + "/moved", "http://127.0.0.1:1/keys", "http://login.example.org/keys", f"{folder}/none.json", address + "/large"):
        refused(wrong, wrong)
    check(refused(address + "/slow", "keys that drip") < 30, "keys that drip hold up the start")
    over_tls(key, next_key, publish)


try:
    main()
    print("passed")
finally:
    for server in servers:
        server.kill()
        server.wait()
    shutil.rmtree(folder, ignore_errors=True)
