#include "engine/crypto/hash.h"
#include "engine/import/protecting.h"
#include "tests/engine/import/import_fixture.h"

namespace khipu::import {
namespace {

constexpr const char* kMapping = R"({"khipu_mapping":1,"name":"test","types":{"who":{}},"event":{
  "occurred_at":{"pointer":"/t","formats":["epoch_s"]},"actor":{"type":"who","id":{"pointer":"/who"}},
  "action":{"pointer":"/do"},"event_id":{"pointer":"/id"}}})";

constexpr const char* kProtectedMapping = R"({"khipu_mapping":1,"name":"test","types":{"who":{"email":"text"}},"event":{
  "actor":{"type":"who","id":{"pointer":"/who"},"fields":{"email":{"pointer":"/mail"}}},"action":{"constant":"x"}}})";

std::string line(int n) {
  return R"({"t":)" + std::to_string(1770000000 + n) + R"(,"who":"w)" + std::to_string(n % 3) +
         R"(","do":"x","id":"i)" + std::to_string(n) + "\"}\n";
}
std::string lines(int from, int to) {
  std::string text;
  for (int n = from; n < to; ++n) text += line(n);
  return text;
}

TEST_CASE("import: chunks carry receipts that add up, and the last one says it is done") {
  ImportFixture import("jsonl", kMapping);
  RunOptions options;
  options.chunk_events = 10;
  const std::string input = lines(0, 25);
  const Report report = import.run(input, options);
  CHECK(report.read == 25);
  CHECK(report.stored == 25);
  CHECK(report.sha256 == crypto::sha256(as_bytes(input)));
  CHECK(report.first == 1770000000LL * 1000000);
  CHECK(report.last == 1770000024LL * 1000000);
  check_ids(import, 25);
  REQUIRE(import.sink.receipts.size() == 3);
  uint64_t from = 0, read = 0;
  for (const codec::Import& receipt : import.sink.receipts) {
    CHECK(receipt.from == from);
    CHECK(receipt.prefix_sha256 == crypto::sha256(as_bytes(input).first(receipt.to)));
    CHECK(receipt.read == receipt.stored + receipt.parked);
    CHECK(receipt.mapping == crypto::sha256(as_bytes(kMapping)));
    from = receipt.to;
    read += receipt.read;
  }
  CHECK(from == input.size());
  CHECK(read == 25);
  CHECK(!import.sink.receipts[0].done);
  CHECK(import.sink.receipts[2].done);
}

TEST_CASE("import: the same bytes again add nothing and say so, under another name too") {
  ImportFixture import("jsonl", kMapping);
  import.run(lines(0, 5));
  RunOptions options;
  options.source = "rotated.1";
  const Report again = import.run(lines(0, 5), options);
  CHECK(again.nothing_new);
  CHECK(again.earlier == "input");
  CHECK(again.stored == 0);
  check_ids(import, 5);
  CHECK(import.sink.receipts.size() == 1);
}

TEST_CASE("import: a file that has grown continues where it stopped") {
  ImportFixture import("jsonl", kMapping);
  import.run(lines(0, 5));
  const Report grown = import.run(lines(0, 12));
  CHECK(grown.skipped == 5);
  CHECK(grown.stored == 7);
  CHECK(grown.resumed_at == lines(0, 5).size());
  check_ids(import, 12);
}

TEST_CASE(
    "import: of an input with protected values no hash is kept that confirms a guess, and it is known all the same") {
  const auto protecting = [] {
    return make_protecting_mapper(make_mapper("jsonl", kProtectedMapping).value(), {"actor.email=sealed,exact"})
        .value();
  };
  for (const bool packed : {false, true}) {
    ImportFixture import(protecting());
    import.held = import.sink.key;
    const auto input = [&](int count) {
      std::string text;
      for (int n = 0; n < count; ++n) text += R"({"who":"w","mail":"needle)" + std::to_string(n) + "@example.org\"}\n";
      return packed ? gzip(text) : text;
    };
    RunOptions options;
    options.chunk_events = 2;
    const Report first = import.run(input(5), options);
    CHECK(first.sha256 == crypto::sha256(as_bytes(input(5))));  // for who has the file
    REQUIRE(import.sink.receipts.size() == 3);
    for (const codec::Import& receipt : import.sink.receipts) {
      CHECK(receipt.keyed);
      CHECK(receipt.prefix_sha256 != crypto::sha256(as_bytes(input(5)).first(receipt.to)));
    }
    const Report again = import.run(input(5), options);
    CHECK(again.nothing_new);
    CHECK(again.sha256 == first.sha256);
    CHECK(import.sink.events.size() == 5);
    // Who cannot tell adds nothing; and may look.
    import.held = {};
    CHECK(import.try_run(input(5), options).error().code == Code::kForbidden);
    CHECK(import.sink.events.size() == 5);
    RunOptions trial = options;
    trial.dry_run = true;
    CHECK(import.run(input(5), trial).read == 5);
    import.held = import.sink.key;
    if (packed) continue;
    const Report grown = import.run(input(8), options);
    CHECK(grown.skipped == 5);
    CHECK(import.sink.events.size() == 8);
    // Receipts from before, of bare hashes, stay good.
    for (codec::Import& receipt : import.sink.receipts) {
      receipt.keyed = false;
      receipt.prefix_sha256 = crypto::sha256(as_bytes(input(8)).first(receipt.to));
    }
    import.held = {};
    CHECK(import.run(input(8), options).nothing_new);
  }
}

