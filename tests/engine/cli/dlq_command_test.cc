// What could not be stored, set aside sealed and read back; and reads with a decrypt key that become access records.
#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <thread>

#include "tests/support/catch.h"
#include "tests/support/program.h"
#include "tests/support/temp_directory.h"

using namespace khipu;
using Json = nlohmann::json;
namespace fs = std::filesystem;

namespace {

const std::string kBad =
    R"({"actor":{"type":"person","id":"p-9","fields":{"mail":"nadel@example.org","nope":1}},"action":"PUT"})";
const std::string kGood =
    R"({"actor":{"type":"person","id":"p-1","fields":{"mail":"good@example.org"}},"action":"PUT"})";

struct Log {
  tests::TempDirectory folder;
  std::string root = folder / "log", keys = folder / "log.keys", out = folder / "readers";
  std::string decrypt = out + "/decrypt";

  tests::Ran khipu(std::vector<std::string> words, const std::string& input = "") {
    words.insert(words.begin(), tests::program("khipu"));
    return tests::run(words, input);
  }
  std::string done(std::vector<std::string> words, const std::string& input = "") {
    const tests::Ran ran = khipu(std::move(words), input);
    INFO(ran.out << ran.err);
    REQUIRE(ran.exit == 0);
    return ran.out;
  }
  Log() {
    done({"init", root, "--origin", "example.org/dlq"});
    done({"keys", "init", root, "--out", out});
    done({"types", "add", root, "person", "mail:sealed,exact"});
  }
  bool anywhere(const std::string& text) const {
    for (const auto& entry : fs::recursive_directory_iterator(root)) {
      if (!entry.is_regular_file()) continue;
      std::ifstream file(entry.path(), std::ios::binary);
      const std::string bytes((std::istreambuf_iterator<char>(file)), {});
      if (bytes.find(text) != std::string::npos) return true;
    }
    return false;
  }
};

}  // namespace

TEST_CASE("cli: a line that holds protected fields is parked sealed, and comes back whole to who holds the key") {
  Log log;
  const tests::Ran parked = log.khipu({"append", log.root, "--park"}, kBad + "\n" + kGood + "\n");
  INFO(parked.out << parked.err);
  CHECK(parked.exit == 1);
  CHECK((parked.out + parked.err).find("nadel") == std::string::npos);
  CHECK_FALSE(log.anywhere("nadel@example.org"));

  const tests::Ran listed = log.khipu({"dlq", log.root, "--json"});
  CHECK(listed.exit == 0);
  CHECK(listed.out.find("nadel") == std::string::npos);
  const Json entries = Json::parse(listed.out)["entries"];
  REQUIRE(entries.size() == 1);
  CHECK(entries[0]["line"] == 1);
  CHECK(entries[0]["size"] == kBad.size());
  CHECK(entries[0]["sealed"] == true);
  CHECK_FALSE(entries[0].contains("raw"));

  CHECK(log.done({"dlq", log.root, "--decrypt", log.decrypt, "--raw"}) == kBad + "\n");
  CHECK(Json::parse(log.done({"dlq", log.root, "--decrypt", log.decrypt, "--json"}))["entries"][0]["raw"] == kBad);
  // Set aside twice, it comes back once; in the clear beside it what nobody protects.
  log.khipu({"append", log.root, "--park"}, kBad + "\n");
  CHECK(log.done({"dlq", log.root, "--decrypt", log.decrypt, "--raw"}) == kBad + "\n");
  // Mended, it is stored.
  std::string mended = kBad;
  mended.replace(mended.find(",\"nope\":1"), 9, "");
  log.done({"append", log.root}, mended + "\n");

  // Another auditor's key opens none, and damage is told, not passed over.
  const std::string others = log.folder / "others";
  log.done({"init", log.folder / "log2", "--origin", "example.org/other"});
  log.done({"keys", "init", log.folder / "log2", "--out", others});
  const tests::Ran refused = log.khipu({"dlq", log.root, "--decrypt", others + "/decrypt", "--raw"});
  CHECK(refused.exit == 1);
  CHECK(refused.out.empty());
  CHECK_THAT(refused.err, ContainsSubstring("not opened"));
  for (const auto& file : fs::directory_iterator(log.root + "/dlq")) {
    std::ofstream(file.path(), std::ios::app) << "{\"schema\":\"khipu.dlq-import/v1\"}\n";
  }
  const tests::Ran damaged = log.khipu({"dlq", log.root});
  CHECK(damaged.exit == 1);
  CHECK_THAT(damaged.err, ContainsSubstring("1 lines of ROOT/dlq are damaged"));
  log.done({"verify", log.root});
}

