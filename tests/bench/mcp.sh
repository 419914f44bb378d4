#!/usr/bin/env bash
# Runs bench_mcp on a small log beside a server of the official TypeScript SDK (tests/mcp/sdk/typescript, pinned), which is
# installed below build/. Without node or the SDK khipu-mcp is measured alone.
#   tests/bench/mcp.sh [SECONDS] [--json]        of each of the rounds; default 2
set -euo pipefail
cd "$(dirname "$0")/../.."
seconds=${1:-2}
json=("${@:2}")
((${#json[@]} == 0)) || [[ ${json[*]} == --json ]] || { echo "mcp.sh: SECONDS [--json]" >&2; exit 3; }
[[ $seconds =~ ^[1-9][0-9]*$ ]] || { echo "mcp.sh: SECONDS is a whole number, not $seconds" >&2; exit 3; }
cmake --preset release >/dev/null
cmake --build build/release -j"$(nproc)" --target bench_mcp khipu khipu-mcp khipu-mcp-fixture

bin=$PWD/build/release/bin
source tests/mcp/conformance/servers.sh
peer=()
if bash tests/mcp/sdk/session.sh install typescript "$PWD" "$bin" "$PWD/build/release/mcp-sdk"; then
  cp tests/bench/mcp_peer.mjs build/release/mcp-sdk/typescript/
  peer=("$PWD/build/release/mcp-sdk/typescript")
fi
leave_home
make_root
build/release/bench/bench_mcp "$bin" "$folder/root" "$seconds" "${peer[@]}" "${json[@]}"
