// `resources/list`, `resources/templates/list` and `resources/read` as values, and their JSON in each revision.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "mcp/protocol/content.h"
#include "mcp/protocol/input.h"

namespace khipu::mcp::protocol {

struct ResourceInfo {
  std::string uri;
  std::string name;
  std::string title;  // empty: absent, as are the next three
  std::string description;
  std::string mime_type;
  std::string last_modified;  // RFC 3339
  std::optional<int64_t> size;
};
OrderedJson resource_json(const ResourceInfo& resource, Revision revision);

struct ResourceTemplate {
  std::string uri_template;  // RFC 6570
  std::string name;
  std::string title;  // empty: absent, as are the next two
  std::string description;
  std::string mime_type;
};
OrderedJson resource_template_json(const ResourceTemplate& resource, Revision revision);

struct ReadResult {
  std::vector<ResourceContents> contents;  // never empty: what is missing is kNotFound
  CacheHints cache;
  OrderedJson meta = nullptr;                   // null: none
  std::optional<InputRequired> input_required;  // instead of all that
};
OrderedJson read_result_json(const ReadResult& result);

// params.uri, a URI with a scheme, free of controls and of "..": the name of a resource, not a way to a file.
Result<std::string> parse_uri(const Json& params);

}  // namespace khipu::mcp::protocol
