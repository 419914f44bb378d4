// Proof documents by name: a URI says all that is needed to make one again, so nothing is kept between the call that
// gave the link and the one that follows it.
//
//   khipu://proof/inclusion/SEQ/SIZE      event SEQ against the published checkpoint of SIZE events
//   khipu://proof/consistency/FROM/TO     the published checkpoint of TO events extends that of FROM
//
// Numbers are decimal without leading zeros. Not here: who may read them (the grant prove), how resources are listed.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "engine/base/result.h"
#include "engine/proof/document.h"
#include "engine/snapshot/store.h"

namespace khipu::mcp::tools {

inline constexpr std::string_view kProofMimeType = "application/json";

struct ProofName {
  bool consistency = false;
  uint64_t from = 0, to = 0;  // seq and size; from and to size
  bool operator==(const ProofName&) const = default;
};
std::string proof_uri(const ProofName& name);
std::optional<ProofName> parse_proof_uri(std::string_view uri);
// The document, checked. Errors: those of engine/query/prove.h.
Result<proof::Document> make_proof(snapshot::Store& store, const ProofName& name);

}  // namespace khipu::mcp::tools
