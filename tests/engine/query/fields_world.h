// A log with protected fields on a real disk, the keys of every role beside it, and engines that hold some of them.
#pragma once

#include <algorithm>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "engine/protect/reader_keys.h"
#include "engine/query/engine.h"
#include "engine/query/fields.h"
#include "engine/writer/writer.h"
#include "tests/support/catch.h"
#include "tests/support/fake_clock.h"
#include "tests/support/fake_random.h"
#include "tests/support/protecting.h"
#include "tests/support/temp_directory.h"

namespace khipu::query::tests {

inline codec::FieldSchema field(const char* name, const char* rule, codec::ValueKind kind = codec::ValueKind::kText) {
  codec::FieldSchema made;
  made.name = name;
  made.kind = kind;
  made.rule = *codec::rule(rule);
  return made;
}

// A log of persons, and the plaintext of all their versions beside it.
struct World {
  explicit World(uint64_t segment_size_bytes = 32 << 20) {
    root = os::create_directory(temp.path() + "/root", 0750).value();
    key_side = os::create_directory(temp.path() + "/root.keys", 0700).value();
    search = os::create_directory(temp.path() + "/search", 0700).value();
    decrypt = os::create_directory(temp.path() + "/decrypt", 0700).value();
    REQUIRE(writer::initialize(environment(), {"example.org/audit"}).ok());
    keys.give_writer(*key_side);
    keys.give_searcher(*search);
    keys.give_auditor(*decrypt);
    options.segment_size_bytes = segment_size_bytes;
    open_writer();
    ingest::Batch batch;
    batch.statements.push_back(codec::TypeStatement{
        {"person",
         {field("email", "sealed,exact,prefix(4),ngram(3),accept_leak"), field("ssn", "digest"),
          field("age", "sealed,exact", codec::ValueKind::kNumber), field("diary", "sealed"), field("city", "none")}}});
    codec::ColumnSchema card;
    card.name = "card";
    card.indexed = true;
    card.rule = *codec::rule("sealed,exact");
    batch.statements.push_back(codec::ColumnStatement{card});
    accept(writer->submit_and_wait(std::move(batch)));
    store = snapshot::Store::open(os::open_directory(temp.path() + "/root").value()).value();
  }
  writer::Environment environment() { return {*root, *key_side, clock, os::system_random()}; }
  void open_writer() {
    auto opened = writer::Writer::open(environment(), options);
    INFO((opened.ok() ? "" : opened.error().message));
    REQUIRE(opened.ok());
    writer = std::move(opened).value();
  }
  static void accept(const Result<writer::Receipt>& receipt) {
    INFO((receipt.ok() ? "" : receipt.error().message));
    REQUIRE(receipt.ok());
  }
  void add(const std::string& id, const std::string& email, const std::string& ssn, int64_t age,
           const std::string& card) {
    ingest::Batch batch;
    ingest::Event event;
    event.actor.type = "person";
    event.actor.id = batch.keep(id);
    const ingest::FieldInput fields[] = {{"email", false, codec::Value::of_text(batch.keep(email))},
                                         {"ssn", false, codec::Value::of_text(batch.keep(ssn))},
                                         {"age", false, codec::Value::of_integer(age)},
                                         {"diary", false, codec::Value::of_text(batch.keep("dear " + email))}};
    event.actor.fields = batch.keep(std::span<const ingest::FieldInput>(fields));
    event.action = "PUT";
    event.source_ip = "198.51.100.77";
    event.content_kind = codec::ContentKind::kJson;
    event.content = batch.keep(as_bytes("{\"mail\":\"" + email + "\"}"));
    const ingest::ColumnInput column{"card", codec::Value::of_text(batch.keep(card))};
    event.custom = batch.keep(std::span<const ingest::ColumnInput>(&column, 1));
    batch.events.push_back(event);
    accept(writer->submit_and_wait(std::move(batch)));
    versions.push_back({id, email, ssn, age, card});
  }
  std::shared_ptr<const FieldReader> reader(const std::vector<std::string>& roles) {
    std::shared_ptr<const FieldReader> reader;
    if (!roles.empty()) {
      std::vector<std::string> folders;
      for (const std::string& role : roles) folders.push_back(temp.path() + "/" + role);
      auto held = protect::open_reader_keys(folders, writer->root_id(), "example.org/audit",
                                            root->open_directory("keys").value());
      INFO((held.ok() ? "" : held.error().message));
      REQUIRE(held.ok());
      reader = std::make_shared<const FieldReader>(std::move(held->searcher), std::move(held->opener), store.get());
    }
    return reader;
  }
  std::unique_ptr<Engine> engine(const std::vector<std::string>& roles) {
    std::array<uint8_t, 32> key{};
    key[0] = 7;
    return std::make_unique<Engine>(
        *store, [this] { return clock.now(); }, key, Scope{}, reader(roles));
  }

  struct Version {
    std::string id, email, ssn;
    int64_t age = 0;
    std::string card;
  };
  std::vector<Version> versions;
  khipu::tests::TempDirectory temp;
  khipu::tests::FakeClock clock;
  khipu::tests::FieldKeys keys;
  std::unique_ptr<os::Directory> root, key_side, search, decrypt;
  writer::Options options;
  std::unique_ptr<writer::Writer> writer;
  std::unique_ptr<snapshot::Store> store;
};

inline EventRequest where(const char* member, const std::string& value, Match match) {
  EventRequest request;
  request.filter.emplace();
  request.filter->where.actor_match = EntityMatcher{"person", member, value, match, false};
  request.limit = 200;
  return request;
}

inline std::set<std::string> actors(const EventPage& page) {
  std::set<std::string> ids;
  for (const EventRow& row : page.rows) ids.insert(row.actor.id);
  return ids;
}

inline bool noted(const std::vector<Note>& notes, const std::string& code) {
  return std::any_of(notes.begin(), notes.end(), [&](const Note& note) { return note.code == code; });
}

}  // namespace khipu::query::tests
