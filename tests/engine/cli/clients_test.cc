// The real `khipu` beside a running writer: limits it tells, the time it takes, the repeats it answers; and the names a
// log may be given by.
#include <csignal>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "engine/daemon/http.h"
#include "tests/engine/cli/serving_log.h"
#include "tests/support/catch.h"
#include "tests/support/log_root.h"
#include "tests/support/program.h"

using namespace khipu;
using Json = nlohmann::json;

namespace {

const std::string kEvent = R"({"actor":{"type":"user","id":"u-1"},"action":"login"})";

using tests::stop;

struct Log : tests::ServingLog {
  std::unique_ptr<daemon::HttpClient> client() const {
    return daemon::HttpClient::open_local(os::SocketPath::make(root, "ingest.sock").value());
  }
};

std::string audit_line(int number, size_t padding) {
  return Json{{"kind", "Event"},
              {"level", "Metadata"},
              {"auditID", std::to_string(number)},
              {"stage", "ResponseComplete"},
              {"verb", "get"},
              {"requestURI", "/"},
              {"user", {{"username", "u"}}},
              {"stageTimestamp", "2026-06-15T05:07:07.2Z"},
              {"pad", std::string(padding, 'x')}}
             .dump() +
         "\n";
}

}  // namespace

TEST_CASE("cli: what export writes makes the same versions when it is appended, also of what was taken away") {
  const Log from, to;
  REQUIRE(Log::khipu({"append", from.root},
                     R"({"actor":{"type":"user","id":"u","fields":{"name":"A","role":"admin"}},"action":"made"}
{"actor":{"type":"user","id":"v","fields":{"name":"B"}},"action":"x","targets":[{"type":"user","id":"u","fields":{"role":null}}]}
{"actor":{"type":"user","id":"u"},"action":"login"}
{"actor":{"type":"user","id":"u","fields":{"name":null}},"action":"emptied"}
{"actor":{"type":"user","id":"u"},"action":"login"}
{"actor":{"type":"user","id":"v","deleted":true},"action":"end"}
{"actor":{"type":"user","id":"v","fields":{"role":"guest"}},"action":"back"}
)")
              .exit == 0);
  const tests::Ran exported = Log::khipu({"export", from.root});
  REQUIRE(exported.exit == 0);
  REQUIRE(Log::khipu({"append", to.root}, exported.out).exit == 0);
  CHECK(Log::khipu({"export", to.root}).out == exported.out);
  for (const char* who : {"user:u", "user:v"}) {
    Json versions[2];
    for (const Log* log : {&from, &to}) {
      const Json history = Json::parse(Log::khipu({"history", log->root, who, "--json"}).out);
      for (const Json& version : history["versions"]) {
        versions[log == &to ? 1 : 0].push_back({version["version"], version["fields"], version["changes"]});
      }
    }
    REQUIRE(versions[0].size() > 1);
    CHECK(versions[0] == versions[1]);
  }
}

TEST_CASE("cli: a repeat is answered with its seq though a rule has come that it breaks, another body is a conflict") {
  const Log log;
  const std::string with_id = R"({"actor":{"type":"user","id":"u-1"},"action":"login","event_id":"e-1"})";
  const std::string targets =
      R"({"actor":{"type":"user","id":"u-1"},"action":"x","targets":[{"type":"user","id":"a"},{"type":"user","id":"b"}]})";
  const auto keyed = [&](const std::string& key, const std::string& body) {
    return log.client()->post("/v1/events", "application/json", body, {{"Idempotency-Key", key}}).value();
  };
  const auto by_id = [&](const std::string& body) {
    return log.client()->post("/v1/events?idempotency=event_id", "application/x-ndjson", body, {}).value();
  };
  {
    tests::Process writer(log.serving());
    REQUIRE(!writer.wait_for("serve ready").empty());
    REQUIRE(keyed("k-1", kEvent).status == 200);
    REQUIRE(by_id(with_id).status == 200);
    REQUIRE(keyed("k-2", targets).status == 200);
    stop(writer);
  }
  REQUIRE(Log::khipu({"columns", "add", log.root, "reason", "--required"}).exit == 0);
  tests::Process writer(log.serving("[limits]\ntargets_max = 1\n"));
  REQUIRE(!writer.wait_for("serve ready").empty());
  const uint64_t rows = log.rows();
  for (const auto& [key, body, seq] : {std::tuple("k-1", kEvent, 0), std::tuple("k-2", targets, 2)}) {
    const daemon::HttpAnswer again = keyed(key, body);
    INFO(again.body);
    REQUIRE(again.status == 200);
    CHECK(Json::parse(again.body)["duplicate"] == true);
    CHECK(Json::parse(again.body)["first_seq"] == seq);
  }
  CHECK(keyed("k-1", R"({"actor":{"type":"user","id":"u-2"},"action":"login"})").status == 409);
  CHECK(keyed("k-2", targets + " ").status == 409);
  CHECK(keyed("k-3", kEvent).status == 400);
  CHECK(keyed("k-3", targets).status == 400);
  const daemon::HttpAnswer again = by_id(with_id);
  INFO(again.body);
  REQUIRE(again.status == 200);
  CHECK(Json::parse(again.body)["seqs"] == Json::array({1}));
  CHECK(by_id(R"({"actor":{"type":"user","id":"u-2"},"action":"login","event_id":"e-1"})").status == 409);
  // Beside a repeat the others are held to the rules.
  const std::string valid =
      R"({"actor":{"type":"user","id":"u"},"action":"x","event_id":"e-3","custom":{"reason":"r"}})";
  const std::string bad = R"({"actor":{"type":"user","id":"u"},"action":"x","event_id":"e-2"})";
  const daemon::HttpAnswer refused = by_id(valid + "\n" + with_id + "\n" + bad);
  CHECK(refused.status == 400);
  CHECK(Json::parse(refused.body)["error"]["line"] == 3);
  CHECK(log.rows() == rows);
  const daemon::HttpAnswer taken = by_id(with_id + "\n" + valid);
  INFO(taken.body);
  REQUIRE(taken.status == 200);
  CHECK(Json::parse(taken.body)["seqs"] == Json::array({1, 3}));
  stop(writer);
}

