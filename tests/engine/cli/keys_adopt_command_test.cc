// `khipu keys rewrap` and `adopt`: what is taken, and what is not.
#include "tests/engine/cli/keys_log.h"

using namespace khipu;
using cli::names_in;
using cli::run_khipu;
using Log = cli::KeysLog;
using Json = nlohmann::json;
namespace fs = std::filesystem;

TEST_CASE("cli: an adoption whose commits HEAD does not name yet is finished by the next one") {
  Log log;
  REQUIRE(log.make().exit == 0);
  const Buffer one = log.seal({"one"}).front(), two = log.seal({"two"}).front();
  REQUIRE(run_khipu({"keys", "rotate", log.root, "recipients", "--out", log.out}).exit == 0);
  REQUIRE(log.rewrap(log.to()).exit == 0);
  const std::string head = log.file(log.root + "/HEAD"), old = log.file(log.root + "/keys/data-0000000001-1.key");
  REQUIRE(log.adopt().exit == 0);
  log.put(log.root + "/HEAD", head);  // as it is when the process ends between a commit and its HEAD
  log.put(log.root + "/keys/data-0000000001-1.key", old);
  const tests::Ran again = log.adopt();
  INFO(again.out << again.err);
  REQUIRE(again.exit == 0);
  CHECK(Json::parse(again.out)["adopted"] == 0);
  CHECK(names_in(log.root + "/keys") == std::vector<std::string>{"data-0000000001-2.key", "data-0000000002-2.key"});
  CHECK(run_khipu({"verify", log.root}).exit == 0);
  CHECK(log.open(one) == "one");
  CHECK(log.open(two) == "two");
  CHECK(log.adopt().exit == 0);  // the writer opens it again, and has nothing to do
}

TEST_CASE("cli: adopt takes no file that rewrap did not list, and none that is not as it was listed") {
  Log log;
  REQUIRE(log.make().exit == 0);
  const Buffer value = log.seal({"value"}).front();
  REQUIRE(run_khipu({"keys", "rotate", log.root, "recipients", "--out", log.out}).exit == 0);
  // With the commitment, which is public, and boxes that hold nothing.
  const std::string bytes = log.file(log.root + "/keys/data-0000000001-1.key");
  protect::WrappedKey planted = protect::parse_wrapped(as_bytes(bytes)).value();
  planted.name.generation = 2;
  for (protect::WrappedKey::Copy& copy : planted.copies) copy.box.fill(7);
  const std::string path = log.root + "/keys/" + planted.name.text();
  log.put(path, std::string(as_text(protect::encode_wrapped(planted))));
  const tests::Ran made = log.rewrap(log.to());
  INFO(made.out << made.err);
  REQUIRE(made.exit == 0);
  CHECK_THAT(made.out, ContainsSubstring("sealed anew: 1, as wanted already: 0"));
  CHECK_THAT(log.file(log.list), ContainsSubstring("  data-0000000001-3.key\n"));
  const std::string third = log.root + "/keys/data-0000000001-3.key", good = log.file(third);
  log.put(third, log.file(path));
  const tests::Ran other = log.adopt();
  CHECK(other.exit == 3);
  CHECK_THAT(other.err, ContainsSubstring("not the file that was listed"));
  fs::remove(third);
  CHECK_THAT(log.adopt().err, ContainsSubstring("copy it from where it was made"));
  log.put(third, good);
  REQUIRE(log.adopt().exit == 0);
  CHECK(log.open(value) == "value");
  CHECK(names_in(log.root + "/keys") == std::vector<std::string>{"data-0000000001-3.key"});
  CHECK(run_khipu({"verify", log.root}).exit == 0);
}

