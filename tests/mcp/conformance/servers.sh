# For the tests that hold our servers to programs of others: a scratch folder, a small log, servers on free ports. Sourced,
# with $bin set. Exit 4 is a test that was skipped, and says why.
skip() { printf 'SKIPPED: %s\n' "$1"; exit 4; }
fail() { printf 'FAILED: %s\n' "$1"; exit 1; }

folder=$(mktemp -d)
servers=()
stop() {
  for server in "${servers[@]}"; do
    kill "$server" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
  done
  servers=()
}
trap 'stop; rm -rf "$folder"' EXIT
# After the installing, which needs the real one: what the programs keep below their home goes to the scratch folder.
leave_home() {
  export HOME=$folder/home XDG_STATE_HOME=$folder/state
  mkdir -p "$HOME"
}

# start PROGRAM ARGUMENTS...: over HTTP on a free port, which is then in $port.
start() {
  : >"$folder/port"
  "$@" --http 127.0.0.1:0 --print-port >"$folder/port" 2>"$folder/log" &
  server=$!
  servers+=("$server")
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
