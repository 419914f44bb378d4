// Searching and reading protected fields: what is found is what a brute force over the plaintext finds, whoever holds
// which keys; and what was searched for is in nothing that leaves the engine.
#include "engine/query/fields.h"

#include <algorithm>
#include <filesystem>
#include <random>
#include <set>

#include "engine/base/fold.h"
#include "engine/protect/sealer.h"
#include "tests/engine/query/fields_world.h"

using namespace khipu;
using namespace khipu::query;
using namespace khipu::query::tests;

namespace {

bool meets(const std::string& value, const std::string& wanted, Match match) {
  const std::string folded = fold(wanted);
  switch (match) {
    case Match::kExact: return value == wanted;
    case Match::kExactCi: return equals_folded(value, folded);
    case Match::kPrefix: return starts_folded(value, folded);
    case Match::kContains: break;
  }
  return contains_folded(value, folded);
}

}  // namespace

TEST_CASE("fields: what a search finds in sealed fields is what the plaintext holds, over days and past versions") {
  World world(16384);
  const unsigned seed = 20261121;
  std::mt19937 random(seed);
  CAPTURE(seed);
  const std::vector<std::string> names = {"Ada", "ada", "Bob", "Änne", "carol", "DAVE", "eve", "straße"};
  const auto pick = [&](size_t count) { return random() % count; };
  for (int i = 0; i < 120; ++i) {
    world.add("p-" + std::to_string(pick(30)), names[pick(names.size())] + std::to_string(pick(9)) + "@example.org",
              "ssn-" + std::to_string(pick(20)), static_cast<int64_t>(pick(12)), "Card-" + std::to_string(pick(8)));
    if (i % 12 == 11) world.clock.advance_us(86400LL * 1000000 * static_cast<int64_t>(1 + pick(3)));
    if (i % 40 == 39) {
      REQUIRE(world.writer->close().ok());
      world.open_writer();
    }
  }
  world.writer->wait_until_indexed();
  const auto auditor = world.engine({"search", "decrypt"}), searcher = world.engine({"search"});
  const auto expect = [&](const char* member, const std::string& wanted, Match match) {
    std::set<std::string> right;
    for (const World::Version& version : world.versions) {
      const std::string have = member == std::string_view("email") ? version.email
                               : member == std::string_view("ssn") ? version.ssn
                                                                   : std::to_string(version.age);
      if (meets(have, wanted, match)) right.insert(version.id);
    }
    const auto page = auditor->events(where(member, wanted, match));
    INFO(member << " " << wanted << " " << name(match) << ": " << (page.ok() ? "" : page.error().hint));
    REQUIRE(page.ok());
    CHECK(actors(*page) == right);
    CHECK_FALSE(noted(page->notes, "CANDIDATES"));
    // Without the decrypt key nothing is missed, and what may be wrong is said.
    const auto candidates = searcher->events(where(member, wanted, match));
    REQUIRE(candidates.ok());
    const std::set<std::string> met = actors(*candidates);
    CHECK(std::includes(met.begin(), met.end(), right.begin(), right.end()));
    if (met != right) CHECK(noted(candidates->notes, "CANDIDATES"));
  };
  for (int i = 0; i < 60; ++i) {
    const std::string some = world.versions[pick(world.versions.size())].email;
    expect("email", some, Match::kExact);
    expect("email", fold(some), Match::kExactCi);
    std::string start = some.substr(0, 1 + pick(3));
    if (static_cast<uint8_t>(start.back()) >= 0xC0) start = some.substr(0, start.size() + 1);  // characters, not bytes
    expect("email", start, Match::kPrefix);
    expect("email", "e" + std::to_string(pick(9)) + "@", Match::kContains);
    expect("ssn", "ssn-" + std::to_string(pick(25)), Match::kExact);
    expect("age", std::to_string(pick(15)), Match::kExact);
  }
  // Columns: through the index of sealed segments and the scan of the active one.
  for (int i = 0; i < 9; ++i) {
    const std::string card = "Card-" + std::to_string(i);
    EventRequest request;
    request.filter.emplace();
    request.filter->where.custom = {{"card", OwnedValue(codec::Value::of_text(card))}};
    const auto page = auditor->events(request);
    REQUIRE(page.ok());
    const auto count = std::count_if(world.versions.begin(), world.versions.end(),
                                     [&](const World::Version& version) { return version.card == card; });
    CHECK(page->total == static_cast<uint64_t>(count));
    request.filter->where.custom[0].value = OwnedValue(codec::Value::of_text(fold(card)));
    const auto folded = auditor->events(request);
    REQUIRE(folded.ok());
    CHECK(folded->total == 0);  // equal means equal
    request.filter->where = {};
    request.filter->where_not.custom = {{"card", OwnedValue(codec::Value::of_text(card))}};
    const auto others = auditor->events(request);
    REQUIRE(others.ok());
    CHECK(others->total == world.versions.size() - static_cast<uint64_t>(count));
  }
}

