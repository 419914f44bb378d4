#include "engine/query/scope.h"

#include <algorithm>
#include <mutex>

namespace khipu::query {
namespace {

bool lists(const std::vector<std::string>& list, std::string_view word) {
  return std::find(list.begin(), list.end(), word) != list.end();
}

template <typename Visit>
void each_pin(const codec::EventRecord& event, const Visit& visit) {
  visit(event.actor);
  for (const codec::Pin& target : event.targets) visit(target);
  if (event.on_behalf_of) visit(*event.on_behalf_of);
}

}  // namespace

Result<void> ScopeView::extend(const snapshot::Snapshot& snapshot) {
  const std::unique_lock lock(mutex_);
  if (const codec::ColumnSchema* column = snapshot.schema().column("tenant")) tenant_column_ = column->id;
  const uint64_t registry_end = snapshot.size(TableId::kRegistry);
  if (!scope_.types.empty() && registry_end > registry_size_) {
    codec::VersionRecord version;
    const auto take = [&](const snapshot::ScannedRow& row) {
      if (row.fault != codec::FrameFault::kNone || !codec::decode_version(row.frame.payload, version).ok()) {
        damaged_.push_back({std::string(row.finding.empty() ? "frame-corrupt" : row.finding), TableId::kRegistry,
                            row.row, std::max<uint64_t>(1, row.lost),
                            "registry row " + std::to_string(row.row.value) + ": it cannot be read"});
        return true;
      }
      if (!version.entity && lists(scope_.types, version.type)) entities_.insert(row.row.value);
      return true;
    };
    KHIPU_TRY(snapshot.scan(TableId::kRegistry, {registry_size_}, {registry_end}, snapshot::Order::kAscending, take));
    registry_size_ = registry_end;
  }
  const uint64_t logs_end = snapshot.size(TableId::kLogs);
  const Row first{std::max(logs_size_, snapshot.meta().retained(TableId::kLogs).value)};
  if (logs_end > first.value) {
    codec::EventRecord event;
    const auto take = [&](const snapshot::ScannedRow& row) {
      if (row.fault != codec::FrameFault::kNone || !codec::decode_event(row.frame.payload, event).ok()) return true;
      if (!holds_locked(event)) return true;
      const Shown shown{event.occurred_at, event.recorded_at};
      each_pin(event, [&](const codec::Pin& pin) { versions_.try_emplace(pin.version.value, shown); });
      return true;
    };
    KHIPU_TRY(snapshot.scan(TableId::kLogs, first, {logs_end}, snapshot::Order::kAscending, take));
    logs_size_ = logs_end;
  }
  return {};
}

bool ScopeView::holds_locked(const codec::EventRecord& event) const {
  if (!scope_.sources.empty() && !lists(scope_.sources, event.source)) return false;
  if (!scope_.tenants.empty()) {
    const bool named = std::any_of(event.custom.begin(), event.custom.end(), [&](const codec::ColumnValue& value) {
      return tenant_column_ == value.column && value.value.kind == codec::Value::Kind::kText &&
             lists(scope_.tenants, value.value.text);
    });
    if (!named) return false;
  }
  if (scope_.types.empty()) return true;
  bool all = true;
  each_pin(event, [&](const codec::Pin& pin) { all = all && entities_.contains(pin.entity.value); });
  return all;
}

bool ScopeView::holds(const codec::EventRecord& event) const {
  const std::shared_lock lock(mutex_);
  return holds_locked(event);
}

bool ScopeView::shows(Row version) const {
  const std::shared_lock lock(mutex_);
  return versions_.contains(version.value);
}

std::optional<ScopeView::Shown> ScopeView::first_shown(Row version) const {
  const std::shared_lock lock(mutex_);
  const auto found = versions_.find(version.value);
  return found == versions_.end() ? std::nullopt : std::optional(found->second);
}

std::vector<Finding> ScopeView::findings(uint64_t size) const {
  const std::shared_lock lock(mutex_);
  std::vector<Finding> found;
  std::copy_if(damaged_.begin(), damaged_.end(), std::back_inserter(found),
               [&](const Finding& finding) { return finding.row.value < size; });
  return found;
}

bool ScopeView::names_type(std::string_view type) const { return scope_.types.empty() || lists(scope_.types, type); }

}  // namespace khipu::query