TEST_CASE("cli: import and append keep to the body size that the running writer tells, and name it where they cannot") {
  const Log log;
  std::ofstream(log.folder / "k.log") << [] {
    std::string lines;
    for (int i = 0; i < 2000; ++i) lines += audit_line(i, 1500);
    return lines;
  }();
  std::string events;
  for (int i = 0; i < 2000; ++i) {
    events +=
        Json{{"actor", {{"type", "user"}, {"id", "u"}}}, {"action", "x"}, {"content", std::string(1500, 'y')}}.dump();
    events += '\n';
  }
  {
    tests::Process writer(log.serving("[http]\nbody_size_bytes_max = 1048576\n"));
    REQUIRE(!writer.wait_for("serve ready").empty());
    const tests::Ran imported = Log::khipu({"import", log.root, "--format", "kubernetes", log.folder / "k.log"});
    INFO(imported.out << imported.err);
    REQUIRE(imported.exit == 0);
    CHECK(log.rows() == 2000);
    const tests::Ran appended = Log::khipu({"append", log.root, "--batch", "2000"}, events);
    INFO(appended.out << appended.err);
    REQUIRE(appended.exit == 0);
    CHECK(log.rows() == 4000);
    stop(writer);
  }
  tests::Process writer(log.serving("[http]\nbody_size_bytes_max = 1024\n"));
  REQUIRE(!writer.wait_for("serve ready").empty());
  std::ofstream(log.folder / "one.log") << audit_line(5000, 1500);
  const tests::Ran imported = Log::khipu({"import", log.root, "--format", "kubernetes", log.folder / "one.log"});
  CHECK(imported.exit == 1);  // stored but for what is parked
  CHECK_THAT(imported.out + imported.err, ContainsSubstring("at most 1024 (http.body_size_bytes_max)"));
  const tests::Ran appended = Log::khipu({"append", log.root}, events);
  CHECK(appended.exit == 3);
  CHECK_THAT(appended.err, ContainsSubstring("line 1: "));
  CHECK_THAT(appended.err, ContainsSubstring("at most 1024 (http.body_size_bytes_max)"));
  stop(writer);
}

TEST_CASE("cli: a writer whose queue is full is waited for, and it is said") {
  const Log log;
  tests::Process writer(log.serving("[writer]\nqueue_events_max = 2\nsync = \"group:100000:2000\"\n"));
  REQUIRE(!writer.wait_for("serve ready").empty());
  std::thread waiting(
      [&] { (void)log.client()->post("/v1/events", "application/x-ndjson", kEvent + "\n" + kEvent + "\n", {}).ok(); });
  while (Json::parse(log.client()->get("/v1/status").value().body)["queued_events"] != 2) std::this_thread::yield();
  const tests::Ran ran = Log::khipu({"append", log.root}, kEvent);
  waiting.join();
  INFO(ran.out << ran.err);
  CHECK(ran.exit == 0);
  CHECK_THAT(ran.err, ContainsSubstring("busy") && ContainsSubstring("waiting"));
  CHECK(log.rows() == 3);
  stop(writer);
}

