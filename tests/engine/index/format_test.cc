// Names, terms, header: and the worked example of engine/FORMAT.md, byte for byte.
#include "engine/index/format.h"

#include <cmath>

#include "engine/index/builder.h"
#include "tests/support/catch.h"

using namespace khipu;
using namespace khipu::index;

TEST_CASE("index: one form of name, made and parsed") {
  CHECK(index_name({42}) == "seg-0000000042.idx");
  CHECK(parse_index_name("seg-0000000042.idx") == SegmentNumber{42});
  CHECK(parse_index_name(index_name({UINT64_MAX})) == SegmentNumber{UINT64_MAX});
  for (const char* name : {"seg-42.idx", "seg-0000000042.log", "seg-000000004x.idx", "seg-00000000042.idx", "idx", "",
                           "seg-99999999999999999999.idx"}) {
    CHECK_FALSE(parse_index_name(name));
  }
}

TEST_CASE("index: one form of a run's name, made and parsed") {
  CHECK(run_name({{42}, 7}) == "seg-0000000042.run-7");
  CHECK(parse_run_name("seg-0000000042.run-7") == RunName{{42}, 7});
  CHECK(parse_run_name(run_name({{UINT64_MAX}, UINT64_MAX})) == RunName{{UINT64_MAX}, UINT64_MAX});
  for (const char* name : {"seg-0000000042.run-", "seg-0000000042.run-07", "seg-0000000042.run-7.new", "seg-42.run-1",
                           "seg-0000000042.run--1", "seg-0000000042.idx", "seg-0000000042.run-18446744073709551616"}) {
    CHECK_FALSE(parse_run_name(name));
  }
}

TEST_CASE("index: names that are not equal have terms that are not, however long they are") {
  const auto of = [](std::string_view type, std::string_view id) { return hex(name_term(type, id).view()); };
  CHECK(of("user", "1") == of("user", "1"));
  CHECK(of("user", "1") != of("use", "r1"));
  const std::string longest(58, 'x');  // with "user" and the NUL 63 bytes
  CHECK(name_term("user", longest).size == 64);
  CHECK(name_term("user", longest + "y").size == 65);
  CHECK(name_term("user", longest + "yz").size == 65);
  CHECK(of("user", longest + "yz") != of("user", longest + "yy"));
  CHECK(of("user", longest + "y") != of("user", longest));
  CHECK(name_term("user", longest + "yz").exact);
}

TEST_CASE("index: numbers that a query holds equal have one term, and those beyond 2^53 are candidates only") {
  const auto of = [](const codec::Value& value) { return hex(column_term(9, value).view()); };
  CHECK(of(codec::Value::of_integer(3)) == of(codec::Value::of_real(3.0)));
  CHECK(of(codec::Value::of_real(-0.0)) == of(codec::Value::of_integer(0)));
  CHECK(of(codec::Value::of_integer(3)) != of(codec::Value::of_text("3")));
  CHECK(of(codec::Value::of_text("3")) != of(codec::Value::of_json("3")));
  CHECK(column_term(9, codec::Value::of_integer((1LL << 53) - 1)).exact);
  CHECK_FALSE(column_term(9, codec::Value::of_integer(1LL << 53)).exact);
  CHECK_FALSE(column_term(9, codec::Value::of_unsigned(UINT64_MAX)).exact);
  CHECK_FALSE(column_term(9, codec::Value::of_real(std::nan(""))).exact);
  CHECK(word_term(Field::kUrl, std::string(23, 'u')).exact);
  CHECK_FALSE(word_term(Field::kUrl, std::string(24, 'u')).exact);
}

TEST_CASE("index: a header says itself again, and what does not fit together is corrupt") {
  Header header;
  header.number = {7};
  header.first_row = {700};
  header.rows = 3;
  header.terms = 4;
  header.pages = 1;
  header.time_min = -5;
  header.time_max = 5;
  header.in_order = false;
  header.sections = {128, 140, 150, 160, 170, 180, 190, 200};
  const auto bytes = encode_header(header);
  CHECK(parse_header(bytes, 200).value() == header);
  CHECK(parse_header(bytes, 201).error().code == Code::kCorrupt);
  CHECK(parse_header(Bytes(bytes).first(127), 200).error().code == Code::kCorrupt);
  auto version = bytes;
  version[8] = 2;
  CHECK(parse_header(version, 200).error().code == Code::kUnsupported);
  header.table = TableId::kRegistry;
  for (const uint16_t known : {uint16_t{1}, uint16_t{2}}) {
    header.version = known;
    CHECK(parse_header(encode_header(header), 200).value() == header);
    CHECK(header.has_attributes() == (known == 2));
  }
  for (const uint16_t unknown : {uint16_t{0}, uint16_t{3}}) {
    header.version = unknown;
    CHECK(parse_header(encode_header(header), 200).error().code == Code::kUnsupported);
  }
  for (const size_t at : {size_t{0}, size_t{10}, size_t{11}, size_t{57}, size_t{88}, size_t{127}}) {
    auto wrong = bytes;
    wrong[at] = 0xff;
    INFO("byte " << at);
    CHECK_FALSE(parse_header(wrong, 200).ok());
  }
}

TEST_CASE("index: a file's size tells its body's, or that there is none") {
  for (const uint64_t body : {kHeaderSize, kBlockSize - 1, kBlockSize, kBlockSize + 1, 10 * kBlockSize}) {
    CHECK(body_size(body + 32 * block_count(body)) == body);
  }
  for (const uint64_t size : {uint64_t{0}, uint64_t{100}, kBlockSize + 33, kBlockSize + 64})
    CHECK_FALSE(body_size(size));
}

