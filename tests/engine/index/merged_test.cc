// Merged files against the indexes they are made of, term by term; and the worked example of engine/FORMAT.md.
#include "engine/index/merged.h"

#include <map>
#include <random>

#include "engine/index/builder.h"
#include "tests/support/catch.h"
#include "tests/support/fake_disk.h"
#include "tests/support/format_examples.h"

using namespace khipu;
using namespace khipu::index;

namespace {

std::unique_ptr<BlockFile> body_of(Buffer bytes) {
  bytes.resize(body_size(bytes.size()).value());
  return BlockFile::of(std::move(bytes));
}

struct Segments {
  std::vector<std::unique_ptr<Reader>> indexes;  // nullptr: without rows
  std::vector<Row> first_rows;
  std::map<std::string, std::map<uint64_t, uint32_t>> held;  // term, segment, rows
  uint64_t rows = 0;
};

Segments some_segments(uint64_t seed, uint64_t count) {
  std::mt19937_64 random(seed);
  Segments all;
  for (uint64_t number = 0; number < count; ++number) {
    const Row first{1000 + all.rows};
    all.first_rows.push_back(first);
    if (random() % 7 == 0) {
      all.indexes.push_back(nullptr);
      continue;
    }
    Builder builder({number}, first, {});
    const uint64_t rows = 1 + random() % 40;
    for (uint64_t i = 0; i < rows; ++i) {
      codec::EventRecord event;
      const std::string action = "act-" + std::to_string(random() % 5), url = "/u/" + std::to_string(random() % 9);
      event.occurred_at = static_cast<TimeUs>(random() % 1000) - 500;
      event.recorded_at = static_cast<TimeUs>(5000 + all.rows + i);
      event.actor.entity = {random() % 300};
      event.action = action;
      event.url = url;
      REQUIRE(builder.add(64 + 100 * i, event).ok());
    }
    all.rows += rows;
    all.indexes.push_back(Reader::open(BlockFile::of(builder.body().value())).value());
    REQUIRE(all.indexes.back()
                ->each({},
                       [&](Bytes term, const List& list) {
                         if (term[0] != static_cast<uint8_t>(Field::kUrl)) {
                           all.held[std::string(as_text(term))][number] = list.count;
                         }
                         return true;
                       })
                .ok());
  }
  return all;
}

std::unique_ptr<MergedReader> merge(const Segments& all, const MergedName& name) {
  Merger merger(TableId::kLogs, name);
  const uint64_t step = name.count() / kMergeFan;
  std::vector<std::unique_ptr<MergedReader>> parts;
  for (uint64_t i = 0; i < kMergeFan; ++i) {
    const SegmentNumber first{name.first.value + i * step};
    if (step > 1) {
      parts.push_back(merge(all, merged_around(first, step)));
      REQUIRE(merger.add(*parts.back()).ok());
    } else if (const auto& index = all.indexes[first.value]; index) {
      REQUIRE(merger.add(*index).ok());
    } else {
      merger.add_empty(all.first_rows[first.value]);
    }
  }
  return MergedReader::open(body_of(merger.finish().value().bytes)).value();
}

Buffer file_of_sixteen(const Segments& all) {
  Merger merger(TableId::kLogs, {{0}, {15}});
  for (uint64_t i = 0; i < 16; ++i) {
    if (all.indexes[i]) {
      REQUIRE(merger.add(*all.indexes[i]).ok());
    } else {
      merger.add_empty(all.first_rows[i]);
    }
  }
  return merger.finish().value().bytes;
}

// Of registry/: each version with a name that others share or a long one, an attribute, some an end.
std::unique_ptr<Builder> registry_segment(uint64_t number, Row first, uint64_t rows, std::mt19937_64& random,
                                          std::map<std::string, std::map<uint64_t, uint32_t>>& held) {
  auto builder = std::make_unique<Builder>(Builder::of_registry({number}, first));
  for (uint64_t i = 0; i < rows; ++i) {
    codec::VersionRecord version;
    const std::string id = random() % 9 == 0 ? std::string(60, 'i') + std::to_string(random() % 400)
                                             : "u-" + std::to_string(random() % (40 * rows));
    const std::string mail = "mail " + std::to_string(random());
    version.type = "user";
    version.id = id;
    version.entity = Row{random() % 100};
    version.time = static_cast<TimeUs>(random() % 1000);
    version.recorded_at = static_cast<TimeUs>(5000 + first.value + i);
    version.deleted = random() % 10 == 0;
    if (!version.deleted) version.fields = {{"mail", codec::Value::of_text(mail)}};
    REQUIRE(builder->add(64 + 100 * i, version).ok());
    ++held[std::string(as_text(name_term("user", id).view()))][number];
  }
  return builder;
}

Term term_of(std::string_view bytes) {
  Term term;
  std::copy(bytes.begin(), bytes.end(), term.bytes.begin());
  term.size = static_cast<uint8_t>(bytes.size());
  return term;
}

}  // namespace