TEST_CASE("import: a gzip file that gained a member continues where it stopped") {
  ImportFixture import("jsonl", kMapping);
  std::string packed = gzip(lines(0, 5));
  import.run(packed);
  packed += gzip(lines(5, 12));
  const Report grown = import.run(packed);
  CHECK(grown.skipped == 5);
  CHECK(grown.stored == 7);
  CHECK(grown.resumed_at == lines(0, 5).size());
  CHECK(import.run(packed).nothing_new);
  CHECK(import.run(packed + gzip(lines(12, 14))).stored == 2);
  check_ids(import, 14);
  // Receipts that do not say how far a file was read are of all of it.
  for (codec::Import& receipt : import.sink.receipts) receipt.unpacked_to = std::nullopt;
  CHECK(import.run(packed + gzip(lines(12, 14)) + gzip(lines(14, 17))).stored == 3);
  check_ids(import, 17);
  // One that was read while it was written.
  ImportFixture torn("jsonl", kMapping);
  const std::string whole = gzip(lines(0, 5000));
  CHECK(torn.run(whole.substr(0, whole.size() / 2)).stored < 5000);
  torn.run(whole);
  check_ids(torn, 5000);
}

TEST_CASE("import: what was imported plain and is packed now is known by its bytes") {
  ImportFixture import("jsonl", kMapping);
  RunOptions options;
  options.chunk_events = 3;
  import.run(lines(0, 5), options);
  options.source = "rotated.gz";
  const Report packed = import.run(gzip(lines(0, 5)), options);
  CHECK(packed.nothing_new);
  CHECK(packed.earlier == "input");
  CHECK(import.run(gzip(lines(0, 5)) + gzip(lines(5, 9)), options).stored == 4);
  check_ids(import, 9);
  CHECK(import.run(gzip(lines(1, 9)), options).stored == 8);  // other bytes in front
}

TEST_CASE("import: a last line that was torn is parked, and read whole once the file has grown") {
  ImportFixture import("jsonl", kMapping);
  const std::string whole = lines(0, 4);
  const Report torn = import.run(whole.substr(0, whole.size() - 9));
  CHECK(torn.stored == 3);
  CHECK(torn.parked == 1);
  CHECK(import.run(whole.substr(0, whole.size() - 9)).nothing_new);
  CHECK(import.run(whole).stored == 1);
  check_ids(import, 4);
  // A complete last record without its newline is taken at once, and not again when the newline comes.
  ImportFixture other("jsonl", kMapping);
  CHECK(other.run(whole.substr(0, whole.size() - 1)).stored == 4);
  CHECK(other.run(lines(0, 6)).stored == 2);
  check_ids(other, 6);
}

constexpr const char* kAnyLine = R"({"khipu_mapping":1,"name":"any","lines":{"regex":"^(?P<who>\\S+) (?P<all>.*)$"},
  "types":{"who":{}},"event":{"actor":{"type":"who","id":{"pointer":"/who"}},"action":{"pointer":"/all"}}})";

