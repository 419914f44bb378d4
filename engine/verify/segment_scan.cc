#include "engine/verify/segment_scan.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "engine/crypto/hash.h"
#include "engine/os/pages.h"
#include "engine/tree/tree.h"
#include "engine/verify/builders.h"
#include "engine/verify/spare_rows.h"

namespace khipu::verify {
namespace {

constexpr uint64_t kScanBlock = 1 << 20;
// A file made to look like frames at every byte must not cost its square: after this many bytes of candidates the
// search ends and the rest of the segment counts as unreadable.
constexpr uint64_t kCandidateBytesMax = 1ULL << 30;
constexpr size_t kPinsAtOnce = 1024;      // that wait, between two looks at whether registry/ was read
constexpr size_t kPinsWaiting = 1 << 20;  // while registry/ is read: then the scan waits, too

bool known_kind(uint8_t kind) {
  return codec::is_row(kind) || kind == static_cast<uint8_t>(codec::RecordKind::kCommit) ||
         kind == static_cast<uint8_t>(codec::RecordKind::kFooter);
}

// Numbers, each once.
class Seen {
 public:
  // False: it was there.
  bool insert(uint64_t number) {
    if (2 * (count_ + 1) > table_.size()) {
      const std::vector<uint64_t> before =
          std::exchange(table_, std::vector<uint64_t>(std::max<size_t>(1024, 2 * table_.size()), kNone));
      for (const uint64_t known : before) {
        if (known != kNone) table_[place_of(known)] = known;
      }
    }
    if (number == kNone) return !std::exchange(none_, true);
    uint64_t& here = table_[place_of(number)];
    if (here == number) return false;
    here = number;
    ++count_;
    return true;
  }

 private:
  static constexpr uint64_t kNone = UINT64_MAX;
  size_t place_of(uint64_t number) const {
    size_t place = (number * 0x9e3779b97f4a7c15 >> 20) & (table_.size() - 1);
    while (table_[place] != number && table_[place] != kNone) place = (place + 1) & (table_.size() - 1);
    return place;
  }
  std::vector<uint64_t> table_;  // never more than half full
  size_t count_ = 0;
  bool none_ = false;
};

constexpr uint64_t kExpectedRowsMax = 1 << 20;

class Scan {
 public:
  Scan(const SegmentContext& context, const SegmentJob& job, const os::File& file, uint64_t end)
      : context_(context), job_(job), file_(file), end_(end), reader_(file, start(job), end) {
    const IndexPlan* const indexes = context.indexes;
    if (indexes == nullptr || !job.entry || job.resume != nullptr ||
        !indexes->segments.contains({job.table, job.number})) {
      return;
    }
    // A number from a file that is being judged, of a size that may be a hole's: room is made for so many at most.
    const uint64_t rows = std::min({job.entry->footer.rows, end / codec::kFrameHeaderSize, kExpectedRowsMax});
    out_.index = context.builders->take(job.table, job.number, job.entry->footer.first_row, rows, indexes->columns);
  }
  Result<Scanned> run();

 private:
  static uint64_t start(const SegmentJob& job) {
    return job.resume == nullptr ? segment::kHeaderSize : job.resume->offset;
  }
  void row(uint64_t offset, const codec::Frame& frame);
  Result<codec::FrameFacts> decode(uint64_t offset, const codec::Frame& frame);
  bool event(uint64_t offset, Bytes payload);
  bool version(uint64_t offset, Bytes payload);
  void statement(Bytes payload);
  void pin(const codec::Pin& pin);
  void check_pin(const codec::Pin& pin, uint64_t entry);
  void check_waiting_pins();
  void finish_pins();
  void commit(uint64_t offset, const codec::Frame& frame, std::vector<CommitAt>& to);
  Result<bool> fault(const segment::Step& step);
  Result<void> search_tail(uint64_t from);
  uint64_t entry() const { return out_.leaves.size(); }
  void add_fault(std::string_view code, std::string detail, std::string expected = {}, std::string actual = {},
                 const Place& where = KHIPU_HERE) {
    if (switched_off(where, code)) return;
    if (out_.faults.size() >= kRecordFaultsMax) return;
    out_.faults.push_back({entry(), code, std::move(detail), std::move(expected), std::move(actual), "rewriting"});
  }
  void add_pin_fault(uint64_t entry, std::string detail, const Place& where = KHIPU_HERE) {
    if (switched_off(where, code::kReferenceMissing)) return;
    if (pin_faults_.size() >= kRecordFaultsMax) return;
    pin_faults_.push_back({entry, code::kReferenceMissing, std::move(detail), {}, {}, "rewriting"});
  }

