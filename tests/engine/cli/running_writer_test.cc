// The real `khipu`, with and beside a running writer: what it cannot take, keys that repeat, definitions and entities
// that come and go, whose files they are.
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "tests/engine/cli/serving_log.h"
#include "tests/support/catch.h"
#include "tests/support/log_root.h"
#include "tests/support/program.h"

using namespace khipu;
using Json = nlohmann::json;

namespace {

const std::string kEvent = R"({"actor":{"type":"user","id":"u-1"},"action":"login"})";

using Log = tests::ServingLog;
using tests::stop;

std::string audit_line(int number) {
  return Json{{"kind", "Event"},
              {"level", "Metadata"},
              {"auditID", std::to_string(number)},
              {"stage", "ResponseComplete"},
              {"verb", "get"},
              {"requestURI", "/"},
              {"user", {{"username", "u"}}},
              {"stageTimestamp", "2026-06-15T05:07:07.2Z"}}
             .dump() +
         "\n";
}

}  // namespace

TEST_CASE("cli: a record that a running writer cannot take is parked, and those before and behind it are stored") {
  const Log log;
  std::ofstream(log.folder / "m.json") << R"({"khipu_mapping":1,"name":"z","event":{
    "actor":{"type":"user","id":{"pointer":"/u"}},"action":{"pointer":"/a"}}})";
  std::string records, events;
  for (int i = 0; i < 10; ++i) {
    const std::string text(i == 4 ? 70000 : 5, 'y');
    records += Json{{"u", "u" + std::to_string(i)}, {"a", "x"}, {"z", text}}.dump() + "\n";
    events += Json{{"actor", {{"type", "user"}, {"id", "u"}}}, {"action", "x"}, {"content", text}}.dump() + "\n";
  }
  std::ofstream(log.folder / "in") << records;
  tests::Process writer(log.serving("[http]\nbody_size_bytes_max = 65536\n"));
  REQUIRE(!writer.wait_for("serve ready").empty());
  const std::vector<std::string> import = {
      "import", log.root, "--format", "jsonl", "--mapping", log.folder / "m.json", log.folder / "in"};
  CHECK(Log::khipu(import).exit == 1);
  CHECK(log.rows() == 9);
  CHECK_THAT(Log::khipu(import).out, ContainsSubstring("nothing new"));
  const tests::Ran refused = Log::khipu({"append", log.root}, events);
  CHECK(refused.exit == 3);
  CHECK_THAT(refused.err, ContainsSubstring("line 5: "));
  CHECK(log.rows() == 13);
  const tests::Ran parked = Log::khipu({"append", log.root, "--park"}, events);
  CHECK(parked.exit == 1);
  CHECK_THAT(parked.out, ContainsSubstring("added 9 events, parked 1"));
  CHECK_THAT(parked.err, ContainsSubstring("http.body_size_bytes_max"));
  stop(writer);
}

TEST_CASE("cli: an import of many definitions goes through a writer that takes one event at once") {
  const Log log;
  std::ofstream(log.folder / "k.log") << audit_line(1) << audit_line(2);
  tests::Process writer(log.serving("[limits]\nbatch_events_max = 1\n"));
  REQUIRE(!writer.wait_for("serve ready").empty());
  const tests::Ran ran = Log::khipu({"import", log.root, "--format", "kubernetes", log.folder / "k.log"});
  INFO(ran.out << ran.err);
  CHECK(ran.exit == 0);
  CHECK(log.rows() == 2);
  const std::string types = R"([{"name":"a","fields":[]},{"name":"b","fields":[]}])";
  CHECK_THAT(Log::khipu({"types", "add", log.root, "--file", "-"}, types).err,
             ContainsSubstring("at most 1 (limits.batch_events_max)"));
  stop(writer);
}

TEST_CASE("cli: a repeat whose batches are cut elsewhere is told where, and by what batches are cut") {
  const Log log;
  std::string events;
  for (int i = 0; i < 100; ++i) events += kEvent + "\n";
  const std::vector<std::string> append = {"append", log.root, "--idempotency-key", "up-1"};
  {
    tests::Process writer(log.serving("[http]\nbody_size_bytes_max = 4096\n"));
    REQUIRE(!writer.wait_for("serve ready").empty());
    REQUIRE(Log::khipu(append, events).exit == 0);
    stop(writer);
  }
  const tests::Ran again = Log::khipu(append, events);
  CHECK(again.exit == 3);
  CHECK(log.rows() == 100);
  CHECK_THAT(again.err, ContainsSubstring("the batch that begins with line 1, key up-1/1"));
  CHECK_THAT(again.err, ContainsSubstring("limits.batch_events_max, http.body_size_bytes_max"));
}

