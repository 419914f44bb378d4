// Segment header and footer, manifest entry, HEAD slot, and the writer's state beside its keys: what parses encodes to
// the same bytes. Checksums are put on here, as no fuzzer finds them.
#include "engine/codec/frame.h"
#include "engine/segment/format.h"
#include "engine/writer/key_side.h"
#include "tests/fuzz/fuzz.h"

using namespace khipu;

template <size_t N>
static bool begins_with(Bytes input, const std::array<uint8_t, N>& encoded) {
  return input.size() >= N && std::equal(encoded.begin(), encoded.end(), input.begin());
}
// The input cut or filled to a size, with a CRC-32C at `at` over the bytes [from, to), itself zero.
static Buffer summed(Bytes input, size_t size, size_t at, size_t from, size_t to) {
  Buffer bytes(input.begin(), input.begin() + static_cast<ptrdiff_t>(std::min(size, input.size())));
  bytes.resize(size);
  store_le<uint32_t>(bytes.data() + at, 0);
  store_le<uint32_t>(bytes.data() + at, codec::crc32c(Bytes(bytes).subspan(from, to - from)));
  return bytes;
}

static void all(Bytes input) {
  if (const auto header = segment::parse_header(input); header.ok())
    KHIPU_ASSERT(begins_with(input, segment::encode_header(*header)));
  if (const auto entry = segment::parse_manifest_entry(input); entry.ok())
    KHIPU_ASSERT(begins_with(input, segment::encode_manifest_entry(*entry)));
  if (const auto head = segment::parse_head(input); head.ok() && head->has_value()) {
    KHIPU_ASSERT(begins_with(input, segment::encode_head(**head)));
    KHIPU_ASSERT(!segment::newer(**head, **head));
  }
  if (const auto state = writer::parse_state(input); state.ok())
    KHIPU_ASSERT(begins_with(input, writer::encode_state(*state)));
}

KHIPU_FUZZ(input) {
  all(input);
  if (const auto footer = segment::parse_footer(input); footer.ok()) {
    Buffer again;
    segment::encode_footer(again, *footer);
    KHIPU_ASSERT(std::equal(again.begin(), again.end(), input.begin(), input.end()));
  }
  constexpr size_t kEntry = segment::kManifestEntrySize, kSlot = segment::kHeadSlotSize, kState = writer::kStateSize;
  all(summed(input, segment::kHeaderSize, 60, 0, 60));
  all(summed(input, kEntry, 0, 4, kEntry));
  all(summed(input, kSlot, 12, 0, kSlot));
  all(summed(input, kState + 4, kState, 0, kState));
}
