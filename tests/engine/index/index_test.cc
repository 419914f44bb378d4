// An index against a list of events that is simply looked through.
#include <algorithm>
#include <map>
#include <random>

#include "engine/index/builder.h"
#include "engine/index/peek.h"
#include "engine/index/reader.h"
#include "tests/support/catch.h"
#include "tests/support/fake_disk.h"

using namespace khipu;
using namespace khipu::index;

namespace {

struct Sample {
  codec::EventRecord event;
  std::string action, source, url, tenant;
  uint64_t offset = 0;
};

std::vector<Sample> samples(uint64_t seed, uint32_t rows, bool in_order) {
  std::mt19937_64 random(seed);
  std::vector<Sample> made(rows);
  uint64_t offset = 64;
  for (uint32_t i = 0; i < rows; ++i) {
    Sample& sample = made[i];
    sample.offset = offset += 100 + random() % 400;
    codec::EventRecord& event = sample.event;
    event.occurred_at = in_order ? 1000 + i / 3 : -500 + static_cast<TimeUs>(random() % 1000);
    event.recorded_at = 5000 + i / 7;
    event.actor.entity = {random() % 40 == 0 ? UINT64_MAX - random() % 3 : random() % 50};
    for (uint64_t t = random() % 4; t > 0; --t) event.targets.push_back({{random() % 3000}, {0}});
    sample.action = random() % 50 == 0 ? std::string(70, 'x') : "act-" + std::to_string(random() % 5);
    sample.source = random() % 3 == 0 ? "" : "billing";
    sample.url = random() % 5 == 0 ? "" : "/api/accounts/acct-" + std::to_string(random() % 2000) + "/records";
    sample.tenant = "tenant " + std::to_string(random() % 9);
    event.action_class = static_cast<codec::ActionClass>(random() % 9);
    event.outcome = static_cast<codec::Outcome>(random() % 2);
  }
  for (Sample& sample : made) {  // views into what no longer moves
    sample.event.action = sample.action;
    sample.event.source = sample.source;
    sample.event.url = sample.url;
    sample.event.custom = {{1, codec::Value::of_text(sample.tenant)}, {2, codec::Value::of_integer(7)}};
  }
  return made;
}

Builder::File build(const std::vector<Sample>& from) {
  Builder builder({3}, {1000}, {1});
  for (const Sample& sample : from) REQUIRE(builder.add(sample.offset, sample.event).ok());
  return builder.finish().value();
}

std::unique_ptr<Reader> reader_of(const Builder::File& file) {
  const uint64_t body = body_size(file.bytes.size()).value();
  return Reader::open(BlockFile::of(Buffer(file.bytes.begin(), file.bytes.begin() + static_cast<ptrdiff_t>(body))))
      .value();
}

RowSet rows_of(const Reader& reader, const Term& term) {
  RowSet rows(reader.rows());
  const auto list = reader.find(term).value();
  if (list) {
    REQUIRE(reader.add(*list, rows).ok());
    CHECK(rows.count() == list->count);
  }
  return rows;
}

template <typename Holds>
RowSet expected(const std::vector<Sample>& from, Holds holds) {
  RowSet rows(static_cast<uint32_t>(from.size()));
  for (uint32_t i = 0; i < from.size(); ++i) {
    if (holds(from[i])) rows.add(i);
  }
  return rows;
}

bool targets(const Sample& sample, Row entity) {
  return std::any_of(sample.event.targets.begin(), sample.event.targets.end(),
                     [&](const codec::Pin& pin) { return pin.entity == entity; });
}

}  // namespace

