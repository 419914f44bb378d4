#include "engine/query/entities.h"

#include <algorithm>
#include <map>
#include <mutex>

#include "engine/base/fold.h"
#include "engine/query/fields.h"
#include "engine/query/masking.h"
#include "engine/query/near.h"
#include "engine/query/registry_look_up.h"

namespace khipu::query {
namespace {

constexpr size_t kRefsMax = 20;  // candidates an error lists
constexpr std::string_view kIndexMismatch = "index-mismatch";

std::string ref_of(std::string_view type, std::string_view id) { return std::string(type).append(1, ':').append(id); }

// Type names are words of this form; a text whose part before the colon is none cannot be meant as a ref.
bool looks_like_type(std::string_view text) {
  if (text.empty() || text.size() > 63 || text[0] < 'a' || text[0] > 'z') return false;
  return text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") == std::string_view::npos;
}

}  // namespace

Result<void> Entities::extend(const snapshot::Snapshot& snapshot) {
  if (scope_ != nullptr) KHIPU_TRY(scope_->extend(snapshot));
  const std::unique_lock lock(mutex_);
  const uint64_t end = snapshot.size(TableId::kRegistry);
  if (end <= size_) return {};
  codec::VersionRecord version;
  const auto take = [&](const snapshot::ScannedRow& scanned) {
    if (scanned.fault != codec::FrameFault::kNone || !codec::decode_version(scanned.frame.payload, version).ok()) {
      tell_damage_locked(scanned);
      return true;
    }
    const NameTable::Found name = names_.find_or_add(version.type, version.id);
    if (name.added) {
      entries_.push_back({version.entity.value_or(scanned.row), scanned.row, {}});
    } else {
      entries_[name.number].later.push_back(scanned.row);
    }
    return true;
  };
  // A failed scan may have added rows: they would come again, so the size moves with every row.
  uint64_t next = size_;
  const auto counted = [&](const snapshot::ScannedRow& scanned) {
    next = scanned.row.value + std::max<uint64_t>(1, scanned.lost);
    return take(scanned);
  };
  const Result<void> scanned = snapshot.scan(TableId::kRegistry, {size_}, {end}, snapshot::Order::kAscending, counted);
  size_ = scanned.ok() ? end : next;
  return scanned;
}

Result<void> Entities::learn(const snapshot::Snapshot& snapshot, const std::vector<std::string_view>& texts) {
  const auto by_index = [&]() -> Result<bool> {
    {
      const std::unique_lock lock(mutex_);
      if (scope_ != nullptr || size_ > 0 || std::exchange(asked_, true)) return false;
    }
    std::map<std::string, Row, std::less<>> found;
    for (const std::string_view text : texts) {
      const size_t colon = text.find(':');
      if (colon == std::string_view::npos || snapshot.schema().type(text.substr(0, colon)) == nullptr) return false;
      KHIPU_TRY_ASSIGN(const std::optional<Row> entity,
                       look_up_entity(snapshot, text.substr(0, colon), text.substr(colon + 1), merged_failed()));
      if (!entity) return false;  // it may be somebody's name
      found.emplace(text, *entity);
    }
    const std::unique_lock lock(mutex_);
    looked_up_ = std::move(found);
    return true;
  };
  const Result<bool> known = by_index();
  if (known.ok() && *known) return {};
  if (!known.ok() && known.error().code != Code::kCorrupt) return known.error();
  return extend(snapshot);  // which reports what cannot be read
}

uint64_t Entities::Entry::below(uint64_t size) const {
  if (first.value >= size) return 0;
  return 1 + static_cast<uint64_t>(std::lower_bound(later.begin(), later.end(), Row{size}) - later.begin());
}

VersionRows Entities::versions(std::string_view type, std::string_view id, uint64_t size) const {
  const std::shared_lock lock(mutex_);
  const std::optional<uint32_t> found = names_.find(type, id);
  return found ? visible(entries_[*found], size) : VersionRows();
}

snapshot::Snapshot::MergedFailed Entities::merged_failed() const {
  return [this](const snapshot::SegmentInfo& first, uint64_t rows, const Error& error) {
    if (error.code == Code::kIo) return;
    tell_index_damage(
        first, rows,
        "the merged index from segment " + std::to_string(first.number.value) + " of registry on: " + error.message);
  };
}

Result<VersionRows> Entities::versions_in(const snapshot::Snapshot& snapshot, std::string_view type,
                                          std::string_view id, uint64_t size) {
  const auto learned = [&] {
    const std::shared_lock lock(mutex_);
    return size_ >= size;
  };
  if (scope_ == nullptr && !learned()) {
    Result<std::vector<Row>> rows = look_up_versions(snapshot, type, id, merged_failed());
    if (rows.ok()) {
      std::erase_if(*rows, [&](Row row) { return row.value >= size; });
      return rows;
    }
    if (rows.error().code != Code::kCorrupt) return rows;
  }
  KHIPU_TRY(extend(snapshot));  // which reports what cannot be read
  return versions(type, id, size);
}

VersionRows Entities::visible(const Entry& entry, uint64_t size) const {
  VersionRows rows;
  for (uint64_t i = 0; i < entry.below(size); ++i) rows.push_back(entry.version(i));
  if (scope_ != nullptr) std::erase_if(rows, [&](Row row) { return !scope_->shows(row); });
  return rows;
}

std::optional<Entities::Known> Entities::known(std::string_view type, std::string_view id, uint64_t size) const {
  const std::shared_lock lock(mutex_);
  const std::optional<uint32_t> found = names_.find(type, id);
  if (!found) return std::nullopt;
  const Entry& entry = entries_[*found];
  if (scope_ != nullptr) {
    const VersionRows rows = visible(entry, size);
    return rows.empty() ? std::nullopt : std::optional(Known{entry.entity, rows.back(), rows.size()});
  }
  const uint64_t versions = entry.below(size);
  if (versions == 0) return std::nullopt;
  return Known{entry.entity, entry.version(versions - 1), versions};
}

std::optional<uint32_t> Entities::number_of(Row entity) const {
  const auto front = [](const Entry& entry, Row row) { return entry.first < row; };
  auto found = std::lower_bound(entries_.begin(), entries_.end(), entity, front);
  if (found == entries_.end() || found->entity != entity) {  // its first version is damaged, or it is not there
    found = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& entry) { return entry.entity == entity; });
  }
  if (found == entries_.end()) return std::nullopt;
  return static_cast<uint32_t>(found - entries_.begin());
}

