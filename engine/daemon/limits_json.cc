#include "engine/daemon/limits_json.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "engine/daemon/http.h"

namespace khipu::daemon {
namespace {

constexpr std::pair<const char*, uint32_t ingest::Limits::*> kSizes[] = {
    {"event_size_bytes_max", &ingest::Limits::event_size_bytes_max},
    {"targets_max", &ingest::Limits::targets_max},
    {"fields_max", &ingest::Limits::fields_max},
    {"id_size_bytes_max", &ingest::Limits::id_size_bytes_max},
    {"text_size_bytes_max", &ingest::Limits::text_size_bytes_max},
    {"batch_events_max", &ingest::Limits::batch_events_max},
};
constexpr const char* kFuture = "future_s";
constexpr const char* kBody = "body_size_bytes_max";

Error no_answer(const std::string& what) {
  return Error{Code::kCorrupt, "the running writer's status is not one of ours: " + what};
}

}  // namespace

nlohmann::ordered_json limits_json(const ingest::Limits& limits, uint64_t body_size_bytes_max) {
  nlohmann::ordered_json json = nlohmann::ordered_json::object();
  for (const auto& [name, member] : kSizes) json[name] = limits.*member;
  json[kFuture] = limits.future_us_max / 1000000;
  json[kBody] = body_size_bytes_max;
  return json;
}

Result<ingest::Limits> parse_limits(std::string_view status) {
  const auto json = nlohmann::json::parse(status, nullptr, false);
  if (!json.is_object()) return no_answer("no JSON object");
  ingest::Limits limits;
  const auto told = json.find("limits");
  if (told == json.end()) return limits;
  if (!told->is_object()) return no_answer("limits");
  for (const auto& [name, member] : kSizes) {
    const auto one = told->find(name);
    if (one == told->end()) continue;
    if (!one->is_number_unsigned() || one->get<uint64_t>() > UINT32_MAX) return no_answer(name);
    limits.*member = one->get<uint32_t>();
  }
  const auto future = told->find(kFuture);
  if (future == told->end()) return limits;
  if (!future->is_number_unsigned() || future->get<uint64_t>() > UINT32_MAX) return no_answer(kFuture);
  limits.future_us_max = future->get<int64_t>() * 1000000;
  return limits;
}

Result<uint64_t> parse_body_limit(std::string_view status) {
  const auto json = nlohmann::json::parse(status, nullptr, false);
  if (!json.is_object()) return no_answer("no JSON object");
  const uint64_t otherwise = HttpLimits().body_size_bytes_max;
  const auto limits = json.find("limits");
  if (limits == json.end() || !limits->is_object()) return otherwise;
  const auto told = limits->find(kBody);
  if (told == limits->end()) return otherwise;
  if (!told->is_number_unsigned()) return no_answer(kBody);
  return told->get<uint64_t>();
}

}  // namespace khipu::daemon
