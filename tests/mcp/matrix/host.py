"""What the matrices share: named cases, a small log, khipu-mcp over pipes and over sockets, and the published schemas.

A case is a function under @case("a sentence"); tests/mcp/README.md names cases by that sentence, and lint.named finds them.
"""
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

REVISIONS = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
MODERN = "2026-07-28"
ENVELOPE = {"io.modelcontextprotocol/protocolVersion": MODERN, "io.modelcontextprotocol/clientCapabilities": {}}
PATIENCE_S = 30  # for an answer that must come; sanitizers and a busy machine are slow

cases = []
folder = tempfile.mkdtemp()
processes = []


class Failed(Exception):
    pass


def check(holds, what):
    if not holds:
        raise Failed(str(what)[:1500])


def case(name):
    def keep(function):
        cases.append((name, function))
        return function
    return keep


def run_cases():
    """Each case, also after one that failed; the exit code."""
    failures = 0
    try:
        for name, function in cases:
            try:
                function()
            except Failed as failed:
                failures += 1
                print(f"FAILED: {name}: {failed}")
    finally:
        for process in processes:
            if process.poll() is None:
                process.kill()
                process.wait()
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{len(cases)} cases, {failures} failed")
    return 1 if failures else 0


def make_root(bin_dir, count=30):
    root = f"{folder}/root"
    events = "".join(json.dumps({"occurred_at": "2026-06-15T05:07:07Z", "action": "PUT", "source": "billing",
                                 "actor": {"type": "user", "id": f"u-{i % 3}", "fields": {"name": f"n{i % 3}"}},
                                 "targets": [{"type": "resource", "id": f"d-{i}", "fields": {}}], "content": "free text"}) + "\n"
                     for i in range(count))
    for words, given in (([f"{bin_dir}/khipu", "init", root, "--origin", "example.test/audit"], None),
                         ([f"{bin_dir}/khipu", "append", root], events.encode())):
        done = subprocess.run(words, input=given, capture_output=True, check=False)
        check(done.returncode == 0, f"{words}: {done.stderr[-400:]!r}")
    return root


def request(number, method, params=None):
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": {} if params is None else params}


def initialize(revision, number=0, **more):
    return request(number, "initialize", {"protocolVersion": revision, "capabilities": {},
                                          "clientInfo": {"name": "matrix", "version": "1"}} | more)


def modern(params=None):
    return (params or {}) | {"_meta": ENVELOPE}


class Stdio:
    """khipu-mcp with its pipes in our hands. Every line it says must be one JSON-RPC message."""

    def __init__(self, words, **how):
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **how)
        processes.append(self.process)
        self.rest, self.said = b"", []

    def send(self, message):
        line = message if isinstance(message, bytes) else json.dumps(message).encode()
        self.process.stdin.write(line + b"\n")
        self.process.stdin.flush()

    def read(self):
        """The next message; None at the end of the stream."""
        deadline = time.monotonic() + PATIENCE_S
        while b"\n" not in self.rest:
            ready, _, _ = select.select([self.process.stdout], [], [], max(0, deadline - time.monotonic()))
            check(ready, "no answer came")
            more = os.read(self.process.stdout.fileno(), 1 << 16)
            if not more:
                check(not self.rest, f"the last line has no end: {self.rest[:200]!r}")
                return None
            self.rest += more
        line, self.rest = self.rest.split(b"\n", 1)
        try:
            message = json.loads(line.decode("utf-8"))
        except ValueError:
            raise Failed(f"not JSON in UTF-8 on stdout: {line[:300]!r}") from None
        self.said.append(message)
        return message

    def ask(self, message):
        self.send(message)
        answer = self.read()
        if answer is None:
            raise Failed(f"it stopped talking, with {self.process.poll()}")
        return answer

    def begin(self, revision="2025-11-25"):
        answer = self.ask(initialize(revision))
        check(answer.get("result", {}).get("protocolVersion") == revision, answer)
        self.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
        return answer["result"]

    def end(self):
        """Closes stdin. Exit code and seconds until it was there; what is still said must be messages."""
        begun = time.monotonic()
        self.process.stdin.close()
        return self.wait(), time.monotonic() - begun

    def wait(self):
        while self.read() is not None:
            pass
        return self.process.wait(timeout=PATIENCE_S)

    def signal(self, number):
        self.process.send_signal(number)
        return self.wait()


def start_http(words):
    process = subprocess.Popen([*words, "--http", "127.0.0.1:0", "--print-port"], stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL)
    processes.append(process)
    line = process.stdout.readline()
    check(line.strip().isdigit(), "the server did not start")
    return process, int(line)


class Answer:
    def __init__(self, raw):
        head, _, body = raw.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        words = lines[0].split(" ")
        self.status = int(words[1]) if len(words) > 1 and words[0].startswith("HTTP/1.") else 0
        self.headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        self.body = body
        try:
            self.json = json.loads(body)
        except ValueError:
            self.json = None
        error = self.json.get("error") if isinstance(self.json, dict) else None
        self.code = error["code"] if error else 0


def exchange(port, data, half_close=False):
    """Sends bytes on a connection of its own, and reads the first answer whole, or until the connection ends."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as plain:
        try:
            plain.sendall(data)
            if half_close:
                plain.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # refused half-way: the answer says why
        raw = b""
        while True:
            head, end, body = raw.partition(b"\r\n\r\n")
            if end:
                length = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
                if length and len(body) >= int(length[0].split(b":")[1]):
                    return Answer(raw)
                if head.startswith((b"HTTP/1.1 204", b"HTTP/1.1 202")) or b"text/event-stream" in head.lower():
                    return Answer(raw)
            try:
                more = plain.recv(1 << 16)
            except ConnectionResetError:
                more = b""
            except socket.timeout:
                raise Failed(f"neither an answer nor an end, after {raw[:200]!r}") from None
            if not more:
                return Answer(raw)
            raw += more


def schema_faults(source, revision, samples):
    """What the published schema of a revision has against (definition, value) samples. None: it cannot be told here."""
    try:
        import jsonschema
    except ImportError:
        return None
    path = os.path.join(os.environ.get("KHIPU_SHARED", os.path.join(source, "..", "shared")), "mcp-schema", f"{revision}.json")
    if not os.path.exists(path):
        return None
    schema = json.load(open(path, encoding="utf-8"))
    place = "$defs" if "$defs" in schema else "definitions"
    kind = jsonschema.Draft202012Validator if place == "$defs" else jsonschema.Draft7Validator
    return [f"{definition}: {error.message} in {json.dumps(value)[:300]}" for definition, value in samples
            for error in kind({place: schema[place], "$ref": f"#/{place}/{definition}"}).iter_errors(value)]


def value_faults(schema, value):
    """What a tool's own output schema has against a value; None without the module."""
    try:
        import jsonschema
    except ImportError:
        return None
    return [error.message for error in jsonschema.Draft202012Validator(schema).iter_errors(value)]


assert sys.version_info >= (3, 9)
TERMINATE, HANG_UP, INTERRUPT = signal.SIGTERM, signal.SIGHUP, signal.SIGINT
