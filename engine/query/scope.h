// What of the log one caller may see, decided in one place: the events of the scope, and of the registry the versions
// those events pin. Everything else is not found and not counted: the Matcher and the Entities of a scoped Engine ask
// here. What is said of the log as a whole stays: its size and root, retention, clock and recovery statements.
#pragma once

#include <memory>
#include <shared_mutex>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "engine/codec/record.h"
#include "engine/query/finding.h"
#include "engine/snapshot/store.h"

namespace khipu::query {

// An empty list does not restrict. An event is in scope when it meets all three.
struct Scope {
  std::vector<std::string> types;    // all entities it names (actor, targets, on_behalf_of) are of these types
  std::vector<std::string> sources;  // its source is one of these
  std::vector<std::string> tenants;  // its custom column `tenant` is one of these
  bool is_everything() const { return types.empty() && sources.empty() && tenants.empty(); }
  bool operator==(const Scope&) const = default;
};

// Knows which entities are of the scope's types and which versions its events pin, and learns as the log grows.
// Any thread.
class ScopeView {
 public:
  explicit ScopeView(Scope scope) : scope_(std::move(scope)) {}
  const Scope& scope() const { return scope_; }

  // Reads what `snapshot` holds beyond what is known. Look-ups are about rows of snapshots that were given here.
  Result<void> extend(const snapshot::Snapshot& snapshot);
  bool holds(const codec::EventRecord& event) const;
  bool shows(Row version) const;
  // When the first event of the scope that names the version occurred and was recorded; nullopt: none does.
  struct Shown {
    TimeUs occurred_at = 0, recorded_at = 0;
  };
  std::optional<Shown> first_shown(Row version) const;
  // Registry rows below `size` that could not be read: what they hold is as if out of scope.
  std::vector<Finding> findings(uint64_t size) const;
  // A type that a scoped caller hears of at all; of the others it is not told whether they are there.
  bool names_type(std::string_view type) const;

 private:
  bool holds_locked(const codec::EventRecord& event) const;
  const Scope scope_;
  mutable std::shared_mutex mutex_;  // guards the members below
  uint64_t registry_size_ = 0, logs_size_ = 0;
  std::unordered_set<uint64_t> entities_;         // first versions of entities of the types; when types restrict
  std::unordered_map<uint64_t, Shown> versions_;  // pinned by events of the scope
  std::optional<uint32_t> tenant_column_;
  std::vector<Finding> damaged_;
};

}  // namespace khipu::query
