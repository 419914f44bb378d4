// The MCP revisions by name, what each of them knows, and which one a session gets.
//
// Legacy: those with an `initialize` handshake. Modern: stateless, the version in every request's _meta.
#pragma once

#include <array>
#include <optional>
#include <string_view>

#include "mcp/jsonrpc/json.h"

namespace khipu::mcp::protocol {

// In order of age: `revision >= Revision::k2025_06_18` reads as "has structured output".
enum class Revision { k2024_11_05, k2025_03_26, k2025_06_18, k2025_11_25, k2026_07_28 };

inline constexpr std::array kLegacyRevisions = {Revision::k2024_11_05, Revision::k2025_03_26, Revision::k2025_06_18,
                                                Revision::k2025_11_25};
inline constexpr Revision kNewestLegacy = Revision::k2025_11_25;

inline constexpr Revision kModern = Revision::k2026_07_28;

std::string_view revision_name(Revision revision);
std::optional<Revision> revision_named(std::string_view name);  // any of the five
inline bool is_modern(Revision revision) { return revision >= kModern; }

// The asked one if it is legacy and known, else our newest legacy one. Never echoes what we do not speak.
Revision negotiate(std::string_view asked);

inline bool has_batches(Revision revision) { return revision == Revision::k2025_03_26; }
inline bool has_annotations(Revision revision) { return revision >= Revision::k2025_03_26; }
inline bool has_progress_message(Revision revision) { return revision >= Revision::k2025_03_26; }
inline bool has_audio(Revision revision) { return revision >= Revision::k2025_03_26; }
inline bool declares_completions(Revision revision) { return revision >= Revision::k2025_03_26; }
inline bool has_elicitation(Revision revision) { return revision >= Revision::k2025_06_18; }
inline bool has_url_elicitation(Revision revision) { return revision >= Revision::k2025_11_25; }
inline bool has_last_modified(Revision revision) { return revision >= Revision::k2025_06_18; }
inline bool has_resource_links(Revision revision) { return revision >= Revision::k2025_06_18; }
inline bool has_titles(Revision revision) { return revision >= Revision::k2025_06_18; }
inline bool has_structured_output(Revision revision) { return revision >= Revision::k2025_06_18; }
inline bool has_server_description(Revision revision) { return revision >= Revision::k2025_11_25; }

// Whether a request claims the modern era: _meta carries the key, whatever its value.
inline constexpr std::string_view kVersionMetaKey = "io.modelcontextprotocol/protocolVersion";
bool claims_modern(const Json& params);

}  // namespace khipu::mcp::protocol
