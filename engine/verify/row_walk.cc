#include "engine/verify/row_walk.h"

#include <algorithm>

namespace khipu::verify {
namespace {

constexpr uint64_t kHopSize = 256 << 10;
constexpr uint64_t kRowsHopped = 4096;  // more are passed over only when it was asked where the row stands

// Frame headers of one segment, front to back.
class Hopper {
 public:
  Hopper(const os::File& file, uint64_t end) : file_(file), end_(end) {}

  // Goes behind `rows` rows; returns how many there were before the end, or a place where frames cannot be followed.
  Result<uint64_t> pass_over(TableId table, uint64_t rows) {
    const auto row_kind = static_cast<uint8_t>(codec::row_kind(table));
    uint64_t passed = 0;
    while (passed < rows) {
      KHIPU_TRY_ASSIGN(const Bytes front, bytes(codec::kFrameHeaderSize));
      if (front.size() < codec::kFrameHeaderSize) break;
      const Bytes here = Bytes(buffer_).first(got_);
      uint64_t at = at_ - start_;
      while (passed < rows && at + codec::kFrameHeaderSize <= here.size()) {
        const uint8_t* const header = here.data() + at;
        const uint32_t length = load_le<uint32_t>(header);
        const uint8_t kind = header[16];
        if (length == 0 || length > codec::kPayloadSizeBytesMax) break;
        if (kind != row_kind && codec::is_row(kind)) break;
        passed += kind == row_kind ? 1 : 0;
        at += codec::kFrameHeaderSize + length;
      }
      if (start_ + at == at_) break;
      at_ = start_ + at;
    }
    return passed;
  }

  // The frame of the next row, nullopt at the end or where frames cannot be followed.
  Result<std::optional<std::pair<uint64_t, codec::Frame>>> next_row(TableId table) {
    using Found = std::optional<std::pair<uint64_t, codec::Frame>>;
    for (;;) {
      KHIPU_TRY_ASSIGN(const Bytes header, bytes(codec::kFrameHeaderSize));
      if (header.size() < codec::kFrameHeaderSize) return Found();
      const uint64_t size = codec::kFrameHeaderSize + load_le<uint32_t>(header.data());
      const uint8_t kind = header[16];
      if (size > codec::kFrameHeaderSize + codec::kPayloadSizeBytesMax || size == codec::kFrameHeaderSize)
        return Found();
      if (kind != static_cast<uint8_t>(codec::row_kind(table))) {
        if (codec::is_row(kind)) return Found();
        at_ += size;
        continue;
      }
      const uint64_t offset = at_;
      KHIPU_TRY_ASSIGN(const Bytes whole, bytes(size));
      const codec::ParsedFrame parsed = codec::parse_frame(whole);
      if (parsed.fault != codec::FrameFault::kNone) return Found();
      at_ += size;
      return Found(std::pair(offset, parsed.frame));
    }
  }
  uint64_t at() const { return at_; }
  void go_to(uint64_t offset) { at_ = offset; }

 private:
  Result<Bytes> bytes(uint64_t want) {
    if (at_ < start_ || at_ + want > start_ + got_) {
      const uint64_t size = std::min(std::max(want, kHopSize), end_ > at_ ? end_ - at_ : 0);
      if (buffer_.size() < size) buffer_.resize(size);
      start_ = at_;
      KHIPU_TRY_ASSIGN(got_, file_.read_at(at_, std::span(buffer_).first(size)));
    }
    return Bytes(buffer_).first(got_).subspan(at_ - start_).first(std::min<uint64_t>(want, got_ - (at_ - start_)));
  }

  const os::File& file_;
  uint64_t end_, at_ = segment::kHeaderSize, start_ = 0;
  size_t got_ = 0;
  Buffer buffer_;
};

}  // namespace

Result<void> walk_rows(const TablePlan& plan, const std::vector<uint64_t>& rows, Control& control,
                       const PlaceOf& place_of, const std::function<void(const WalkedRow&)>& visit) {
  auto row = rows.begin();
  const auto skip = [&](uint64_t end, const SegmentJob* job) {
    for (; row != rows.end() && *row < end; ++row) {
      visit({Row{*row}, job == nullptr ? SegmentNumber{} : job->number, 0, std::nullopt});
    }
  };
  for (const SegmentJob& job : plan.jobs) {
    if (row == rows.end()) break;
    const uint64_t first = job.first_row.value_or(Row{}).value, end = first + job.rows();
    skip(first, nullptr);
    if (row == rows.end() || *row >= end) continue;
    const auto pass_over = [&] { row = std::lower_bound(row, rows.end(), end); };
    if (job.let_go && !job.file_size) {  // by policy: there is nothing to visit
      pass_over();
      continue;
    }
    auto file = plan.directory->open_file(segment::segment_name(job.number), os::Mode::kRead);
    if (job.let_go && !file.ok() && file.error().code == Code::kNotFound) {  // since the folder was listed
      pass_over();
      continue;
    }
    if (!file.ok() && file.error().code == Code::kNotFound) {
      if (std::optional<Error> gone = gone_since(plan, job)) return std::move(*gone);
    }
    // What has the name and is no regular file is not the segment.
    if (!file.ok() && file.error().code != Code::kNotFound && job.file_size) return std::move(file).error();
    if (file.ok()) {
      Hopper hopper(**file, job.entry ? job.entry->footer_offset : job.solid_end);
      uint64_t told = 0, asked = UINT64_MAX;
      for (uint64_t at = first; at < end && row != rows.end() && *row < end; ++at) {
        if (place_of && *row - at > kRowsHopped && asked != *row) {
          asked = *row;
          if (const std::optional<uint64_t> place = place_of(job.number, *row)) {
            hopper.go_to(*place);
            at = *row;
          }
        }
        if (const uint64_t ahead = std::min(*row - at, kRowsHopped); ahead > 0) {
          KHIPU_TRY_ASSIGN(const uint64_t passed, hopper.pass_over(plan.id, ahead));
          if (passed < ahead) break;
          at += passed - 1;
        } else {
          KHIPU_TRY_ASSIGN(const auto found, hopper.next_row(plan.id));
          if (!found) break;
          visit({Row{at}, job.number, found->first, found->second}), ++row;
        }
        if (hopper.at() < told + kHopSize) continue;
        if (!control.advance(0)) return {};
        told = hopper.at();
      }
    }
    skip(end, &job);
  }
  skip(UINT64_MAX, nullptr);
  return {};
}

}  // namespace khipu::verify