TEST_CASE("cli: adopt copies what the list names, over no other file, and tells of what was adopted and is not there") {
  Log log;
  REQUIRE(log.make().exit == 0);
  const Buffer value = log.seal({"value"}).front();
  REQUIRE(run_khipu({"keys", "rotate", log.root, "recipients", "--out", log.out}).exit == 0);
  const std::string name = "data-0000000001-2.key", path = log.root + "/keys/" + name;
  // Two copies of the same state, a re-wrap on each.
  std::vector<std::string> lists, folders;
  for (const std::string copy : {"copy-1", "copy-2"}) {
    folders.push_back(log.folder / copy);
    lists.push_back(log.folder / (copy + ".list"));
    fs::copy(log.root, folders.back(), fs::copy_options::recursive);
    std::vector<std::string> words = {"keys",         "rewrap", folders.back(), "--decrypt", log.decrypt,
                                      "--recipients", log.keys, "--list",       lists.back()};
    const std::vector<std::string> to = log.to();
    words.insert(words.end(), to.begin(), to.end());
    REQUIRE(run_khipu(words).exit == 0);
    folders.back() += "/keys";
  }
  const auto adopt = [&](size_t which, const std::string& from) {
    std::vector<std::string> words = {"keys", "adopt", log.root, lists[which], "--json"};
    if (!from.empty()) words.insert(words.end(), {"--from", from});
    return run_khipu(words);
  };
  CHECK_THAT(adopt(0, "").err, ContainsSubstring("--from DIR"));
  CHECK_THAT(adopt(0, folders[1]).err, ContainsSubstring("not the file that was listed"));
  const std::string good = log.file(folders[0] + "/" + name);
  fs::create_directory(log.folder / "links");
  fs::create_symlink(folders[0] + "/" + name, log.folder / ("links/" + name));
  CHECK_THAT(adopt(0, log.folder / "links").err, ContainsSubstring("symbolic link"));
  log.put(path, log.file(folders[1] + "/" + name));  // whole, and another
  CHECK_THAT(adopt(0, folders[0]).err, ContainsSubstring("keys/" + name + ": not the file that was listed"));
  CHECK(log.file(path) == log.file(folders[1] + "/" + name));
  log.put(path, good.substr(0, good.size() / 2));  // a copying was killed here
  const tests::Ran first = adopt(0, folders[0]);
  INFO(first.out << first.err);
  REQUIRE(first.exit == 0);
  CHECK(Json::parse(first.out)["copied"] == 1);
  CHECK(Json::parse(first.out)["adopted"] == 1);
  // The list of an older copy, and then its file over the one that was adopted.
  const tests::Ran second = adopt(1, folders[1]);
  CHECK(second.exit == 3);
  CHECK_THAT(second.err, ContainsSubstring("adopted before from another list: keys/" + name));
  CHECK(log.file(path) == good);
  log.put(path, log.file(folders[1] + "/" + name));
  const tests::Ran both = adopt(1, "");
  CHECK(both.exit == 3);
  CHECK_THAT(both.err, ContainsSubstring("gone or changed since: keys/" + name));
  CHECK_THAT(both.err, ContainsSubstring("from another list: keys/" + name));
  const tests::Ran changed = adopt(0, "");
  CHECK(changed.exit == 3);
  CHECK_THAT(changed.err, ContainsSubstring("gone or changed since: keys/" + name));
  CHECK(adopt(0, folders[0]).exit == 3);
  fs::remove(path);
  CHECK(adopt(0, "").exit == 3);
  const tests::Ran again = adopt(0, folders[0]);
  CHECK(again.exit == 0);
  CHECK(Json::parse(again.out)["copied"] == 1);
  CHECK(Json::parse(again.out)["adopted"] == 0);
  CHECK(log.open(value) == "value");
  CHECK(run_khipu({"verify", log.root}).exit == 0);
}

TEST_CASE("cli: rewrap seals to nobody who was not named, whatever lies in the writer's folder") {
  Log log;
  REQUIRE(log.make().exit == 0);
  log.seal({"value"});
  const std::string attacker = log.folder / "attacker", halves = log.folder / "halves";
  Log other;
  REQUIRE(run_khipu({"keys", "init", other.root, "--out", attacker, "--recipient", "backup"}).exit == 0);
  REQUIRE(run_khipu({"keys", "export-public", attacker + "/decrypt", halves}).exit == 0);
  const std::vector<std::string> meant = log.to();
  fs::copy_file(halves + "/recipient-backup-1.pub", log.keys + "/recipient-backup-1.pub");
  for (const std::vector<std::string>& named : {std::vector<std::string>{}, meant}) {
    const tests::Ran refused = log.rewrap(named);
    CHECK(refused.exit == 3);
    CHECK_THAT(refused.err, ContainsSubstring("backup/1="));
    CHECK_THAT(refused.err, ContainsSubstring("is NOT among those given"));
    CHECK_THAT(refused.err, ContainsSubstring("--to " + meant.at(1)));
    CHECK_FALSE(fs::exists(log.list));
    CHECK(names_in(log.root + "/keys").size() == 1);
  }
  fs::remove(log.keys + "/recipient-backup-1.pub");
  CHECK(log.rewrap({"--to", meant.at(1) + "0"}).exit == 3);
  CHECK(log.rewrap(meant, {"--recipients", halves}).exit == 3);
  CHECK(log.rewrap(meant).exit == 0);
  CHECK(run_khipu({"keys", "rewrap", log.root, "--decrypt", log.decrypt, "--to", meant.at(1)}).exit == 3);  // no list
  CHECK(run_khipu({"keys", "rewrap", log.root, "--decrypt", log.decrypt, "--to", meant.at(1), "--list",
                   log.root + "/rewrap.list"})
            .exit == 3);  // inside the log
}
