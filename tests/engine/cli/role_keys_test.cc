// Who reads with search and decrypt keys: keys of another log are refused, and an answer that may hold too little or
// too much says so.
#include <sys/stat.h>

#include "engine/crypto/key_file.h"
#include "tests/engine/cli/keys_log.h"

namespace khipu::cli {
namespace {

namespace fs = std::filesystem;
using tests::Ran;

// A log with keys, definitions made by `khipu types add`, and events by `khipu append`.
struct SearchLog : KeysLog {
  explicit SearchLog(const std::vector<std::vector<std::string>>& definitions) {
    REQUIRE(make().exit == 0);
    for (std::vector<std::string> words : definitions) {
      words.insert(words.begin() + 2, root);
      const Ran ran = run_khipu(words);
      INFO(ran.err);
      REQUIRE(ran.exit == 0);
    }
  }
  void event(const std::string& entity, const std::string& action, const std::string& more = "") const {
    const Ran ran = append(R"({"actor":)" + entity + R"(,"action":")" + action + "\"" + more + "}\n");
    INFO(ran.err);
    REQUIRE(ran.exit == 0);
  }
  Ran append(const std::string& lines) const { return tests::run({tests::program("khipu"), "append", root}, lines); }
  void alice(const std::string& id) const {
    event(R"({"type":"user","id":")" + id + R"(","fields":{"name":"Alice","phone":"555"}})", "X");
  }
  // With keys of these folders.
  Ran query(const std::vector<std::string>& folders, std::vector<std::string> more) const {
    std::vector<std::string> words = {"query", root};
    for (const std::string& one : folders) words.insert(words.end(), {"--keys", one});
    words.insert(words.end(), more.begin(), more.end());
    return run_khipu(words);
  }
  std::string folder_of(const std::string& name, const std::vector<std::string>& files) const {
    const std::string made = folder / name;
    fs::create_directories(made);
    ::chmod(made.c_str(), 0700);
    for (const std::string& file : files) fs::copy_file(file, made + "/" + fs::path(file).filename().string());
    return made;
  }
  std::string search = out + "/search";
};

const std::vector<std::vector<std::string>> kUser = {{"types", "add", "user", "name:sealed,exact", "phone:digest"}};

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

TEST_CASE("role keys: search keys of another log are refused, naming the file and both origins") {
  const SearchLog log(kUser);
  log.alice("u-1");
  const std::string other = log.folder / "other", others = log.folder / "others";
  REQUIRE(run_khipu({"init", other, "--origin", "example.org/other"}).exit == 0);
  REQUIRE(run_khipu({"keys", "init", other, "--out", others}).exit == 0);
  const Ran refused = log.query({others + "/search"}, {"--actor-match", "user.name~=Alice"});
  INFO(refused.out << refused.err);
  CHECK(refused.exit == 3);
  for (const char* part : {"search/digest-1.key", "example.org/other", "example.org/keys"}) {
    CHECK((has(refused.err, part) || has(refused.err, "token-root-1.key")));
  }
  CHECK(has(refused.err, "example.org/other"));
  CHECK(has(refused.err, "example.org/keys"));
  CHECK(log.query({log.search}, {"--actor-match", "user.name~=Alice"}).exit == 0);
  // And the tools that look at key files say so.
  const Ran checked = run_khipu({"keys", "check", others + "/search", "--root", log.root});
  CHECK(checked.exit == 1);
  CHECK(has(checked.out, "example.org/other"));
  CHECK(run_khipu({"keys", "check", others + "/search"}).exit == 0);
  const Ran mixed = run_khipu(
      {"keys", "check", log.folder_of("mixed", {others + "/search/digest-1.key", log.search + "/token-root-1.key"})});
  CHECK(mixed.exit == 1);
}

TEST_CASE("role keys: a writer refuses keys of another log, and nothing is written under them") {
  const std::vector<std::string> files = {"token-day.key", "fingerprint.key", "digest-1.key"};
  for (const std::string& file : files) {
    const SearchLog log(kUser);
    const std::string other = log.folder / "other";
    REQUIRE(run_khipu({"init", other, "--origin", "example.org/other"}).exit == 0);
    REQUIRE(run_khipu({"keys", "init", other, "--out", log.folder / "others"}).exit == 0);
    fs::copy_file(other + ".keys/" + file, log.keys + "/" + file, fs::copy_options::overwrite_existing);
    const Ran refused =
        log.append(R"({"actor":{"type":"user","id":"u-1","fields":{"name":"Alice","phone":"555"}},"action":"X"})"
                   "\n");
    INFO(file << ": " << refused.out << refused.err);
    CHECK(refused.exit == 3);
    CHECK(has(refused.err, file));
    CHECK(has(refused.err, "example.org/other"));
    CHECK(has(refused.err, "example.org/keys"));
    const Ran listed = run_khipu({"keys", "list", log.root});
    CHECK(listed.exit == 1);
    CHECK(has(listed.out, file + "  REFUSED"));
    for (const char* kind : {"tokens", "digest"}) {
      const Ran rotated = run_khipu({"keys", "rotate", log.root, kind, "--out", log.folder / "fresh"});
      CHECK(rotated.exit == 3);
      CHECK(has(rotated.err, "example.org/other"));
    }
  }
}

TEST_CASE("role keys: a reader that lacks a version of a search key is told so with every answer") {
  const SearchLog log(kUser);
  log.alice("u-1");
  REQUIRE(run_khipu({"keys", "rotate", log.root, "tokens", "--out", log.out}).exit == 0);
  REQUIRE(run_khipu({"keys", "rotate", log.root, "digest", "--out", log.out}).exit == 0);
  log.alice("u-2");
  const std::string lacks = "This reader lacks the ";
  for (const char* match : {"user.name~=Alice", "user.phone=555"}) {
    const Ran all = log.query({log.search}, {"--actor-match", match});
    INFO(match << ": " << all.out << all.err);
    CHECK(all.exit == 0);
    CHECK_FALSE(has(all.err, lacks));
    CHECK(has(all.out, "u-1"));
    CHECK(has(all.out, "u-2"));
  }
  for (const char* version : {"1", "2"}) {
    const std::string only = log.folder_of(std::string("s") + version, {log.search + "/token-root-" + version + ".key",
                                                                        log.search + "/digest-" + version + ".key"});
    const std::string missing = version == std::string("1") ? "2" : "1";
    for (const auto& [match, kind] :
         {std::pair("user.name~=Alice", "token-root"), std::pair("user.phone=555", "digest")}) {
      const Ran some = log.query({only}, {"--actor-match", match});
      INFO(match << ": " << some.out << some.err);
      CHECK(has(some.err, lacks + kind + " key of version " + missing));
    }
    const Ran plain = log.query({only}, {"--actor", "Nobody"});
    INFO(plain.err);
    CHECK(has(plain.err, lacks));
  }
}

TEST_CASE("role keys: history by a plain name says when whoever it shows only looks alike") {
  const SearchLog log({{"types", "add", "user", "name:sealed,prefix(4),accept_leak"}});
  log.event(R"({"type":"user","id":"u-1","fields":{"name":"Alicia Stone"}})", "FRAUD");
  const Ran shown = run_khipu({"history", log.root, "Alice", "--keys", log.search});
  INFO(shown.out << shown.err);
  CHECK(has(shown.err, "Matched by blind index alone"));
  const Ran json = run_khipu({"history", log.root, "Alice", "--keys", log.search, "--json"});
  CHECK(has(json.out, "CANDIDATES"));
  const Ran sure = run_khipu({"history", log.root, "user:u-1", "--keys", log.search});
  CHECK_FALSE(has(sure.err, "Matched by blind index alone"));
}

TEST_CASE("role keys: of a column, what no key confirms is flagged, and not left out under not") {
  const SearchLog log({{"columns", "add", "card", "--protect", "sealed,exact"},
                       {"columns", "add", "memo", "--protect", "sealed,ngram(3),accept_leak"}});
  const auto event = [&](const char* action, const char* card, const char* memo) {
    log.event(R"({"type":"service","id":"s"})", action,
              std::string(R"(,"custom":{"card":")") + card + R"(","memo":")" + memo + "\"}");
  };
  event("A", "needle", "Val3");
  event("B", "other", "Val31");
  REQUIRE(run_khipu({"keys", "rotate", log.root, "recipients", "--out", log.out}).exit == 0);
  event("D", "third", "x");
  const std::string second = log.folder_of("d2", {log.decrypt + "/decrypt-auditors-2.key"});
  const std::string alike = "Matched by blind index alone", kept = "Only what a plaintext confirms is left out";
  const Ran some = log.query({log.search, second}, {"--custom", "card=NEEDLE"});
  INFO(some.out << some.err);
  CHECK(has(some.err, alike));
  const Ran without = log.query({log.search, second}, {"--not-custom", "card=NEEDLE"});
  INFO(without.out << without.err);
  CHECK(has(without.err, kept));
  CHECK(has(without.out, "  A  "));
  CHECK(has(without.out, "  B  "));
  // Nobody who can open everything is told so, and gets exact answers.
  const Ran all = log.query({log.search, log.decrypt}, {"--not-custom", "card=needle"});
  INFO(all.out << all.err);
  CHECK_FALSE(has(all.err, kept));
  CHECK_FALSE(has(all.out, "  A  "));
  CHECK(has(all.out, "  B  "));
  // By the blind index alone nothing is left out.
  const Ran search = log.query({log.search}, {"--not-custom", "memo=Val3"});
  INFO(search.out << search.err);
  CHECK(has(search.err, kept));
  for (const char* action : {"  A  ", "  B  ", "  D  "}) CHECK(has(search.out, action));
  // A value whose key was destroyed can be confirmed by nobody.
  REQUIRE(run_khipu({"shred", log.root, "--session", "1", "--reference", "r"}).exit == 0);
  const Ran shredded = log.query({log.search, log.decrypt}, {"--not-custom", "card=needle"});
  INFO(shredded.out << shredded.err);
  CHECK(has(shredded.err, kept));
  CHECK(has(shredded.out, "  A  "));
}

TEST_CASE("role keys: with digest keys and no token root, names in the clear and ids are found all the same") {
  const SearchLog log({{"types", "add", "user", "name:sealed,exact"}});
  log.event(R"({"type":"service","id":"s-1","fields":{"name":"billing"}})", "X");
  const std::string digests = log.folder_of("dk", {log.search + "/digest-1.key"});
  const Ran found = log.query({digests}, {"--actor", "billing"});
  INFO(found.out << found.err);
  CHECK(found.exit == 0);
  CHECK(has(found.out, "s-1"));
  const Ran nobody = log.query({digests}, {"--not-target", "t-1"});
  INFO(nobody.out << nobody.err);
  CHECK(nobody.exit == 0);
  CHECK(has(nobody.err, "Names of user are protected and were not searched"));
}

TEST_CASE("role keys: names that are digests are compared letter by letter, and an answer of nobody says so") {
  const SearchLog log({{"types", "add", "member", "name:digest"}});
  log.event(R"({"type":"member","id":"m-1","fields":{"name":"Carla"}})", "X");
  const Ran found = log.query({log.search}, {"--actor", "Carla"});
  CHECK(has(found.out, "m-1"));
  const Ran nobody = log.query({log.search}, {"--actor", "carla"});
  INFO(nobody.out << nobody.err);
  CHECK(has(nobody.err, "letter by letter"));
  CHECK(has(run_khipu({"history", log.root, "carla", "--keys", log.search}).err, "letter by letter"));
}

TEST_CASE("role keys: a decrypt key among the writer's is told by keys list, and refused by what takes decrypt keys") {
  const SearchLog log(kUser);
  log.alice("u-1");
  CHECK(run_khipu({"keys", "list", log.root}).exit == 0);
  fs::copy_file(log.decrypt + "/decrypt-auditors-1.key", log.keys + "/decrypt-auditors-1.key");
  const Ran listed = run_khipu({"keys", "list", log.root});
  INFO(listed.out << listed.err);
  CHECK(listed.exit == 1);
  CHECK(has(listed.out, "MISPLACED"));
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"dlq", log.root, "--decrypt", log.keys},
        {"keys", "rewrap", log.root, "--decrypt", log.keys, "--list", log.list, "--to", log.to().at(1)}}) {
    const Ran refused = run_khipu(words);
    INFO(refused.out << refused.err);
    CHECK(refused.exit == 3);
    CHECK(has(refused.err, "signing key"));
  }
}