TEST_CASE("cli: an event beyond any limit is parked by its line, and the others of its batch are added") {
  const std::string limit(5000, 'a');
  const auto event = [](const std::string& id, const std::string& more) {
    return R"({"actor":{"type":"user","id":")" + id + R"("},)" + more + "}\n";
  };
  const std::string ok = R"("action":"x")";
  const std::vector<std::string> bad = {event(limit, ok), event("u", R"("action":")" + limit + "\""),
                                        event("u", ok + R"(,"url":")" + std::string(70000, 'u') + "\""),
                                        event("u", ok + R"(,"content":")" + std::string(1100000, 'c') + "\""),
                                        event("u", ok + R"(,"content":")" + std::string(3000000, 'c') + "\"")};
  std::string input;
  for (const std::string& one : bad) input += event("good", ok) + one;
  for (const bool serves : {false, true}) {
    Log log;
    const std::string root = log.folder / "plain";
    log.done({"init", root, "--origin", "example.org/plain"});
    std::optional<tests::Process> writer;
    if (serves) {
      writer.emplace(std::vector<std::string>{tests::program("khipu"), "serve", root});
      REQUIRE(!writer->wait_for("serve ready").empty());
    }
    const tests::Ran stopped = log.khipu({"append", root}, input);
    CHECK(stopped.exit == 3);
    CHECK_THAT(stopped.err, ContainsSubstring("line 2: ") || ContainsSubstring("line 10: "));
    const tests::Ran parked = log.khipu({"append", root, "--park", "--json"}, input);
    INFO(parked.out.substr(0, 2000) << parked.err.substr(0, 2000));
    CHECK(parked.exit == 1);
    CHECK_THAT(parked.out, ContainsSubstring(R"("added":5)"));
    CHECK_THAT(parked.out, ContainsSubstring(R"("parked":5)"));
    const Json entries = Json::parse(log.khipu({"dlq", root, "--json"}).out)["entries"];
    REQUIRE(entries.size() == 5);
    std::set<uint64_t> lines;
    for (const Json& entry : entries) {
      lines.insert(entry["line"].get<uint64_t>());
      const uint64_t size = bad[entry["line"].get<uint64_t>() / 2 - 1].size() - 1;
      CHECK(entry["size"] == (size > 2000000 ? 65536 : size));
      if (size > 2000000)
        CHECK_THAT(entry["reason"].get<std::string>(), ContainsSubstring("of " + std::to_string(size)));
    }
    CHECK(lines == std::set<uint64_t>{2, 4, 6, 8, 10});
    if (writer) {
      writer->signal(SIGTERM);
      CHECK(writer->wait() == 0);
    }
  }
}

TEST_CASE("cli: a file whose name is no UTF-8 is imported under its escaped name") {
  Log log;
  const std::string mapping = log.folder / "mapping.json", file = log.folder / "caf\xE9.jsonl";
  std::ofstream(mapping) << R"({"khipu_mapping":1,"name":"m","event":{"actor":{"type":"user","id":{"pointer":"/id"}},
"action":{"constant":"x"}}})";
  std::ofstream(file) << "{\"id\":\"1\"}\n{}\n";
  for (const bool json : {false, true}) {
    std::vector<std::string> words = {"import", log.root, "--format", "jsonl", "--mapping", mapping, file};
    if (json) words.emplace_back("--json");
    const tests::Ran ran = log.khipu(words);
    INFO(ran.out << ran.err);
    CHECK(ran.exit == (json ? 0 : 1));
    CHECK_THAT(ran.out, ContainsSubstring(json ? "caf\\\\xE9.jsonl" : "caf"));
  }
  CHECK_THAT(log.khipu({"dlq", log.root, "--json"}).out, ContainsSubstring("caf\\\\xE9.jsonl"));
  CHECK(log.khipu({"import", log.root, "--format", "journald", file + "\xE9"}).exit == 3);
}

