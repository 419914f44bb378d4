// Retention with the real `khipu`: through a running server, under its own policy while traffic goes on, and on a root
// that nobody serves.
#include <csignal>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "engine/daemon/http.h"
#include "engine/daemon/retention_json.h"
#include "tests/support/catch.h"
#include "tests/support/log_root.h"
#include "tests/support/program.h"

using namespace khipu;
using Json = nlohmann::json;

namespace {

struct Log : tests::LogRoot {
  std::string config = folder / "khipu.toml";
  Log() { std::ofstream(config) << "[writer]\nsegment_size_bytes = 65536\n"; }
  Json json(std::vector<std::string> words, int exit = 0) const {
    words.push_back("--json");
    const tests::Ran ran = khipu(std::move(words));
    INFO(ran.err);
    REQUIRE(ran.exit == exit);
    return Json::parse(ran.out);
  }
  std::vector<std::string> serving(std::vector<std::string> more = {}) const {
    std::vector<std::string> command = {tests::program("khipu"), "serve", root, "--config", config};
    command.insert(command.end(), more.begin(), more.end());
    return command;
  }
  bool first_segment() const { return std::filesystem::exists(root + "/logs/seg-0000000000.log"); }
};

std::unique_ptr<daemon::HttpClient> client(const Log& log) {
  return daemon::HttpClient::open_local(os::SocketPath::make(log.root, "ingest.sock").value());
}

// 16 events of 1 KiB in one body.
void post(daemon::HttpClient& to, int times) {
  std::string body;
  for (int i = 0; i < 16; ++i) {
    body += R"({"actor":{"type":"user","id":"u-1"},"action":"login","content":")" + std::string(1024, 'x') + "\"}\n";
  }
  for (int i = 0; i < times; ++i) {
    REQUIRE(to.post("/v1/events", "application/x-ndjson", body, {}).value().status == 200);
  }
}

}  // namespace

TEST_CASE(
    "retention: through a running server a dry run changes nothing, a hold forbids, lifting it lets segments go") {
  const Log log;
  tests::Process writer(log.serving());
  REQUIRE(!writer.wait_for("serve ready").empty());
  post(*client(log), 30);  // about 500 KiB in segments of 64 KiB

  const Json dry = log.json({"retention", log.root, "--max-bytes", "200KiB", "--dry-run"});
  REQUIRE(dry["schema"] == "khipu.retention/v1");
  REQUIRE(dry["dry_run"] == true);
  REQUIRE(dry["segments"].size() >= 4);
  REQUIRE(dry["segments"][0]["file"] == "seg-0000000000.log");
  REQUIRE(dry["segments"][0]["why"] == Json::array({"max-bytes"}));
  REQUIRE(dry["commit"].is_null());
  REQUIRE(log.first_segment());

  REQUIRE(log.khipu({"hold", log.root, "set", "case-7", "--reason", "litigation"}).exit == 0);
  REQUIRE(log.khipu({"hold", log.root, "set", "case-7", "--reason", "again"}).exit == 3);
  REQUIRE(log.khipu({"hold", log.root, "set", "two words", "--reason", "x"}).exit == 3);
  REQUIRE(log.khipu({"hold", log.root, "set", "case-8"}).exit == 3);
  REQUIRE(log.json({"hold", log.root, "list"})["holds"][0]["reason"] == "litigation");
  const Json held = log.json({"retention", log.root, "--max-bytes", "200KiB"});
  REQUIRE(held["segments"].empty());
  REQUIRE(held["kept_because"] == Json::array({"hold \"case-7\" is set"}));
  REQUIRE(log.json({"status", log.root})["retention"]["holds"][0]["name"] == "case-7");

  REQUIRE(log.khipu({"hold", log.root, "lift", "case-7", "--reason", "settled"}).exit == 0);
  const Json gone = log.json({"retention", log.root, "--max-bytes", "200KiB"}, 2);  // the server unlinks
  REQUIRE(gone["commit"].is_number());
  REQUIRE(!writer.wait_for("retention unlinked segments").empty());
  REQUIRE_FALSE(log.first_segment());
  const Json status = log.json({"status", log.root});
  REQUIRE(status["retention"]["logs"]["statements"] == 1);
  REQUIRE(status["retention"]["logs"]["newest"]["policy"] == "max-bytes 204800");
  REQUIRE(status["tables"]["logs"]["rows"] == 480);
  const Json page = log.json({"query", log.root});
  REQUIRE(page["coverage"]["purged_overlap"] == true);
  REQUIRE(page["coverage"]["purged_rows"] == gone["rows"]);
  REQUIRE(page["notes"][0]["code"] == "PURGED");
  writer.signal(SIGTERM);
  REQUIRE(writer.wait() == 0);
  REQUIRE(log.khipu({"verify", log.root}).exit == 0);
}

