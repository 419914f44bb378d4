#include "engine/proof/document.h"

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "engine/base/parse_json.h"

namespace khipu::proof {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kEventFormat = "khipu-bundle/v1";
constexpr std::string_view kConsistencyFormat = "khipu-consistency/v1";
constexpr std::string_view kRangeFormat = "khipu-range/v1";

Json encoded(const std::vector<Hash>& hashes) {
  Json list = Json::array();
  for (const Hash& hash : hashes) list.push_back(base64(hash));
  return list;
}

Json to_json(const EventBundle& bundle) {
  Json json = {{"format", kEventFormat},
               {"seq", bundle.seq.value},
               {"record", base64(bundle.event.record)},
               {"table_proof", bundle.event.proof},
               {"table_head", base64(bundle.table_head.record)},
               {"meta_proof", bundle.table_head.proof}};
  Json pinned = Json::array();
  for (const ProvenRecord& version : bundle.pinned) {
    pinned.push_back({{"record", base64(version.record)}, {"proof", version.proof}});
  }
  json["pinned"] = std::move(pinned);
  if (!bundle.pinned.empty()) {
    json["registry_head"] = base64(bundle.registry_head.record);
    json["registry_head_proof"] = bundle.registry_head.proof;
  }
  return json;
}
Json to_json(const ConsistencyBundle& bundle) {
  return {{"format", kConsistencyFormat},
          {"old_checkpoint", bundle.old_checkpoint},
          {"new_checkpoint", bundle.new_checkpoint},
          {"path", encoded(bundle.path)}};
}
Json to_json(const RangeBundle& bundle) {
  Json records = Json::array();
  for (const Buffer& record : bundle.records) records.push_back(base64(record));
  return {{"format", kRangeFormat},
          {"from", bundle.from.value},
          {"records", std::move(records)},
          {"left", encoded(bundle.left)},
          {"right", encoded(bundle.right)},
          {"checkpoint", bundle.checkpoint},
          {"table_head", base64(bundle.table_head.record)},
          {"meta_proof", bundle.table_head.proof}};
}

// The members of one object, each taken once; what is left over is unknown. The first mistake sticks.
class Members {
 public:
  explicit Members(const Json& object) : object_(object) {
    if (!object.is_object()) wrong_ = "expected an object";
  }
  bool has(const char* name) const { return object_.is_object() && object_.contains(name); }
  std::string text(const char* name) {
    const Json* member = take(name);
    if (member != nullptr && !member->is_string()) fail(name, "expected text");
    return member != nullptr && member->is_string() ? member->get<std::string>() : "";
  }
  uint64_t number(const char* name) {
    const Json* member = take(name);
    if (member != nullptr && !member->is_number_unsigned()) fail(name, "expected a whole number");
    return member != nullptr && member->is_number_unsigned() ? member->get<uint64_t>() : 0;
  }
  Buffer bytes(const char* name) { return decoded(name, text(name)); }
  std::vector<Buffer> byte_list(const char* name) {
    std::vector<Buffer> list;
    for (const Json& item : array(name)) {
      if (!item.is_string()) fail(name, "expected texts");
      list.push_back(item.is_string() ? decoded(name, item.get<std::string>()) : Buffer());
    }
    return list;
  }
  std::vector<Hash> hashes(const char* name) {
    std::vector<Hash> list;
    for (const Buffer& bytes : byte_list(name)) {
      if (bytes.size() != sizeof(Hash)) {
        fail(name, "expected hashes of 32 bytes");
        break;
      }
      std::copy(bytes.begin(), bytes.end(), list.emplace_back().begin());
    }
    return list;
  }
  const Json& array(const char* name) {
    static const Json kNothing = Json::array();
    const Json* member = take(name);
    if (member != nullptr && !member->is_array()) fail(name, "expected a list");
    return member != nullptr && member->is_array() ? *member : kNothing;
  }
  void fail(const std::string& name, const char* what) {
    if (wrong_.empty()) wrong_ = name + ": " + what;
  }
  bool right() const { return wrong_.empty(); }
  // Of all that was asked for; unknown members are refused.
  Result<void> finish() {
    if (wrong_.empty() && taken_ < object_.size()) wrong_ = "there are members that do not belong here";
    if (wrong_.empty()) return {};
    return Error{Code::kInvalid, "proof document: " + wrong_};
  }

