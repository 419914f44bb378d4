#!/usr/bin/env python3
"""The real khipu-mcp over pipes against what hosts do and what nobody should: stdio.py BIN_DIR SOURCE_DIR [brief].

brief: some of many alike, for programs that sanitizers make slow.

Rows of the contract that a server on stdio can break, each a case; tests/mcp/README.md says which row is which case.
Exit 0: all hold. 1: says what not.
"""
import json
import os
import re
import subprocess
import sys
import time

import host
from host import MODERN, REVISIONS, Stdio, case, check, initialize, modern, request

bin_dir, source = map(os.path.abspath, sys.argv[1:3])
is_brief = sys.argv[3:] == ["brief"]
server = f"{bin_dir}/khipu-mcp"
root = host.make_root(bin_dir)
CALLS = {"audit_describe": {}, "audit_query": {"limit": 5}, "audit_get_event": {"seq": [1]}, "audit_history": {"entity": "user:u-1"},
         "audit_find_entity": {"text": "u-1"}, "audit_aggregate": {"group_by": ["actor"]}, "audit_coverage": {},
         "audit_sample": {"n": 1}, "audit_verify": {}, "audit_prove": {"kind": "inclusion", "seq": [0]}}


def start(*words, **how):
    return Stdio([server, *words, root], **how)


def call(number, name, arguments=None, **more):
    return request(number, "tools/call", {"name": name, "arguments": {} if arguments is None else arguments} | more)


def nulls(value, path=""):
    """Where null stands in a message, but for what a tool says in its own words by its own schema."""
    if value is None:
        return [path or "/"]
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [found for name, member in inner if name != "structuredContent" for found in nulls(member, f"{path}/{name}")]


@case("replay: four handshakes are echoed, whole sessions fit the published schema of their revision, and nothing is null")
def replay():
    for revision in ("2025-03-26", MODERN) if is_brief else (*REVISIONS, MODERN):
        one, samples = start(), []
        with_meta = modern if revision == MODERN else (lambda params=None: params or {})
        if revision != MODERN:
            samples.append(("InitializeResult", one.begin(revision)))
        numbers = iter(range(1, 1000))

        def ask(method, params=None, definition=None):
            answer = one.ask(request(next(numbers), method, with_meta(params)))
            if definition and "result" in answer:
                samples.append((definition, answer["result"]))
            return answer

        tools = ask("tools/list", None, "ListToolsResult")["result"]["tools"]
        check([tool["name"] for tool in tools] == list(dict.fromkeys([*CALLS])) or {tool["name"] for tool in tools} == set(CALLS),
              [tool["name"] for tool in tools])
        for tool in tools:
            result = ask("tools/call", {"name": tool["name"], "arguments": CALLS[tool["name"]]}, "CallToolResult")["result"]
            check(not result.get("isError"), result)
        for resource in ask("resources/list", None, "ListResourcesResult")["result"]["resources"]:
            ask("resources/read", {"uri": resource["uri"]}, "ReadResourceResult")
        ask("resources/templates/list", None, "ListResourceTemplatesResult")
        for prompt in ask("prompts/list", None, "ListPromptsResult")["result"]["prompts"]:
            given = {a["name"]: "user:u-1" for a in prompt.get("arguments", []) if a.get("required")}
            ask("prompts/get", {"name": prompt["name"], "arguments": given}, "GetPromptResult")
        ask("completion/complete", {"ref": {"type": "ref/prompt", "name": "investigate_actor"},
                                    "argument": {"name": "actor", "value": "u"}}, "CompleteResult")
        for method, params in (("no/such", {}), ("tools/call", {"name": "no_such"}), ("resources/read", {"uri": "audit://none"}),
                               ("tools/call", {"name": "audit_query", "arguments": {"nonsense": 1}})):
            ask(method, params)
        check(one.end()[0] == 0, "the exit code")
        check(nulls(one.said) == [], f"{revision}: null at {nulls(one.said)[:5]}")
        # There is no published schema file of the two oldest: theirs is a part of the next one's.
        samples += [("JSONRPCMessage", message) for message in one.said]
        faults = host.schema_faults(source, max(revision, "2025-06-18"), samples)
        check(not faults, f"{revision}: {(faults or [])[:3]}")


