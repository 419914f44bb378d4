// The real `khipu` on a directory of its own, command by command.
#include <sys/stat.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "tests/support/catch.h"
#include "tests/support/log_root.h"
#include "tests/support/program.h"
#include "tests/support/temp_directory.h"

using namespace khipu;
using Json = nlohmann::json;

namespace {

const std::string kEvent = R"({"actor":{"type":"user","id":"u-1"},"action":"login"})";
const std::string kBad = R"({"actor":{"type":"usr","id":"u-1"},"action":"login"})";

using Log = tests::LogRoot;

unsigned mode_of(const std::string& path) {
  struct stat status {};
  REQUIRE(::stat(path.c_str(), &status) == 0);
  return status.st_mode & 0777;
}

}  // namespace

TEST_CASE("cli: init makes keys beside the root that only their owner reads, and prints a vkey that verify takes") {
  const Log log;
  REQUIRE(mode_of(log.root + ".keys") == 0700);
  REQUIRE(mode_of(log.root + ".keys/signing.key") == 0600);
  REQUIRE(mode_of(log.root + ".keys/index.key") == 0600);
  const std::string other = log.folder / "other";
  const tests::Ran made = Log::khipu({"init", other, "--origin", "test/other", "--json"});
  REQUIRE(made.exit == 0);
  const Json document = Json::parse(made.out);
  REQUIRE(document["schema"] == "khipu.init/v1");
  const std::string vkey = document["vkey"];
  REQUIRE(vkey.rfind("test/other+", 0) == 0);
  REQUIRE(Log::khipu({"verify", other, "--key", vkey}).exit == 0);
  REQUIRE(Log::khipu({"verify", other, "--key", other + ".keys/verifier.pub"}).exit == 0);
  REQUIRE(Log::khipu({"verify", log.root, "--key", vkey}).exit != 0);
  std::string slip = vkey;
  slip[11] = slip[11] == '0' ? '1' : '0';
  REQUIRE(Log::khipu({"verify", other, "--key", slip}).exit == 3);
}

TEST_CASE("cli: init refuses keys inside the root and a directory that holds something") {
  const tests::TempDirectory folder;
  REQUIRE(Log::khipu({"init", folder / "a", "--keys", folder / "a/keys"}).exit == 3);
  REQUIRE_FALSE(std::filesystem::exists(folder / "a"));
  REQUIRE(Log::khipu({"init", folder / "b", "--keys", folder / "b/../b/k"}).exit == 3);
  std::filesystem::create_directory(folder / "full");
  std::ofstream(folder / "full/file") << "x";
  REQUIRE(Log::khipu({"init", folder / "full"}).exit == 3);
  const Log log;
  REQUIRE_THAT(Log::khipu({"init", log.root}).err, ContainsSubstring("not empty"));
}

TEST_CASE("cli: init by relative names refuses keys inside the root and leaves nothing behind") {
  const tests::TempDirectory folder;
  const auto in_folder = [&](const std::string& words) {
    return tests::run(
        {"/bin/sh", "-c", "cd '" + folder.path() + "' && exec '" + tests::program("khipu") + "' " + words});
  };
  const tests::Ran inside = in_folder("init e --keys e/k");
  CHECK(inside.exit == 3);
  CHECK_THAT(inside.err, ContainsSubstring("must not lie inside the root"));
  CHECK(in_folder("init e --keys nowhere/k").exit == 3);
  CHECK_FALSE(std::filesystem::exists(folder / "e"));
  CHECK(in_folder("init e --keys k").exit == 0);
}

TEST_CASE("cli: nothing is written into a log's directory but by its writer") {
  const Log log;
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{{"init", log.root + "/inside"},
                                             {"init", log.folder / "elsewhere", "--keys", log.root + "/inside"},
                                             {"export-tlog", log.root, log.root + "/inside"},
                                             {"keys", "init", log.root, "--out", log.root + "/inside"}}) {
    const tests::Ran ran = Log::khipu(words);
    INFO(words.front() << ": " << ran.out << ran.err);
    CHECK(ran.exit == 3);
    CHECK_THAT(ran.err, ContainsSubstring("lies inside the log"));
    CHECK_FALSE(std::filesystem::exists(log.root + "/inside"));
    CHECK_FALSE(std::filesystem::exists(log.root + ".keys/inside"));
  }
  CHECK(Log::khipu({"verify", log.root}).exit == 0);
  const tests::Ran served = Log::khipu({"serve", log.root, "--json"});
  CHECK(served.exit == 3);
  CHECK_THAT(served.err, ContainsSubstring("without --json"));
}

