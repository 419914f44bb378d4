// Proofs a third party can check (c2sp.org/tlog-proof@v1): an index, an inclusion path and the signed checkpoint it
// leads to, as text. Not here: what else a bundle needs (engine/query).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/ids.h"
#include "engine/base/result.h"
#include "engine/tree/checkpoint.h"
#include "engine/tree/policy.h"

namespace khipu::tree {

struct TlogProof {
  std::optional<Buffer> extra;  // opaque, and nobody vouches for it
  uint64_t index = 0;
  std::vector<Hash> path;  // from the leaf's sibling up
  std::string checkpoint;  // the signed note, to the byte
  bool operator==(const TlogProof&) const = default;
};
// kCorrupt when malformed; the checkpoint is only looked at by verify.
Result<TlogProof> parse_tlog_proof(std::string_view text);
std::string format_tlog_proof(const TlogProof& proof);

struct VerifiedProof {
  bool right = false;
  std::string why;        // when it is not: one sentence, no text of the proof in it
  Checkpoint checkpoint;  // that the leaf is in, when right
};
// Is a record with this leaf hash at proof.index of a log the policy knows?
VerifiedProof verify_tlog_proof(const TlogProof& proof, const Hash& leaf, const Policy& policy);

}  // namespace khipu::tree
