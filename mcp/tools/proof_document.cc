#include "mcp/tools/proof_document.h"

#include <charconv>

#include <fmt/format.h>

namespace khipu::mcp::tools {
namespace {

constexpr std::string_view kProof = "audit://proof/", kRange = "range/", kConsistency = "consistency/";
constexpr uint64_t kRecordBytesMax = kProofDocumentSizeMax * 3 / 4;  // base64 makes four of three

bool take(std::string_view& text, std::string_view word) {
  if (!text.starts_with(word)) return false;
  text.remove_prefix(word.size());
  return true;
}

bool take_number(std::string_view& text, uint64_t& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc()) return false;
  const std::string_view digits = text.substr(0, static_cast<size_t>(end - text.data()));
  text.remove_prefix(digits.size());
  return digits.size() == 1 || digits.front() != '0';
}

Error not_there() { return {Code::kNotFound, "there is no such event, or none that this caller may see"}; }

// That the caller may see these rows of logs/. A caller with a scope hears the same of a row outside it and of one
// beyond the end; that rows were purged is a fact about the log, told to everybody.
Result<void> may_see(AuditContext& audit, const server::Caller& caller, uint64_t from, uint64_t to) {
  if (caller.scope.is_everything()) return {};
  if (to - from > query::kProvenRowsMax) return Error{Code::kLimit, "too many events for one document"};
  const std::shared_ptr<query::Engine> engine = audit.engine_for(caller);
  for (uint64_t seq = from; seq < to; ++seq) {
    const query::Answer<query::EventDetail> event = engine->event({seq});
    if (event.ok()) continue;
    if (event.error().code == "PURGED") return Error{Code::kPurged, event.error().hint};
    return event.error().cause ? *event.error().cause : not_there();
  }
  return {};
}

Result<proof::Document> make(AuditContext& audit, const server::Caller& caller, const ProofName& name) {
  const query::ProofPoint point{name.checkpoint, name.size, {}};
  if (name.kind == ProofKind::kConsistency) {
    KHIPU_TRY_ASSIGN(auto bundle, query::prove_consistency(audit.store, TableId::kLogs, name.from, name.to));
    return proof::Document(std::move(bundle));
  }
  if (name.kind == ProofKind::kRange) {
    if (name.from >= name.to) return Error{Code::kInvalid, "an empty range: from must be less than to"};
    KHIPU_TRY(may_see(audit, caller, name.from, name.to));
    KHIPU_TRY_ASSIGN(auto bundle, query::prove_range(audit.store, {name.from}, {name.to}, point, kRecordBytesMax));
    return proof::Document(std::move(bundle));
  }
  if (name.from == UINT64_MAX) return not_there();
  KHIPU_TRY(may_see(audit, caller, name.from, name.from + 1));
  KHIPU_TRY_ASSIGN(auto bundle, query::prove_event(audit.store, {name.from}, point));
  return proof::Document(std::move(bundle));
}

}  // namespace

std::string proof_uri(const ProofName& name) {
  std::string uri(kProof);
  if (name.kind == ProofKind::kRange) uri += kRange;
  if (name.kind == ProofKind::kConsistency) uri += kConsistency;
  uri += std::to_string(name.from);
  if (name.kind != ProofKind::kInclusion) uri += "/" + std::to_string(name.to);
  if (name.checkpoint) uri += "?at=" + std::to_string(*name.checkpoint);
  if (name.size) uri += "?size=" + std::to_string(*name.size);
  return uri;
}

std::optional<ProofName> parse_proof_uri(std::string_view uri) {
  ProofName name;
  if (!take(uri, kProof)) return std::nullopt;
  if (take(uri, kRange)) {
    name.kind = ProofKind::kRange;
  } else if (take(uri, kConsistency)) {
    name.kind = ProofKind::kConsistency;
  }
  if (!take_number(uri, name.from)) return std::nullopt;
  if (name.kind != ProofKind::kInclusion && (!take(uri, "/") || !take_number(uri, name.to))) return std::nullopt;
  if (name.kind != ProofKind::kConsistency) {
    uint64_t value = 0;
    if (take(uri, "?at=")) {
      if (!take_number(uri, value)) return std::nullopt;
      name.checkpoint = value;
    } else if (take(uri, "?size=")) {
      if (!take_number(uri, value)) return std::nullopt;
      name.size = value;
    }
  }
  if (!uri.empty()) return std::nullopt;
  return name;
}

Result<proof::Document> make_proof(AuditContext& audit, const server::Caller& caller, const ProofName& name) {
  if (!caller.has_grant("prove")) {
    return Error{Code::kForbidden, "this needs the grant prove, which this caller lacks"};
  }
  KHIPU_TRY_ASSIGN(proof::Document document, make(audit, caller, name));
  if (proof::format_document(document).size() > kProofDocumentSizeMax) {
    return Error{Code::kLimit, fmt::format("the document has over {} bytes; `khipu prove` writes it to a file",
                                           kProofDocumentSizeMax)};
  }
  return document;
}

}  // namespace khipu::mcp::tools
