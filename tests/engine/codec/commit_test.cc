// Commits and the bytes that are signed.
#include "tests/engine/codec/examples.h"
#include "tests/support/catch.h"

using namespace khipu;
using namespace khipu::codec;
using namespace khipu::tests;

static Buffer encoded(const CommitRecord& commit) {
  Buffer bytes;
  encode_commit(bytes, commit);
  return bytes;
}
static std::optional<Buffer> reencoded(const Buffer& bytes) {
  const auto commit = decode_commit(bytes);
  if (!commit.ok()) return std::nullopt;
  return encoded(*commit);
}

static CommitRecord example() {
  CommitRecord commit;
  commit.number = {1000000};
  commit.time = 1781500027123456;
  commit.previous.fill(1);
  for (size_t i = 0; i < kTableCount; ++i) {
    commit.tables[i].size = i * 70000;
    commit.tables[i].root.fill(static_cast<uint8_t>(i));
  }
  commit.key_id = {1, 2, 3, 4};
  commit.signature.fill(0xcc);
  return commit;
}

TEST_CASE("commit: every member comes back, and nothing else is a commit") {
  const CommitRecord in = example();
  const auto out = decode_commit(encoded(in));
  REQUIRE(out.ok());
  CHECK(*out == in);
  attack(encoded(in), reencoded);
  const auto facts = frame_facts(encoded(in));
  REQUIRE(facts.ok());
  CHECK(facts->kind == 16);
  CHECK(facts->time_us == in.time);
  CHECK_FALSE(is_row(facts->kind));
}

TEST_CASE("commit: number 0 is refused") {
  Buffer bytes = encoded(example());
  CommitRecord one = example();
  one.number = {1};
  bytes = encoded(one);
  REQUIRE(decode_commit(bytes).ok());
  const size_t at = 1 + 2 + 10 + 1;  // map, kind, time, key 4
  REQUIRE(bytes[at] == 1);
  bytes[at] = 0;
  CHECK(decode_commit(bytes).error().message == "commit: commit number 0 at byte 14");
}

TEST_CASE("commit: the signed bytes are the context, the root id, and the payload up to the signature") {
  const Buffer payload = encoded(example());
  RootId root_id;
  root_id.fill(0x99);
  const Buffer bytes = commit_signed_bytes(root_id, payload);
  CHECK(as_text(Bytes(bytes).first(16)) == "khipu-commit-v1\n");
  CHECK(Buffer(bytes.begin() + 16, bytes.begin() + 32) == Buffer(16, 0x99));
  CHECK(Buffer(bytes.begin() + 32, bytes.end()) == Buffer(payload.begin(), payload.end() - 64));
  CHECK(Buffer(payload.end() - 64, payload.end()) == Buffer(64, 0xcc));
}
