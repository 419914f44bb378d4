// Offline check of proof documents: needs a document and a verifier key, nothing else. By the letter of
// engine/FORMAT.md "Proof documents"; a checker in another language is examples/verify_proof.
#pragma once

#include <string>
#include <vector>

#include "engine/codec/record.h"
#include "engine/proof/document.h"
#include "engine/tree/checkpoint.h"
#include "engine/tree/note.h"

namespace khipu::proof {

struct CheckedEvent {
  bool right = false;
  std::string why;  // when it is not: one sentence without text of the document
  // When right. Views borrow from the document.
  codec::EventRecord event;
  std::vector<std::pair<Row, codec::VersionRecord>> pinned;  // with their rows, ascending
  tree::Checkpoint table, meta;                              // that the event is in
};
struct CheckedConsistency {
  bool right = false;
  std::string why;
  tree::Checkpoint old_checkpoint, new_checkpoint;
};
struct CheckedRange {
  bool right = false;
  std::string why;
  std::vector<codec::EventRecord> events;  // views borrow from the document
  tree::Checkpoint table, meta;
};

// `key`: of the log, its name the origin of meta's checkpoints. The tables' keys are the same key under their own
// origins: ORIGIN/logs, ORIGIN/registry, ORIGIN/access.
tree::VerifierKey table_key(const tree::VerifierKey& key, TableId table);
CheckedEvent check(const EventBundle& bundle, const tree::VerifierKey& key);
CheckedConsistency check(const ConsistencyBundle& bundle, const tree::VerifierKey& key);
CheckedRange check(const RangeBundle& bundle, const tree::VerifierKey& key);

}  // namespace khipu::proof
