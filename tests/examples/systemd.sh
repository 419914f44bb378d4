#!/usr/bin/env bash
# The units of examples/systemd: systemd finds nothing wrong with them, and what their comments say to set up, then their
# ExecStart lines, work for the users that they name.
#   systemd.sh SOURCE_DIR BIN_DIR
# Exit 4: skipped, and why: the users are played by numbers of nobody's, which takes root.
set -euo pipefail
units=$1/examples/systemd bin=$(cd "$2" && pwd)
fail() { printf 'FAILED: %s\n' "$1"; exit 1; }
[[ $(id -u) == 0 ]] || { echo "SKIPPED: only root can be other users"; exit 4; }
writer=64101 reader=64102
folder=$(mktemp -d)
started=()
trap 'kill "${started[@]}" 2>/dev/null || true; wait; rm -rf "$folder"' EXIT
chmod 755 "$folder"
mkdir "$folder/bin" && ln -s "$bin/khipu" "$bin/khipu-mcp" "$folder/bin"

# A unit's text with the places of this test.
placed() {
  sed -e "s#/usr/local/bin/#$folder/bin/#g; s#/srv/audit#$folder/audit#g; s#/etc/khipu-mcp#$folder/etc#g" \
    -e "s#/var/lib/khipu-mcp#$folder/state#g; s#127.0.0.1:8080#127.0.0.1:0 --print-port#" "$units/$1"
}
for unit in khipu khipu-mcp; do placed $unit.service >"$folder/$unit.service"; done
if command -v systemd-analyze >/dev/null; then
  SYSTEMD_LOG_LEVEL=warning systemd-analyze verify "$folder"/*.service >"$folder/verify" 2>&1 || fail "systemd-analyze: $(cat "$folder/verify")"
  ! grep -F "$folder" "$folder/verify" || fail "systemd-analyze finds something"
fi

as_writer=(setpriv --reuid $writer --regid $writer --clear-groups env HOME=/nonexistent)
as_reader=(setpriv --reuid $reader --regid $reader --groups $writer env HOME=/nonexistent)
start() { # start UNIT WORDS...: its ExecStart behind the words
  local line
  line=$(sed -n 's/^ExecStart=//p' "$folder/$1.service")
  read -ra line <<<"$line"
  "${@:2}" "${line[@]}" >"$folder/$1.out" 2>"$folder/$1.err" &
  started+=($!)
}

"$bin/khipu" init "$folder/audit" --origin example.org/audit >/dev/null
chown -R $writer:$writer "$folder/audit" "$folder/audit.keys"
start khipu "${as_writer[@]}"
for _ in $(seq 200); do [[ -S $folder/audit/ingest.sock ]] && break || sleep 0.05; done
curl -sf --unix-socket "$folder/audit/ingest.sock" http://khipu/v1/events -H 'Content-Type: application/json' \
  -d '{"actor":{"type":"user","id":"u-1001"},"action":"PUT"}' >/dev/null || fail "the writer takes no event: $(cat "$folder/khipu.err")"

install -d -o $reader -g $reader -m 0700 "$folder/etc" "$folder/state"
install -o $reader -m 0600 "$folder/audit.keys/verifier.pub" "$folder/etc/verifier.pub"
token=$("${as_reader[@]}" "$bin/khipu" token add "$folder/audit" auditor-1 --keys "$folder/etc" --grant query --grant verify 2>/dev/null)
start khipu-mcp "${as_reader[@]}"
for _ in $(seq 200); do [[ -s $folder/khipu-mcp.out ]] && break || sleep 0.05; done
ask() {
  curl -sf "http://127.0.0.1:$(head -1 "$folder/khipu-mcp.out")/mcp" -H "Authorization: Bearer $token" -H 'Content-Type: application/json' \
    -H 'Accept: application/json, text/event-stream' -H 'MCP-Protocol-Version: 2026-07-28' -H "Mcp-Method: tools/call" -H "Mcp-Name: $1" \
    -d '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"'"$1"'","arguments":{},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"t","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}}}'
}
grep -q '"total":1' <<<"$(ask audit_query)" || fail "khipu-mcp answers otherwise: $(ask audit_query) $(cat "$folder/khipu-mcp.err")"
grep -q '"verdict":"pass"' <<<"$(ask audit_verify)" || fail "audit_verify: $(ask audit_verify)"
[[ -s $folder/state/cursor.key ]] || fail "no key of cursors is kept: $(cat "$folder/khipu-mcp.err")"
"$bin/khipu" query "$folder/audit" --log access --actor token:auditor-1 --json | grep -q '"audit_query' || fail "the call is not in the access log"
echo "systemd: ok"
