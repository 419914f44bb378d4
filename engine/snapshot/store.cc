#include "engine/snapshot/store.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/base/system_error.h"
#include "engine/crypto/hash.h"
#include "engine/crypto/signature.h"
#include "engine/index/peek.h"
#include "engine/segment/reader.h"
#include "engine/snapshot/helper.h"
#include "engine/snapshot/index_cache.h"
#include "engine/snapshot/segment_cache.h"
#include "engine/snapshot/tail_index.h"

namespace khipu::snapshot {
namespace {

constexpr int kSlotAttempts = 100;  // retention would have to raise the epoch this often in a row

Error corrupt(std::string message) { return {Code::kCorrupt, std::move(message)}; }

}  // namespace

struct Snapshot::Checkers {
  std::mutex mutex;  // guards the member below
  std::array<std::shared_ptr<SharedChecker>, kTableCount> tables;
  std::shared_ptr<SharedChecker> of(const Snapshot& snapshot, CheckerCache& cache, TableId table) {
    const std::lock_guard hold(mutex);
    std::shared_ptr<SharedChecker>& one = tables[index_of(table)];
    if (!one) one = cache.of(table, snapshot.size(table), snapshot.root(table));
    return one;
  }
};

Result<std::unique_ptr<Store>> Store::open(std::unique_ptr<os::Directory> root, StoreOptions options) {
  std::unique_ptr<Store> store(new Store());
  store->root_ = std::move(root);
  store->options_ = std::move(options);
  store->cache_ = std::make_unique<SegmentCache>(*store->root_, store->options_.open_files_max);
  store->indexes_ =
      std::make_unique<IndexCache>(*store->root_, store->options_.index_bytes_max, store->options_.index_files_max);
  store->tail_ = std::make_unique<TailIndex>(store->options_.tail_piece_rows, store->options_.tail_run_rows);
  store->helper_ = std::make_unique<Helper>(store->options_.scan_threads_max);
  return store;
}

Store::~Store() = default;

Result<std::shared_ptr<const Snapshot>> Store::snapshot() {
  const std::lock_guard hold(mutex_);
  return load();
}

Result<std::shared_ptr<const Snapshot>> Store::load() {
  std::shared_ptr<Snapshot> snapshot(new Snapshot());
  KHIPU_TRY(snapshot->take_slot(*this));
  if (auto newest = newest_.lock(); newest && newest->head_ == snapshot->head_) return newest;
  KHIPU_TRY(snapshot->load_segments());
  KHIPU_TRY(at("meta", snapshot->load_meta(meta_)));
  snapshot->leave_out_purged();
  KHIPU_TRY(snapshot->check_commit());
  meta_ = snapshot->meta_;
  newest_ = snapshot;
  return std::shared_ptr<const Snapshot>(snapshot);
}

Snapshot::Snapshot() : checkers_(std::make_unique<Checkers>()) {}
Snapshot::~Snapshot() = default;

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
        const segment::Footer& footer = entry.footer;
        segments.push_back({entry.number, footer.first_row, footer.rows, entry.footer_offset, true, footer.time_min,
                            footer.time_max, footer.recorded_first, footer.recorded_last, entry.file_size,
                            footer.commit, footer.commit_hash});
      }
    }
    if (head.segment_first_row.value != row || head.size < row) {
      return corrupt(
          fmt::format("{}: HEAD and manifest disagree on where the active segment starts", table_name(table)));
    }
    SegmentInfo active;
    active.number = head.segment;
    active.first_row = head.segment_first_row;
    active.rows = head.size - row;
    active.end_offset = head.end_offset;
    segments.push_back(active);
  }
  return {};
}

