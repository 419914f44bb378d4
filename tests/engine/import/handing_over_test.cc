// What an import hands over at once: definitions that name what is missing, chunks that a sink can take.
#include "tests/engine/import/import_fixture.h"

namespace khipu::import {
namespace {

constexpr const char* kMapping = R"({"khipu_mapping":1,"name":"test","types":{"who":{}},"event":{
  "actor":{"type":"who","id":{"pointer":"/who"}},"action":{"pointer":"/do"},"event_id":{"pointer":"/id"}}})";

std::string line(int n) {
  return R"({"who":"w)" + std::to_string(n % 3) + R"(","do":"x","id":"i)" + std::to_string(n) + "\"}\n";
}
std::string lines(int from, int to) {
  std::string text;
  for (int n = from; n < to; ++n) text += line(n);
  return text;
}

TEST_CASE("import: what is defined names only what the root lacks, whatever others define meanwhile") {
  ImportFixture import("jsonl", R"({"khipu_mapping":1,"name":"test","types":{"who":{"team":"text"}},"event":{
    "actor":{"type":"who","id":{"pointer":"/who"}},"action":{"constant":"x"}}})");
  codec::TypeSchema who{"who", {}};
  who.fields.emplace_back().name = "email";
  import.sink.schema.apply(who);
  const auto missing = missing_definitions(*import.mapper, import.sink.schema);
  REQUIRE(missing.ok());
  REQUIRE(missing->size() == 1);
  const codec::TypeSchema& named = std::get<codec::TypeStatement>(missing->front()).type;
  REQUIRE(named.fields.size() == 1);
  CHECK(named.fields[0].name == "team");
  import.run("");
  REQUIRE(import.sink.schema.type("who")->fields.size() == 2);
  CHECK(import.sink.batches[0].adds_fields);
}

TEST_CASE("import: definitions that are too many for one batch go in several") {
  ImportFixture import("kubernetes", "");
  RunOptions options;
  options.limits.batch_events_max = 3;
  import.run("", options);
  for (const ingest::Batch& batch : import.sink.batches) CHECK(batch.statements.size() <= 3);
  CHECK(missing_definitions(*import.mapper, import.sink.schema)->empty());
  ImportFixture small("kubernetes", "");
  small.sink.size_max = 250;
  small.run("");
  REQUIRE(small.sink.batches.size() > 2);
  for (const ingest::Batch& batch : small.sink.batches) CHECK(ingest::encode_batch(batch).size() <= 250);
  CHECK(missing_definitions(*small.mapper, small.sink.schema)->empty());
}

TEST_CASE("import: a record that is too large to be handed over is parked, and those beside it are stored") {
  std::string input = lines(0, 40);
  input += R"({"who":"w","do":"x","id":"big","more":")" + std::string(9000, 'y') + "\"}\n" + lines(40, 120);
  for (const bool packed : {false, true}) {
    ImportFixture import("jsonl", kMapping);
    import.sink.size_max = 4000;
    RunOptions options;
    options.source = "big.log";
    const Report report = import.run(packed ? gzip(input) : input, options);
    check_ids(import, 120);
    CHECK(report.parked == 1);
    CHECK(report.read == 121);
    CHECK(report.skipped == 0);
    CHECK(report.resumed_at == 0);
    REQUIRE(report.rejects.size() == 1);
    CHECK(report.rejects[0].line == 41);
    CHECK_THAT(report.rejects[0].reason, ContainsSubstring("it is too large for this sink"));
    for (const ingest::Batch& batch : import.sink.batches) CHECK(ingest::encode_batch(batch).size() <= 4000);
    CHECK(import.run(packed ? gzip(input) : input, options).nothing_new);
  }
}

TEST_CASE("import: behind a record that is too large chunks grow again") {
  ImportFixture import("jsonl", kMapping);
  import.sink.size_max = 100000;
  const std::string big = R"({"who":"w","do":"x","id":"big","more":")" + std::string(200000, 'y') + "\"}\n";
  CHECK(import.run(lines(0, 100) + big + lines(100, 6000)).parked == 1);
  check_ids(import, 6000);
  CHECK(import.sink.receipts.size() < 150);
}

TEST_CASE("import: a chunk ends in front of the record with which it would hold too many bytes") {
  ImportFixture import("jsonl", kMapping);
  RunOptions options;
  options.chunk_size_bytes = 2 * line(0).size() + 10;
  import.run(lines(0, 7), options);
  REQUIRE(import.sink.receipts.size() == 4);
  for (const codec::Import& receipt : import.sink.receipts) CHECK(receipt.read <= 2);
}

}  // namespace
}  // namespace khipu::import
