// One result in its two forms: an object for clients that read structuredContent, and header lines with CSV tables for
// those that show content. Every fact is put once and appears in both (mcp/README.md "Adding a tool").
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/query/rows.h"
#include "mcp/server/tool.h"
#include "mcp/tools/render.h"

namespace khipu::mcp::tools {

inline constexpr size_t kNotesMax = 20;    // of one result; a last one says how many there are besides
inline constexpr size_t kSubjectsMax = 3;  // of notes that are alike
inline constexpr size_t kFindingsMax = 5;  // of one result, the first ones; findings_total says how many there are
OrderedJson finding_json(const query::Finding& finding);

class ResultBuilder {
 public:
  // A fact of the envelope; `line` is its header line's name, empty for none.
  void put(std::string_view member, OrderedJson value) { structured_[std::string(member)] = std::move(value); }
  void line(std::string_view name, std::string_view value);
  void line(std::string_view name, const char* value) { line(name, std::string_view(value)); }  // else taken as bool
  void line(std::string_view name, uint64_t value) { line(name, std::to_string(value)); }
  void line(std::string_view name, bool value) { line(name, std::string_view(value ? "true" : "false")); }
  // A table: lower-case names, rows of rendered cells, and a last line as it is when there is one.
  void table(const std::vector<std::string>& names, const std::vector<std::vector<std::string>>& rows,
             std::string_view last = {});

  // Our own text, as it is to be kept, behind all tables; in the object its member has the lines.
  void whole(std::string_view name, std::string_view text);

  void as_of(const query::AsOf& as_of, TimeUs server_time);
  void window(const query::Filter& filter, std::string_view tz, OrderedJson given);
  void coverage(const query::Coverage& coverage);
  // "total", "population": a number, or {"at_least": it} where the scan was bounded.
  void count(std::string_view name, uint64_t number, bool lower_bound);
  // What an EventPage or AccessPage says of itself beside its rows.
  template <typename Page>
  void page(const Page& page, size_t returned) {
    count("total", page.total, page.total_is_lower_bound);
    paging(returned, page.cursor, page.more_reason, page.unshown, page.scanned);
  }
  void notes(const std::vector<query::Note>& notes, const std::vector<std::string>& coercions, Renderer& renderer);
  void findings(const std::vector<query::Finding>& findings, uint64_t total);
  void trust(const Renderer& renderer, const std::vector<std::string>& untrusted,
             const std::vector<std::string>& withheld);

  server::ToolResult take();

 private:
  void paging(size_t returned, const std::optional<std::string>& cursor, const std::string& more_reason,
              uint64_t unshown, std::optional<uint64_t> scanned);

  OrderedJson structured_ = OrderedJson::object();
  std::string header_, tables_, whole_;
};

// "2026-06-15T05:07:07.123456Z"
std::string time_text(TimeUs time);
std::string join(const std::vector<std::string>& parts, std::string_view separator);
// What an answer of this many bytes costs, by the rule both forms are held to: ceil(bytes / 3).
inline size_t tokens_of(size_t bytes) { return (bytes + 2) / 3; }
// json.dump().size() without the text: budgets are kept by size, and most of what is measured is then written down.
size_t dumped_size(const OrderedJson& json);
// Bytes of the larger of the two forms, whole.
size_t size_bytes_of(const server::ToolResult& result);

}  // namespace khipu::mcp::tools
