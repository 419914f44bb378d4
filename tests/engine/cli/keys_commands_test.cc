// `khipu keys ...` and `khipu shred` as people call them, on a log with sealed values.
#include "tests/engine/cli/keys_log.h"

using namespace khipu;
using cli::names_in;
using cli::run_khipu;
using Log = cli::KeysLog;
using Json = nlohmann::json;
namespace fs = std::filesystem;

TEST_CASE("cli: keys init gives each role its files, 0600, and is refused the second time") {
  Log log;
  const tests::Ran made = log.make();
  INFO(made.out << made.err);
  REQUIRE(made.exit == 0);
  CHECK(names_in(log.out + "/search") == std::vector<std::string>{"digest-1.key", "token-root-1.key"});
  CHECK(names_in(log.out + "/decrypt") == std::vector<std::string>{"decrypt-auditors-1.key"});
  for (const char* name : {"recipient-auditors-1.pub", "token-day.key", "fingerprint.key", "digest-1.key"}) {
    CHECK(fs::exists(fs::path(log.keys) / name));
  }
  CHECK((fs::status(log.out + "/decrypt").permissions() & fs::perms::mask) == fs::perms::owner_all);
  CHECK((fs::status(log.out + "/decrypt/decrypt-auditors-1.key").permissions() & fs::perms::mask) ==
        (fs::perms::owner_read | fs::perms::owner_write));
  CHECK(made.out.find("KHIPU-SECRET") == std::string::npos);
  CHECK(log.make().exit == 3);
  CHECK(run_khipu({"keys", "init", log.root}).exit == 3);  // --out is wanted
  CHECK(run_khipu({"keys", "init", log.root, "--out", log.out, "--recipient", "a-b"}).exit == 3);
}

TEST_CASE("cli: keys list shows the keys of roles where they lie, and refuses one that others may read") {
  Log log;
  REQUIRE(run_khipu({"keys", "list", log.root}).exit == 0);
  REQUIRE(log.make().exit == 0);
  const auto files = [&](const std::string& folder, int exit) {
    const tests::Ran ran = run_khipu({"keys", "list", log.root, "--keys", folder, "--json"});
    INFO(ran.out << ran.err);
    CHECK(ran.exit == exit);
    std::vector<std::string> names;
    const auto document = nlohmann::json::parse(ran.out);
    for (const auto& one : document["keys"])
      names.push_back(one["file"].get<std::string>() + " " + one["kind"].get<std::string>());
    return names;
  };
  CHECK(files(log.keys, 0) ==
        std::vector<std::string>{"signing.key signing", "index.key index", "verifier.pub verifier",
                                 "digest-1.key digest", "fingerprint.key fingerprint",
                                 "recipient-auditors-1.pub recipient", "token-day.key token-day"});
  CHECK(files(log.out + "/decrypt", 0) == std::vector<std::string>{"decrypt-auditors-1.key decrypt"});
  CHECK(files(log.out + "/search", 0) ==
        std::vector<std::string>{"digest-1.key digest", "token-root-1.key token-root"});
  fs::permissions(log.out + "/search/token-root-1.key", fs::perms::group_read, fs::perm_options::add);
  CHECK(files(log.out + "/search", 1).size() == 2);
  const tests::Ran text = run_khipu({"keys", "list", log.root});
  CHECK_THAT(text.out, ContainsSubstring("token-day.key  token-day  "));
  CHECK(text.out.find("KHIPU-SECRET") == std::string::npos);
}

TEST_CASE("cli: keys check tells sound folders from others, and opens every data key of a log") {
  Log log;
  REQUIRE(log.make().exit == 0);
  CHECK(run_khipu({"keys", "check", log.out + "/search"}).exit == 0);
  log.seal({"one"});
  log.seal({"two"});
  const tests::Ran checked = run_khipu({"keys", "check", log.out + "/decrypt", "--root", log.root, "--json"});
  INFO(checked.out << checked.err);
  CHECK(checked.exit == 0);
  CHECK(Json::parse(checked.out)["opened"] == 2);
  CHECK(run_khipu({"keys", "check", log.out + "/search", "--root", log.root}).exit == 1);  // opens none
  fs::permissions(log.out + "/decrypt/decrypt-auditors-1.key", fs::perms(0644));
  const tests::Ran refused = run_khipu({"keys", "check", log.out + "/decrypt"});
  CHECK(refused.exit == 1);
  CHECK(refused.out.find("REFUSED") != std::string::npos);
  CHECK(run_khipu({"keys", "check", log.out}).exit == 1);  // no key file
}

