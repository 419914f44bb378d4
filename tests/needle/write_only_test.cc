// A write-only host, and an attacker who has all of it: its disk, the role files, and its memory once the session's key
// is gone. What is shown: nothing that it wrote can be opened, and no token key older than today is there. What the
// attacker does have (guesses of today's values, digests) is shown as well, with the same trials.
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "engine/codec/protected.h"
#include "engine/crypto/aead.h"
#include "engine/crypto/box.h"
#include "engine/crypto/wipe_freed.h"
#include "engine/protect/derive.h"
#include "engine/protect/wrapped_key.h"
#include "engine/snapshot/store.h"
#include "engine/writer/writer.h"
#include "tests/support/fake_clock.h"
#include "tests/support/protecting.h"
#include "tests/support/temp_directory.h"

using namespace khipu;

namespace {

constexpr int64_t kDay = protect::kDayUs;
const std::string kMail = "needle-4711@example.org", kDiary = "dear diary of needle", kSsn = "078-05-1120";

std::string bytes_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream bytes;
  bytes << file.rdbuf();
  return std::move(bytes).str();
}

// A sealed value as it stands in a record, and the place it was sealed for.
struct Sealed {
  std::string what;
  protect::FieldPlace place;
  Buffer value;
};

struct Host {
  Host() {
    REQUIRE(os::create_directory(temp.path() + "/host", 0700).ok());
    root = os::create_directory(temp.path() + "/host/log", 0750).value();
    keys = os::create_directory(temp.path() + "/host/log.keys", 0700).value();
    REQUIRE(writer::initialize(environment(), {"example.org/audit"}).ok());
    role_keys.give_writer(*keys);
    clock.set_wall(tests::FieldKeys::kMade + kDay / 2);
  }
  writer::Environment environment() { return {*root, *keys, clock, os::system_random()}; }

  static codec::FieldSchema field(const char* name, const char* rule) {
    codec::FieldSchema made;
    made.name = name;
    made.rule = *codec::rule(rule);
    return made;
  }
  // One session: a writer that starts, writes a person, and ends.
  void session(const std::string& person) {
    auto opened = writer::Writer::open(environment(), {});
    REQUIRE(opened.ok());
    const std::unique_ptr<writer::Writer> writer = std::move(opened).value();
    ingest::Batch schema;
    schema.statements.push_back(codec::TypeStatement{
        {"person", {field("mail", "sealed,exact"), field("diary", "sealed,subject"), field("ssn", "digest")}}});
    REQUIRE(writer->submit_and_wait(std::move(schema)).ok());
    ingest::Batch batch;
    ingest::Event event;
    event.actor.type = "person";
    event.actor.id = batch.keep(person);
    const ingest::FieldInput fields[] = {{"mail", false, codec::Value::of_text(kMail)},
                                         {"diary", false, codec::Value::of_text(kDiary)},
                                         {"ssn", false, codec::Value::of_text(kSsn)}};
    event.actor.fields = batch.keep(std::span<const ingest::FieldInput>(fields));
    event.action = "PUT";
    event.content_kind = codec::ContentKind::kText;
    event.content = batch.keep(as_bytes("wrote to " + kMail));
    batch.events.push_back(event);
    REQUIRE(writer->submit_and_wait(std::move(batch)).ok());
    REQUIRE(writer->close().ok());
  }

  // What the records hold, as anybody who has the disk reads it.
  struct Records {
    RootId root{};
    std::vector<Sealed> sealed;
    std::vector<std::set<protect::Token>> tokens;  // of mail, one set a version
    protect::KeyLog log;
    std::vector<std::string> ids;
  };
  void read(Records& to) {
    const auto store = snapshot::Store::open(os::open_directory(temp.path() + "/host/log").value()).value();
    const auto snapshot = store->snapshot().value();
    to.root = snapshot->genesis().root_id;
    for (const codec::StatementRecord& statement : snapshot->meta().statements()) {
      REQUIRE(to.log.apply(statement.body).ok());
    }
    to.ids.reserve(snapshot->size(TableId::kRegistry));
    for (uint64_t row = 0; row < snapshot->size(TableId::kRegistry); ++row) {
      const Buffer payload = snapshot->record(TableId::kRegistry, {row})->payload;
      codec::VersionRecord version;
      REQUIRE(codec::decode_version(payload, version).ok());
      to.ids.emplace_back(version.id);
      for (const codec::NamedValue& named : version.fields) {
        const auto value = codec::decode_protected(as_bytes(named.value.text)).value();
        if (value.kind == codec::Protection::kDigest) continue;
        if (named.name == "mail") {
          std::set<protect::Token>& tokens = to.tokens.emplace_back();
          for (size_t at = 0; at < value.tokens[0].size(); at += protect::kTokenSize) {
            protect::Token token;
            std::copy_n(value.tokens[0].data() + at, token.size(), token.data());
            tokens.insert(token);
          }
        }
        const std::string_view name = named.name == "mail" ? "mail" : "diary";
        const protect::FieldPlace place{to.root, {"person", name}, to.ids.back(), codec::ValueKind::kText, version.uid};
        to.sealed.push_back({std::string(name), place, Buffer(value.value.begin(), value.value.end())});
      }
    }
    for (uint64_t row = 0; row < snapshot->size(TableId::kLogs); ++row) {
      const Buffer payload = snapshot->record(TableId::kLogs, {row})->payload;
      codec::EventRecord event;
      REQUIRE(codec::decode_event(payload, event).ok());
      const protect::FieldPlace place{
          to.root, {protect::kEventType, "content"}, {}, codec::ValueKind::kText, event.uid};
      to.sealed.push_back({"content", place, Buffer(event.sealed.value.begin(), event.sealed.value.end())});
    }
  }

