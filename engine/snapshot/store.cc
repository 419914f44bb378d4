#include "engine/snapshot/store.h"

#include <fmt/format.h>

#include "engine/crypto/hash.h"
#include "engine/crypto/signature.h"
#include "engine/segment/level_files.h"
#include "engine/segment/reader.h"
#include "engine/snapshot/meta_state.h"
#include "engine/snapshot/segment_cache.h"
#include "engine/tree/source_of.h"

namespace khipu::snapshot {
namespace {

constexpr int kSlotAttempts = 100;  // retention would have to raise the epoch this often in a row

Error corrupt(std::string message) { return {Code::kCorrupt, std::move(message)}; }

using LevelSource = tree::SourceOf<segment::LevelFiles>;

}  // namespace

struct Snapshot::Checkers {
  struct One {
    std::unique_ptr<tree::HashSource> source;
    std::optional<tree::Checker> checker;
  };
  std::mutex mutex;
  std::array<One, kTableCount> tables;
};

Result<std::unique_ptr<Store>> Store::open(std::unique_ptr<os::Directory> root, StoreOptions options) {
  std::unique_ptr<Store> store(new Store());
  store->root_ = std::move(root);
  store->options_ = std::move(options);
  store->cache_ = std::make_unique<SegmentCache>(*store->root_, store->options_.open_files_max);
  return store;
}

Store::~Store() = default;

Result<std::shared_ptr<const Snapshot>> Store::snapshot() {
  const std::lock_guard hold(mutex_);
  std::shared_ptr<Snapshot> snapshot(new Snapshot());
  KHIPU_TRY(snapshot->take_slot(*this));
  if (auto newest = newest_.lock(); newest && newest->head_ == snapshot->head_) return newest;
  KHIPU_TRY(snapshot->load_segments());
  KHIPU_TRY(at("meta", snapshot->load_meta(meta_)));
  KHIPU_TRY(snapshot->check_commit());
  meta_ = snapshot->meta_;
  newest_ = snapshot;
  return std::shared_ptr<const Snapshot>(snapshot);
}

Snapshot::Snapshot() : checkers_(std::make_unique<Checkers>()) {}
Snapshot::~Snapshot() = default;

const codec::Genesis& Snapshot::genesis() const { return *meta_->genesis; }
const registry::Schema& Snapshot::schema() const { return meta_->schema; }
const std::vector<codec::StatementRecord>& Snapshot::statements() const { return meta_->statements; }
bool Snapshot::key_pinned() const { return store_->options_.verifier_key.has_value(); }

// Share-locks the slot of HEAD's epoch, then reads HEAD again and moves if the epoch has changed meanwhile.
Result<void> Snapshot::take_slot(Store& store) {
  store_ = &store;
  for (int attempt = 0; attempt < kSlotAttempts; ++attempt) {
    KHIPU_TRY_ASSIGN(const auto slots, segment::read_head(*store.root_));
    const std::optional<segment::Head> head = segment::newest(slots);
    if (!head) {
      return Error{Code::kNotFound,
                   fmt::format("{} holds no log that can be read: HEAD is missing or damaged", store.root_->path())};
    }
    if (slot_ && head->epoch == head_.epoch) {
      head_ = *head;
      return {};
    }
    head_ = *head;
    slot_.reset();
    auto slot = os::ReaderSlot::acquire(*store.root_, head_.epoch);
    if (slot.ok()) {
      slot_ = std::move(slot).value();
    } else if (slot.error().code != Code::kBusy) {
      return std::move(slot).error();
    }
  }
  return Error{Code::kBusy, "retention is at work; try again"};
}

Result<void> Snapshot::load_segments() {
  for (const TableId table : kTables) {
    const segment::HeadTable& head = head_.tables[index_of(table)];
    std::vector<SegmentInfo>& segments = segments_[index_of(table)];
    KHIPU_TRY_ASSIGN(auto directory, store_->root_->open_directory(table_name(table)));
    uint64_t row = 0;
    if (head.manifest_entries > 0) {
      KHIPU_TRY_ASSIGN(const segment::Manifest manifest, segment::read_manifest(*directory));
      if (manifest.entries.size() < head.manifest_entries) {
        return corrupt(fmt::format("{}/manifest has {} sound entries, HEAD names {}", table_name(table),
                                   manifest.entries.size(), head.manifest_entries));
      }
      segments.reserve(head.manifest_entries + 1);
      for (size_t i = 0; i < head.manifest_entries; ++i) {
        const segment::ManifestEntry& entry = manifest.entries[i];
        if (entry.number.value != i || entry.footer.first_row.value != row) {
          return corrupt(
              fmt::format("{}/manifest: entry {} does not continue the one before it", table_name(table), i));
        }
        row += entry.footer.rows;
        segments.push_back({entry.number, entry.footer.first_row, entry.footer.rows, entry.footer_offset, true,
                            entry.footer.time_min, entry.footer.time_max, entry.footer.recorded_first,
                            entry.footer.recorded_last});
      }
    }
    if (head.segment_first_row.value != row || head.size < row) {
      return corrupt(
          fmt::format("{}: HEAD and manifest disagree on where the active segment starts", table_name(table)));
    }
    segments.push_back({head.segment, head.segment_first_row, head.size - row, head.end_offset, false, 0, 0, 0, 0});
  }
  return {};
}

// Reads the rows of meta/ that `known` lacks, and checks all of them against the signed root.
Result<void> Snapshot::load_meta(std::shared_ptr<const MetaState> known) {
  const uint64_t rows = size(TableId::kMeta);
  if (known && known->statements.size() > rows) known.reset();
  if (!known || known->statements.size() < rows) {
    auto next = known ? std::make_shared<MetaState>(*known) : std::make_shared<MetaState>();
    Result<void> outcome;
    KHIPU_TRY(scan(TableId::kMeta, {next->statements.size()}, {rows}, Order::kAscending, [&](const ScannedRow& row) {
      if (row.fault != codec::FrameFault::kNone) {
        outcome = corrupt(fmt::format("row {}: {}", row.row.value, codec::describe(row.fault)));
        return false;
      }
      Result<codec::StatementRecord> statement = codec::decode_statement(row.frame.payload);
      if (!statement.ok()) {
        outcome = std::move(statement).error().at(fmt::format("row {}", row.row.value));
        return false;
      }
      next->tree.append(tree::leaf_hash(row.frame.payload));
      if (const auto* genesis = std::get_if<codec::Genesis>(&statement->body)) next->genesis = *genesis;
      if (const auto* type = std::get_if<codec::TypeStatement>(&statement->body)) next->schema.apply(type->type);
      if (const auto* column = std::get_if<codec::ColumnStatement>(&statement->body))
        next->schema.apply(column->column);
      next->statements.push_back(std::move(statement).value());
      return true;
    }));
    KHIPU_TRY(std::move(outcome));
    known = std::move(next);
  }
  meta_ = std::move(known);
  if (meta_->tree.root() != root(TableId::kMeta)) return corrupt("its rows do not make the root HEAD names");
  if (!meta_->genesis || meta_->genesis->root_id != head_.root_id)
    return corrupt("GENESIS is missing or another root's");
  return {};
}

// HEAD's word is worth what the signed commit it points to says.
Result<void> Snapshot::check_commit() {
  const std::string place = fmt::format("commit {} at logs/{} byte {}", head_.commit.value,
                                        segment::segment_name(head_.commit_segment), head_.commit_offset);
  KHIPU_TRY_ASSIGN(const auto view, store_->cache_->open(TableId::kLogs, head_.commit_segment));
  if (head_.commit_frame_size > 4096) return corrupt(place + ": an impossible size");
  Buffer bytes(head_.commit_frame_size);
  KHIPU_TRY(at(place, view->file().read_exactly(head_.commit_offset, bytes)));
  const codec::ParsedFrame parsed = codec::parse_frame(bytes);
  if (parsed.fault != codec::FrameFault::kNone || crypto::sha256(parsed.frame.payload) != head_.commit_hash) {
    return corrupt(place + " is not the one HEAD names");
  }
  KHIPU_TRY_ASSIGN(commit_, at(place, codec::decode_commit(parsed.frame.payload)));
  for (size_t i = 0; i < kTableCount; ++i) {
    if (commit_.tables[i].size != head_.tables[i].size || commit_.tables[i].root != head_.tables[i].root) {
      return corrupt(place + ": HEAD and the signed commit disagree");
    }
  }
  const auto& key = store_->options_.verifier_key ? *store_->options_.verifier_key : genesis().verifier;
  if (!crypto::verify(key, commit_.signature, codec::commit_signed_bytes(head_.root_id, parsed.frame.payload))) {
    return corrupt(place + (key_pinned() ? ": not signed by the key you gave" : ": bad signature"));
  }
  return {};
}

const SegmentInfo* Snapshot::segment_of(TableId table, Row row) const {
  if (row.value >= size(table)) return nullptr;
  const std::vector<SegmentInfo>& all = segments(table);
  auto after = std::upper_bound(all.begin(), all.end(), row,
                                [](Row wanted, const SegmentInfo& info) { return wanted < info.first_row; });
  return &*std::prev(after);
}

Result<void> Snapshot::scan(TableId table, Row from, Row to, Order order, const Visit& visit) const {
  to.value = std::min(to.value, size(table));
  if (from >= to) return {};
  const std::vector<SegmentInfo>& all = segments(table);
  const size_t first = static_cast<size_t>(segment_of(table, from) - all.data());
  const size_t last = static_cast<size_t>(segment_of(table, {to.value - 1}) - all.data());
  const bool ascending = order == Order::kAscending;
  for (size_t step = 0; step <= last - first; ++step) {
    const SegmentInfo& info = all[ascending ? first + step : last - step];
    if (info.rows == 0) continue;
    const std::string place = fmt::format("{}/{}", table_name(table), segment::segment_name(info.number));
    KHIPU_TRY_ASSIGN(const auto view, store_->cache_->open(table, info.number));
    KHIPU_TRY_ASSIGN(const auto mapping, at(place, view->map(info.end_offset)));
    KHIPU_TRY_ASSIGN(const auto offsets, at(place, view->offsets(info.rows, info.end_offset)));
    const Bytes bytes = mapping->bytes().first(info.end_offset);
    const uint64_t begin = std::max(from.value, info.first_row.value) - info.first_row.value;
    const uint64_t end = std::min(to.value, info.first_row.value + info.rows) - info.first_row.value;
    const uint64_t found = std::min<uint64_t>(end, offsets->size());
    const auto lost = [&] {  // rows behind a frame whose length makes no sense
      if (found >= end) return true;
      const uint64_t at_row = std::max(found, begin);
      return visit({{info.first_row.value + at_row}, codec::FrameFault::kLength, end - at_row, {}});
    };
    const auto one = [&](uint64_t index) {
      const codec::ParsedFrame parsed = codec::parse_frame(bytes.subspan((*offsets)[index]));
      const bool sound = parsed.fault == codec::FrameFault::kNone;
      return visit({{info.first_row.value + index}, parsed.fault, sound ? 0U : 1U, parsed.frame});
    };
    if (ascending) {
      for (uint64_t index = begin; index < found; ++index) {
        if (!one(index)) return {};
      }
      if (!lost()) return {};
    } else {
      if (!lost()) return {};
      for (uint64_t index = found; index-- > begin;) {
        if (!one(index)) return {};
      }
    }
  }
  return {};
}

Result<std::unique_ptr<tree::HashSource>> Snapshot::hashes(TableId table) const {
  KHIPU_TRY_ASSIGN(auto directory, store_->root_->open_directory(table_name(table)));
  KHIPU_TRY_ASSIGN(segment::LevelFiles levels, segment::LevelFiles::open(*directory, false));
  return std::unique_ptr<tree::HashSource>(std::make_unique<LevelSource>(std::move(levels)));
}

Result<CheckedRecord> Snapshot::record(TableId table, Row row) const {
  const SegmentInfo* const info = segment_of(table, row);
  if (!info) {
    return Error{Code::kNotFound,
                 fmt::format("{} has rows 0 to {}, not {}", table_name(table), size(table), row.value)};
  }
  CheckedRecord checked;
  checked.where = fmt::format("{} row {}, {}", table_name(table), row.value, segment::segment_name(info->number));
  KHIPU_TRY_ASSIGN(const auto view, store_->cache_->open(table, info->number));
  const auto offsets = view->offsets(info->rows, info->end_offset);
  const uint64_t index = row.value - info->first_row.value;
  if (!offsets.ok() || index >= offsets.value()->size()) {
    checked.finding = offsets.ok() ? "frame-corrupt" : "segment-truncated";
    return checked;
  }
  const uint64_t offset = (*offsets.value())[index];
  checked.where += fmt::format(" offset {}", offset);
  std::array<uint8_t, codec::kFrameHeaderSize> header;
  KHIPU_TRY(view->file().read_exactly(offset, header));
  const uint64_t length = load_le<uint32_t>(header.data());
  Buffer bytes(std::min<uint64_t>(codec::kFrameHeaderSize + length, info->end_offset - offset));
  KHIPU_TRY(view->file().read_exactly(offset, bytes));  // a copy: what is checked is what is shown
  const codec::ParsedFrame parsed = codec::parse_frame(bytes);
  if (parsed.fault != codec::FrameFault::kNone) {
    checked.finding = "frame-corrupt";
    return checked;
  }
  const Result<codec::FrameFacts> facts = codec::frame_facts(parsed.frame.payload);
  if (!facts.ok() || facts->kind != parsed.frame.kind || facts->time_us != parsed.frame.time_us) {
    checked.finding = "frame-corrupt";
    return checked;
  }
  const std::lock_guard hold(checkers_->mutex);
  Checkers::One& one = checkers_->tables[index_of(table)];
  if (!one.source) {
    KHIPU_TRY_ASSIGN(one.source, hashes(table));
    KHIPU_TRY_ASSIGN(one.checker, tree::Checker::open(size(table), root(table), *one.source));
  }
  if (!one.checker) {
    checked.finding = "tile-mismatch";
    return checked;
  }
  KHIPU_TRY_ASSIGN(const bool ours, one.checker->check(row.value, tree::leaf_hash(parsed.frame.payload), *one.source));
  if (!ours) {
    checked.finding = "leaf-mismatch";
    return checked;
  }
  checked.intact = true;
  checked.payload.assign(parsed.frame.payload.begin(), parsed.frame.payload.end());
  return checked;
}

}  // namespace khipu::snapshot