TEST_CASE("cli: rotate, rewrap and adopt: the old key is needed no more, verify passes, keys come by descriptor") {
  Log log;
  REQUIRE(log.make().exit == 0);
  const Buffer value = log.seal({"alice@example.org"}).front();
  CHECK(run_khipu({"keys", "rotate", log.root, "nothing", "--out", log.out}).exit == 3);
  REQUIRE(run_khipu({"keys", "rotate", log.root, "recipients", "--out", log.out}).exit == 0);
  const std::string old_key = log.out + "/decrypt/decrypt-auditors-1.key";
  CHECK(run_khipu({"keys", "rewrap", log.root}).exit == 3);  // with what?
  const std::string to = log.to().at(1);
  const tests::Ran rewrapped =
      tests::run({"/bin/sh", "-c",
                  "exec '" + tests::program("khipu") + "' keys rewrap '" + log.root + "' --key-fd 3 --list '" +
                      log.list + "' --to " + to + " 3<'" + old_key + "'"});
  INFO(rewrapped.out << rewrapped.err);
  REQUIRE(rewrapped.exit == 0);
  CHECK(run_khipu({"verify", log.root}).exit == 0);         // nothing is adopted yet, and nothing is wrong
  CHECK(run_khipu({"keys", "adopt", log.root}).exit == 3);  // what?
  const tests::Ran adopted = log.adopt();
  INFO(adopted.out << adopted.err);
  REQUIRE(adopted.exit == 0);
  CHECK(Json::parse(adopted.out)["adopted"] == 1);
  CHECK(Json::parse(adopted.out)["deleted"] == 1);
  CHECK(names_in(log.root + "/keys") == std::vector<std::string>{"data-0000000001-2.key"});
  fs::remove(old_key);
  CHECK(log.open(value) == "alice@example.org");
  CHECK(run_khipu({"verify", log.root}).exit == 0);
  const tests::Ran nothing = log.adopt();
  CHECK(nothing.exit == 0);
  CHECK(Json::parse(nothing.out)["adopted"] == 0);
  CHECK(Json::parse(nothing.out)["adopted_before"] == 1);
}

TEST_CASE("cli: shred takes a person's values or a session's, says so in meta/, and verify passes") {
  Log log;
  REQUIRE(log.make().exit == 0);
  const Buffer group = log.seal({"group"}).front();
  const Buffer person = log.seal({"person"}, &log.alice).front();
  CHECK(run_khipu({"shred", log.root, "--subject", "user:alice"}).exit == 3);  // no reference
  CHECK(run_khipu({"shred", log.root, "--subject", "user:bob", "--reference", "r"}).exit == 3);
  const tests::Ran shredded = run_khipu({"shred", log.root, "--subject", "user:alice", "--reference", "r", "--json"});
  INFO(shredded.out << shredded.err);
  REQUIRE(shredded.exit == 0);
  CHECK(Json::parse(shredded.out)["deleted"] == 2);
  CHECK(log.open(person) == "purged");
  CHECK(log.open(group) == "group");
  REQUIRE(run_khipu({"shred", log.root, "--session", "1", "--reference", "r"}).exit == 0);
  CHECK(log.open(group) == "purged");
  CHECK(run_khipu({"shred", log.root, "--session", "1", "--reference", "r"}).exit == 3);  // already
  CHECK(names_in(log.root + "/keys").empty());
  CHECK(run_khipu({"verify", log.root}).exit == 0);
}

TEST_CASE("cli: each log has readers' keys of its own, away from the writer's") {
  Log log;
  REQUIRE(log.make().exit == 0);
  const std::vector<std::string> before = names_in(log.decrypt);
  const std::string third = log.folder / "third";
  REQUIRE(run_khipu({"init", third, "--origin", "example.org/third"}).exit == 0);
  const tests::Ran refused = run_khipu({"keys", "init", third, "--out", log.out, "--recipient", "auditors"});
  CHECK(refused.exit == 3);
  CHECK_THAT(refused.err, ContainsSubstring("an --out of its own"));
  CHECK_FALSE(fs::exists(third + ".keys/token-day.key"));
  CHECK(names_in(log.decrypt) == before);
  for (const std::string& out : {third + ".keys", third + ".keys/readers", log.keys + "/readers"}) {
    const tests::Ran beside = run_khipu({"keys", "init", third, "--out", out});
    INFO(out << beside.err);
    CHECK(beside.exit == 3);
    CHECK_THAT(beside.err, ContainsSubstring("a writer's keys"));
    CHECK_FALSE(fs::exists(out + "/search"));
  }
}