  tests::TempDirectory temp;
  tests::FakeClock clock;
  tests::FieldKeys role_keys;
  std::unique_ptr<os::Directory> root, keys;
};

// Every run of 32 bytes that a file holds, as it stands and as base64 in it. Runs of zeroes and the like are no keys.
using Keys = std::set<std::array<uint8_t, 32>>;
void add_windows(Bytes bytes, Keys& to) {
  std::array<uint8_t, 32> window;
  for (size_t at = 0; at + window.size() <= bytes.size(); ++at) {
    std::copy_n(bytes.data() + at, window.size(), window.data());
    if (std::set<uint8_t>(window.begin(), window.end()).size() > 8) to.insert(window);
  }
}
void add_file(const std::string& bytes, Keys& to) {
  add_windows(as_bytes(bytes), to);
  for (size_t at = 0; at + 44 <= bytes.size(); ++at) {
    if (const auto decoded = from_base64(std::string_view(bytes).substr(at, 44))) add_windows(*decoded, to);
  }
}
Keys keys_in(const std::string& folder) {
  Keys keys;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file()) add_file(bytes_of(entry.path()), keys);
  }
  return keys;
}

// What such an attacker can do with each of these keys: open something, be a reader, or say which value a token of the
// first day stands for. Nothing of it may be left.
std::set<std::string> tried(const Host::Records& records, const Keys& keys, uint32_t first_day, uint32_t today) {
  std::vector<crypto::BoxPublicKey> publics;
  for (const auto& [name, key] : records.log.recipients()) publics.push_back(key);
  std::set<std::string> found;
  const protect::FieldName mail{"person", "mail"};
  const protect::IndexRule exact{codec::BlindIndex::kExact, 0};
  const auto names_token = [&](Bytes day_key, const std::set<protect::Token>& tokens) {
    const Hash index = protect::index_key(day_key, mail, exact);
    return tokens.contains(protect::token_of(index, kMail)) || tokens.contains(protect::token_of(day_key, kMail));
  };
  std::vector<std::pair<const Sealed*, Buffer>> targets;
  for (const Sealed& sealed : records.sealed) {
    const auto parsed = protect::parse_sealed(sealed.value).value();
    Buffer associated;
    REQUIRE(protect::associated_data(sealed.place, parsed.ring, parsed.key_number, associated).ok());
    targets.emplace_back(&sealed, std::move(associated));
  }
  std::array<uint8_t, 32> nine{}, shared;
  nine[0] = 9;
  for (const auto& key : keys) {
    for (const auto& [sealed, associated] : targets) {
      const auto value = protect::parse_sealed(sealed->value).value();
      Buffer text(value.size_class());
      const Hash derived = protect::field_key(key, sealed->place.name);
      for (const Bytes one : {Bytes(key), Bytes(derived)}) {
        if (crypto::aead_open(one, value.nonce, associated, value.ciphertext, text))
          found.insert("opens " + sealed->what);
      }
    }
    if (crypto::x25519(key, nine, shared) && std::find(publics.begin(), publics.end(), shared) != publics.end()) {
      found.insert("is a reader");
    }
    // As the day key of each day, and as the root of the chain: stepped on to the first day that something was written.
    Hash day_key = protect::first_day_key(key, first_day);
    if (names_token(day_key, records.tokens.front())) found.insert("tokens of an older day");
    for (uint32_t from = first_day; from <= today; ++from) {
      std::copy(key.begin(), key.end(), day_key.begin());
      const std::set<protect::Token>& tokens = from < today ? records.tokens.front() : records.tokens.back();
      for (uint32_t day = from + 1; from < today && day <= first_day; ++day)
        day_key = protect::next_day_key(day_key, day);
      if (names_token(day_key, tokens)) found.insert(from < today ? "tokens of an older day" : "tokens of today");
    }
  }
  return found;
}

