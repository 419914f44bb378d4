#include "engine/codec/frame.h"

namespace khipu::codec {

static constexpr size_t kCrcAt = 4;
static constexpr size_t kTimeAt = 8;
static constexpr size_t kKindAt = 16;

// Everything but the four bytes of the checksum itself.
static uint32_t frame_crc(Bytes frame) { return crc32c(frame.subspan(kTimeAt), crc32c(frame.first(kCrcAt))); }

void seal_frame(std::span<uint8_t> frame, uint8_t kind, TimeUs time_us) {
  KHIPU_ASSERT(frame.size() > kFrameHeaderSize && frame.size() - kFrameHeaderSize <= kPayloadSizeBytesMax);
  store_le(frame.data(), static_cast<uint32_t>(frame.size() - kFrameHeaderSize));
  store_le(frame.data() + kTimeAt, time_us);
  frame[kKindAt] = kind;
  store_le(frame.data() + kCrcAt, frame_crc(frame));
}

void append_frame(Buffer& to, uint8_t kind, TimeUs time_us, Bytes payload) {
  const size_t start = to.size();
  to.resize(start + kFrameHeaderSize);
  append(to, payload);
  seal_frame(std::span(to).subspan(start), kind, time_us);
}

ParsedFrame parse_frame(Bytes bytes) {
  if (bytes.size() < sizeof(uint32_t)) return {FrameFault::kShort, {}};
  const auto length = load_le<uint32_t>(bytes.data());
  if (length == 0 || length > kPayloadSizeBytesMax) return {FrameFault::kLength, {}};
  if (bytes.size() < kFrameHeaderSize + length) return {FrameFault::kShort, {}};
  const Bytes frame = bytes.first(kFrameHeaderSize + length);
  if (load_le<uint32_t>(frame.data() + kCrcAt) != frame_crc(frame)) return {FrameFault::kChecksum, {}};
  return {FrameFault::kNone,
          {frame[kKindAt], load_le<TimeUs>(frame.data() + kTimeAt), frame.subspan(kFrameHeaderSize)}};
}

const char* describe(FrameFault fault) {
  switch (fault) {
    case FrameFault::kNone: return "frame is whole";
    case FrameFault::kShort: return "the file ends inside a frame";
    case FrameFault::kLength: return "frame length is 0 or over 16 MiB";
    case FrameFault::kChecksum: return "frame checksum differs";
  }
  return "unknown frame fault";
}

}  // namespace khipu::codec
