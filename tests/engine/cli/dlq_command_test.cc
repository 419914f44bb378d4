// What could not be stored, set aside sealed and read back; and reads with a decrypt key that become access records.
#include "tests/engine/cli/dlq_log.h"

using namespace khipu;
using cli::kBad;
using cli::kGood;
using Log = cli::DlqLog;
using Json = nlohmann::json;
namespace fs = std::filesystem;

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