TEST_CASE("cli: a log may be named as ., by a path that ends in ., and by a link, and its keys are those beside it") {
  const Log log;
  std::filesystem::create_symlink("log", log.folder / "link");
  const auto in = [&](const std::string& folder, const std::string& line) {
    return tests::run({"env", "KHIPU=" + tests::program("khipu"), "bash", "-c", "cd '" + folder + "' && " + line});
  };
  const std::string append = " <<< '" + kEvent + "'";
  CHECK(in(log.root, "$KHIPU append ." + append).exit == 0);
  CHECK(in(log.root, "$KHIPU append ./" + append).exit == 0);
  CHECK(in(log.folder.path(), "$KHIPU append log/." + append).exit == 0);
  CHECK(in(log.folder.path(), "$KHIPU append log/meta/.." + append).exit == 0);
  CHECK(in(log.folder.path(), "$KHIPU append link" + append).exit == 0);
  CHECK(in(log.root, "$KHIPU token add . ci && $KHIPU types add . thing").exit == 0);
  CHECK(in(log.root, "mkdir ../made && cd ../made && $KHIPU init . && $KHIPU append ." + append).exit == 0);
  CHECK(log.rows() == 5);
  // A folder beside the link is the one that is meant.
  std::filesystem::rename(log.root + ".keys", log.folder / "link.keys");
  CHECK(in(log.folder.path(), "$KHIPU append link" + append).exit == 0);
  CHECK(in(log.folder.path(), "$KHIPU append log" + append).exit == 3);
}

TEST_CASE("cli: that a column is required already is nothing new, that it should be from another moment is refused") {
  const Log log;
  const auto add = [&](std::vector<std::string> words) {
    words.insert(words.begin(), {"columns", "add", log.root, "reason"});
    return Log::khipu(words);
  };
  REQUIRE(add({"--required", "--required-since", "2031-01-01T00:00:00Z"}).exit == 0);
  for (const tests::Ran& ran : {add({"--required"}), add({"--required", "--required-since", "2030-01-01T00:00:00Z"})}) {
    CHECK(ran.exit == 3);
    CHECK_THAT(ran.err, ContainsSubstring("required since 2031-01-01") && ContainsSubstring("may not be moved"));
  }
  CHECK_THAT(add({}).out, ContainsSubstring("nothing new"));
  CHECK_THAT(add({"--required", "--required-since", "2031-01-01T00:00:00Z"}).out, ContainsSubstring("nothing new"));
  REQUIRE(Log::khipu({"columns", "add", log.root, "other", "--required"}).exit == 0);
  CHECK_THAT(Log::khipu({"columns", "add", log.root, "other", "--required"}).out, ContainsSubstring("nothing new"));
}

TEST_CASE("cli: a column that is posted as required without a moment is required from then on") {
  const Log log;
  tests::Process writer(log.serving());
  REQUIRE(!writer.wait_for("serve ready").empty());
  const auto post = [&](const std::string& path, const std::string& body) {
    return log.client()->post(path, "application/json", body, {}).value().status;
  };
  const std::string column = R"({"name":"reason","required":true})";
  REQUIRE(post("/v1/columns", column) == 200);
  CHECK(post("/v1/columns", column) == 200);
  CHECK(post("/v1/events", kEvent) == 400);
  CHECK(post("/v1/events",
             R"({"actor":{"type":"user","id":"u-1"},"action":"late","occurred_at":"2020-01-01T00:00:00Z"})") == 200);
  stop(writer);
}

TEST_CASE("cli: serve lists no --json, and refuses it") {
  const Log log;
  CHECK_THAT(Log::khipu({"serve", "--help"}).out, !ContainsSubstring("--json"));
  const tests::Ran ran = Log::khipu({"serve", log.root, "--json"});
  CHECK(ran.exit == 3);
  CHECK_THAT(ran.err, ContainsSubstring("without --json"));
  CHECK_THAT(Log::khipu({"append", "--help"}).out, ContainsSubstring("--json"));
}

TEST_CASE("cli: a line is said to be parked when it is") {
  const Log log;
  std::filesystem::remove(log.root + "/dlq");
  std::ofstream(log.root + "/dlq") << "no folder";
  const tests::Ran ran = Log::khipu({"append", log.root, "--park"}, "no event\n");
  INFO(ran.err);
  CHECK(ran.exit == 3);
  CHECK_THAT(ran.err, !ContainsSubstring("parked"));
}

TEST_CASE("cli: that the socket of a running writer was removed is said") {
  const Log log;
  tests::Process writer(log.serving());
  REQUIRE(!writer.wait_for("serve ready").empty());
  std::filesystem::remove(log.root + "/ingest.sock");
  const tests::Ran ran = Log::khipu({"append", log.root}, kEvent);
  CHECK(ran.exit == 3);
  CHECK_THAT(ran.err, ContainsSubstring("another process") && ContainsSubstring("ingest.sock"));
  stop(writer);
}
