#include "mcp/tools/proof_document.h"

#include <charconv>

#include "engine/query/prove.h"

namespace khipu::mcp::tools {
namespace {

constexpr std::string_view kInclusion = "khipu://proof/inclusion/", kConsistency = "khipu://proof/consistency/";

std::optional<uint64_t> number(std::string_view digits) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc() || end != digits.data() + digits.size() || std::to_string(value) != digits)
    return std::nullopt;
  return value;
}

}  // namespace

std::string proof_uri(const ProofName& name) {
  return std::string(name.consistency ? kConsistency : kInclusion) + std::to_string(name.from) + "/" +
         std::to_string(name.to);
}

std::optional<ProofName> parse_proof_uri(std::string_view uri) {
  const bool consistency = uri.starts_with(kConsistency);
  if (!consistency && !uri.starts_with(kInclusion)) return std::nullopt;
  const std::string_view rest = uri.substr((consistency ? kConsistency : kInclusion).size());
  const size_t slash = rest.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const auto from = number(rest.substr(0, slash)), to = number(rest.substr(slash + 1));
  if (!from || !to) return std::nullopt;
  return ProofName{consistency, *from, *to};
}

Result<proof::Document> make_proof(snapshot::Store& store, const ProofName& name) {
  if (name.consistency) {
    KHIPU_TRY_ASSIGN(auto bundle, query::prove_consistency(store, TableId::kLogs, name.from, name.to));
    return proof::Document(std::move(bundle));
  }
  KHIPU_TRY_ASSIGN(auto bundle, query::prove_event(store, Row{name.from}, {std::nullopt, name.to}));
  return proof::Document(std::move(bundle));
}

}  // namespace khipu::mcp::tools