  const SegmentContext& context_;
  const SegmentJob& job_;
  const os::File& file_;
  uint64_t end_;
  segment::Reader reader_;
  Scanned out_;
  tree::LeafHasher leaves_{out_.leaves};
  codec::EventRecord event_;  // keep their capacity
  codec::VersionRecord version_;
  std::vector<Hash> names_;
  std::vector<size_t> named_;  // in out_.versions, whose names these are
  tree::LeafHasher names_hasher_{names_};
  Buffer name_;
  std::optional<const Entities*> entities_;  // once they are known
  std::vector<OldPin> pins_;                 // that came before
  std::vector<RecordFault> pin_faults_;
  Seen seen_;
  uint64_t pins_end_ = 0, pins_end_entry_ = 0;
};

void Scan::pin(const codec::Pin& pin) {
  ++out_.references;
  const uint64_t end = std::max(pin.entity.value, pin.version.value) + 1;
  if (end > pins_end_) {
    pins_end_ = end;
    pins_end_entry_ = entry();
  }
  if (context_.entities == nullptr) return;
  if (entities_) return check_pin(pin, entry());
  pins_.push_back({pin, entry()});
  if (pins_.size() % kPinsAtOnce != 0) return;
  if (pins_.size() >= kPinsWaiting || context_.entities->told()) check_waiting_pins();
}

// Nothing here depends on when it is called.
void Scan::check_pin(const codec::Pin& pin, uint64_t entry) {
  const Entities* const entities = *entities_;
  if (entities == nullptr || entities->pins_first(pin)) return;
  const uint64_t first = entities->first_row();
  if ((pin.entity.value < first || pin.version.value < first) &&
      seen_.insert(pin.entity.value * 0x9e3779b97f4a7c15 ^ pin.version.value)) {
    out_.old_pins.push_back({pin, entry});
  }
  if (const char* wrong = entities->check(pin)) {
    add_pin_fault(
        entry, fmt::format("the event {} (entity row {}, version row {})", wrong, pin.entity.value, pin.version.value));
  }
}

void Scan::check_waiting_pins() {
  entities_ = context_.entities->wait();
  for (const OldPin& waiting : pins_) check_pin(waiting.pin, waiting.row);
  pins_.clear();
}

// Faults go by record, and of one record those of its pins first.
void Scan::finish_pins() {
  if (!pins_.empty()) check_waiting_pins();
  if (pin_faults_.empty()) return;
  std::vector<RecordFault> all;
  std::merge(std::make_move_iterator(pin_faults_.begin()), std::make_move_iterator(pin_faults_.end()),
             std::make_move_iterator(out_.faults.begin()), std::make_move_iterator(out_.faults.end()),
             std::back_inserter(all), [](const RecordFault& a, const RecordFault& b) { return a.entry < b.entry; });
  all.resize(std::min(all.size(), kRecordFaultsMax));
  out_.faults = std::move(all);
}

bool Scan::event(uint64_t offset, Bytes payload) {
  if (const Result<void> decoded = codec::decode_event(payload, event_); !decoded.ok()) {
    add_fault(code::kFrameCorrupt, "the record does not decode: " + decoded.error().message);
    out_.index.reset();
    return false;
  }
  if (out_.index && !out_.index->add(offset, event_).ok()) out_.index.reset();
  pin(event_.actor);
  for (const codec::Pin& target : event_.targets) pin(target);
  if (event_.on_behalf_of) pin(*event_.on_behalf_of);
  return true;
}

bool Scan::version(uint64_t offset, Bytes payload) {
  VersionFacts& facts = out_.versions.emplace_back();
  if (const Result<void> decoded = codec::decode_version(payload, version_); !decoded.ok()) {
    add_fault(code::kFrameCorrupt, "the record does not decode: " + decoded.error().message);
    out_.index.reset();
    return false;
  }
  if (out_.index && !out_.index->add(offset, version_).ok()) out_.index.reset();
  facts = facts_without_name(version_);
  name_message(version_, name_);
  names_hasher_.add(name_);
  named_.push_back(out_.versions.size() - 1);
  if (context_.types != nullptr) {
    facts.type_defined = std::binary_search(context_.types->begin(), context_.types->end(), version_.type);
  }
  return true;
}

void Scan::statement(Bytes payload) {
  Result<codec::StatementRecord> decoded = codec::decode_statement(payload);
  if (decoded.ok()) {
    out_.statements.emplace_back(entry(), std::move(decoded).value());
  } else {
    add_fault(code::kFrameCorrupt,
              "the statement is outside the closed list or does not decode: " + decoded.error().message);
  }
}

// Decodes the record, and returns what its frame's header must say. A record that decodes has been asked already: the
// payload is not parsed twice.
Result<codec::FrameFacts> Scan::decode(uint64_t offset, const codec::Frame& frame) {
  const auto kind = static_cast<uint8_t>(codec::row_kind(job_.table));
  if (frame.kind != kind) {
    add_fault(code::kFrameCorrupt, "a record of another table's kind", fmt::format("kind {}", kind),
              fmt::format("kind {}", frame.kind));
    out_.index.reset();
  } else if (job_.table == TableId::kLogs) {
    if (event(offset, frame.payload)) return codec::FrameFacts{kind, event_.occurred_at, event_.recorded_at};
  } else if (job_.table == TableId::kRegistry) {
    if (version(offset, frame.payload)) return codec::FrameFacts{kind, version_.time, version_.recorded_at};
  } else if (job_.table == TableId::kMeta) {
    statement(frame.payload);
  }
  return codec::frame_facts(frame.payload);
}

void Scan::row(uint64_t offset, const codec::Frame& frame) {
  const Result<codec::FrameFacts> facts = decode(offset, frame);
  if (!facts.ok()) {
    add_fault(code::kFrameCorrupt, "the record does not decode: " + facts.error().message);
  } else if (amiss(facts->kind != frame.kind) || amiss(facts->time_us != frame.time_us)) {
    add_fault(code::kFrameCorrupt, "kind or time in the frame header is not the payload's",
              fmt::format("kind {} time {}", facts->kind, facts->time_us),
              fmt::format("kind {} time {}", frame.kind, frame.time_us));
  }
  if (job_.table == TableId::kRegistry && out_.versions.size() <= entry()) out_.versions.emplace_back();
  if (facts.ok()) {
    if (out_.recorded_last && facts->recorded_at < *out_.recorded_last) {
      add_fault(code::kTimeBackwards, "recorded_at is before that of the row in front",
                fmt::format("at least {}", *out_.recorded_last), std::to_string(facts->recorded_at));
    }
    if (!out_.recorded_first) out_.recorded_first = facts->recorded_at;
    out_.recorded_last = std::max(out_.recorded_last.value_or(facts->recorded_at), facts->recorded_at);
  }
  if (out_.leaves.empty()) out_.time_min = out_.time_max = frame.time_us;
  out_.time_min = std::min(out_.time_min, frame.time_us);
  out_.time_max = std::max(out_.time_max, frame.time_us);
  leaves_.add(frame.payload);
  out_.offsets.push_back(offset);
}

void Scan::commit(uint64_t offset, const codec::Frame& frame, std::vector<CommitAt>& to) {
  Result<codec::CommitRecord> record = codec::decode_commit(frame.payload);
  if (!record.ok()) {
    out_.holes.push_back({entry(), offset, offset + frame.size(), codec::FrameFault::kNone});
    return;
  }
  CommitAt at;
  at.rows_before = entry();
  at.offset = offset;
  at.frame_size = static_cast<uint32_t>(frame.size());
  at.hash = crypto::sha256(frame.payload);
  at.record = record.value();
  at.key_known = at.record.key_id == context_.key.id;
  at.signature_ok = crypto::verify(context_.key.key, at.record.signature,
                                   codec::commit_signed_bytes(context_.key.root_id, frame.payload));
  at.pins_end = std::exchange(pins_end_, 0);
  at.pins_end_row = pins_end_entry_;
  if (amiss(frame.time_us != at.record.time)) at.signature_ok = false;  // the header is no part of what is signed
  to.push_back(std::move(at));
}

// True: go on behind the damage. False: this is a tail, whatever follows was never acknowledged.
Result<bool> Scan::fault(const segment::Step& step) {
  if (!job_.sealed && step.offset >= job_.solid_end) {
    KHIPU_TRY(search_tail(step.offset));
    out_.stopped = context_.control.stopped();
    return false;
  }
  // Behind the footer and the end that the manifest names nothing can belong to the segment: its size is the finding.
  if (job_.entry && out_.footer_offset != 0 && step.offset >= job_.entry->file_size) return false;
  // Where its length points first: a record's content may hold the bytes of a whole frame.
  std::array<uint8_t, sizeof(uint32_t)> length{};
  KHIPU_TRY_ASSIGN(const size_t got, file_.read_at(step.offset, length));
  std::optional<uint64_t> next;
  const uint64_t behind = step.offset + codec::kFrameHeaderSize + load_le<uint32_t>(length.data());
  if (got == length.size() && behind == end_) next = end_;
  if (got == length.size() && behind < end_) {
    segment::Reader reader(file_, behind, end_);
    KHIPU_TRY_ASSIGN(const segment::Step there, reader.next());
    if (there.kind == segment::Step::Kind::kFrame && known_kind(there.frame.kind)) next = behind;
  }
  if (!next) {
    KHIPU_TRY_ASSIGN(next, find_frame(file_, step.offset + 1, end_, context_.control));
    out_.stopped = context_.control.stopped();
    if (out_.stopped) return false;
  }
  const uint64_t resume = next.value_or(end_);
  out_.holes.push_back({entry(), step.offset, resume, step.fault});
  reader_.skip_to(resume);
  return true;
}

// Signed commits behind a torn place show what was durable before it (recovery asks the same).
Result<void> Scan::search_tail(uint64_t from) {
  if (job_.table != TableId::kLogs) return {};
  for (uint64_t offset = from + 1; offset < end_;) {
    KHIPU_TRY_ASSIGN(const std::optional<uint64_t> next, find_frame(file_, offset, end_, context_.control));
    if (!next) return {};
    segment::Reader reader(file_, *next, end_);
    KHIPU_TRY_ASSIGN(const segment::Step step, reader.next());
    if (step.kind != segment::Step::Kind::kFrame) return {};
    if (step.frame.kind == static_cast<uint8_t>(codec::RecordKind::kCommit)) {
      std::vector<CommitAt> found;
      const size_t holes = out_.holes.size();
      commit(*next, step.frame, found);
      out_.holes.resize(holes);
      if (!found.empty() && found.front().signature_ok) out_.tail_commits.push_back(std::move(found.front()));
    }
    offset = *next + step.frame.size();
  }
  return {};
}

Result<Scanned> Scan::run() {
  uint64_t told = start(job_);
  out_.end_offset = start(job_);
  const uint64_t all = job_.rows();
  const uint64_t rows = all - std::min(all, job_.rows_read());
  if (context_.spare != nullptr) context_.spare->take(out_.leaves, out_.offsets);
  if (rows <= end_ / codec::kFrameHeaderSize) {  // a number from a file that is being judged
    os::reserve_large(out_.leaves, rows);
    os::reserve_large(out_.offsets, rows);
    if (job_.table == TableId::kRegistry) {
      os::reserve_large(out_.versions, rows);
      os::reserve_large(names_, rows);
      named_.reserve(rows);
    }
  }
  for (;;) {
    const Result<segment::Step> next = reader_.next();
    if (!next.ok()) return next.error();
    const segment::Step& step = *next;  // a copy would wait for what was just written
    if (step.kind == segment::Step::Kind::kEnd) break;
    if (step.kind == segment::Step::Kind::kFault) {
      KHIPU_TRY_ASSIGN(const bool go_on, fault(step));
      if (!go_on) break;
    } else if (codec::is_row(step.frame.kind)) {
      row(step.offset, step.frame);
      out_.end_offset = reader_.offset();
    } else if (step.frame.kind == static_cast<uint8_t>(codec::RecordKind::kCommit) && job_.table == TableId::kLogs) {
      commit(step.offset, step.frame, out_.commits);
      out_.end_offset = reader_.offset();
    } else if (step.frame.kind == static_cast<uint8_t>(codec::RecordKind::kFooter)) {
      Result<segment::Footer> footer = segment::parse_footer(step.frame.payload);
      out_.footer_offset = step.offset;
      if (!footer.ok()) {
        out_.footer_fault = footer.error().message;
      } else if (amiss(step.frame.time_us != footer->recorded_last)) {
        out_.footer_fault = "the time in its frame header is not recorded_last";
      } else {
        out_.footer = footer.value();
      }
      if (!job_.sealed) break;  // written, not yet in the manifest: behind the line
      out_.end_offset = reader_.offset();
    } else {
      out_.holes.push_back({entry(), step.offset, step.offset + step.frame.size(), codec::FrameFault::kNone});
    }
    if (reader_.offset() - told < kScanBlock) continue;
    if (!context_.control.advance(reader_.offset() - told)) {
      out_.stopped = true;
      break;
    }
    told = reader_.offset();
  }
  if (!out_.stopped && reader_.offset() > told) context_.control.advance(reader_.offset() - told);
  if (!out_.stopped) finish_pins();
  leaves_.finish();
  names_hasher_.finish();
  for (size_t i = 0; i < named_.size(); ++i) {
    std::array<uint8_t, 16>& name = out_.versions[named_[i]].name;
    std::copy_n(names_[i].begin(), name.size(), name.begin());
  }
  if (!out_.holes.empty()) out_.index.reset();
  return std::move(out_);
}

}  // namespace

Result<Scanned> scan_segment(const SegmentContext& context, const SegmentJob& job, const os::File& file, uint64_t end) {
  return Scan(context, job, file, end).run();
}

Result<std::optional<uint64_t>> find_frame(const os::File& file, uint64_t from, uint64_t end, Control& control) {
  Buffer block, frame;
  uint64_t candidate_bytes = 0;
  while (from + codec::kFrameHeaderSize < end) {
    // A frame may begin with zeroes: its header's last byte is the latest that is none.
    KHIPU_TRY_ASSIGN(const uint64_t data, file.data_from(from));
    if (data > from + codec::kFrameHeaderSize) from = data - codec::kFrameHeaderSize;
    if (from + codec::kFrameHeaderSize >= end || !control.advance(0)) return std::optional<uint64_t>();
    block.resize(std::min(end - from, kScanBlock + codec::kFrameHeaderSize));
    KHIPU_TRY_ASSIGN(const size_t got, file.read_at(from, block));
    block.resize(got);
    if (got <= codec::kFrameHeaderSize) return std::optional<uint64_t>();
    for (size_t i = 0; i + codec::kFrameHeaderSize < got; ++i) {
      const uint32_t length = load_le<uint32_t>(block.data() + i);
      if (length == 0 || length > codec::kPayloadSizeBytesMax || !known_kind(block[i + 16])) continue;
      const uint64_t size = codec::kFrameHeaderSize + length;
      if (from + i + size > end) continue;
      Bytes candidate = Bytes(block).subspan(i);
      if (candidate.size() < size) {
        frame.resize(size);
        KHIPU_TRY_ASSIGN(const size_t frame_got, file.read_at(from + i, frame));
        candidate = Bytes(frame).first(frame_got);
      }
      if (codec::parse_frame(candidate).fault == codec::FrameFault::kNone) return std::optional(from + i);
      candidate_bytes += size;
      if (candidate_bytes > kCandidateBytesMax) return std::optional<uint64_t>();
    }
    from += got - codec::kFrameHeaderSize;
  }
  return std::optional<uint64_t>();
}

}  // namespace khipu::verify
