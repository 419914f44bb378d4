// Inputs that grow while they are read or between two imports, are cut, or are imported in another way than before; and
// a schema that changes while an import runs.
#include "engine/import/protecting.h"
#include "tests/engine/import/import_fixture.h"

namespace khipu::import {
namespace {

constexpr const char* kMapping = R"({"khipu_mapping":1,"name":"test","types":{"who":{"mail":"text"}},"event":{
  "actor":{"type":"who","id":{"pointer":"/who"},"fields":{"mail":{"pointer":"/mail"}}},"action":{"pointer":"/do"},
  "event_id":{"pointer":"/id"}}})";

std::string line(int n) { return R"({"who":"w","do":"x","id":"i)" + std::to_string(n) + "\"}\n"; }
std::string lines(int from, int to) {
  std::string text;
  for (int n = from; n < to; ++n) text += line(n);
  return text;
}

// A file that gains bytes behind what it told its size.
class Growing final : public os::File {
 public:
  Growing(const os::File& file, uint64_t size) : file_(file), size_(size) {}
  Result<size_t> read_at(uint64_t offset, std::span<uint8_t> into) const override {
    return file_.read_at(offset, into);
  }
  Result<uint64_t> size() const override { return size_; }
  Result<void> write_at(uint64_t, Bytes) override { return no(); }
  Result<void> sync_data() override { return no(); }
  Result<void> sync() override { return no(); }
  Result<void> truncate(uint64_t) override { return no(); }
  Result<os::FileStatus> status() const override { return no(); }
  Result<void> preallocate(uint64_t, uint64_t) override { return no(); }
  Result<std::unique_ptr<os::Mapping>> map(uint64_t) const override { return no(); }
  Result<bool> try_lock(uint64_t, uint64_t, os::LockKind) override { return no(); }
  Result<void> unlock(uint64_t, uint64_t) override { return no(); }
  Result<bool> lock_refused(uint64_t, uint64_t, os::LockKind) const override { return no(); }

 private:
  static Error no() { return {Code::kUnsupported, "not of this file"}; }
  const os::File& file_;
  const uint64_t size_;
};

TEST_CASE("import: what is written behind a gzip file while it is read is left for the next import") {
  ImportFixture import("jsonl", kMapping);
  const std::string packed = gzip(lines(0, 20)), grown = packed + gzip(lines(20, 30));
  const auto folder = import.disk.directory("in");
  import.disk.put("in/input", as_bytes(grown));
  const auto file = folder->open_file("input", os::Mode::kRead);
  REQUIRE(file.ok());
  const Growing growing(**file, packed.size());
  DlqFile parking(*import.root, nullptr);
  RunOptions options;
  options.source = "input";
  const registry::Schema schema;
  const Result<Report> first =
      Importer{*import.mapper, import.sink, parking, schema, {}, import.clock}.run(growing, options);
  REQUIRE(first.ok());
  CHECK(first->stored == 20);
  REQUIRE(import.sink.receipts.size() == 1);
  CHECK(import.sink.receipts[0].to == packed.size());
  CHECK(import.sink.receipts[0].prefix_sha256 == crypto::sha256(as_bytes(packed)));
  CHECK(import.run(grown).stored == 10);
  check_ids(import, 30);
}

TEST_CASE("import: a gzip file that has grown since its first import was stopped is not stored twice") {
  for (uint64_t stop = 1; stop < 5; ++stop) {
    ImportFixture import("jsonl", kMapping);
    RunOptions options;
    options.chunk_events = 10;
    import.sink.fail_after = stop;
    const std::string packed = gzip(lines(0, 35));
    CHECK_FALSE(import.try_run(packed, options).ok());
    import.sink.fail_after = UINT64_MAX;
    const std::string grown = packed + gzip(lines(35, 58));
    CHECK(import.run(grown, options).stored == 58 - 10 * (stop - 1));
    check_ids(import, 58);
    CHECK(import.run(grown, options).nothing_new);
    CHECK(import.run(grown + gzip(lines(58, 60)), options).stored == 2);
    check_ids(import, 60);
  }
}