// Reads the rows of meta/ that `known` lacks, and checks all of them against the signed root.
Result<void> Snapshot::load_meta(std::shared_ptr<const MetaState> known) {
  const uint64_t rows = size(TableId::kMeta);
  if (known && known->rows() > rows) known.reset();
  if (!known || known->rows() < rows) {
    const auto next = known ? std::make_shared<MetaState>(*known) : std::make_shared<MetaState>();
    Result<void> outcome;
    KHIPU_TRY(scan(TableId::kMeta, {next->rows()}, {rows}, Order::kAscending, [&](const ScannedRow& row) {
      outcome = row.fault == codec::FrameFault::kNone
                    ? next->append(row.frame)
                    : corrupt(fmt::format("row {}: {}", row.row.value,
                                          row.detail.empty() ? codec::describe(row.fault) : row.detail));
      return outcome.ok();
    }));
    KHIPU_TRY(std::move(outcome));
    known = next;
  }
  meta_ = std::move(known);
  if (meta_->root() != root(TableId::kMeta)) return corrupt("its rows do not make the root HEAD names");
  if (meta_->genesis() == nullptr || meta_->genesis()->root_id != head_.root_id)
    return corrupt("GENESIS is missing or another root's");
  return {};
}

// What a committed RETENTION let go is not part of this snapshot, whether its files are still there or not.
void Snapshot::leave_out_purged() {
  for (const TableId table : kTables) {
    std::vector<SegmentInfo>& all = segments_[index_of(table)];
    if (meta_->purges(table).empty()) continue;
    const SegmentNumber last = meta_->purges(table).back().last_segment;
    const auto held = std::find_if(all.begin(), all.end(),
                                   [&](const SegmentInfo& info) { return !info.sealed || info.number > last; });
    all.erase(all.begin(), held);
    store_->cache_->forget(table, last);
  }
}

