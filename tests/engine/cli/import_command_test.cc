// `khipu import` of what comes through a pipe: what is kept of it, and being told to stop.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/support/catch.h"
#include "tests/support/log_root.h"
#include "tests/support/program.h"

using namespace khipu;
using Json = nlohmann::json;

namespace {

struct Log : tests::LogRoot {
  std::string temporary = folder / "temporary", mapping = folder / "mapping.json";

  Log() : LogRoot("test/import") {
    std::filesystem::create_directory(temporary);
    std::ofstream(mapping) << R"({"khipu_mapping":1,"name":"people","types":{"user":{"name":"text"}},
"event":{"actor":{"type":"user","id":{"pointer":"/id"},"fields":{"name":{"pointer":"/name"}}},
"action":{"constant":"JOIN"}}})";
  }
  // A script that finds khipu and this log's paths in its environment.
  tests::Ran script(const std::string& text) const {
    return tests::run({"env", "KHIPU=" + tests::program("khipu"), "ROOT=" + root, "TMPDIR=" + temporary,
                       "MAPPING=" + mapping, "FOLDER=" + folder.path(), "PATH=" + folder.path() + ":/usr/bin:/bin",
                       "bash", "-c", text});
  }
  // A journalctl of our own, first in the script's PATH.
  void journal_of(const std::string& text) const {
    std::ofstream(folder / "journalctl") << "#!/bin/sh\n" << text;
    std::filesystem::permissions(folder / "journalctl", std::filesystem::perms::owner_all);
  }
  // The same, of one entry, behind some commands.
  void journal(const std::string& text) const {
    journal_of(text +
               "\necho '{\"__REALTIME_TIMESTAMP\":\"1781500027000000\",\"MESSAGE\":\"hello\",\"_UID\":\"0\","
               "\"SYSLOG_IDENTIFIER\":\"x\"}'\n");
  }
  std::string text(const std::string& name) const {
    std::ifstream file(folder / name);
    return {std::istreambuf_iterator<char>(file), {}};
  }
};

constexpr const char* kProtect = R"("$KHIPU" keys init "$ROOT" --out "$FOLDER/readers" >&2 &&
"$KHIPU" types add "$ROOT" @event content:sealed >&2 && )";

}  // namespace

TEST_CASE("cli: nothing that an import keeps of a pipe has a name while it runs") {
  const Log log;
  const std::string lines =
      R"({ yes '{"id":"u-1","name":"Nadel"}' | head -n 20000; ls -A "$TMPDIR" > "$FOLDER/seen"; } |
"$KHIPU" import "$ROOT" --format jsonl --mapping "$MAPPING" )";
  const tests::Ran plain = log.script(lines + "-");
  INFO(plain.out << plain.err);
  CHECK(plain.exit == 0);
  CHECK(log.text("seen").empty());
  CHECK(log.rows() == 20000);
  log.journal("ls -A \"$TMPDIR\" > \"$FOLDER/seen\"");
  const tests::Ran journal = log.script(R"("$KHIPU" import "$ROOT" --journal)");
  INFO(journal.out << journal.err);
  CHECK(journal.exit == 0);
  CHECK(log.text("seen").empty());
}

TEST_CASE("cli: what an import keeps of a pipe lies in memory alone where something is protected") {
  const Log log;
  // The other end of the import sees which files it holds; nothing, where it may not look (another user's process).
  log.journal("ls -l /proc/$PPID/fd > \"$FOLDER/seen\" 2>/dev/null; ls -A \"$TMPDIR\" >> \"$FOLDER/seen\"");
  const tests::Ran plain = log.script(R"("$KHIPU" import "$ROOT" --journal)");
  INFO(plain.out << plain.err);
  CHECK(plain.exit == 0);
  CHECK_THAT(log.text("seen"), !ContainsSubstring("khipu-input-"));
  const tests::Ran sealed = log.script(std::string(kProtect) + R"("$KHIPU" import "$ROOT" --journal)");
  INFO(sealed.out << sealed.err);
  CHECK(sealed.exit == 0);
  if (log.text("seen").empty()) SKIP("the process that imports cannot be looked into");
  CHECK_THAT(log.text("seen"), ContainsSubstring("memfd:khipu-input") && !ContainsSubstring(log.temporary));
}

