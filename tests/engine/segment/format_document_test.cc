// The worked examples of engine/FORMAT.md for segments, manifest and HEAD: read out of the document, so it and the code
// cannot part. And of each: every truncation, every flipped bit.
#include "engine/codec/record.h"
#include "engine/segment/format.h"
#include "tests/support/catch.h"
#include "tests/support/format_examples.h"

using namespace khipu;
using namespace khipu::segment;
using tests::format_example;

static Hash filled(uint8_t byte) {
  Hash hash;
  hash.fill(byte);
  return hash;
}

static Footer example_footer() {
  Footer footer;
  footer.rows = 7;
  footer.time_min = 1781500026999995;
  footer.time_max = 1781500027000000;
  footer.recorded_first = 1781500027123447;
  footer.recorded_last = 1781500027123456;
  footer.commit = {3};
  footer.commit_hash = filled(0xc0);
  footer.commit_offset = 4096;
  footer.root = filled(0x70);
  return footer;
}

// How many one-bit changes and truncations of `bytes` still pass.
template <typename Accepts>
static int passing_changes(Buffer bytes, Accepts accepts) {
  REQUIRE(accepts(bytes));
  int passed = 0;
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    bytes[bit / 8] ^= static_cast<uint8_t>(1U << (bit % 8));
    passed += accepts(bytes) ? 1 : 0;
    bytes[bit / 8] ^= static_cast<uint8_t>(1U << (bit % 8));
  }
  for (size_t size = 0; size < bytes.size(); ++size) passed += accepts(Bytes(bytes).first(size)) ? 1 : 0;
  return passed;
}

TEST_CASE("FORMAT.md: the segment header") {
  const Buffer bytes = format_example("segment-header");
  const auto header = parse_header(bytes);
  REQUIRE(header.ok());
  CHECK(header->table == TableId::kLogs);
  CHECK(header->root_id[0] == 0x11);
  CHECK(header->number == SegmentNumber{1});
  CHECK(header->first_row == Row{7});
  const auto again = encode_header(*header);
  CHECK(hex(again) == hex(bytes));
  CHECK(passing_changes(bytes, [](Bytes changed) { return parse_header(changed).ok(); }) == 0);
  Buffer version = bytes;
  version[8] = 2;
  CHECK(parse_header(version).error().code == Code::kUnsupported);
}

TEST_CASE("FORMAT.md: the segment footer") {
  const Buffer bytes = format_example("segment-footer");
  const auto footer = parse_footer(bytes);
  REQUIRE(footer.ok());
  CHECK(*footer == example_footer());
  Buffer again;
  encode_footer(again, *footer);
  CHECK(hex(again) == hex(bytes));
  const auto facts = codec::frame_facts(bytes);
  REQUIRE(facts.ok());
  CHECK(facts->kind == 32);
  CHECK(facts->time_us == footer->recorded_last);
  // Its frame has the CRC; here what changes must at least not be taken for the same footer.
  CHECK(passing_changes(bytes, [&](Bytes changed) {
          const auto parsed = parse_footer(changed);
          return parsed.ok() && *parsed == example_footer();
        }) == 0);
}

TEST_CASE("FORMAT.md: the manifest entry says what the footer says") {
  const Buffer bytes = format_example("manifest-entry");
  const auto entry = parse_manifest_entry(bytes);
  REQUIRE(entry.ok());
  CHECK(entry->number == SegmentNumber{0});
  CHECK(entry->footer == example_footer());
  CHECK(entry->footer_offset == 4096 + 17 + 265);
  CHECK(entry->file_size == entry->footer_offset + 17 + format_example("segment-footer").size());
  CHECK(hex(encode_manifest_entry(*entry)) == hex(bytes));
  CHECK(passing_changes(bytes, [](Bytes changed) { return parse_manifest_entry(changed).ok(); }) == 0);
}

TEST_CASE("FORMAT.md: the HEAD slot") {
  const Buffer bytes = format_example("head-slot");
  const auto parsed = parse_head(bytes);
  REQUIRE(parsed.ok());
  REQUIRE(parsed->has_value());
  const Head& head = **parsed;
  CHECK(head.sequence == 5);
  CHECK(head.commit == CommitNumber{3});
  CHECK(head.commit_hash == filled(0xc0));
  CHECK(head.commit_time == 1781500027123456);
  CHECK(head.commit_offset == 4096);
  CHECK(head.commit_frame_size == 282);
  CHECK(head.tables[1].size == 9);
  CHECK(head.tables[1].root == filled(0x71));
  CHECK(head.tables[1].end_offset == 1500);
  CHECK(head.tables[2].tree_synced == 7);
  CHECK(hex(encode_head(head)) == hex(bytes));
  CHECK(passing_changes(bytes, [](Bytes changed) {
          const auto slot = parse_head(changed);
          return slot.ok() && slot->has_value();
        }) == 0);
  // A slot that was never written is absent, not an error.
  const Buffer empty(bytes.size());
  REQUIRE(parse_head(empty).ok());
  CHECK_FALSE(parse_head(empty)->has_value());
}
