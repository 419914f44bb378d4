#include "engine/daemon/retention_json.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "engine/base/time.h"
#include "engine/base/utf8.h"
#include "engine/segment/format.h"

namespace khipu::daemon {
namespace {

using Json = nlohmann::ordered_json;

Error wrong(std::string what) { return {Code::kInvalid, std::move(what)}; }

Result<Json> parse_object(std::string_view text, std::initializer_list<std::string_view> members) {
  Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) return wrong("a JSON object is wanted");
  for (const auto& [name, value] : json.items()) {
    if (std::find(members.begin(), members.end(), name) == members.end()) return wrong("an unknown member");
  }
  return json;
}

Result<void> number(const Json& json, const char* name, uint64_t most, std::optional<uint64_t>& into) {
  if (!json.contains(name)) return {};
  if (!json[name].is_number_unsigned() || json[name].get<uint64_t>() == 0 || json[name].get<uint64_t>() > most) {
    return wrong(std::string(name) + " must be a whole number from 1 to " + std::to_string(most));
  }
  into = json[name].get<uint64_t>();
  return {};
}

Result<void> flag(const Json& json, const char* name, bool& into) {
  if (!json.contains(name)) return {};
  if (!json[name].is_boolean()) return wrong(std::string(name) + " must be true or false");
  into = json[name].get<bool>();
  return {};
}

Result<std::string> text(const Json& json, const char* name) {
  if (!json.contains(name) || !json[name].is_string()) return wrong(std::string(name) + " must be a string");
  return json[name].get<std::string>();
}

std::string dump(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

}  // namespace

Result<RetentionRequest> parse_retention(std::string_view body) {
  KHIPU_TRY_ASSIGN(const Json json, parse_object(body, {"table", "max_age_s", "max_bytes", "dry_run", "clear_clock"}));
  RetentionRequest request;
  KHIPU_TRY(flag(json, "clear_clock", request.clear_clock));
  if (request.clear_clock) {
    if (json.size() > 1) return wrong("clear_clock stands alone");
    return request;
  }
  KHIPU_TRY_ASSIGN(const std::string table, text(json, "table"));
  if (table != "logs" && table != "access") return wrong("table must be logs or access: the others are never purged");
  request.table = table == "logs" ? TableId::kLogs : TableId::kAccess;
  KHIPU_TRY(number(json, "max_age_s", retention::kMaxAgeS, request.policy.max_age_s));
  KHIPU_TRY(number(json, "max_bytes", retention::kMaxBytes, request.policy.max_bytes));
  KHIPU_TRY(flag(json, "dry_run", request.dry_run));
  if (request.policy.empty()) return wrong("max_age_s or max_bytes is wanted: without a limit everything is kept");
  return request;
}

std::string to_json(const RetentionRequest& request) {
  if (request.clear_clock) return R"({"clear_clock":true})";
  Json json = {{"table", table_name(request.table)}, {"dry_run", request.dry_run}};
  if (request.policy.max_age_s) json["max_age_s"] = *request.policy.max_age_s;
  if (request.policy.max_bytes) json["max_bytes"] = *request.policy.max_bytes;
  return dump(json);
}

Result<void> check_hold(const codec::Hold& hold) {
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-';
  };
  if (hold.name.empty() || hold.name.size() > 64 || !std::all_of(hold.name.begin(), hold.name.end(), plain)) {
    return wrong("the name of a hold must be [A-Za-z0-9._-]{1,64}");
  }
  const bool controls = std::any_of(hold.reason.begin(), hold.reason.end(),
                                    [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; });
  if (hold.reason.empty() || hold.reason.size() > 1024 || controls || !valid_utf8(as_bytes(hold.reason))) {
    return wrong("the reason must be 1 to 1,024 bytes of UTF-8 without control characters");
  }
  return {};
}

Result<codec::Hold> parse_hold(std::string_view body) {
  KHIPU_TRY_ASSIGN(const Json json, parse_object(body, {"action", "name", "reason"}));
  codec::Hold hold;
  KHIPU_TRY_ASSIGN(const std::string action, text(json, "action"));
  if (action != "set" && action != "lift") return wrong("action must be set or lift");
  hold.set = action == "set";
  KHIPU_TRY_ASSIGN(hold.name, text(json, "name"));
  KHIPU_TRY_ASSIGN(hold.reason, text(json, "reason"));
  KHIPU_TRY(check_hold(hold));
  return hold;
}

std::string to_json(const codec::Hold& hold) {
  return dump({{"action", hold.set ? "set" : "lift"}, {"name", hold.name}, {"reason", hold.reason}});
}

std::string plan_json(const retention::Plan& plan, bool dry_run, const std::optional<CommitNumber>& commit,
                      const writer::Retainer::Swept* swept) {
  Json segments = Json::array();
  for (const retention::Going& going : plan.going) {
    const snapshot::SegmentInfo& segment = going.segment;
    Json why = Json::array();
    if (going.by_age) why.push_back("max-age");
    if (going.by_bytes) why.push_back("max-bytes");
    const auto time = [&](TimeUs at) { return segment.rows == 0 ? Json() : Json(format_rfc3339(at)); };
    segments.push_back({{"file", segment::segment_name(segment.number)},
                        {"first_row", segment.first_row.value},
                        {"rows", segment.rows},
                        {"bytes", segment.file_size},
                        {"recorded_first", time(segment.recorded_first)},
                        {"recorded_last", time(segment.recorded_last)},
                        {"why", std::move(why)}});
  }
  Json json = {{"schema", "khipu.retention/v1"},
               {"table", table_name(plan.table)},
               {"policy", retention::text(plan.policy)},
               {"dry_run", dry_run},
               {"rows", plan.rows},
               {"bytes", plan.bytes},
               {"held_bytes", plan.held_bytes},
               {"segments", std::move(segments)},
               {"kept_because", plan.kept_because},
               {"commit", commit ? Json(commit->value) : Json()},
               {"unlinked", Json()}};
  if (swept != nullptr) {
    json["unlinked"] = {
        {"segments", swept->segments}, {"bytes", swept->bytes}, {"readers_waited_out", swept->waited_out}};
  }
  return dump(json);
}

std::string stated_json(CommitNumber commit) {
  return R"({"schema":"khipu.stated/v1","commit":)" + std::to_string(commit.value) + "}";
}

}  // namespace khipu::daemon
