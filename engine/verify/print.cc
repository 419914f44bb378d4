#include "engine/verify/print.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/base/time.h"

namespace khipu::verify {
namespace {

// A signed note fit for a report: its bytes matter, so a text with anything but printable ASCII, line feeds and the
// dash of a signature line goes in as base64, whole.
std::string signed_text(const std::string& text) {
  std::string rest = text;
  for (size_t at = rest.find("\xe2\x80\x94"); at != std::string::npos; at = rest.find("\xe2\x80\x94"))
    rest.erase(at, 3);
  const bool plain = std::all_of(rest.begin(), rest.end(), [](char c) { return c == '\n' || (c >= ' ' && c <= '~'); });
  return plain ? text : "base64:" + base64(as_bytes(text));
}

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) > 0x7e) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned char>(c));
    } else {
      out += c;
    }
  }
  return out + '"';
}

// Members of one object, comma by comma.
class Object {
 public:
  explicit Object(std::string& out) : out_(out) { out_ += '{'; }
  std::string& key(std::string_view name) {
    if (!first_) out_ += ',';
    first_ = false;
    return out_ += quoted(name) + ':';
  }
  void text(std::string_view name, std::string_view value) { key(name) += quoted(value); }
  void number(std::string_view name, uint64_t value) { key(name) += std::to_string(value); }
  void boolean(std::string_view name, bool value) { key(name) += value ? "true" : "false"; }
  void texts(std::string_view name, const std::vector<std::string>& values) {
    key(name) += '[';
    for (size_t i = 0; i < values.size(); ++i) out_ += (i == 0 ? "" : ",") + quoted(values[i]);
    out_ += ']';
  }
  void end() { out_ += '}'; }

 private:
  std::string& out_;
  bool first_ = true;
};

void put(std::string& out, const Finding& finding) {
  Object object(out);
  object.text("code", finding.code);
  object.boolean("information", finding.information);
  if (finding.table) object.text("table", table_name(*finding.table));
  if (finding.row && finding.row->value != UINT64_MAX) object.number("row", finding.row->value);
  if (finding.row_end) object.number("row_end", finding.row_end->value);
  if (finding.segment) object.number("segment", finding.segment->value);
  if (!finding.file.empty()) object.text("file", finding.file);
  if (finding.offset) object.number("offset", *finding.offset);
  if (!finding.expected.empty()) object.text("expected", finding.expected);
  if (!finding.actual.empty()) object.text("actual", finding.actual);
  if (finding.commit) object.number("commit", finding.commit->value);
  object.text("detail", finding.detail);
  if (finding.last_good) {
    object.key("last_good");
    Object good(out);
    good.number("row", finding.last_good->row.value);
    if (finding.last_good->recorded_at) good.text("recorded_at", format_rfc3339(*finding.last_good->recorded_at));
    good.end();
  }
  if (finding.next_good) object.number("next_good_row", finding.next_good->value);
  if (!finding.likely.empty()) object.text("likely", finding.likely);
  if (!finding.signed_heads.empty()) {
    object.key("signed_heads") += '[';
    for (size_t i = 0; i < finding.signed_heads.size(); ++i) {
      out += (i == 0 ? "\"" : ",\"");
      for (const char c : signed_text(finding.signed_heads[i])) {  // UTF-8 as it is: only the dash is not ASCII
        if (c == '"' || c == '\\') out += '\\';
        out += c == '\n' ? std::string("\\n") : std::string(1, c);
      }
      out += '"';
    }
    out += ']';
  }
  object.end();
}

std::string place(const Finding& finding) {
  std::string text;
  if (finding.table && finding.row && finding.row->value != UINT64_MAX) {
    text = fmt::format("{} row {}", table_name(*finding.table), finding.row->value);
    if (finding.row_end) text += fmt::format(" to {}", finding.row_end->value - 1);
  }
  if (!finding.file.empty()) text += (text.empty() ? "" : ", ") + finding.file;
  if (finding.offset) text += fmt::format(" byte {}", *finding.offset);
  return text;
}

void put_page(std::string& out, const Finding& finding) {
  out += fmt::format("  {}{}: {}\n", finding.code, finding.information ? " (information)" : "", place(finding));
  out += "    " + finding.detail + "\n";
  if (!finding.expected.empty() || !finding.actual.empty()) {
    out += fmt::format("    expected {}; found {}\n", finding.expected.empty() ? "-" : finding.expected,
                       finding.actual.empty() ? "-" : finding.actual);
  }
  for (const std::string& head : finding.signed_heads) {
    out += "    signed head:\n      ";
    for (const char c : signed_text(head)) out += c == '\n' ? std::string("\n      ") : std::string(1, c);
    out += "\n";
  }
  if (finding.last_good) {
    out += fmt::format("    last good row {}", finding.last_good->row.value);
    if (finding.last_good->recorded_at) out += fmt::format(" ({})", format_rfc3339(*finding.last_good->recorded_at));
    if (finding.next_good) out += fmt::format(", next good row {}", finding.next_good->value);
    out += "\n";
  }
  if (!finding.likely.empty()) {
    out += finding.likely == "media"
               ? "    the checksum is wrong too: a fault of the medium, or a change by hand\n"
               : "    likely rewritten by something that knew the format: the checksum is right\n";
  }
}

}  // namespace

