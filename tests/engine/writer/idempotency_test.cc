// idempotency.log: the worked examples of engine/FORMAT.md, and what is passed over.
#include "engine/writer/idempotency.h"

#include "engine/segment/format.h"
#include "tests/support/catch.h"
#include "tests/support/fake_disk.h"
#include "tests/support/format_examples.h"

namespace khipu::tests {
namespace {

using writer::Answered;
using writer::IdempotencyLog;

constexpr size_t kSlot = 32, kEntries = 64;

// Slot 0 and entry 0 are the examples, slot 1 was never written.
Buffer example_file() {
  Buffer bytes = format_example("idempotency-slot");
  REQUIRE(bytes.size() == kSlot);
  bytes.resize(kEntries);
  append(bytes, format_example("idempotency-entry"));
  return bytes;
}

IdempotencyLog::Loaded load(FakeDisk& disk, const Buffer& bytes) {
  disk.put("root/idempotency.log", bytes);
  const auto root = disk.directory("root");
  Result<IdempotencyLog::Loaded> loaded = IdempotencyLog::load(*root);
  REQUIRE(loaded.ok());
  return std::move(loaded).value();
}

Answered example_answer() {
  Answered answered;
  answered.key.fill(0xAA);
  answered.body.fill(0xBB);
  answered.first_seq = {5};
  answered.count = 2;
  answered.recorded_at = 0x000654'43cc'48b700;
  answered.commit = {3};
  return answered;
}

TEST_CASE("FORMAT.md: the slot and the entry of idempotency.log are what is written and what is read") {
  FakeDisk disk;
  const auto root = disk.directory("root");
  const IdempotencyLog::Loaded loaded = load(disk, example_file());
  CHECK(loaded.covered_rows == 7);
  REQUIRE(loaded.entries.size() == 1);
  const Answered& entry = loaded.entries.front();
  const Answered expected = example_answer();
  CHECK(entry.key == expected.key);
  CHECK(entry.body == expected.body);
  CHECK(entry.first_seq == expected.first_seq);
  CHECK(entry.count == expected.count);
  CHECK(entry.recorded_at == expected.recorded_at);
  CHECK(entry.commit == expected.commit);

  REQUIRE(IdempotencyLog::create(*root, {expected}, 7).ok());
  CHECK(disk.read("root/idempotency.log") == example_file());
}

TEST_CASE("idempotency.log: a damaged slot covers nothing, a damaged or torn entry is passed over") {
  FakeDisk disk;
  const auto root = disk.directory("root");
  for (size_t at = 0; at < kSlot; ++at) {
    Buffer bytes = example_file();
    bytes[at] ^= 0x40;
    CHECK_FALSE(load(disk, bytes).covered_rows.has_value());
  }
  for (size_t at = kEntries; at < example_file().size(); ++at) {
    Buffer bytes = example_file();
    bytes[at] ^= 0x01;
    CHECK(load(disk, bytes).entries.empty());
    bytes = example_file();
    bytes.resize(at);
    CHECK(load(disk, bytes).entries.empty());
  }
}

}  // namespace
}  // namespace khipu::tests