TEST_CASE("cli: processes that park at once through one writer keep every line") {
  Log log;
  const std::string root = log.folder / "plain";
  log.done({"init", root, "--origin", "example.org/plain"});
  tests::Process writer({tests::program("khipu"), "serve", root});
  REQUIRE(!writer.wait_for("serve ready").empty());
  std::vector<std::thread> parking;
  for (int process = 0; process < 4; ++process) {
    parking.emplace_back([&, process] {
      std::string input;
      for (int i = 0; i < 60; ++i) input += "bad " + std::to_string(process) + " " + std::to_string(i) + "\n";
      (void)tests::run({tests::program("khipu"), "append", root, "--park", "--batch", "1"}, input);
    });
  }
  for (std::thread& one : parking) one.join();
  const tests::Ran listed = log.khipu({"dlq", root, "--raw"});
  CHECK(listed.exit == 0);
  CHECK(std::count(listed.out.begin(), listed.out.end(), '\n') == 240);
  writer.signal(SIGTERM);
  CHECK(writer.wait() == 0);
}

TEST_CASE("cli: who cannot look into the writer's keys seals for the recipients that meta names, or parks nothing") {
  Log log;
  tests::Process writer({tests::program("khipu"), "serve", log.root});
  REQUIRE(!writer.wait_for("serve ready").empty());
  const std::string nobody = log.folder / "nobody";
  const tests::Ran parked = log.khipu({"append", log.root, "--park", "--keys", nobody}, kBad + "\n" + kGood + "\n");
  INFO(parked.out << parked.err);
  CHECK(parked.exit == 1);
  CHECK_FALSE(log.anywhere("nadel@example.org"));
  CHECK(log.done({"dlq", log.root, "--decrypt", log.decrypt, "--raw"}) == kBad + "\n");
  writer.signal(SIGTERM);
  CHECK(writer.wait() == 0);

  // A log without any recipient: the command stops, and nothing is lost but the time.
  const std::string bare = log.folder / "bare";
  log.done({"init", bare, "--origin", "example.org/bare"});
  log.done({"types", "add", bare, "person", "mail:sealed"});
  const tests::Ran stopped = log.khipu({"append", bare, "--park"}, kBad + "\n");
  CHECK(stopped.exit == 3);
  CHECK_THAT(stopped.err, ContainsSubstring("khipu keys init"));
  CHECK(stopped.err.find("nadel") == std::string::npos);
}

TEST_CASE("cli: an import that protects fields parks its bad records sealed") {
  Log log;
  const std::string mapping = log.folder / "mapping.json", lines = log.folder / "lines.jsonl";
  std::ofstream(mapping) << R"({"khipu_mapping":1,"name":"members","types":{"member":{"email":"text"}},
"event":{"actor":{"type":"member","id":{"pointer":"/id"},"fields":{"email":{"pointer":"/mail"}}},
"action":{"constant":"JOIN"}}})";
  const std::string bad = R"({"mail":"nadel2@example.org"})";
  std::ofstream(lines) << R"({"id":"m-1","mail":"fine@example.org"})"
                       << "\n"
                       << bad << "\n";
  const tests::Ran imported = log.khipu(
      {"import", log.root, "--format", "jsonl", "--mapping", mapping, "--protect", "actor.email=sealed", lines});
  INFO(imported.out << imported.err);
  CHECK(imported.exit == 1);
  CHECK_FALSE(log.anywhere("nadel2@example.org"));
  CHECK(log.done({"dlq", log.root, "--decrypt", log.decrypt, "--raw"}) == bad + "\n");
}