TEST_CASE("role keys: a re-wrap leaves the torn end of a file that holds nothing sealed") {
  const SearchLog log({});
  (void)tests::run({tests::program("khipu"), "append", log.root, "--park"},
                   "{\"bad\":1}\n");  // nothing is protected yet
  const std::string first = log.root + "/dlq/" + names_in(log.root + "/dlq").at(0);
  const std::string torn =
      R"({"schema":"khipu.dlq-import/v1","file":"x","format":"canonical","line":2,"reason":"y","raw":"evidence)";
  log.put(log.root + "/dlq/import-00000001.ndjson", log.file(first) + torn);
  fs::remove(first);
  REQUIRE(run_khipu({"types", "add", log.root, "user", "name:sealed"}).exit == 0);
  (void)tests::run({tests::program("khipu"), "append", log.root, "--park"}, "{\"bad\":2}\n");
  REQUIRE(names_in(log.root + "/dlq").size() == 2);
  REQUIRE(run_khipu({"keys", "rotate", log.root, "recipients", "--out", log.out}).exit == 0);
  const std::string before = log.file(log.root + "/dlq/import-00000001.ndjson");
  const Ran done = log.rewrap(log.to());
  INFO(done.out << done.err);
  REQUIRE(done.exit == 0);
  CHECK(log.file(log.root + "/dlq/import-00000001.ndjson") == before);
}