TEST_CASE("cli: append with and without a writer, seqs go on") {
  const Log log;
  const tests::Ran alone = Log::khipu({"append", log.root}, kEvent + "\n" + kEvent + "\n");
  REQUIRE(alone.exit == 0);
  REQUIRE_THAT(alone.out, ContainsSubstring("seq 0 to 1"));
  tests::Process writer({tests::program("khipu"), "serve", log.root});
  REQUIRE(!writer.wait_for("serve ready").empty());
  const tests::Ran through = Log::khipu({"append", log.root, "--json"}, kEvent);  // no line break at the end
  REQUIRE(through.exit == 0);
  const Json receipt = Json::parse(through.out.substr(0, through.out.find('\n')));
  REQUIRE(receipt["first_seq"] == 2);
  REQUIRE(receipt["durable"] == true);
  REQUIRE(Json::parse(Log::khipu({"status", log.root, "--json"}).out)["writer"]["live"]["since_start"]["events"] == 1);
  writer.signal(SIGTERM);
  REQUIRE(writer.wait() == 0);
  REQUIRE(log.rows() == 3);
}

TEST_CASE("cli: a bad line stops append with its number, and nothing of its batch is added") {
  const Log log;
  const tests::Ran ran =
      Log::khipu({"append", log.root, "--batch", "2"}, kEvent + "\n" + kEvent + "\n\n" + kEvent + "\n" + kBad);
  REQUIRE(ran.exit == 3);
  REQUIRE_THAT(ran.err, ContainsSubstring("line 5"));
  REQUIRE_THAT(ran.err, ContainsSubstring("types add"));
  REQUIRE(log.rows() == 2);
  const tests::Ran syntax = Log::khipu({"append", log.root, "--json"}, kEvent + "\n{\n");
  REQUIRE(syntax.exit == 3);
  REQUIRE(Json::parse(syntax.out)["error"]["code"] == "invalid");
  REQUIRE(log.rows() == 2);
}

TEST_CASE("cli: append --park sets bad lines aside and adds the rest (REFERENCE 29)") {
  const Log log;
  const tests::Ran ran =
      Log::khipu({"append", log.root, "--park"}, kBad + "\n" + kEvent + "\nnonsense\n" + kEvent + "\n");
  REQUIRE(ran.exit == 1);
  REQUIRE_THAT(ran.out, ContainsSubstring("added 2 events, parked 2"));
  REQUIRE(log.rows() == 2);
  std::string parked;
  for (const auto& entry : std::filesystem::directory_iterator(log.root + "/dlq")) {
    std::ifstream in(entry.path());
    parked.append(std::istreambuf_iterator<char>(in), {});
  }
  REQUIRE_THAT(parked, ContainsSubstring("\"line\":1"));
  REQUIRE_THAT(parked, ContainsSubstring("nonsense"));
  REQUIRE(Log::khipu({"verify", log.root}).exit == 0);
}

TEST_CASE("cli: append with a key adds the same input once") {
  const Log log;
  const std::string input = kEvent + "\n" + kEvent + "\n" + kEvent + "\n";
  for (int i = 0; i < 2; ++i) {
    REQUIRE(Log::khipu({"append", log.root, "--batch", "2", "--idempotency-key", "k"}, input).exit == 0);
    REQUIRE(log.rows() == 3);
  }
  REQUIRE(Log::khipu({"append", log.root, "--batch", "2", "--idempotency-key", "k"}, kEvent + "\n").exit == 3);
  REQUIRE(log.rows() == 3);
}

