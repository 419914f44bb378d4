#!/usr/bin/env bash
# A write-only deployment on one machine, in three folders that stand for three: `writer` has public keys only, `search`
# can find a value it can name, `auditor` reads. Every claim is checked as it goes; the first that fails ends the script.
#
#   examples/write_only.sh [--dir DIR] [--bin FOLDER]     default: a new temporary folder, build/release/bin
set -euo pipefail

here=$(cd "$(dirname "$0")/.." && pwd)
dir=
bin=$here/build/release/bin

fail() { printf 'write_only: %s\n' "$1" >&2; exit 1; }
say() { printf '\n== %s\n' "$1"; }
run() { printf '$ %s\n' "$*"; "$@"; }
refused() { # what must not work, and what must be said of it
  local says=$1 out
  shift
  printf '$ %s\n' "$*"
  if out=$("$@" 2>&1); then fail "this worked, and must not: $*"; fi
  printf '%s\n' "$out"
  [[ $out == *"$says"* ]] || fail "it should have said: $says"
}

while (($#)); do
  case $1 in
    --dir) dir=${2:?--dir wants a folder}; shift 2 ;;
    --bin) bin=${2:?--bin wants a folder}; shift 2 ;;
    -h | --help) sed -n '2,5p' "$0" | cut -c3-; exit 0 ;;
    *) fail "unknown argument: $1 (known: --dir DIR, --bin FOLDER)" ;;
  esac
done
[[ -x $bin/khipu && -x $bin/khipu-mcp ]] || fail "no khipu and khipu-mcp in $bin"
PATH=$bin:$PATH

[[ -n $dir ]] || dir=$(mktemp -d "${TMPDIR:-/tmp}/khipu-write-only.XXXXXX")
mkdir -p "$dir"/{writer,auditor,search}
cd "$dir"
export XDG_STATE_HOME=$dir/auditor/state

say "writer: a log. Its host never sees more than it needs to write"
run khipu init writer/log --origin example.org/audit

say "auditor: the keys, made where they are kept. The writer's host sends verifier.pub, and gets four files back"
mkdir -m 700 auditor/for-writer
cp writer/log.keys/verifier.pub auditor/for-writer/
run khipu keys init - --keys auditor/for-writer --out auditor/keys
rm auditor/for-writer/verifier.pub
ls auditor/for-writer auditor/keys/search auditor/keys/decrypt
cp -p auditor/for-writer/* writer/log.keys/
mv auditor/keys/search search/keys

say "writer: what is personal is protected before anything is written, and the verbatim content always"
run khipu types add writer/log user name:sealed,exact 'email:sealed,exact'
run khipu types add writer/log @event content:sealed
cat > writer/events.jsonl <<'LINES'
{"actor":{"type":"user","id":"u-1","fields":{"name":"Alice Adams","email":"alice@example.org"}},"action":"PUT","outcome":"success","content":{"said":"my address is alice@example.org"}}
{"actor":{"type":"user","id":"u-1"},"action":"GET","source_ip":"198.51.100.7","content":{"note":"no field of hers is here"}}
LINES
run khipu append writer/log < writer/events.jsonl
rm writer/events.jsonl

say "writer: it cannot read what it wrote. Not with its own keys, and there is no plaintext to find"
refused "no key to search" khipu query writer/log --actor-match user.email=alice@example.org
refused "writer" khipu query writer/log --keys writer/log.keys
if grep -rlaE 'alice@example|Alice Adams|198\.51\.100\.7|my address' writer; then fail "plaintext on the writer's disk"; fi
echo "grep finds none of it in writer/"
run khipu query writer/log --limit 1

say "search: a copy of the log and the search keys find an event, and show nothing"
cp -a writer/log search/log
run khipu query search/log --keys search/keys --actor-match user.email=Alice@Example.org
[[ $(khipu query search/log --keys search/keys --actor-match user.email~=Alice@Example.org --json) != *'"alice@'* ]] ||
  fail "a search key showed a value"

say "auditor: a copy of the log and the decrypt key read all of it; the key is proven on the copy first"
cp -a writer/log auditor/log
run khipu keys check auditor/keys/decrypt --root auditor/log
answer=$(khipu query auditor/log --keys auditor/keys/decrypt --json)
for text in alice@example.org 'Alice Adams' 198.51.100.7 'my address' 'no field of hers'; do
  [[ $answer == *"$text"* ]] || fail "the auditor does not read: $text"
done
echo "the auditor reads every value"

say "anybody: the log is whole, without any of these keys"
run khipu verify writer/log --key "$(khipu keys export writer/log)"
say "done: $dir"