TEST_CASE("index: one form of a merged file's name, and only of ranges that are merged") {
  CHECK(merged_name({{16}, {31}}) == "idx-0000000016-0000000031.idx");
  CHECK(parse_merged_name("idx-0000000016-0000000031.idx") == MergedName{{16}, {31}});
  CHECK(parse_merged_name("idx-0000000256-0000000511.idx") == MergedName{{256}, {511}});
  CHECK(merged_around({300}, 256) == MergedName{{256}, {511}});
  for (const char* name :
       {"idx-0000000016-0000000030.idx", "idx-0000000008-0000000023.idx", "idx-16-31.idx",
        "idx-0000000031-0000000016.idx", "idx-0000000000-0000065535.idx", "idx-0000000016.idx", "seg-0000000016.idx",
        "idx-0000000016-0000000031.idx.new", "idx--.idx", "idx-0000000016-000000003x.idx", ""}) {
    INFO(name);
    CHECK_FALSE(parse_merged_name(name));
  }
}

TEST_CASE("index: a merged file holds of every term what the indexes of its segments hold, on every level") {
  for (const uint64_t seed : {1, 2, 3}) {
    const Segments all = some_segments(seed, 256);
    for (const MergedName& name : {MergedName{{0}, {15}}, MergedName{{240}, {255}}, MergedName{{0}, {255}}}) {
      const auto merged = merge(all, name);
      CHECK(merged->name() == name);
      CHECK(merged->table() == TableId::kLogs);
      MergedReader::Cursor cursor(*merged);
      std::string before;
      uint64_t terms = 0;
      for (; cursor.next().value(); ++terms) {
        const std::string term(as_text(cursor.term()));
        CHECK(before < term);
        before = term;
      }
      uint64_t expected_terms = 0;
      for (const auto& [term, segments] : all.held) {
        std::vector<Held> expected;
        for (const auto& [segment, rows] : segments) {
          if (segment < name.first.value || segment > name.last.value) continue;
          expected.push_back({static_cast<uint32_t>(segment - name.first.value), rows});
        }
        expected_terms += expected.empty() ? 0 : 1;
        REQUIRE(merged->find(term_of(term)).value() == expected);
      }
      CHECK(terms == expected_terms);
      CHECK(merged->find(entity_term(Field::kActor, {999})).value().empty());
      CHECK(merged->find(word_term(Field::kUrl, "/u/1")).value().empty());
      for (uint64_t i = 0; i < name.count(); ++i) {
        const auto& index = all.indexes[name.first.value + i];
        const MergedPart part = merged->part(static_cast<uint32_t>(i)).value();
        CHECK(part.first_row == all.first_rows[name.first.value + i]);
        REQUIRE(part.rows == (index ? index->rows() : 0));
        if (!index) continue;
        CHECK(part.time_min == index->header().time_min);
        CHECK(part.time_max == index->header().time_max);
        CHECK(part.recorded_first == index->recorded().value()[0]);
        CHECK(part.recorded_last == index->recorded().value()[index->rows() - 1]);
      }
      CHECK_FALSE(merged->part(static_cast<uint32_t>(name.count())).ok());
    }
  }
}