std::string Entities::type_of(Row entity) const {
  const std::shared_lock lock(mutex_);
  const std::optional<uint32_t> number = number_of(entity);
  return number ? std::string(names_.type(*number)) : std::string();
}

std::string Entities::ref_by_row(Row entity) const {
  const std::shared_lock lock(mutex_);
  const std::optional<uint32_t> number = number_of(entity);
  return number ? ref_of(names_.type(*number), names_.id(*number)) : std::string();
}

std::vector<TypeFacts> Entities::counts(uint64_t size) const {
  const std::shared_lock lock(mutex_);
  std::vector<TypeFacts> types;
  for (uint32_t number = 0; number < entries_.size(); ++number) {
    const Entry& entry = entries_[number];
    const uint64_t versions = scope_ != nullptr ? visible(entry, size).size() : entry.below(size);
    if (versions == 0) continue;
    const std::string_view type = names_.type(number);
    auto facts = std::find_if(types.begin(), types.end(), [&](const TypeFacts& known) { return known.type == type; });
    if (facts == types.end()) facts = types.insert(types.end(), {std::string(type), 0, 0});
    ++facts->entities;
    facts->versions += versions;
  }
  return types;
}

void Entities::tell_damage(const snapshot::ScannedRow& scanned) const {
  const std::unique_lock lock(mutex_);
  tell_damage_locked(scanned);
}

void Entities::tell_damage_locked(const snapshot::ScannedRow& scanned) const {
  const uint64_t row = scanned.row.value, rows = std::max<uint64_t>(1, scanned.lost);
  const bool told = std::any_of(damaged_.begin(), damaged_.end(), [&](const Finding& known) {
    return known.code != kIndexMismatch && known.row.value <= row && row + rows <= known.row.value + known.rows;
  });
  if (told) return;
  damaged_.push_back({std::string(scanned.finding.empty() ? "frame-corrupt" : scanned.finding), TableId::kRegistry,
                      scanned.row, rows,
                      "registry row " + std::to_string(row) + ": it cannot be read" +
                          (scanned.detail.empty() ? "" : ": ") + std::string(scanned.detail)});
}

