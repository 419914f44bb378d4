// The real khipu-mcp with role keys: what it finds, and what it says that it did not look for.
#include <algorithm>
#include <cstdio>

#include "tests/mcp/stdio_e2e/host.h"
#include "tests/support/catch.h"
#include "tests/support/program.h"
#include "tests/support/temp_directory.h"

using namespace khipu;
using namespace khipu::tests;
using khipu::mcp::Json;

namespace {

// A log whose users' names are sealed and phones digests, made by `khipu`, with readers' keys.
struct SealedLog {
  TempDirectory folder;
  std::string root = folder / "log", out = folder / "readers";
  const std::vector<std::string> both = {"--role-keys", out + "/search", "--role-keys", out + "/decrypt"};

  explicit SealedLog(const std::string& name_rule) {
    khipu({"init", root, "--origin", "example.org/audit"});
    khipu({"keys", "init", root, "--out", out});
    khipu({"types", "add", root, "user", "name:" + name_rule, "phone:digest"});
  }
  static void khipu(std::vector<std::string> words, const std::string& input = "") {
    words.insert(words.begin(), program("khipu"));
    const Ran ran = run(words, input);
    INFO(ran.out << ran.err);
    REQUIRE(ran.exit == 0);
  }
  void event(const std::string& id, const std::string& name) const {
    const Json line = {{"actor", {{"type", "user"}, {"id", id}, {"fields", {{"name", name}, {"phone", "555"}}}}},
                       {"action", "X"}};
    khipu({"append", root}, line.dump() + "\n");
  }
};

Json structured(Host& host, int id, const std::string& tool, const Json& arguments) {
  const Json result = host.ask(id, "tools/call", {{"name", tool}, {"arguments", arguments}}).at("result");
  INFO(result.dump());
  REQUIRE_FALSE(result.value("isError", false));
  return result.at("structuredContent");
}
Json user_with(const std::string& field, const std::string& value, const std::string& match) {
  return {{"actor_match", {{"type", "user"}, {"field", field}, {"value", value}, {"match", match}}}};
}
bool noted(const Json& answer, const std::string& code) {
  const Json notes = answer.value("notes", Json::array());
  return std::any_of(notes.begin(), notes.end(), [&](const Json& note) { return note.at("code") == code; });
}

}  // namespace

TEST_CASE(
    "khipu-mcp: keys that a rotation puts into a role's folder count from the next call on, and SIGHUP ends nothing") {
  const SealedLog log("sealed,exact");
  log.event("u-1", "Alice");
  Host host(log.root, log.both);
  host.initialize("2025-11-25");
  int id = 1;
  const auto totals = [&](uint64_t wanted) {
    for (const auto& [field, value] : {std::pair("name", "Alice"), std::pair("phone", "555")}) {
      const Json answer = structured(host, id++, "audit_query", user_with(field, value, "exact"));
      INFO(field << ": " << answer.dump());
      CHECK(answer.at("total") == wanted);
      CHECK_FALSE(noted(answer, "MISSING_KEYS"));
    }
  };
  totals(1);
  for (const char* kind : {"tokens", "digest", "recipients"}) {
    SealedLog::khipu({"keys", "rotate", log.root, kind, "--out", log.out});
  }
  log.event("u-2", "Alice");
  totals(2);
  host.hang_up();
  totals(2);
  // A search key that is taken away again is missed, and said to be.
  const std::string moved = log.folder / "moved.key";
  REQUIRE(std::rename((log.out + "/search/token-root-1.key").c_str(), moved.c_str()) == 0);
  CHECK(noted(structured(host, id++, "audit_query", user_with("name", "Alice", "exact")), "MISSING_KEYS"));
  CHECK(host.end() == 0);
}

TEST_CASE("khipu-mcp: find_entity looks for whole names that are sealed, and says what it did not look for") {
  const SealedLog log("sealed,exact");
  log.event("u-1", "Alice");
  log.event("u-1", "Alison");
  const std::vector<std::pair<std::vector<std::string>, bool>> readers = {
      {{}, false}, {{"--role-keys", log.out + "/search"}, true}, {log.both, true}};
  for (const auto& [keys, found] : readers) {
    Host host(log.root, keys);
    host.initialize("2025-11-25");
    int id = 1;
    const auto find = [&](const Json& arguments) { return structured(host, id++, "audit_find_entity", arguments); };
    for (const char* name : {"alison", "Alice"}) {
      const Json answer = find({{"text", name}});
      INFO(answer.dump());
      CHECK(noted(answer, "PROTECTED_NAMES"));
      CHECK(answer.at("total") == (found ? 1 : 0));
      if (!found) continue;
      CHECK(answer.at("entities").at(0).at("ref") == "user:u-1");
      CHECK(answer.at("entities").at(0).at("match") == "exact");
      const bool newest = std::string_view(name) == "alison";
      CHECK(answer.at("entities").at(0).at("matched_on") == (newest ? "current_name" : "past_name"));
      CHECK(answer.at("entities").at(0).at("events") == 2);
    }
    CHECK(find({{"text", "Ali"}}).at("total") == 0);
    CHECK(find({{"text", "Alice"}, {"type", "service"}}).at("total") == 0);
    CHECK_FALSE(noted(find({{"text", "Alice"}, {"type", "service"}}), "PROTECTED_NAMES"));
    CHECK(find({{"text", "u-1"}}).at("entities").at(0).at("matched_on") == "id");
    CHECK(host.end() == 0);
  }
}

TEST_CASE("khipu-mcp: an export says what the answer said of its rows") {
  const SealedLog log("sealed,prefix(4),accept_leak");
  for (const char* id : {"u-1", "u-2", "u-3"}) log.event(id, std::string("Alicia ") + id);
  Host host(log.root, {"--role-keys", log.out + "/search"});
  host.initialize("2025-11-25");
  Json arguments = user_with("name", "Alice", "exact_ci");
  arguments["export"] = true;
  arguments["limit"] = 1;
  const Json answer = structured(host, 1, "audit_query", arguments);
  REQUIRE(noted(answer, "CANDIDATES"));
  const Json read = host.ask(2, "resources/read", {{"uri", answer.at("export")}}).at("result");
  const std::string text = read.at("contents").at(0).at("text");
  INFO(text);
  CHECK(noted(Json::parse(text.substr(0, text.find('\n'))), "CANDIDATES"));
  CHECK(host.end() == 0);
}