TEST_CASE("cli: rotate makes the decrypt keys that were asked for, and status shows who reads") {
  Log log;
  REQUIRE(run_khipu({"keys", "init", log.root, "--out", log.out, "--recipient", "auditors", "--recipient", "regulator"})
              .exit == 0);
  const tests::Ran unasked = run_khipu({"keys", "rotate", log.root, "recipients", "--out", log.out});
  CHECK(unasked.exit == 3);
  CHECK_THAT(unasked.err, ContainsSubstring("auditors regulator"));
  const std::string own = log.folder / "regulator";
  REQUIRE(run_khipu({"keys", "rotate", log.root, "recipients", "--out", own, "--recipient", "regulator"}).exit == 0);
  CHECK(names_in(own + "/decrypt") == std::vector<std::string>{"decrypt-regulator-2.key"});
  CHECK(run_khipu({"keys", "rotate", log.root, "digest", "--out", log.out, "--recipient", "regulator"}).exit == 3);
  log.seal({"x"});
  const Json status = Json::parse(run_khipu({"status", log.root, "--json"}).out);
  REQUIRE(status["recipients"].size() == 2);
  for (const auto& [folder, at] : {std::pair(log.decrypt, 0), std::pair(own + "/decrypt", 1)}) {
    const Json checked = Json::parse(run_khipu({"keys", "check", folder, "--json"}).out);
    CHECK(checked["keys"][0]["recipient"] == status["recipients"][at]);
  }
  CHECK_THAT(run_khipu({"status", log.root}).out, ContainsSubstring(status["recipients"][0].get<std::string>()));
}

TEST_CASE("cli: export-public writes what a writer needs, and no secret") {
  Log log;
  REQUIRE(log.make().exit == 0);
  const std::string to = log.folder / "public";
  REQUIRE(run_khipu({"keys", "export-public", log.out + "/decrypt", to}).exit == 0);
  CHECK(names_in(to) == std::vector<std::string>{"recipient-auditors-1.pub"});
  CHECK(run_khipu({"keys", "export-public", log.out + "/search", to}).exit == 3);
}

TEST_CASE("cli: a key under a passphrase goes through a pipe into --key-fd, and not under another") {
  Log log;
  REQUIRE(log.make().exit == 0);
  log.seal({"x"});
  REQUIRE(run_khipu({"keys", "rotate", log.root, "recipients", "--out", log.out}).exit == 0);
  const std::string to = log.to().at(1);
  const std::string program = "'" + tests::program("khipu") + "'", key = log.out + "/decrypt/decrypt-auditors-1.key";
  const std::string locked = log.folder / "auditors-1.locked", phrase = log.folder / "phrase";
  std::ofstream(phrase) << "correct horse battery\nsecond line\n";
  const auto shell = [](const std::string& script) { return tests::run({"/bin/sh", "-c", script}); };
  const tests::Ran inside =
      shell(program + " keys lock '" + key + "' '" + log.root + "/keys/x.locked' --passphrase-fd 3 3<'" + phrase + "'");
  CHECK(inside.exit == 3);
  CHECK_THAT(inside.err, ContainsSubstring("lies inside the log"));
  REQUIRE(shell(program + " keys lock '" + key + "' '" + locked + "' --passphrase-fd 3 3<'" + phrase + "'").exit == 0);
  CHECK((fs::status(locked).permissions() & fs::perms::mask) == (fs::perms::owner_read | fs::perms::owner_write));
  fs::remove(key);
  const std::string unlock = program + " keys unlock '" + locked + "' --passphrase-fd 4 4<'" + phrase + "'";
  const tests::Ran done = shell("{ " + unlock + " | " + program + " keys rewrap '" + log.root + "' --list '" +
                                log.list + "' --to " + to + " --key-fd 3 3<&0; }");
  INFO(done.out << done.err);
  CHECK(done.exit == 0);
  CHECK(done.out.find("sealed anew: 1") != std::string::npos);
  std::ofstream(phrase) << "another passphrase\n";
  CHECK(shell(unlock).exit == 3);
  CHECK(shell(unlock).out.empty());
  CHECK(shell(program + " keys unlock '" + locked + "'").exit == 3);
}