// A gzip stream that has not ended yet, of these pieces.
std::string open_gzip(std::initializer_list<std::string_view> pieces) {
  std::string packed("\x1f\x8b\x08\0\0\0\0\0\0\x03", 10);
  for (const std::string_view piece : pieces) {  // each a stored block, none the last (RFC 1951, 3.2.4)
    const auto size = static_cast<uint16_t>(piece.size());
    packed += '\0';
    for (const uint16_t word : {size, static_cast<uint16_t>(~size)}) {
      packed += static_cast<char>(word & 0xff);
      packed += static_cast<char>(word >> 8);
    }
    packed += piece;
  }
  return packed;
}

TEST_CASE("import: the last line of a gzip stream that ends early is read again when its newline is there") {
  ImportFixture import("jsonl", R"({"khipu_mapping":1,"name":"any","lines":{"regex":"^(?P<who>\\S+) (?P<all>.*)$"},
    "types":{"who":{}},"event":{"actor":{"type":"who","id":{"pointer":"/who"}},"action":{"pointer":"/all"}}})");
  const Report early = import.run(open_gzip({"u0 one\nu1 two"}));
  CHECK(early.stored == 1);
  CHECK(early.parked == 1);
  const Report more = import.run(open_gzip({"u0 one\nu1 two", "\nu2 three\n"}));
  CHECK(more.stored == 2);
  CHECK(more.skipped == 1);
  REQUIRE(import.sink.events.size() == 3);
  CHECK(import.sink.events[1].action == "two");
}

TEST_CASE("import: two imports of a gzip file at once store it once, though it grew between their starts") {
  RunOptions options;
  options.chunk_events = 10;
  const std::string packed = gzip(lines(0, 35)), grown = packed + gzip(lines(35, 58));
  for (uint64_t stop = 1; stop < 5; ++stop) {
    ImportFixture import("jsonl", kMapping);
    import.sink.fail_after = stop;
    CHECK_FALSE(import.try_run(packed, options).ok());  // one is here
    import.sink.fail_after = stop + 1;
    import.not_seen = import.sink.receipts.size();  // when the other one begins
    (void)import.try_run(grown, options);
    import.sink.fail_after = UINT64_MAX;
    import.not_seen = 0;
    import.run(grown, options);  // the first goes on
    check_ids(import, 58);
  }
}

TEST_CASE("import: the same bytes with a field to protect are not known and done, but refused where it is too late") {
  ImportFixture import("jsonl", kMapping);
  import.run(lines(0, 3));
  import.mapper = make_protecting_mapper(make_mapper("jsonl", kMapping).value(), {"who.mail=sealed"}).value();
  const Result<Report> again = import.try_run(lines(0, 3));
  REQUIRE_FALSE(again.ok());
  CHECK_THAT(again.error().message, ContainsSubstring("field 'mail': its protection may not change"));
}

TEST_CASE("import: a last record that is half written waits where the file may grow") {
  ImportFixture import("jsonl", kMapping);
  RunOptions options;
  options.may_grow = true;
  const std::string whole = lines(0, 4);
  const Report torn = import.run(whole.substr(0, whole.size() - 9), options);
  CHECK(torn.stored == 3);
  CHECK(torn.parked == 0);
  REQUIRE(torn.warnings.size() == 1);
  CHECK_THAT(torn.warnings[0], Catch::StartsWith("the last record has no end yet"));
  REQUIRE(import.sink.receipts.size() == 1);
  CHECK(import.sink.receipts[0].to == lines(0, 3).size());
  CHECK_FALSE(import.sink.receipts[0].done);
  CHECK(import.run(whole.substr(0, whole.size() - 9), options).warnings.size() == 1);
  CHECK(import.run(whole, options).stored == 1);
  check_ids(import, 4);
  // An array has its end in it: what is cut there is damage.
  ImportFixture array("jsonl", kMapping);
  CHECK(array.run("[" + line(0) + "," + line(1).substr(0, 9), options).parked == 1);
}

