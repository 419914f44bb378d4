#include "mcp/tools/result_builder.h"

#include <algorithm>

#include "engine/base/bytes.h"
#include "engine/base/time.h"

namespace khipu::mcp::tools {

std::string time_text(TimeUs time) { return format_rfc3339(time); }

std::string join(const std::vector<std::string>& parts, std::string_view separator) {
  std::string joined;
  for (const std::string& part : parts) {
    if (&part != &parts.front()) joined += separator;
    joined += part;
  }
  return joined;
}

void ResultBuilder::line(std::string_view name, std::string_view value) {
  header_.append(name).append(": ").append(value).append("\n");
}

void ResultBuilder::table(const std::vector<std::string>& names, const std::vector<std::vector<std::string>>& rows,
                          std::string_view last) {
  tables_ += join(names, ",") + "\n";
  for (const std::vector<std::string>& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) tables_ += (i == 0 ? "" : ",") + csv_cell(row[i]);
    tables_ += "\n";
  }
  if (!last.empty()) tables_.append(last).append("\n");
  tables_ += "\n";
}

void ResultBuilder::whole(std::string_view name, std::string_view text) {
  whole_.append(name).append(", whole:\n").append(text);
}

void ResultBuilder::as_of(const query::AsOf& as_of, TimeUs server_time) {
  put("as_of", {{"tree_size", as_of.tree_size},
                {"root", base64(as_of.root)},
                {"commit", as_of.commit.value},
                {"commit_time", time_text(as_of.commit_time)},
                {"server_time", time_text(server_time)},
                {"basis", as_of.key_pinned ? "pinned_key" : "self_consistent"}});
  line("tree_size", as_of.tree_size);
  line("root", base64(as_of.root));
  line("commit", as_of.commit.value);
  line("server_time", time_text(server_time));
}

void ResultBuilder::window(const query::Filter& filter, std::string_view tz, OrderedJson given) {
  OrderedJson window = OrderedJson::object();
  window["from"] = filter.from ? OrderedJson(time_text(*filter.from)) : OrderedJson(nullptr);
  window["to"] = filter.to ? OrderedJson(time_text(*filter.to)) : OrderedJson(nullptr);
  window["tz"] = tz.empty() ? "UTC" : std::string(tz);
  window["axis"] = query::name(filter.axis);
  if (!given.empty()) window["given"] = std::move(given);
  if (filter.from) line("from", time_text(*filter.from));
  if (filter.to) line("to", time_text(*filter.to));
  line("tz", window["tz"].get_ref<const std::string&>());
  put("window", std::move(window));
}

void ResultBuilder::coverage(const query::Coverage& coverage) {
  OrderedJson out = OrderedJson::object();
  out["retained_from"] =
      coverage.retained_from ? OrderedJson(time_text(*coverage.retained_from)) : OrderedJson(nullptr);
  out["first_seq"] = coverage.first_seq.value;
  out["purged_rows"] = coverage.purged_rows;
  if (coverage.purged_at) {
    out["not_retained_since"] = time_text(*coverage.purged_at);
    out["retention_meta_row"] = coverage.purged_by.value;
  }
  out["purged_overlap"] = coverage.purged_overlap;
  out["complete"] = coverage.complete;
  if (coverage.retained_from) line("retained_from", time_text(*coverage.retained_from));
  line("purged_overlap", coverage.purged_overlap);
  line("complete", coverage.complete);
  put("coverage", std::move(out));
}

void ResultBuilder::count(std::string_view name, uint64_t number, bool lower_bound) {
  if (lower_bound) {
    put(name, {{"at_least", number}});
    line(name, "at least " + std::to_string(number));
  } else {
    put(name, number);
    line(name, number);
  }
}

void ResultBuilder::paging(size_t returned, const std::optional<std::string>& cursor, const std::string& more_reason,
                           uint64_t unshown, std::optional<uint64_t> scanned) {
  put("returned", returned);
  line("returned", returned);
  if (cursor) {
    put("more", {{"cursor", *cursor}, {"reason", more_reason}});
    line("cursor", *cursor);
    line("more", more_reason);
  } else {
    put("more", nullptr);
  }
  if (unshown > 0) {
    put("unshown", unshown);
    line("unshown", unshown);
  }
  if (scanned) {
    put("scanned", *scanned);
    line("scanned", *scanned);
  }
}

