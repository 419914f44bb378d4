// A real crash of the programs while they hold keys and plaintext has passed through, with a limit that allows a core
// file: there is none.
#include <sys/resource.h>
#include <sys/wait.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "tests/needle/session.h"

using namespace khipu;
using namespace khipu::needle;
namespace fs = std::filesystem;

namespace {

// Runs it there with unlimited core files.
std::vector<std::string> unlimited(const std::string& folder, std::vector<std::string> command) {
  std::vector<std::string> words = {"sh", "-c", R"(cd "$1" && shift && ulimit -c unlimited && exec "$@")", "sh",
                                    folder};
  words.insert(words.end(), command.begin(), command.end());
  return words;
}

std::vector<std::string> files_in(const std::string& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.push_back(entry.path().filename().string());
  return names;
}

// Ends the process as a bug would. Its own limit is lifted first, where this user may: then only the process's being
// not dumpable stands against a core file.
int crash(tests::Process& process) {
  const rlimit all{RLIM_INFINITY, RLIM_INFINITY};
  (void)::prlimit(process.pid(), RLIMIT_CORE, &all, nullptr);
  process.signal(SIGABRT);
  return process.wait();
}

}  // namespace

TEST_CASE("needle: a crash of a program that holds keys leaves no core file, though the limit allows one") {
  Session session;
  const std::string control = session.folder / "control", place = session.folder / "place";
  fs::create_directory(control);
  fs::create_directory(place);
  std::string pattern;
  std::getline(std::ifstream("/proc/sys/kernel/core_pattern"), pattern);
  (void)tests::run(unlimited(control, {"sh", "-c", "kill -ABRT $$"}));
  if (files_in(control).empty()) {
    SKIP("this machine leaves no core file beside a process that crashes: core_pattern is \"" + pattern + "\"");
  }
  session.make();
  {
    tests::Process writer(unlimited(place, {tests::program("khipu"), "serve", session.root}));
    REQUIRE(!writer.wait_for("serve ready").empty());
    session.done({"append", session.root}, event("p-1"));
    CHECK(crash(writer) == 128 + SIGABRT);
  }
  {
    tests::Process reader(
        unlimited(place, {tests::program("khipu-mcp"), "--role-keys", session.keys + "/decrypt", "--role-keys",
                          session.keys + "/search", "--http", "127.0.0.1:0", session.root}));
    REQUIRE(!reader.wait_for("listening at").empty());
    CHECK(crash(reader) == 128 + SIGABRT);
  }
  CHECK(files_in(place).empty());
}
