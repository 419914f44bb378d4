// Names that cannot be followed, values that are empty, descriptors that are closed: what a script hands in by mistake.
#include <algorithm>
#include <filesystem>
#include <fstream>

#include "tests/support/catch.h"
#include "tests/support/log_root.h"
#include "tests/support/program.h"
#include "tests/support/temp_directory.h"
#include "tests/support/thorough.h"

using namespace khipu;

namespace {

const std::string kEvent = R"({"actor":{"type":"user","id":"u-1"},"action":"login"})";

struct Log : tests::LogRoot {
  Log() : LogRoot("test/paths") {
    REQUIRE(khipu({"append", root}, kEvent).exit == 0);
    REQUIRE(khipu({"checkpoint", root}).exit == 0);
  }
  tests::Ran script(const std::string& text) const {
    return tests::run(
        {"env", "KHIPU=" + tests::program("khipu"), "ROOT=" + root, "FOLDER=" + folder.path(), "bash", "-c", text});
  }
};

}  // namespace

TEST_CASE("cli: an empty value is refused, for it would pass for one that was not given") {
  const Log log;
  const std::vector<std::vector<std::string>> commands = {{"verify", log.root, "--key", ""},
                                                          {"verify", log.root, "--key="},
                                                          {"verify", log.root, "--since", ""},
                                                          {"verify", log.root, "--rows", ""},
                                                          {"verify", log.root, "--save-state", ""},
                                                          {"verify", log.root, "--against", ""},
                                                          {"query", log.root, "--from", ""},
                                                          {"query", log.root, "--to", ""},
                                                          {"query", log.root, "--cursor", ""},
                                                          {"query", log.root, "--text", ""},
                                                          {"query", log.root, "--url-prefix", ""},
                                                          {"append", log.root, "--idempotency-key", ""},
                                                          {"token", "add", log.root, "ci", "--expires", ""},
                                                          {"prove", log.root, "0", "-o", ""},
                                                          {"verify", ""},
                                                          {"init", log.folder / "new", "--origin", ""}};
  for (const std::vector<std::string>& words : commands) {
    const tests::Ran ran = Log::khipu(words, kEvent);
    INFO(words[0] << " " << words.back() << words[words.size() - 2] << ": " << ran.out << ran.err);
    CHECK(ran.exit == 3);
    CHECK_THAT(ran.err, ContainsSubstring("empty value") || ContainsSubstring("missing"));
  }
  CHECK_FALSE(std::filesystem::exists(log.folder / "new"));
}

TEST_CASE("cli: names that lead nowhere are errors, not an abort") {
  const Log log;
  std::filesystem::create_symlink("loop", log.folder / "loop");
  const std::string longer = log.folder / std::string(300, 'x');
  const std::vector<std::vector<std::string>> commands = {{"init", ""},
                                                          {"init", longer},
                                                          {"init", log.folder / "loop"},
                                                          {"init", log.folder / "loop/below"},
                                                          {"init", log.folder / "new", "--keys", log.folder / "loop"},
                                                          {"init", log.folder / "new", "--keys", longer},
                                                          {"export-tlog", log.root, ""},
                                                          {"export-tlog", log.root, longer},
                                                          {"export-tlog", log.root, log.folder / "loop"},
                                                          {"prove", log.root, "0", "-o", log.folder / "loop/p"},
                                                          {"verify", log.root, "--save-state", log.folder / "loop/s"},
                                                          {"verify", log.root, "--save-state", longer},
                                                          {"keys", "init", log.root, "--out", log.folder / "loop"}};
  for (const std::vector<std::string>& words : commands) {
    const tests::Ran ran = Log::khipu(words);
    INFO(words[0] << " " << words.back() << ": " << ran.exit << " " << ran.out << ran.err);
    CHECK(ran.exit == 3);
    CHECK_THAT(ran.err, ContainsSubstring("khipu " + words[0]));
  }
  CHECK_FALSE(std::filesystem::exists(log.folder / "new"));
}

TEST_CASE("cli: what is written to a pipe or a device goes through it, and replaces nothing else") {
  const Log log;
  const std::string words = R"(mkfifo "$FOLDER/pipe" && { cat "$FOLDER/pipe" > "$FOLDER/came" & } &&
"$KHIPU" prove "$ROOT" 0 -o "$FOLDER/pipe" >&2 && wait && test -p "$FOLDER/pipe" && grep -q khipu-bundle "$FOLDER/came" &&
"$KHIPU" verify "$ROOT" --save-state /dev/stdout | grep -q "commit" && "$KHIPU" prove "$ROOT" 0 -o /dev/stdout | grep khipu-bundle)";
  const tests::Ran ran = log.script(words);
  INFO(ran.out << ran.err);
  CHECK(ran.exit == 0);
  // What a descriptor leads to is open already: a file as well.
  const tests::Ran file = log.script(R"x(ln -s /proc/self/fd/1 "$FOLDER/out" && cd "$FOLDER" &&
{ "$KHIPU" prove "$ROOT" 0 -o "$FOLDER/out" && "$KHIPU" prove "$ROOT" 0 -o /dev/fd/1; } > "$FOLDER/twice" &&
test -L "$FOLDER/out" && test "$(grep -c khipu-bundle "$FOLDER/twice")" = 2 && ! grep wrote "$FOLDER/twice")x");
  INFO(file.out << file.err);
  CHECK(file.exit == 0);
  const tests::Ran inside = log.script(R"("$KHIPU" prove "$ROOT" 0 -o /dev/fd/7 7<>"$ROOT/logs/seg-0000000000.log")");
  CHECK(inside.exit == 3);
  CHECK_THAT(inside.err, ContainsSubstring("lies inside the log"));
  const tests::Ran folder = Log::khipu({"prove", log.root, "0", "-o", log.folder.path()});
  CHECK(folder.exit == 3);
  CHECK_THAT(folder.err, ContainsSubstring("is no file"));
}

