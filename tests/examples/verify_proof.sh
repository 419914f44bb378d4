#!/usr/bin/env bash
# examples/verify_proof (Go) on what khipu hands out: its own tests, a bundle, an exported log, and damaged ones.
#   verify_proof.sh SOURCE_DIR BIN_DIR
# Exit 4: skipped, and why: no Go, one older than the modules want, or the modules are not to be had.
set -euo pipefail
source=$1/examples/verify_proof khipu=$2/khipu
skip() { printf 'SKIPPED: %s\n' "$1"; exit 4; }
fail() { printf 'FAILED: %s\n' "$1"; exit 1; }

command -v go >/dev/null || skip "there is no go on this machine"
export GOTOOLCHAIN=local GOFLAGS=-mod=readonly
need=$(sed -n 's/^go //p' "$source/go.mod") have=$(go env GOVERSION | sed 's/^go//; s/ .*//')
[[ $(printf '%s\n%s\n' "$need" "$have" | sort -V | head -1) == "$need" ]] || skip "go $have, and the modules want $need"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
(cd "$source" && timeout 120 go mod download) >"$folder/download" 2>&1 || skip "the Go modules are not to be had: $(tail -1 "$folder/download")"
(cd "$source" && go vet ./... && go test ./... && go build -o "$folder/verify_proof" .) || fail "go vet, test or build"

vectors=${KHIPU_SHARED:-$1/../shared}/vectors/generated/tlog
if [[ -d $vectors ]]; then
  "$folder/verify_proof" -key "$vectors/log.vkey" -tlog "$vectors" || fail "the log of the vectors"
else
  echo "SKIPPED: the log of the vectors, which are beside the repository"
fi

export XDG_STATE_HOME=$folder/state
"$khipu" init "$folder/log" --origin example.test/audit >"$folder/init"
vkey=$(grep -Eo 'example\.test/audit\+[0-9a-f]{8}\+[A-Za-z0-9+/=]+' "$folder/init" | head -1)
[[ -n $vkey ]] || fail "khipu init printed no vkey"
for i in $(seq 300); do
  printf '{"occurred_at":"2026-06-15T05:07:07Z","actor":{"type":"user","id":"u-%d","fields":{"name":"n%d"}},"action":"PUT","targets":[{"type":"resource","id":"r-%d","fields":{}}]}\n' $((i % 7)) $((i % 7)) "$i"
done >"$folder/events"
"$khipu" append "$folder/log" <"$folder/events" >"$folder/out" 2>&1 || fail "append: $(tail -1 "$folder/out")"
[[ -s $folder/log/checkpoints.log ]] || skip "the checker's own tests passed; this khipu publishes no checkpoints to prove anything against"

accepts() { "$folder/verify_proof" -key "$vkey" "$@" >"$folder/out" || fail "refused ($*): $(cat "$folder/out")"; }
refuses() {
  local status=0
  "$folder/verify_proof" -key "$vkey" "$@" >"$folder/out" 2>&1 || status=$?
  [[ $status == 1 ]] || fail "exit $status, not 1, for a damaged one ($*): $(cat "$folder/out")"
}
flip() { # FILE OFFSET
  local byte
  byte=$(od -An -tu1 -j"$2" -N1 "$1")
  printf "\\x$(printf '%02x' $((byte ^ 1)))" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

"$khipu" export-tlog "$folder/log" "$folder/tlog" --entries || fail "export-tlog"
accepts -tlog "$folder/tlog"
"$khipu" export-tlog "$folder/log" "$folder/tlog" --entries || fail "export-tlog, again"
for table in meta registry; do
  "$khipu" export-tlog "$folder/log" "$folder/tlog-$table" --table $table || fail "export-tlog of $table"
  accepts -tlog "$folder/tlog-$table"
done
"$khipu" append "$folder/log" <"$folder/events" >"$folder/out" 2>&1 || fail "append, again: $(tail -1 "$folder/out")"
"$khipu" export-tlog "$folder/log" "$folder/tlog" --entries || fail "export-tlog of a grown log"
accepts -tlog "$folder/tlog"
for file in tile/0/000 tile/0/002.p/88 tile/1/000.p/2 tile/entries/001; do
  flip "$folder/tlog/$file" 40
  refuses -tlog "$folder/tlog"
  if "$khipu" export-tlog "$folder/log" "$folder/tlog" --entries 2>"$folder/out"; then fail "export-tlog wrote over a changed $file"; fi
  flip "$folder/tlog/$file" 40
done
accepts -tlog "$folder/tlog"

"$khipu" --help >"$folder/help"
grep -q '^ *prove ' "$folder/help" || skip "all but bundles passed; this khipu has no prove"
"$khipu" prove "$folder/log" 257 -o "$folder/bundle.json" || fail "prove"
accepts "$folder/bundle.json"
grep -q 'actor: "user:u-6"' "$folder/out" || fail "who did it: $(cat "$folder/out")"
for member in record table_head registry_head; do
  python3 - "$folder/bundle.json" "$folder/damaged.json" $member <<'PY'
import base64, json, sys
bundle = json.load(open(sys.argv[1]))
record = bytearray(base64.b64decode(bundle[sys.argv[3]]))
record[-1] ^= 1
bundle[sys.argv[3]] = base64.b64encode(record).decode()
json.dump(bundle, open(sys.argv[2], "w"))
PY
  refuses "$folder/damaged.json"
done
sed 's/"seq": *257/"seq": 256/' "$folder/bundle.json" >"$folder/damaged.json"
refuses "$folder/damaged.json"
echo "a bundle and exports of khipu hold, damaged ones are refused"