@case("replay: what a tool answers fits its output schema, and both forms tell the same counts, roots and verdicts")
def results():
    one = start()
    one.begin()
    schemas = {tool["name"]: tool["outputSchema"] for tool in one.ask(request(1, "tools/list"))["result"]["tools"]}
    for number, (name, arguments) in enumerate(CALLS.items(), 2):
        result = one.ask(call(number, name, arguments))["result"]
        structured, text = result["structuredContent"], result["content"][0]["text"]
        check(not host.value_faults(schemas[name], structured), f"{name}: {host.value_faults(schemas[name], structured)}")
        check(len(text) < 40_000 and len(json.dumps(structured)) < 40_000, f"{name}: too long for a host")
        for member in ("total", "returned", "verdict", "statement", "population"):
            if isinstance(structured.get(member), (int, str)):
                check(f"{member}: {structured[member]}" in text, f"{name}: {member} is not in the text: {text[:400]}")
        if "as_of" in structured:
            check(structured["as_of"]["root"] in text, f"{name}: the root is not in the text")
    refused = one.ask(call(90, "audit_query", {"limit": 0}))["result"]
    check(refused["isError"] and refused["content"][0]["text"], refused)


@case("quirk F1: whatever the settings, stdout has messages and nothing else, and what is to be said goes to stderr")
def only_messages():
    settings = ((), ("--access-log", "off"), ("--access-log", "auto"), ("--access-log", "required"), ("--exit-when-orphaned",),
                ("--key", f"{root}.keys/verifier.pub"))
    for words in settings[::5] if is_brief else settings:
        one = start(*words)
        one.begin()
        one.ask(call(1, "audit_query"))
        one.send(b"garbage")
        one.ask(request(2, "ping"))
        check(one.end()[0] == 0, words)
        check(b"refused a message" in one.process.stderr.read(), f"{words}: nothing on stderr")


def schemas_within(value, path):
    """(path, schema) of a schema and all below it."""
    yield path, value
    for name, member in value.get("properties", {}).items():
        yield from schemas_within(member, f"{path}.{name}")
    if isinstance(value.get("items"), dict):
        yield from schemas_within(value["items"], f"{path}[]")
    if isinstance(value.get("additionalProperties"), dict):
        yield from schemas_within(value["additionalProperties"], f"{path}.*")


@case("quirk F4 to F12, F28: the tools as listed have nothing that a host drops a tool, or all of them, for")
def listed_tools():
    allowed = {"type", "properties", "required", "additionalProperties", "items", "enum", "const", "minimum", "maximum",
               "minLength", "maxLength", "minItems", "maxItems", "default", "description", "title"}
    one = start()
    hello = one.begin()
    check(hello["serverInfo"]["name"] == "khipu" and hello["serverInfo"]["version"], "F10, Cursor: a short name, and a version")
    check(0 < len(hello["instructions"].encode()) <= 2048, "F11: the instructions are cut at 2,048")
    listed = one.ask(request(1, "tools/list"))["result"]
    check(len(json.dumps(listed, separators=(",", ":"), ensure_ascii=False).encode()) / 3 < 8000, "the list is over 8,000 tokens")
    whole = start()
    check(len(json.dumps(whole.ask(request(1, "tools/list", modern())), separators=(",", ":"), ensure_ascii=False).encode()) / 3 < 8000, "the modern answer is over 8,000 tokens")
    check("nextCursor" not in listed and len(listed["tools"]) <= 20, "one page of at most 20 tools")
    for tool in listed["tools"]:
        check(re.fullmatch(r"[a-z0-9_]{1,40}", tool["name"]), tool["name"])
        check(0 < len(tool["description"].encode()) < 1200 and tool["title"], tool["name"])
        check(set(tool["annotations"]) >= {"readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"}, tool["name"])
        for which in ("inputSchema", "outputSchema"):
            check(tool[which]["type"] == "object" and "properties" in tool[which], f"{tool['name']}: {which}")
            for path, schema in schemas_within(tool[which], f"{tool['name']}.{which}"):
                check(set(schema) <= allowed, f"{path}: {set(schema) - allowed}")
                check(isinstance(schema.get("type"), str) or which == "outputSchema", f"{path}: type {schema.get('type')}")
                check(not isinstance(schema.get("type"), list), f"{path}: a list of types")
                check(schema.get("type") != "array" or isinstance(schema.get("items"), dict), f"{path}: no items")
                for name in schema.get("properties", {}):
                    check(re.fullmatch(r"[a-zA-Z0-9_.-]{1,64}", name), f"{path}.{name}")