// This process's memory that can be written, and so can hold a secret, into a file: read it before looking for
// anything.
void dump_memory(const std::string& path) {
  std::ofstream to(path, std::ios::binary);
  std::ifstream maps("/proc/self/maps"), memory("/proc/self/mem", std::ios::binary);
  REQUIRE(memory);
  std::vector<std::pair<uint64_t, uint64_t>> ranges;
  for (std::string line; std::getline(maps, line);) {
    uint64_t from = 0, end = 0;
    char dash = 0;
    std::string mode;
    std::istringstream words(line);
    words >> std::hex >> from >> dash >> end >> mode;
    if (mode.starts_with("rw")) ranges.emplace_back(from, end);
  }
  std::vector<char> piece(1 << 20);
  for (auto [at, end] : ranges) {
    for (; at < end; at += piece.size()) {
      memory.clear();
      memory.seekg(static_cast<std::streamoff>(at));
      memory.read(piece.data(), static_cast<std::streamsize>(std::min<uint64_t>(piece.size(), end - at)));
      to.write(piece.data(), std::max<std::streamsize>(0, memory.gcount()));
    }
  }
}

// The data keys of these files in keys/, as the auditor gets them.
std::vector<std::array<uint8_t, 32>> data_keys(const Host& host, const Host::Records& records) {
  const crypto::BoxKeyPair auditor = crypto::box_key_pair(host.role_keys.decrypt).value();
  const auto wrapped = os::open_directory(host.temp.path() + "/host/log/keys").value();
  std::map<uint32_t, crypto::BoxKeyPair> subjects;
  std::vector<std::array<uint8_t, 32>> keys;
  for (const protect::WrappedKind kind : {protect::WrappedKind::kSubject, protect::WrappedKind::kData}) {
    for (const auto& [name, file] : records.log.files()) {
      if (file.name.kind != kind) continue;
      const auto key = protect::read_wrapped(*wrapped, records.root, file.name, file.sha256, file.commitment).value();
      const crypto::SecretBytes secret =
          key.unwrap(key.subject_number == 0 ? auditor : subjects.at(key.subject_number)).value();
      if (kind == protect::WrappedKind::kSubject) {
        subjects.emplace(file.name.number, crypto::BoxKeyPair::from_secret(secret).value());
      } else {
        std::copy_n(secret.bytes().data(), 32, keys.emplace_back().data());
      }
    }
  }
  return keys;
}

}  // namespace

TEST_CASE("write-only: who has everything that host had opens nothing, and holds no token key older than today") {
  crypto::wipe_freed_memory();
  Host host;
  const std::string memory = host.temp.path() + "/memory";
  host.session("p-1");
  const std::string yesterday = bytes_of(host.temp.path() + "/host/log.keys/token-day.key");
  host.clock.advance_us(kDay);
  host.session("p-2");
  dump_memory(memory);

  Host::Records records;
  host.read(records);
  REQUIRE(records.sealed.size() == 6);  // mail, diary and content of two events
  REQUIRE(records.tokens.size() == 2);
  const uint32_t first_day = static_cast<uint32_t>(tests::FieldKeys::kMade / kDay), today = first_day + 1;
  const Keys disk = keys_in(host.temp.path() + "/host");
  CHECK(disk.size() > 5000);
  // All there is: what was said on the day of the theft can be guessed (engine/README.md, "What leaks"), and no more.
  CHECK(tried(records, disk, first_day, today) == std::set<std::string>{"tokens of today"});
  for (const std::string& text : {kMail, kDiary, kSsn}) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(host.temp.path() + "/host")) {
      if (entry.is_regular_file()) CHECK(bytes_of(entry.path()).find(text) == std::string::npos);
    }
  }

  // The same trials with one key more say that they work.
  Keys more;
  add_file(yesterday, more);
  CHECK(tried(records, more, first_day, today) == std::set<std::string>{"tokens of an older day"});
  more.clear();
  add_windows(host.role_keys.token_root.bytes.bytes(), more);
  CHECK(tried(records, more, first_day, today) == std::set<std::string>{"tokens of an older day"});
  more.clear();
  add_windows(host.role_keys.decrypt.bytes.bytes(), more);
  CHECK(tried(records, more, first_day, today) == std::set<std::string>{"is a reader"});
  const auto sessions = data_keys(host, records);
  REQUIRE(sessions.size() == 4);  // of two sessions, and of one person in each
  more = Keys(sessions.begin(), sessions.end());
  CHECK(tried(records, more, first_day, today) == std::set<std::string>{"opens mail", "opens diary", "opens content"});

  // And the memory of the process that wrote, once its session was over: neither a data key nor yesterday's token key.
  const std::string image = bytes_of(memory);
  CHECK(image.size() > 1 << 20);
  for (const auto& key : sessions) CHECK(image.find(as_text(key)) == std::string::npos);
  for (const Sealed& sealed : records.sealed) {
    for (const auto& key : sessions) {
      CHECK(image.find(as_text(protect::field_key(key, sealed.place.name))) == std::string::npos);
    }
  }
  const auto old_day = crypto::parse_key(as_bytes(yesterday)).value();
  CHECK(image.find(as_text(old_day.bytes.bytes())) == std::string::npos);
  CHECK(image.find("log.keys") != std::string::npos);  // it is this process's memory
}
