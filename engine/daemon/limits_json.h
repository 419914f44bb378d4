// What one batch and one event may hold, as the running writer tells it ("limits" of GET /v1/status), so that whoever
// sends cuts and refuses by the same figures. The names are those of the configuration file's [limits].
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string_view>

#include "engine/base/result.h"
#include "engine/ingest/event.h"

namespace khipu::daemon {

nlohmann::ordered_json limits_json(const ingest::Limits& limits, uint64_t body_size_bytes_max);
// Of the whole answer of /v1/status. What it does not say is as it is by default. kCorrupt: no such answer.
Result<ingest::Limits> parse_limits(std::string_view status);
// The same of a request's body (http.body_size_bytes_max).
Result<uint64_t> parse_body_limit(std::string_view status);

}  // namespace khipu::daemon
