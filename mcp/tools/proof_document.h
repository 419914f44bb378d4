// Proof documents by name: a URI says all that is needed to make one again, so nothing is kept between the call that
// gave the link and the one that follows it.
//
//   audit://proof/SEQ                      event SEQ against the newest published checkpoint
//   audit://proof/range/FROM/TO            events [FROM, TO), complete and in order
//   audit://proof/consistency/FROM/TO      the published checkpoint of TO events extends that of FROM
//
// The first two take ?at=N (published checkpoint number N) or ?size=N (the one that covers N events), and then never
// change. Numbers are decimal without leading zeros.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "engine/proof/document.h"
#include "engine/query/prove.h"
#include "mcp/tools/audit_tool.h"

namespace khipu::mcp::tools {

inline constexpr std::string_view kProofMimeType = "application/json";
// What a document may have, so that the answer with it stays below what the server sends.
inline constexpr size_t kProofDocumentSizeMax = 768U << 10;

enum class ProofKind { kInclusion, kRange, kConsistency };
struct ProofName {
  ProofKind kind = ProofKind::kInclusion;
  uint64_t from = 0;  // seq; first seq; size
  uint64_t to = 0;    // not of an event
  std::optional<uint64_t> checkpoint = {}, size = {};
  bool operator==(const ProofName&) const = default;
};
std::string proof_uri(const ProofName& name);
std::optional<ProofName> parse_proof_uri(std::string_view uri);

// The document, checked. Errors: those of engine/query/prove.h; kForbidden without the grant prove; kNotFound for
// events outside the caller's scope, in the same words as for events that are not there; kLimit for a document that is
// too large to be given here. Their messages are ours.
Result<proof::Document> make_proof(AuditContext& audit, const server::Caller& caller, const ProofName& name);

}  // namespace khipu::mcp::tools
