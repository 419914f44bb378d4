// What was checked of a table's tree up to a signed root, for as long as that is the newest one asked about: snapshots
// come and go with every question, and the tiles below an unchanged root need hashing once.
#pragma once

#include <array>
#include <memory>
#include <mutex>
#include <optional>

#include "engine/base/ids.h"
#include "engine/tree/tree.h"

namespace khipu::snapshot {

// Of one size and root. Whoever uses it holds the mutex.
struct SharedChecker {
  SharedChecker(uint64_t size_, const Hash& root_) : size(size_), root(root_) {}
  const uint64_t size;
  const Hash root;
  std::mutex mutex;  // guards the members below
  std::unique_ptr<tree::HashSource> source;
  std::optional<tree::Checker> checker;  // absent: not opened, or the stored hashes do not make the root
};

// Any thread.
class CheckerCache {
 public:
  std::shared_ptr<SharedChecker> of(TableId table, uint64_t size, const Hash& root) {
    const std::lock_guard hold(mutex_);
    std::shared_ptr<SharedChecker>& newest = newest_[index_of(table)];
    if (newest && newest->size == size && newest->root == root) return newest;
    const auto made = std::make_shared<SharedChecker>(size, root);
    if (!newest || newest->size <= size) newest = made;  // an older snapshot has one of its own
    return made;
  }

 private:
  std::mutex mutex_;
  std::array<std::shared_ptr<SharedChecker>, kTableCount> newest_;
};

}  // namespace khipu::snapshot