TEST_CASE("fields: a value is found whatever the writer's clock showed, ahead, set back or behind the keys") {
  World world;
  constexpr int64_t kMonth = 30LL * 86400 * 1000000;
  const TimeUs now = world.clock.now();
  const auto restart = [&](TimeUs at) {
    REQUIRE(world.writer->close().ok());
    world.clock.set_wall(at);
    world.open_writer();
  };
  int written = 0;
  const auto add_and_find = [&] {
    const std::string email = "mail" + std::to_string(++written) + "@example.org";
    world.add("p-" + std::to_string(written), email, "1", 1, "c");
    world.clock.set_wall(world.clock.now() + 1);
    for (int i = 1; i <= written; ++i) {
      const auto page = world.engine({"search"})
                            ->events(where("email", "mail" + std::to_string(i) + "@example.org", Match::kExactCi));
      REQUIRE(page.ok());
      INFO(i << " of " << written);
      CHECK(actors(*page) == std::set<std::string>{"p-" + std::to_string(i)});
    }
  };
  add_and_find();
  restart(now + kMonth);  // ahead, and nothing is written
  restart(now);
  add_and_find();
  // Ahead, with a value that is prepared and never committed: the chain has gone there, and nothing says so.
  REQUIRE(world.writer->close().ok());
  {
    const auto wrapped = world.root->open_directory("keys").value();
    const auto sealer = protect::Sealer::open(protect::load_writer_ring(*world.key_side).value(), {},
                                              {world.writer->root_id(), world.key_side.get(), wrapped.get()}, now);
    REQUIRE(sealer.ok());
    REQUIRE((*sealer)->begin_batch(now + 2 * kMonth).ok());
  }
  world.open_writer();
  add_and_find();
  restart(now);
  add_and_find();
  restart(now - 9 * kMonth);  // before the chain begins
  add_and_find();
  restart(now + 3 * kMonth);
  add_and_find();
  restart(now);
  add_and_find();
}

TEST_CASE("fields: what is searched for is in no error, note, cursor and applied filter") {
  World world;
  const std::string needle = "needle-4711@example.org";
  for (int i = 0; i < 4; ++i) world.add("p-" + std::to_string(i), needle, "s", i, "c");
  const auto auditor = world.engine({"search", "decrypt"}), nobody = world.engine({});
  EventRequest request = where("email", needle, Match::kExact);
  request.limit = 2;
  const auto page = auditor->events(request);
  REQUIRE(page.ok());
  CHECK(page->total == 4);
  REQUIRE(page->cursor);
  const auto decoded =
      from_base64(page->cursor->substr(3) + std::string((4 - (page->cursor->size() - 3) % 4) % 4, '='));
  if (decoded) CHECK(as_text(*decoded).find("needle") == std::string_view::npos);
  CHECK(page->applied.where.actor_match->value == "(protected)");
  EventRequest next;
  next.cursor = *page->cursor;
  const auto second = auditor->events(next);
  REQUIRE(second.ok());
  CHECK(second->rows.size() == 2);
  for (const auto& [member, match] :
       {std::pair("email", Match::kExact), std::pair("diary", Match::kExact), std::pair("ssn", Match::kPrefix),
        std::pair("age", Match::kPrefix), std::pair("age", Match::kExact)}) {
    for (const auto& engine : {std::cref(auditor), std::cref(nobody)}) {
      if (member == std::string_view("email") && &engine.get() == &auditor) continue;
      const auto refused = engine.get()->events(where(member, needle, match));
      INFO(member);
      REQUIRE_FALSE(refused.ok());
      CHECK(refused.error().got.find("needle") == std::string::npos);
      CHECK(refused.error().hint.find("needle") == std::string::npos);
      CHECK_FALSE(refused.error().hint.empty());
    }
  }
  const auto none = auditor->events(where("email", "needle-9999@example.org", Match::kExact));
  REQUIRE(none.ok());
  CHECK(none->total == 0);
  for (const Note& note : none->notes) CHECK(note.subject.find("needle") == std::string::npos);
  const auto prefix = auditor->events(where("ssn", "s", Match::kPrefix));
  REQUIRE_FALSE(prefix.ok());
  CHECK(prefix.error().allowed == std::vector<std::string>{"exact"});
}