TEST_CASE("cli: types and columns are defined, shown, and only grow (REFERENCE 9)") {
  const Log log;
  REQUIRE(Log::khipu({"types", "add", log.root, "account", "iban", "age:number"}).exit == 0);
  REQUIRE(Log::khipu({"types", "add", log.root, "account", "owner:json"}).exit == 0);
  REQUIRE_THAT(Log::khipu({"types", "add", log.root, "account", "iban"}).out, ContainsSubstring("nothing new"));
  REQUIRE(Log::khipu({"types", "add", log.root, "account", "age:text"}).exit == 3);
  REQUIRE(Log::khipu({"types", "add", log.root, "account", "age:float"}).exit == 3);
  REQUIRE(Log::khipu({"types", "add", log.root, "khipu_x"}).exit == 3);
  const Json shown = Json::parse(Log::khipu({"types", "show", log.root, "account", "--json"}).out);
  REQUIRE(shown["fields"].size() == 3);
  REQUIRE(shown["fields"][2]["kind"] == "json");
  REQUIRE(Log::khipu({"types", "show", log.root, "nothing"}).exit == 3);

  REQUIRE(Log::khipu({"columns", "add", log.root, "tenant", "--indexed"}).exit == 0);
  REQUIRE(Log::khipu({"columns", "add", log.root, "tenant", "--kind", "number"}).exit == 3);
  const std::string with = R"({"actor":{"type":"user","id":"u"},"action":"a","custom":{"tenant":"acme"}})";
  REQUIRE(Log::khipu({"append", log.root}, with).exit == 0);
  REQUIRE(Log::khipu({"columns", "add", log.root, "tenant", "--required"}).exit == 0);
  REQUIRE(Log::khipu({"append", log.root}, kEvent).exit == 3);
  REQUIRE(Log::khipu({"append", log.root}, with).exit == 0);
  REQUIRE_THAT(Log::khipu({"columns", "list", log.root}).out,
               ContainsSubstring("tenant  text  indexed  required since"));
}

TEST_CASE("cli: a type inferred from a sample lets the sample in") {
  const Log log;
  const std::string sample = R"({"actor":{"type":"robot","id":"r-1","fields":{"model":"x","age":3}},"action":"move"})"
                             "\n";
  REQUIRE(Log::khipu({"append", log.root}, sample).exit == 3);
  const tests::Ran inferred = Log::khipu({"types", "infer", "-"}, sample);
  REQUIRE(inferred.exit == 0);
  REQUIRE(inferred.err.empty());
  REQUIRE(Log::khipu({"types", "add", log.root, "--file", "-"}, inferred.out).exit == 0);
  REQUIRE(Log::khipu({"append", log.root}, sample).exit == 0);
  const std::string column = R"({"actor":{"type":"user","id":"u-1"},"action":"x","custom":{"weight":3}})";
  REQUIRE_THAT(Log::khipu({"types", "infer", "-"}, column).err,
               ContainsSubstring("khipu columns add ROOT weight --kind number"));
}