TEST_CASE("cli: a read with a decrypt key is an access record where a writer runs, and said to be none elsewhere") {
  Log log;
  log.done({"append", log.root}, kGood + "\n");
  log.khipu({"append", log.root, "--park"}, kBad + "\n");
  const tests::Ran alone = log.khipu({"query", log.root, "--keys", log.decrypt, "--actor", "person:p-1", "--json"});
  CHECK(alone.exit == 0);
  CHECK_THAT(alone.out, ContainsSubstring("good@example.org"));
  CHECK_THAT(alone.err, ContainsSubstring("no access record"));

  tests::Process writer({tests::program("khipu"), "serve", log.root});
  REQUIRE(!writer.wait_for("serve ready").empty());
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"query", log.root, "--keys", log.decrypt, "--actor", "person:p-1"},
        {"history", log.root, "person:p-1", "--keys", log.decrypt},
        {"dlq", log.root, "--decrypt", log.decrypt}}) {
    const tests::Ran read = log.khipu(words);
    INFO(words[0] << read.err);
    CHECK(read.exit == 0);
    CHECK(read.err.find("access record") == std::string::npos);
  }
  // Searching with a key that reads nothing is no reveal, and neither is a plain query.
  log.done({"query", log.root});
  log.done({"query", log.root, "--keys", log.out + "/search"});
  const Json accesses = Json::parse(log.done({"query", log.root, "--log", "access", "--asc", "--json"}))["accesses"];
  REQUIRE(accesses.size() == 3);
  CHECK(accesses[0]["tool"] == "khipu query");
  CHECK(accesses[0]["arguments"] == Json::array({"actor", "keys"}));
  CHECK(accesses[0]["results"] == 1);
  CHECK(accesses[1]["tool"] == "khipu history");
  CHECK(accesses[2]["tool"] == "khipu dlq");
  CHECK(accesses[2]["arguments"] == Json::array({"decrypt"}));
  writer.signal(SIGTERM);
  CHECK(writer.wait() == 0);
}

TEST_CASE("cli: dlq says what of its folder it did not read") {
  Log log;
  CHECK(log.khipu({"append", log.root, "--park"}, kBad + "\n").exit == 1);
  CHECK(log.khipu({"dlq", log.root}).exit == 0);
  const std::string file = log.folder / "kept";
  for (const auto& entry : fs::directory_iterator(log.root + "/dlq")) {
    fs::rename(entry.path(), file);
    fs::create_symlink(file, entry.path());
    break;
  }
  const tests::Ran ran = log.khipu({"dlq", log.root});
  INFO(ran.out << ran.err);
  CHECK(ran.exit == 1);
  CHECK_THAT(ran.err, ContainsSubstring("not read"));
  CHECK(Json::parse(log.khipu({"dlq", log.root, "--json"}).out)["not_read"].size() == 1);
  const tests::Ran verified = log.khipu({"verify", log.root});
  CHECK_THAT(verified.out, ContainsSubstring("dlq/"));
}

TEST_CASE("cli: an import protects a field of a type that init made, until the log has an entity of it") {
  Log log;
  const std::string mapping = log.folder / "mapping.json", lines = log.folder / "lines.jsonl";
  std::ofstream(mapping) << R"({"khipu_mapping":1,"name":"people","types":{"user":{"name":"text"}},
"event":{"actor":{"type":"user","id":{"pointer":"/id"},"fields":{"name":{"pointer":"/name"}}},
"action":{"constant":"JOIN"}}})";
  std::ofstream(lines) << R"({"id":"u-1","name":"Nadel Neun"})"
                       << "\n";
  const auto import = [&](const std::string& rule) {
    return log.khipu(
        {"import", log.root, "--format", "jsonl", "--mapping", mapping, "--protect", "actor.name=" + rule, lines});
  };
  REQUIRE(import("sealed,exact").exit == 0);
  CHECK_FALSE(log.anywhere("Nadel Neun"));
  std::ofstream(lines) << R"({"id":"u-2","name":"Nadel Zehn"})"
                       << "\n";
  const tests::Ran refused = import("digest");
  CHECK(refused.exit == 3);
  CHECK_THAT(refused.err, ContainsSubstring("once an entity of that type is in the log"));
  CHECK(log.khipu({"types", "add", log.root, "user", "name:none"}).exit == 3);
  CHECK_FALSE(log.anywhere("Nadel Zehn"));
}

