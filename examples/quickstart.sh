#!/usr/bin/env bash
# From a fresh Debian 12 to an audit log that a language model can read: installs what is missing, builds, makes a log,
# imports real input, starts the writer, asks khipu-mcp three questions, prints what to put into an MCP client.
#
#   examples/quickstart.sh              in a new temporary folder
#   examples/quickstart.sh --dir DIR    the log is DIR/log; run again: the imports add only what is new
#   examples/quickstart.sh --journal    import this machine's journal too
#   examples/quickstart.sh --no-install --bin FOLDER    use programs that are built already
#
# The writer it starts is stopped at the end; the log stays.
set -euo pipefail

here=$(cd "$(dirname "$0")/.." && pwd)
dir=
journal=no
install=yes
bin=

fail() { printf 'quickstart: %s\n' "$1" >&2; exit 1; }
say() { printf '\n== %s\n' "$1"; }

while (($#)); do
  case $1 in
    --dir) dir=${2:?--dir wants a folder}; shift 2 ;;
    --journal) journal=yes; shift ;;
    --no-install) install=no; shift ;;
    --bin) bin=${2:?--bin wants a folder}; shift 2 ;;
    -h | --help) sed -n '2,10p' "$0" | cut -c3-; exit 0 ;;
    *) fail "unknown argument: $1 (known: --dir DIR, --journal, --no-install, --bin FOLDER)" ;;
  esac
done

if [[ $install == yes ]]; then
  say "what the build needs"
  "$here/examples/install_deps.sh"
fi
if [[ -z $bin ]]; then
  say "the build (some minutes the first time)"
  # A first build compiles several files at a time: less work. A folder that is there already stays as it is.
  fresh=()
  [[ -f $here/build/release/CMakeCache.txt ]] || fresh=(-DKHIPU_UNITY=ON -DKHIPU_PCH=ON)
  (cd "$here" && cmake --preset release -DKHIPU_TESTS=OFF -DKHIPU_BENCH=OFF -DKHIPU_FUZZ=OFF "${fresh[@]}" > /dev/null &&
    cmake --build --preset release --target khipu khipu-mcp)
  bin=$here/build/release/bin
fi
khipu=$bin/khipu
[[ -x $khipu && -x $bin/khipu-mcp ]] || fail "no khipu and khipu-mcp in $bin"

[[ -n $dir ]] || dir=$(mktemp -d "${TMPDIR:-/tmp}/khipu-quickstart.XXXXXX")
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
root=$dir/log

say "the log: $root"
if [[ -e $root/HEAD ]]; then
  echo "is there already"
else
  "$khipu" init "$root" --origin "quickstart.local/log"
fi
key=$root.keys/verifier.pub

# Parked records (exit 1) are reported and no reason to stop.
import() { "$khipu" import "$root" "$@" || (($? == 1)); }

say "imports"
import --format cloudtrail "$here/examples/cloudtrail-sample.json"
if [[ -r /var/log/dpkg.log ]]; then
  import --format jsonl --mapping "$here/examples/dpkg-log.mapping.json" /var/log/dpkg.log
else
  echo "/var/log/dpkg.log is not here or not readable: skipped"
fi
if [[ $journal == yes ]]; then
  if command -v journalctl > /dev/null; then
    import --journal || echo "the journal could not be imported"
  else
    echo "there is no journalctl on this machine: the journal is skipped"
  fi
fi

say "the writer"
: > "$dir/serve.log"
"$khipu" serve "$root" 2> "$dir/serve.log" &
writer=$!
trap 'kill "$writer" 2> /dev/null && wait "$writer" || true' EXIT
until grep -q 'serve ready' "$dir/serve.log"; do
  kill -0 "$writer" 2> /dev/null || { cat "$dir/serve.log" >&2; fail "the writer did not start"; }
  sleep 0.1
done
echo "runs as process $writer, takes events at $root/ingest.sock:"
event='{"actor":{"type":"user","id":"u-1001","fields":{"name":"alice"}},"action":"login","action_class":"auth","outcome":"success","source":"quickstart"}'
renamed='{"actor":{"type":"user","id":"u-1001","fields":{"name":"alice.smith"}},"action":"rename","action_class":"update","outcome":"success","source":"quickstart"}'
printf '%s\n' "$event" "$renamed" |
  curl -sS --unix-socket "$root/ingest.sock" -H 'Content-Type: application/x-ndjson' \
    -H 'Idempotency-Key: quickstart' --data-binary @- http://khipu/v1/events
echo

say "three questions to khipu-mcp"
# One server, the questions one after another: what happened last, how did an entity change, was anything altered.
python3 "$here/examples/ask.py" "$bin/khipu-mcp" "$root" --key "$key" -- \
  audit_query '{"outcome": ["failure", "denied"], "limit": 5}' \
  audit_history '{"entity": "user:u-1001"}' \
  audit_verify '{"scope": "full"}'

say "for your MCP client"
cat << BLOCK
Claude Desktop (claude_desktop_config.json), and Claude Code (.mcp.json in a project):
{
  "mcpServers": {
    "khipu": {
      "command": "$bin/khipu-mcp",
      "args": ["$root", "--key", "$key"]
    }
  }
}

Claude Code, in one line:
claude mcp add khipu -- "$bin/khipu-mcp" "$root" --key "$key"

VS Code (.vscode/mcp.json):
{
  "servers": {
    "khipu": {
      "type": "stdio",
      "command": "$bin/khipu-mcp",
      "args": ["$root", "--key", "$key"]
    }
  }
}

MCP Inspector:
npx @modelcontextprotocol/inspector "$bin/khipu-mcp" "$root" --key "$key"
BLOCK
say "done; start the writer again with: $khipu serve $root"