TEST_CASE("cli: an import adds a file once, also through a running writer, and says what it parked") {
  const Log log;
  const std::string source = std::string(std::getenv("KHIPU_SOURCE")) + "/examples/cloudtrail-sample.json";
  const std::vector<std::string> command = {"import", log.root, "--format", "cloudtrail", source, "--json"};
  std::vector<std::string> dry = command;
  dry.emplace_back("--dry-run");
  const Json would = Json::parse(Log::khipu(dry).out);
  REQUIRE(log.rows() == 0);
  tests::Process writer({tests::program("khipu"), "serve", log.root});
  REQUIRE(!writer.wait_for("serve ready").empty());
  const Json report = Json::parse(Log::khipu(command).out);
  REQUIRE(report["read"] == report["stored"].get<uint64_t>() + report["parked"].get<uint64_t>());
  REQUIRE(report["stored"] == would["stored"]);
  REQUIRE(report["stored"] > 0);
  REQUIRE(Json::parse(Log::khipu(command).out)["nothing_new"] == true);
  REQUIRE(log.rows() == report["stored"]);
  writer.signal(SIGTERM);
  REQUIRE(writer.wait() == 0);
  REQUIRE(Json::parse(Log::khipu(command).out)["nothing_new"] == true);
  // A gzip file that ends early, here between two records, is no full success: 1, as with parked records.
  const std::string cut = log.folder / "cut.json.gz";
  REQUIRE(tests::run({"sh", "-c",
                      R"({ printf '{"eventName":"x"}\n'; head -c 100000 /dev/urandom | base64 -w0; } |)"
                      R"( gzip -c | head -c 2000 > "$1")",
                      "sh", cut})
              .exit == 0);
  const tests::Ran damaged = Log::khipu({"import", log.root, "--format", "cloudtrail", cut});
  INFO(damaged.out);
  REQUIRE(damaged.exit == 1);
  REQUIRE_THAT(damaged.out, ContainsSubstring("warning: the gzip stream ends early"));
  REQUIRE(Log::khipu({"import", log.root, "--format", "cloudtrail"}).exit == 3);
  REQUIRE(Log::khipu({"import", log.root, "--format", "jsonl", source}).exit == 3);
  REQUIRE(Log::khipu({"verify", log.root}).exit == 0);
}

TEST_CASE("cli: the event and the mapping that engine/import/README.md shows are taken as they stand") {
  const Log log;
  std::ifstream file(std::string(std::getenv("KHIPU_SOURCE")) + "/engine/import/README.md");
  const std::string page{std::istreambuf_iterator<char>(file), {}};
  const auto block = [&](size_t at) {
    const size_t from = page.find("```json\n", at) + 8;
    return page.substr(from, page.find("```", from) - from);
  };
  const std::string event = Json::parse(block(0)).dump();
  REQUIRE(Log::khipu({"columns", "add", log.root, "tenant"}).exit == 0);
  const tests::Ran appended = Log::khipu({"append", log.root}, event);
  INFO(appended.err);
  REQUIRE(appended.exit == 0);

  const size_t chapter = page.find("## A mapping");
  const size_t from = page.find("`{", chapter) + 1;
  const std::string mapping = log.folder / "mapping.json", record = log.folder / "record.json";
  Json made = Json::parse(block(chapter));
  made["columns"]["tenant"]["indexed"] = false;  // as the column above
  std::ofstream(mapping) << made.dump();
  std::ofstream(record) << page.substr(from, page.find('`', from) - from);
  const tests::Ran imported =
      Log::khipu({"import", log.root, "--format", "jsonl", "--mapping", mapping, record, "--json"});
  INFO(imported.err);
  REQUIRE(imported.exit == 0);
  REQUIRE(Json::parse(imported.out)["fills"]["targets"] == 1);
  REQUIRE(Json::parse(imported.out)["fills"]["outcome"] == 1);
}

TEST_CASE("cli: what is wrong with an import is told once, with what would be right") {
  const Log log;
  const std::string none = log.folder / "none.json", mapping = log.folder / "mapping.json";
  const tests::Ran missing = Log::khipu({"import", log.root, "--format", "cloudtrail", none});
  REQUIRE(missing.exit == 3);
  REQUIRE(missing.err.find(none) == missing.err.rfind(none));
  std::ofstream(mapping) << R"({"khipu_mapping":1,"name":"x","types":{"user":{"name":{"kind":"text"}}},"event":{}})";
  std::ofstream(none) << "{}";
  const tests::Ran kind = Log::khipu({"import", log.root, "--format", "jsonl", "--mapping", mapping, none});
  REQUIRE(kind.exit == 3);
  REQUIRE_THAT(kind.err, ContainsSubstring("types.user.name: expected a kind"));
  const tests::Ran parked = Log::khipu({"import", log.root, "--format", "kubernetes", none});
  REQUIRE(parked.exit == 1);
  REQUIRE_THAT(parked.out, ContainsSubstring("parked 1 in dlq/"));
  const tests::Ran deep = Log::khipu({"init", log.folder / "no/such"});
  REQUIRE(deep.exit == 3);
  REQUIRE_THAT(deep.err, ContainsSubstring("no: no such folder: make it first"));
}

