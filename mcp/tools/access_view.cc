#include "mcp/tools/access_view.h"

#include "mcp/tools/filter_arguments.h"
#include "mcp/tools/result_builder.h"

namespace khipu::mcp::tools {
namespace {

constexpr size_t kAccessEnvelopeBytes = 1500;
constexpr size_t kAccessSlackBytes = 32;

const std::vector<std::string> kColumns = {"seq",  "time",      "caller",  "tool",      "outcome",
                                           "code", "arguments", "results", "tree_size", "client"};

OrderedJson row_json(const query::AccessRow& row, Renderer& renderer) {
  const codec::AccessRecord& record = row.record;
  OrderedJson out = {
      {"seq", "a:" + std::to_string(row.row.value)}, {"time", time_text(record.time)},
      {"caller", renderer.ref(record.caller).text},  {"reporter", "uid:" + std::to_string(record.reporter)},
      {"tool", renderer.token(record.tool).text},    {"outcome", codec::name(record.outcome)}};
  if (!record.code.empty()) out["code"] = renderer.token(record.code).text;
  OrderedJson names = OrderedJson::array();
  for (const std::string& name : record.arguments) names.push_back(renderer.token(name).text);
  out["arguments"] = std::move(names);
  if (record.results) out["results"] = *record.results;
  if (record.as_of) {
    out["as_of"] = {{"commit", record.as_of->commit.value}, {"tree_size", record.as_of->size}};
  }
  if (!record.client.empty()) out["client"] = renderer.token(record.client).text;
  return out;
}

std::vector<std::string> cells_of(const OrderedJson& row) {
  std::vector<std::string> names;
  for (const OrderedJson& name : row["arguments"]) names.push_back(name.get<std::string>());
  const auto number = [&](const OrderedJson& from, const char* name) {
    const auto found = from.find(name);
    return found == from.end() ? std::string() : found->dump();
  };
  return {row["seq"].get<std::string>(),
          row["time"].get<std::string>(),
          row["caller"].get<std::string>(),
          row["tool"].get<std::string>(),
          row["outcome"].get<std::string>(),
          row.value("code", ""),
          join(names, "|"),
          number(row, "results"),
          row.contains("as_of") ? number(row["as_of"], "tree_size") : "",
          row.value("client", "")};
}

server::ToolResult present(const query::AccessPage& page, const AccessAsk& ask, Renderer& renderer) {
  ResultBuilder out;
  out.as_of(page.as_of, page.server_time);
  out.window(page.applied, ask.tz, ask.given_window);
  out.put("applied", applied_json(page.applied, page.order, renderer));
  out.line("applied", applied_json(page.applied, page.order, renderer).dump());
  const bool complete = !page.total_is_lower_bound && page.unshown == 0 && page.first_held.value == 0;
  out.put("coverage", {{"first_seq", page.first_held.value}, {"complete", complete}});
  out.line("complete", complete);
  out.page(page, page.rows.size());
  out.findings(page.findings, page.findings_total);
  out.notes({}, ask.coercions, renderer);
  OrderedJson rows = OrderedJson::array();
  std::vector<std::vector<std::string>> cells;
  for (const query::AccessRow& row : page.rows) {
    rows.push_back(row_json(row, renderer));
    cells.push_back(cells_of(rows.back()));
  }
  out.trust(renderer, {"client"}, {});
  out.put("accesses", std::move(rows));
  out.table(kColumns, cells);
  return out.take();
}

}  // namespace

server::ToolResult answer_accesses(query::Engine& engine, const AccessAsk& ask, const std::string& mark_tag) {
  // As the events: one that came out too large is made again with that much less for rows.
  for (size_t around = kAccessEnvelopeBytes;;) {
    Renderer renderer(mark_tag);
    size_t size = around;
    const auto fits = [&](const query::AccessRow& row) {
      size += dumped_size(row_json(row, renderer)) + 1;
      return size <= ask.budget_bytes;
    };
    const query::Answer<query::AccessPage> page = engine.accesses(ask.request, fits);
    if (!page.ok()) return error_result(page.error(), renderer);
    server::ToolResult result = present(*page, ask, renderer);
    const size_t actual = size_bytes_of(result);
    if (actual <= ask.budget_bytes || page->rows.size() <= 1) return result;
    around += actual - ask.budget_bytes + kAccessSlackBytes;
  }
}

}  // namespace khipu::mcp::tools