@case("quirk F16: no revision is echoed blindly, none is older than asked for without need, and 2026-07-28 is never negotiated")
def negotiation():
    unknown = ("1999-01-01", MODERN, "9999-12-31", "2024-10-07", "", "2025-11-25 ", "DRAFT")
    for asked in unknown[:2] if is_brief else unknown:
        one = start()
        answer = one.ask(initialize(asked))
        check(answer["result"]["protocolVersion"] == "2025-11-25", f"{asked}: {answer}")
        check(one.end()[0] == 0, asked)


@case("quirk F17: lists that hosts ask for unasked are answered")
def undeclared_lists():
    one = start()
    one.begin()
    for number, (method, member) in enumerate((("resources/list", "resources"), ("prompts/list", "prompts"),
                                               ("resources/templates/list", "resourceTemplates")), 1):
        check(isinstance(one.ask(request(number, method))["result"][member], list), method)
    check(one.ask(request(9, "roots/list"))["error"]["code"] == -32601, "a method of the other side")


@case("quirk F18: discovery, and unknown methods before the handshake, end nothing, and initialize is served after them")
def discovery_first():
    one = start()
    check(one.ask(request("server-discover-probe-1", "server/discover", modern()))["result"]["supportedVersions"] == [MODERN], "discovery")
    bare = one.ask(request(1, "server/discover"))
    check(bare["error"]["code"] == -32602 and "_meta" in bare["error"]["message"], f"what is missing is named: {bare}")
    check(one.ask(request(2, "x/y"))["error"]["code"] == -32601, "an unknown method")
    one.begin()
    check(one.ask(request(3, "tools/list"))["result"]["tools"], "the list after all that")
    check(one.ask(request(4, "tools/list", modern()))["result"]["resultType"] == "complete", "a stray modern request is one")


@case("quirk F21, S6: it ends with 0, within a second, at the end of input, by SIGTERM, SIGINT and SIGHUP, and when nobody reads")
def ends():
    one = start()
    one.begin()
    one.send(call(1, "audit_verify"))
    code, seconds = one.end()
    check(code == 0 and seconds < 5, f"end of input: {code} after {seconds:.2f} s")
    for number in (host.TERMINATE, host.INTERRUPT, host.HANG_UP):
        one = start()
        one.begin()
        begun = time.monotonic()
        check(one.signal(number) == 0, number)
        check(time.monotonic() - begun < 5, f"signal {number} took long")
    one = start()
    one.begin()
    one.process.stdout.close()
    one.send(request(1, "ping"))
    check(one.process.wait(timeout=host.PATIENCE_S) == 0, "a client that closed its end")


@case("quirk F21, S6: with --exit-when-orphaned it ends when its parent is gone, stdin still open")
def orphaned():
    # A shell starts it, stays until it has answered, and goes; the pipe to its stdin stays open in our hands.
    theirs, held = os.pipe()
    shell = subprocess.Popen(["sh", "-c", f'"{server}" --exit-when-orphaned "{root}" <&{theirs} 2>/dev/null & echo $!; read over'],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=[theirs])
    host.processes.append(shell)
    pid = int(shell.stdout.readline())
    os.write(held, json.dumps(initialize("2025-11-25")).encode() + b"\n")
    check(b"protocolVersion" in shell.stdout.readline(), "the handshake")
    shell.stdin.close()
    shell.wait(timeout=host.PATIENCE_S)
    deadline = time.monotonic() + host.PATIENCE_S
    try:
        while open(f"/proc/{pid}/stat", encoding="ascii").read().split(")")[1].split()[0] != "Z":
            check(time.monotonic() < deadline, "it goes on without its parent")
            time.sleep(0.05)
    except (FileNotFoundError, ProcessLookupError):
        pass  # gone between two looks
    os.close(held)
    os.close(theirs)


@case("quirk F22: arguments that arrive as text are taken as they were meant, and the answer says so")
def mangled_arguments():
    one = start()
    one.begin()
    for number, (name, arguments) in enumerate((("audit_query", {"limit": "5", "action": "PUT"}), ("audit_get_event", {"seq": "[1]"}),
                                                ("audit_get_event", {"seq": "1"}), ("audit_get_event", {"seq": 1}),
                                                ("audit_query", {"actor": '["user:u-1"]'}), ("audit_sample", {"n": "2"})), 1):
        result = one.ask(call(number, name, arguments))["result"]
        check(not result.get("isError"), f"{name} {arguments}: {result['content'][0]['text'][:300]}")
        check("ARGUMENT_COERCED" in result["content"][0]["text"], f"{name} {arguments}: the change is not told")


