// Sealed lines of the DLQ under `khipu keys rewrap`, `keys check` and `khipu shred`.
#include "tests/engine/cli/dlq_log.h"

using namespace khipu;
using cli::kBad;
using cli::kGood;
using Log = cli::DlqLog;
using Json = nlohmann::json;
namespace fs = std::filesystem;

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
