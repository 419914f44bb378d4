// audit_find_entity, audit_coverage and audit_sample: both forms agree, and outsiders' words are marked.
#include "tests/mcp/tools/desk.h"

using namespace khipu;
using namespace khipu::mcp;
using namespace khipu::mcp::tests;

namespace {

void fill(Desk& desk) {
  for (int i = 0; i < 30; ++i) {
    desk.log.add({.time = kStart - 3'600'000'000LL * (30 - i),
                  .actor = {"user", "u-" + std::to_string(i % 3), {{"name", "Sam " + std::to_string(i % 3)}}, false},
                  .action = i % 2 == 0 ? "GET" : "PUT",
                  .action_class = i == 7 ? codec::ActionClass::kLogControl : codec::ActionClass::kOther,
                  .source = i % 3 == 0 ? "web" : ""});
  }
}

}  // namespace

TEST_CASE("find_entity: every match with its counts, in both forms") {
  Desk desk;
  fill(desk);
  const OrderedJson answer = desk.good("audit_find_entity", {{"text", "sam"}});
  CHECK(answer.at("total") == 3);
  const auto rows = table_rows(desk.text, "ref,type,name,");
  REQUIRE(rows.size() == 3);
  for (size_t i = 0; i < 3; ++i) {
    const OrderedJson& entity = answer.at("entities").at(i);
    CHECK(entity.at("match") == "prefix");
    CHECK(entity.at("matched_on") == "current_name");
    CHECK(entity.at("events") == 10);
    CHECK(
        entity.at("name").get<std::string>().starts_with("\xE2\x9F\xA6"
                                                         "7f3a Sam"));
    CHECK(rows[i].starts_with(entity.at("ref").get<std::string>() + ",user,"));
    CHECK(rows[i].ends_with(entity.at("last_seen").get<std::string>()));
  }
  CHECK(desk.good("audit_find_entity", {{"text", "sam"}, {"limit", 1}}).at("notes").at(0).at("code") == "MORE_MATCH");
  const OrderedJson nobody = desk.good("audit_find_entity", {{"text", "sam"}, {"role", "target"}});
  CHECK(nobody.at("entities").empty());
  CHECK(nobody.at("notes").at(0).at("code") == "NO_MATCH");
  CHECK(desk.bad("audit_find_entity", {{"text", "sam"}, {"type", "usr"}}).at("did_you_mean") == "user");
  CHECK(desk.bad("audit_find_entity", Json::object()).at("code") == "INVALID_ARGUMENT");
  CHECK(desk.bad("audit_prove", Json::object()).at("allowed").size() > 1);
}

TEST_CASE("sample: what the answer says is enough to draw it again, and the default seed too") {
  Desk desk;
  fill(desk);
  const OrderedJson answer =
      desk.good("audit_sample", {{"n", 5}, {"seed", "2026-06"}, {"action", "GET"}, {"stratify_by", "source"}});
  CHECK(answer.at("population") == 15);
  CHECK(answer.at("seqs").size() == 5);
  CHECK(answer.at("seed_source") == "given");
  CHECK(header(desk.text, "population") == "15");
  CHECK(header(desk.text, "population_digest") == answer.at("population_digest"));
  std::string seqs;
  for (const OrderedJson& seq : answer.at("seqs")) seqs += (seqs.empty() ? "" : "|") + seq.dump();
  CHECK(header(desk.text, "seqs") == seqs);
  CHECK(table_rows(desk.text, "stratum,population,drawn").size() == answer.at("strata").size());
  const OrderedJson first = desk.good("audit_sample", {{"n", 5}});
  const OrderedJson again = desk.good("audit_sample", {{"n", 5}});
  CHECK(first.at("seed_source") == "root");
  CHECK(first.at("seed").get<std::string>().size() == 64);
  CHECK(first.at("seed") == again.at("seed"));
  CHECK(first.at("seqs") == again.at("seqs"));
  CHECK(desk.good("audit_sample", {{"n", 6}}).at("seed") != first.at("seed"));
  CHECK(desk.bad("audit_sample", {{"n", 5}, {"stratify_by", "time"}}).at("field") == "stratify_by");
  CHECK(desk.bad("audit_sample", {{"n", 0}}).at("field") == "n");
}

TEST_CASE("coverage: each source's evidence in both forms, within the budget") {
  Desk desk;
  fill(desk);
  for (int i = 0; i < 40; ++i) desk.log.add({.source = "source-with-a-long-name-" + std::to_string(i)});
  const OrderedJson answer = desk.good("audit_coverage", {{"silent_after", "90m"}, {"source", {"web"}}});
  const OrderedJson& web = answer.at("sources").at(0);
  CHECK(web.at("events") == 10);
  CHECK(web.at("silent_after") == "90m");
  CHECK(web.at("silent").size() == 9);
  CHECK(table_rows(desk.text, "silent_source,from,to").size() == 9);
  CHECK(table_rows(desk.text, "source,first,last,").at(0).starts_with("web," + web.at("first").get<std::string>()));
  CHECK(answer.at("parked") == 0);
  CHECK(answer.at("purged").empty());
  const OrderedJson unnamed = desk.good("audit_coverage", {{"tz", "Europe/London"}});
  for (const OrderedJson& source : unnamed.at("sources")) {
    if (source.at("source") == "(none)") CHECK(source.at("log_control") == OrderedJson::array({7}));
  }
  for (const size_t max_tokens : {1200, 2000, 4000}) {
    const server::ToolResult result = desk.call("audit_coverage", {{"max_tokens", max_tokens}});
    CHECK(tools::tokens_of(tools::size_bytes_of(result)) <= max_tokens);
    CHECK(result.structured->at("sources_total") == 42);
  }
  CHECK(desk.bad("audit_coverage", {{"silent_after", "soon"}}).at("field") == "silent_after");
}
