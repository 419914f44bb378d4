// The frame around every record and commit in a segment. Bytes: engine/FORMAT.md "Frame". No I/O here.
//
//   offset 0  u32 length    of the payload, 1 .. kPayloadSizeBytesMax
//          4  u32 crc32c    over bytes 0-3 and 8 to the end of the payload
//          8  i64 time_us   the record's time: key 3 of the payload when present, else key 2
//         16  u8  kind      key 0 of the payload
//         17  payload
// All of it is a function of the payload, so verify recomputes it (record.h frame_facts()).
#pragma once

#include <cstdint>

#include "engine/base/bytes.h"
#include "engine/base/ids.h"
#include "engine/base/result.h"

namespace khipu::codec {

inline constexpr size_t kFrameHeaderSize = 17;
inline constexpr uint32_t kPayloadSizeBytesMax = 16U << 20;

// Castagnoli, reflected, as iSCSI (RFC 3720 B.4). SSE4.2 when the CPU has it, else a table. `crc` continues a run.
uint32_t crc32c(Bytes bytes, uint32_t crc = 0);
uint32_t crc32c_portable(Bytes bytes, uint32_t crc = 0);

struct Frame {
  uint8_t kind = 0;
  TimeUs time_us = 0;
  Bytes payload;  // borrows from the bytes given to parse_frame
  size_t size() const { return kFrameHeaderSize + payload.size(); }
};

// Appends header and payload.
void append_frame(Buffer& to, uint8_t kind, TimeUs time_us, Bytes payload);
// Fills the 17 header bytes in place for a payload that already stands behind them (the writer encodes into its batch
// buffer and comes back). `frame` = header + payload.
void seal_frame(std::span<uint8_t> frame, uint8_t kind, TimeUs time_us);

enum class FrameFault {
  kNone,
  kShort,     // the bytes end inside the header or the payload
  kLength,    // length 0 or over the maximum
  kChecksum,  // CRC-32C differs
};
struct ParsedFrame {
  FrameFault fault = FrameFault::kNone;
  Frame frame;  // valid when fault is kNone
};
// Parses the frame at the front of `bytes`. A verdict, not an Error: what it means depends on the line (recovery
// table).
ParsedFrame parse_frame(Bytes bytes);
const char* describe(FrameFault fault);

}  // namespace khipu::codec
