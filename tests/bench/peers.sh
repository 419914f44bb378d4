#!/usr/bin/env bash
# Runs bench_peers (khipu, the bare disk, SQLite, RocksDB, PostgreSQL: one run) with a PostgreSQL server of its own, as Debian ships it (fsync on, default settings but for one gigabyte
# of WAL between checkpoints), in a folder that is removed afterwards. Installs what the peers need.
#   tests/bench/peers.sh [EVENTS] [--json]        default 1000000
set -euo pipefail
cd "$(dirname "$0")/../.."
events=${1:-1000000}
json=("${@:2}")
((${#json[@]} == 0)) || [[ ${json[*]} == --json ]] || { echo "peers.sh: EVENTS [--json]" >&2; exit 3; }
[[ $events =~ ^[1-9][0-9]*$ ]] || { echo "peers.sh: EVENTS is a whole number, not $events" >&2; exit 3; }

packages=(libsqlite3-dev librocksdb-dev libpq-dev postgresql)
missing=()
for package in "${packages[@]}"; do
  [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true) == installed ]] || missing+=("$package")
done
if ((${#missing[@]})); then
  as_root=()
  [[ $(id -u) == 0 ]] || as_root=(sudo)
  "${as_root[@]}" apt-get update -q
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}"
fi
cmake --preset release >/dev/null
cmake --build build/release -j"$(nproc)" --target bench_peers

programs=$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
folder=$(mktemp -d)
run=(env)
if [[ $(id -u) == 0 ]]; then # the server refuses to run as root
  chown postgres "$folder"
  run=(setpriv --reuid postgres --regid postgres --init-groups)
fi
stop() {
  "${run[@]}" "$programs/pg_ctl" -D "$folder/data" -m immediate stop >/dev/null 2>&1 || true
  rm -rf "$folder" "$folder.bench"
}
trap stop EXIT
"${run[@]}" "$programs/initdb" -D "$folder/data" -A trust -U khipu >/dev/null
"${run[@]}" "$programs/pg_ctl" -D "$folder/data" -w -l "$folder/log" \
  -o "-k $folder -c listen_addresses='' -c max_wal_size=1GB" start >/dev/null
build/release/bench/bench_peers --events "$events" --dir "$folder.bench" --postgres "host=$folder user=khipu dbname=postgres" "${json[@]}"