TEST_CASE("import: a line of text without its end waits where the file may grow, and is taken where it may not") {
  ImportFixture import("jsonl", kAnyLine);
  RunOptions options;
  options.may_grow = true;
  const Report first = import.run("bob one\nbob two /etc/pa", options);
  CHECK(first.stored == 1);
  REQUIRE(first.warnings.size() == 1);
  CHECK_THAT(first.warnings[0], ContainsSubstring("its 15 bytes"));
  REQUIRE(import.sink.receipts.size() == 1);
  CHECK(import.sink.receipts[0].to == 8);
  CHECK_FALSE(import.sink.receipts[0].done);
  CHECK(import.run("bob one\nbob two /etc/pa", options).warnings.size() == 1);
  CHECK(import.sink.receipts.size() == 1);
  CHECK(import.run("bob one\nbob two /etc/passwd\nbob", options).stored == 1);
  REQUIRE(import.sink.events.size() == 2);
  CHECK(import.sink.events[1].action == "two /etc/passwd");
  options.may_grow = false;
  CHECK(import.run("bob one\nbob two /etc/passwd\nbob three", options).stored == 1);
  CHECK(import.sink.receipts.back().done);
  // What is packed has ended, and a whole file is done.
  ImportFixture others("jsonl", kAnyLine);
  options.may_grow = true;
  CHECK(others.run(gzip("bob one\nbob two"), options).stored == 2);
  CHECK(others.run("eve one\r\n", options).warnings.empty());
  CHECK(others.run("eve one\r\n", options).nothing_new);
}

TEST_CASE("import: a line of text that is not UTF-8 is parked, not cut at the byte") {
  ImportFixture import("jsonl", kAnyLine);
  const Report report = import.run("bob delete caf\xE9 /etc/passwd\nbob fine\n");
  CHECK(report.stored == 1);
  REQUIRE(report.rejects.size() == 1);
  CHECK_THAT(report.rejects[0].reason, ContainsSubstring("not valid UTF-8"));
}

TEST_CASE("import: other bytes in front make it a fresh import, and another mapping where that is wanted") {
  ImportFixture import("jsonl", kMapping);
  import.run(lines(0, 5));
  CHECK(import.run(lines(1, 8)).stored == 7);
  std::string mapping = kMapping;
  mapping += " ";
  import.mapper = std::move(make_mapper("jsonl", mapping).value());
  CHECK_FALSE(import.try_run(lines(0, 5)).ok());
  RunOptions options;
  options.again = true;
  CHECK(import.run(lines(0, 5), options).stored == 5);
}

TEST_CASE("import: stopped after any chunk it goes on without losing or repeating a record") {
  const std::string plain = lines(0, 35);
  const std::string array = "[" + [&] {
    std::string text;
    for (int n = 0; n < 35; ++n) text += (n == 0 ? "" : ",") + line(n);
    return text;
  }() + "]";
  for (const std::string& input : {plain, array}) {
    for (uint64_t stop = 0; stop < 6; ++stop) {
      ImportFixture import("jsonl", kMapping);
      RunOptions options;
      options.chunk_events = 10;
      import.sink.fail_after = stop;
      const auto stopped = import.try_run(input, options);
      CHECK(stopped.ok() == (stop > 4));  // one commit for the definitions, four for 35 records
      import.sink.fail_after = UINT64_MAX;
      import.run(input, options);
      check_ids(import, 35);
    }
  }
}

TEST_CASE("import: what another run of the same import stores meanwhile is not stored twice") {
  RunOptions options;
  options.chunk_events = 10;
  for (const bool packed : {false, true}) {
    for (size_t not_seen = 1; not_seen <= 4; ++not_seen) {
      const auto input = [&](int count) { return packed ? gzip(lines(0, count)) : lines(0, count); };
      ImportFixture import("jsonl", kMapping);
      import.run(input(35), options);
      REQUIRE(import.sink.receipts.size() == 4);
      import.not_seen = not_seen;
      const Report again = import.run(input(35), options);
      CHECK(again.stored == 0);
      CHECK(again.stored_meanwhile == (not_seen - 1) * 10 + 5);
      CHECK(import.asked_again == 0);
      CHECK(import.sink.receipts.size() == 4);
      // It has grown since the other run looked: its last chunk and this one's begin alike.
      const Report grown = import.run(packed ? input(35) + gzip(lines(35, 58)) : input(58), options);
      CHECK(grown.stored == 23);
      CHECK(import.asked_again == 1);
      check_ids(import, 58);
    }
  }
}

TEST_CASE("import: an input that begins as another one does is stored, though both are imported at once") {
  RunOptions options;
  options.chunk_events = 10;
  ImportFixture import("jsonl", kMapping);
  import.run(lines(0, 25), options);
  import.not_seen = 3;
  const std::string other = line(0) + lines(100, 125);
  CHECK(import.run(other, options).stored == 26);
  CHECK(import.asked_again == 1);
  import.not_seen = 0;
  CHECK(import.run(other, options).nothing_new);
  // A run that parks all it reads has no event to bear a key.
  ImportFixture bad("jsonl", kMapping);
  CHECK(bad.run("{}\n{}\n").parked == 2);
  bad.not_seen = 1;
  CHECK(bad.run("{}\n{}\n").stored_meanwhile == 2);
  CHECK(bad.sink.receipts.size() == 1);
}