TEST_CASE("cli: a key that is no UTF-8 or too long is refused with and without a writer") {
  const Log log;
  const auto refused = [&] {
    for (const std::string& key : {std::string("up-\xFF"), std::string(246, 'k')}) {
      const tests::Ran ran = Log::khipu({"append", log.root, "--idempotency-key", key}, kEvent);
      CHECK(ran.exit == 3);
      CHECK_THAT(ran.err, ContainsSubstring("--idempotency-key: 1 to 245 bytes of UTF-8"));
    }
    CHECK(Log::khipu({"append", log.root, "--idempotency-key", std::string(245, 'k')}, kEvent).exit == 0);
  };
  refused();
  tests::Process writer(log.serving());
  REQUIRE(!writer.wait_for("serve ready").empty());
  refused();
  stop(writer);
  CHECK(log.rows() == 1);
  const tests::Ran reason = Log::khipu({"recover", log.root, "--accept-rollback", "--reason", "\xFF"});
  CHECK(reason.exit == 3);
  CHECK_THAT(reason.err, ContainsSubstring("--reason: not valid UTF-8"));
}

TEST_CASE("cli: who was deleted comes back when it is said to be there, also in the log an export is appended to") {
  const Log from, to;
  REQUIRE(
      Log::khipu(
          {"append", from.root},
          R"({"actor":{"type":"user","id":"a"},"action":"x","targets":[{"type":"user","id":"bob","fields":{"name":"Bob"}}]}
{"actor":{"type":"user","id":"a"},"action":"x","targets":[{"type":"user","id":"bob","deleted":true}]}
{"actor":{"type":"user","id":"bob"},"action":"mentioned"}
{"actor":{"type":"user","id":"bob","fields":{"name":null}},"action":"back"}
{"actor":{"type":"user","id":"bob","deleted":false},"action":"there"}
)")
          .exit == 0);
  const tests::Ran exported = Log::khipu({"export", from.root});
  REQUIRE(Log::khipu({"append", to.root}, exported.out).exit == 0);
  CHECK(Log::khipu({"export", to.root}).out == exported.out);
  const auto versions = [](const Log& log) {
    std::vector<std::string> deleted;
    const Json history = Json::parse(Log::khipu({"history", log.root, "user:bob", "--json"}).out);
    for (const Json& one : history["versions"]) deleted.push_back(one.value("deleted", false) ? "gone" : "there");
    return deleted;
  };
  CHECK(versions(from) == std::vector<std::string>{"there", "gone", "there"});
  CHECK(versions(to) == versions(from));
  // By the word alone, and once; nobody is revived by a mere mention, also with "fields":{}.
  for (const auto& [bob, kind] : {std::pair(R"({"type":"user","id":"bob","deleted":true})", "gone"),
                                  std::pair(R"({"type":"user","id":"bob","fields":{}})", "gone"),
                                  std::pair(R"({"type":"user","id":"bob","deleted":false})", "there"),
                                  std::pair(R"({"type":"user","id":"bob","deleted":false})", "there")}) {
    REQUIRE(Log::khipu({"append", to.root},
                       R"({"actor":{"type":"user","id":"a"},"action":"y","targets":[)" + std::string(bob) + "]}")
                .exit == 0);
    CHECK(versions(to).back() == kind);
  }
  CHECK(versions(to).size() == 5);
  // An export that does not hold the end says of whom it meets later that he is there, for the log may know the end.
  const tests::Ran later = Log::khipu({"export", from.root, "--action", "back"});
  CHECK_THAT(later.out, ContainsSubstring(R"("id":"bob","deleted":false)"));
}