@case("quirk F24, S2: carriage returns, a byte order mark, blank lines and a last line without an end are taken")
def text_mode():
    one = start()
    one.send(b"\xef\xbb\xbf" + json.dumps(initialize("2025-06-18")).encode() + b"\r\n\r\n   \r")
    check(one.read()["result"]["protocolVersion"] == "2025-06-18", "the handshake")
    one.process.stdin.write(json.dumps(request(1, "ping")).encode())
    one.process.stdin.close()
    check(one.read() == {"jsonrpc": "2.0", "id": 1, "result": {}}, "the last line")
    check(one.wait() == 0, "the exit code")


@case("quirk F25: members nobody knows are ignored, wherever they stand")
def unknown_members():
    one = start()
    hello = initialize("2025-11-25", capabilities={"elicitation": {"url": {}, "x": [1]}, "tasks": {"y": None}, "z": 7},
                       clientInfo={"name": "h", "version": "1", "icons": [{"src": "x"}], "later": {}}, later=[])
    check("result" in one.ask(hello | {"extra": {"a": 1}}), "initialize")
    for number, params in enumerate(({"later": 1, "_meta": {"x/y": 1, "traceparent": "00-x"}}, {"cursor": None}, {"_meta": None}), 1):
        check("result" in one.ask(request(number, "tools/list", params) | {"trace": "x"}), params)
    check("result" in one.ask({"jsonrpc": "2.0", "id": 8, "method": "tools/list"}), "no params")
    check("result" in one.ask({"jsonrpc": "2.0", "id": 9, "method": "tools/list", "params": None}), "params null")
    result = one.ask(request(10, "tools/call", {"name": "audit_describe", "arguments": None, "task": {"ttl": 1}}))
    check(not result["result"].get("isError"), result)


@case("quirk F27, S9, S10: it binds nothing, needs neither a home nor a folder, and two on one log are both served at once")
def quiet_neighbours():
    begun = time.monotonic()
    pair = [start("--access-log", "off", cwd="/", env={}) for _ in range(2)]
    for one in pair:
        one.begin()
    check(time.monotonic() - begun < 10, "the handshakes took long")
    for one in pair:
        held = [os.readlink(f"/proc/{one.process.pid}/fd/{fd}") for fd in os.listdir(f"/proc/{one.process.pid}/fd")]
        check(not [name for name in held if name.startswith("socket:")], held)
        check(not one.ask(call(1, "audit_query"))["result"].get("isError"), "a call")
    for one in pair:
        check(one.end()[0] == 0, "the exit code")


