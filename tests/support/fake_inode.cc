#include "tests/support/fake_inode.h"

#include <algorithm>

#include "engine/base/assert.h"

namespace khipu::tests {
namespace {

template <typename T>
void add_version(std::vector<T>& older, const T& version) {
  if (std::find(older.begin(), older.end(), version) != older.end()) return;
  if (older.size() + 1 >= kVersionsMax) older.erase(older.begin() + 1);  // never the first: the durable one
  older.push_back(version);
}

// Bytes that both versions agree on stay: a sector write puts new bytes or leaves old ones. Where they differ, the tear
// is a front of one and a back of the other, or garbage.
template <typename Sector>
Sector torn(const Sector& before, const Sector& after, Chooser& chooser) {
  size_t first = 0;
  size_t last = before.size();
  while (first < last && before[first] == after[first]) ++first;
  while (last > first && before[last - 1] == after[last - 1]) --last;
  if (first == last) return after;
  const uint64_t noise = chooser.noise();
  const size_t split = last - first > 1 ? first + 1 + (noise >> 8) % (last - first - 1) : last;  // inside, to show
  Sector result = after;
  switch (noise % 3) {
    case 0: std::copy(before.begin() + static_cast<ptrdiff_t>(split), before.end(), result.begin() + split); break;
    case 1: std::copy(before.begin(), before.begin() + static_cast<ptrdiff_t>(split), result.begin()); break;
    default:
      for (size_t i = first; i < last; ++i) result[i] = static_cast<uint8_t>(chooser.noise() >> 16);
  }
  return result;
}

}  // namespace

FakeContent::Sector FakeContent::sector(uint64_t index) const {
  Sector content{};
  const uint64_t begin = index * kSectorSize;
  if (begin < cache_.size()) {
    const size_t size = std::min<uint64_t>(kSectorSize, cache_.size() - begin);
    std::copy_n(cache_.begin() + static_cast<ptrdiff_t>(begin), size, content.begin());
  }
  return content;
}

void FakeContent::remember(uint64_t index, const Sector& before, bool tears) {
  const auto known = sectors_.find(index);
  if (sector(index) == before) {
    // Equal bytes change nothing that is possible, but the sector is to be written again: the next sync will do it.
    if (known != sectors_.end()) known->second.dirty = true;
    return;
  }
  Cell& cell = sectors_[index];
  add_version(cell.older, before);
  cell.dirty = true;
  cell.tears = cell.tears || tears;
}

void FakeContent::remember_size(uint64_t before) {
  if (before == cache_.size()) return;
  add_version(older_sizes_, before);
  size_dirty_ = true;
}

void FakeContent::write(uint64_t offset, Bytes bytes) {
  if (bytes.empty()) return;
  const uint64_t first = offset / kSectorSize;
  const uint64_t last = (offset + bytes.size() - 1) / kSectorSize;
  std::vector<Sector> before;
  for (uint64_t i = first; i <= last; ++i) before.push_back(sector(i));
  const uint64_t size_before = cache_.size();
  if (offset + bytes.size() > cache_.size()) cache_.resize(offset + bytes.size());
  std::copy(bytes.begin(), bytes.end(), cache_.begin() + static_cast<ptrdiff_t>(offset));
  for (uint64_t i = first; i <= last; ++i) remember(i, before[i - first], true);
  remember_size(size_before);
  written_end_ = std::max<uint64_t>(written_end_, offset + bytes.size());
}

void FakeContent::truncate(uint64_t size) {
  const uint64_t size_before = cache_.size();
  const uint64_t first = size / kSectorSize;
  std::vector<Sector> before;
  for (uint64_t i = first; i * kSectorSize < size_before; ++i) before.push_back(sector(i));
  cache_.resize(size);
  for (size_t i = 0; i < before.size(); ++i) remember(first + i, before[i], false);
  remember_size(size_before);
  written_end_ = std::min(written_end_, size);
}

void FakeContent::sync() {
  std::erase_if(sectors_, [](const auto& entry) { return entry.second.dirty; });
  if (size_dirty_) {
    older_sizes_.clear();
  } else {
    // Bytes below written_end_ were written again: the file is at least that long now, whatever failed before.
    for (uint64_t& size : older_sizes_) size = std::max(size, written_end_);
    std::erase(older_sizes_, cache_.size());
  }
  size_dirty_ = false;
  written_end_ = 0;
}

void FakeContent::sync_failed() {
  for (auto& [index, cell] : sectors_) cell.dirty = false;
  size_dirty_ = false;
  written_end_ = 0;
}

void FakeContent::lose_power(Chooser& chooser) {
  std::map<uint64_t, Sector> newest;
  for (const auto& [index, cell] : sectors_) newest[index] = sector(index);
  if (!older_sizes_.empty()) {
    const size_t choice = chooser.pick(older_sizes_.size() + 1, false);
    cache_.resize(choice < older_sizes_.size() ? older_sizes_[choice] : cache_.size());
  }
  for (const auto& [index, cell] : sectors_) {
    const uint64_t begin = index * kSectorSize;
    if (begin >= cache_.size()) continue;
    const size_t versions = cell.older.size() + 1;
    const size_t choice = chooser.pick(versions, cell.tears);
    Sector left = newest[index];
    if (choice < cell.older.size()) left = cell.older[choice];
    if (choice == versions) left = torn(cell.older[chooser.noise() % cell.older.size()], newest[index], chooser);
    const size_t size = std::min<uint64_t>(kSectorSize, cache_.size() - begin);
    std::copy_n(left.begin(), size, cache_.begin() + static_cast<ptrdiff_t>(begin));
  }
  *this = FakeContent(std::move(cache_));
}

void FakeNames::apply(Names& names, const NameChange& change) {
  const auto erase_own = [&] {
    const auto found = names.find(change.name);
    if (found != names.end() && found->second == change.inode) names.erase(found);
  };
  switch (change.kind) {
    case NameChange::Kind::kLink: names[change.name] = change.inode; break;
    case NameChange::Kind::kUnlink: erase_own(); break;
    case NameChange::Kind::kRename:
      erase_own();
      names[change.to] = change.inode;
      break;
  }
}

void FakeNames::change(NameChange change) {
  apply(cache_, change);
  changes_.push_back(std::move(change));
}

void FakeNames::sync() {
  for (NameChange& change : changes_) change.durable = change.durable || !change.clean;
  const auto undecided =
      std::find_if(changes_.begin(), changes_.end(), [](const NameChange& change) { return !change.durable; });
  std::for_each(changes_.begin(), undecided, [&](const NameChange& change) { apply(durable_, change); });
  changes_.erase(changes_.begin(), undecided);
}

void FakeNames::sync_failed() {
  for (NameChange& change : changes_) change.clean = true;
}

void FakeNames::lose_power(Chooser& chooser) {
  for (const NameChange& change : changes_) {
    if (change.durable || chooser.pick(2, false) == 1) apply(durable_, change);
  }
  settle(Names(durable_));
}

void FakeNames::restore(Names cache, Names durable, std::vector<NameChange> changes) {
  cache_ = std::move(cache);
  durable_ = std::move(durable);
  changes_ = std::move(changes);
}

}  // namespace khipu::tests
