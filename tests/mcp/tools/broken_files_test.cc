// The audit tools over a log on a real disk whose files are damaged under them.
#include <algorithm>
#include <filesystem>

#include "mcp/tools/result_builder.h"
#include "tests/engine/query/real_log.h"
#include "tests/mcp/tools/desk.h"

using namespace khipu;
using namespace khipu::mcp;
using namespace khipu::mcp::tests;

TEST_CASE("broken files: tools go on after a segment was cut short under them, and say so") {
  TestLog log(32 << 10);
  for (int i = 0; i < 120; ++i) log.add({.action = "GET", .text = "leases " + std::string(1000, 'x')});
  log.wait_until_indexed();
  query::tests::RealLog real(log);
  tools::AuditContext audit{real.engine(), real.store(), std::nullopt, "root"};
  const auto all = tools::make_tools(audit);
  FakeContext context;
  const auto ask = [&](const std::string& name, const Json& arguments) {
    for (const auto& tool : all) {
      if (tool->info().name != name) continue;
      const server::ToolResult result = tool->call(arguments, context);
      INFO(name << " " << result.text);
      REQUIRE_FALSE(result.is_error);
      return *result.structured;
    }
    FAIL("no tool " << name);
    return OrderedJson();
  };
  const Json text = {{"text", "leases"}, {"limit", 2}};
  REQUIRE(ask("audit_query", text).at("total") == 120);
  REQUIRE(ask("audit_query", text).at("total") == 120);
  std::filesystem::resize_file(real / "logs/seg-0000000001.log", 8192);
  for (int again = 0; again < 2; ++again) {
    const OrderedJson page = ask("audit_query", text);
    CHECK(page.at("total").contains("at_least"));
    CHECK(page.at("findings").at(0).at("code") == "segment-truncated");
    // In the order of the draw: the row that was cut in the middle may be the first of them.
    const OrderedJson drawn = ask("audit_sample", {{"n", 100}, {"seed", "s"}}).at("findings");
    CHECK(std::any_of(drawn.begin(), drawn.end(),
                      [](const auto& finding) { return finding.at("code") == "segment-truncated"; }));
    CHECK(ask("audit_aggregate", {{"group_by", {"action"}}, {"text", "leases"}}).contains("findings"));
    (void)ask("audit_coverage", Json::object());
  }
}

TEST_CASE("history: NOT_FOUND carries the damage that may be why") {
  Desk desk;
  desk.log.add({.actor = {"user", "u-7", {{"name", "genuine"}}, false}});
  desk.log.disk().edit("root/registry/seg-0000000000.log", [](Buffer& file) {
    const std::string_view name = "genuine";
    const auto at = std::search(file.begin(), file.end(), name.begin(), name.end());
    REQUIRE(at != file.end());
    *at ^= 1;
  });
  const server::ToolResult result = desk.call("audit_history", {{"entity", "genuine"}});
  REQUIRE(result.is_error);
  CHECK(result.structured->at("error").at("code") == "NOT_FOUND");
  CHECK(result.structured->at("findings").at(0).at("table") == "registry");
  CHECK(result.structured->at("findings_total") == 1);
  CHECK(result.text.find("finding: frame-corrupt at registry row") != std::string::npos);
}

TEST_CASE("findings: what is not shown is told as it is, the record or one value of it") {
  const auto told = [](std::string_view code) {
    tools::ResultBuilder result;
    result.findings({{std::string(code), TableId::kLogs, Row{3}, 1, "logs row 3"}}, 1);
    return result.take().text;
  };
  const std::string shredded = told(query::kFieldShredded);
  CHECK(shredded.find("destroyed on purpose") != std::string::npos);
  CHECK(shredded.find("audit_verify") == std::string::npos);
  CHECK(told("field-undecryptable").find("a value of it is not shown; run audit_verify") != std::string::npos);
  CHECK(told("leaf-mismatch").find("this record is not shown; run audit_verify") != std::string::npos);
}