TEST_CASE("fields: sealed values are withheld, and opened for who holds the key and asks") {
  World world;
  world.add("p-1", "ada@example.org", "ssn-1", 41, "card-1");
  const auto auditor = world.engine({"decrypt"}), nobody = world.engine({});
  for (const auto* engine : {&auditor, &nobody}) {
    const auto event = (*engine)->event({0});
    REQUIRE(event.ok());
    REQUIRE(event->event);
    for (const NamedOwnedValue& value : event->event->actor.fields) {
      INFO(value.name);
      CHECK(value.value.view().is_protected());
      CHECK(value.value.as_text().find("ada") == std::string::npos);
    }
    CHECK(event->event->content.empty());
    CHECK(event->event->source_ip.empty());
    CHECK(event->event->sealed_size_class == 64);
  }
  const auto opened = auditor->event({0}, 0, Opens::all());
  REQUIRE(opened.ok());
  REQUIRE(opened->event);
  CHECK(opened->findings.empty());
  const EventRow& row = *opened->event;
  const auto shown = [&](const char* name) {
    for (const NamedOwnedValue& value : row.actor.fields) {
      if (value.name == name) return value.value;
    }
    return OwnedValue();
  };
  CHECK(shown("email").as_text() == "ada@example.org");
  CHECK(shown("age").view() == codec::Value::of_integer(41));
  CHECK(shown("ssn").view().is_protected());  // a digest has no way back
  CHECK(row.custom.at(0).value.as_text() == "card-1");
  CHECK(row.content == "{\"mail\":\"ada@example.org\"}");
  CHECK(row.source_ip == "198.51.100.77");
  const auto columns = auditor->event({0}, 0, Opens{false, true, false});
  REQUIRE(columns.ok());
  CHECK(columns->event->custom.at(0).value.as_text() == "card-1");
  CHECK(columns->event->content.empty());
  CHECK(columns->event->actor.fields.at(0).value.view().is_protected());
}

TEST_CASE("fields: what lies in a key's place and is no file is a finding, and what is sealed to others is none") {
  World world;
  world.add("p-1", "ada@example.org", "ssn-1", 41, "card-1");
  const auto codes = [&] {
    const EventDetail opened = world.engine({"decrypt"})->event({0}, 0, Opens::all()).value();
    std::set<std::string> found;
    for (const Finding& finding : opened.findings) found.insert(finding.code);
    return found;
  };
  REQUIRE(codes().empty());
  namespace fs = std::filesystem;
  const fs::path file = world.root->path() + "/keys/data-0000000001-1.key", aside = world.temp.path() + "/aside";
  const std::set<std::string> damaged = {"field-undecryptable"};
  fs::rename(file, aside);
  CHECK(codes() == damaged);
  fs::create_directory(file);
  CHECK(codes() == damaged);
  fs::remove(file);
  fs::create_symlink(aside, file);
  CHECK(codes() == damaged);
  fs::remove(file);
  fs::rename(aside, file);
  CHECK(codes().empty());
  // Another auditor's key opens nothing here, and nothing is wrong.
  const auto other = os::create_directory(world.temp.path() + "/other", 0700).value();
  crypto::Key key = crypto::generate_key(crypto::KeyKind::kDecrypt, "others", world.clock.now());
  REQUIRE(crypto::create_key_file(*other, "decrypt-others-1.key", key).ok());
  const auto withheld = world.engine({"other"})->event({0}, 0, Opens::all());
  REQUIRE(withheld.ok());
  CHECK((withheld->findings.empty() && withheld->event->content.empty()));
}

TEST_CASE("fields: a value whose key was shredded behind the snapshot is said to be, not damaged") {
  World world;
  world.add("p-1", "ada@example.org", "ssn-1", 41, "card-1");
  const auto snapshot = world.store->snapshot().value();
  const auto record = snapshot->record(TableId::kLogs, {0}).value();
  codec::EventRecord event;
  REQUIRE(codec::decode_event(record.payload, event).ok());
  const protect::FieldPlace place{
      snapshot->genesis().root_id, {protect::kEventType, "content"}, {}, codec::ValueKind::kText, event.uid};
  const auto held = world.reader({"decrypt"});
  const codec::Shred shred{"session 1", 0, "request 7", "test", {"data-0000000001-1.key"}};
  REQUIRE(world.writer->append_and_publish(shred).ok());
  REQUIRE_FALSE(std::filesystem::exists(world.root->path() + "/keys/data-0000000001-1.key"));
  const auto opened = held->open(*snapshot, place, event.sealed.value);
  REQUIRE_FALSE(opened.ok());
  CHECK(opened.error().code == Code::kPurged);
}

TEST_CASE("fields: a search that an index could answer says what it lacks, not what another index cannot") {
  World world;
  const auto page = world.engine({"search"})->events(where("email", "ad", Match::kContains));
  REQUIRE_FALSE(page.ok());
  CHECK_THAT(page.error().hint, ContainsSubstring("at least as many"));
}