TEST_CASE("index: every term's rows are those a look through all events finds, whatever their number and order") {
  const uint32_t rows = GENERATE(0U, 1U, 7U, 64U, 129U, 5000U);
  const bool in_order = GENERATE(true, false);
  INFO("rows " << rows << " in order " << in_order);
  const std::vector<Sample> from = samples(rows + 1, rows, in_order);
  const auto reader = reader_of(build(from));
  CHECK(reader->rows() == rows);
  for (uint64_t entity = 0; entity < 60; ++entity) {
    const Row row{entity};
    CHECK(rows_of(*reader, entity_term(Field::kActor, row)) ==
          expected(from, [&](const Sample& s) { return s.event.actor.entity == row; }));
    CHECK(rows_of(*reader, entity_term(Field::kTarget, row)) ==
          expected(from, [&](const Sample& s) { return targets(s, row); }));
  }
  CHECK(rows_of(*reader, entity_term(Field::kActor, {UINT64_MAX})) ==
        expected(from, [&](const Sample& s) { return s.event.actor.entity == Row{UINT64_MAX}; }));
  for (const char* word : {"act-0", "act-4", "act-", "none"}) {
    CHECK(rows_of(*reader, word_term(Field::kAction, word)) ==
          expected(from, [&](const Sample& s) { return s.action == word; }));
  }
  const Term cut = word_term(Field::kAction, std::string(70, 'x'));
  CHECK_FALSE(cut.exact);
  CHECK(rows_of(*reader, cut) == expected(from, [&](const Sample& s) { return s.action[0] == 'x'; }));
  for (const char* word : {"", "billing"}) {
    CHECK(rows_of(*reader, word_term(Field::kSource, word)) ==
          expected(from, [&](const Sample& s) { return s.source == word; }));
  }
  for (uint8_t code = 0; code < 9; ++code) {
    CHECK(rows_of(*reader, code_term(Field::kActionClass, code)) ==
          expected(from, [&](const Sample& s) { return static_cast<uint8_t>(s.event.action_class) == code; }));
    CHECK(rows_of(*reader, code_term(Field::kOutcome, code)) ==
          expected(from, [&](const Sample& s) { return static_cast<uint8_t>(s.event.outcome) == code; }));
  }
  CHECK(rows_of(*reader, column_term(1, codec::Value::of_text("tenant 3"))) ==
        expected(from, [&](const Sample& s) { return s.tenant == "tenant 3"; }));
  CHECK(rows_of(*reader, column_term(2, codec::Value::of_integer(7))).count() == 0);  // a column that is not indexed
}

TEST_CASE("index: terms stand in the order of their bytes, also where they begin alike for long or hold zeroes") {
  std::mt19937_64 random(5);
  std::vector<std::string> words(3000);
  Builder builder({3}, {1000}, {});
  std::map<std::string, std::vector<uint32_t>> expected_rows;  // by term
  codec::EventRecord event;
  for (uint32_t row = 0; row < words.size(); ++row) {
    std::string& word = words[row];
    word = std::string(random() % 20, 'a');
    for (uint64_t i = 1 + random() % 12; i > 0; --i) word += random() % 2 == 0 ? '\0' : static_cast<char>(0xff);
    event.action = event.url = word;
    const Row target{random() % 300 << (random() % 50)};
    event.targets = {{target, target}, {target, {target.value + 1}}};  // one entity in two versions
    REQUIRE(builder.add(64 + row, event).ok());
    expected_rows['\3' + word].push_back(row);
    expected_rows['\7' + word.substr(0, kUrlKeySizeMax)].push_back(row);
    expected_rows[std::string(as_text(entity_term(Field::kTarget, target).view()))].push_back(row);
  }
  const auto reader = reader_of(builder.finish().value());
  std::vector<std::string> order;
  REQUIRE(reader
              ->each({},
                     [&](Bytes term, const List& list) {
                       order.emplace_back(as_text(term));
                       const auto found = expected_rows.find(order.back());
                       if (found == expected_rows.end()) return true;
                       RowSet rows(reader->rows()), wanted(reader->rows());
                       REQUIRE(reader->add(list, rows).ok());
                       for (const uint32_t row : found->second) wanted.add(row);
                       REQUIRE(rows == wanted);
                       REQUIRE(list.count == found->second.size());
                       expected_rows.erase(found);
                       return true;
                     })
              .ok());
  CHECK(expected_rows.empty());
  CHECK(std::is_sorted(order.begin(), order.end()));
  CHECK(std::adjacent_find(order.begin(), order.end()) == order.end());
}

