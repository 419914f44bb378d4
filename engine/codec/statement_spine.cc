// The statements that bind the tables, and those that may not be passed over. Bodies: engine/FORMAT.md "Statements".
#include "engine/codec/statement_body.h"

namespace khipu::codec::body {
namespace {

void put_number(CborWriter& out, uint8_t key, uint64_t value) {
  out.unsigned_integer(key);
  out.unsigned_integer(value);
}
void put_integer(CborWriter& out, uint8_t key, int64_t value) {
  out.unsigned_integer(key);
  out.integer(value);
}
void put_hash(CborWriter& out, uint8_t key, const Hash& hash) {
  out.unsigned_integer(key);
  out.bytes(hash);
}
void put_text(CborWriter& out, uint8_t key, std::string_view text) {
  KHIPU_ASSERT(!text.empty());
  out.unsigned_integer(key);
  out.text(text);
}
int64_t required_integer(Scan& in, uint8_t key, const char* what) {
  in.need_key(key, what);
  return in.integer();
}
template <typename Enum>
Enum required_enumerator(Scan& in, uint8_t key, const char* what, Enum min, Enum max) {
  in.need_key(key, what);
  return enumerator(in, min, max);
}
uint64_t list(Scan& in) {  // of at least one
  const size_t from = in.offset();
  const uint64_t count = in.array();
  if (count == 0) in.fail_at(from, "empty list");
  return count;
}

// What a statement must be by itself; that it fits the log is checked where the log is at hand.
bool sound(const TableHead& body) {
  uint64_t end = 0;
  for (const SealedSegment& segment : body.sealed) {
    if (segment.rows > body.size || segment.first_row.value > body.size - segment.rows) return false;
    if (&segment != body.sealed.data() && segment.first_row.value != end) return false;
    end = segment.first_row.value + segment.rows;
  }
  return body.table != TableId::kMeta && body.size <= INT64_MAX;
}
bool sound(const IndexStatement& body) { return body.rows > 0 && body.first_row.value <= INT64_MAX - body.rows; }
bool sound(const Retention& body) {
  return body.from < body.to && body.first_segment <= body.last_segment && body.commit.value > 0;
}
bool sound(const Clock& body) { return (body.event == ClockEvent::kCleared) == (body.step_us == 0); }

TableHead read_table_head(Scan& in) {
  const size_t from = in.offset();
  TableHead body;
  body.table = required_enumerator(in, 0, "expected key 0, the table", TableId::kRegistry, TableId::kAccess);
  body.size = required_number(in, 1, "expected key 1, the size");
  body.root = required_hash(in, 2, "expected key 2, the root");
  if (in.take_key(3)) {
    for (uint64_t count = list(in); count > 0 && in.ok(); --count) {
      const size_t segment_from = in.offset();
      if (in.array() != 4) in.fail_at(segment_from, "expected number, first row, rows and bytes of a segment");
      SealedSegment& segment = body.sealed.emplace_back();
      segment.number = {in.unsigned_integer()};
      segment.first_row = {in.unsigned_integer()};
      segment.rows = in.unsigned_integer();
      segment.file_size = in.unsigned_integer();
    }
  }
  if (in.ok() && !sound(body)) in.fail_at(from, "a table head whose segments do not add up");
  return body;
}

IndexStatement read_index(Scan& in) {
  const size_t from = in.offset();
  IndexStatement body;
  body.table = required_enumerator(in, 0, "expected key 0, the table", TableId::kMeta, TableId::kAccess);
  body.file = required_text(in, 1, "expected key 1, the file");
  body.first_row = {required_number(in, 2, "expected key 2, the first row")};
  body.rows = required_number(in, 3, "expected key 3, the rows");
  body.size = required_number(in, 4, "expected key 4, the size");
  body.root = required_hash(in, 5, "expected key 5, the root of the blocks");
  if (in.take_key(6)) {
    for (uint64_t count = list(in); count > 0 && in.ok(); --count) body.replaces.emplace_back(in.filled_text());
  }
  if (in.ok() && !sound(body)) in.fail_at(from, "an index of impossible rows");
  return body;
}

KeyStatement read_key(Scan& in) {
  KeyStatement body;
  body.action = required_enumerator(in, 0, "expected key 0, the action", KeyAction::kAddVerifier, KeyAction::kTokenDay);
  body.name = required_text(in, 1, "expected key 1, the key's name");
  if (body.action == KeyAction::kTokenDay) {
    const size_t from = in.offset();
    const uint64_t day = required_number(in, 6, "expected key 6, the day");
    if (in.ok() && day > kTokenDayMax) in.fail_at(from, "a day behind the year 9999");
    body.day = static_cast<uint32_t>(day);
    return body;
  }
  body.key = required_hash(in, 2, "expected key 2, the key");
  if (!names_file(body.action)) return body;
  body.file_sha256 = required_hash(in, 3, "expected key 3, the hash of the file");
  body.recipients = required_hash(in, 4, "expected key 4, the hash of the recipients");
  if (body.action == KeyAction::kRewrap) body.replaces = required_text(in, 5, "expected key 5, the file it replaces");
  return body;
}

Retention read_retention(Scan& in) {
  const size_t from = in.offset();
  Retention body;
  body.table = required_enumerator(in, 0, "expected key 0, the table", TableId::kLogs, TableId::kAccess);
  body.from = {required_number(in, 1, "expected key 1, the first row")};
  body.to = {required_number(in, 2, "expected key 2, the end")};
  body.first_segment = {required_number(in, 3, "expected key 3, the first segment")};
  body.last_segment = {required_number(in, 4, "expected key 4, the last segment")};
  body.tree_sha256 = required_hash(in, 5, "expected key 5, the hash of the leaf hashes");
  body.recorded_first = required_integer(in, 6, "expected key 6, the first time of recording");
  body.recorded_last = required_integer(in, 7, "expected key 7, the last time of recording");
  body.commit = {required_number(in, 8, "expected key 8, the commit")};
  body.commit_hash = required_hash(in, 9, "expected key 9, the commit's hash");
  body.policy = required_text(in, 10, "expected key 10, the policy");
  body.by = required_text(in, 11, "expected key 11, who asked");
  if (in.ok() && !sound(body)) in.fail_at(from, "a retention of impossible rows");
  return body;
}

Hold read_hold(Scan& in) {
  Hold body;
  body.name = required_text(in, 0, "expected key 0, the hold's name");
  body.set = flag(in, 1);
  body.reason = required_text(in, 2, "expected key 2, the reason");
  body.by = required_text(in, 3, "expected key 3, who asked");
  return body;
}

Shred read_shred(Scan& in) {
  Shred body;
  body.scope = required_text(in, 0, "expected key 0, the scope");
  body.rows = required_number(in, 1, "expected key 1, the rows");
  body.reference = required_text(in, 2, "expected key 2, the reference");
  body.by = required_text(in, 3, "expected key 3, who asked");
  in.need_key(4, "expected key 4, the files");
  for (uint64_t count = list(in); count > 0 && in.ok(); --count) body.files.emplace_back(in.filled_text());
  return body;
}

Rollback read_rollback(Scan& in) {
  Rollback body;
  body.lost_commit = {required_number(in, 0, "expected key 0, the lost commit")};
  body.lost_hash = required_hash(in, 1, "expected key 1, its hash");
  in.need_key(2, "expected key 2, the lost tables");
  const size_t from = in.offset();
  if (in.array() != kTableCount) in.fail_at(from, "expected four tables");
  for (TableState& table : body.lost) {
    const size_t table_from = in.offset();
    if (in.array() != 2) in.fail_at(table_from, "expected size and root");
    table.size = in.unsigned_integer();
    in.fixed(table.root);
  }
  body.reason = required_text(in, 3, "expected key 3, the reason");
  body.by = required_text(in, 4, "expected key 4, who asked");
  return body;
}

Clock read_clock(Scan& in) {
  const size_t from = in.offset();
  Clock body;
  body.event = required_enumerator(in, 0, "expected key 0, what happened", ClockEvent::kStepped, ClockEvent::kCleared);
  if (in.take_key(1)) body.step_us = in.integer();
  body.wall = required_integer(in, 2, "expected key 2, the clock's reading");
  body.by = required_text(in, 3, "expected key 3, who noticed or cleared it");
  if (in.ok() && !sound(body)) in.fail_at(from, "a clock that stepped by nothing, or was cleared by a step");
  return body;
}

}  // namespace

void put_body(CborWriter& out, const TableHead& body) {
  KHIPU_ASSERT(sound(body));
  out.map(3U + !body.sealed.empty());
  put_number(out, 0, index_of(body.table));
  put_number(out, 1, body.size);
  put_hash(out, 2, body.root);
  if (body.sealed.empty()) return;
  out.unsigned_integer(3);
  out.array(body.sealed.size());
  for (const SealedSegment& segment : body.sealed) {
    out.array(4);
    out.unsigned_integer(segment.number.value);
    out.unsigned_integer(segment.first_row.value);
    out.unsigned_integer(segment.rows);
    out.unsigned_integer(segment.file_size);
  }
}

void put_body(CborWriter& out, const IndexStatement& body) {
  KHIPU_ASSERT(sound(body));
  out.map(6U + !body.replaces.empty());
  put_number(out, 0, index_of(body.table));
  put_text(out, 1, body.file);
  put_number(out, 2, body.first_row.value);
  put_number(out, 3, body.rows);
  put_number(out, 4, body.size);
  put_hash(out, 5, body.root);
  if (body.replaces.empty()) return;
  out.unsigned_integer(6);
  out.array(body.replaces.size());
  for (const std::string& file : body.replaces) out.text(file);
}

void put_body(CborWriter& out, const KeyStatement& body) {
  const bool rewrap = body.action == KeyAction::kRewrap;
  if (body.action == KeyAction::kTokenDay) {
    KHIPU_ASSERT(body.day <= kTokenDayMax);
    out.map(3);
    put_number(out, 0, static_cast<uint64_t>(body.action));
    put_text(out, 1, body.name);
    put_number(out, 6, body.day);
    return;
  }
  out.map(names_file(body.action) ? 5U + rewrap : 3U);
  put_number(out, 0, static_cast<uint64_t>(body.action));
  put_text(out, 1, body.name);
  put_hash(out, 2, body.key);
  if (!names_file(body.action)) return;
  put_hash(out, 3, body.file_sha256);
  put_hash(out, 4, body.recipients);
  if (rewrap) put_text(out, 5, body.replaces);
}

void put_body(CborWriter& out, const Retention& body) {
  KHIPU_ASSERT(sound(body));
  out.map(12);
  put_number(out, 0, index_of(body.table));
  put_number(out, 1, body.from.value);
  put_number(out, 2, body.to.value);
  put_number(out, 3, body.first_segment.value);
  put_number(out, 4, body.last_segment.value);
  put_hash(out, 5, body.tree_sha256);
  put_integer(out, 6, body.recorded_first);
  put_integer(out, 7, body.recorded_last);
  put_number(out, 8, body.commit.value);
  put_hash(out, 9, body.commit_hash);
  put_text(out, 10, body.policy);
  put_text(out, 11, body.by);
}

void put_body(CborWriter& out, const Hold& body) {
  out.map(3U + body.set);
  put_text(out, 0, body.name);
  if (body.set) {
    out.unsigned_integer(1);
    out.boolean(true);
  }
  put_text(out, 2, body.reason);
  put_text(out, 3, body.by);
}

void put_body(CborWriter& out, const Shred& body) {
  KHIPU_ASSERT(!body.files.empty());
  out.map(5);
  put_text(out, 0, body.scope);
  put_number(out, 1, body.rows);
  put_text(out, 2, body.reference);
  put_text(out, 3, body.by);
  out.unsigned_integer(4);
  out.array(body.files.size());
  for (const std::string& file : body.files) out.text(file);
}

void put_body(CborWriter& out, const Rollback& body) {
  out.map(5);
  put_number(out, 0, body.lost_commit.value);
  put_hash(out, 1, body.lost_hash);
  out.unsigned_integer(2);
  out.array(kTableCount);
  for (const TableState& table : body.lost) {
    out.array(2);
    out.unsigned_integer(table.size);
    out.bytes(table.root);
  }
  put_text(out, 3, body.reason);
  put_text(out, 4, body.by);
}

void put_body(CborWriter& out, const Clock& body) {
  KHIPU_ASSERT(sound(body));
  out.map(3U + (body.step_us != 0));
  put_number(out, 0, static_cast<uint64_t>(body.event));
  if (body.step_us != 0) put_integer(out, 1, body.step_us);
  put_integer(out, 2, body.wall);
  put_text(out, 3, body.by);
}

void put_body(CborWriter& out, const Heartbeat&) { out.map(0); }

std::optional<Statement> read_spine(Scan& in, uint64_t type) {
  switch (static_cast<StatementType>(type)) {
    case StatementType::kTableHead: return read_table_head(in);
    case StatementType::kIndex: return read_index(in);
    case StatementType::kKey: return read_key(in);
    case StatementType::kRetention: return read_retention(in);
    case StatementType::kHold: return read_hold(in);
    case StatementType::kShred: return read_shred(in);
    case StatementType::kRollback: return read_rollback(in);
    case StatementType::kClock: return read_clock(in);
    case StatementType::kHeartbeat: return Heartbeat{};
    default: return std::nullopt;
  }
}

}  // namespace khipu::codec::body