// What journalctl does, over lines "number text": from behind the cursor's entry, or the first that is left.
constexpr const char* kEntries = R"(after=0
for word in "$@"; do case $word in --after-cursor=*) after=${word#--after-cursor=c};; esac; done
while read -r number text; do
  [ "$number" -le "$after" ] || printf '{"__CURSOR":"c%s","__REALTIME_TIMESTAMP":"178150002700000%s","MESSAGE":"%s"}\n' \
    "$number" "$number" "$text"
done < "$FOLDER/entries"
)";

TEST_CASE("cli: the journal is imported on from where the last import of it ended, whatever was dropped before that") {
  const Log log;
  log.journal_of(kEntries);
  const auto import = [&](const std::string& entries, const std::string& flags = "") {
    std::ofstream(log.folder / "entries") << entries;
    const tests::Ran ran = log.script(R"("$KHIPU" import "$ROOT" --journal --json )" + flags);
    INFO(ran.out << ran.err);
    REQUIRE(ran.exit == 0);
    Json report = Json::parse(ran.out);
    CHECK(report["file"] == "journal");
    return report;
  };
  CHECK(import("1 a\n2 b\n3 c\n")["stored"] == 3);
  CHECK(import("1 a\n2 b\n3 c\n")["nothing_new"] == true);
  CHECK(import("3 c\n4 d\n5 e\n")["stored"] == 2);
  CHECK(import("7 g\n")["stored"] == 1);
  CHECK(log.rows() == 6);
  CHECK(import("5 e\n7 g\n", "--whole")["stored"] == 2);
  CHECK(import("5 e\n7 g\n8 h\n")["stored"] == 1);
  CHECK(Log::khipu({"import", log.root, "--format", "journald", "--whole", log.mapping}).exit == 3);
}

TEST_CASE("cli: a journal that another import has read meanwhile is read anew, and a file is never taken for it") {
  const Log log;
  tests::Process writer({tests::program("khipu"), "serve", log.root});
  REQUIRE_FALSE(writer.wait_for("ready").empty());
  log.journal_of(std::string(kEntries) + R"(if [ -e "$FOLDER/other" ]; then
  rm "$FOLDER/other"; echo "5 e" >> "$FOLDER/entries"; "$KHIPU" import "$ROOT" --journal > "$FOLDER/first" 2>&1
fi
)");
  const auto entries = [&](const std::string& text) { std::ofstream(log.folder / "entries") << text; };
  const auto import = [&] {
    const tests::Ran ran = log.script(R"("$KHIPU" import "$ROOT" --journal --json)");
    INFO(ran.out << ran.err << log.text("first"));
    REQUIRE(ran.exit == 0);
    return Json::parse(ran.out);
  };
  entries("1 a\n2 b\n");
  CHECK(import()["stored"] == 2);
  entries("1 a\n2 b\n3 c\n4 d\n");
  std::ofstream(log.folder / "other") << "";
  CHECK(import()["nothing_new"] == true);
  CHECK(log.rows() == 5);
  std::ofstream(log.folder / "journal:monday") << R"({"__CURSOR":"x","__REALTIME_TIMESTAMP":"1","MESSAGE":"m"})"
                                               << "\n";
  CHECK(log.script(R"(cd "$FOLDER" && "$KHIPU" import "$ROOT" --format journald journal:monday)").exit == 0);
  CHECK(import()["nothing_new"] == true);
  CHECK(log.rows() == 6);
  writer.signal(SIGTERM);
  CHECK(writer.wait() == 0);
}

TEST_CASE("cli: an import that is told to stop while it waits for its input ends with 2") {
  const Log log;
  const std::string pipe = log.folder / "pipe";
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) {
    tests::Process import({"env", "--default-signal=HUP,INT", tests::program("khipu"), "import", log.root, "--format",
                           "jsonl", "--mapping", log.mapping, pipe});
    const int to = ::open(pipe.c_str(), O_WRONLY | O_CLOEXEC);  // waits until it is read from
    REQUIRE(to >= 0);
    const std::string line = R"({"id":"u-1","name":"Nadel"})";
    REQUIRE(::write(to, line.data(), line.size()) == static_cast<ssize_t>(line.size()));
    import.signal(number);
    CHECK(import.wait() == 2);
    ::close(to);
  }
  CHECK(log.rows() == 0);
}

