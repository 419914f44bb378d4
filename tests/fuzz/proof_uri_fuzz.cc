// Names of proof documents, as they come from a client: what parses prints as the same text.
#include "mcp/tools/proof_document.h"
#include "tests/fuzz/fuzz.h"

using namespace khipu;

KHIPU_FUZZ(input) {
  const std::string_view uri = as_text(input);
  if (const auto name = mcp::tools::parse_proof_uri(uri)) KHIPU_ASSERT(mcp::tools::proof_uri(*name) == uri);
}
