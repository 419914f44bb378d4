// A small log in memory, with what a proof document needs: rows, trees, TABLE_HEADs and signed checkpoints.
#pragma once

#include <memory>
#include <vector>

#include "engine/codec/statement.h"
#include "engine/crypto/signature.h"
#include "engine/proof/check.h"
#include "tests/support/reference_tree.h"

namespace khipu::proof::tests {

struct MadeTable {
  std::vector<Buffer> rows;
  Hash root() const;
  std::vector<Hash> path(uint64_t row);
  khipu::tests::MemoryLevels levels();
};

// Eleven events by user:u-1, the last on account:a-9 for user:u-7; seven versions.
class MadeLog {
 public:
  explicit MadeLog(std::string origin = "log.example/audit");
  tree::VerifierKey key() const { return {origin_, tree::KeyType::kEd25519, signing_->public_key()}; }
  std::string checkpoint(TableId table);
  ProvenRecord proven(TableId table, uint64_t row);
  EventBundle bundle(uint64_t seq);
  RangeBundle range(uint64_t from, uint64_t to);
  MadeTable& table(TableId table) { return tables_[index_of(table)]; }
  std::string sign(const std::string& origin, uint64_t size, const Hash& root) const;

 private:
  std::string origin_;
  std::shared_ptr<crypto::SigningKey> signing_ =  // shared by copies: two histories under one key
      std::make_shared<crypto::SigningKey>(crypto::SigningKey::generate());
  std::array<MadeTable, kTableCount> tables_;
};

}  // namespace khipu::proof::tests
