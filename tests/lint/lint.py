#!/usr/bin/env python3
"""House rules that a compiler does not check: lint.py CHECK --source DIR --build DIR.

Exit 0: kept. 1: findings, one a line as file:line: what. 4: cannot be checked here, and the last line says why.
The include law is data, in law.py. selftest.py builds a tree that breaks every rule and expects each to be found.
"""
import argparse
import json
import pathlib
import re
import shutil
import subprocess
import sys

import law

SKIPPED = 4
CODE = {".cc", ".h", ".py", ".sh", ".cmake", ".txt"}
TEXT = CODE | {".md", ".json", ".toml", ".cddl", ".yml"}
FOLDERS = ["engine", "mcp", "schemas", "prompts", "tests", "examples", ".cmake", ".ci"]
LINES_MAX = 500


def files(source, suffixes, folders=FOLDERS):
    """Files of ours: (path relative to the source, text). Sample data and seeds are not ours."""
    found = [path for folder in folders for path in sorted((source / folder).rglob("*"))]
    if folders is FOLDERS:
        found += sorted(source.glob("*"))
    for path in found:
        name = path.relative_to(source)
        if not path.is_file() or (path.suffix not in suffixes and path.name != "run"):
            continue
        if {"data", "seeds", "golden", "__pycache__"} & set(name.parts):
            continue
        yield name, path.read_text(encoding="utf-8")