TEST_CASE("fields: an entity is found by a name that is sealed, and who cannot search it is not told it is absent") {
  World world;
  ingest::Batch batch;
  batch.statements.push_back(codec::TypeStatement{{"staff", {field("name", "sealed,exact")}}});
  World::accept(world.writer->submit_and_wait(std::move(batch)));
  const auto add = [&](const char* id, const char* name) {
    ingest::Batch one;
    ingest::Event event;
    event.actor.type = "staff";
    event.actor.id = id;
    const ingest::FieldInput fields[] = {{"name", false, codec::Value::of_text(name)}};
    event.actor.fields = one.keep(std::span<const ingest::FieldInput>(fields));
    event.action = "PUT";
    one.events.push_back(event);
    World::accept(world.writer->submit_and_wait(std::move(one)));
  };
  add("s-1", "Alice Example");
  add("s-2", "Bob Example");
  add("s-1", "Alice Married");
  const auto ask = [&](const std::vector<std::string>& roles, const std::string& who) {
    EventRequest request;
    request.filter.emplace();
    request.filter->where.actors = {who};
    auto page = world.engine(roles)->events(request);
    REQUIRE(page.ok());
    return std::move(page).value();
  };
  for (const std::vector<std::string>& roles : {std::vector<std::string>{"search"}, {"search", "decrypt"}}) {
    CHECK(actors(ask(roles, "bob example")) == std::set<std::string>{"s-2"});
    const EventPage old = ask(roles, "Alice Example");
    CHECK((actors(old) == std::set<std::string>{"s-1"} && noted(old.notes, "NAME_MATCHED_OLD_VERSION")));
    const EventPage nobody = ask(roles, "Carol");
    CHECK((nobody.rows.empty() && noted(nobody.notes, "UNKNOWN_ENTITY")));
    CHECK_FALSE(noted(nobody.notes, "PROTECTED_NAMES"));
  }
  for (const std::vector<std::string>& roles : {std::vector<std::string>{}, {"decrypt"}}) {
    const EventPage page = ask(roles, "Bob Example");
    CHECK(page.rows.empty());
    CHECK(noted(page.notes, "PROTECTED_NAMES"));
    for (const Note& note : page.notes) CHECK(note.text.find("now or in the past") == std::string::npos);
    CHECK(actors(ask(roles, "staff:s-2")) == std::set<std::string>{"s-2"});
  }
  HistoryRequest request;
  request.entity = "Bob Example";
  CHECK(world.engine({"search"})->history(request).ok());
  const auto unknown = world.engine({})->history(request);
  REQUIRE_FALSE(unknown.ok());
  CHECK_THAT(unknown.error().hint, ContainsSubstring("Names of staff are protected"));
}

TEST_CASE("fields: a history tells that a sealed value changed, and to its reader what it was") {
  World world;
  world.add("p-1", "ada@example.org", "ssn-1", 41, "c");
  world.add("p-1", "ada@example.org", "ssn-1", 42, "c");
  world.add("p-1", "eve@example.org", "ssn-1", 42, "c");
  HistoryRequest request;
  request.entity = "person:p-1";
  const auto withheld = world.engine({})->history(request);
  REQUIRE(withheld.ok());
  REQUIRE(withheld->versions.size() == 3);
  REQUIRE(withheld->versions[1].changes.size() == 1);
  CHECK(withheld->versions[1].changes[0].field == "age");
  CHECK(withheld->versions[1].changes[0].to->view().is_protected());
  CHECK(withheld->versions[2].changes.size() == 2);  // email, and the diary that quotes it
  request.opens = true;
  const auto read = world.engine({"decrypt"})->history(request);
  REQUIRE(read.ok());
  CHECK(read->findings.empty());
  CHECK(read->versions[1].changes[0].from->as_text() == "41");
  CHECK(read->versions[1].changes[0].to->as_text() == "42");
  REQUIRE(read->versions[2].changes.size() == 2);
  for (const NamedOwnedValue& value : read->versions[1].fields) {  // carried over, bound to the first version
    if (value.name == "email") CHECK(value.value.as_text() == "ada@example.org");
  }
}

TEST_CASE("fields: a folder with the signing key is no reader's, and one without keys is refused") {
  World world;
  const auto held = [&](const std::string& folder) {
    return protect::open_reader_keys({world.temp.path() + folder}, world.writer->root_id(), "example.org/audit", {});
  };
  CHECK(held("/root.keys").error().code == Code::kForbidden);
  CHECK(held("/root").error().code == Code::kInvalid);
  CHECK(held("/search").ok());
}