void ResultBuilder::notes(const std::vector<query::Note>& notes, const std::vector<std::string>& coercions,
                          Renderer& renderer) {
  std::vector<query::Note> all = notes;
  for (const std::string& coercion : coercions) all.push_back({"ARGUMENT_COERCED", escape(coercion).text, ""});
  OrderedJson out = OrderedJson::array();
  const auto add = [&](OrderedJson note, const std::string& more) {
    line("note", note["code"].get<std::string>() + ": " + note["text"].get<std::string>() + more);
    out.push_back(std::move(note));
  };
  // Those that differ in their subject alone, as for each name of a long list, are one.
  std::vector<bool> told(all.size());
  for (size_t i = 0; i < all.size(); ++i) {
    if (told[i]) continue;
    if (out.size() == kNotesMax) {
      const auto left = static_cast<size_t>(std::count(told.begin(), told.end(), false));
      add({{"code", "NOTES_CUT"}, {"text", std::to_string(left) + " more notes are not shown."}}, "");
      break;
    }
    uint64_t count = 0, shown = 0;
    std::string subjects;
    for (size_t k = i; k < all.size(); ++k) {
      if (told[k] || all[k].code != all[i].code || all[k].text != all[i].text) continue;
      told[k] = true;
      if (++count > kSubjectsMax || all[k].subject.empty()) continue;
      subjects += (shown++ == 0 ? "" : ", ") + renderer.token(all[k].subject).text;
    }
    if (shown > 0 && count > shown) subjects += " (+" + std::to_string(count - shown) + " more)";
    OrderedJson note = {{"code", all[i].code}, {"text", all[i].text}};
    if (!subjects.empty()) note["subject"] = subjects;
    if (count > 1) note["count"] = count;
    add(std::move(note),
        (subjects.empty() ? "" : " (" + subjects + ")") + (count > 1 ? " x" + std::to_string(count) : ""));
  }
  if (!out.empty()) put("notes", std::move(out));
}

OrderedJson finding_json(const query::Finding& finding) {
  return {{"code", finding.code},
          {"table", table_name(finding.table)},
          {"row", finding.row.value},
          {"rows", finding.rows},
          {"where", finding.where}};
}

// What of the record is not there, and whether anything is wrong.
static const char* told(const query::Finding& finding) {
  if (finding.code == query::kFieldShredded)
    return "a value of it is not shown, its key was destroyed on purpose (SHRED)";
  if (finding.code.starts_with("field-")) return "a value of it is not shown; run audit_verify";
  return "this record is not shown; run audit_verify";
}

void ResultBuilder::findings(const std::vector<query::Finding>& findings, uint64_t total) {
  if (findings.empty()) return;
  OrderedJson out = OrderedJson::array();
  for (const query::Finding& finding : findings) {
    if (out.size() == kFindingsMax) break;
    out.push_back(finding_json(finding));
    line("finding", finding.code + " at " + finding.where + ": " + told(finding));
  }
  put("findings", std::move(out));
  put("findings_total", total);
  line("findings_total", total);
}

void ResultBuilder::trust(const Renderer& renderer, const std::vector<std::string>& untrusted,
                          const std::vector<std::string>& withheld) {
  OrderedJson out = {{"untrusted_fields", untrusted}, {"withheld", withheld}};
  if (renderer.has_marked()) {
    out["notice"] = renderer.notice();
    line("notice", renderer.notice());
  }
  put("trust", std::move(out));
}

static size_t quoted_size(const std::string& text) {
  size_t size = text.size() + 2;
  for (const char c : text) {
    if (c == '"' || c == '\\') ++size;
    if (static_cast<unsigned char>(c) < 0x20) {
      const bool is_short = c == '\b' || c == '\f' || c == '\n' || c == '\r' || c == '\t';
      size += is_short ? 1 : 5;
    }
  }
  return size;
}

size_t dumped_size(const OrderedJson& json) {
  switch (json.type()) {
    case OrderedJson::value_t::object: {
      size_t size = json.empty() ? 2 : 1;
      for (const auto& [name, member] : json.get_ref<const OrderedJson::object_t&>()) {
        size += quoted_size(name) + 2 + dumped_size(member);
      }
      return size;
    }
    case OrderedJson::value_t::array: {
      size_t size = json.empty() ? 2 : 1;
      for (const OrderedJson& element : json) size += 1 + dumped_size(element);
      return size;
    }
    case OrderedJson::value_t::string: return quoted_size(json.get_ref<const std::string&>());
    case OrderedJson::value_t::boolean: return json.get<bool>() ? 4 : 5;
    case OrderedJson::value_t::null: return 4;
    case OrderedJson::value_t::number_unsigned: return std::to_string(json.get<uint64_t>()).size();
    case OrderedJson::value_t::number_integer: return std::to_string(json.get<int64_t>()).size();
    default: return json.dump().size();
  }
}

size_t size_bytes_of(const server::ToolResult& result) {
  return std::max(result.text.size(), result.structured ? dumped_size(*result.structured) : 0);
}

server::ToolResult ResultBuilder::take() {
  server::ToolResult result;
  result.text = header_ + "\n" + tables_ + whole_;
  result.structured = std::move(structured_);
  return result;
}

}  // namespace khipu::mcp::tools
