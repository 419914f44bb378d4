// The needle test: unique plaintexts in every protected place, real programs around them, then a search of every byte
// they left: the root, its keys, the DLQ, what was printed to stderr, and the memory of the writer that still runs.
#include <csignal>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/support/catch.h"
#include "tests/support/program.h"
#include "tests/support/temp_directory.h"

using namespace khipu;
using Json = nlohmann::json;

namespace {

// None of them is a part of another, and none occurs in a command line of the writer.
const std::vector<std::string> kNeedles = {
    "Nadel1.qx7kfw@example.org",  "Nadel2-078051120", "Nadel3-5500000004",
    "Nadel4 wrote a diary",       "203.0.113.249",    "Nadel5.parked@example.org",
    "Nadel6.imported@example.org"};

std::string bytes_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream bytes;
  bytes << file.rdbuf();
  return std::move(bytes).str();
}

const std::string kControl = "Offen1 in the clear";

std::string needle_in(const std::string& bytes, const std::vector<std::string>& needles = kNeedles) {
  for (const std::string& needle : needles) {
    if (bytes.find(needle) != std::string::npos) return needle;
  }
  return "";
}

std::string needle_below(const std::string& folder, const std::vector<std::string>& needles = kNeedles) {
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    if (const std::string found = needle_in(bytes_of(entry.path()), needles); !found.empty()) {
      return found + " in " + entry.path().string();
    }
  }
  return "";
}

// Every readable mapping of a process, in pieces that overlap by the longest needle.
std::string needle_in_memory(int pid, const std::vector<std::string>& needles = kNeedles) {
  const std::string folder = "/proc/" + std::to_string(pid);
  std::ifstream maps(folder + "/maps"), memory(folder + "/mem", std::ios::binary);
  if (!memory) return "memory cannot be read";
  for (std::string line; std::getline(maps, line);) {
    uint64_t from = 0, to = 0;
    char dash = 0, mode = 0;
    std::istringstream words(line);
    words >> std::hex >> from >> dash >> to >> mode;
    if (mode != 'r' || line.find("[vvar") != std::string::npos || line.find("[vsyscall]") != std::string::npos)
      continue;
    constexpr uint64_t kPiece = 8 << 20, kOverlap = 64;
    for (uint64_t at = from; at < to; at += kPiece) {
      std::string bytes(std::min(kPiece + kOverlap, to - at), '\0');
      memory.clear();
      memory.seekg(static_cast<std::streamoff>(at));
      memory.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
      bytes.resize(static_cast<size_t>(std::max<std::streamsize>(0, memory.gcount())));
      if (const std::string found = needle_in(bytes, needles); !found.empty()) return found + " in " + line;
    }
  }
  return "";
}

struct Session {
  tests::TempDirectory folder;
  std::string root = folder / "log", keys = folder / "keys";
  std::string errors;  // stderr of all programs

  tests::Ran khipu(std::vector<std::string> words, const std::string& input = "") {
    words.insert(words.begin(), tests::program("khipu"));
    const tests::Ran ran = tests::run(words, input);
    errors += ran.err;
    return ran;
  }
  void done(std::vector<std::string> words, const std::string& input = "") {
    const tests::Ran ran = khipu(std::move(words), input);
    INFO(ran.out << ran.err);
    REQUIRE(ran.exit == 0);
  }
};

std::string event(const std::string& id) {
  Json event = {{"actor", {{"type", "person"}, {"id", id}, {"fields", {{"email", kNeedles[0]}, {"ssn", kNeedles[1]}}}}},
                {"action", "PUT"},
                {"source_ip", kNeedles[4]},
                {"content", {{"diary", kNeedles[3]}, {"mail", kNeedles[0]}}},
                {"custom", {{"card", kNeedles[2]}}}};
  event["actor"]["fields"]["diary"] = kNeedles[3];
  return event.dump() + "\n";
}

std::string call(int id, const std::string& tool, const Json& arguments) {
  const Json message = {
      {"jsonrpc", "2.0"}, {"id", id}, {"method", "tools/call"}, {"params", {{"name", tool}, {"arguments", arguments}}}};
  return message.dump() + "\n";
}

}  // namespace

TEST_CASE("needle: nothing that a protected field was given is left in any file, error or memory of the writer") {
  Session session;
  const std::string& root = session.root;
  session.done({"init", root, "--origin", "test/needle"});
  session.done({"keys", "init", root, "--out", session.keys});
  session.done(
      {"types", "add", root, "person", "email:sealed,exact,ngram(3),accept_leak", "ssn:digest", "diary:sealed"});
  session.done({"columns", "add", root, "card", "--indexed", "--protect", "sealed,exact"});
  tests::Process writer({tests::program("khipu"), "serve", root});
  REQUIRE(!writer.wait_for("serve ready").empty());

  session.done({"append", root}, event("p-1") + event("p-2") + event("p-1"));
  session.done({"append", root, "--idempotency-key", "k"}, event("p-3"));
  // The control: a name in the clear, which the searches below do find.
  session.done({"append", root},
               R"({"actor":{"type":"user","id":"u-1","fields":{"name":")" + kControl + "\"}},\"action\":\"GET\"}\n");
  // Refused lines: an address that is none, a field that is unknown, JSON cut short; once with an error, once parked.
  const std::string bad = "{\"actor\":{\"type\":\"person\",\"id\":\"p-4\",\"fields\":{\"email\":\"" + kNeedles[5] +
                          "\",\"nope\":\"" + kNeedles[5] + "\"}},\"action\":\"PUT\"}\n";
  CHECK(session.khipu({"append", root}, bad).exit == 3);
  CHECK(session.khipu({"append", root, "--park"}, bad).exit == 1);
  const std::string mapping = session.folder / "mapping.json", lines = session.folder / "lines.jsonl";
  std::ofstream(mapping) << R"({"khipu_mapping":1,"name":"members","types":{"member":{"email":"text"}},
