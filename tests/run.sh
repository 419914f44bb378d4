#!/usr/bin/env bash
# Builds khipu and runs its tests: the dev (ASan and UBSan), release and tsan suites, one after the other.
#
#   tests/run.sh                  all three, as continuous integration does
#   tests/run.sh --quick          release only
#   tests/run.sh --suite NAME     only this one (dev, release, tsan, fuzz); may be given several times
#   tests/run.sh --only REGEX     only tests whose name matches
#   tests/run.sh --within MIN     a suite that would begin later than MIN minutes after the start is skipped, and it says so
#   tests/run.sh --soak           also the tests labelled soak, which take minutes each
#   tests/run.sh --bench          afterwards every benchmark, in release
#   tests/run.sh --fuzz MINUTES   afterwards every fuzz target under libFuzzer, MINUTES in all
#
# What is missing is installed first (examples/install_deps.sh). Everything it builds is below build/. The last line is
# "N passed, N failed, N skipped", summed over the suites; the exit status is 0 only if nothing failed.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 2

suites=()
only=.
soak=0
bench=0
fuzz_minutes=0
within=0
jobs=${KHIPU_JOBS:-$(nproc)}

usage() {
  printf 'tests/run.sh: %s\n' "$1" >&2
  sed -n 's/^#   //p' "$0" >&2
  exit 3
}
while (($#)); do
  case $1 in
    --quick) suites=(release) ;;
    --suite)
      [[ ${2:-} =~ ^(dev|release|tsan|fuzz)$ ]] || usage "--suite wants dev, release, tsan or fuzz"
      suites+=("$2") && shift ;;
    --only) [[ -n ${2:-} ]] || usage "--only wants a pattern"; only=$2 && shift ;;
    --within) [[ ${2:-} =~ ^[1-9][0-9]*$ ]] || usage "--within wants whole minutes"; within=$2 && shift ;;
    --soak) soak=1 ;;
    --bench) bench=1 ;;
    --fuzz) [[ ${2:-} =~ ^[1-9][0-9]*$ ]] || usage "--fuzz wants whole minutes"; fuzz_minutes=$2 && shift ;;
    *) usage "unknown argument: $1" ;;
  esac
  shift
done
((${#suites[@]})) || suites=(dev release tsan)

export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_stack_use_after_return=1:strict_string_checks=1}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}
export TSAN_OPTIONS=${TSAN_OPTIONS:-halt_on_error=1:second_deadlock_stack=1}
export CTEST_OUTPUT_ON_FAILURE=1 LC_ALL=C.UTF-8 TZ=UTC
passed=0 failed=0 skipped=0 broken=()

# g++ 12's TSan cannot place its shadow memory when the kernel randomises more than 28 bits of an address.
steady=()
if (($(cat /proc/sys/vm/mmap_rnd_bits 2>/dev/null || echo 28) > 28)); then steady=(setarch "$(uname -m)" -R); fi

heading() { printf '\n== %s (%s s)\n' "$1" "$SECONDS"; }
fault() { # A step that is not a test went wrong: it counts as one failure, and the rest still runs.
  failed=$((failed + 1))
  broken+=("$1")
}

heading "dependencies"
dependencies=()
[[ $fuzz_minutes == 0 && " ${suites[*]} " != *" fuzz "* ]] || dependencies=(--fuzz)
examples/install_deps.sh "${dependencies[@]}" || {
  printf '0 passed, 1 failed, 0 skipped\n'
  exit 1
}

build() { # build PRESET [TARGET...]
  local log=build/$1.log
  # A first build compiles several files at a time: less work. A folder that is there already stays as it is.
  local fresh=()
  [[ -f build/$1/CMakeCache.txt ]] || fresh=(-DKHIPU_UNITY=ON -DKHIPU_PCH=ON)
  mkdir -p build
  cmake --preset "$1" "${fresh[@]}" >"$log" 2>&1 || { tail -n 40 "$log"; return 1; }
  nice "${steady[@]}" cmake --build "build/$1" -j "$jobs" ${2:+--target "${@:2}"} -- -k 0 >"$log" 2>&1 ||
    { grep -E 'error|FAILED|undefined reference|warning:' "$log" | head -n 60; return 1; }
}

run_suite() {
  local suite=$1 report log
  heading "$suite: build"
  build "$suite" || fault "$suite: build"
  heading "$suite: test"
  report=$PWD/build/$suite/report.xml
  log=build/$suite/test.log
  rm -f "$report"
  local labels=()
  ((soak)) || labels=(-LE soak)
  "${steady[@]}" ctest --test-dir "build/$suite" -j "$jobs" -R "$only" "${labels[@]}" --output-junit "$report" >"$log" 2>&1
  grep -vE '^ *(Start +[0-9]+:|[0-9]+/[0-9]+ Test .* Passed )|^(Internal ctest|Test project)' "$log" | cat -s
  [[ -s $report ]] || { fault "$suite: no tests ran"; return; }
  local sums
  sums=$(python3 - "$report" <<'PYTHON'
import sys
import xml.etree.ElementTree as tree

passed = failed = skipped = 0
for case in tree.parse(sys.argv[1]).getroot().iter("testcase"):
    why = (case.find("skipped").get("message") or "") if case.find("skipped") is not None else ""
    if case.get("status") == "run":
        passed += 1
    elif case.get("status") == "disabled" or "SKIP_" in why:
        skipped += 1
    else:  # failed, or a test program that was not built
        failed += 1
print(passed, failed, skipped)
PYTHON
) || { fault "$suite: the report cannot be read"; return; }
  read -r suite_passed suite_failed suite_skipped <<<"$sums"
  printf '%s: %s passed, %s failed, %s skipped\n' "$suite" "$suite_passed" "$suite_failed" "$suite_skipped"
  passed=$((passed + suite_passed)) failed=$((failed + suite_failed)) skipped=$((skipped + suite_skipped))
}

for suite in "${suites[@]}"; do
  if ((within && SECONDS > within * 60)); then
    heading "$suite: NOT RUN, $within minutes have passed"
    skipped=$((skipped + 1))
    continue
  fi
  run_suite "$suite"
done

if ((bench)); then
  heading "benchmarks"
  build release || fault "bench: build"
  for program in build/release/bench/bench_*; do
    [[ -x $program ]] || continue
    printf '\n-- %s\n' "${program##*/}"
    "$program" || fault "${program##*/}"
  done
fi

if ((fuzz_minutes)); then
  heading "fuzz: $fuzz_minutes minutes"
  build fuzz || fault "fuzz: build"
  mapfile -t targets < <(find build/fuzz/fuzz -maxdepth 1 -name 'fuzz_*' -type f -perm -u+x | sort)
  for program in "${targets[@]}"; do
    name=${program##*/fuzz_}
    mkdir -p "build/fuzz/corpus/$name" build/fuzz/findings
    if "$program" -max_total_time=$((fuzz_minutes * 60 / ${#targets[@]} + 1)) -timeout=10 -rss_limit_mb=2048 \
      "-artifact_prefix=build/fuzz/findings/$name-" "build/fuzz/corpus/$name" "tests/fuzz/seeds/$name" \
      >"build/fuzz/$name.log" 2>&1; then
      printf '%s: %s\n' "$name" "$(tail -n 1 "build/fuzz/$name.log")"
      passed=$((passed + 1))
    else
      tail -n 30 "build/fuzz/$name.log"
      fault "fuzz: $name (the input is in build/fuzz/findings/)"
    fi
  done
fi

heading "done"
for what in "${broken[@]}"; do printf 'broken: %s\n' "$what"; done
printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
((failed == 0))