TEST_CASE("cli: the journal is imported, or it is said that there is none") {
  const Log log;
  const tests::Ran none =
      tests::run({"env", "PATH=/nonexistent", tests::program("khipu"), "import", log.root, "--journal"});
  REQUIRE(none.exit == 3);
  REQUIRE_THAT(none.err, ContainsSubstring("no journalctl"));
  std::ofstream(log.folder / "journalctl") << "#!/bin/sh\necho '{\"__REALTIME_TIMESTAMP\":\"1781500027000000\","
                                              "\"MESSAGE\":\"hello\",\"_UID\":\"0\",\"SYSLOG_IDENTIFIER\":\"x\"}'\n";
  std::filesystem::permissions(log.folder / "journalctl", std::filesystem::perms::owner_all);
  const tests::Ran one = tests::run({"env", "PATH=" + log.folder.path() + ":/usr/bin:/bin", tests::program("khipu"),
                                     "import", log.root, "--journal"});
  REQUIRE(one.err == "");
  REQUIRE_THAT(one.out, ContainsSubstring("stored 1 of 1"));
}

TEST_CASE("cli: a token is shown once, listed without it, and taken back") {
  const Log log;
  const tests::Ran made = Log::khipu({"token", "add", log.root, "ci", "--expires", "2999-01-01T00:00:00Z"});
  REQUIRE(made.out.substr(0, 4) == "khp_");
  const tests::Ran listed = Log::khipu({"token", "list", log.root});
  REQUIRE_THAT(listed.out, ContainsSubstring("ci  ingest"));
  REQUIRE(listed.out.find(made.out.substr(4, 20)) == std::string::npos);
  REQUIRE(Log::khipu({"token", "add", log.root, "ci"}).exit == 3);
  REQUIRE(Log::khipu({"token", "add", log.root, "x", "--grant", "admin"}).exit == 3);
  const tests::Ran type = Log::khipu({"token", "add", log.root, "x", "--grant", "query", "--type", "usr"});
  REQUIRE(type.exit == 3);
  REQUIRE_THAT(type.err, ContainsSubstring("--type 'usr': there is no such type (did you mean 'user'?)"));
  REQUIRE(Log::khipu({"token", "add", log.root, "typed", "--grant", "query", "--type", "user"}).exit == 0);
  REQUIRE(Log::khipu({"token", "add", log.root, "x", "--expires", "2001-01-01T00:00:00Z"}).exit == 3);
  REQUIRE(Log::khipu({"token", "revoke", log.root, "ci"}).exit == 0);
  REQUIRE(Log::khipu({"token", "revoke", log.root, "ci"}).exit == 3);
}

TEST_CASE("cli: status reads without the lock, and says when there is no log") {
  const Log log;
  REQUIRE(Log::khipu({"append", log.root},
                     R"({"occurred_at":"2026-06-15T05:07:07Z","actor":{"type":"user","id":"u"},"action":"a"})")
              .exit == 0);
  const Json status = Json::parse(Log::khipu({"status", log.root, "--json"}).out);
  REQUIRE(status["schema"] == "khipu.status/v1");
  REQUIRE(status["oldest"] == "2026-06-15T05:07:07.000000Z");
  REQUIRE(status["newest"] == status["oldest"]);
  REQUIRE(status["origin"] == "test/log");
  REQUIRE(status["writer"]["holds_lock"] == false);
  REQUIRE(Log::khipu({"status", log.folder / "none"}).exit == 3);
  REQUIRE(Log::khipu({"append", log.folder.path()}, kEvent).exit == 3);
}