TEST_CASE(
    "cli: an export of sealed values is appended again where a key opens them, and refused plainly where none does") {
  Log log;
  log.done({"types", "add", log.root, "@event", "content:sealed"});
  log.done({"append", log.root},
           R"({"actor":{"type":"person","id":"p-1","fields":{"mail":"nadel@example.org"}},"action":"PUT",)"
           R"("content":{"heu":"stack"}})"
           "\n");
  const std::string closed = log.done({"export", log.root});
  CHECK(closed.find("nadel") == std::string::npos);
  const std::string field = closed.substr(0, closed.find(",\"withheld\":{\"members\"")) + "}\n";
  const tests::Ran refused_field = log.khipu({"append", log.root}, field);
  CHECK(refused_field.exit == 3);
  CHECK_THAT(refused_field.err, ContainsSubstring("actor.fields.mail: this value was exported without the key that "
                                                  "opens it: export with --keys"));
  const tests::Ran refused_content = log.khipu({"append", log.root}, closed);
  CHECK(refused_content.exit == 3);
  CHECK_THAT(refused_content.err, ContainsSubstring("exported without the key that opens it: export with --keys"));

  const std::string opened = log.done({"export", log.root, "--keys", log.decrypt});
  CHECK_THAT(opened, ContainsSubstring("nadel@example.org"));
  CHECK_THAT(opened, ContainsSubstring(R"("content":{"heu":"stack"})"));
  log.done({"append", log.root}, opened);
  CHECK_FALSE(log.anywhere("nadel"));
  CHECK_FALSE(log.anywhere("stack"));
  const std::string twice = log.done({"export", log.root, "--keys", log.decrypt});
  CHECK(twice == opened + opened);
}

TEST_CASE("cli: keys rewrap reaches the sealed lines of the DLQ, but not beside a writer") {
  Log log;
  CHECK(log.khipu({"append", log.root, "--park"}, kBad + "\n" + kGood + "\n").exit == 1);
  log.done({"keys", "rotate", log.root, "recipients", "--out", log.out});
  const std::string fresh = log.folder / "fresh";
  fs::create_directory(fresh);
  fs::permissions(fresh, fs::perms::owner_all);
  fs::copy_file(log.decrypt + "/decrypt-auditors-2.key", fresh + "/decrypt-auditors-2.key");
  CHECK(log.khipu({"dlq", log.root, "--decrypt", fresh, "--raw"}).out.empty());
  const Json checked = Json::parse(log.done({"keys", "check", fresh, "--json"}));
  const std::vector<std::string> rewrap = {"keys",
                                           "rewrap",
                                           log.root,
                                           "--decrypt",
                                           log.decrypt,
                                           "--list",
                                           log.folder / "list",
                                           "--to",
                                           checked["keys"][0]["recipient"].get<std::string>(),
                                           "--json"};
  {
    tests::Process writer({tests::program("khipu"), "serve", log.root});
    REQUIRE(!writer.wait_for("serve ready").empty());
    const tests::Ran busy = log.khipu(rewrap);
    CHECK(busy.exit == 3);
    CHECK_THAT(busy.err, ContainsSubstring("for the sealed lines of dlq/ stop the writer"));
    writer.signal(SIGTERM);
    REQUIRE(writer.wait() == 0);
  }
  const std::string damaged = "{\"schema\":\"khipu.dlq-import/v1\"}\n";
  for (const auto& file : fs::directory_iterator(log.root + "/dlq")) {
    std::ofstream(file.path(), std::ios::app) << damaged;  // stays as it is
  }
  CHECK(Json::parse(log.done(rewrap))["parked_keys"] == 1);
  CHECK(Json::parse(log.done(rewrap))["parked_keys"] == 0);
  CHECK(log.khipu({"dlq", log.root, "--decrypt", fresh, "--raw"}).out == kBad + "\n");
  fs::remove(log.decrypt + "/decrypt-auditors-2.key");
  CHECK(log.khipu({"dlq", log.root, "--decrypt", log.decrypt, "--raw"}).out.empty());  // the old key opens it no more
  CHECK_THAT(log.khipu({"dlq", log.root}).err, ContainsSubstring("1 lines of ROOT/dlq are damaged"));
  // What is set aside from here on goes into the new file.
  CHECK(log.khipu({"append", log.root, "--park"}, kBad + " \n").exit == 1);
  CHECK(log.khipu({"dlq", log.root, "--decrypt", fresh, "--raw"}).out == kBad + "\n" + kBad + " \n");
}