TEST_CASE("index: a merged file of registry/ holds the names its segments hold, and nothing else of them") {
  std::mt19937_64 random(11);
  std::map<std::string, std::map<uint64_t, uint32_t>> held;
  std::vector<std::unique_ptr<Reader>> indexes;
  std::vector<Row> first_rows;
  uint64_t rows = 0;
  for (uint64_t number = 0; number < 256; ++number) {
    first_rows.push_back({70 + rows});
    const uint64_t count = random() % 7 == 0 ? 0 : 1 + random() % 30;
    indexes.push_back(nullptr);
    if (count == 0) continue;
    const auto builder = registry_segment(number, first_rows.back(), count, random, held);
    indexes.back() = Reader::open(BlockFile::of(builder->body().value())).value();
    rows += count;
  }
  std::vector<std::unique_ptr<MergedReader>> parts;
  Merger whole(TableId::kRegistry, {{0}, {255}});
  for (uint64_t from = 0; from < 256; from += 16) {
    Merger merger(TableId::kRegistry, merged_around({from}, 16));
    for (uint64_t number = from; number < from + 16; ++number) {
      if (indexes[number]) {
        REQUIRE(merger.add(*indexes[number]).ok());
      } else {
        merger.add_empty(first_rows[number]);
      }
    }
    parts.push_back(MergedReader::open(body_of(merger.finish().value().bytes)).value());
    REQUIRE(whole.add(*parts.back()).ok());
  }
  parts.push_back(MergedReader::open(body_of(whole.finish().value().bytes)).value());
  for (const auto& merged : parts) {
    CHECK(merged->table() == TableId::kRegistry);
    const MergedName name = merged->name();
    uint64_t expected_terms = 0, terms = 0;
    for (const auto& [term, segments] : held) {
      std::vector<Held> expected;
      for (const auto& [segment, count] : segments) {
        if (segment < name.first.value || segment > name.last.value) continue;
        expected.push_back({static_cast<uint32_t>(segment - name.first.value), count});
      }
      expected_terms += expected.empty() ? 0 : 1;
      REQUIRE(merged->find(term_of(term)).value() == expected);
    }
    MergedReader::Cursor cursor(*merged);
    while (cursor.next().value()) ++terms;
    CHECK(terms == expected_terms);
    CHECK(merged->find(deleted_term()).value().empty());
    CHECK(merged->find(name_term("user", "nobody")).value().empty());
    for (uint32_t i = 0; i < name.count(); ++i) {
      const auto& index = indexes[name.first.value + i];
      const MergedPart part = merged->part(i).value();
      CHECK(part.first_row == first_rows[name.first.value + i]);
      CHECK(part.rows == (index ? index->rows() : 0));
      CHECK((!index || part.recorded_last == index->recorded().value()[index->rows() - 1]));
    }
  }
}

TEST_CASE("index: what is merged is given back as it is passed, and the file is the one that memory makes") {
  khipu::tests::FakeDisk disk;
  const auto folder = disk.directory("root");
  std::mt19937_64 random(12);
  std::map<std::string, std::map<uint64_t, uint32_t>> held;
  std::vector<std::unique_ptr<Reader>> files, memory;
  const MergedName name{{0}, {15}};
  Merger from_files(TableId::kRegistry, name), from_memory(TableId::kRegistry, name), stopped(TableId::kRegistry, name);
  for (uint64_t number = 0; number < 16; ++number) {
    const auto builder = registry_segment(number, {20000 * number}, 20000, random, held);
    const Builder::File file = builder->finish().value();
    disk.put("root/" + index_name({number}), file.bytes);
    Buffer body = file.bytes;
    body.resize(body_size(body.size()).value());
    memory.push_back(Reader::open(BlockFile::of(std::move(body))).value());
    auto opened = folder->open_file(index_name({number}), os::Mode::kRead).value();
    files.push_back(Reader::open(BlockFile::open(std::move(opened), file.bytes.size(), file.root).value()).value());
    REQUIRE(from_files.add(*files.back()).ok());
    REQUIRE(from_memory.add(*memory.back()).ok());
    REQUIRE(stopped.add(*memory.back()).ok());
  }
  // Names take less than half of the dictionary, and of each at most two blocks stay with what says where pages are.
  const uint64_t names = from_memory.terms_size();
  CHECK(names > 16 * 4 * kBlockSize / 2);
  CHECK(names < 16 * memory.front()->pages_size() / 2);
  const Merger::File one = from_files.finish().value(), other = from_memory.finish().value();
  CHECK(one.root == other.root);
  CHECK(one.bytes == other.bytes);
  for (const auto& file : files) CHECK(file->loaded_bytes() <= 5 * kBlockSize);
  for (const auto& file : files) {  // and is there again for whoever asks
    for (const auto& [term, segments] : held) {
      const auto found = segments.find(file->header().number.value);
      if (random() % 64 != 0) continue;
      const auto list = file->find(term_of(term)).value();
      REQUIRE((list ? list->count : 0) == (found == segments.end() ? 0 : found->second));
    }
  }
  const auto cut = stopped.finish([] { return true; });
  REQUIRE_FALSE(cut.ok());
  CHECK(cut.error().code == Code::kCancelled);
}

