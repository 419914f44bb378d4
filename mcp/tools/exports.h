// What `audit_query export=true` links to: audit://export/{id}, the page that was answered and all pages after it, one
// JSON object a line. First what was asked and as of which tree, then the rows as the tool shows them (marked, withheld
// as there), at the end how many there were and whether that was all. Of the same snapshot as the answer.
//
// An export is for its caller alone and lasts 15 minutes; of each caller the newest 16 are kept, and 128 in all. It
// holds one page and a cursor: the rest is read when it is asked for, up to 768 KiB.
#pragma once

#include <deque>
#include <memory>
#include <mutex>
#include <string>

#include "engine/query/engine.h"
#include "mcp/server/resource.h"
#include "mcp/tools/event_view.h"

namespace khipu::mcp::tools {

inline constexpr std::string_view kExportPrefix = "audit://export/";
inline constexpr const char* kExportMimeType = "application/x-ndjson";
inline constexpr size_t kExportSizeMax = 768 << 10;  // under the megabyte that hosts take (MCP limit of a message)

struct Export {
  OrderedJson page;    // structuredContent of the answer
  EventStyle style;    // of the rows that follow
  std::string caller;  // authority of who asked
  std::string tag;     // what marks untrusted text in all of it
  TimeUs expires_at = 0;
};

// Any thread.
class Exports {
 public:
  // Its address. `tag`: the call's.
  std::string keep(Export made, TimeUs now);
  // nullptr: there is none of this name for this caller, or not any more.
  std::shared_ptr<const Export> find(std::string_view id, const std::string& caller, TimeUs now) const;

 private:
  struct Kept {
    std::string id;
    std::shared_ptr<const Export> made;
  };
  mutable std::mutex mutex_;  // guards the members below
  std::deque<Kept> kept_;     // the oldest first
  uint64_t last_ = 0;
};

// The whole of it, or as much as there is room and time for: the last line says which, with a cursor for audit_query.
Result<std::string> read_export(const Export& from, query::Engine& engine, const server::CallContext& context);

}  // namespace khipu::mcp::tools
