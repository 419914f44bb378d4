#include "engine/codec/access.h"

#include "tests/engine/codec/examples.h"
#include "tests/support/catch.h"
#include "tests/support/format_examples.h"

using namespace khipu;
using namespace khipu::codec;
using namespace khipu::tests;

namespace {

AccessRecord full_access() {
  AccessRecord record;
  record.uid = counting_uid();
  record.recorded_at = 1781500027123456;
  record.time = 1781500027120000;
  record.reporter = 1000;
  record.caller = "token:auditor-1";
  record.tool = "audit_query";
  record.outcome = Outcome::kSuccess;
  record.arguments = {"from", "not.actor"};
  record.results = 25;
  record.as_of = AccessRecord::State{CommitNumber{7}, 184213};
  record.code = "LATE";
  record.client = "host/1";
  return record;
}

}  // namespace

TEST_CASE("FORMAT.md: the access record decodes, means what is said and encodes to the same bytes") {
  const Buffer bytes = format_example("access");
  const auto record = decode_access(bytes);
  REQUIRE(record.ok());
  CHECK(*record == full_access());
  Buffer again;
  encode_access(again, full_access());
  CHECK(hex(again) == hex(bytes));
  CHECK(frame_facts(bytes)->time_us == full_access().time);
}

TEST_CASE("access: the least a record says, and nothing more, comes back") {
  AccessRecord least;
  least.caller = "uid:0";
  least.tool = "x";
  Buffer bytes;
  encode_access(bytes, least);
  CHECK(*decode_access(bytes) == least);
}

TEST_CASE("access: cut or lengthened bytes are corrupt, and every flipped bit changes the record or is") {
  Buffer bytes;
  encode_access(bytes, full_access());
  for (size_t size = 0; size < bytes.size(); ++size) {
    REQUIRE_FALSE(decode_access(Bytes(bytes).first(size)).ok());
  }
  bytes.push_back(0);
  REQUIRE_FALSE(decode_access(bytes).ok());
  bytes.pop_back();
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    Buffer flipped = bytes;
    flipped[bit / 8] ^= static_cast<uint8_t>(1U << (bit % 8));
    const auto record = decode_access(flipped);
    REQUIRE((!record.ok() || *record != full_access()));
  }
}

TEST_CASE("access: arguments out of order and outcomes nobody knows are refused") {
  Buffer bytes;
  encode_access(bytes, full_access());
  const std::string text(as_text(bytes));
  Buffer swapped = bytes;
  const size_t at = text.find("from");
  std::copy_n("zrom", 4, swapped.begin() + static_cast<std::ptrdiff_t>(at));
  CHECK_FALSE(decode_access(swapped).ok());
  Buffer unknown = bytes;
  const size_t outcome = text.find("audit_query") + 12;
  REQUIRE(unknown[outcome] == 1);
  unknown[outcome] = 4;
  CHECK_FALSE(decode_access(unknown).ok());
}