@case("attack: an argument of a megabyte, or of any kind, is answered within the rules, and the next call is served")
def odd_arguments():
    one = start()
    one.begin()
    big = "x" * (1 << 20)
    odd = [big, "\ud800".encode("utf-16", "surrogatepass").decode("utf-16", "replace"), "\u0000", "\u202e", "'; DROP", -1, 2**63, 2**64,
           1e308, 0.5, True, None, [], {}, [[]], {"a": {"b": []}}, ["\u001b[2J"], "../../etc/passwd"]
    tools = one.ask(request("list", "tools/list"))["result"]["tools"]
    given = [(tool["name"], argument, value) for tool in tools for argument in [*tool["inputSchema"]["properties"], "unknown"]
             for value in (odd[1:] if argument != "text" else odd)]
    given = given[::11] if is_brief else given
    for number, (name, argument, value) in enumerate(given):
        answer = one.ask(call(number, name, {argument: value}))
        check(answer["id"] == number and "result" in answer, f"{name} {argument}: {str(answer)[:300]}")
        text = answer["result"]["content"][0]["text"]
        check(len(text) < 40_000 and not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", text), f"{name} {argument}: {text[:300]!r}")
    check(one.ask(request(len(given), "ping"))["result"] == {}, "the ping after all")
    check(one.end()[0] == 0, "the exit code")


# A line, and what it is answered with: nothing, or the id and the code (0: a result).
NOTHING = None
LINES = [
    (b"", NOTHING), (b"garbage", NOTHING), (b"{", NOTHING), (b"\xff\xfe\x00", NOTHING), (b"nul\x00", NOTHING), (b"3", NOTHING),
    (b"null", NOTHING), (b'"x"', NOTHING), (b"[]", NOTHING), (b"[[]]", NOTHING), (b"{}", NOTHING), (b"[" * 200_000, NOTHING),
    (b'{"a":' * 100_000, NOTHING), (b'{"jsonrpc":"2.0","id":1,"method":"ping"', NOTHING), (b'{"jsonrpc":"2.0","id":1,"method":"ping"}x', NOTHING),
    (b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"x":"\xc0\xaf"}}', NOTHING),
    (b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"x":"\\ud800"}}', NOTHING),
    (b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"x":1e400}}', NOTHING),
    (b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"x":NaN}}', NOTHING),
    (b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"x":"\t"}}', NOTHING),
    (b'{"jsonrpc":"2.0","id":null,"method":"ping"}', NOTHING), (b'{"jsonrpc":"2.0","id":1.5,"method":"ping"}', NOTHING),
    (b'{"jsonrpc":"2.0","id":true,"method":"ping"}', NOTHING), (b'{"jsonrpc":"2.0","id":[1],"method":"ping"}', NOTHING),
    (b'{"jsonrpc":"2.0","id":{},"method":"ping"}', NOTHING), (b'{"jsonrpc":"2.0","id":18446744073709551616,"method":"ping"}', NOTHING),
    (b'{"jsonrpc":"2.0","id":"","method":"ping"}', ("", 0)), (b'{"jsonrpc":"2.0","id":0,"method":"ping"}', (0, 0)),
    (b'{"jsonrpc":"2.0","id":"0","method":"ping"}', ("0", 0)), (b'{"jsonrpc":"2.0","id":-9223372036854775808,"method":"ping"}', (-2**63, 0)),
    (b'{"jsonrpc":"2.0","id":9007199254740993,"method":"ping"}', (2**53 + 1, 0)),
    (b'{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}', (1, -32600)), (b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":1,"a":2}}', (1, -32600)),
    (b'{"jsonrpc":"1.0","id":1,"method":"ping"}', (1, -32600)), (b'{"id":1,"method":"ping"}', (1, -32600)),
    (b'{"jsonrpc":2.0,"id":1,"method":"ping"}', (1, -32600)), (b'{"jsonrpc":"2.0","id":1,"method":7}', (1, -32600)),
    (b'{"jsonrpc":"2.0","id":1}', (1, -32600)), (b'{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}', (1, -32602)),
    (b'{"jsonrpc":"2.0","id":1,"method":"ping","params":7}', (1, -32602)), (b'{"jsonrpc":"2.0","id":1,"method":""}', (1, -32601)),
    (b'{"jsonrpc":"2.0","id":1,"method":"tools/list\\n"}', (1, -32601)),
    (b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":' + b"[" * 80 + b"]" * 80 + b"}}", (1, -32600)),
    (b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":[' + b"[]," * 1_000_000 + b"0]}}", (1, -32600)),
    (b'{"jsonrpc":"2.0","id":1,"result":{}}', NOTHING), (b'{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"x"}}', NOTHING),
    (b'{"jsonrpc":"2.0","id":1,"result":{},"error":{}}', NOTHING), (b'{"jsonrpc":"2.0","method":"ping"}', NOTHING),
    (b'{"jsonrpc":"2.0","method":"initialize"}', NOTHING), (b'{"jsonrpc":"2.0","method":"no/such"}', NOTHING),
    (b'{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"unknown"}}', NOTHING),
    (b'{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":null}}', NOTHING),
    (b'{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":[1]}}', NOTHING),
    (b'{"jsonrpc":"2.0","method":"notifications/cancelled"}', NOTHING), (b'{"jsonrpc":"2.0","method":"notifications/progress","params":{}}', NOTHING),
    (b'[{"jsonrpc":"2.0","id":5,"method":"ping"}]', (5, -32600)), (b'{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18"}}', (1, -32600)),
    (b'{"jsonrpc":"2.0","id":1,"method":"tools/call"}', (1, -32602)), (b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":7}}', (1, -32602)),
    (b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"audit_query","arguments":[]}}', (1, -32602)),
    (b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"audit_query\\u0000"}}', (1, -32602)),
    (b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"audit_query","_meta":{"progressToken":{"a":1}}}}', (1, 0)),
    (b'{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"cursor":"x"}}', (1, -32602)),
    (b'{"jsonrpc":"2.0","id":1,"method":"resources/list","params":{"cursor":""}}', (1, -32602)),
    (b'{"jsonrpc":"2.0","id":1,"method":"resources/read"}', (1, -32602)), (b'{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":7}}', (1, -32602)),
    (b'{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"audit://event/../schema"}}', (1, -32602)),
    (b'{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"file:///etc/passwd"}}', (1, -32002)),
    (b'{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"audit://event/99999999999999999999"}}', (1, -32002)),
    (b'{"jsonrpc":"2.0","id":1,"method":"resources/subscribe","params":{"uri":"audit://event/1"}}', (1, -32002)),
    (b'{"jsonrpc":"2.0","id":1,"method":"prompts/get","params":{"name":"none"}}', (1, -32602)),
    (b'{"jsonrpc":"2.0","id":1,"method":"prompts/get","params":{"name":"investigate_actor"}}', (1, -32602)),
    (b'{"jsonrpc":"2.0","id":1,"method":"prompts/get","params":{"name":"investigate_actor","arguments":{"actor":7}}}', (1, -32602)),
    (b'{"jsonrpc":"2.0","id":1,"method":"completion/complete","params":{"ref":{"type":"ref/none"}}}', (1, -32602)),
    (b'{"jsonrpc":"2.0","id":1,"method":"completion/complete","params":{"ref":7,"argument":[]}}', (1, -32602)),
    (b'{"jsonrpc":"2.0","id":1,"method":"logging/setLevel","params":{"level":"debug"}}', (1, -32601)),
    (b'{"jsonrpc":"2.0","id":1,"method":"rpc.discover"}', (1, -32601)),
]