TEST_CASE("cli: keys check tries the keys of sealed lines in the DLQ, and a re-wrap of a copy says where they stay") {
  Log log;
  CHECK(log.khipu({"append", log.root, "--park"}, kBad + "\n" + kGood + "\n").exit == 1);
  const Json sound = Json::parse(log.done({"keys", "check", log.decrypt, "--root", log.root, "--json"}));
  CHECK(sound["dlq_opened"] == 1);
  CHECK(sound["dlq_not_opened"] == 0);
  log.done({"keys", "rotate", log.root, "recipients", "--out", log.out});
  const std::string fresh = log.folder / "fresh", copy = log.folder / "copy", list = log.folder / "list";
  fs::create_directory(fresh);
  fs::permissions(fresh, fs::perms::owner_all);
  fs::copy_file(log.decrypt + "/decrypt-auditors-2.key", fresh + "/decrypt-auditors-2.key");
  fs::copy(log.root, copy, fs::copy_options::recursive);
  const Json checked = Json::parse(log.done({"keys", "check", fresh, "--json"}));
  const tests::Ran wrapped = log.khipu({"keys", "rewrap", copy, "--decrypt", log.decrypt, "--recipients", log.keys,
                                        "--list", list, "--to", checked["keys"][0]["recipient"].get<std::string>()});
  CHECK(wrapped.exit == 0);
  CHECK_THAT(wrapped.err, ContainsSubstring("adopt carries none of them"));
  log.done({"keys", "adopt", log.root, list, "--from", copy + "/keys"});
  const tests::Ran lost = log.khipu({"keys", "check", fresh, "--root", log.root});
  CHECK(lost.exit == 1);
  CHECK_THAT(lost.out, ContainsSubstring("keys of sealed lines in dlq/: 0 opened, 1 not opened"));
  CHECK_THAT(lost.out, ContainsSubstring("data keys: 1 opened"));
}

TEST_CASE("cli: shred wants to be told of sealed lines in the DLQ, and destroys them") {
  Log log;
  CHECK(log.khipu({"append", log.root, "--park"}, kBad + "\n" + kGood + "\n" + "not json\n").exit == 1);
  const std::vector<std::string> shred = {"shred", log.root, "--session", "1", "--reference", "r", "--json"};
  const tests::Ran untold = log.khipu(shred);
  CHECK(untold.exit == 3);
  CHECK_THAT(untold.err, ContainsSubstring("sealed lines in dlq/ may hold what is to be shredded"));
  const auto sealed = [&] {
    uint64_t count = 0;
    const Json listed = Json::parse(log.done({"dlq", log.root, "--json"}));
    for (const Json& one : listed["entries"]) count += one.contains("sealed") ? 1 : 0;
    return count;
  };
  const uint64_t before = sealed();
  REQUIRE(before > 0);
  std::vector<std::string> told = shred;
  told.insert(told.end(), {"--dlq", "destroy"});
  const Json done = Json::parse(log.done(told));
  CHECK(done["dlq_lines"] == before);
  CHECK(sealed() == 0);
  CHECK_FALSE(log.anywhere("khipu.dlq-key"));
  CHECK(log.khipu({"dlq", log.root, "--decrypt", log.decrypt, "--raw"}).out.find("nadel") == std::string::npos);
  log.done({"verify", log.root});
}

TEST_CASE("cli: shred destroys what a killed rewrite of the DLQ left, follows no link there and passes no folder") {
  Log log;
  CHECK(log.khipu({"append", log.root, "--park"}, kBad + "\n" + kGood + "\n").exit == 1);
  const fs::path parked = fs::directory_iterator(log.root + "/dlq")->path();
  const std::string other = log.folder / "other";
  fs::copy_file(parked, log.root + "/dlq/gone.ndjson.new");  // of a file that is not there any more
  fs::copy_file(parked, other);
  fs::create_hard_link(other, parked.string() + ".new");
  const auto size = fs::file_size(other);
  fs::create_directory(log.root + "/dlq/folder");
  const std::vector<std::string> shred = {"shred", log.root, "--session", "1", "--reference", "r", "--dlq", "destroy"};
  const tests::Ran refused = log.khipu(shred);
  CHECK(refused.exit == 3);
  CHECK_THAT(refused.err, ContainsSubstring("dlq/folder is no file"));
  fs::remove(log.root + "/dlq/folder");
  log.done(shred);
  CHECK(fs::file_size(other) == size);
  CHECK_FALSE(log.anywhere("khipu.dlq-key"));
  CHECK(fs::is_empty(log.root + "/dlq"));
}