TEST_CASE("retention: the policy of a server is enforced while traffic never pauses, and a reload changes it") {
  const Log log;
  std::ofstream(log.config, std::ios::app) << "[retention]\nmax_bytes = \"150KiB\"\ninterval_s = 1\n";
  tests::Process writer(log.serving());
  REQUIRE(!writer.wait_for("serve ready").empty());
  const auto producer = client(log);
  int bodies = 0;
  for (; log.first_segment() && bodies < 3000; ++bodies) post(*producer, 1);
  REQUIRE_FALSE(log.first_segment());
  REQUIRE(log.json({"status", log.root})["writer"]["live"]["retention"]["logs"] == "max-bytes 153600");
  std::ofstream(log.config) << "[writer]\nsegment_size_bytes = 65536\n[retention]\nmax_age = \"30d\"\n";
  writer.signal(SIGHUP);
  REQUIRE(!writer.wait_for("reload done").empty());
  REQUIRE(log.json({"status", log.root})["writer"]["live"]["retention"]["logs"] == "max-age 2592000 s");
  std::ofstream(log.config) << "[retention]\nmax_age = \"30 days\"\n";
  writer.signal(SIGHUP);
  REQUIRE(!writer.wait_for("reload refused").empty());
  writer.signal(SIGTERM);
  REQUIRE(writer.wait() == 0);
  REQUIRE(log.khipu({"verify", log.root}).exit == 0);
}

TEST_CASE("retention: on a root that nobody serves the command does all of it") {
  const Log log;
  {
    tests::Process writer(log.serving());
    REQUIRE(!writer.wait_for("serve ready").empty());
    post(*client(log), 20);
    writer.signal(SIGTERM);
    REQUIRE(writer.wait() == 0);
  }
  const Json done = log.json({"retention", log.root, "--max-bytes", "150KiB"});
  REQUIRE(done["commit"].is_number());
  REQUIRE(done["unlinked"]["segments"] == done["segments"].size());
  REQUIRE_FALSE(log.first_segment());
  REQUIRE(log.json({"retention", log.root, "--max-bytes", "150KiB"})["commit"].is_null());
  REQUIRE_THAT(log.khipu({"retention", log.root, "--max-age", "100w", "--dry-run"}).out,
               ContainsSubstring("0 segments"));
  REQUIRE(log.khipu({"retention", log.root}).exit == 3);
  REQUIRE(log.khipu({"retention", log.root, "--max-age", "1y"}).exit == 3);
  REQUIRE(log.khipu({"retention", log.root, "--clear-clock", "--max-age", "1d"}).exit == 3);
  // Nothing stepped, so there is nothing to state.
  const tests::Ran cleared = log.khipu({"retention", log.root, "--clear-clock"});
  REQUIRE(cleared.exit == 3);
  REQUIRE_THAT(cleared.err, ContainsSubstring("no step of the clock is there to be cleared"));
  REQUIRE(log.khipu({"verify", log.root}).exit == 0);
}

TEST_CASE("retention: requests are strict, and what no operator may ask is refused") {
  const Log log;
  tests::Process writer(log.serving());
  REQUIRE(!writer.wait_for("serve ready").empty());
  const auto to = client(log);
  for (const char* bad :
       {"", "[]", "{}", R"({"table":"logs"})", R"({"table":"meta","max_bytes":1})", R"({"table":"logs","max_bytes":0})",
        R"({"table":"logs","max_bytes":-1})", R"({"table":"logs","max_bytes":1.5})", R"({"max_bytes":1})",
        R"({"table":"logs","max_bytes":1,"force":true})", R"({"clear_clock":true,"dry_run":true})"}) {
    INFO(bad);
    REQUIRE(to->post("/v1/retention", "application/json", bad, {}).value().status == 400);
  }
  for (const char* bad :
       {R"({"action":"set","name":"a"})", R"({"action":"drop","name":"a","reason":"r"})",
        R"({"action":"set","name":"a\u001b","reason":"r"})", R"({"action":"set","name":"a","reason":"r\u001b[2J"})"}) {
    INFO(bad);
    REQUIRE(to->post("/v1/holds", "application/json", bad, {}).value().status == 400);
  }
  REQUIRE(
      to->post("/v1/holds", "application/json", R"({"action":"lift","name":"a","reason":"r"})", {}).value().status ==
      404);
  const auto request = daemon::parse_retention(R"({"table":"access","max_age_s":7,"dry_run":true})").value();
  REQUIRE(daemon::parse_retention(daemon::to_json(request)).value().policy == request.policy);
}