TEST_CASE("cli: what a definition in a file leaves out keeps its rule, what it says is done") {
  const Log log;
  REQUIRE(Log::khipu({"keys", "init", log.root, "--out", log.folder / "readers"}).exit == 0);
  REQUIRE(Log::khipu({"types", "add", log.root, "user", "email:sealed,exact"}).exit == 0);
  const auto rule = [&](const char* name) {
    const Json type = Json::parse(Log::khipu({"types", "show", log.root, "user", "--json"}).out);
    for (const Json& field : type["fields"]) {
      if (field["name"] == name) return field["protection"].get<std::string>();
    }
    return std::string("missing");
  };
  const std::string sample =
      R"({"actor":{"type":"user","id":"u","fields":{"email":"alice@example.org","dept":"x"}},"action":"login"})";
  const tests::Ran inferred = Log::khipu({"types", "infer", "-"}, sample);
  CHECK(inferred.out.find("protection") == std::string::npos);
  CHECK(inferred.out.find("required") == std::string::npos);
  REQUIRE(Log::khipu({"types", "add", log.root, "--file", "-"}, inferred.out).exit == 0);
  CHECK(rule("email") == "sealed");
  CHECK(rule("dept") == "none");
  const auto file = [&](const std::string& text) {
    return Log::khipu({"types", "add", log.root, "--file", "-"}, text);
  };
  // Said and new in one: both are done.
  REQUIRE(file(R"({"name":"user","fields":[{"name":"desk"},{"name":"dept","protection":"digest"},{"name":"email"}]})")
              .exit == 0);
  CHECK(rule("desk") == "none");
  CHECK(rule("dept") == "digest");
  CHECK(rule("email") == "sealed");
  const tests::Ran half = file(R"({"name":"user","fields":[{"name":"email","indexes":[]}]})");
  CHECK(half.exit == 3);
  CHECK_THAT(half.err, ContainsSubstring("protection: is missing"));
  CHECK(rule("email") == "sealed");
  const tests::Ran dropped = file(R"({"name":"user","fields":[{"name":"email","protection":"none"}]})");
  CHECK(dropped.exit == 0);
  CHECK_THAT(dropped.err, ContainsSubstring("user.email:text:sealed,exact is kept in the clear from now on"));
  CHECK(rule("email") == "none");
  const tests::Ran twice = file(R"([{"name":"user","fields":[{"name":"x"}]},{"name":"user","fields":[{"name":"y"}]}])");
  CHECK(twice.exit == 3);
  CHECK_THAT(twice.err, ContainsSubstring("[1]: type 'user' is [0] already"));
  CHECK(rule("x") == "missing");
}

TEST_CASE("cli: a definition that was made of an older schema takes nothing away that was defined meanwhile") {
  const Log log;
  REQUIRE(Log::khipu({"keys", "init", log.root, "--out", log.folder / "readers"}).exit == 0);
  const std::string fifo = log.folder / "fifo";
  REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
  tests::Ran second;
  std::thread late([&] { second = Log::khipu({"types", "add", log.root, "--file", fifo}); });
  {
    std::ofstream definition(fifo);  // opened: the command has read the schema, and waits
    CHECK(Log::khipu({"types", "add", log.root, "user", "name:sealed,exact"}).exit == 0);
    definition << R"({"name":"user","fields":[{"name":"email","protection":"sealed"}]})";
  }
  late.join();
  INFO(second.out << second.err);
  CHECK(second.exit == 0);
  const std::string shown = Log::khipu({"types", "show", log.root, "user"}).out;
  CHECK_THAT(shown, ContainsSubstring("name:text:sealed,exact"));
  CHECK_THAT(shown, ContainsSubstring("email:text:sealed"));
}

TEST_CASE("cli: what root sets aside belongs to the owner of the log's directory") {
  if (::geteuid() != 0) return;
  const Log log;
  constexpr uid_t kUser = 12345;
  std::filesystem::remove(log.root + "/dlq");
  REQUIRE(::chown(log.root.c_str(), kUser, kUser) == 0);
  REQUIRE(Log::khipu({"append", log.root, "--park"}, "nonsense\n").exit == 1);
  size_t files = 0;
  struct stat status {};
  REQUIRE(::stat((log.root + "/dlq").c_str(), &status) == 0);
  CHECK(status.st_uid == kUser);
  for (const auto& entry : std::filesystem::directory_iterator(log.root + "/dlq")) {
    REQUIRE(::stat(entry.path().c_str(), &status) == 0);
    CHECK(status.st_uid == kUser);
    CHECK(status.st_gid == kUser);
    ++files;
  }
  CHECK(files == 1);
}