TEST_CASE("cli: a checkpoint is printed alike with and without a writer, and keys show no secret") {
  const Log log;
  const tests::Ran first = Log::khipu({"checkpoint", log.root});
  REQUIRE(first.exit == 0);
  REQUIRE(first.out.starts_with("test/log\n"));
  REQUIRE(Log::khipu({"checkpoint", log.root}).out == first.out);  // nothing new
  REQUIRE(Log::khipu({"append", log.root}, kEvent + "\n").exit == 0);
  const tests::Ran second = Log::khipu({"checkpoint", log.root, "--json"});
  REQUIRE(second.exit == 0);
  const Json document = Json::parse(second.out);
  REQUIRE(document["number"] == 2);
  REQUIRE(document["note"] != first.out);
  std::ifstream file(log.root + "/checkpoint");
  const std::string kept((std::istreambuf_iterator<char>(file)), {});
  REQUIRE(document["note"] == kept);
  const tests::Ran exported = Log::khipu({"keys", "export", log.root});
  REQUIRE(exported.exit == 0);
  REQUIRE(Log::khipu({"verify", log.root, "--key", exported.out.substr(0, exported.out.size() - 1)}).exit == 0);
  const tests::Ran listed = Log::khipu({"keys", "list", log.root});
  REQUIRE(listed.exit == 0);
  REQUIRE(listed.out.find("KHIPU-SECRET") == std::string::npos);
  REQUIRE(::chmod((log.root + ".keys/signing.key").c_str(), 0644) == 0);
  REQUIRE(Log::khipu({"keys", "list", log.root}).exit == 1);
}

TEST_CASE("cli: an older copy is refused with what to do, and an accepted one says so in status for ever") {
  const Log log;
  const std::string older = log.folder / "older";
  std::filesystem::copy(log.root, older, std::filesystem::copy_options::recursive);
  REQUIRE(Log::khipu({"append", log.root}, kEvent + "\n").exit == 0);
  REQUIRE(Log::khipu({"recover", log.root, "--accept-rollback", "--reason", "none"}).exit == 3);  // nothing to accept
  std::filesystem::remove_all(log.root);
  std::filesystem::rename(older, log.root);
  const tests::Ran refused = Log::khipu({"checkpoint", log.root});
  REQUIRE(refused.exit == 3);
  REQUIRE(refused.err.find("--accept-rollback") != std::string::npos);
  REQUIRE(Log::khipu({"recover", log.root, "--reason", "disk lost"}).exit == 3);
  REQUIRE(Log::khipu({"recover", log.root, "--accept-rollback", "--reason", "disk lost"}).exit == 0);
  REQUIRE(Log::khipu({"append", log.root}, kEvent + "\n").exit == 0);
  REQUIRE(Log::khipu({"verify", log.root}).exit == 0);
  const Json status = Json::parse(Log::khipu({"status", log.root, "--json"}).out);
  REQUIRE(status["rollbacks"].size() == 1);
  REQUIRE(status["rollbacks"][0]["reason"] == "disk lost");
}

TEST_CASE("cli: imports of one file at once through one writer store each record once, while it grows as well") {
  const Log log;
  const std::string mapping = log.folder / "mapping.json", file = log.folder / "lines.jsonl";
  std::ofstream(mapping) << R"({"khipu_mapping":1,"name":"m","event":{"actor":{"type":"user","id":{"pointer":"/id"}},
"action":{"constant":"x"}}})";
  const auto grow = [&](int from, int to) {
    std::ofstream out(file, std::ios::app);
    for (int i = from; i < to; ++i) out << "{\"id\":\"" << i << "\"}\n";
  };
  tests::Process writer({tests::program("khipu"), "serve", log.root});
  REQUIRE(!writer.wait_for("serve ready").empty());
  grow(0, 6000);
  for (int round = 0; round < 3; ++round) {
    std::vector<std::thread> imports;
    for (int process = 0; process < 3; ++process) {
      imports.emplace_back([&] {
        (void)Log::khipu({"import", log.root, "--format", "jsonl", "--mapping", mapping, file});
      });
    }
    grow(6000 + round * 3000, 9000 + round * 3000);
    for (std::thread& one : imports) one.join();
  }
  const tests::Ran last = Log::khipu({"import", log.root, "--format", "jsonl", "--mapping", mapping, file});
  INFO(last.out << last.err);
  CHECK(last.exit == 0);
  CHECK(log.rows() == 15000);
  writer.signal(SIGTERM);
  CHECK(writer.wait() == 0);
}
