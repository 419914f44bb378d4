#!/usr/bin/env bash
# What `cmake --install` puts into an empty prefix: exactly these files, which work without the tree they were built in.
# usage: install.sh CMAKE BUILD
set -euo pipefail
cmake=$1 build=$2
fail() { echo "install: $*" >&2; exit 1; }
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
DESTDIR= "$cmake" --install "$build" --prefix "$place/usr" >"$place/install.log" || { cat "$place/install.log" >&2; fail "cmake --install"; }

found=$(cd "$place/usr" && find . -type f | LC_ALL=C sort)
wanted="./bin/khipu
./bin/khipu-mcp
./share/doc/khipu/LICENSE
./share/doc/khipu/README.md
./share/doc/khipu/khipu-mcp.service
./share/doc/khipu/khipu.service
./share/doc/khipu/khipu.toml"
[[ $found == "$wanted" ]] || fail "other files than wanted: $found"
for program in khipu khipu-mcp; do
  ! readelf -d "$place/usr/bin/$program" | grep -E 'R(UN)?PATH' || fail "$program looks for libraries where it was built"
done

cd "$place"
khipu() { env -i HOME="$place" PATH="$PATH" "$place/usr/bin/khipu" "$@"; }
khipu init log --origin test/install >/dev/null
echo '{"actor":{"type":"user","id":"u-1"},"action":"LOGIN"}' | khipu append log >/dev/null
khipu verify log --key log.keys/verifier.pub >/dev/null
# Schemas and prompts came along inside the program.
asked=$(
  { echo '{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}'
    echo '{"jsonrpc":"2.0","method":"notifications/initialized"}'
    echo '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"audit_query","arguments":{}}}'
    echo '{"jsonrpc":"2.0","id":2,"method":"prompts/list"}'
  } | env -i "$place/usr/bin/khipu-mcp" log 2>/dev/null)
grep -q '"total":1' <<<"$asked" || fail "the installed khipu-mcp answers: $asked"
grep -q 'access_review' <<<"$asked" || fail "no prompts: $asked"
echo "install: ok"