TEST_CASE("import: behind a chunk that was refused nothing is handed in, though the next one is ready") {
  for (uint64_t accepted = 1; accepted < 5; ++accepted) {
    ImportFixture import("jsonl", kMapping);
    RunOptions options;
    options.chunk_events = 10;
    import.sink.refuse_after = accepted;
    const auto stopped = import.try_run(lines(0, 55), options);
    REQUIRE(!stopped.ok());
    CHECK_THAT(stopped.error().message, ContainsSubstring("storing records up to byte"));
    CHECK(import.sink.asked == accepted + 1);
    check_ids(import, 10 * (static_cast<int>(accepted) - 1));  // the first batch defines the types
    import.sink.refuse_after = UINT64_MAX;
    import.run(lines(0, 55), options);
    check_ids(import, 55);
  }
}

TEST_CASE("import: cancelled, it reports what was stored and goes on from there") {
  ImportFixture import("jsonl", kMapping);
  RunOptions options;
  options.chunk_events = 10;
  int chunks = 0;
  options.cancelled = [&] { return chunks++ == 2; };
  const Report stopped = import.run(lines(0, 55), options);
  CHECK(stopped.cancelled);
  CHECK(stopped.read == 20);
  for (const Fill& fill : stopped.fills) {
    if (fill.member == "event_id") CHECK(fill.count == 20);  // none of the chunks that were ready
  }
  options.cancelled = {};
  CHECK(import.run(lines(0, 55), options).stored == 35);
  check_ids(import, 55);
}

TEST_CASE("import: a chunk ends at its size too, and a record larger than that is a chunk alone") {
  ImportFixture import("jsonl", kMapping);
  RunOptions options;
  options.chunk_size_bytes = 300;
  std::string large = line(2);
  large.insert(large.size() - 2, R"(,"more":")" + std::string(1000, 'm') + "\"");
  const std::string input = lines(0, 2) + large + lines(3, 20);
  import.run(input, options);
  check_ids(import, 20);
  uint64_t from = 0;
  for (const codec::Import& receipt : import.sink.receipts) {
    CHECK(receipt.from == from);
    CHECK((receipt.to - receipt.from <= 300 || receipt.to - receipt.from == large.size()));
    CHECK(receipt.prefix_sha256 == crypto::sha256(as_bytes(input).first(receipt.to)));
    from = receipt.to;
  }
  CHECK(from == input.size());
  REQUIRE(import.sink.receipts.size() == 5);
  CHECK(import.sink.receipts[1].read == 1);  // the large one
}

TEST_CASE("import: of thousands of ids every one that comes again is counted") {
  ImportFixture import("jsonl", kMapping);
  CHECK(import.run(lines(0, 6000) + lines(2000, 3000) + lines(0, 10)).duplicate_ids == 1010);
}