TEST_CASE("types add: a rule that is dropped by not being named again is told") {
  const SearchLog log({{"types", "add", "user", "name:sealed,exact"}});
  const Ran dropped = run_khipu({"types", "add", log.root, "user", "name", "city"});
  INFO(dropped.out << dropped.err);
  CHECK(dropped.exit == 0);
  CHECK(has(dropped.err, "user.name:text:sealed,exact is kept in the clear from now on"));
  const Ran nothing = run_khipu({"types", "add", log.root, "user", "name", "street"});
  CHECK_FALSE(has(nothing.err, "in the clear"));
}

TEST_CASE("cli: shred takes a key by its number when a person's pair is lost, and nobody can tell whose it was") {
  KeysLog log;
  REQUIRE(log.make().exit == 0);
  const Buffer group = log.seal({"group"}).front();
  const Buffer person = log.seal({"person"}, &log.alice).front();
  std::string pair;
  for (const std::string& name : names_in(log.root + "/keys")) {
    if (name.starts_with("subject-")) pair = name;
  }
  REQUIRE_FALSE(pair.empty());
  fs::remove(log.root + "/keys/" + pair);
  const std::string number = std::to_string(std::stoul(pair.substr(std::string("subject-").size())));
  const auto shred = [&](const char* flag, const std::string& value) {
    return run_khipu({"shred", log.root, flag, value, "--reference", "r"});
  };
  CHECK(run_khipu({"verify", log.root}).exit == 1);
  CHECK(shred("--subject", "user:alice").exit == 3);
  CHECK(shred("--session", number).exit == 3);  // it is no session's
  CHECK(shred("--key", "999").exit == 3);
  const Ran shredded = shred("--key", number);
  INFO(shredded.out << shredded.err);
  REQUIRE(shredded.exit == 0);
  CHECK(run_khipu({"verify", log.root}).exit == 0);
  CHECK(log.open(group) == "group");
  CHECK(log.open(person) != "person");
  CHECK(shred("--key", number).exit == 3);
}

}  // namespace
}  // namespace khipu::cli