TEST_CASE("import: a CSV row or journal entry that the end of the input cuts is not stored as whole") {
  const std::string head = "_time,_raw,x\n",
                    one = R"(1,"{""eventName"":""A"",""userIdentity"":{""type"":""Root""}}",a)";
  const std::string two = R"(2,"{""eventName"":""B"",""userIdentity"":{""type"":""Root""}}",b)";
  const std::string entry = "__REALTIME_TIMESTAMP=1770000000000000\n_HOSTNAME=h\nMESSAGE=m\n_COMM=c\n";
  struct Case {
    const char* format;
    std::string first, cut, whole;
  };
  for (const Case& c : {Case{"cloudtrail", head + one + "\n", two.substr(0, two.size() - 1), two + "\n"},
                        Case{"journald", entry + "\n", entry.substr(0, entry.size() - 8), entry + "\n"}}) {
    INFO(c.format);
    ImportFixture import(c.format, "");
    RunOptions options;
    options.may_grow = true;
    const Report torn = import.run(c.first + c.cut, options);
    CHECK(torn.read == 1);
    REQUIRE(torn.warnings.size() == 1);
    CHECK_THAT(torn.warnings[0], ContainsSubstring("has no end yet: its " + std::to_string(c.cut.size()) + " bytes"));
    const Report grown = import.run(c.first + c.whole, options);
    CHECK(grown.read == 1);
    CHECK(grown.warnings.empty());
    // Where it grows no more it is said.
    ImportFixture ended(c.format, "");
    CHECK(ended.run(c.first + c.cut).warnings.size() == 1);
  }
  ImportFixture few("cloudtrail", "");
  CHECK_THAT(few.run(head + one.substr(0, one.size() - 2) + "\n" + two + "\n").rejects.at(0).reason,
             ContainsSubstring("2 of 3 columns"));
}

TEST_CASE("import: the same bytes under another mapping are stored again only when that is asked for") {
  for (const bool packed : {false, true}) {
    const auto input = [&](int count) { return packed ? gzip(lines(0, count)) : lines(0, count); };
    ImportFixture import("jsonl", kMapping);
    import.run(input(5));
    const std::string edited = std::string(kMapping) + "\n";
    import.mapper = std::move(make_mapper("jsonl", edited).value());
    RunOptions options;
    options.source = "renamed";
    const Result<Report> refused = import.try_run(input(5), options);
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.error().code == Code::kConflict);
    CHECK_THAT(refused.error().message, ContainsSubstring("imported before as input"));
    CHECK_THAT(refused.error().message, ContainsSubstring(hex(crypto::sha256(as_bytes(kMapping)))));
    check_ids(import, 5);
    CHECK_FALSE(import.try_run(packed ? input(5) + gzip(lines(5, 9)) : input(9), options).ok());
    CHECK_FALSE(import.try_run(gzip(lines(0, 5)), options).ok());  // imported plain and packed since
    options.dry_run = true;
    CHECK(import.run(input(5), options).stored == 5);
    options.dry_run = false;
    options.again = true;
    CHECK(import.run(input(5), options).stored == 5);
    CHECK(import.run(input(5)).nothing_new);
  }
  // Of what was only parked nothing is there twice: mending the mapping is how it gets in.
  ImportFixture wrong("jsonl", R"({"khipu_mapping":1,"name":"wrong","types":{"who":{"mail":"text"}},"event":{
    "actor":{"type":"who","id":{"pointer":"/nobody"}},"action":{"pointer":"/do"}}})");
  CHECK(wrong.run(lines(0, 3)).parked == 3);
  wrong.mapper = std::move(make_mapper("jsonl", kMapping).value());
  CHECK(wrong.run(lines(0, 3)).stored == 3);
}

