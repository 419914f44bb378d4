// The worked example of engine/FORMAT.md "Key-side state", read out of the document; every truncation, every flipped
// bit.
#include "engine/writer/key_side.h"

#include "tests/support/catch.h"
#include "tests/support/format_examples.h"

using namespace khipu;
using namespace khipu::writer;

TEST_CASE("FORMAT.md: the key-side state") {
  Buffer bytes = tests::format_example("state");
  const auto state = parse_state(bytes);
  REQUIRE(state.ok());
  CHECK(state->root_id[15] == 0x11);
  CHECK(state->number == CommitNumber{3});
  CHECK(state->hash[0] == 0xc0);
  CHECK(state->tables[0].size == 4);
  CHECK(state->tables[2].size == 7);
  CHECK(state->tables[2].root[31] == 0x72);
  CHECK(state->checkpoint == 5);
  CHECK(state->log_offset == 1234);
  CHECK(state->moved == 1U << index_of(TableId::kLogs));
  const auto again = encode_state(*state);
  CHECK(hex(again) == hex(Bytes(bytes).first(kStateSize)));
  int passed = 0;
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    bytes[bit / 8] ^= static_cast<uint8_t>(1U << (bit % 8));
    passed += parse_state(bytes).ok() ? 1 : 0;
    bytes[bit / 8] ^= static_cast<uint8_t>(1U << (bit % 8));
  }
  for (size_t size = 0; size < bytes.size(); ++size) passed += parse_state(Bytes(bytes).first(size)).ok() ? 1 : 0;
  CHECK(passed == 0);
}
