#!/usr/bin/env bash
# The official testers against our servers (gates G1 to G5 of mcp/README.md):
#   conformance.sh fixture|product|inspector SOURCE_DIR BIN_DIR CACHE_DIR
# Exit 4: skipped, and why: no node or npm, or the packages are not to be had. They are installed once, into CACHE_DIR.
set -euo pipefail
gate=$1 source=$2/tests/mcp/conformance bin=$3 cache=$4
skip() { printf 'SKIPPED: %s\n' "$1"; exit 4; }
fail() { printf 'FAILED: %s\n' "$1"; exit 1; }

command -v node >/dev/null && command -v npm >/dev/null || skip "there is no node or no npm on this machine"
major=$(node -p 'process.versions.node.split(".")[0]')
((major >= 20)) || skip "node $major, and the testers want 20"
want=$(cat "$source/package.json" "$source/package-lock.json" | cksum)
mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9
if [[ $(cat "$cache/installed" 2>/dev/null) != "$want" ]]; then
  cp "$source/package.json" "$source/package-lock.json" "$cache/"
  (cd "$cache" && timeout 240 npm ci --no-audit --no-fund --ignore-scripts) >"$cache/npm.log" 2>&1 ||
    skip "the packages are not to be had: $(grep -m1 -i 'error' "$cache/npm.log" | head -c 160)"
  echo "$want" >"$cache/installed"
fi
flock -u 9

folder=$(mktemp -d)
server=
stop() { [[ -z $server ]] || { kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; }; }
trap 'stop; rm -rf "$folder"' EXIT
export HOME=$folder/home XDG_STATE_HOME=$folder/state
mkdir -p "$HOME"

# start PROGRAM ARGUMENTS...: over HTTP on a free port, which is then in $port.
start() {
  : >"$folder/port"
  "$@" --http 127.0.0.1:0 --print-port >"$folder/port" 2>"$folder/log" &
  server=$!
  for _ in $(seq 100); do
    port=$(cat "$folder/port")
    [[ -n $port ]] && return
    kill -0 "$server" 2>/dev/null || fail "the server did not start: $(cat "$folder/log")"
    sleep 0.1
  done
  fail "the server does not listen"
}

# A log of three hundred events by seven people, for the product.
make_root() {
  "$bin/khipu" init "$folder/root" --origin example.test/audit >"$folder/init"
  for i in $(seq 300); do
    printf '{"occurred_at":"2026-06-15T05:07:07Z","actor":{"type":"user","id":"u-%d","fields":{"name":"n%d"}},"action":"PUT","targets":[{"type":"resource","id":"r-%d","fields":{}}]}\n' $((i % 7)) $((i % 7)) "$i"
  done >"$folder/events"
  "$bin/khipu" append "$folder/root" <"$folder/events" >"$folder/out" 2>&1 || fail "append: $(tail -1 "$folder/out")"
}

# suite NAME FLAG REVISION [gate arguments...]
suite() {
  local name=$1 flag=$2 revision=$3
  shift 3
  timeout 120 node --import "$source/node20-fs-shim.mjs" "$cache/node_modules/@modelcontextprotocol/conformance/dist/index.js" \
    server --url "http://127.0.0.1:$port/mcp" "$flag" "$revision" -o "$folder/$name-$revision" >"$folder/suite" 2>&1 || true
  python3 "$source/gate.py" "$revision" "$folder/$name-$revision" "$@" || { tail -40 "$folder/suite"; fail "$name, $revision"; }
}

case $gate in
  fixture)
    start "$bin/khipu-mcp-fixture"
    suite fixture --requirements 2025-11-25
    suite fixture --requirements 2026-07-28 --ignore tasks-
    suite fixture --spec-version 2025-06-18
    suite fixture --spec-version 2025-03-26
    ;;
  product)
    make_root
    start "$bin/khipu-mcp" "$folder/root"
    for revision in 2025-11-25 2026-07-28; do
      suite product --requirements $revision --ignore tasks- "$source/product-$revision.txt"
    done
    ;;
  inspector)
    make_root
    inspector=$cache/node_modules/.bin/mcp-inspector
    # ask ERA EXIT WORDS...: once over stdio and once over HTTP
    ask() {
      local era=$1 want_status=$2 status
      shift 2
      for target in "$bin/khipu-mcp $folder/root" "http://127.0.0.1:$port/mcp --transport http"; do
        status=0
        # shellcheck disable=SC2086
        timeout 60 node "$inspector" --cli $target --protocol-era "$era" --format json "$@" >"$folder/answer" 2>&1 || status=$?
        [[ $status == "$want_status" ]] || fail "inspector $era $* at $target: exit $status, not $want_status: $(head -c 600 "$folder/answer")"
      done
    }
    start "$bin/khipu-mcp" "$folder/root"
    for era in legacy modern; do
      ask $era 0 --method tools/list --strict
      ask $era 0 --method tools/call --tool-name audit_describe
      ask $era 0 --method tools/call --tool-name audit_query --tool-args-json '{"limit":5}'
      ask $era 5 --method tools/call --tool-name audit_query --tool-args-json '{"nonsense":true}'
      ask $era 5 --method tools/call --tool-name no_such_tool
    done
    ;;
  *) fail "which gate?" ;;
esac
stop
server=
echo "passed: $gate"
