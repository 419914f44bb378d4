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

Answered numbered(uint64_t number) {
  Answered answered = example_answer();
  answered.key = {};
  store_le(answered.key.data(), number);
  answered.first_seq = {number};
  return answered;
}

TEST_CASE("idempotency.log: what outlived the window is left out when it is more than the rest, nothing else is") {
  FakeDisk disk;
  const auto root = disk.directory("root");
  writer::IdempotencyWindow window;
  window.set_bounds(3, INT64_MAX / 2);
  for (uint64_t number = 0; number < 5; ++number) window.add(numbered(number));
  window.trim(0);
  REQUIRE(window.first_number() == 2);
  auto log = IdempotencyLog::create(*root, window.entries(), 5, window.first_number()).value();
  constexpr uint64_t kMany = 20000;  // more than one piece of the file
  std::vector<Answered> answers;
  for (uint64_t number = 5; number < kMany; ++number) answers.push_back(numbered(number));
  REQUIRE(log->append(answers).ok());
  REQUIRE(log->cover(kMany, 4).ok());  // little to gain
  CHECK(disk.read("root/idempotency.log").size() == kEntries + (kMany - 2) * 72);
  REQUIRE(log->cover(kMany, kMany - 9000).ok());
  CHECK(disk.read("root/idempotency.log").size() == kEntries + 9000 * 72);
  CHECK(disk.unsynced().empty());
  REQUIRE(log->append({numbered(kMany)}).ok());
  REQUIRE(log->cover(kMany + 1, kMany - 2).ok());
  const IdempotencyLog::Loaded loaded = IdempotencyLog::load(*root).value();
  CHECK(loaded.covered_rows == kMany + 1);
  REQUIRE(loaded.entries.size() == 3);
  for (uint64_t i = 0; i < 3; ++i) CHECK(loaded.entries[i].first_seq.value == kMany - 2 + i);
  CHECK_FALSE(disk.exists("root/idempotency.log.new"));
}

TEST_CASE("idempotency.log: no more is loaded than is asked for, and that is the newest") {
  FakeDisk disk;
  const auto root = disk.directory("root");
  std::deque<Answered> answers;
  for (uint64_t number = 0; number < 20000; ++number) answers.push_back(numbered(number));
  REQUIRE(IdempotencyLog::create(*root, answers, 20000).ok());
  const IdempotencyLog::Loaded loaded = IdempotencyLog::load(*root, 9000).value();
  REQUIRE(loaded.entries.size() == 9000);
  CHECK(loaded.entries.front().first_seq.value == 11000);
  CHECK(loaded.entries.back().first_seq.value == 19999);
}

TEST_CASE("idempotency.log: the bounds that were configured are kept, whatever is covered or written anew") {
  FakeDisk disk;
  const auto root = disk.directory("root");
  CHECK(load(disk, example_file()).bounds.keys_max == 0);  // of a file from before they were: unknown
  CHECK(load(disk, example_file()).bounds.window_us == 0);
  auto log = IdempotencyLog::create(*root, {}, 0, 0, {5, 1500000}).value();
  const auto kept = [&] { return IdempotencyLog::load(*root, 0).value().bounds; };
  CHECK(kept().keys_max == 5);
  CHECK(kept().window_us == 2000000);  // in whole seconds, no less than was asked for
  REQUIRE(log->cover(1, 0).ok());
  CHECK(kept().keys_max == 5);
  log->keep({7, 604800LL * 1000000});
  REQUIRE(log->cover(2, 0).ok());
  CHECK(kept().keys_max == 7);
  CHECK(kept().window_us == 604800LL * 1000000);
  std::vector<Answered> answers;
  for (uint64_t number = 0; number < 10000; ++number) answers.push_back(numbered(number));
  REQUIRE(log->append(answers).ok());
  REQUIRE(log->cover(3, 9000).ok());  // written anew
  CHECK(kept().keys_max == 7);
}

}  // namespace
}  // namespace khipu::tests