TEST_CASE("index: words that look alike at their ends are told apart, as are the fields that have the same word") {
  std::vector<std::string> words = {"", "a", "b", "aa", std::string(64, 'x'), std::string(65, 'x')};
  for (char c = 'a'; c <= 'z'; ++c) {
    for (char d = 'a'; d <= 'm'; ++d) words.push_back({'G', c, 'm', d, 'T'});
  }
  for (char c = 'a'; c <= 'z'; ++c) words.push_back(std::string("request.") + c + ".of.many." + c + ".bytes.read");
  std::mt19937_64 random(11);
  std::vector<Sample> from(4000);
  for (Sample& sample : from) {
    sample.action = words[1 + random() % (words.size() - 1)];
    sample.source = random() % 2 == 0 ? sample.action : words[random() % words.size()];
    sample.event.action = sample.action;
    sample.event.source = sample.source;
  }
  const auto reader = reader_of(build(from));
  for (const std::string& word : words) {
    if (word.size() > 63) continue;  // the two share a term
    INFO(word);
    CHECK(rows_of(*reader, word_term(Field::kAction, word)) ==
          expected(from, [&](const Sample& s) { return s.action == word; }));
    CHECK(rows_of(*reader, word_term(Field::kSource, word)) ==
          expected(from, [&](const Sample& s) { return s.source == word; }));
  }
  const auto is_long = [](const std::string& word) { return word.size() > 63; };
  CHECK(rows_of(*reader, word_term(Field::kAction, words[4])) ==
        expected(from, [&](const Sample& s) { return is_long(s.action); }));
  CHECK(rows_of(*reader, word_term(Field::kSource, words[5])) ==
        expected(from, [&](const Sample& s) { return is_long(s.source); }));
}

TEST_CASE("index: an entity has its rows wherever its number lies, and the terms stay in order") {
  // Rows of 26 bits beside a number leave it 38; greater ones go another way.
  const std::vector<uint64_t> entities = {
      0, 1, (1ULL << 37) + 5, (1ULL << 38) - 1, 1ULL << 38, (1ULL << 38) + 1, UINT64_MAX - 1, UINT64_MAX};
  std::vector<Sample> from = samples(5, 2000, true);
  std::mt19937_64 random(5);
  for (Sample& sample : from) {
    sample.event.actor.entity = {entities[random() % entities.size()]};
    sample.event.targets.assign(1 + random() % 3, {{entities[random() % entities.size()]}, {0}});  // the same again
  }
  const auto reader = reader_of(build(from));
  for (const uint64_t entity : entities) {
    CHECK(rows_of(*reader, entity_term(Field::kActor, {entity})) ==
          expected(from, [&](const Sample& s) { return s.event.actor.entity == Row{entity}; }));
    CHECK(rows_of(*reader, entity_term(Field::kTarget, {entity})) ==
          expected(from, [&](const Sample& s) { return targets(s, {entity}); }));
  }
}

TEST_CASE("index: a builder that begins again makes the bytes of a new one") {
  Builder builder({1}, {7}, {});
  for (const uint32_t rows : {3000U, 20U, 0U, 5000U}) {
    const std::vector<Sample> from = samples(rows, rows, rows == 20);
    builder.begin({3}, {1000}, {1});
    for (const Sample& sample : from) REQUIRE(builder.add(sample.offset, sample.event).ok());
    const Builder::File expected = build(from);
    Builder::File again = builder.finish().value();
    CHECK(again.bytes == expected.bytes);
    CHECK(again.root == expected.root);
    builder.reuse(std::move(again.bytes));

    Builder anew = Builder::of_registry({4}, {9});
    builder.begin_registry({4}, {9});
    codec::VersionRecord version;
    version.type = "user";
    for (uint32_t row = 0; row < rows; ++row) {
      const std::string id = "id-" + std::to_string(row % 100);
      version.id = id;
      REQUIRE(anew.add(row, version).ok());
      REQUIRE(builder.add(row, version).ok());
    }
    CHECK(builder.finish().value().bytes == anew.finish().value().bytes);
  }
}

