// The real `khipu query`, `history` and `export` on a small log with hostile names.
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "tests/support/catch.h"
#include "tests/support/log_root.h"
#include "tests/support/program.h"

using namespace khipu;
using Json = nlohmann::json;

namespace {

constexpr const char* kEvents =
    R"({"occurred_at":"2026-06-15T05:07:07.123456Z","actor":{"type":"user","id":"u-1","fields":{"name":"alice"}},"action":"PUT","action_class":"update","outcome":"success","targets":[{"type":"resource","id":"acct-9","fields":{"name":"draft"}}],"url":"/api/accounts/acct-9","source":"billing","content":{"any":"json",  "n":1.50}})"
    "\n"
    R"({"occurred_at":"2026-06-16T05:07:07Z","actor":{"type":"user","id":"u-2","fields":{"name":"bob\u001b[31m"}},"action":"GET","outcome":"denied","targets":[{"type":"resource","id":"acct-9","fields":{"name":"final"}}],"content":"text \u0007 bell"})"
    "\n"
    R"({"occurred_at":"2026-06-17T05:07:07Z","actor":{"type":"user","id":"u-1","fields":{}},"action":"GET","targets":[]})"
    "\n";

struct Log : tests::LogRoot {
  Log() {
    setenv("XDG_STATE_HOME", (folder / "state").c_str(), 1);
    const tests::Ran ran = khipu({"append", root}, kEvents);
    INFO(ran.err);
    REQUIRE(ran.exit == 0);
  }
  // The document of a call that went well.
  Json ask(std::vector<std::string> words) const {
    words.insert(words.begin() + 1, root);
    words.emplace_back("--json");
    const tests::Ran ran = khipu(words);
    INFO(ran.err);
    REQUIRE(ran.exit == 0);
    return Json::parse(ran.out);
  }
};

}  // namespace

TEST_CASE("cli: query answers with exact totals and pages that another process can go on with") {
  const Log log;
  Json page = log.ask({"query", "--limit", "2"});
  CHECK(page["schema"] == "khipu.query/v1");
  CHECK(page["total"] == 3);
  REQUIRE(page["events"].size() == 2);
  CHECK(page["events"][0]["seq"] == 2);
  CHECK(page["events"][1]["targets"][0]["name"] == "final");
  const std::string cursor = page["cursor"];
  page = log.ask({"query", "--cursor", cursor});
  REQUIRE(page["events"].size() == 1);
  CHECK(page["events"][0]["content"]["n"] == 1.5);
  CHECK(page["cursor"].is_null());
  CHECK(Log::khipu({"query", log.root, "--cursor", cursor, "--asc"}).exit == 3);
}

TEST_CASE("cli: query filters by name, time, words and their negation") {
  const Log log;
  CHECK(log.ask({"query", "--actor", "alice"})["total"] == 2);
  CHECK(log.ask({"query", "--target", "draft"})["total"] == 2);
  CHECK(log.ask({"query", "--target-match", "resource.name^=FIN"})["total"] == 2);
  CHECK(log.ask({"query", "--target-match", "resource.name=draft", "--current"})["total"] == 0);
  CHECK(log.ask({"query", "--from", "2026-06-16", "--to", "2026-06-17"})["total"] == 1);
  CHECK(log.ask({"query", "--from", "-1s"})["total"] == 0);
  const auto text = [&](std::vector<std::string> words) {
    words.insert(words.begin() + 1, log.root);
    return Log::khipu(words).out;
  };
  CHECK_THAT(text({"query", "--from", "2026-06-16", "--to", "2026-06-17", "--tz", "Europe/London"}),
             ContainsSubstring("\nwindow: occurred_at from 2026-06-16T00:00:00.000000+01:00 to "
                               "2026-06-17T00:00:00.000000+01:00, which is not in it\n"));
  CHECK_THAT(text({"query", "--from", "2026-06-16", "--axis", "recorded"}),
             ContainsSubstring("\nwindow: recorded_at from 2026-06-16T00:00:00.000000Z\n"));
  CHECK_THAT(text({"query"}), !ContainsSubstring("window"));
  CHECK(log.ask({"query", "--not-action", "GET"})["total"] == 1);
  CHECK(log.ask({"query", "--text", "BELL"})["total"] == 1);
  CHECK(log.ask({"query", "--outcome", "not_success"})["total"] == 2);
  CHECK(log.ask({"query", "--outside-hours", "00:00-24:00"})["total"] == 0);
  CHECK(log.ask({"query", "--outside-hours", "00:00-24:00", "--days", "sat-sun", "--from", "2026-06-15", "--to",
                 "2026-06-20", "--tz", "Europe/London"})["total"] ==
        log.ask({"query", "--from", "2026-06-15", "--to", "2026-06-20", "--tz", "Europe/London"})["total"]);
}

TEST_CASE("cli: a wrong question ends with 3 and says what would be right") {
  const Log log;
  const auto wrong = [&](std::vector<std::string> words) {
    words.insert(words.begin() + 1, log.root);
    const tests::Ran ran = Log::khipu(words);
    CHECK(ran.exit == 3);
    return ran.err;
  };
  CHECK_THAT(wrong({"query", "--outcome", "sucess"}), ContainsSubstring("did you mean 'success'"));
  CHECK_THAT(wrong({"query", "--from", "2026-06-15T05:07"}), ContainsSubstring("TIME_AMBIGUOUS"));
  CHECK_THAT(wrong({"query", "--target", "resorce:acct-9"}), ContainsSubstring("did you mean 'resource'"));
  CHECK_THAT(wrong({"query", "--cursor", "a2.AAAA"}), ContainsSubstring("CURSOR_INVALID"));
  CHECK_THAT(wrong({"history", "nobody"}), ContainsSubstring("NOT_FOUND"));
  CHECK_THAT(wrong({"query", "--outside-hours", "8-18"}), ContainsSubstring("08:00-18:00"));
  CHECK_THAT(wrong({"query", "--days", "mon-fri"}), ContainsSubstring("--outside-hours"));
  CHECK_THAT(wrong({"query", "--no-such-flag"}), ContainsSubstring("--no-such-flag"));
}

TEST_CASE("cli: aggregate counts in groups that add up, and says so to people without control characters") {
  const Log log;
  Json answer = log.ask({"aggregate", "--by", "actor", "--by", "action", "--top", "1"});
  CHECK(answer["schema"] == "khipu.aggregate/v1");
  CHECK(answer["total"] == 3);
  REQUIRE(answer["groups"].size() == 1);
  CHECK(answer["groups"][0]["count"].get<int>() + answer["other"]["count"].get<int>() == 3);
  answer = log.ask({"aggregate", "--by", "time", "--interval", "day", "--tz", "Europe/London", "--from", "2026-06",
                    "--compare", "previous", "--metric", "distinct:actor"});
  REQUIRE(answer["groups"].size() == 3);
  CHECK(answer["groups"][0]["key"]["time"] == "2026-06-15T00:00:00.000000+01:00");
  CHECK(answer["groups"][0]["distinct"] == 1);
  CHECK(answer["previous"]["from"] == "2026-04-30T23:00:00.000000Z");
  const tests::Ran text = Log::khipu({"aggregate", log.root, "--by", "target", "--rank-by", "max_bucket"});
  CHECK(text.exit == 0);
  CHECK_THAT(text.out, ContainsSubstring("2  resource:acct-9") && ContainsSubstring("0  other: 0 groups"));
  CHECK(text.out.find('\x1b') == std::string::npos);
  const tests::Ran wrong = Log::khipu({"aggregate", log.root, "--by", "acter"});
  CHECK(wrong.exit == 3);
  CHECK_THAT(wrong.err, ContainsSubstring("did you mean 'actor'"));
  // What would have no effect is refused.
  CHECK(Log::khipu({"aggregate", log.root, "--by", "action", "--asc"}).exit == 3);
  CHECK(Log::khipu({"aggregate", log.root, "--by", "action", "--order", "time"}).exit == 3);
  const tests::Ran interval = Log::khipu({"aggregate", log.root, "--by", "action", "--interval", "1h"});
  CHECK(interval.exit == 3);
  CHECK_THAT(interval.err, ContainsSubstring("give --by time or --rank-by max_bucket"));
}

TEST_CASE("cli: a key that is neither there nor a vkey is told to be no file, and a state is kept outside the log") {
  const Log log;
  for (const char* command : {"query", "verify"}) {
    const tests::Ran ran = Log::khipu({command, log.root, "--key", "/nowhere/audit.vkey"});
    CHECK(ran.exit == 3);
    CHECK_THAT(ran.err, ContainsSubstring("there is no file '/nowhere/audit.vkey'"));
  }
  const tests::Ran rows = Log::khipu({"verify", log.root, "--rows", "3:1"});
  CHECK(rows.exit == 3);
  CHECK_THAT(rows.err, ContainsSubstring("rows 3:1: the first is behind the last"));
  for (const std::string& state : {log.root + "/state", log.root + "/../log/meta/state"}) {
    const tests::Ran inside = Log::khipu({"verify", log.root, "--save-state", state});
    CHECK(inside.exit == 3);
    CHECK_THAT(inside.err, ContainsSubstring("outside the log"));
  }
  CHECK(Log::khipu({"verify", log.root + "/", "--save-state", log.root + ".state"}).exit == 0);
}

TEST_CASE("cli: text for people shows no control character of the log") {
  const Log log;
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"query", log.root}, {"history", log.root, "u-2"}}) {
    const tests::Ran ran = Log::khipu(words);
    CHECK(ran.exit == 0);
    CHECK_THAT(ran.out, ContainsSubstring("bob\\x1B[31m"));
    CHECK(ran.out.find('\x1b') == std::string::npos);
  }
}