// HEAD's word is worth what the signed commit it points to says.
Result<void> Snapshot::check_commit() {
  const std::string place = fmt::format("commit {} at logs/{} byte {}", head_.commit.value,
                                        segment::segment_name(head_.commit_segment), head_.commit_offset);
  KHIPU_TRY_ASSIGN(const auto view, at(place, store_->cache_->open(TableId::kLogs, head_.commit_segment)));
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

// The payload of the frame that begins there, copied: what is checked is what is shown. nullopt: it is not a sound one.
static Result<std::optional<Buffer>> payload_at(const SegmentView& view, uint64_t offset, uint64_t end) {
  std::optional<Buffer> none;
  if (offset > end || end - offset < codec::kFrameHeaderSize) return none;
  std::array<uint8_t, 1024> front;  // most frames whole, read at once
  KHIPU_TRY_ASSIGN(const size_t got,
                   view.file().read_at(offset, std::span(front).first(std::min<uint64_t>(front.size(), end - offset))));
  if (got < codec::kFrameHeaderSize) return none;  // the file was cut short
  const uint64_t size =
      std::min<uint64_t>(uint64_t{codec::kFrameHeaderSize} + load_le<uint32_t>(front.data()), end - offset);
  Buffer longer;
  if (size > front.size()) {
    longer.resize(size);
    KHIPU_TRY_ASSIGN(const size_t whole, view.file().read_at(offset, longer));
    if (whole < size) return none;
  } else if (got < size) {
    return none;
  }
  const codec::ParsedFrame parsed = codec::parse_frame(size > front.size() ? Bytes(longer) : Bytes(front).first(size));
  if (parsed.fault != codec::FrameFault::kNone) return none;
  const Result<codec::FrameFacts> facts = codec::frame_facts(parsed.frame.payload);
  if (!facts.ok() || facts->kind != parsed.frame.kind || facts->time_us != parsed.frame.time_us) return none;
  return std::optional(Buffer(parsed.frame.payload.begin(), parsed.frame.payload.end()));
}

// About the index that has a row, its segment's or a run; nullptr: none has it.
static const codec::IndexStatement* index_statement_of(const MetaState& meta, TableId table, const SegmentInfo& segment,
                                                       Row row) {
  const auto covers = [&](const codec::IndexStatement& statement) {
    return statement.first_row <= row && row.value - statement.first_row.value < statement.rows;
  };
  const codec::IndexStatement* const whole = segment.sealed ? meta.index_statement(table, segment.number) : nullptr;
  if (whole != nullptr) return covers(*whole) ? whole : nullptr;
  for (const codec::IndexStatement& statement : meta.runs(table, segment.number)) {
    if (covers(statement)) return &statement;
  }
  return nullptr;
}

// Believed by nobody: an index that is not open is not checked for this either.
static Result<uint64_t> place_in_index(os::Directory& root, IndexCache& indexes, const codec::IndexStatement& statement,
                                       Row row) {
  const uint64_t place = row.value - statement.first_row.value;
  if (const auto held = indexes.held(statement)) return held->peek_offset(static_cast<uint32_t>(place));
  KHIPU_TRY_ASSIGN(const auto folder, root.open_directory(table_name(statement.table)));
  KHIPU_TRY_ASSIGN(const auto file, folder->open_file(statement.file, os::Mode::kRead));
  return index::peek_offset(*file, place);
}

Result<bool> Snapshot::open_checker(TableId table, SharedChecker& shared) const {
  if (!shared.source) {
    KHIPU_TRY_ASSIGN(auto source, hashes(table));
    KHIPU_TRY_ASSIGN(shared.checker, tree::Checker::open(size(table), root(table), *source));
    if (shared.checker) shared.source = std::move(source);
  }
  return shared.checker.has_value();
}

Result<std::string_view> Snapshot::judge(TableId table, Row row, const Hash& leaf) const {
  const std::shared_ptr<SharedChecker> shared = checkers_->of(*this, store_->cache_->checkers(), table);
  const std::lock_guard hold(shared->mutex);
  KHIPU_TRY_ASSIGN(const bool opened, open_checker(table, *shared));
  if (!opened) return std::string_view("tile-mismatch");
  KHIPU_TRY_ASSIGN(const bool intact, shared->checker->check(row.value, leaf, *shared->source));
  return std::string_view(intact ? "" : "leaf-mismatch");
}

void Snapshot::expect(TableId table, std::span<const Row> rows) const {
  constexpr size_t kTilesMax = 16;  // 128 KiB
  const std::shared_ptr<SharedChecker> shared = checkers_->of(*this, store_->cache_->checkers(), table);
  std::vector<uint64_t> tiles;
  std::vector<Hash> hashes;
  const auto tile = [&](size_t i) { return std::span(hashes).subspan(i * tree::kTileWidth).first<tree::kTileWidth>(); };
  {
    const std::lock_guard hold(shared->mutex);
    const Result<bool> opened = open_checker(table, *shared);
    if (!opened.ok() || !*opened) return;
    for (const Row row : rows) {
      const uint64_t number = row.value / tree::kTileWidth;
      if (!shared->checker->wants_tile(number) || tiles.size() == kTilesMax) continue;
      if (std::find(tiles.begin(), tiles.end(), number) == tiles.end()) tiles.push_back(number);
    }
    if (tiles.size() < 2) return;
    hashes.resize(tiles.size() * tree::kTileWidth);
    for (size_t i = 0; i < tiles.size(); ++i) {  // what cannot be read is met again by record(), which tells
      if (!shared->source->read(0, tiles[i] * tree::kTileWidth, tile(i)).ok()) return;
    }
  }
  std::vector<Hash> roots(tiles.size());
  tree::roots_of_tiles(hashes, roots);
  const std::lock_guard hold(shared->mutex);
  for (size_t i = 0; i < tiles.size(); ++i) {
    if (!shared->checker->take_tile(tiles[i], roots[i], tile(i), *shared->source).ok()) return;
  }
}

void Snapshot::share(const std::function<void()>& work) const { store_->helper_->share(work); }

Result<void> Snapshot::judge_each(TableId table, std::span<const Row> rows, std::span<const Hash> leaves,
                                  std::span<std::string_view> findings) const {
  const std::shared_ptr<SharedChecker> shared = checkers_->of(*this, store_->cache_->checkers(), table);
  const auto with = [&](const auto& ask) -> Result<bool> {
    const std::lock_guard hold(shared->mutex);
    KHIPU_TRY_ASSIGN(const bool opened, open_checker(table, *shared));
    if (!opened) return Error{Code::kCorrupt, "the stored hashes do not make the root"};
    return ask(*shared->checker, *shared->source);
  };
  for (size_t i = 0, end = 0; i < rows.size(); i = end) {
    const uint64_t tile = rows[i].value / tree::kTileWidth;
    for (end = i + 1; end < rows.size() && rows[end].value / tree::kTileWidth == tile;) ++end;
    if (end - i == tree::kTileWidth) {  // their root is made of what was read, outside the lock
      const Hash made = tree::root_of(leaves.subspan(i, end - i));
      const Result<bool> intact = with(
          [&](tree::Checker& checker, tree::HashSource& source) { return checker.check_tile(tile, made, source); });
      if (intact.ok() && *intact) continue;
      if (!intact.ok() && of_system(intact.error())) return intact.error();
    }
    for (size_t one = i; one < end; ++one) {
      const Result<bool> intact = with([&](tree::Checker& checker, tree::HashSource& source) {
        return checker.check(rows[one].value, leaves[one], source);
      });
      if (!intact.ok() && of_system(intact.error())) return intact.error();
      findings[one] = !intact.ok() ? "tile-mismatch" : *intact ? "" : "leaf-mismatch";
    }
  }
  return {};
}

Result<CheckedRecord> Snapshot::record(TableId table, Row row) const {
  if (const Purge* purge = meta_->purge_of(table, row)) return purged_error(*purge);
  const SegmentInfo* const info = segment_of(table, row);
  if (!info) {
    return Error{Code::kNotFound,
                 fmt::format("{} has rows 0 to {}, not {}", table_name(table), size(table), row.value)};
  }
  CheckedRecord checked;
  const std::string segment =
      fmt::format("{} row {}, {}", table_name(table), row.value, segment::segment_name(info->number));
  checked.where = segment;
  KHIPU_TRY_ASSIGN(const Held held, this->view(table, *info));
  if (!held.view) {
    checked.finding = held.finding;
    checked.where += ": " + held.detail;
    return checked;
  }
  const std::shared_ptr<SegmentView>& view = held.view;
  const auto check_at = [&](uint64_t offset) -> Result<void> {
    checked.where = fmt::format("{} offset {}", segment, offset);
    checked.finding = "frame-corrupt";
    KHIPU_TRY_ASSIGN(std::optional<Buffer> payload, payload_at(*view, offset, info->end_offset));
    if (!payload) return {};
    KHIPU_TRY_ASSIGN(const std::string_view finding, judge(table, row, tree::leaf_hash(*payload)));
    checked.finding = finding;
    checked.intact = finding.empty();
    if (checked.intact) checked.payload = *std::move(payload);
    return {};
  };
  const uint64_t index = row.value - info->first_row.value;
  // An index spares a cold reader the walk through the whole file. It only says where to look: what is there is held
  // against the leaf, and when it does not fit, the walk decides what is told.
  const codec::IndexStatement* const known = index_statement_of(*meta_, table, *info, row);
  if (known != nullptr && !view->walked(index)) {
    const Result<uint64_t> offset = place_in_index(*store_->root_, *store_->indexes_, *known, row);
    if (offset.ok()) KHIPU_TRY(check_at(*offset));
    if (checked.intact) return checked;
  }
  auto offsets = places(table, *info, *view, index);
  if (!offsets.ok()) return std::move(offsets).error().at(segment);
  const bool found = index < offsets.value()->end();
  if (found) KHIPU_TRY(check_at((*offsets.value())[index]));
  if (checked.intact) return checked;
  KHIPU_TRY_ASSIGN(const uint64_t size, at(segment, view->file().size()));
  const bool cut = size < info->end_offset && checked.finding != "leaf-mismatch";
  if (!found || cut) checked.where = segment;
  if (!found || cut) checked.finding = cut ? "segment-truncated" : "frame-corrupt";
  if (cut)
    checked.where += fmt::format(" has {} bytes, fewer than the {} a signed commit covers", size, info->end_offset);
  return checked;
}

}  // namespace khipu::snapshot
