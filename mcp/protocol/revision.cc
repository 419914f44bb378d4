#include "mcp/protocol/revision.h"

namespace khipu::mcp::protocol {

std::string_view revision_name(Revision revision) {
  switch (revision) {
    case Revision::k2024_11_05: return "2024-11-05";
    case Revision::k2025_03_26: return "2025-03-26";
    case Revision::k2025_06_18: return "2025-06-18";
    case Revision::k2025_11_25: return "2025-11-25";
    case Revision::k2026_07_28: return "2026-07-28";
  }
  return {};
}

std::optional<Revision> revision_named(std::string_view name) {
  for (const Revision revision : kLegacyRevisions) {
    if (revision_name(revision) == name) return revision;
  }
  return name == revision_name(kModern) ? std::optional(kModern) : std::nullopt;
}

Revision negotiate(std::string_view asked) {
  const Revision revision = revision_named(asked).value_or(kNewestLegacy);
  return is_modern(revision) ? kNewestLegacy : revision;
}

bool claims_modern(const Json& params) {
  const auto meta = params.find("_meta");
  return meta != params.end() && meta->is_object() && meta->contains(kVersionMetaKey);
}

}  // namespace khipu::mcp::protocol
