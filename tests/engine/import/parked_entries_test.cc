// The DLQ's lines, written and read back; and an import whose parked records are sealed.
#include "engine/import/parked_entries.h"

#include "engine/crypto/hash.h"
#include "tests/engine/import/import_fixture.h"

namespace khipu::import {
namespace {

// Not a cipher: what is sealed can be told, and is bound to its place.
class FakeSealer final : public EntrySealer {
 public:
  Result<void> ready() override {
    ++asked;
    return without ? Result<void>(Error{Code::kForbidden, "nobody to seal it for"}) : Result<void>();
  }
  std::string key_id() override { return std::string(64, 'a'); }
  Buffer wrapped_key() override { return {1, 2, 3}; }
  Result<Buffer> seal(const Hash& place, Bytes raw) override {
    Buffer sealed(place.begin(), place.end());
    for (const uint8_t byte : raw) sealed.push_back(byte ^ 0xff);
    return sealed;
  }
  bool without = false;
  int asked = 0;
};

Parked parked(std::string_view raw, bool sealed) {
  return {"in", "jsonl", 3, 120, "no 'x' \x01", as_bytes(raw), sealed};
}

std::vector<std::string> lines_of(const Buffer& file) {
  std::vector<std::string> lines;
  std::string line;
  for (const uint8_t byte : file) {
    if (byte == '\n') {
      lines.push_back(std::exchange(line, {}));
    } else {
      line += static_cast<char>(byte);
    }
  }
  CHECK(line.empty());
  return lines;
}

TEST_CASE("dlq: every line that is written is read back, in the clear, as base64 and sealed") {
  tests::FakeDisk disk;
  FakeSealer sealer;
  const auto root = disk.directory("root");
  DlqFile dlq(*root, &sealer);
  REQUIRE(dlq.park(parked("clear", false)).ok());
  REQUIRE(dlq.park(parked("no \xFF text", false)).ok());
  REQUIRE(dlq.park(parked("hidden", true)).ok());
  REQUIRE(dlq.park(parked("hidden", true)).ok());
  REQUIRE(dlq.sync().ok());
  const std::string name = "root/dlq/import-" + hex(Bytes(crypto::sha256(as_bytes("in"))).first(4)) + ".ndjson";
  const std::vector<std::string> lines = lines_of(disk.read(name));
  REQUIRE(lines.size() == 5);
  CHECK(as_text(disk.read(name)).find("hidden") == std::string_view::npos);
  const auto entry = [&](size_t i) { return std::get<ParkedEntry>(parse_parked(lines[i]).value()); };
  CHECK(as_text(*entry(0).raw) == "clear");
  CHECK(as_text(*entry(1).raw) == "no \xFF text");
  const auto key = std::get<ParkedKey>(parse_parked(lines[2]).value());
  CHECK(key.wrapped == Buffer{1, 2, 3});
  CHECK(key.id == entry(3).key_id);
  CHECK_FALSE(entry(3).raw);
  CHECK(entry(3).line == 3);
  CHECK(entry(3).offset == 120);
  CHECK(entry(3).size == 6);
  CHECK(entry(3).reason == "no 'x' \x01");
  const Buffer sealed = entry(3).sealed;
  REQUIRE(sealed.size() == 32 + 6);
  CHECK(std::equal(sealed.begin(), sealed.begin() + 32, entry(3).place.begin()));
  CHECK((sealed[32] ^ 0xff) == 'h');
  CHECK(entry(4).sealed == sealed);  // a double: whoever opens it sees that
  // The next process writes its key anew.
  FakeSealer again;
  DlqFile later(*root, &again);
  REQUIRE(later.park(parked("more", true)).ok());
  REQUIRE(later.sync().ok());
  CHECK(lines_of(disk.read(name)).size() == 7);
}

TEST_CASE("dlq: a line that is none of ours, or says it in other words, is refused") {
  const std::string line = parked_line(parked("clear", false));
  REQUIRE(parse_parked(line).ok());
  for (size_t size = 0; size < line.size(); ++size) CHECK_FALSE(parse_parked(line.substr(0, size)).ok());
  for (const std::string& wrong :
       {std::string("{}"), std::string("[]"), line + " ", " " + line, line + "}", std::string(1000, '['),
        std::string(R"({"schema":"khipu.dlq-import/v2"})"), std::string(R"({"schema":"khipu.dlq-key/v1","id":"a"})"),
        std::string(R"({"schema":"khipu.dlq-key/v1","id":"a","key":"???"})")}) {
    INFO(wrong);
    CHECK_FALSE(parse_parked(wrong).ok());
  }
  const auto changed = [&](std::string from, std::string_view to) {
    std::string other = line;
    const size_t at = other.find(from);
    REQUIRE(at != std::string::npos);
    other.replace(at, from.size(), to);
    INFO(other);
    CHECK_FALSE(parse_parked(other).ok());
  };
  changed("\"size\":5", "\"size\":6");
  changed("\"line\":3", "\"line\":-3");
  changed("\"line\":3", "\"line\":3.0");
  changed("\"line\":3,\"offset\":120", "\"offset\":120,\"line\":3");
  changed("\"raw\":\"clear\"", "\"raw\":\"clea\\u0072\"");
  changed("\"raw\":\"clear\"", "\"raw\":\"clear\",\"raw\":\"clear\"");
  changed("\"raw\":\"clear\"", "\"withheld\":true");
}

TEST_CASE("import: records that fill a protected field are parked sealed, or the import stops") {
  constexpr std::string_view kMapping = R"({"khipu_mapping":1,"name":"m","types":{"who":{"mail":"text"}},
"event":{"actor":{"type":"who","id":{"pointer":"/w"},"fields":{"mail":{"pointer":"/m"}}},"action":{"constant":"x"}}})";
  ImportFixture import("jsonl", kMapping);
  codec::FieldSchema mail;
  mail.name = "mail";
  mail.rule.protection = codec::Protection::kSealed;
  import.sink.schema.apply(codec::TypeSchema{"who", { mail }});
  const std::string input = "{\"w\":\"1\",\"m\":\"a@b\"}\n{\"m\":\"hidden@b\"}\n";
  CHECK(import.try_run(input).error().code == Code::kForbidden);  // nobody seals it, and nothing is lost
  CHECK(import.sink.events.empty());
  FakeSealer sealer;
  import.sealer = &sealer;
  sealer.without = true;
  CHECK(import.try_run(input).error().code == Code::kForbidden);
  CHECK(import.sink.events.empty());
  sealer.without = false;
  const Report report = import.run(input);
  CHECK(report.stored == 1);
  CHECK(report.parked == 1);
  for (const std::string& path : import.disk.files()) {
    if (path.starts_with("root/")) CHECK(as_text(import.disk.read(path)).find("hidden") == std::string_view::npos);
  }
}

}  // namespace
}  // namespace khipu::import
