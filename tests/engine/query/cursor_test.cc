#include "engine/query/cursor.h"

#include "tests/support/catch.h"

using namespace khipu;
using namespace khipu::query;

namespace {

std::array<uint8_t, 32> key(uint8_t byte) {
  std::array<uint8_t, 32> key{};
  key.fill(byte);
  return key;
}

Filter full_filter() {
  Filter filter;
  filter.from = -5;
  filter.to = 1781500027123456;
  filter.axis = Axis::kRecorded;
  filter.where.actors = {"user:u-1", "alice", std::string("\xff\x00z", 3)};
  filter.where.actor_match = EntityMatcher{"user", "email", "A.S", Match::kPrefix, true};
  filter.where.targets = {"doc:a"};
  filter.where.target_matches = {{"doc", "id", "x", Match::kContains, false},
                                 {"doc", "name", "", Match::kExactCi, true}};
  filter.where.actions = {"PUT", "GET"};
  filter.where.action_classes = {"auth"};
  filter.where.outcomes = {"not_success"};
  filter.where.sources = {"billing"};
  filter.where.url_prefix = "/api";
  filter.where.custom = {{"tenant", OwnedValue(codec::Value::of_text("acme"))},
                         {"cost", OwnedValue(codec::Value::of_real(0.1))},
                         {"big", OwnedValue(codec::Value::of_unsigned(UINT64_MAX))}};
  filter.where.text = "needle";
  filter.where_not.actions = {"HEAD"};
  return filter;
}

EventCursor cursor() {
  EventCursor cursor;
  cursor.root_id.fill(3);
  cursor.as_of = {184213, {}, 77, {912}, 5, true};
  cursor.first_seq = {4};
  cursor.question = {full_filter(), {OrderBy::kTime, false}};
  cursor.last_seq = {41207};
  cursor.last_time = -9;
  cursor.total = 412;
  cursor.total_is_lower_bound = true;
  cursor.context = "tz=Europe/London";
  return cursor;
}

}  // namespace

TEST_CASE("filter: encoding and decoding are inverses, and different questions have different bytes") {
  Buffer bytes;
  encode_filter(bytes, full_filter(), {OrderBy::kTime, false});
  const auto decoded = decode_filter(bytes);
  REQUIRE(decoded.ok());
  CHECK(decoded->filter == full_filter());
  CHECK(decoded->order == Order{OrderBy::kTime, false});
  Buffer other;
  Filter changed = full_filter();
  changed.where.actions = {"GET", "PUT"};
  encode_filter(other, changed, {OrderBy::kTime, false});
  CHECK(other != bytes);
  for (size_t size = 0; size < bytes.size(); ++size) CHECK_FALSE(decode_filter(Bytes(bytes).first(size)).ok());
}

TEST_CASE("cursor: what was sealed is opened with the same key and no other") {
  const CursorSealer sealer(key(1));
  const std::string text = sealer.seal(cursor());
  CHECK(text.starts_with("a2."));
  CHECK(text.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.") ==
        std::string::npos);
  const auto opened = sealer.open_event(text);
  REQUIRE(opened.ok());
  CHECK(opened->question.filter == full_filter());
  CHECK(opened->as_of.tree_size == 184213);
  CHECK(opened->as_of.key_pinned);
  CHECK(opened->last_seq == Row{41207});
  CHECK(opened->last_time == -9);
  CHECK(opened->total == 412);
  CHECK(opened->context == "tz=Europe/London");
  CHECK_FALSE(CursorSealer(key(2)).open_event(text).ok());
  CHECK_FALSE(sealer.open_history(text).ok());
  HistoryCursor history;
  history.next = 50;
  CHECK(sealer.open_history(sealer.seal(history))->next == 50);
  CHECK_FALSE(sealer.open_event(sealer.seal(history)).ok());
}

TEST_CASE("cursor: every changed or missing character is refused") {
  const CursorSealer sealer(key(1));
  const std::string text = sealer.seal(cursor());
  for (size_t i = 0; i < text.size(); ++i) {
    std::string changed = text;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    CHECK_FALSE(sealer.open_event(changed).ok());
    CHECK_FALSE(sealer.open_event(text.substr(0, i)).ok());
  }
  CHECK(sealer.open_event(text + "=").error().code == "CURSOR_INVALID");
  CHECK(sealer.open_event(std::string(1 << 20, 'A')).error().code == "CURSOR_INVALID");
}
