// `khipu prove` and `khipu verify-proof` as people call them: exit codes, what is printed, and what is refused.
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/support/catch.h"
#include "tests/support/log_root.h"
#include "tests/support/program.h"

using namespace khipu;
using Json = nlohmann::json;

namespace {

// Three publications: 2, 5 and 9 events. The last event has a name that would drive a terminal.
struct Log : tests::LogRoot {
  std::string vkey;
  Log() : LogRoot("example.org/proofs") {
    setenv("XDG_STATE_HOME", (folder / "state").c_str(), 1);
    int number = 0;
    for (const int events : {2, 3, 4}) {
      std::string lines;
      for (int i = 0; i < events; ++i, ++number) {
        lines += R"({"actor":{"type":"user","id":"u-)" + std::to_string(number) + R"(","fields":{}},"action":")" +
                 (number == 8 ? R"(\u001b[2Jgone)" : "PUT") + "\"}\n";
      }
      REQUIRE(khipu({"append", root}, lines).exit == 0);
    }
    const tests::Ran exported = khipu({"keys", "export", root, "--json"});
    INFO(exported.out << exported.err);
    REQUIRE(exported.exit == 0);
    vkey = Json::parse(exported.out)["vkey"].get<std::string>();
  }
  tests::Ran prove(std::vector<std::string> more) const {
    more.insert(more.begin(), {"prove", root});
    return khipu(more);
  }
  tests::Ran check(const std::string& document, std::vector<std::string> more = {}) const {
    more.insert(more.begin(), {"verify-proof", "-", "--key", vkey});
    return khipu(more, document);
  }
};
Log& log() {
  static Log made;
  return made;
}

}  // namespace

TEST_CASE("cli: what prove writes, verify-proof takes, against the newest, a numbered and a sized checkpoint") {
  for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{{"4"},
                                                                                     {"4", "--at", "5"},
                                                                                     {"1", "--at", "checkpoint:2"},
                                                                                     {"--rows", "1:4"},
                                                                                     {"--rows", "0:9"},
                                                                                     {"--rows", "2:5", "--at", "5"},
                                                                                     {"--consistency", "2:9"},
                                                                                     {"--consistency", "5:5"}}) {
    const tests::Ran proven = log().prove(words);
    INFO(words.front() << "\n" << proven.err);
    REQUIRE(proven.exit == 0);
    const tests::Ran checked = log().check(proven.out);
    INFO(checked.out << checked.err);
    CHECK(checked.exit == 0);
    CHECK(checked.out.starts_with("RIGHT: "));
  }
  const Json checked = Json::parse(log().check(log().prove({"4", "--at", "5"}).out, {"--json"}).out);
  CHECK(checked["right"] == true);
  CHECK(checked["seq"] == 4);
  CHECK(checked["actor"] == "user:u-4");
  CHECK(checked["checkpoint"]["size"] == 5);
  CHECK(checked["checkpoint"]["origin"] == "example.org/proofs/logs");
}

TEST_CASE("cli: a tree file that is cut or gone is a finding, and no event of that number is not") {
  const Log own;
  CHECK(own.prove({"4"}).exit == 0);
  CHECK(own.prove({"400"}).exit == 3);
  CHECK(own.prove({"4", "-o", own.root + "/logs/proof.json"}).exit == 3);
  const std::string file = own.root + "/logs/tree/0";
  std::filesystem::resize_file(file, 33);
  CHECK(own.prove({"4"}).exit == 1);
  std::filesystem::remove(file);
  const tests::Ran gone = own.prove({"4"});
  CHECK(gone.exit == 1);
  CHECK_THAT(gone.err, ContainsSubstring("logs/tree/0"));
}

TEST_CASE("cli: a proof against a checkpoint that somebody kept, of the log or of its events, and of no other log") {
  const Json document = Json::parse(log().prove({"1", "--at", "5"}).out);
  const auto note_of = [&](const char* proof) {  // from its checkpoint line to the end
    const std::string text = document[proof];
    return text.substr(text.find("example.org/"));
  };
  const std::string file = log().folder / "kept.note";
  const auto at = [&](const std::string& note) {
    std::ofstream(file) << note;
    return log().prove({"1", "--at", "note:" + file});
  };
  for (const char* proof : {"table_proof", "meta_proof"}) {
    const tests::Ran kept = at(note_of(proof));
    INFO(kept.err);
    REQUIRE(kept.exit == 0);
    CHECK(Json::parse(kept.out) == document);
  }
  std::string other = note_of("meta_proof");
  char& digit = other[other.find('\n', other.find('\n') + 1) + 1];  // another root: the first digit of its base64
  digit = digit == 'A' ? 'B' : 'A';
  const tests::Ran unknown = at(other);
  CHECK(unknown.exit == 3);
  CHECK_THAT(unknown.err, ContainsSubstring("is not among those"));
  CHECK_THAT(at("no note\n").err, ContainsSubstring("not a checkpoint"));
}

