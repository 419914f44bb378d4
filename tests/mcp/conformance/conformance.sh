#!/usr/bin/env bash
# The official testers against our servers (gates G1 to G5 of mcp/README.md):
#   conformance.sh fixture|product|inspector SOURCE_DIR BIN_DIR CACHE_DIR
# Exit 4: skipped, and why: no node or npm, or the packages are not to be had. They are installed once, into CACHE_DIR.
set -euo pipefail
gate=$1 source=$2/tests/mcp/conformance bin=$3 cache=$4
source "$source/servers.sh"

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
leave_home

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
    start "$bin/khipu-mcp" "$folder/root"
    timeout 600 node "$source/inspector.mjs" "$cache/node_modules/@modelcontextprotocol/inspector/clients/cli/build/index.js" \
      "http://127.0.0.1:$port/mcp" "$bin/khipu-mcp" "$folder/root" || fail "the Inspector"
    ;;
  *) fail "which gate?" ;;
esac
stop
echo "passed: $gate"