TEST_CASE("index: the terms under a prefix are the urls that begin so") {
  const std::vector<Sample> from = samples(5, 3000, true);
  const auto reader = reader_of(build(from));
  for (const char* prefix : {"/", "/api/accounts/acct-1", "/api/accounts/acct-19", "/b"}) {
    RowSet rows(reader->rows());
    REQUIRE(reader
                ->each(word_term(Field::kUrl, prefix).view(),
                       [&](Bytes, const List& list) {
                         REQUIRE(reader->add(list, rows).ok());
                         return true;
                       })
                .ok());
    CHECK(rows == expected(from, [&](const Sample& s) { return s.url.starts_with(prefix); }));
  }
}

TEST_CASE("index: times, places and the order by time are those of the events") {
  const bool in_order = GENERATE(true, false);
  const std::vector<Sample> from = samples(9, 1000, in_order);
  const auto reader = reader_of(build(from));
  CHECK(reader->header().in_order == in_order);
  const Column times = reader->times().value(), recorded = reader->recorded().value();
  const Column offsets = reader->offsets().value();
  TimeUs least = INT64_MAX, most = INT64_MIN;
  for (uint32_t i = 0; i < from.size(); ++i) {
    CHECK(times[i] == from[i].event.occurred_at);
    CHECK(recorded[i] == from[i].event.recorded_at);
    CHECK(offsets[i] == static_cast<int64_t>(from[i].offset));
    least = std::min(least, from[i].event.occurred_at);
    most = std::max(most, from[i].event.occurred_at);
  }
  CHECK(reader->header().time_min == least);
  CHECK(reader->header().time_max == most);
  for (const TimeUs time : {4999, 5000, 5001, 5100, 6000}) {
    uint32_t first = 0;
    while (first < from.size() && from[first].event.recorded_at < time) ++first;
    CHECK(recorded.lower_bound(time) == first);
  }
  const auto untouched = reader_of(build(from));  // no column was read whole
  for (size_t i = 0; i < from.size(); i += 37) {
    for (const TimeUs near : {-1, 0, 1}) {
      const TimeUs recorded_at = from[i].event.recorded_at + near, occurred_at = from[i].event.occurred_at + near;
      CHECK(untouched->first_recorded(recorded_at).value() == recorded.lower_bound(recorded_at));
      if (in_order) CHECK(untouched->first_time(occurred_at).value() == times.lower_bound(occurred_at));
    }
    CHECK(untouched->peek_offset(static_cast<uint32_t>(i)).value() == from[i].offset);
    CHECK(untouched->time_of(static_cast<uint32_t>(i)).value() == from[i].event.occurred_at);
    CHECK(untouched->recorded_of(static_cast<uint32_t>(i)).value() == from[i].event.recorded_at);
    CHECK(reader->time_of(static_cast<uint32_t>(i)).value() == from[i].event.occurred_at);
  }
  CHECK(untouched->time_of(1000).error().code == Code::kCorrupt);
  CHECK(untouched->recorded_of(UINT32_MAX).error().code == Code::kCorrupt);
  CHECK(untouched->first_recorded(INT64_MIN).value() == 0);
  CHECK(untouched->first_recorded(INT64_MAX).value() == from.size());
  if (in_order) return;
  const Column by_time = reader->by_time().value();
  std::vector<std::pair<TimeUs, uint32_t>> order;
  for (uint32_t i = 0; i < from.size(); ++i) order.emplace_back(from[i].event.occurred_at, i);
  std::sort(order.begin(), order.end());
  for (uint32_t i = 0; i < from.size(); ++i) CHECK(by_time[i] == order[i].second);
}