 private:
  const Json* take(const char* name) {
    if (!has(name)) {
      fail(name, "missing");
      return nullptr;
    }
    ++taken_;
    return &object_.at(name);
  }
  Buffer decoded(const char* name, const std::string& text) {
    std::optional<Buffer> bytes = from_base64(text);
    if (!bytes) fail(name, "expected base64");
    return bytes ? *std::move(bytes) : Buffer();
  }
  const Json& object_;
  std::string wrong_;
  size_t taken_ = 0;
};

Result<Document> read_event(Members& in) {
  EventBundle bundle;
  bundle.seq.value = in.number("seq");
  bundle.event = {in.bytes("record"), in.text("table_proof")};
  bundle.table_head = {in.bytes("table_head"), in.text("meta_proof")};
  for (const Json& item : in.array("pinned")) {
    Members version(item);
    Buffer record = version.bytes("record");
    bundle.pinned.push_back({std::move(record), version.text("proof")});
    KHIPU_TRY(at("pinned", version.finish()));
  }
  if (!bundle.pinned.empty()) bundle.registry_head = {in.bytes("registry_head"), in.text("registry_head_proof")};
  KHIPU_TRY(in.finish());
  return Document(std::move(bundle));
}
Result<Document> read_consistency(Members& in) {
  ConsistencyBundle bundle{in.text("old_checkpoint"), in.text("new_checkpoint"), in.hashes("path")};
  KHIPU_TRY(in.finish());
  return Document(std::move(bundle));
}
Result<Document> read_range(Members& in) {
  RangeBundle bundle;
  bundle.from.value = in.number("from");
  bundle.records = in.byte_list("records");
  bundle.left = in.hashes("left");
  bundle.right = in.hashes("right");
  bundle.checkpoint = in.text("checkpoint");
  bundle.table_head = {in.bytes("table_head"), in.text("meta_proof")};
  KHIPU_TRY(in.finish());
  return Document(std::move(bundle));
}

// Before the parser sees the text: it is recursive in what it destroys, and each value costs it some 80 bytes. Ours are
// hashes, records and notes, hardly one in 32 bytes.
constexpr int kDepthMax = 4;
constexpr size_t kValuesMin = 256, kBytesAValue = 32;
bool is_modest(std::string_view json) {
  int depth = 0;
  size_t values = 0;
  bool in_string = false;
  for (size_t at = 0; at < json.size(); ++at) {
    const char c = json[at];
    if (in_string) {
      if (c == '\\') ++at;
      in_string = c != '"';
      continue;
    }
    in_string = c == '"';
    if (c == '{' || c == '[') ++depth;
    if (c == '}' || c == ']') --depth;
    if (c == ',') ++values;
    if (depth > kDepthMax) return false;
  }
  return values <= kValuesMin + json.size() / kBytesAValue;
}

}  // namespace

std::string format_document(const Document& document) {
  return std::visit([](const auto& bundle) { return to_json(bundle).dump(2) + "\n"; }, document);
}

Result<Document> parse_document(std::string_view text) {
  if (text.size() > kDocumentSizeMax) return Error{Code::kLimit, "proof document: over 64 MiB"};
  // The parser would take a byte order mark in front, and a zero byte for the end: other readers do not.
  const bool is_plain = !text.starts_with("\xef\xbb\xbf") && text.find('\0') == std::string_view::npos;
  const ParsedJson<Json> parsed =
      is_plain && is_modest(text) ? parse_json<Json>(text) : ParsedJson<Json>{Json(Json::value_t::discarded), {}};
  if (parsed.json.is_discarded()) {
    return Error{Code::kInvalid, "proof document: not JSON, or deeper or of more values than a proof is"};
  }
  if (parsed.repeated) return Error{Code::kInvalid, "proof document: a member is there twice"};
  Members in(parsed.json);
  const std::string format = in.text("format");
  if (format == kEventFormat) return read_event(in);
  if (format == kConsistencyFormat) return read_consistency(in);
  if (format == kRangeFormat) return read_range(in);
  if (!in.right()) return in.finish().error();
  return Error{Code::kUnsupported,
               "proof document: format: expected khipu-bundle/v1, khipu-consistency/v1 or khipu-range/v1"};
}

}  // namespace khipu::proof
