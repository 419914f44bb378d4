// What resources are to the server: lists, templates, reading, and word of their changes. Not here: any resource.
#pragma once

#include <string>
#include <vector>

#include "engine/base/result.h"
#include "mcp/protocol/resources.h"
#include "mcp/server/completion.h"
#include "mcp/server/tool.h"

namespace khipu::mcp::server {

using protocol::CacheHints;
using protocol::ReadResult;
using protocol::ResourceContents;
using protocol::ResourceInfo;
using protocol::ResourceTemplate;

struct ResourcePage {
  std::vector<ResourceInfo> resources;  // in an order that stays
  std::string next_cursor;              // opaque to the client; empty: the last page
};

// One for a server. Several threads call at once. An Error's message is sent to the client; kNotFound and kPurged are a
// missing resource, kInvalid and kForbidden -32602, everything else -32603.
class ResourceProvider {
 public:
  virtual ~ResourceProvider() = default;

  // `cursor` is a next_cursor of ours, or empty for the first page; an unknown one is kInvalid.
  virtual Result<ResourcePage> list(const std::string& cursor, CallContext& context) = 0;
  virtual std::vector<ResourceTemplate> templates() const { return {}; }
  // `uri` has a scheme and no controls; whether it names anything is decided here.
  virtual Result<ReadResult> read(const std::string& uri, CallContext& context) = 0;
  // How long the two lists may be kept.
  virtual CacheHints list_cache() const { return {60'000, false}; }

  // Whether `resources/subscribe` (legacy) and resourceSubscriptions (modern) are offered. Changes are announced to
  // Changes::resource_updated (changes.h); who hears of them is the server's business.
  virtual bool can_subscribe() const { return false; }
  // Whether this caller may follow this resource.
  virtual bool may_subscribe(const std::string& uri, const Caller& caller) {
    static_cast<void>(uri), static_cast<void>(caller);
    return true;
  }

  virtual bool completes() const { return false; }
  virtual Result<Completion> complete(const CompleteRequest& request, CallContext& context);
};

}  // namespace khipu::mcp::server
