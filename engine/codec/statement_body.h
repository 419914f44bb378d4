// Parts that the statement codecs share. Internal to this room.
#pragma once

#include <optional>

#include "engine/codec/record_raw.h"
#include "engine/codec/statement.h"

namespace khipu::codec::body {

using raw::Scan;

inline std::string required_text(Scan& in, uint8_t key, const char* what) {
  in.need_key(key, what);
  return std::string(in.filled_text());
}
inline uint64_t required_number(Scan& in, uint8_t key, const char* what) {
  in.need_key(key, what);
  return in.unsigned_integer();
}
inline Hash required_hash(Scan& in, uint8_t key, const char* what) {
  Hash hash{};
  in.need_key(key, what);
  in.fixed(hash);
  return hash;
}
// A flag is there and true, or not there.
inline bool flag(Scan& in, uint8_t key) {
  if (!in.take_key(key)) return false;
  const size_t from = in.offset();
  if (!in.boolean()) in.fail_at(from, "expected true");
  return in.ok();
}
template <typename Enum>
Enum enumerator(Scan& in, Enum min, Enum max) {
  const size_t from = in.offset();
  const uint64_t value = in.unsigned_integer();
  if (value < static_cast<uint64_t>(min) || value > static_cast<uint64_t>(max)) in.fail_at(from, "unknown enumerator");
  return static_cast<Enum>(value);
}
inline uint32_t positive_u32(Scan& in) {
  const size_t from = in.offset();
  const uint64_t value = in.unsigned_integer();
  if (value == 0 || value > UINT32_MAX) in.fail_at(from, "expected a number from 1 to 2^32-1");
  return static_cast<uint32_t>(value);
}

// The statements of the spine (statement_spine.cc).
void put_body(CborWriter& out, const TableHead& body);
void put_body(CborWriter& out, const IndexStatement& body);
void put_body(CborWriter& out, const KeyStatement& body);
void put_body(CborWriter& out, const Retention& body);
void put_body(CborWriter& out, const Hold& body);
void put_body(CborWriter& out, const Shred& body);
void put_body(CborWriter& out, const Rollback& body);
void put_body(CborWriter& out, const Clock& body);
void put_body(CborWriter& out, const Heartbeat& body);
std::optional<Statement> read_spine(Scan& in, uint64_t type);  // nullopt: not one of these

}  // namespace khipu::codec::body