TEST_CASE("cli: an init that fails on its way takes back what it made, and nothing else") {
  if (tests::kSanitized) SKIP("UBSan looks into memory through descriptors, and takes an object for none without one");
  const tests::TempDirectory folder;
  const std::string root = folder / "new", keys = root + ".keys";
  std::filesystem::create_directory(keys);
  std::filesystem::permissions(keys, std::filesystem::perms::owner_all);
  std::ofstream(keys + "/note") << "mine";
  const auto init_with = [&](int files) {  // the one thing that runs out wherever it is wanted to
    return tests::run({"bash", "-c", "ulimit -n " + std::to_string(files) + "; exec \"$0\" init \"$1\"",
                       tests::program("khipu"), root});
  };
  const auto holds = [](const std::string& path) {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(path)) names.push_back(entry.path().filename());
    std::sort(names.begin(), names.end());
    return names;
  };
  size_t taken_back = 0, left = 0;
  int files = 5;
  for (; files < 100; ++files) {
    const tests::Ran ran = init_with(files);
    INFO(files << " files: " << ran.err);
    CHECK(std::filesystem::exists(keys + "/note"));
    if (!std::filesystem::exists(root)) continue;
    if (std::filesystem::exists(root + "/HEAD")) {
      if (ran.exit != 0) CHECK_THAT(ran.err, ContainsSubstring("the log is made all the same"));
      break;
    }
    const std::vector<std::string> in_root = holds(root);
    if (in_root == std::vector<std::string>{"LOCK"} && holds(keys) == std::vector<std::string>{"note"}) {
      ++taken_back;
    } else if (!in_root.empty() && in_root != std::vector<std::string>{"LOCK"}) {
      ++left;  // too few even to take it back
      std::filesystem::remove_all(root);
    }
  }
  CHECK(taken_back > 10);
  CHECK(left <= 1);
  REQUIRE(files < 100);
  CHECK(Log::khipu({"verify", root}).exit == 0);
  CHECK(Log::khipu({"append", root}, kEvent).exit == 0);
  // A log that is there stays, whatever fails.
  for (int fewer = 5; fewer < files; fewer += 3) CHECK(init_with(fewer).exit == 3);
  CHECK(Log::khipu({"verify", root}).exit == 0);
}

TEST_CASE("cli: in a working directory that is gone, relative names are errors, not an abort") {
  const Log log;
  for (const std::string words : {"init x", "prove \"$ROOT\" 0 -o p", "verify \"$ROOT\" --save-state s",
                                  "export-tlog \"$ROOT\" tiles", "keys init \"$ROOT\" --out readers"}) {
    const tests::Ran ran = log.script(
        "mkdir \"$FOLDER/gone\" && cd \"$FOLDER/gone\" && rmdir \"$FOLDER/gone\" && exec \"$KHIPU\" " + words);
    INFO(words << ": " << ran.exit << " " << ran.out << ran.err);
    CHECK(ran.exit == 3);
    CHECK_THAT(ran.err, ContainsSubstring("khipu "));
  }
}

TEST_CASE("cli: a file of the log never takes the place of a closed descriptor") {
  const Log log;
  const tests::Ran ran = log.script(R"("$KHIPU" serve "$ROOT" <&- >&- 2>&- & writer=$!
    until [ -S "$ROOT/access.sock" ]; do kill -0 $writer || exit 9; done
    kill -TERM $writer; wait $writer)");
  INFO(ran.out << ran.err);
  CHECK(ran.exit == 0);
  std::ifstream lock(log.root + "/LOCK");
  const std::string text{std::istreambuf_iterator<char>(lock), {}};
  CHECK(text.size() <= 96);
  CHECK_THAT(text, ContainsSubstring("role=serve") && !ContainsSubstring("serve stop"));
  CHECK(Log::khipu({"verify", log.root}).exit == 0);
  CHECK(log.script("exec \"$KHIPU\" status \"$ROOT\" >&-").exit == 3);  // an answer that goes nowhere is none
  CHECK(log.script("exec \"$KHIPU\" append \"$ROOT\" <&-").exit == 3);
}