@case("attack: each line that is wrong is answered by the table, or not at all, and the next one is served")
def wrong_lines():
    one = start()
    one.begin()
    for at, (line, expected) in enumerate(LINES):
        shown = line[:120]
        one.send(line)
        if expected is not NOTHING:
            answer = one.read()
            code = answer.get("error", {}).get("code", 0)
            check(type(answer["id"]) is type(expected[0]) and (answer["id"], code) == expected, f"{shown!r}: {answer}, and not {expected}")
        check(one.ask(request(f"after-{at}", "ping"))["id"] == f"after-{at}", f"the ping after {shown!r}")
    one.send(b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"x":"' + b"x" * (5 << 20) + b'"}}')
    check(one.ask(request("end", "ping"))["id"] == "end", "the ping after a line over the limit")
    check(one.end()[0] == 0, "the exit code")


@case("attack: the modern envelope is held to its table on stdio too")
def wrong_envelopes():
    one = start()
    check("result" in one.ask(request(0, "tools/list", modern())), "a modern request settles the era")
    for number, (method, params, code) in enumerate((
            ("tools/list", {}, -32602), ("tools/list", {"_meta": {}}, -32602), ("tools/list", {"_meta": 7}, -32602),
            ("tools/list", {"_meta": host.ENVELOPE | {"io.modelcontextprotocol/protocolVersion": 7}}, -32602),
            ("tools/list", {"_meta": host.ENVELOPE | {"io.modelcontextprotocol/protocolVersion": "v9"}}, -32022),
            ("tools/list", {"_meta": host.ENVELOPE | {"io.modelcontextprotocol/clientCapabilities": []}}, -32602),
            ("initialize", {"protocolVersion": "2025-11-25"}, -32022), ("ping", modern(), -32601),
            ("logging/setLevel", modern(), -32601), ("resources/subscribe", modern(), -32601), ("no/such", modern(), -32601),
            ("resources/read", modern({"uri": "audit://none"}), -32602), ("tools/call", modern({"name": "none"}), -32602),
            ("tools/call", modern({"name": "audit_query", "requestState": "x"}), -32602),
            ("tools/call", modern({"name": "audit_query", "inputResponses": 7}), -32602),
            ("subscriptions/listen", modern({"notifications": 7}), -32602)), 1):
        answer = one.ask(request(number, method, params))
        check(answer.get("error", {}).get("code") == code, f"{method} {params}: {answer}, and not {code}")
    one.send(request("l", "subscriptions/listen", modern({"notifications": {"resourceSubscriptions": ["audit://coverage"]}})))
    check(one.read()["method"] == "notifications/subscriptions/acknowledged", "the first frame of a subscription")
    check(one.end()[0] == 0, "the exit code")
    last = one.said[-2:]
    check(last[0].get("method") == "notifications/cancelled" and last[1]["id"] == "l", f"S12: the end of a subscription: {last}")


sys.exit(host.run_cases())
