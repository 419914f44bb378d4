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

// The lines of all files of the folder, each of which must be one that is written.
std::vector<std::string> all_lines(const tests::FakeDisk& disk) {
  std::vector<std::string> all;
  for (const std::string& path : disk.files()) {
    if (!path.starts_with("root/dlq/")) continue;
    for (const std::string& line : lines_of(disk.read(path))) {
      CHECK(parse_parked(line).ok());
      all.push_back(line);
    }
  }
  return all;
}

TEST_CASE("dlq: two processes that park by turns under one name lose and damage no line") {
  tests::FakeDisk disk;
  FakeSealer sealer;
  const auto root = disk.directory("root");
  DlqFile one(*root, &sealer), other(*root, &sealer);
  for (int i = 0; i < 20; ++i) {
    const std::string n = std::to_string(i);
    REQUIRE(one.park(parked("one " + n + std::string(static_cast<size_t>(i), 'x'), false)).ok());
    REQUIRE(other.park(parked("other " + n, i % 2 == 0)).ok());
    REQUIRE(other.park(parked("both " + n, false)).ok());
    REQUIRE(other.sync().ok());
    REQUIRE(one.park(parked("both " + n, false)).ok());
    REQUIRE(one.sync().ok());
  }
  CHECK(all_lines(disk).size() == 61);  // a key among them
}

TEST_CASE("dlq: while another process writes to the file, its torn line stays and another file is taken") {
  tests::FakeDisk disk;
  const auto root = disk.directory("root");
  DlqFile first(*root, nullptr);
  REQUIRE(first.park(parked("early", false)).ok());
  REQUIRE(first.sync().ok());
  const std::string name = "import-" + hex(Bytes(crypto::sha256(as_bytes("in"))).first(4)) + ".ndjson";
  const auto busy = disk.directory("root/dlq")->open_file(name, os::Mode::kReadWrite);
  REQUIRE(busy.ok());
  REQUIRE((*busy)->try_lock(0, 1, os::LockKind::kExclusive).value());
  const uint64_t size = (*busy)->size().value();
  REQUIRE((*busy)->write_at(size, as_bytes("{\"half")).ok());
  REQUIRE(first.park(parked("late", false)).ok());
  REQUIRE(first.park(parked("early", false)).ok());
  REQUIRE(first.sync().ok());
  CHECK((*busy)->size().value() == size + 6);
  CHECK(lines_of(disk.read("root/dlq/" + name.substr(0, name.size() - 7) + "-2.ndjson")).size() == 1);
  // Whoever comes when it has ended knows both files, and cuts off what it left.
  REQUIRE((*busy)->unlock(0, 1).ok());
  DlqFile next(*root, nullptr);
  REQUIRE(next.park(parked("early", false)).ok());
  REQUIRE(next.park(parked("late", false)).ok());
  REQUIRE(next.park(parked("last", false)).ok());
  REQUIRE(next.sync().ok());
  CHECK(all_lines(disk).size() == 3);
}

TEST_CASE("dlq: a file that is removed, moved, emptied or replaced while it is open takes no line with it") {
  for (const char* how : {"removed", "moved", "emptied", "replaced", "emptied and filled"}) {
    for (const bool sealed : {false, true}) {
      INFO(how << sealed);
      tests::FakeDisk disk;
      FakeSealer sealer;
      const auto root = disk.directory("root");
      DlqFile dlq(*root, &sealer);
      REQUIRE(dlq.park(parked("early", sealed)).ok());
      REQUIRE(dlq.sync().ok());
      const std::string name = "import-" + hex(Bytes(crypto::sha256(as_bytes("in"))).first(4)) + ".ndjson";
      const auto folder = disk.directory("root/dlq");
      const std::string_view what(how);
      if (what == "removed") REQUIRE(folder->unlink(name).ok());
      if (what == "moved") REQUIRE(folder->rename(name, "kept").ok());
      if (what.starts_with("emptied")) {
        REQUIRE(folder->open_file(name, os::Mode::kReadWrite).value()->truncate(0).ok());
      }
      if (what == "emptied and filled") {
        DlqFile other(*root, nullptr);
        REQUIRE(other.park(parked(std::string(1000, 'o'), false)).ok());
        REQUIRE(other.sync().ok());
      }
      if (what == "replaced") {
        disk.put("root/dlq/new", as_bytes(parked_line(parked(std::string(900, 'r'), false)) + "\n"));
        REQUIRE(folder->rename("new", name).ok());
      }
      // The same record as well: it went with the file.
      REQUIRE(dlq.park(parked("early", sealed)).ok());
      REQUIRE(dlq.park(parked("late", sealed)).ok());
      REQUIRE(dlq.sync().ok());
      const std::vector<std::string> lines = lines_of(disk.read("root/dlq/" + name));
      size_t entries = 0, keys = 0;
      for (const std::string& line : lines) {
        const auto read = parse_parked(line);
        if (!read.ok()) continue;
        if (std::holds_alternative<ParkedKey>(*read)) {
          ++keys;
          continue;
        }
        const auto& entry = std::get<ParkedEntry>(*read);
        if (entry.size < 100) ++entries;
        if (sealed && entry.size < 100) CHECK(keys == 1);  // in front of it
      }
      CHECK(entries == 2);
    }
  }
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
