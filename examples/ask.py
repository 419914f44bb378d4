#!/usr/bin/env python3
"""A very small MCP client over stdio: starts a server, asks it, prints what it answered. Standard library only.

    ask.py khipu-mcp ROOT -- audit_query '{"limit": 5}' audit_verify '{}'

Each question is a tool's name and its arguments as JSON. Ends with 1 when a tool or the server answered with an error.
"""
import json
import subprocess
import sys


class Client:
    def __init__(self, command):
        self.server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.last_id = 0

    def notify(self, method):
        self.send({"jsonrpc": "2.0", "method": method})

    def ask(self, method, params):
        self.last_id += 1
        self.send({"jsonrpc": "2.0", "id": self.last_id, "method": method, "params": params})
        for line in self.server.stdout:
            message = json.loads(line)
            if message.get("id") == self.last_id and "method" not in message:
                return message
        raise SystemExit("ask.py: the server ended without an answer")

    def send(self, message):
        self.server.stdin.write(json.dumps(message) + "\n")
        self.server.stdin.flush()

    def close(self):
        self.server.stdin.close()
        return self.server.wait()


def main(words):
    if "--" not in words or (len(words) - words.index("--")) % 2 == 0:
        raise SystemExit(__doc__)
    split = words.index("--")
    client = Client(words[:split])
    hello = client.ask("initialize", {
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "khipu-quickstart", "version": "1"}})
    if "error" in hello:
        raise SystemExit(f"ask.py: {hello['error']['message']}")
    client.notify("notifications/initialized")
    failed = False
    questions = words[split + 1:]
    for name, arguments in zip(questions[::2], questions[1::2]):
        print(f"\n--- {name} {arguments}")
        answer = client.ask("tools/call", {"name": name, "arguments": json.loads(arguments)})
        if "error" in answer:
            print(f"error {answer['error']['code']}: {answer['error']['message']}")
            failed = True
            continue
        for block in answer["result"]["content"]:
            print(block.get("text", f"({block['type']})").rstrip())
        failed = failed or answer["result"].get("isError", False)
    return client.close() or (1 if failed else 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
