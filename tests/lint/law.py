"""The include law as data: which room may use which (engine/README.md, "Rooms").

A room's USES list must stay inside its row; an include must stay inside its room's USES list. A line that needs
another room wants cutting in two; a new entry here is a design decision and says why in its commit.
"""


def _engine(names):
    return {f"engine/{name}" for name in names.split()}


def _mcp(names):
    return {f"mcp/{name}" for name in names.split()}


MAY_USE = {
    "engine/base": set(),
    "engine/os": _engine("base"),
    "engine/crypto": _engine("base os"),
    "engine/codec": _engine("base"),
    "engine/tree": _engine("base crypto"),
    "engine/proof": _engine("base crypto codec tree"),
    "engine/segment": _engine("base os codec"),
    "engine/registry": _engine("base codec"),
    # codec: KEY statements are its structs; os: key files and the wrapped keys in keys/ are read and written here
    "engine/protect": _engine("base os codec crypto registry"),
    "engine/index": _engine("base os crypto codec tree segment registry protect"),
    "engine/snapshot": _engine("base os codec crypto tree segment registry index"),
    "engine/ingest": _engine("base os codec registry protect"),
    "engine/retention": _engine("base segment registry snapshot"),
    "engine/writer": _engine("base os codec crypto tree segment registry index snapshot ingest retention protect"),
    "engine/query": _engine("base crypto codec tree proof segment registry protect index snapshot"),
    "engine/verify": _engine("base os codec crypto tree segment registry protect index"),
    "engine/import": _engine("base os crypto codec registry ingest"),
    "engine/access": _engine("base os codec"),
    "engine/auth": _engine("base os crypto"),
    "mcp/jsonrpc": _engine("base"),
    "mcp/protocol": _engine("base") | _mcp("jsonrpc"),
    "mcp/transport": _engine("base os") | _mcp("jsonrpc"),
    "mcp/auth": _engine("base os crypto auth") | _mcp("jsonrpc transport"),  # implements transport's Authenticator
    "mcp/tlog": _engine("base snapshot tree") | _mcp("transport"),
    "mcp/server": _engine("base crypto") | _mcp("jsonrpc protocol"),  # crypto: requestState is signed
    "mcp/tools": _engine("base codec crypto query verify snapshot tree proof access auth") | _mcp("jsonrpc protocol server"),
}
_ALL_ENGINE = {room for room in MAY_USE if room.startswith("engine/")}
MAY_USE["engine/daemon"] = set(_ALL_ENGINE)
MAY_USE["engine/cli"] = _ALL_ENGINE | {"engine/daemon"}

# The programs: main.cc wires and does nothing else.
NOT_IN_MCP = {"engine/writer", "engine/ingest", "engine/daemon", "engine/import"}
MAY_USE["engine"] = {"engine/cli", "engine/base"}
MAY_USE["mcp"] = {room for room in MAY_USE if room.startswith(("engine/", "mcp/"))} - NOT_IN_MCP - {"engine/cli"}

# Headers that only the named rooms may include: the one place for system calls, for cryptography, for JSON.
ONLY_IN = [
    (r"sys/|unistd\.h|fcntl\.h|poll\.h|linux/|dirent\.h", {"engine/os"}, "system calls live in engine/os"),
    (r"sodium|openssl/|intel-ipsec", {"engine/crypto"}, "libsodium and libcrypto live in engine/crypto"),
    (r"nlohmann/", {"engine/import", "engine/proof", "engine/daemon", "engine/cli", "mcp/*"},
     "the engine never sees JSON; a proof is a JSON document that leaves it"),
    (r"simdjson", {"engine/ingest", "engine/import"}, "JSON is parsed where it comes in"),
    (r"httplib", {"engine/daemon", "mcp/transport"}, "HTTP is behind one facade in each program"),
    (r"rhonabwy", {"mcp/auth"}, "signed tokens of others are taken in one place"),
    (r"CLI/", {"engine/cli", "mcp"}, "arguments are parsed in engine/cli and in the MCP program"),
    (r"toml", {"engine/daemon", "engine/cli", "engine/import", "mcp"}, "configuration is read by the programs"),
]

# Files that make system calls of their own all the same, and why. An entry that is no longer needed is a finding.
SYSTEM_CALLS_TOO = {
    "mcp/transport/stdio.cc": "owns descriptors 0 and 1 of the process, which engine/os does not model",
    "mcp/transport/line_writer.cc": "waits for descriptor 1 and for a cancel at once: one poll(2)",
    "engine/cli/output.cc": "asks whether stderr is a terminal: isatty",
}

# Tables and macros laid out by hand; clang-format would take their columns apart.
LAID_OUT_BY_HAND = {"engine/base/assert.h", "engine/base/bytes.h", "engine/base/ids.h", "engine/base/result.h",
                    "engine/registry/schema.h"}