void Entities::tell_index_damage(const snapshot::SegmentInfo& first, uint64_t rows, std::string what) const {
  const std::unique_lock lock(mutex_);
  const bool told = std::any_of(damaged_.begin(), damaged_.end(), [&](const Finding& known) {
    return known.code == kIndexMismatch && known.row == first.first_row && known.rows == rows;
  });
  if (told) return;
  damaged_.push_back({std::string(kIndexMismatch), TableId::kRegistry, first.first_row, rows, std::move(what)});
}

std::vector<Finding> Entities::findings(uint64_t size) const {
  const std::shared_lock lock(mutex_);
  std::vector<Finding> found;
  for (const Finding& finding : damaged_) {
    if (finding.row.value < size) found.push_back(finding);
  }
  return found;
}

Result<void> Entities::each_version(const snapshot::Snapshot& snapshot, uint64_t size, const Visit& visit) const {
  codec::VersionRecord version;
  const auto take = [&](const snapshot::ScannedRow& scanned) {
    if (scanned.fault != codec::FrameFault::kNone || !codec::decode_version(scanned.frame.payload, version).ok()) {
      tell_damage(scanned);
      return true;
    }
    if (scope_ != nullptr && !scope_->shows(scanned.row)) return true;
    if (const std::optional<Known> entity = known(version.type, version.id, size)) visit(scanned.row, version, *entity);
    return true;
  };
  return snapshot.scan(TableId::kRegistry, {0}, {size}, snapshot::Order::kAscending, take);
}

bool Entities::meets(std::string_view field, std::string_view value, std::string_view wanted, std::string_view folded,
                     Match match, const std::vector<std::string>& hidden_values) const {
  if (!text_matches(value, wanted, folded, match)) return false;
  const bool whole = match == Match::kExact || match == Match::kExactCi;
  if (masking_ == nullptr || (whole && field == "id")) return true;
  return !masking_->hides_field(field) &&
         shown_matches(value, wanted, folded, match, masking_->hidden(value, hidden_values));
}

bool Entities::meets_name(const codec::VersionRecord& version, std::string_view wanted, std::string_view folded,
                          Match match) const {
  const codec::NamedValue* shown = display_field(version);
  const std::string_view name = shown == nullptr ? std::string_view() : shown->value.text;
  if (!text_matches(name, wanted, folded, match)) return false;
  if (masking_ == nullptr || shown == nullptr) return true;
  std::vector<std::string> hidden;
  append_hidden_values(*masking_, version, hidden);
  return meets(shown->name, name, wanted, folded, match, hidden);
}