TEST_CASE("index: of registry/ it knows each name's versions, the newest, whose they are and where they stand") {
  std::mt19937_64 random(3);
  struct Version {
    std::string type, id;
    uint64_t entity;
  };
  const uint64_t first_row = 5000;
  std::vector<Version> versions;
  std::map<std::pair<std::string, std::string>, std::vector<uint32_t>> rows;
  std::map<std::pair<std::string, std::string>, uint64_t> entities;
  Builder builder = Builder::of_registry({4}, {first_row});
  for (uint32_t row = 0; row < 4000; ++row) {
    Version made{random() % 3 == 0 ? "user" : "resource", "id-" + std::to_string(random() % 900), 0};
    if (random() % 5 == 0) made.id += std::string(70, 'x');  // what is cut
    if (row % 40 == 7) made.id = "often";                    // a list of its own
    const auto known = entities.find({made.type, made.id});
    codec::VersionRecord record;
    record.type = made.type;
    record.id = made.id;
    record.time = 1000 - row;
    record.recorded_at = 2000 + row;
    const bool old = random() % 2 == 0;  // its first version is in an earlier segment
    if (known != entities.end()) record.entity = Row{known->second};
    if (known == entities.end() && old) record.entity = Row{random() % first_row};
    made.entity = record.entity.value_or(Row{first_row + row}).value;
    entities[{made.type, made.id}] = made.entity;
    rows[{made.type, made.id}].push_back(row);
    REQUIRE(builder.add(64 + 10 * row, record).ok());
    versions.push_back(made);
  }
  const auto reader = reader_of(builder.finish().value());
  CHECK(reader->header().table == TableId::kRegistry);
  const Column column = reader->entities().value(), offsets = reader->offsets().value();
  for (uint32_t row = 0; row < versions.size(); ++row) {
    REQUIRE(static_cast<uint64_t>(column[row]) == versions[row].entity);
    REQUIRE(offsets[row] == 64 + 10 * row);
  }
  for (const auto& [name, list] : rows) {
    INFO(name.first << " " << name.second);
    RowSet wanted(reader->rows());
    for (const uint32_t row : list) wanted.add(row);
    REQUIRE(rows_of(*reader, name_term(name.first, name.second)) == wanted);
    const auto found = reader->find(name_term(name.first, name.second)).value();
    REQUIRE(found);
    REQUIRE(reader->last(*found).value() == list.back());
  }
  CHECK_FALSE(reader->find(name_term("user", "id-")).value());
  CHECK_FALSE(reader->find(name_term("service", "id-1")).value());
  const auto events = reader_of(build(samples(1, 100, true)));  // lists of each kind
  REQUIRE(events
              ->each({},
                     [&](Bytes, const List& list) {
                       RowSet has(events->rows());
                       REQUIRE(events->add(list, has).ok());
                       const uint32_t last = events->last(list).value();
                       CHECK(has.has(last));
                       for (uint32_t row = last + 1; row < events->rows(); ++row) CHECK_FALSE(has.has(row));
                       return true;
                     })
              .ok());
}

TEST_CASE("index: a place is peeked at without a block being read, and any bytes may stand there") {
  tests::FakeDisk disk;
  const auto folder = disk.directory("logs");
  const auto write = [&](const Buffer& bytes) {
    auto to = folder->open_file("seg-0000000003.idx", os::Mode::kCreate).value();
    REQUIRE(to->truncate(0).ok());
    REQUIRE(to->write_at(0, bytes).ok());
    return folder->open_file("seg-0000000003.idx", os::Mode::kRead).value();
  };
  for (const uint32_t rows : {1U, 127U, 128U, 129U, 1000U}) {
    const std::vector<Sample> from = samples(rows, rows, false);
    const Builder::File file = build(from);
    const auto there = write(file.bytes);
    for (uint32_t row = 0; row < rows; ++row) REQUIRE(peek_offset(*there, row).value() == from[row].offset);
    CHECK_FALSE(peek_offset(*there, rows).ok());
    CHECK_FALSE(peek_offset(*there, UINT64_MAX).ok());
  }
  const Builder::File file = build(samples(4, 300, false));
  std::mt19937_64 random(2);
  for (int round = 0; round < 2000; ++round) {
    Buffer bytes = file.bytes;
    for (uint64_t edits = 1 + random() % 4; edits > 0; --edits) {
      bytes[random() % (round % 2 == 0 ? kHeaderSize : bytes.size())] = static_cast<uint8_t>(random());
    }
    if (random() % 10 == 0) bytes.resize(random() % bytes.size());
    (void)peek_offset(*write(bytes), random() % 300).ok();
  }
  SUCCEED("ASan has nothing to say");
}