TEST_CASE("cli: an import goes on through a signal that it was started to ignore") {
  const Log log;
  const std::string pipe = log.folder / "pipe";
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  tests::Process import({"env", "--ignore-signal=HUP", tests::program("khipu"), "import", log.root, "--format", "jsonl",
                         "--mapping", log.mapping, pipe});
  const int to = ::open(pipe.c_str(), O_WRONLY | O_CLOEXEC);
  REQUIRE(to >= 0);
  import.signal(SIGHUP);
  const std::string line = R"({"id":"u-1","name":"Nadel"})";
  REQUIRE(::write(to, line.data(), line.size()) == static_cast<ssize_t>(line.size()));
  ::close(to);
  CHECK(import.wait() == 0);
  CHECK(log.rows() == 1);
}

TEST_CASE("cli: an import that was told to stop says so, and the same command goes on") {
  const Log log;
  log.journal("kill -TERM $PPID");
  const std::string command = R"("$KHIPU" import "$ROOT" --journal)";
  const tests::Ran stopped = log.script(command);
  INFO(stopped.out << stopped.err);
  CHECK(stopped.exit == 2);
  CHECK_THAT(stopped.out, ContainsSubstring("interrupted"));
  CHECK(Json::parse(log.script(command + " --json").out)["cancelled"] == true);
  log.journal("");
  CHECK(log.script(command).exit == 0);
  CHECK(log.rows() == 1);
}

TEST_CASE("cli: what becomes protected while append or import waits for its input is kept sealed from then on") {
  const Log log;
  const tests::Ran ran = log.script(R"("$KHIPU" keys init "$ROOT" --out "$FOLDER/readers" >&2 || exit 9
mkfifo "$FOLDER/serve" "$FOLDER/lines" "$FOLDER/records"
"$KHIPU" serve "$ROOT" 2> "$FOLDER/serve" & serve=$!
exec 7< "$FOLDER/serve"
while read -r word <&7; do case $word in *ready*) break;; esac; done
cat <&7 > /dev/null &
cat > "$FOLDER/map" <<'MAP'
{"khipu_mapping":1,"name":"m","types":{"member":{"email":"text"}},"event":{"actor":{"type":"member",
"id":{"pointer":"/id"},"fields":{"email":{"pointer":"/mail"}}},"action":{"constant":"JOIN"}}}
MAP
"$KHIPU" append "$ROOT" --park --batch 1 < "$FOLDER/lines" > /dev/null 2>&1 & append=$!
"$KHIPU" import "$ROOT" --format jsonl --mapping "$FOLDER/map" "$FOLDER/records" >&2 & import=$!
exec 8> "$FOLDER/lines" 9> "$FOLDER/records"
echo '{"actor":{"type":"service","id":"s"},"action":"START"}' >&8
until "$KHIPU" query "$ROOT" | grep -q START; do :; done
"$KHIPU" types add "$ROOT" member email:sealed,exact age:number >&2 || exit 8
echo '{"actor":{"type":"member","id":"m-2","fields":{"email":"Nadel","age":"none"}},"action":"PUT"}' >&8
printf '%s\n' '{"id":"m-1","mail":"Nadel"}' '{"mail":"Nadel"}' >&9
exec 8>&- 9>&-
wait $append; echo append $?
wait $import; echo import $?
"$KHIPU" types show "$ROOT" member
kill $serve; wait $serve
grep -rl Nadel "$ROOT"; true)");
  INFO(ran.out << ran.err);
  CHECK(ran.out == "append 1\nimport 1\nmember\n  email:text:sealed,exact\n  age:number\n");
}

TEST_CASE("cli: pipes by name are read like standard input: a mapping, an input, a note") {
  const Log log;
  const tests::Ran imported = log.script(R"("$KHIPU" import "$ROOT" --format jsonl --mapping <(cat "$MAPPING") \
    <(echo '{"id":"u-1","name":"Nadel"}'))");
  INFO(imported.out << imported.err);
  CHECK(imported.exit == 0);
  CHECK(log.rows() == 1);
  CHECK(log.script(R"("$KHIPU" verify "$ROOT" --key <(cat "$ROOT.keys/verifier.pub"))").exit == 0);
  CHECK(log.script(R"("$KHIPU" verify "$ROOT" --key <(echo no key))").exit == 3);
}
