// What results are made of: content blocks, the contents of resources, and how long a result may be kept.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "engine/base/bytes.h"
#include "mcp/jsonrpc/json.h"
#include "mcp/protocol/revision.h"

namespace khipu::mcp::protocol {

// Part or whole of a resource: text, or bytes that are sent as base64.
struct ResourceContents {
  std::string uri;
  std::string mime_type;
  std::variant<std::string, Buffer> data;
  OrderedJson meta = OrderedJson::object();
};

struct TextContent {
  std::string text;
};
struct ImageContent {
  Buffer data;
  std::string mime_type;  // image/png, ...
};
struct AudioContent {
  Buffer data;
  std::string mime_type;  // audio/wav, ...
};
struct EmbeddedResource {
  ResourceContents resource;
};
struct ResourceLink {
  std::string uri;
  std::string name;
  std::string mime_type;
};
using Content = std::variant<TextContent, ImageContent, AudioContent, EmbeddedResource, ResourceLink>;

// A block the revision does not know becomes a line of text: a strict client would refuse the whole result.
OrderedJson content_json(const Content& content, Revision revision);
OrderedJson contents_json(const ResourceContents& contents);

// How long a client may keep a result, and for whom. Modern results only.
struct CacheHints {
  int64_t ttl_ms = 0;
  bool is_public = false;  // the same for every caller
};

}  // namespace khipu::mcp::protocol
