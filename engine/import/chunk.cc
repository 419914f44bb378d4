#include "engine/import/chunk.h"

#include <algorithm>
#include <functional>

#include "engine/import/canonical_text.h"
#include "engine/ingest/validate.h"

namespace khipu::import {
namespace {

constexpr size_t kSamplesMax = 10;
constexpr size_t kIdsMax = 1 << 20;
constexpr const char* kBuiltin[] = {"occurred_at", "action_class", "outcome", "targets",      "url",    "source",
                                    "source_ip",   "event_id",     "session", "on_behalf_of", "content"};

}  // namespace

Result<void> ChunkReader::run(Chunks& to) {
  Result<void> read = read_all(to);
  to.close();
  return read;
}

Result<void> ChunkReader::read_all(Chunks& to) {
  from_ = input_.compressed() ? 0 : resume_.at;
  before_ = resume_.sha256;
  chunk_ = std::make_unique<Chunk>();
  KHIPU_TRY_ASSIGN(splitter_, make_splitter(input_, source_));
  for (;;) {
    KHIPU_TRY_ASSIGN(std::optional<Item> item, splitter_->next());
    // The input now stands at the beginning of this record: everything before it is dealt with.
    if (!item) {
      (void)hand_on(to, true);
      return {};
    }
    if (full(*item) && !hand_on(to, false)) return {};
    if (item->damage.empty()) whole_to_ = item->end;
    if (item->end <= resume_.at) {
      ++skipped_;
    } else {
      add(*item);
    }
  }
}

bool ChunkReader::full(const Item& next) const {
  if (ends_.empty()) return false;  // one that is larger than a chunk is one by itself
  return ends_.size() >= std::min<uint64_t>(events_max_, options_.limits.batch_events_max) ||
         text_.size() + next.raw.size() > options_.chunk_size_bytes;
}

void ChunkReader::add(Item& item) {
  // What is behind it of a packed input may be another's by the next import.
  if (ends_.empty() && input_.compressed()) before_ = input_.prefix_hash();
  Bytes raw = item.raw;
  if (!item.damage.empty() && raw.size() > kDamageWholeBytesMax) raw = raw.first(kDamageKeptBytes);
  text_.append(as_text(raw));
  ends_.push_back(text_.size());
  chunk_->items.push_back({item.offset, item.line, item.raw.size(), {}, std::move(item.inner), std::move(item.damage)});
}

bool ChunkReader::hand_on(Chunks& to, bool done) {
  Chunk& chunk = *chunk_;
  const size_t size = text_.size(), count = ends_.size();
  const std::string_view text = chunk.batch.adopt(std::move(text_));
  for (size_t i = 0, from = 0; i < count; from = ends_[i], ++i) {
    chunk.items[i].raw = as_bytes(text.substr(from, ends_[i] - from));
  }
  chunk.offset = input_.offset();
  chunk.skipped = skipped_;
  chunk.receipt.from = input_.compressed() ? 0 : from_;
  chunk.receipt.to = input_.compressed() ? resume_.size : input_.offset();
  chunk.receipt.prefix_sha256 = input_.compressed() ? resume_.sha256 : input_.prefix_hash();
  if (input_.compressed()) {
    // Of a stream that ends early the last record may be read again when it is whole.
    chunk.receipt.unpacked_to = done && !input_.damage().empty() ? std::max(whole_to_, resume_.at) : input_.offset();
  }
  chunk.held_back = splitter_->held_back();
  chunk.receipt.done = done && !chunk.held_back;
  chunk.before = std::exchange(before_, chunk.receipt.prefix_sha256);
  const std::vector<std::string>& warnings = splitter_->warnings();
  chunk.told.assign(warnings.begin() + static_cast<ptrdiff_t>(told_), warnings.end());
  told_ = warnings.size();
  if (done && !input_.damage().empty()) chunk.told.push_back(input_.damage());
  from_ = input_.offset();
  text_ = {};
  ends_.clear();
  if (!to.put(std::exchange(chunk_, std::make_unique<Chunk>()))) return false;
  // As large as the last one, at most what a chunk may hold: the next one then asks for memory once.
  text_.reserve(std::min<uint64_t>(size + size / 8, options_.chunk_size_bytes));
  chunk_->items.reserve(count);
  return true;
}

SeenHashes::Answer SeenHashes::see(uint64_t hash) {
  if (hash == 0) hash = 1;
  if (2 * count_ >= slots_.size() && count_ < kIdsMax) grow();
  const size_t mask = slots_.size() - 1;
  size_t at = hash & mask;
  for (; slots_[at] != 0; at = (at + 1) & mask) {
    if (slots_[at] == hash) return Answer::kSeen;
  }
  if (count_ >= kIdsMax) return Answer::kFull;
  slots_[at] = hash;
  ++count_;
  return Answer::kNew;
}

void SeenHashes::grow() {
  std::vector<uint64_t> old(std::max<size_t>(1024, 2 * slots_.size()));
  old.swap(slots_);
  const size_t mask = slots_.size() - 1;
  for (const uint64_t hash : old) {
    if (hash == 0) continue;
    size_t at = hash & mask;
    while (slots_[at] != 0) at = (at + 1) & mask;
    slots_[at] = hash;
  }
}

std::vector<Fill> ChunkMapper::fills(const Mapper& mapper) {
  std::vector<Fill> fills;
  for (const char* member : kBuiltin) fills.push_back({member, 0});
  for (const auto& column : mapper.columns()) fills.push_back({"custom." + column.name, 0});
  return fills;
}

ChunkMapper::ChunkMapper(Mapper& mapper, const registry::Schema& schema, const RunOptions& options,
                         const os::Clock& clock, bool protects)
    : mapper_(mapper), schema_(schema), options_(options), clock_(clock), protects_(protects) {
  for (const auto& column : mapper.columns()) columns_.push_back(column.name);
}

void ChunkMapper::run(Chunks& from, Chunks& to) {
  while (std::optional<std::unique_ptr<Chunk>> chunk = from.take()) {
    map(**chunk);
    if (!to.put(std::move(*chunk))) break;
  }
  from.abandon();
  to.close();
}

void ChunkMapper::map(Chunk& chunk) {
  chunk.batch.seal_content = protects_;
  chunk.batch.events.reserve(chunk.items.size());
  chunk.tally.fills.resize(std::size(kBuiltin) + columns_.size());
  for (const Chunk::Item& item : chunk.items) take(chunk, item);
  chunk.receipt.read = chunk.items.size();
  chunk.receipt.stored = chunk.batch.events.size();
  chunk.receipt.parked = chunk.parked.size();
}

void ChunkMapper::take(Chunk& chunk, const Chunk::Item& item) {
  const auto park = [&](std::string why) {
    chunk.parked.push_back({item.offset, item.line, item.size, item.raw, std::move(why)});
  };
  if (!item.damage.empty()) return park(item.damage);
  if (auto mapped = mapper_.map({item.raw, item.inner, true}, chunk.batch); !mapped.ok()) {
    return park(mapped.error().message);
  }
  const ingest::Event& event = chunk.batch.events.back();
  if (auto valid = ingest::validate(event, schema_, options_.limits, clock_.now()); !valid.ok()) {
    chunk.batch.events.pop_back();
    return park(valid.error().message);
  }
  count(chunk, event);
}

void ChunkMapper::count(Chunk& chunk, const ingest::Event& event) {
  Tally& tally = chunk.tally;
  const bool there[] = {event.occurred_at.has_value(),
                        event.action_class != codec::ActionClass::kOther,
                        event.outcome != codec::Outcome::kUnknown,
                        !event.targets.empty(),
                        !event.url.empty(),
                        !event.source.empty(),
                        !event.source_ip.empty(),
                        !event.event_id.empty(),
                        !event.session.empty(),
                        event.on_behalf_of.has_value(),
                        event.content_kind != codec::ContentKind::kNone};
  static_assert(std::size(there) == std::size(kBuiltin));
  for (size_t i = 0; i < std::size(there); ++i) tally.fills[i] += there[i] ? 1 : 0;
  for (const ingest::ColumnInput& column : event.custom) {
    for (size_t i = 0; i < columns_.size(); ++i)
      tally.fills[std::size(there) + i] += columns_[i] == column.name ? 1 : 0;
  }
  if (samples_ < kSamplesMax && !protects_) {
    ++samples_;
    tally.samples.push_back(event_text(event));
  }
  if (event.occurred_at) {
    const TimeUs time = *event.occurred_at;
    if (previous_ && time < *previous_) ++tally.out_of_order;
    previous_ = time;
    chunk.receipt.first = std::min(chunk.receipt.first.value_or(time), time);
    chunk.receipt.last = std::max(chunk.receipt.last.value_or(time), time);
  }
  if (event.event_id.empty()) return;
  switch (ids_.see(std::hash<std::string_view>{}(event.event_id))) {
    case SeenHashes::Answer::kNew: break;
    case SeenHashes::Answer::kSeen: ++tally.duplicate_ids; break;
    case SeenHashes::Answer::kFull: tally.duplicate_ids_partial = true; break;
  }
}

}  // namespace khipu::import