TEST_CASE("cli: history shows changes, their authors, and the state at a moment") {
  const Log log;
  const Json history = log.ask({"history", "draft"});
  CHECK(history["entity"] == "resource:acct-9");
  REQUIRE(history["versions"].size() == 2);
  CHECK(history["versions"][1]["changed_by"] == "user:u-2");
  CHECK(history["versions"][1]["changes"] == Json::parse(R"([{"field":"name","from":"draft","to":"final"}])"));
  const Json at = log.ask({"history", "resource:acct-9", "--at", "2026-06-15T12:00:00Z"});
  CHECK(at["versions"][0]["fields"]["name"] == "draft");
}

TEST_CASE("cli: what export writes, append takes, and it is the same log again") {
  const Log log;
  const tests::Ran exported = Log::khipu({"export", log.root});
  REQUIRE(exported.exit == 0);
  CHECK_THAT(exported.out, ContainsSubstring(R"("content":{"any":"json",  "n":1.50})"));
  const std::string copy = log.folder / "copy";
  REQUIRE(Log::khipu({"init", copy, "--origin", "test/copy"}).exit == 0);
  REQUIRE(Log::khipu({"append", copy}, exported.out).exit == 0);
  CHECK(Log::khipu({"export", copy}).out == exported.out);
}

TEST_CASE("cli: rows show the times of --tz with their offset, JSON stays UTC") {
  const Log log;
  const auto rows = [&](const std::string& tz) {
    return Log::khipu({"query", log.root, "--tz", tz, "--limit", "3"}).out;
  };
  CHECK_THAT(rows("Asia/Kolkata"), ContainsSubstring("  2026-06-15T10:37:07.123456+05:30  "));
  CHECK_THAT(rows("America/St_Johns"), ContainsSubstring("  2026-06-15T02:37:07.123456-02:30  "));
  CHECK_THAT(rows("UTC"), ContainsSubstring("  2026-06-15T05:07:07.123456Z  "));
  CHECK_THAT(Log::khipu({"query", log.root}).out, ContainsSubstring("  2026-06-15T05:07:07.123456Z  "));
  CHECK_THAT(Log::khipu({"history", log.root, "user:u-1", "--tz", "Asia/Kolkata"}).out,
             ContainsSubstring("2026-06-15T10:37:07.123456+05:30"));
  CHECK(log.ask({"query", "--tz", "Asia/Kolkata"})["events"][2]["occurred_at"] == "2026-06-15T05:07:07.123456Z");
}

