// Events and versions the tests of this room share, and the two ways every record is attacked.
#pragma once

#include "engine/codec/record.h"
#include "tests/support/catch.h"

namespace khipu::tests {

inline Uid counting_uid() {
  Uid uid;
  for (size_t i = 0; i < uid.size(); ++i) uid[i] = static_cast<uint8_t>(i);
  return uid;
}

// Every member is there; the worked example "event" of engine/FORMAT.md.
inline codec::EventRecord full_event() {
  using codec::Value;
  codec::EventRecord event;
  event.uid = counting_uid();
  event.recorded_at = 1781500027123456;
  event.occurred_at = 1781500027000000;
  event.actor = {Row{3}, Row{300}};
  event.action = "PUT";
  event.action_class = codec::ActionClass::kUpdate;
  event.outcome = codec::Outcome::kSuccess;
  event.targets = {{Row{9}, Row{9}}, {Row{10}, Row{11}}};
  event.url = "/api/accounts/acct-9";
  event.source = "billing";
  event.source_ip = "198.51.100.7";
  event.event_id = "e-1";
  event.session = "s-1";
  event.on_behalf_of = codec::Pin{Row{7}, Row{7}};
  event.content_kind = codec::ContentKind::kJson;
  event.content = as_bytes(R"({"any":"json"})");
  event.custom = {{1, Value::of_text("acme")}, {2, Value::of_integer(-1)}, {3, Value::of_real(1.5)}};
  codec::IdempotencyMark mark;
  mark.key.fill(0xaa);
  mark.body.fill(0xbb);
  mark.count = 2;
  event.idempotency = mark;
  return event;
}

inline codec::EventRecord small_event() {
  codec::EventRecord event;
  event.uid = counting_uid();
  event.recorded_at = 1;
  event.occurred_at = -1;
  event.action = "x";
  return event;
}

// Cuts `bytes` short at every length and flips every bit. `reencode` is nullopt where decoding fails; where it does
// not, the bytes must come back: one value has one encoding.
template <typename Reencode>
void attack(const Buffer& bytes, Reencode reencode) {
  REQUIRE(reencode(bytes) == std::optional<Buffer>(bytes));
  for (size_t size = 0; size < bytes.size(); ++size) {
    const Buffer cut(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(size));
    CAPTURE(size);
    REQUIRE_FALSE(reencode(cut).has_value());
  }
  Buffer longer = bytes;
  longer.push_back(0);
  REQUIRE_FALSE(reencode(longer).has_value());
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    Buffer flipped = bytes;
    flipped[bit / 8] ^= static_cast<uint8_t>(1U << (bit % 8));
    const std::optional<Buffer> again = reencode(flipped);
    CAPTURE(bit);
    if (again) REQUIRE(*again == flipped);
  }
}

// The text stands for bytes: hex digits, spaces between them as you like.
inline Buffer bytes_of(std::string text) {
  std::erase(text, ' ');
  const auto bytes = from_hex(text);
  REQUIRE(bytes.has_value());
  return *bytes;
}

}  // namespace khipu::tests
