#!/usr/bin/env bash
# Installs what khipu needs to build, with apt, and fetches cpp-httplib. A second run finds everything and does nothing.
#
#   examples/install_deps.sh            what the build and the tests need
#   examples/install_deps.sh --fuzz     and clang-19 with libFuzzer, for the fuzz preset
#   examples/install_deps.sh --print    only names the folder httplib.h is in
#
# cpp-httplib: Debian 12 ships 0.11.4, which does not bound what strangers send it, and khipu refuses it. So this takes the
# source package of a newer suite from the mirror this machine is set to, in an apt state folder of its own: the machine's
# apt settings stay as they are, and apt checks the archive's signature and every hash. The header lands in
# $KHIPU_HTTPLIB_DIR, or else ~/.cache/khipu/cpp-httplib, where CMake looks for it.
set -euo pipefail

version_wanted=0.41
target=${KHIPU_HTTPLIB_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/khipu/cpp-httplib}
packages=(g++ cmake ninja-build pkg-config git ca-certificates ccache mold dpkg-dev python3
  nlohmann-json3-dev libsodium-dev libssl-dev zlib1g-dev libsimdjson-dev libre2-dev libxxhash-dev libcli11-dev libfmt-dev libtomlplusplus-dev
  libhowardhinnant-date-dev librhonabwy-dev tzdata catch2 jq curl)

# Hashes many records at once; there is none for other processors, and khipu does without it.
[[ $(dpkg --print-architecture 2>/dev/null) != amd64 ]] || packages+=(libipsec-mb-dev)

fail() {
  printf 'install_deps: %s\n' "$1" >&2
  exit 1
}
say() { printf 'install_deps: %s\n' "$1"; }

while (($#)); do
  case $1 in
    --fuzz) packages+=(clang-19 libclang-rt-19-dev) ;;
    --print) printf '%s\n' "$target"; exit 0 ;;
    *) fail "unknown argument: $1 (known: --fuzz, --print)" ;;
  esac
  shift
done

command -v apt-get >/dev/null && command -v dpkg-query >/dev/null ||
  fail "this script knows Debian only. Install by other means: ${packages[*]}, and cpp-httplib $version_wanted or newer"

missing=()
for package in "${packages[@]}"; do
  state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
  [[ $state == installed ]] || missing+=("$package")
done
if ((${#missing[@]})); then
  as_root=()
  if [[ $(id -u) != 0 ]]; then
    command -v sudo >/dev/null || fail "not root, and there is no sudo. As root: apt-get install ${missing[*]}"
    as_root=(sudo)
  fi
  say "installing: ${missing[*]}"
  "${as_root[@]}" apt-get update -q
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}"
fi

# Prints the version of the header in a folder, or 0.
header_version() {
  local found
  found=$(sed -n 's/^#define CPPHTTPLIB_VERSION "\([0-9.]*\)".*/\1/p' "$1/httplib.h" 2>/dev/null | head -n 1)
  printf '%s\n' "${found:-0}"
}

found=$(header_version "$target")
if dpkg --compare-versions "$found" ge "$version_wanted"; then
  say "cpp-httplib $found is in $target"
  exit 0
fi

# Prints the address of each Debian archive in the machine's apt settings, security archives aside.
debian_archives() {
  apt-get indextargets --no-release-info --format '$(REPO_URI)|$(COMPONENT)' 'Created-By: Packages' 2>/dev/null |
    awk -F'|' '$2 == "main" && $1 ~ /\/debian\/?$/ { print $1 }' | sort -u
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/state/lists/partial" "$work/cache/archives/partial" "$work/source"
private_apt=(
  -o "Dir::State=$work/state" -o Dir::State::status=/var/lib/dpkg/status -o "Dir::Cache=$work/cache"
  -o "Dir::Etc::sourcelist=$work/sources.list" -o Dir::Etc::sourceparts=- -o Acquire::Languages=none
  -o "APT::Sandbox::User=$(id -un)" -o APT::Update::Post-Invoke::= -o APT::Get::Only-Source=true)

fetch() {
  local uri=$1 suite=$2 options=""
  local keyring=/usr/share/keyrings/debian-archive-keyring.gpg
  [[ -e $keyring ]] && options="[signed-by=$keyring] "
  printf 'deb-src %s%s %s main\n' "$options" "$uri" "$suite" >"$work/sources.list"
  say "looking for cpp-httplib in the $suite suite of this machine's mirror"
  apt-get -q "${private_apt[@]}" update >"$work/log" 2>&1 || { tail -n 3 "$work/log" >&2; return 1; }
  local offered
  offered=$(apt-cache "${private_apt[@]}" showsrc cpp-httplib 2>/dev/null | sed -n 's/^Version: //p' | sort -V | tail -n 1)
  dpkg --compare-versions "${offered:-0}" ge "$version_wanted" || { say "$suite has ${offered:-none}"; return 1; }
  (cd "$work/source" && apt-get -q "${private_apt[@]}" source --download-only "cpp-httplib=$offered") >"$work/log" 2>&1 ||
    { tail -n 3 "$work/log" >&2; return 1; }
  # apt has checked the hashes up to the archive's signature; the uploader's own signature adds nothing to that.
  (cd "$work/source" && dpkg-source --no-check -x ./*.dsc tree) >"$work/log" 2>&1 || { tail -n 3 "$work/log" >&2; return 1; }
  [[ -e $work/source/tree/httplib.h ]]
}

# In place at once or not at all: two runs side by side, or one that is interrupted, leave no half header.
put_in_place() {
  mkdir -p "$target"
  cp "$work/source/tree/httplib.h" "$target/.httplib.h.$$"
  cp "$work/source/tree/LICENSE" "$target/LICENSE"
  mv "$target/.httplib.h.$$" "$target/httplib.h"
  say "cpp-httplib $(header_version "$target") is in $target"
}

archives=$(debian_archives)
[[ -n $archives ]] || fail "apt's settings name no Debian archive to take cpp-httplib from. Put httplib.h ($version_wanted or newer) into $target"
while read -r uri; do
  for suite in unstable testing; do
    if fetch "$uri" "$suite"; then
      put_in_place
      exit 0
    fi
    rm -rf "$work/source" && mkdir "$work/source"
  done
done <<<"$archives"
fail "no suite of this machine's mirror has cpp-httplib $version_wanted. Put httplib.h ($version_wanted or newer) into $target"