TEST_CASE("index: every flipped bit of a merged file without its hashes is read as something, and never outside it") {
  const Segments all = some_segments(4, 16);
  const Buffer file = file_of_sixteen(all);
  const Buffer body(file.begin(), file.begin() + static_cast<ptrdiff_t>(body_size(file.size()).value()));
  for (size_t bit = 0; bit < 8 * body.size(); ++bit) {
    Buffer changed = body;
    changed[bit / 8] = static_cast<uint8_t>(changed[bit / 8] ^ 1U << bit % 8);
    const auto reader = MergedReader::open(BlockFile::of(std::move(changed)));
    if (!reader.ok()) continue;
    MergedReader::Cursor cursor(*reader.value());
    for (auto more = cursor.next(); more.ok() && *more; more = cursor.next()) {
      for (const Held& held : cursor.held()) REQUIRE(held.segment < 16);
    }
    (void)reader.value()->find(entity_term(Field::kActor, {150})).ok();
    (void)reader.value()->part(15).ok();
  }
  for (const size_t size : {size_t{0}, size_t{64}, kHeaderSize, body.size() - 1}) {
    CHECK_FALSE(
        MergedReader::open(BlockFile::of(Buffer(body.begin(), body.begin() + static_cast<ptrdiff_t>(size)))).ok());
  }
}

TEST_CASE("index: a merged file is of logs/ or of registry/") {
  const Segments all = some_segments(5, 16);
  Buffer file = file_of_sixteen(all);
  for (unsigned table = 0; table < 256; ++table) {
    file[10] = static_cast<uint8_t>(table);
    CHECK(MergedReader::open(body_of(file)).ok() == (table == 1 || table == 2));
  }
}

TEST_CASE("index: the merged file of FORMAT.md, byte for byte") {
  // Sixteen segments from 16 on; two of them hold an event each, the others nothing.
  Merger merger(TableId::kLogs, {{16}, {31}});
  std::vector<std::unique_ptr<Reader>> indexes;
  Row next{700};
  for (uint64_t number = 16; number < 32; ++number) {
    if (number != 17 && number != 30) {
      merger.add_empty(next);
      continue;
    }
    Builder builder({number}, next, {});
    codec::EventRecord event;
    event.occurred_at = static_cast<TimeUs>(1000 + number);
    event.recorded_at = static_cast<TimeUs>(2000 + number);
    event.actor.entity = {1};
    event.action = number == 17 ? "GET" : "PUT";
    event.outcome = codec::Outcome::kSuccess;
    REQUIRE(builder.add(64, event).ok());
    indexes.push_back(Reader::open(BlockFile::of(builder.body().value())).value());
    REQUIRE(merger.add(*indexes.back()).ok());
    next = next.next();
  }
  const Merger::File file = merger.finish().value();
  CHECK(file.first_row == Row{700});
  CHECK(file.rows == 2);
  CHECK(hex(file.bytes) == hex(khipu::tests::format_example("the merged index of segments 16 to 31")));
}
