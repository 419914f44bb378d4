#include "mcp/tools/exports.h"

#include <algorithm>
#include <map>

namespace khipu::mcp::tools {
namespace {

constexpr TimeUs kLifeUs = 15LL * 60 * 1'000'000;
constexpr size_t kKeptMax = 16, kKeptOfAllMax = 128;
constexpr uint32_t kRowsAtOnce = 200;
constexpr size_t kLastLineBytes = 2048;  // room that the last line needs, with its cursor
constexpr int64_t kTimeLeftMs = 10'000;  // of what a host waits: then the rest is for another call

bool has_note(const OrderedJson& page, const query::Note& note) {
  const auto notes = page.find("notes");
  if (notes == page.end()) return false;
  return std::any_of(notes->begin(), notes->end(), [&](const OrderedJson& other) {
    return other.value("code", "") == note.code && other.value("text", "") == note.text;
  });
}
bool has_note(const std::vector<query::Note>& notes, const query::Note& note) {
  return std::any_of(notes.begin(), notes.end(),
                     [&](const query::Note& other) { return other.code == note.code && other.text == note.text; });
}

}  // namespace

std::string Exports::keep(Export made, TimeUs now) {
  made.expires_at = now + kLifeUs;
  const std::lock_guard lock(mutex_);
  std::erase_if(kept_, [&](const Kept& one) { return now >= one.made->expires_at; });
  std::map<std::string_view, size_t> counts;
  for (const Kept& one : kept_) ++counts[one.made->caller];
  // A caller's own make room for its newest; where all are too many, the oldest of whoever has the most.
  size_t too_many = 0;
  if (counts[made.caller] < kKeptMax && kept_.size() >= kKeptOfAllMax) {
    for (const auto& [caller, count] : counts) too_many = std::max(too_many, count);
  }
  const auto leaves = [&](const Kept& one) {
    return too_many > 0 ? counts[one.made->caller] == too_many
                        : counts[made.caller] >= kKeptMax && one.made->caller == made.caller;
  };
  if (const auto oldest = std::find_if(kept_.begin(), kept_.end(), leaves); oldest != kept_.end()) kept_.erase(oldest);
  const std::string id = std::to_string(++last_) + "-" + made.tag;
  kept_.push_back({id, std::make_shared<const Export>(std::move(made))});
  return std::string(kExportPrefix) + id;
}

std::shared_ptr<const Export> Exports::find(std::string_view id, const std::string& caller, TimeUs now) const {
  const std::lock_guard lock(mutex_);
  const auto found = std::find_if(kept_.begin(), kept_.end(), [&](const Kept& one) { return one.id == id; });
  if (found == kept_.end() || found->made->caller != caller || now >= found->made->expires_at) return nullptr;
  return found->made;
}

Result<std::string> read_export(const Export& from, query::Engine& engine, const server::CallContext& context) {
  OrderedJson first = OrderedJson::object();
  for (const char* member : {"as_of", "window", "applied", "coverage", "total", "trust", "notes"}) {
    if (const auto found = from.page.find(member); found != from.page.end()) first[member] = *found;
  }
  // Of the page alone: what is cut off there is exported.
  if (const auto notes = first.find("notes"); notes != first.end()) {
    OrderedJson kept = OrderedJson::array();
    for (const OrderedJson& note : *notes) {
      if (note.value("code", "") != "SCAN_LIMIT") kept.push_back(note);
    }
    *notes = std::move(kept);
  }
  std::vector<query::Note> later;  // of the pages after it
  std::string text = first.dump() + "\n";
  uint64_t rows = 0;
  for (const OrderedJson& row : from.page.at("events")) {
    text += row.dump() + "\n";
    ++rows;
  }
  uint64_t unshown = from.page.value("unshown", uint64_t{0});
  const auto more = from.page.find("more");
  std::string cursor = more != from.page.end() && more->is_object() ? more->value("cursor", "") : "";
  Renderer renderer(from.tag);
  while (!cursor.empty() && text.size() + kLastLineBytes < kExportSizeMax && context.remaining_ms() > kTimeLeftMs) {
    query::EventRequest request;
    request.cursor = cursor;
    request.caller = from.caller;
    request.limit = kRowsAtOnce;
    request.stop = context.stop();
    std::vector<std::string> lines;
    size_t size = text.size() + kLastLineBytes;
    request.fits = [&](const query::EventRow& row) {
      lines.push_back(view_event(row, from.style, renderer).json.dump() + "\n");
      size += lines.back().size();
      return size <= kExportSizeMax;
    };
    const query::Answer<query::EventPage> page = engine.events(request);
    if (!page.ok()) {
      return Error{page.error().code == "CURSOR_EXPIRED" ? Code::kPurged : Code::kIo,
                   page.error().code + ": " + page.error().hint};
    }
    // The first row of a page always goes; one that is larger than all room there is ends the export before it.
    if (page->rows.size() == 1 && size > kExportSizeMax) break;
    for (size_t i = 0; i < page->rows.size(); ++i) text += lines[i];
    for (const query::Note& note : page->notes) {
      if (note.code != "SCAN_LIMIT" && !has_note(first, note) && !has_note(later, note)) later.push_back(note);
    }
    rows += page->rows.size();
    unshown += page->unshown;
    cursor = page->cursor.value_or("");
    if (page->more_reason == "budget") break;
  }
  OrderedJson last = {{"returned", rows}, {"unshown", unshown}, {"complete", cursor.empty()}};
  if (!cursor.empty()) last["cursor"] = cursor;
  for (const query::Note& note : later) last["notes"].push_back({{"code", note.code}, {"text", note.text}});
  if (renderer.has_marked()) last["notice"] = renderer.notice();
  return text + last.dump() + "\n";
}

}  // namespace khipu::mcp::tools
