// Parsing by nlohmann/json that also tells of a member named twice in one object, which it passes over in silence: of
// such a document another reader may take the other value. For small documents of our own formats; events are parsed by
// engine/ingest.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace khipu {

template <typename Json>
struct ParsedJson {
  Json json;                            // discarded: the text is not JSON
  std::optional<std::string> repeated;  // a member that is there twice
};

template <typename Json>
ParsedJson<Json> parse_json(std::string_view text) {
  ParsedJson<Json> parsed;
  std::vector<std::set<std::string>> members;  // of the objects that are open
  const auto look = [&](int, typename Json::parse_event_t event, Json& value) {
    if (event == Json::parse_event_t::object_start) members.emplace_back();
    if (event == Json::parse_event_t::object_end) members.pop_back();
    if (event != Json::parse_event_t::key) return true;
    auto name = value.template get<std::string>();
    if (!members.back().insert(name).second) parsed.repeated = std::move(name);
    return true;
  };
  parsed.json = Json::parse(text, look, false);
  return parsed;
}

}  // namespace khipu
