#!/usr/bin/env bash
# A full session of an official SDK's client with khipu-mcp and the fixture server:
#   session.sh install|stdio|http typescript|python|go SOURCE_DIR BIN_DIR CACHE_DIR
# install: the pinned packages, into CACHE_DIR/LANGUAGE, once. Exit 4: skipped, and why.
set -euo pipefail
what=$1 language=$2 source=$3/tests/mcp/sdk bin=$4 cache=$5/$2
source "$3/tests/mcp/conformance/servers.sh"

run() { # what was installed, on two targets
  case $language in
    typescript) (cd "$cache" && node session.mjs "$@") ;;
    python) "$cache/venv/bin/python" "$source/python/session.py" "$@" ;;
    go) "$cache/session" "$@" ;;
  esac
}

install() {
  case $language in
    typescript)
      (cd "$cache" && timeout 240 npm ci --no-audit --no-fund --ignore-scripts)
      ;;
    python)
      python3 -m venv "$cache/venv" && timeout 240 "$cache/venv/bin/pip" install -q -r "$source/python/requirements.txt"
      ;;
    go) (cd "$cache" && timeout 400 go build -mod=readonly -o session .) ;;
  esac
}

need() { command -v "$1" >/dev/null || skip "there is no $1 on this machine"; }
if [[ $what == install ]]; then
  case $language in
    typescript) need node && need npm && (($(node -p 'process.versions.node.split(".")[0]') >= 20)) || skip "node is older than 20" ;;
    python) need python3 && python3 -c 'import sys, venv; sys.exit(sys.version_info < (3, 10))' 2>/dev/null || skip "no Python 3.10 with venv" ;;
    go) need go ;;
  esac
  want=$(cat "$source/$language"/* | cksum)
  if [[ $(cat "$cache/installed" 2>/dev/null) != "$want" ]]; then
    rm -rf "$cache" && mkdir -p "$cache"
    cp "$source/$language"/* "$cache/"
    install >"$cache/log" 2>&1 || skip "the SDK is not to be had: $(grep -m1 -iE 'error|timeout|dial|lookup' "$cache/log" | head -c 160)"
    echo "$want" >"$cache/installed"
  fi
  echo "passed: the $language SDK is in place"
  exit
fi

[[ -s $cache/installed ]] || skip "the SDK was not installed"
leave_home
make_root
# A second published checkpoint, for the proof that it extends the first: of 301 events and of 300.
head -1 "$folder/events" | "$bin/khipu" append "$folder/root" >"$folder/out" 2>&1 || fail "append: $(tail -1 "$folder/out")"
if [[ $what == stdio ]]; then
  product="$bin/khipu-mcp $folder/root" fixture=$bin/khipu-mcp-fixture
else
  start "$bin/khipu-mcp" "$folder/root"
  product=http://127.0.0.1:$port/mcp
  start "$bin/khipu-mcp-fixture"
  fixture=http://127.0.0.1:$port/mcp
fi
run "$product" "$fixture" "$source/arguments.json" >"$folder/session" 2>&1 || { tail -40 "$folder/session"; fail "$language over $what"; }
grep '^ok ' "$folder/session" || fail "no session: $(head -c 600 "$folder/session")"
stop
echo "passed: $language over $what"