TEST_CASE("index: columns hold every int64, from one value for all to the widest span") {
  const std::vector<int64_t> wide = {INT64_MIN, INT64_MAX, 0, -1, 1, INT64_MIN + 1};
  std::vector<int64_t> narrow(300, -5);
  narrow[299] = (int64_t{1} << 55) - 5;
  for (const std::vector<int64_t>& values : {wide, narrow}) {
    Buffer bytes;
    append_column(bytes, values);
    const Column column = Column::parse(bytes, static_cast<uint32_t>(values.size())).value();
    for (uint32_t i = 0; i < values.size(); ++i) CHECK(column[i] == values[i]);
    CHECK_FALSE(Column::parse(Bytes(bytes).first(bytes.size() - 1), static_cast<uint32_t>(values.size())).ok());
  }
}

TEST_CASE("index: equal rows make equal bytes, and the file is checked block by block against its root") {
  const std::vector<Sample> from = samples(2, 30000, true);
  const Builder::File file = build(from);
  CHECK(build(from).bytes == file.bytes);
  REQUIRE(block_count(body_size(file.bytes.size()).value()) > 2);

  tests::FakeDisk disk;
  const auto folder = disk.directory("logs");
  const auto write = [&](const Buffer& bytes) {
    auto to = folder->open_file("seg-0000000003.idx", os::Mode::kCreate).value();
    REQUIRE(to->truncate(0).ok());
    REQUIRE(to->write_at(0, bytes).ok());
    return folder->open_file("seg-0000000003.idx", os::Mode::kRead).value();
  };
  {
    auto reader = Reader::open(BlockFile::open(write(file.bytes), file.bytes.size(), file.root).value()).value();
    CHECK(reader->loaded_bytes() <= 2 * kBlockSize);  // opening reads the header and the page index
    const uint64_t opened = reader->loaded_bytes();
    CHECK(reader->recorded_of(29999).value() == from[29999].event.recorded_at);
    CHECK(reader->loaded_bytes() <= opened + 3 * kBlockSize);  // where its group is told, and its bits
    CHECK(rows_of(*reader, entity_term(Field::kActor, {7})) ==
          expected(from, [&](const Sample& s) { return s.event.actor.entity == Row{7}; }));
  }
  Buffer hidden = file.bytes;  // an edit behind what opening reads
  hidden[kBlockSize + 10] ^= 1;
  {
    auto blocks = BlockFile::open(write(hidden), hidden.size(), file.root).value();
    const auto body = body_size(hidden.size()).value();
    const auto all = blocks->at(0, body);
    REQUIRE_FALSE(all.ok());
    CHECK(all.error().code == Code::kCorrupt);
    CHECK(blocks->at(0, 100).ok());
  }
  Buffer hash = file.bytes;
  hash.back() ^= 1;
  CHECK(BlockFile::open(write(hash), hash.size(), file.root).error().code == Code::kCorrupt);
  Buffer shorter(file.bytes.begin(), file.bytes.end() - 1);
  CHECK(BlockFile::open(write(shorter), file.bytes.size(), file.root).error().code == Code::kCorrupt);
}

TEST_CASE("index: no bytes make the reader read outside them") {
  const Builder::File file = build(samples(4, 200, false));
  const uint64_t body = body_size(file.bytes.size()).value();
  std::mt19937_64 random(1);
  for (int round = 0; round < 3000; ++round) {
    Buffer bytes(file.bytes.begin(), file.bytes.begin() + static_cast<ptrdiff_t>(body));
    for (uint64_t edits = 1 + random() % 3; edits > 0; --edits) bytes[random() % body] = static_cast<uint8_t>(random());
    const auto reader = Reader::open(BlockFile::of(std::move(bytes)));
    if (!reader.ok()) continue;
    RowSet rows(reader.value()->rows() > 1000 ? 0 : reader.value()->rows());
    (void)reader.value()->each({}, [&](Bytes, const List& list) { return reader.value()->add(list, rows).ok(); }).ok();
    for (const auto& column : {reader.value()->times(), reader.value()->recorded(), reader.value()->offsets()}) {
      if (column.ok() && reader.value()->rows() > 0) (void)column.value()[reader.value()->rows() - 1];
    }
    (void)reader.value()->by_time().ok();
  }
  SUCCEED("ASan has nothing to say");
}