// Made by another program from the text of engine/FORMAT.md.
TEST_CASE("index: a run of registry/ in version 1, without attributes, byte for byte") {
  const std::string header =
      "6b6869707569647801000101020000000300000000000000bc02000000000000"
      "e803000000000000ef0300000000000002000000010000008000000095000000"
      "a7000000a7000000c0000000d9000000f30000000e010000" +
      std::string(80, '0');
  const std::string rest =
      "000000000000000000000000097573657200752d310009097573657200752d31"
      "01000801370101e8030000000000000000000003000000380000000000000000"
      "d007000000000000000000000300000028000000000000000040000000000000"
      "000000000008000000008800000000000000000500000000000000000000000a"
      "000000b702000000000000000000";
  const std::string root = "2d3fe7e4431c2b3fe49e518b80e2456e3cf3a126e7ddd38acc7db0dc4f8e1acc";
  codec::VersionRecord first, second;
  first.time = 1000;
  first.recorded_at = 2000;
  first.type = "user";
  first.id = "u-1";
  second = first;
  second.time = 1007;
  second.recorded_at = 2005;
  second.id = "u-7";
  second.entity = Row{5};
  second.version = 1;
  second.previous = Row{9};
  second.deleted = true;
  first.fields = {{"name", codec::Value::of_text("Ada")}};
  Builder builder = Builder::of_registry({3}, {700});
  REQUIRE(builder.add(64, first).ok());
  REQUIRE(builder.add(200, second).ok());
  const Builder::File file = builder.finish_as(1).value();
  CHECK(hex(file.bytes) == header + rest + root);
  CHECK(hex(file.root) == root);
  CHECK(builder.finish(file.root).value().bytes == file.bytes);
  const Builder::File newest = builder.finish().value();
  CHECK(newest.bytes != file.bytes);
  CHECK(builder.finish(newest.root).value().bytes == newest.bytes);
  CHECK(builder.finish(Hash{}).value().bytes == newest.bytes);
}

// Made by another program from the text of engine/FORMAT.md.
TEST_CASE("index: the worked example of a run of registry/, byte for byte") {
  const std::string header =
      "6b6869707569647802000101020000000300000000000000bc02000000000000"
      "e803000000000000ef0300000000000007000000010000008000000095000000"
      "ec000000ec000000050100001e0100003801000053010000" +
      std::string(80, '0');
  const std::string rest =
      "000000000000000000000000097573657200752d31"
      "0009097573657200752d310100"
      "0801370101"
      "000c0a75736572000074784079000101"
      "060d616765006e40448000000000000100"
      "060a6d61696c0074784079000101"
      "060d6e616d650074616461004164610100"
      "00010b0101"
      "e8030000000000000000000003000000380000000000000000"
      "d0070000000000000000000003000000280000000000000000"
      "4000000000000000000000000800000000880000000000000000"
      "0500000000000000000000000a000000b702000000000000000000";
  const std::string root = "868d8be499b0bc4421382b3168c362ceaf17c46ed1a7c095fdb4b95028bf7f94";
  codec::VersionRecord first, second;
  first.time = 1000;
  first.recorded_at = 2000;
  first.type = "user";
  first.id = "u-1";
  first.fields = {{"age", codec::Value::of_integer(41)}, {"name", codec::Value::of_text("Ada")}};
  second = first;
  second.time = 1007;
  second.recorded_at = 2005;
  second.id = "u-7";
  second.entity = Row{5};
  second.version = 1;
  second.previous = Row{9};
  second.deleted = true;
  second.fields = {{"mail", codec::Value::of_text("x@y")}};
  Builder builder = Builder::of_registry({3}, {700});
  REQUIRE(builder.add(64, first).ok());
  REQUIRE(builder.add(200, second).ok());
  const Builder::File file = builder.finish().value();
  CHECK(hex(file.bytes) == header + rest + root);
  CHECK(hex(file.root) == root);
}

// Made by another program from the text of engine/FORMAT.md.
TEST_CASE("index: the worked example of the format page, byte for byte") {
  const std::string header =
      "6b686970756964780100020102000000"
      "00000000000000000000000000000000"
      "e803000000000000ef03000000000000"
      "0900000001000000"
      "8000000095000000de000000de000000f7000000100100002a0100002a010000" +
      std::string(80, '0');
  const std::string rest =
      "000000000000000000000000010000000000000001"
      "0009010000000000000001020000"
      "00090200000000000000020100"
      "0004034745540100"
      "01035055540101"
      "000204020100"
      "0101040101"
      "00020501020000"
      "000106020000"
      "0003072f610101"
      "e8030000000000000000000003000000380000000000000000"
      "d0070000000000000000000003000000280000000000000000"
      "4000000000000000000000000800000000880000000000000000";
  const std::string root = "1001bebf13dfe33b7fae189640623e2bd0bd8f06855a0e1f98ef2722603f91a6";
  codec::EventRecord first, second;
  first.occurred_at = 1000;
  first.recorded_at = 2000;
  first.actor.entity = {1};
  first.targets = {{{2}, {2}}, {{2}, {3}}};  // one entity twice
  first.action = "GET";
  first.action_class = codec::ActionClass::kRead;
  first.outcome = codec::Outcome::kSuccess;
  second = first;
  second.occurred_at = 1007;
  second.recorded_at = 2005;
  second.targets.clear();
  second.action = "PUT";
  second.action_class = codec::ActionClass::kUpdate;
  second.url = "/a";
  Builder builder({0}, {0}, {});
  REQUIRE(builder.add(64, first).ok());
  REQUIRE(builder.add(200, second).ok());
  const Builder::File file = builder.finish().value();
  CHECK(hex(file.bytes) == header + rest + root);
  CHECK(hex(file.root) == root);
}