TEST_CASE("cli: shred wants to be told of what a killed rewrite of the DLQ left, also when nothing else is there") {
  Log log;
  CHECK(log.khipu({"append", log.root, "--park"}, kBad + "\n" + kGood + "\n").exit == 1);
  const fs::path parked = fs::directory_iterator(log.root + "/dlq")->path();
  fs::rename(parked, parked.string() + ".new");
  const tests::Ran untold = log.khipu({"shred", log.root, "--session", "1", "--reference", "r"});
  CHECK(untold.exit == 3);
  CHECK_THAT(untold.err, ContainsSubstring("--dlq destroy"));
  log.done({"shred", log.root, "--session", "1", "--reference", "r", "--dlq", "destroy"});
  CHECK(fs::is_empty(log.root + "/dlq"));
}

TEST_CASE("cli: a shredding that is finished destroys what it stated of the DLQ, nothing newer, nothing under a hold") {
  Log log;
  CHECK(log.khipu({"append", log.root, "--park"}, kBad + "\n" + kGood + "\n").exit == 1);
  const fs::path parked = fs::directory_iterator(log.root + "/dlq")->path();
  const std::string copy = log.folder / "copy";
  fs::copy_file(parked, copy);
  const std::vector<std::string> plain = {"shred", log.root, "--session", "1", "--reference", "June"};
  std::vector<std::string> destroy = plain;
  destroy.insert(destroy.end(), {"--dlq", "destroy"});
  log.done(destroy);
  fs::copy_file(copy, parked);  // as if it had been killed before this step
  CHECK(log.khipu({"append", log.root, "--park"}, kBad + " \n").exit == 1);
  const auto raw = [&] { return log.khipu({"dlq", log.root, "--decrypt", log.decrypt, "--raw"}).out; };
  REQUIRE(raw() == kBad + "\n" + kBad + " \n");
  const tests::Ran untold = log.khipu(plain);
  CHECK(untold.exit == 3);
  CHECK_THAT(untold.err, ContainsSubstring("destroys are still in dlq/"));
  std::vector<std::string> of_other = destroy;
  of_other[5] = "July";
  CHECK(log.khipu(of_other).exit == 3);
  log.done({"hold", log.root, "set", "case", "--reason", "r"});
  const tests::Ran held = log.khipu(destroy);
  CHECK(held.exit == 3);
  CHECK_THAT(held.err, ContainsSubstring("hold \"case\" is set"));
  REQUIRE(raw() == kBad + "\n" + kBad + " \n");
  log.done({"hold", log.root, "lift", "case", "--reason", "r"});
  log.done(destroy);
  CHECK(raw() == kBad + " \n");
  // Nothing stated is left: what came since has no statement.
  CHECK(log.khipu(destroy).exit == 3);
  CHECK(log.khipu({"shred", log.root, "--subject", "person:nobody", "--reference", "June", "--dlq", "destroy"}).exit ==
        3);
  CHECK(raw() == kBad + " \n");
}

TEST_CASE("cli: a shredded value is said to be destroyed on purpose, and no answer with one ends as a finding") {
  Log log;
  log.done({"append", log.root}, kGood + "\n");
  log.done({"shred", log.root, "--session", "1", "--reference", "r"});
  for (const std::vector<std::string>& words : {std::vector<std::string>{"query", log.root, "--keys", log.decrypt},
                                                {"history", log.root, "person:p-1", "--keys", log.decrypt},
                                                {"export", log.root, "--keys", log.decrypt}}) {
    const tests::Ran ran = log.khipu(words);
    INFO(words[0] << ": " << ran.out << ran.err);
    CHECK(ran.exit == 0);
    CHECK_THAT(ran.err, ContainsSubstring("destroyed on purpose (SHRED)"));
    CHECK(ran.err.find("damaged") == std::string::npos);
  }
  const Json answer = Json::parse(log.done({"query", log.root, "--keys", log.decrypt, "--json"}));
  CHECK(answer["findings"][0]["code"] == "field-shredded");
  for (const auto& file : fs::directory_iterator(log.root + "/logs")) {
    if (file.path().extension() != ".log") continue;
    std::ifstream in(file.path(), std::ios::binary);
    std::string bytes((std::istreambuf_iterator<char>(in)), {});
    REQUIRE(bytes.find("PUT") != std::string::npos);
    bytes.replace(bytes.find("PUT"), 3, "PUX");
    std::ofstream(file.path(), std::ios::binary) << bytes;
  }
  CHECK(log.khipu({"query", log.root, "--keys", log.decrypt}).exit != 0);  // damage is one still
}
