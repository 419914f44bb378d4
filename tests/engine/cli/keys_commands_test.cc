// `khipu keys ...` and `khipu shred` as people call them, on a log with sealed values.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "engine/protect/key_admin.h"
#include "engine/protect/opener.h"
#include "engine/protect/sealer.h"
#include "engine/snapshot/store.h"
#include "engine/writer/writer.h"
#include "tests/support/catch.h"
#include "tests/support/program.h"
#include "tests/support/temp_directory.h"

using namespace khipu;
using Json = nlohmann::json;
namespace fs = std::filesystem;

namespace {

tests::Ran run_khipu(std::vector<std::string> words) {
  words.insert(words.begin(), tests::program("khipu"));
  return tests::run(words);
}

struct Log {
  tests::TempDirectory folder;
  std::string root = folder / "log", keys = folder / "log.keys", out = folder / "readers";
  const protect::SubjectName alice{"user", "alice"};

  Log() { REQUIRE(run_khipu({"init", root, "--origin", "example.org/keys"}).exit == 0); }
  tests::Ran make() { return run_khipu({"keys", "init", root, "--out", out}); }

  protect::FieldPlace place(const RootId& id) const {
    protect::FieldPlace place;
    place.root = id;
    place.name = {"user", "email"};
    place.entity_id = "u-1";
    return place;
  }
  struct Known {
    RootId id{};
    protect::KeyLog log;
  };
  Known known() const {
    const auto store = snapshot::Store::open(os::open_directory(root).value()).value();
    const auto snapshot = store->snapshot().value();
    Known known;
    known.id = snapshot->meta().genesis()->root_id;
    for (const auto& statement : snapshot->meta().statements()) REQUIRE(known.log.apply(statement.body).ok());
    return known;
  }
  // Values as a writer would have them, their KEY statements committed.
  std::vector<Buffer> seal(const std::vector<std::string>& texts, const protect::SubjectName* subject = nullptr) {
    const Known now = known();
    const auto root_directory = os::open_directory(root).value(), keys_directory = os::open_directory(keys).value();
    const auto wrapped = root_directory->open_directory("keys").value();
    const auto sealer = protect::Sealer::open(protect::load_writer_ring(*keys_directory).value(), now.log,
                                              {now.id, keys_directory.get(), wrapped.get()}, os::system_clock().now())
                            .value();
    std::vector<Buffer> values;
    for (const std::string& text : texts) {
      REQUIRE(sealer->seal(place(now.id), as_bytes(text), subject, values.emplace_back()).ok());
    }
    const auto writer =
        writer::Writer::open({*root_directory, *keys_directory, os::system_clock(), os::system_random()}, {}).value();
    for (const auto& statement : sealer->take_due()) REQUIRE(writer->append_and_publish(statement).ok());
    REQUIRE(writer->close().ok());
    return values;
  }
  std::string open(Bytes value) const {
    const Known now = known();
    const auto decrypt = os::open_directory(out + "/decrypt").value();
    const auto opener = protect::Opener::open(protect::load_decrypt_ring(*decrypt).value(), now.id,
                                              os::open_directory(root + "/keys").value())
                            .value();
    opener->learn(std::make_shared<const protect::KeyLog>(now.log));
    const auto plaintext = opener->open(place(now.id), value);
    return plaintext.ok() ? std::string(plaintext->text()) : std::string(code_name(plaintext.error().code));
  }
};

std::vector<std::string> names_in(const std::string& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

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
  const tests::Ran rewrapped = tests::run(
      {"/bin/sh", "-c",
       "exec '" + tests::program("khipu") + "' keys rewrap '" + log.root + "' --key-fd 3 3<'" + old_key + "'"});
  INFO(rewrapped.out << rewrapped.err);
  REQUIRE(rewrapped.exit == 0);
  CHECK(run_khipu({"verify", log.root}).exit == 0);  // nothing is adopted yet, and nothing is wrong
  const tests::Ran adopted = run_khipu({"keys", "adopt", log.root, "--json"});
  INFO(adopted.out << adopted.err);
  REQUIRE(adopted.exit == 0);
  CHECK(Json::parse(adopted.out)["adopted"] == 1);
  CHECK(Json::parse(adopted.out)["deleted"] == 1);
  CHECK(names_in(log.root + "/keys") == std::vector<std::string>{"data-0000000001-2.key"});
  fs::remove(old_key);
  CHECK(log.open(value) == "alice@example.org");
  CHECK(run_khipu({"verify", log.root}).exit == 0);
  const tests::Ran nothing = run_khipu({"keys", "adopt", log.root, "--json"});
  CHECK(Json::parse(nothing.out)["adopted"] == 0);
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
  const std::string program = "'" + tests::program("khipu") + "'", key = log.out + "/decrypt/decrypt-auditors-1.key";
  const std::string locked = log.folder / "auditors-1.locked", phrase = log.folder / "phrase";
  std::ofstream(phrase) << "correct horse battery\nsecond line\n";
  const auto shell = [](const std::string& script) { return tests::run({"/bin/sh", "-c", script}); };
  REQUIRE(shell(program + " keys lock '" + key + "' '" + locked + "' --passphrase-fd 3 3<'" + phrase + "'").exit == 0);
  CHECK((fs::status(locked).permissions() & fs::perms::mask) == (fs::perms::owner_read | fs::perms::owner_write));
  fs::remove(key);
  const std::string unlock = program + " keys unlock '" + locked + "' --passphrase-fd 4 4<'" + phrase + "'";
  const tests::Ran done = shell("{ " + unlock + " | " + program + " keys rewrap '" + log.root + "' --key-fd 3 3<&0; }");
  INFO(done.out << done.err);
  CHECK(done.exit == 0);
  CHECK(done.out.find("sealed anew: 1") != std::string::npos);
  std::ofstream(phrase) << "another passphrase\n";
  CHECK(shell(unlock).exit == 3);
  CHECK(shell(unlock).out.empty());
  CHECK(shell(program + " keys unlock '" + locked + "'").exit == 3);
}