TEST_CASE("cli: a shredding that ended before its files were gone is finished by the next run") {
  Log log;
  REQUIRE(log.make().exit == 0);
  const Buffer group = log.seal({"group"}).front(), person = log.seal({"person"}, &log.alice).front();
  const bool by_session = GENERATE(false, true), head_too = GENERATE(false, true);
  const std::vector<std::string> words =
      by_session ? std::vector<std::string>{"shred", log.root, "--session", "1", "--reference", "r", "--json"}
                 : std::vector<std::string>{"shred", log.root, "--subject", "user:alice", "--reference", "r", "--json"};
  const std::string head = log.file(log.root + "/HEAD");
  std::map<std::string, std::string> files;
  for (const std::string& name : names_in(log.root + "/keys")) files[name] = log.file(log.root + "/keys/" + name);
  REQUIRE(run_khipu(words).exit == 0);
  std::vector<std::string> left = names_in(log.root + "/keys");
  REQUIRE(left.size() < files.size());
  if (head_too) log.put(log.root + "/HEAD", head);
  for (const auto& [name, bytes] : files) log.put(log.root + "/keys/" + name, bytes);
  const tests::Ran again = run_khipu(words);
  INFO(again.out << again.err);
  REQUIRE(again.exit == 0);
  CHECK(Json::parse(again.out)["commit"].is_null());
  CHECK(Json::parse(again.out)["deleted"] == files.size() - left.size());
  CHECK(names_in(log.root + "/keys") == left);
  CHECK(log.statements(codec::StatementType::kShred) == 1);
  CHECK(log.open(by_session ? group : person) == "purged");
  const tests::Ran nothing = run_khipu(words);
  CHECK(nothing.exit == 3);
  CHECK_THAT(nothing.err, ContainsSubstring(by_session ? "is shredded already" : "was committed under this reference"));
  CHECK(run_khipu({"verify", log.root}).exit == 0);
}

TEST_CASE("cli: a person is shredded beside another one's damaged file") {
  Log log;
  REQUIRE(log.make().exit == 0);
  const protect::SubjectName bob{"user", "bob"};
  const Buffer person = log.seal({"person"}, &log.alice).front();
  log.seal({"other"}, &bob);
  const std::string file = log.root + "/keys/subject-0000000003-1.key";
  std::string bytes = log.file(file);
  bytes[bytes.size() / 2] ^= 1;
  log.put(file, bytes);
  const tests::Ran shredded = run_khipu({"shred", log.root, "--subject", "user:alice", "--reference", "r"});
  INFO(shredded.out << shredded.err);
  CHECK(shredded.exit == 0);
  CHECK_THAT(shredded.out, ContainsSubstring("still readable: "));
  CHECK_THAT(shredded.err, ContainsSubstring("subject-0000000003-1.key"));
  CHECK(log.open(person) == "purged");
}

TEST_CASE("cli: a link or a folder under a name in keys stops neither the writer nor a shredding") {
  Log log;
  REQUIRE(log.make().exit == 0);
  log.seal({"group"});
  log.seal({"person"}, &log.alice);
  REQUIRE(run_khipu({"shred", log.root, "--session", "1", "--reference", "r"}).exit == 0);
  fs::remove(log.root + "/keys/subject-0000000002-1.key");
  fs::create_symlink("x", log.root + "/keys/subject-0000000002-1.key");
  fs::create_directory(log.root + "/keys/data-0000000001-7.key");
  CHECK(run_khipu({"hold", log.root, "set", "h", "--reason", "r"}).exit == 0);
  CHECK(run_khipu({"hold", log.root, "lift", "h", "--reason", "r"}).exit == 0);
  const tests::Ran shredded = run_khipu({"shred", log.root, "--session", "3", "--reference", "r"});
  INFO(shredded.out << shredded.err);
  CHECK(shredded.exit == 2);
  CHECK_THAT(shredded.out, ContainsSubstring("shredded in commit"));
  CHECK_THAT(shredded.err,
             ContainsSubstring("keys/data-0000000001-7.key: shredded or replaced, and cannot be deleted"));
  CHECK_FALSE(fs::exists(log.root + "/keys/data-0000000003-1.key"));
  const tests::Ran verified = run_khipu({"verify", log.root});
  CHECK(verified.exit == 1);
  CHECK_THAT(verified.out, ContainsSubstring("subject-0000000002-1.key"));
}