TEST_CASE(
    "import: parked records keep place, reason and bytes, are synced before the receipt, and are not parked twice") {
  ImportFixture import("jsonl", kMapping);
  const std::string input = line(0) + "{\"t\":1,\"who\":\"w\"}\nnot json \xFF\n" + line(1);
  const Report report = import.run(input);
  CHECK(report.read == 4);
  CHECK(report.stored == 2);
  CHECK(report.parked == 2);
  REQUIRE(report.rejects.size() == 2);
  CHECK(report.rejects[0].line == 2);
  CHECK_THAT(report.rejects[0].reason, ContainsSubstring("no action"));
  const std::string name = "root/dlq/import-" + hex(Bytes(crypto::sha256(as_bytes("input"))).first(4)) + ".ndjson";
  REQUIRE(import.disk.exists(name));
  const Buffer parked = import.disk.read(name);
  CHECK_THAT(std::string(as_text(parked)), ContainsSubstring("\"line\":2"));
  CHECK_THAT(std::string(as_text(parked)), ContainsSubstring(R"("raw":"{\"t\":1,\"who\":\"w\"}")"));
  CHECK_THAT(std::string(as_text(parked)), ContainsSubstring("\"raw_base64\":\"bm90IGpzb24g/w==\""));
  CHECK(import.disk.unsynced().empty());
  // The receipt was lost: the records are parked again, and the file has them once.
  import.sink.receipts.clear();
  import.run(input);
  CHECK(import.disk.read(name) == parked);
}

TEST_CASE("import: a dry run changes nothing and tells fill rates, samples and rejects") {
  ImportFixture import("jsonl", kMapping);
  RunOptions options;
  options.dry_run = true;
  const Report report = import.run(lines(0, 30) + "{}\n", options);
  CHECK(report.stored == 30);
  CHECK(report.parked == 1);
  CHECK(report.samples.size() == 10);
  CHECK_THAT(report.samples[0], ContainsSubstring(R"("actor":{"type":"who","id":"w0"},"action":"x")"));
  for (const Fill& fill : report.fills) {
    if (fill.member == "event_id" || fill.member == "occurred_at" || fill.member == "content") CHECK(fill.count == 30);
    if (fill.member == "outcome") CHECK(fill.count == 0);
  }
  CHECK(import.sink.batches.empty());
  CHECK(!import.disk.exists("root/dlq"));
}

TEST_CASE("import: order in the file and ids seen twice are reported, never changed") {
  ImportFixture import("jsonl", kMapping);
  const Report report = import.run(line(5) + line(3) + line(3) + line(9) + line(1));
  CHECK(report.stored == 5);
  CHECK(report.out_of_order == 2);
  CHECK(report.duplicate_ids == 1);
  CHECK(import.sink.events[2].event_id == "i3");
}

TEST_CASE("import: an empty input is done at once and known the next time by nothing at all") {
  ImportFixture import("jsonl", kMapping);
  const Report report = import.run("");
  CHECK(report.read == 0);
  CHECK(import.sink.receipts.size() == 1);
  CHECK(import.sink.receipts[0].done);
}

TEST_CASE("import: what the mapper needs is defined once, and a root where it cannot be is a conflict") {
  ImportFixture import("kubernetes", "");
  const auto missing = missing_definitions(*import.mapper, import.sink.schema);
  REQUIRE(missing.ok());
  CHECK(missing->size() == import.mapper->types().size() + import.mapper->columns().size());
  import.run("");
  const auto none = missing_definitions(*import.mapper, import.sink.schema);
  REQUIRE(none.ok());
  CHECK(none->empty());
  registry::Schema other;
  codec::TypeSchema user{"k8s_user", {}};
  user.fields.emplace_back().name = "groups";  // text here, json there
  other.apply(user);
  const auto conflict = missing_definitions(*import.mapper, other);
  REQUIRE(!conflict.ok());
  CHECK(conflict.error().code == Code::kConflict);
}

TEST_CASE("import: a line over the limit, packed or plain, is parked by the beginnings of its pieces") {
  for (const bool packed : {false, true}) {
    ImportFixture import("jsonl", kMapping);
    const std::string big((40 << 20) + 7, '\0');
    const std::string input = line(0) + big + "\n" + line(1);
    const Report report = import.run(packed ? gzip(input) : input);
    check_ids(import, 2);
    CHECK(report.parked == 3);
    REQUIRE(report.rejects.size() == 3);
    CHECK(report.rejects[0].reason.ends_with("; kept are the first 65536 of 16777216 bytes"));
    CHECK(report.rejects[2].reason.ends_with("; kept are the first 65536 of 8388615 bytes"));
    CHECK(report.rejects[2].line == 2);
    const auto parked = import.disk.directory("root/dlq")->open_file("import-c96c6d5b.ndjson", os::Mode::kRead);
    REQUIRE(parked.ok());
    CHECK((*parked)->size().value() < 3 * (6 * kDamageKeptBytes + 1000));  // a zero is printed as six characters
  }
}

TEST_CASE("import: a damaged gzip stream is said, and its last line is no record") {
  ImportFixture import("jsonl", kMapping);
  std::string packed = gzip(lines(0, 5000));
  packed.resize(packed.size() / 2);
  const Report cut = import.run(packed);
  REQUIRE(cut.warnings.size() == 1);
  CHECK(cut.warnings[0] == "the gzip stream ends early");
  CHECK(cut.stored > 100);
  // Lines need no form to be records: what was cut off must not become one.
  const char* any = R"({"khipu_mapping":1,"name":"any","lines":{"regex":"^(?P<all>.*)$"},"types":{"who":{}},"event":{
    "actor":{"type":"who","id":{"pointer":"/all"}},"action":{"pointer":"/all"}}})";
  ImportFixture texts("jsonl", any);
  std::string words = "first line\nsecond line that is cut";
  std::string whole = gzip(words);
  whole[whole.size() - 6] ^= 1;  // the CRC
  const Report failed = texts.run(whole);
  REQUIRE(failed.warnings.size() == 1);
  CHECK_THAT(failed.warnings[0], Catch::StartsWith("the gzip stream is damaged near byte "));
  CHECK(failed.stored == 1);
  CHECK(failed.parked == 1);
}

}  // namespace
}  // namespace khipu::import