TEST_CASE("import: a reject or warning is told once, and of chunks that another run stored not at all") {
  ImportFixture import("jsonl", kMapping);
  import.run(lines(0, 2));
  import.not_seen = 1;
  const std::string other = line(0) + line(7) + "{\"do\":1}\n{\"cut";
  const Report report = import.run(other);
  CHECK(import.asked_again == 1);
  CHECK(report.parked == 2);
  CHECK(report.rejects.size() == 2);
  ImportFixture beside("jsonl", kMapping);
  beside.run(other);
  beside.not_seen = 1;
  const Report again = beside.run(other);
  CHECK(again.stored_meanwhile == 4);
  CHECK(again.rejects.empty());
  std::string torn = gzip(lines(0, 3000));
  torn.resize(torn.size() / 2);
  import.run(gzip(lines(0, 2)));
  import.not_seen = import.sink.receipts.size();
  CHECK(import.run(torn).warnings.size() == 1);
}

TEST_CASE("import: a dry run says what is known already") {
  ImportFixture import("jsonl", kMapping);
  import.run(lines(0, 5));
  RunOptions options;
  options.dry_run = true;
  const Report known = import.run(lines(0, 5), options);
  CHECK(known.nothing_new);
  CHECK(known.earlier == "input");
  CHECK(known.read == 5);
  const Report grown = import.run(lines(0, 8), options);
  CHECK_FALSE(grown.nothing_new);
  CHECK(grown.resumed_at == lines(0, 5).size());
  CHECK(grown.read == 8);
}

TEST_CASE("import: a record that names a member twice is parked") {
  ImportFixture import("jsonl", kMapping);
  CHECK_THAT(import.rejected(R"({"who":"w","do":"read","do":"delete"})"), ContainsSubstring("a member twice"));
  CHECK_THAT(import.rejected(R"({"who":"w","do":"x","in":[{"a":1,"b":{"c":1,"c":1}}]})"), ContainsSubstring("twice"));
  std::string many = R"({"who":"w","do":"x")";
  for (int n = 0; n < 300; ++n) many += ",\"m" + std::to_string(n) + "\":{\"m\":1}";
  import.only(many + "}");
}

class Sealer final : public EntrySealer {
 public:
  Result<void> ready() override { return {}; }
  std::string key_id() override { return std::string(64, '0'); }
  Buffer wrapped_key() override { return Buffer(8); }
  Result<Buffer> seal(const Hash&, Bytes raw) override { return Buffer(raw.size()); }
};

TEST_CASE("import: what becomes protected while an import runs is parked sealed from then on") {
  ImportFixture import("jsonl", kMapping);
  import.run("");
  const auto folder = import.disk.directory("in");
  import.disk.put("in/input", as_bytes(line(0) + "{\"who\":\"w\",\"mail\":\"needle@example.org\"}\n"));
  const auto file = folder->open_file("input", os::Mode::kRead);
  REQUIRE(file.ok());
  Sealer sealer;
  DlqFile parking(*import.root, &sealer);
  const registry::Schema schema = import.sink.schema;
  Importer importer{*import.mapper, import.sink, parking, schema, {}, import.clock};
  importer.schema_again = [&]() -> Result<registry::Schema> {
    registry::Schema now = import.sink.schema;
    codec::TypeSchema who = *now.type("who");
    who.fields[0].rule = *codec::rule("sealed,exact");
    now.apply(who);
    return now;
  };
  RunOptions options;
  options.source = "input";
  const Result<Report> report = importer.run(**file, options);
  REQUIRE(report.ok());
  CHECK(report->parked == 1);
  const std::string name = "root/dlq/import-" + hex(Bytes(crypto::sha256(as_bytes("input"))).first(4)) + ".ndjson";
  const Buffer parked = import.disk.read(name);
  CHECK(as_text(parked).find("needle") == std::string_view::npos);
  CHECK_THAT(std::string(as_text(parked)), ContainsSubstring("\"sealed\""));
  CHECK(import.sink.batches.back().seal_content);
  CHECK(import.sink.receipts.back().keyed);
}

}  // namespace
}  // namespace khipu::import