Answer<std::optional<ResolvedEntity>> Entities::resolve(const snapshot::Snapshot& snapshot, uint64_t size,
                                                        std::string_view text, std::string_view argument) const {
  const size_t colon = text.find(':');
  const std::string_view type = colon == std::string_view::npos ? std::string_view() : text.substr(0, colon);
  if (snapshot.schema().type(type) != nullptr) {
    {
      const std::shared_lock lock(mutex_);
      const auto found = looked_up_.find(text);
      if (found != looked_up_.end() && found->second.value < size) {
        return std::optional<ResolvedEntity>({found->second, std::string(text), false});
      }
    }
    if (const auto entity = known(type, text.substr(colon + 1), size)) {
      return std::optional<ResolvedEntity>({entity->entity, std::string(text), false});
    }
  }
  struct Candidate {
    std::string ref;
    Row row;  // a version that says so
    bool exact = false;
    bool current = false;  // the newest version's id or name is the text
    bool unsure = false;   // a sealed name that no key here could confirm
  };
  std::map<Row, Candidate> candidates;
  const std::string folded = fold(text);
  bool any_exact = false;
  const auto look = [&](Row row, const codec::VersionRecord& version, const Known& entity) {
    const bool by_id = equals_folded(version.id, folded);
    if (!by_id && !meets_name(version, text, folded, Match::kExactCi)) return;
    Candidate& candidate = candidates[entity.entity];
    if (candidate.ref.empty()) {
      candidate.ref = ref_of(version.type, version.id);
      candidate.row = row;
    }
    const bool exact = version.id == text || meets_name(version, text, folded, Match::kExact);
    candidate.exact |= exact;
    candidate.current |= by_id || row == entity.newest;
    any_exact |= exact;
  };
  KHIPU_TRY(each_version(snapshot, size, look));
  KHIPU_TRY(by_sealed_name(snapshot, size, text, [&](Row entity, bool current, bool unsure) {
    const auto added = candidates.try_emplace(entity);
    Candidate& candidate = added.first->second;
    if (added.second) {
      candidate.ref = ref_by_row(entity);
      candidate.row = entity;
    }
    candidate.unsure |= added.second && unsure;
    candidate.exact = any_exact = true;  // letters of a sealed name are compared by whoever can open it
    candidate.current |= current;
  }));
  if (any_exact) std::erase_if(candidates, [](const auto& entry) { return !entry.second.exact; });
  if (candidates.empty()) {
    const bool tells = scope_ == nullptr || scope_->names_type(type);  // that there is no such type
    if (tells && looks_like_type(type) && snapshot.schema().type(type) == nullptr) {
      return unknown_type(type_names(snapshot.schema(), scope_), type, argument);
    }
    return std::optional<ResolvedEntity>();
  }
  if (candidates.size() > 1) {
    QueryError error("AMBIGUOUS_ENTITY", std::string(argument), text,
                     "This names " + std::to_string(candidates.size()) + " entities: pass one of the refs instead.");
    for (const auto& [entity, candidate] : candidates) {
      if (error.allowed.size() == kRefsMax) break;
      const auto checked = snapshot.record(TableId::kRegistry, candidate.row);  // P5: these refs are shown
      if (checked.ok() && checked->intact) error.allowed.push_back(candidate.ref);
    }
    return error;
  }
  const auto& [entity, candidate] = *candidates.begin();
  return std::optional<ResolvedEntity>({entity, candidate.ref, !candidate.current, candidate.unsure});
}

Result<std::vector<FoundEntity>> Entities::find(const snapshot::Snapshot& snapshot, uint64_t size,
                                                std::string_view text, bool prefix, uint32_t limit) const {
  const std::string folded = fold(text);
  const Match how = prefix ? Match::kPrefix : Match::kExactCi;
  struct Candidate {
    FoundEntity found;
    int rank = 3;  // 0 id, 1 current name, 2 past name
  };
  std::map<Row, Candidate> candidates;
  const auto look = [&](Row row, const codec::VersionRecord& version, const Known& entity) {
    const bool newest = row == entity.newest;
    const int rank = meets("id", version.id, text, folded, how) ? 0
                     : !meets_name(version, text, folded, how)  ? 3
                     : newest                                   ? 1
                                                                : 2;
    const auto known = candidates.find(entity.entity);
    if (rank == 3 && known == candidates.end()) return;
    Candidate& candidate = candidates[entity.entity];
    candidate.rank = std::min(candidate.rank, rank);
    candidate.found = {ref_of(version.type, version.id),
                       std::string(version.type),
                       std::string(version.id),
                       std::string(display_name(version)),
                       version.deleted,
                       entity.versions,
                       "",
                       row};
  };
  KHIPU_TRY(each_version(snapshot, size, look));
  std::vector<Candidate> sorted;
  for (auto& [row, candidate] : candidates) sorted.push_back(std::move(candidate));
  // Equal matches stay in order of registration.
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const Candidate& a, const Candidate& b) { return a.rank < b.rank; });
  std::vector<FoundEntity> found;
  constexpr const char* kMatchedOn[] = {"id", "current_name", "past_name"};
  for (Candidate& candidate : sorted) {
    if (found.size() == limit) break;
    candidate.found.matched_on = kMatchedOn[candidate.rank];
    found.push_back(std::move(candidate.found));
  }
  return found;
}

}  // namespace khipu::query
