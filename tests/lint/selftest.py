"""Sees each lint check fail: a small tree with one offence for every rule, and the same tree without offences."""
import json
import pathlib
import tempfile

import lint

CLEAN = {
    "tests/README.md": 'names of tests are held to lint.named: "a: is one", "a: ... too", "b.one", "c: in Python"\n',
    "tests/a.cc": 'TEST_CASE("a: is one") {}\nTEST_CASE("a: is one "\n          "too") {}\n',
    "tests/a.py": '@case("c: in Python")\n',
    "tests/CMakeLists.txt": "foreach(x IN ITEMS one two)\n  add_test(NAME b.${x} COMMAND y)\nendforeach()\n",
    "engine/base/a.h": "// A clean header.\n#pragma once\n",
    "engine/base/b.h": "// Defines.\n#pragma once\nclass Thing final {};\n",
    "engine/base/c.cc": '#include "engine/base/b.h"\nstruct Own {\n  Own own(Thing);\n};\n',
    "engine/codec/b.cc": '#include "engine/base/a.h"\n// a comment may name ::open( and fsync(\nint f() { return 1; }\n',
    "mcp/jsonrpc/c.h": "// Uses base.\n#pragma once\n#include \"engine/base/a.h\"\n#include <nlohmann/json.hpp>\n",
}
USES = {"engine/base": [], "engine/codec": ["engine/base"], "mcp/jsonrpc": ["engine/base"], "mcp": ["mcp/jsonrpc"]}

# check, file, its text, words the finding must contain
BAD = [
    ("includes", "engine/codec/x.cc", '#include "engine/os/file.h"\n', "x.cc:1: engine/codec does not list engine/os"),
    ("includes", "engine/codec/x.cc", '#include "file.h"\n', "from the repository's root"),
    ("includes", "mcp/jsonrpc/x.cc", '#include "engine/writer/writer.h"\n', "does not list engine/writer"),
    ("includes", "engine/lost/x.cc", "", "is in no room"),
    ("reached", "engine/base/x.cc", '#include "engine/base/a.h"\nvoid f(Thing& thing);\n', "x.cc:2: names Thing and does not reach engine/base/b.h"),
    ("reached", "tests/engine/codec/x.cc", "auto f = base::Thing();\n", "names Thing"),
    ("length", "engine/codec/x.cc", "int a;\n" * 501, "501 lines"),
    ("machine", "engine/codec/x.cc", 'auto p = "/' + 'root/log";\n', "path of one machine"),
    ("machine", "examples/x.sh", "curl https://py" + "pi.org/x\n", "names the host"),
    ("words", "engine/codec/x.cc", "// TO" + "DO later\n", "finish it"),
    ("words", "mcp/README.md", "This is not " + "implemented.\n", "finish it"),
    ("words", "tests/engine/base/x.cc", 'TEST_CASE("one; two") {}\n', "no semicolon"),
    ("cites", "engine/base/x.h", "// See DESI" + "GN.md, section 3.\n", "x.h:1: cites DESIGN.md, which is not here"),
    ("headers", "engine/base/x.h", "#pragma once\n", "what the file is"),
    ("headers", "engine/base/x.h", "// Says.\n", "no #pragma once"),
    ("headers", "engine/base/x.h", "// Says.\n#pragma once\nusing namespace khipu;\n", "opens no namespace"),
    ("syscalls", "engine/codec/x.cc", "int f() { return ::open(\"a\", 0); }\n", "open() is a system call"),
    ("syscalls", "engine/codec/x.cc", "void f(int fd) {\n  fsync(fd);\n}\n", "x.cc:2: fsync()"),
    ("syscalls", "mcp/jsonrpc/x.cc", "auto f = std::fopen(\"a\", \"r\");\n", "fopen()"),
    ("syscalls", "engine/cli/output.cc", "int a;\n", "take it out"),
    ("libraries", "engine/codec/x.cc", "#include <sodium.h>\n", "live in engine/crypto"),
    ("libraries", "engine/codec/x.cc", "#include <openssl/evp.h>\n", "live in engine/crypto"),
    ("libraries", "engine/codec/x.cc", "#include <nlohmann/json.hpp>\n", "never sees JSON"),
    ("named", "tests/README.md", 'names of tests are held to\nlint.named: "no such test"\n', "README.md:2: there is no test 'no such test'"),
    ("libraries", "mcp/jsonrpc/x.cc", "#include <sys/stat.h>\n", "live in engine/os"),
]
BAD_USES = [
    ("uses", {"engine/codec": ["engine/os"]}, "engine/codec may not use engine/os"),
    ("uses", {"mcp/jsonrpc": ["engine/writer"]}, "mcp/jsonrpc may not use engine/writer"),
    ("uses", {"engine/cellar": []}, "no such room"),
    ("symbols", {"mcp": ["mcp/tools"], "mcp/tools": ["engine/query"], "engine/query": ["engine/ingest"]},
     "khipu-mcp links engine/ingest"),
]


def findings(check, tree, uses):
    with tempfile.TemporaryDirectory() as name:
        root = pathlib.Path(name)
        for path, text in tree.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text)
        rooms = [{"kind": "room", "folder": folder, "uses": used} for folder, used in uses.items()]
        (root / "build").mkdir()
        (root / "build" / "rooms.json").write_text(json.dumps(rooms))
        found = []
        try:
            for finding in lint.CHECKS[check](root, root / "build"):
                found.append(finding)
        except lint.Skip:
            pass
        return found


def main():
    wrong = []
    for check in lint.CHECKS:
        for finding in findings(check, CLEAN, USES):
            wrong.append(f"{check}: a clean tree is blamed: {finding}")
    for check, path, text, expected in BAD:
        found = findings(check, {**CLEAN, path: text}, USES)
        if not any(expected in finding for finding in found):
            wrong.append(f"{check}: {path} {text[:50]!r}: wanted {expected!r}, got {found}")
    for check, uses, expected in BAD_USES:
        found = findings(check, CLEAN, {**USES, **uses})
        if not any(expected in finding for finding in found):
            wrong.append(f"{check}: {uses}: wanted {expected!r}, got {found}")
    print("\n".join(wrong) if wrong else f"{len(BAD) + len(BAD_USES)} offences, all found")
    return 1 if wrong else 0