TEST_CASE("cli: a proof goes to a file, and comes from one") {
  const std::string file = log().folder / "event.json";
  REQUIRE(log().prove({"3", "-o", file}).exit == 0);
  CHECK(std::filesystem::file_size(file) > 500);
  const tests::Ran right = Log::khipu({"verify-proof", file, "--key", log().vkey});
  CHECK(right.exit == 0);
  CHECK_THAT(right.out, ContainsSubstring("user:u-3"));
  const tests::Ran missing = Log::khipu({"verify-proof", log().folder / "none.json", "--key", log().vkey});
  CHECK(missing.exit == 3);
  CHECK_THAT(missing.err, ContainsSubstring("none.json"));
}

TEST_CASE("cli: a changed proof and another key's are wrong, with exit 1, and what is no proof is refused with 3") {
  const std::string genuine = log().prove({"4"}).out;
  Json changed = Json::parse(genuine);
  changed["seq"] = 3;
  tests::Ran ran = log().check(changed.dump());
  CHECK(ran.exit == 1);
  CHECK(ran.out.starts_with("WRONG: "));
  ran = log().check(changed.dump(), {"--json"});
  CHECK(ran.exit == 1);
  CHECK(Json::parse(ran.out)["right"] == false);

  const std::string other = log().folder / "other";
  REQUIRE(Log::khipu({"init", other, "--origin", "example.org/proofs"}).exit == 0);
  const std::string key = Json::parse(Log::khipu({"keys", "export", other, "--json"}).out)["vkey"];
  CHECK(Log::khipu({"verify-proof", "-", "--key", key}, genuine).exit == 1);

  CHECK(log().check("{}").exit == 3);
  CHECK(log().check("not JSON").exit == 3);
  CHECK(log().check(genuine + genuine).exit == 3);
  CHECK(Log::khipu({"verify-proof", "-"}, genuine).exit == 3);
  const tests::Ran nonsense = Log::khipu({"verify-proof", "-", "--key", "nonsense"}, genuine);
  CHECK(nonsense.exit == 3);
  CHECK_THAT(nonsense.err, ContainsSubstring("there is no file 'nonsense'"));
  // The key may be a file: what `keys export` prints, or the writer's verifier.pub.
  CHECK(Log::khipu({"verify-proof", "-", "--key", log().root + ".keys/verifier.pub"}, genuine).exit == 0);
  CHECK(Log::khipu({"verify-proof", "-", "--key", other + ".keys/verifier.pub"}, genuine).exit == 1);
  const std::string file = log().folder / "audit.vkey";
  std::ofstream(file) << Log::khipu({"keys", "export", log().root}).out;
  CHECK(Log::khipu({"verify-proof", "-", "--key", file}, genuine).exit == 0);
  CHECK(log().check(genuine, {"--depth", "3"}).exit == 3);
}

TEST_CASE("cli: prove refuses what cannot be proven, and says why") {
  const auto refused = [](const std::vector<std::string>& words, const std::string& why) {
    const tests::Ran ran = log().prove(words);
    INFO(ran.out << ran.err);
    CHECK(ran.exit == 3);
    CHECK(ran.out.empty());
    CHECK_THAT(ran.err, ContainsSubstring(why));
  };
  refused({}, "give one of");
  refused({"4", "--rows", "1:2"}, "give one of");
  refused({"9"}, "the log has events 0 to 8, not 9");
  refused({"x"}, "whole number");
  refused({"-1"}, "whole number");
  refused({"4", "--at", "2"}, "covers 2 events");
  refused({"4", "--at", "3"}, "no checkpoint of logs of size 3 was published; the nearest is of 2, and of 5");
  refused({"4", "--at", "checkpoint:99"}, "not 99");
  refused({"4", "--at", "checkpoint:0"}, "not 0");
  for (const char* at : {"x", "checkpoint:", "checkpoint:x", "5 ", "-5", "note", "size:5"}) {
    refused({"4", "--at", at}, "expected N, a number of events, or checkpoint:N");
  }
  refused({"4", "--at", "note:" + log().folder / "none"}, "none");
  refused({"--rows", "4:4"}, "empty range");
  refused({"--rows", "4"}, "A:B");
  refused({"--rows", "4:12"}, "the log has events");
  refused({"--consistency", "9:2"}, "greater");
  refused({"--consistency", "3:9"}, "size 3");
  refused({"--consistency", "2:9", "--at", "9"}, "--consistency names both sizes");
  refused({"4", "--depth", "3"}, "--depth");
  CHECK(Log::khipu({"prove", log().folder / "nothing", "4"}).exit == 3);
}

TEST_CASE("cli: a record that was changed is not proven, and what a proof shows drives no terminal") {
  const tests::Ran hostile = log().check(log().prove({"8"}).out);
  CHECK(hostile.exit == 0);
  CHECK(hostile.out.find('\x1b') == std::string::npos);
  const std::string copy = log().folder / "copy";
  std::filesystem::copy(log().root, copy, std::filesystem::copy_options::recursive);
  {
    std::fstream file(copy + "/logs/seg-0000000000.log", std::ios::in | std::ios::out | std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    const size_t action = bytes.find("PUT");  // of event 0
    REQUIRE(action != std::string::npos);
    file.seekp(static_cast<std::streamoff>(action));
    file.put('C');
  }
  const tests::Ran damaged = Log::khipu({"prove", copy, "0"});
  CHECK(damaged.exit == 1);
  CHECK(damaged.out.empty());
  CHECK_THAT(damaged.err, ContainsSubstring("nothing was proven"));
}
