// Frames: golden bytes, every truncation, every flipped bit, lengths at and over the limit.
#include "engine/codec/frame.h"

#include "tests/engine/codec/examples.h"
#include "tests/support/catch.h"

using namespace khipu;
using namespace khipu::tests;
using codec::FrameFault;
using codec::parse_frame;

static Buffer frame_of(Bytes payload) {
  Buffer frame;
  codec::append_frame(frame, 1, -1, payload);
  return frame;
}

TEST_CASE("frame: golden bytes") {
  const Buffer payload = bytes_of("61 62 63");
  // CRC-32C of 03000000 | ffffffffffffffff 01 616263
  const Buffer golden = bytes_of("03000000 bbcbaa7d ffffffffffffffff 01 616263");
  CHECK(hex(frame_of(payload)) == hex(golden));
  const codec::ParsedFrame parsed = parse_frame(golden);
  REQUIRE(parsed.fault == FrameFault::kNone);
  CHECK(parsed.frame.kind == 1);
  CHECK(parsed.frame.time_us == -1);
  CHECK(hex(parsed.frame.payload) == "616263");
  CHECK(parsed.frame.size() == golden.size());
}

TEST_CASE("frame: sealing in place gives the same bytes, and what follows a frame is not looked at") {
  const Buffer frame = frame_of(bytes_of("010203"));
  Buffer in_place = bytes_of("ffffffffffffffffffffffffffffffffff 010203");
  codec::seal_frame(in_place, 1, -1);
  CHECK(in_place == frame);
  Buffer two = frame;
  codec::append_frame(two, 2, 5, bytes_of("04"));
  CHECK(parse_frame(two).fault == FrameFault::kNone);
  const codec::ParsedFrame second = parse_frame(Bytes(two).subspan(frame.size()));
  REQUIRE(second.fault == FrameFault::kNone);
  CHECK(second.frame.kind == 2);
  CHECK(second.frame.time_us == 5);
}

TEST_CASE("frame: every truncation is short") {
  const Buffer frame = frame_of(bytes_of("0102030405"));
  for (size_t size = 0; size < frame.size(); ++size) {
    CHECK(parse_frame(Bytes(frame).first(size)).fault == FrameFault::kShort);
  }
}

TEST_CASE("frame: every flipped bit is corrupt") {
  for (const size_t size : {1, 5, 400, 5000}) {
    Buffer frame = frame_of(Buffer(size, 0x5a));
    int passed = 0;
    for (size_t bit = 0; bit < frame.size() * 8; ++bit) {
      frame[bit / 8] ^= static_cast<uint8_t>(1U << (bit % 8));
      passed += parse_frame(frame).fault == FrameFault::kNone;
      frame[bit / 8] ^= static_cast<uint8_t>(1U << (bit % 8));
    }
    CHECK(passed == 0);
    CHECK(parse_frame(frame).fault == FrameFault::kNone);
  }
}

TEST_CASE("frame: length 0 and lengths over the maximum are refused, the maximum is not") {
  CHECK(parse_frame(Buffer(64)).fault == FrameFault::kLength);
  Buffer over(64);
  store_le(over.data(), codec::kPayloadSizeBytesMax + 1);
  CHECK(parse_frame(over).fault == FrameFault::kLength);
  store_le(over.data(), UINT32_MAX);
  CHECK(parse_frame(over).fault == FrameFault::kLength);
  const Buffer largest = frame_of(Buffer(codec::kPayloadSizeBytesMax, 1));
  CHECK(parse_frame(largest).fault == FrameFault::kNone);
  CHECK(parse_frame(Bytes(largest).first(largest.size() - 1)).fault == FrameFault::kShort);
}

TEST_CASE("frame: each fault has words of its own") {
  for (const FrameFault fault : {FrameFault::kNone, FrameFault::kShort, FrameFault::kLength, FrameFault::kChecksum}) {
    CHECK(std::string(codec::describe(fault)).size() > 5);
  }
}