std::string to_json(const Report& report) {
  std::string out;
  Object object(out);
  object.text("schema", "khipu.verify/v1");
  object.text("verdict", name(report.verdict));
  object.text("scope", report.scope);
  if (report.from_row) object.number("from_row", report.from_row->value);
  if (report.to_row) object.number("to_row", report.to_row->value);
  if (report.seed) object.number("seed", *report.seed);
  if (report.since_commit) {
    object.number("since_commit", report.since_commit->value);
    object.number("full_commit", report.full_commit->value);
    object.text("full_time", format_rfc3339(report.full_time));
  }
  object.text("origin", report.origin);
  object.text("root_id", hex(report.root_id));
  object.key("commit");
  Object commit(out);
  commit.number("number", report.commit.value);
  commit.text("time", format_rfc3339(report.commit_time));
  commit.text("hash", hex(report.commit_hash));
  commit.key("tables");
  Object tables(out);
  for (const TableId id : kTables) {
    tables.key(table_name(id));
    Object table(out);
    table.number("size", report.sizes[index_of(id)]);
    table.text("root", base64(report.roots[index_of(id)]));
    table.end();
  }
  tables.end();
  commit.end();
  object.key("checked");
  Object checked(out);
  checked.number("records", report.checked.records);
  checked.number("segments", report.checked.segments);
  checked.number("commits", report.checked.commits);
  checked.number("signatures", report.checked.signatures);
  checked.number("references", report.checked.references);
  checked.number("statements", report.checked.statements);
  checked.number("quarantine_files", report.checked.quarantine_files);
  checked.number("key_files", report.checked.key_files);
  checked.number("checkpoints", report.checked.checkpoints);
  checked.number("outside_heads", report.checked.outside_heads);
  checked.number("reread", report.checked.reread);
  checked.number("not_retained", report.checked.not_retained);
  checked.number("bytes", report.checked.bytes);
  checked.end();
  object.texts("basis", report.basis);
  object.texts("not_checked", report.not_checked);
  object.key("first_break");
  if (report.first_break) {
    put(out, *report.first_break);
  } else {
    out += "null";
  }
  object.key("findings") += '[';
  for (size_t i = 0; i < report.findings.size(); ++i) {
    if (i > 0) out += ',';
    put(out, report.findings[i]);
  }
  out += ']';
  object.key("counts");
  Object counts(out);
  for (const auto& [code, count] : report.counts) counts.number(code, count);
  counts.end();
  object.text("statement", report.statement);
  object.texts("does_not_show", report.does_not_show);
  object.end();
  return out;
}

std::string to_page(const Report& report) {
  std::string out = fmt::format("verdict: {}\n{}\n\n", name(report.verdict), report.statement);
  out += fmt::format("log: {} (root {})\n", report.origin.empty() ? "unknown" : report.origin, hex(report.root_id));
  if (report.commit.value == 0) {
    out += "newest commit: none was reached\n";
  } else {
    out += fmt::format("newest commit: {} at {}\n", report.commit.value, format_rfc3339(report.commit_time));
    for (const TableId id : kTables) {
      out += fmt::format("  {:<9}{:>12} rows  {}\n", table_name(id), report.sizes[index_of(id)],
                         base64(report.roots[index_of(id)]));
    }
  }
  out += fmt::format("checked: {} records, {} segments, {} commits, {} signatures, {} references, {} bytes\n",
                     report.checked.records, report.checked.segments, report.checked.commits, report.checked.signatures,
                     report.checked.references, report.checked.bytes);
  if (report.seed) out += fmt::format("drawn at random with seed {}\n", *report.seed);
  if (report.since_commit) {
    out += fmt::format(
        "new since commit {}; {} old rows read again; everything up to commit {} last read in one run at {}\n",
        report.since_commit->value, report.checked.reread, report.full_commit->value, format_rfc3339(report.full_time));
  }
  out += "basis:";
  for (const std::string& basis : report.basis) out += " " + basis;
  out += report.basis.empty() ? " none\n" : "\n";
  if (report.first_break) {
    out += "\nfirst break:\n";
    put_page(out, *report.first_break);
  }
  if (report.findings.size() > (report.first_break ? 1 : 0)) {
    out += "\nall findings:\n";
    for (const Finding& finding : report.findings) put_page(out, finding);
    for (const auto& [code, count] : report.counts) out += fmt::format("  {} x {}\n", count, code);
  }
  out += "\nnot checked:\n";
  for (const std::string& text : report.not_checked) out += "  " + text + "\n";
  out += "this does not show:\n";
  for (const std::string& text : report.does_not_show) out += "  " + text + "\n";
  return out;
}

}  // namespace khipu::verify
