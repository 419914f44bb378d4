#include "engine/segment/reader.h"

#include <fmt/format.h>

#include <algorithm>

namespace khipu::segment {
namespace {
constexpr size_t kReadSize = 256 << 10;  // stays in a core's own cache until it has been parsed
constexpr uint64_t kManifestWindow = 1024 * kManifestEntrySize;
}  // namespace

// Makes at least `want` bytes from offset_ on available, unless the segment ends first. One buffer for the reader's
// whole life: a fresh one for each step would be filled with zeroes before every read.
Result<void> Reader::fill(size_t want) {
  const uint64_t have_end = buffer_start_ + buffered_;
  if (offset_ >= buffer_start_ && offset_ + want <= have_end) return {};
  if (offset_ >= buffer_start_ && have_end >= end_) return {};
  size_t kept = 0;
  if (offset_ >= buffer_start_ && offset_ < have_end) {  // keep what is already here
    kept = have_end - offset_;
    std::copy_n(buffer_.begin() + static_cast<ptrdiff_t>(offset_ - buffer_start_), kept, buffer_.begin());
  }
  const uint64_t from = offset_ + kept;
  const uint64_t size = std::min<uint64_t>(std::max(want, kReadSize), end_ > from ? end_ - from : 0);
  if (buffer_.size() < kept + size) buffer_.resize(kept + size);
  buffered_ = 0;  // nothing is left if the read fails
  buffer_start_ = offset_;
  KHIPU_TRY_ASSIGN(const size_t got, file_.read_at(from, std::span(buffer_).subspan(kept, size)));
  buffered_ = kept + got;
  if (got < size) end_ = from + got;  // the file is shorter than promised: the frame at its end will be kShort
  return {};
}

Result<Step> Reader::next() {
  Step step;
  step.offset = offset_;
  if (offset_ >= end_) return step;
  const auto available = [&] {
    const Bytes bytes = Bytes(buffer_).first(buffered_).subspan(offset_ - buffer_start_);
    return bytes.first(std::min<uint64_t>(bytes.size(), end_ - offset_));
  };
  const bool here = offset_ >= buffer_start_ && offset_ < buffer_start_ + buffered_;
  Bytes bytes = here ? available() : Bytes();
  const auto whole = [&] {
    return bytes.size() >= codec::kFrameHeaderSize &&
           bytes.size() - codec::kFrameHeaderSize >= load_le<uint32_t>(bytes.data());
  };
  if (!whole()) {
    KHIPU_TRY(fill(codec::kFrameHeaderSize));
    bytes = available();
    if (bytes.empty()) return step;
    if (bytes.size() >= codec::kFrameHeaderSize) {
      const uint32_t length = load_le<uint32_t>(bytes.data());
      if (length <= codec::kPayloadSizeBytesMax) KHIPU_TRY(fill(codec::kFrameHeaderSize + length));
      bytes = available();
    }
  }
  const codec::ParsedFrame parsed = codec::parse_frame(bytes);
  if (parsed.fault != codec::FrameFault::kNone) {
    step.kind = Step::Kind::kFault;
    step.fault = parsed.fault;
    return step;
  }
  step.kind = Step::Kind::kFrame;
  step.frame = parsed.frame;
  offset_ += parsed.frame.size();
  return step;
}

void Reader::skip_to(uint64_t offset) { offset_ = offset; }

Result<Manifest> read_manifest(os::Directory& table) {
  Manifest manifest;
  auto file = table.open_file(kManifestName, os::Mode::kRead);
  if (!file.ok()) {
    if (file.error().code == Code::kNotFound) return manifest;
    return std::move(file).error();
  }
  KHIPU_TRY_ASSIGN(const uint64_t size, file.value()->size());
  Buffer window(std::min<uint64_t>(size, kManifestWindow));
  bool sound = true;
  // What is behind kManifestSizeMax is a tail, whatever it is.
  for (uint64_t offset = 0; offset + kManifestEntrySize <= std::min(size, kManifestSizeMax);) {
    KHIPU_TRY_ASSIGN(const size_t got, at("manifest", file.value()->read_at(offset, window)));
    if (got < kManifestEntrySize) break;  // it was cut meanwhile
    for (size_t i = 0; i + kManifestEntrySize <= got; i += kManifestEntrySize, offset += kManifestEntrySize) {
      Result<ManifestEntry> entry = parse_manifest_entry(Bytes(window).subspan(i, kManifestEntrySize));
      if (!entry.ok() && entry.error().code == Code::kUnsupported) {
        return std::move(entry).error().at(fmt::format("manifest entry {}", offset / kManifestEntrySize));
      }
      if (!entry.ok()) {
        sound = false;
      } else if (sound) {
        manifest.entries.push_back(entry.value());
      } else {
        manifest.damaged_at = manifest.entries.size() * kManifestEntrySize;
      }
    }
  }
  manifest.tail_size = size - manifest.entries.size() * kManifestEntrySize;
  return manifest;
}

Result<std::array<std::optional<Head>, 2>> read_head(os::Directory& root) {
  std::array<std::optional<Head>, 2> slots;
  auto file = root.open_file(kHeadName, os::Mode::kRead);
  if (!file.ok()) {
    if (file.error().code == Code::kNotFound) return slots;
    const auto entry = root.stat(kHeadName);
    const bool other = entry.ok() && *entry && (*entry)->kind != os::EntryKind::kFile;
    if (other) return std::move(file).error().at("HEAD must be a regular file, and something else is in its place");
    return std::move(file).error();
  }
  for (size_t i = 0; i < slots.size(); ++i) {
    std::array<uint8_t, kHeadSlotSize> bytes{};
    KHIPU_TRY_ASSIGN(const size_t got, file.value()->read_at(i * kHeadSlotStride, bytes));
    if (got < bytes.size()) continue;
    KHIPU_TRY_ASSIGN(slots[i], parse_head(bytes));
  }
  return slots;
}

std::optional<Head> newest(const std::array<std::optional<Head>, 2>& slots) {
  if (slots[0] && slots[1]) return newer(*slots[1], *slots[0]) ? slots[1] : slots[0];
  return slots[0] ? slots[0] : slots[1];
}

}  // namespace khipu::segment