def without_comments(text):
    """Blanks // and /* */ comments and the insides of string literals; lines keep their numbers."""
    pattern = re.compile(r'//[^\n]*|/\*.*?\*/|R"([^(\s]*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'', re.S)
    return pattern.sub(lambda m: '""' + "\n" * m.group(0).count("\n"), text)


def lines_matching(text, pattern):
    for number, line in enumerate(text.splitlines(), 1):
        for match in re.finditer(pattern, line):
            yield number, match


def room_of(name):
    """engine/codec/frame.cc is in engine/codec, engine/main.cc in engine (the program)."""
    parts = pathlib.PurePath(name).parts[:-1]
    return "/".join(parts[:2])


def rooms(build):
    return [entry for entry in json.loads((build / "rooms.json").read_text()) if entry["kind"] in ("room", "program")]


def check_uses(source, build):
    for entry in rooms(build):
        folder = entry["folder"]
        if folder.startswith("tests/"):
            continue
        if folder not in law.MAY_USE:
            yield f"{folder}/CMakeLists.txt:1: no such room in tests/lint/law.py"
            continue
        for used in sorted(set(entry["uses"]) - law.MAY_USE[folder]):
            yield f"{folder}/CMakeLists.txt:1: {folder} may not use {used} (tests/lint/law.py)"


def check_includes(source, build):
    uses = {}
    for entry in rooms(build):
        uses.setdefault(entry["folder"], set()).update(entry["uses"])
    for name, text in files(source, {".cc", ".h"}, ["engine", "mcp"]):
        room = room_of(name)
        if room not in uses:
            yield f"{name}:1: is in no room: {room} has no CMakeLists.txt"
            continue
        for number, match in lines_matching(text, r'^\s*#\s*include\s+"([^"]+)"'):
            target = match.group(1)
            if not target.startswith(("engine/", "mcp/", "tests/")):
                if not (build / target).exists() and not target.startswith("generated/"):
                    yield f'{name}:{number}: include "{target}" from the repository\'s root'
                continue
            if room_of(target) not in uses[room] | {room}:
                yield f"{name}:{number}: {room} does not list {room_of(target)} in its USES"


def check_reached(source, build):
    """A source file reaches the definition of every type it names, in its own namespace or as room::Type, by its own
    includes: compiled together with others (KHIPU_UNITY) it would live on theirs, and fail alone."""
    defined = re.compile(r"\b(?:class|struct|enum|enum class|union)\s+(?:\w+::)*([A-Z]\w*)(?=[^;{}()]*\{)"
                         r"|\b(?:using\s+|typename\s+)([A-Z]\w*)")
    code = {str(name): text for name, text in files(source, {".cc", ".h"}, ["engine", "mcp", "tests"])}
    includes = {name: set(re.findall(r'^\s*#\s*include\s+"([^"]+)"', text, re.M)) & set(code) for name, text in code.items()}
    code = {name: without_comments(text) for name, text in code.items()}
    defines = {name: {a or b for a, b in defined.findall(text)} for name, text in code.items()}

    def namespace(name):  # engine/cli/x.h and tests/engine/cli/x.cc are both of khipu::cli
        parts = [part for part in pathlib.PurePath(name).parts[:-1] if part != "tests"]
        return parts[1] if len(parts) > 1 else ""

    headers = {}
    for name in code:
        if name.endswith(".h") and not name.startswith("tests/"):
            for one in defines[name]:
                headers.setdefault((namespace(name), one), set()).add(name)
    for name in [name for name in code if name.endswith(".cc")]:
        reached, todo = set(), [name]
        while todo:
            one = todo.pop()
            if one not in reached:
                reached.add(one)
                todo += includes[one]
        told = set()
        for number, match in lines_matching(code[name], r"(?<![\w.>:])(?:(\w+)::)?([A-Z]\w*)\b(?!::)"):
            qualifier, one = match.groups()
            where = headers.get((qualifier or namespace(name), one), set())
            own = not qualifier and any(one in defines[file] for file in reached)
            if where and not where & reached and not own and one not in told:
                told.add(one)
                yield f"{name}:{number}: names {one} and does not reach {sorted(where)[0]}"


def check_symbols(source, build):
    by_folder = {entry["folder"]: entry for entry in rooms(build)}
    reached, todo = set(), list(by_folder.get("mcp", {"uses": []})["uses"])
    while todo:
        room = todo.pop()
        if room not in reached:
            reached.add(room)
            todo += by_folder.get(room, {"uses": []})["uses"]
    for room in sorted(reached & law.NOT_IN_MCP):
        yield f"mcp/CMakeLists.txt:1: khipu-mcp links {room}"

    def owners(program):
        names = subprocess.run(["nm", "-C", str(program)], capture_output=True, text=True, check=True).stdout
        found = re.findall(r"\s[tTwWvVrRdDbB]\s+(?:non-virtual thunk to |vtable for |typeinfo for )?khipu::(\w+)::", names)
        return {f"engine/{name.rstrip('_')}" for name in found}

    program, other = build / "bin" / "khipu-mcp", build / "bin" / "khipu"
    if not program.exists() or not other.exists():
        raise Skip(f"{program} or {other} is not built")
    for room in sorted(owners(program) & law.NOT_IN_MCP):
        yield f"bin/khipu-mcp: has code of {room}"
    if not law.NOT_IN_MCP & owners(other):
        yield "bin/khipu: has no code of the writer either: this check looks at the wrong names"


def check_length(source, build):
    for name, text in files(source, CODE):
        count = text.count("\n")
        if count > LINES_MAX:
            yield f"{name}:{count}: {count} lines; over {LINES_MAX} it is two files"


def check_machine(source, build):
    hosts = r"(?:deb|security|snapshot|ftp)\.debian\.org|archive\.ubuntu\.com|pypi\.org|pythonhosted\.org|npmjs\.(?:org|com)" \
            r"|crates\.io|proxy\.golang\.org|nodesource\.com|packages\.cloud\.google\.com|conan\.io|ghcr\.io|docker\.io"
    paths = r"(?<![\w.$}/-])/(?:work|root|home/\w+|opt|Users)/[\w.]"
    for name, text in files(source, TEXT):
        if name.parts[:2] == ("tests", "lint"):
            continue
        for number, match in lines_matching(text, hosts):
            yield f"{name}:{number}: names the host {match.group(0)}"
        if name.suffix in CODE or name.name == "run":
            for number, match in lines_matching(text, paths):
                yield f"{name}:{number}: names a path of one machine: {match.group(0)}"


def check_words(source, build):
    for name, text in files(source, TEXT):
        if name.parts[:2] == ("tests", "lint"):
            continue
        for number, match in lines_matching(text, r"\b(?:TODO|FIXME|XXX|HACK)\b|(?i:\bnot (?:yet )?implemented\b)"):
            yield f"{name}:{number}: {match.group(0)}: finish it, or write an issue"
    for name, text in files(source, {".cc"}, ["tests"]):
        for number, _ in lines_matching(text, r'TEST_CASE\("[^"]*;'):
            yield f"{name}:{number}: a test's name has no semicolon: CMake would make two names of it, and run neither"


def check_cites(source, build):
    """Only what a reader of the repository can open: a page that is not here explains nothing."""
    for name, text in files(source, CODE | {".py", ".cmake", ".txt"}):
        if name.parts[:2] == ("tests", "lint"):
            continue
        for number, match in lines_matching(text, r"\b[A-Z][A-Z_]+\.md\b|\bDESIGN\b|\bINTEGRITY(?= ?\d| section)"):
            page = match.group(0)
            if not any((source / folder / page).is_file() for folder in (".", "engine", "mcp", "tests", name.parent)) \
                    and not page.startswith("README") and page != "SOURCE.md":  # that of the samples
                yield f"{name}:{number}: cites {page}, which is not here"


def check_headers(source, build):
    for name, text in files(source, {".h"}, ["engine", "mcp", "tests"]):
        if not text.startswith("//"):
            yield f"{name}:1: the first lines say what the file is and what it is not"
        if "#pragma once" not in text:
            yield f"{name}:1: no #pragma once"
    for name, text in files(source, {".cc", ".h"}, ["engine", "mcp"]):
        for number, match in lines_matching(text, r"^using namespace (?!std::\w*literals)"):
            if name.suffix == ".h":
                yield f"{name}:{number}: a header opens no namespace for others"


def named_tests(source):
    """The names of Catch2's test cases, of @case functions in Python, and of what add_test() adds."""
    names = set()
    for _, text in files(source, {".cc", ".py", ".txt"}, ["tests"]):
        for match in re.finditer(r'(?:TEST_CASE|@case)\(\s*((?:"(?:\\.|[^"\\])*"\s*)+)[,)]', text):
            names.add("".join(re.findall(r'"((?:\\.|[^"\\])*)"', match.group(1))))
        names |= set(re.findall(r"add_test\(NAME ([\w.]+)", text))
        for match in re.finditer(r"foreach\((\w+) IN ITEMS ([^)]+)\)(.*?)endforeach", text, re.S):
            for added in re.findall(r"add_test\(NAME ([^\s)]+)", match.group(3)):
                names |= {added.replace("${" + match.group(1) + "}", item) for item in match.group(2).split()}
    return names


def check_named(source, build):
    """Documents that say which test proves what: each name stands in quotes, "..." for any rest, and is a test's."""
    names = named_tests(source)
    for name, text in files(source, {".md"}, ["tests"]):
        if "names of tests are held to lint.named" not in " ".join(text.split()):
            continue
        for number, match in lines_matching(text, r'"([^"]+)"'):
            wanted = ".*".join(re.escape(part) for part in re.split(r"\s*\.\.\.\s*", match.group(1)))
            if not any(re.fullmatch(wanted, one) for one in names):
                yield f"{name}:{number}: there is no test {match.group(1)!r}"


CALLS = "open openat creat read pread readv write pwrite writev fsync fdatasync sync_file_range rename renameat unlink " \
        "unlinkat truncate ftruncate fallocate posix_fallocate mmap munmap msync fcntl flock stat fstat lstat statfs " \
        "mkdir mkdirat rmdir opendir readdir socket bind listen connect accept accept4 send sendmsg recv recvmsg poll " \
        "epoll_wait fork execve kill chmod fchmod chown fchown link symlink readlink"
# Names that are nobody's method here: flagged also without the leading ::
BARE = "fsync fdatasync ftruncate fallocate posix_fallocate mmap munmap pwrite pread openat unlinkat renameat fopen popen"


def check_syscalls(source, build):
    scoped = r"(?<![\w>])::(" + "|".join(CALLS.split()) + r")\s*\("
    bare = r"(?<![\w.:>])(?:std::)?(" + "|".join(BARE.split()) + r")\s*\("
    headers = law.ONLY_IN[0][0]
    for name, text in files(source, {".cc", ".h"}, ["engine", "mcp"]):
        if room_of(name) == "engine/os":
            continue
        excepted = str(name) in law.SYSTEM_CALLS_TOO
        if excepted and not re.search(rf"^#include <(?:{headers})", text, re.M):
            yield f"{name}:1: makes no system calls any more: take it out of tests/lint/law.py"
        for number, match in [] if excepted else lines_matching(without_comments(text), f"{scoped}|{bare}"):
            call = match.group(1) or match.group(2)
            yield f"{name}:{number}: {call}() is a system call; those live in engine/os"


def check_libraries(source, build):
    for name, text in files(source, {".cc", ".h"}, ["engine", "mcp"]):
        room = room_of(name)
        for number, match in lines_matching(text, r'^\s*#\s*include\s+[<"]([^>"]+)[>"]'):
            for pattern, allowed, why in law.ONLY_IN:
                if "system calls" in why and str(name) in law.SYSTEM_CALLS_TOO:
                    continue
                if re.match(pattern, match.group(1)) and room not in allowed and f"{room.split('/')[0]}/*" not in allowed:
                    yield f"{name}:{number}: {match.group(1)}: {why}"


def check_format(source, build):
    tool = shutil.which("clang-format-14")
    if not tool:
        raise Skip("clang-format-14 is not installed")
    names = [str(source / name) for name, _ in files(source, {".cc", ".h"}, ["engine", "mcp", "tests"])
             if str(name) not in law.LAID_OUT_BY_HAND]
    shown = set()
    for start in range(0, len(names), 50):
        run = subprocess.run([tool, "--dry-run", *names[start:start + 50]], capture_output=True, text=True, check=False)
        for match in re.finditer(r"^(\S+?):(\d+):\d+: warning", run.stderr, re.M):
            if match.group(1) not in shown:
                shown.add(match.group(1))
                yield f"{pathlib.Path(match.group(1)).relative_to(source)}:{match.group(2)}: run clang-format-14 -i"


class Skip(Exception):
    pass


CHECKS = {name[len("check_"):]: function for name, function in list(globals().items()) if name.startswith("check_")}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("check", choices=[*CHECKS, "selftest"])
    parser.add_argument("--source", type=pathlib.Path, required=True)
    parser.add_argument("--build", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    if arguments.check == "selftest":
        import selftest
        return selftest.main()
    findings = []
    try:
        for finding in CHECKS[arguments.check](arguments.source, arguments.build):
            findings.append(finding)
            print(finding)
    except Skip as skip:
        if not findings:
            print(f"SKIPPED: {skip}")
            return SKIPPED
    if findings:
        print(f"{len(findings)} findings of lint.{arguments.check}")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