"event":{"actor":{"type":"member","id":{"pointer":"/id"},"fields":{"email":{"pointer":"/mail"}}},
"action":{"constant":"JOIN"}}})";
  std::ofstream(lines) << R"({"id":"m-1","mail":")" << kNeedles[6] << "\"}\n"
                       << R"({"mail":")" << kNeedles[6] << "\"}\n";
  const tests::Ran imported = session.khipu(
      {"import", root, "--format", "jsonl", "--mapping", mapping, "--protect", "actor.email=sealed,exact", lines});
  INFO(imported.out << imported.err);
  CHECK(imported.exit <= 1);
  std::filesystem::remove(lines);

  const std::string search = session.keys + "/search", decrypt = session.keys + "/decrypt";
  const std::string by_mail = "person.email=" + kNeedles[0];
  const tests::Ran found = session.khipu({"query", root, "--actor-match", by_mail, "--keys", search, "--limit", "2"});
  INFO(found.out << found.err);
  CHECK(found.exit == 0);
  CHECK(needle_in(found.out).empty());
  CHECK_THAT(found.out, ContainsSubstring("2 of 4 events"));
  const tests::Ran read =
      session.khipu({"query", root, "--actor-match", by_mail, "--keys", search, "--keys", decrypt, "--json"});
  CHECK(read.exit == 0);
  CHECK_THAT(read.out, ContainsSubstring(kNeedles[0]));  // who holds the key does read it
  CHECK_THAT(read.out, ContainsSubstring(kNeedles[3]));
  const tests::Ran refused = session.khipu({"query", root, "--actor-match", by_mail});
  CHECK(refused.exit == 3);
  CHECK(needle_in(refused.err).empty());
  for (const char* command : {"query", "history", "status", "verify", "types list", "columns list", "export"}) {
    std::vector<std::string> words;
    std::istringstream parts(command);
    for (std::string word; parts >> word;) words.push_back(word);
    words.push_back(root);
    if (words[0] == "history") words.push_back("person:p-1");
    const tests::Ran ran = session.khipu(words);
    INFO(command << ": " << ran.err);
    CHECK(needle_in(ran.out + ran.err).empty());
  }

  const std::string hello = Json({{"jsonrpc", "2.0"},
                                  {"id", 0},
                                  {"method", "initialize"},
                                  {"params",
                                   {{"protocolVersion", "2025-11-25"},
                                    {"capabilities", Json::object()},
                                    {"clientInfo", {{"name", "test"}, {"version", "1"}}}}}})
                                .dump() +
                            "\n" + R"({"jsonrpc":"2.0","method":"notifications/initialized"})" + "\n";
  const Json matcher = {{"type", "person"}, {"field", "email"}, {"value", kNeedles[0]}, {"match", "exact"}};
  // A digest has no prefixes to be searched by.
  const Json wrong = {{"type", "person"}, {"field", "ssn"}, {"value", kNeedles[1]}, {"match", "prefix"}};
  const std::string calls = hello + call(1, "audit_query", {{"actor_match", matcher}, {"limit", 1}}) +
                            call(2, "audit_query", {{"actor_match", wrong}}) +
                            call(3, "audit_describe", Json::object()) + call(4, "audit_get_event", {{"seq", 0}}) +
                            call(5, "audit_history", {{"entity", "person:p-1"}}) +
                            call(6, "audit_query", {{"actor_match", matcher}, {"detail", "detailed"}});
  const tests::Ran asked = tests::run({tests::program("khipu-mcp"), "--role-keys", search, root}, calls);
  session.errors += asked.err;
  INFO(asked.out);
  CHECK(needle_in(asked.out + asked.err).empty());
  CHECK_THAT(asked.out, ContainsSubstring("UNSUPPORTED_MATCH"));
  CHECK_THAT(asked.out, ContainsSubstring("total"));
  const tests::Ran reveal =
      tests::run({tests::program("khipu-mcp"), "--role-keys", decrypt, root},
                 hello + call(1, "audit_get_event", {{"seq", 0}, {"reveal", {"fields", "content", "custom"}}}));
  session.errors += reveal.err;
  CHECK_THAT(reveal.out, ContainsSubstring("Nadel4 wrote a diary"));

  CHECK(needle_in(session.errors).empty());
  CHECK(needle_in_memory(writer.pid()).empty());
  CHECK_THAT(needle_in_memory(writer.pid(), {kControl}), ContainsSubstring(kControl));
  writer.signal(SIGTERM);
  CHECK(writer.wait() == 0);
  CHECK(needle_in(writer.errors()).empty());
  CHECK(needle_below(session.folder / "").empty());
  CHECK_THAT(needle_below(session.folder / "", {kControl}), ContainsSubstring(kControl));
  session.done({"verify", root});
}
