#include "engine/import/parked_entries.h"

#include <nlohmann/json.hpp>

#include "engine/crypto/hash.h"
#include "engine/import/parking.h"

namespace khipu::import {
namespace {

using Json = nlohmann::json;

Error bad(const char* why) { return Error{Code::kCorrupt, std::string("a line of a DLQ file: ") + why}; }

bool is_text(const Json& json, const char* name) {
  const auto found = json.find(name);
  return found != json.end() && found->is_string();
}
bool is_count(const Json& json, const char* name) {
  const auto found = json.find(name);
  return found != json.end() && found->is_number_unsigned();
}
std::string text(const Json& json, const char* name) { return json[name].get<std::string>(); }

Result<ParkedEntry> parse_entry(std::string_view line, const Json& json) {
  for (const char* name : {"file", "format", "reason"}) {
    if (!is_text(json, name)) return bad("a text is missing");
  }
  for (const char* name : {"line", "offset", "size"}) {
    if (!is_count(json, name)) return bad("a number is missing");
  }
  ParkedEntry entry;
  entry.file = text(json, "file");
  entry.format = text(json, "format");
  entry.reason = text(json, "reason");
  entry.line = json["line"].get<uint64_t>();
  entry.offset = json["offset"].get<uint64_t>();
  entry.size = json["size"].get<uint64_t>();
  Parked parked{entry.file, entry.format, entry.line, entry.offset, entry.reason, {}, false};
  // Written by parking.h, then it is this text: a line that says the same in other words is not one of its.
  std::string place = parked_place(parked, entry.size);
  if (!line.starts_with(place)) return bad("not in the form entries have");
  entry.place = crypto::sha256(as_bytes(place));
  if (is_text(json, "raw")) {
    const std::string raw = text(json, "raw");
    entry.raw.emplace(raw.begin(), raw.end());
  } else if (is_text(json, "raw_base64")) {
    std::optional<Buffer> raw = from_base64(text(json, "raw_base64"));
    if (!raw) return bad("its bytes are not base64");
    entry.raw = std::move(raw);
  } else if (is_text(json, "key") && is_text(json, "sealed")) {
    entry.key_id = text(json, "key");
    std::optional<Buffer> sealed = from_base64(text(json, "sealed"));
    if (!sealed) return bad("what is sealed is not base64");
    entry.sealed = std::move(*sealed);
    if (line != sealed_line(place, entry.key_id, entry.sealed)) return bad("not in the form entries have");
    return entry;
  } else {
    return bad("no bytes");
  }
  parked.raw = *entry.raw;
  if (entry.raw->size() != entry.size || line != parked_line(parked)) return bad("not in the form entries have");
  return entry;
}

}  // namespace

Result<std::variant<ParkedEntry, ParkedKey>> parse_parked(std::string_view line) {
  if (line.size() > kParkedLineSizeBytesMax) return bad("longer than 128 MiB");
  const Json json = Json::parse(line, nullptr, false);
  if (!json.is_object() || !is_text(json, "schema")) return bad("not a JSON object with a schema");
  const std::string schema = text(json, "schema");
  if (schema == "khipu.dlq-key/v1") {
    if (!is_text(json, "id") || !is_text(json, "key")) return bad("a key without id or bytes");
    std::optional<Buffer> wrapped = from_base64(text(json, "key"));
    if (!wrapped) return bad("a key that is not base64");
    ParkedKey key{text(json, "id"), std::move(*wrapped)};
    if (line != parked_key_line(key.id, key.wrapped)) return bad("not in the form keys have");
    return std::variant<ParkedEntry, ParkedKey>(std::move(key));
  }
  if (schema != "khipu.dlq-import/v1") return bad("of an unknown schema");
  KHIPU_TRY_ASSIGN(ParkedEntry entry, parse_entry(line, json));
  return std::variant<ParkedEntry, ParkedKey>(std::move(entry));
}

Result<ParkedLines> each_parked_line(const os::File& file, uint64_t line_size_max,
                                     const std::function<void(std::string_view)>& visit, uint64_t from) {
  KHIPU_TRY_ASSIGN(const uint64_t end, file.size());
  ParkedLines lines;
  lines.whole_size = from;
  Buffer window;
  for (uint64_t read = from; read < end;) {
    const size_t old = window.size();
    window.resize(old + (256 << 10));
    KHIPU_TRY_ASSIGN(const size_t got, file.read_at(read, std::span<uint8_t>(window).subspan(old)));
    window.resize(old + got);
    if (got == 0) break;
    read += got;
    size_t begin = 0;
    for (size_t at = old; at < window.size(); ++at) {
      if (window[at] != '\n') continue;
      visit(as_text(Bytes(window).subspan(begin, at - begin)));
      begin = at + 1;
    }
    lines.whole_size += begin;
    window.erase(window.begin(), window.begin() + static_cast<ptrdiff_t>(begin));
    if (window.size() > line_size_max) return Error{Code::kLimit, "a line longer than 128 MiB"};
  }
  lines.torn = !window.empty();
  return lines;
}

}  // namespace khipu::import