TEST_CASE("cli: a root is said in one form, base64, by query, status, verify and export") {
  const Log log;
  const std::string root = log.ask({"query"})["as_of"]["root"];
  CHECK(root.size() == 44);
  CHECK(log.ask({"status"})["tables"]["logs"]["root"] == root);
  CHECK(log.ask({"verify"})["commit"]["tables"]["logs"]["root"] == root);
  CHECK_THAT(Log::khipu({"verify", log.root}).out, ContainsSubstring(root));
  CHECK_THAT(Log::khipu({"query", log.root}).out, ContainsSubstring(root));
  CHECK_THAT(Log::khipu({"export", log.root}).err, ContainsSubstring(root));
  tests::Process writer({tests::program("khipu"), "serve", log.root});
  REQUIRE(!writer.wait_for("serve ready").empty());
  const tests::Ran live = Log::khipu({"status", log.root, "--json"});
  CHECK(Json::parse(live.out)["tables"]["logs"]["root"] == root);
}

TEST_CASE("cli: what queries print as JSON drives no terminal, and an export is appended as the same values") {
  const Log log;
  const std::string hostile =
      R"({"actor":{"type":"user","id":"u-9","fields":{"name":"x\u202ey\u009b31m"}},"action":"GET",)"
      "\"content\":{\"k\xE2\x80\xAE\":\"\xC2\x9B\x7F\"}}\n";
  REQUIRE(Log::khipu({"append", log.root}, hostile).exit == 0);
  const std::vector<std::vector<std::string>> commands = {{"query", log.root, "--json"},
                                                          {"export", log.root},
                                                          {"export", log.root, "--json"},
                                                          {"history", log.root, "user:u-9", "--json"}};
  for (const auto& command : commands) {
    const tests::Ran ran = Log::khipu(command);
    INFO(command.front() << ran.out << ran.err);
    REQUIRE(ran.exit == 0);
    for (const char* raw : {"\xE2\x80\xAE", "\xC2\x9B", "\x7F", "\x1B"}) CHECK(ran.out.find(raw) == std::string::npos);
    CHECK_THAT(ran.out, ContainsSubstring("\\u202e"));
  }
  const std::string exported = Log::khipu({"export", log.root, "--actor", "user:u-9"}).out;
  REQUIRE(Log::khipu({"append", log.root}, exported).exit == 0);
  const Json events = log.ask({"query", "--actor", "user:u-9"})["events"];
  REQUIRE(events.size() == 2);
  CHECK(events[0]["content"] == events[1]["content"]);
  CHECK(events[0]["actor"] == events[1]["actor"]);
}

TEST_CASE("cli: a key to count by that nobody knows is answered with the nearest") {
  const Log log;
  const tests::Ran ran = Log::khipu({"aggregate", log.root, "--by", "actr"});
  CHECK(ran.exit == 3);
  CHECK_THAT(ran.err, ContainsSubstring("did you mean 'actor'?"));
}
