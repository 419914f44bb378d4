// Statements: few, so plain code. Bodies: engine/FORMAT.md "Statements".
#include "engine/codec/statement.h"

#include "engine/codec/statement_body.h"

namespace khipu::codec {

using namespace body;
using raw::Scan;

std::string_view name(StatementType type) {
  static constexpr std::string_view kNames[] = {"GENESIS",  "TYPE",      "COLUMN", "TABLE_HEAD", "INDEX",
                                                "KEY",      "RETENTION", "HOLD",   "SHRED",      "IMPORT",
                                                "RECOVERY", "ROLLBACK",  "CLOCK",  "HEARTBEAT"};
  const size_t index = static_cast<size_t>(type) - 1;
  KHIPU_ASSERT(index < std::size(kNames));
  return kNames[index];
}

static constexpr StatementType type_of(const Genesis&) { return StatementType::kGenesis; }
static constexpr StatementType type_of(const TypeStatement&) { return StatementType::kType; }
static constexpr StatementType type_of(const ColumnStatement&) { return StatementType::kColumn; }
static constexpr StatementType type_of(const TableHead&) { return StatementType::kTableHead; }
static constexpr StatementType type_of(const IndexStatement&) { return StatementType::kIndex; }
static constexpr StatementType type_of(const KeyStatement&) { return StatementType::kKey; }
static constexpr StatementType type_of(const Retention&) { return StatementType::kRetention; }
static constexpr StatementType type_of(const Hold&) { return StatementType::kHold; }
static constexpr StatementType type_of(const Shred&) { return StatementType::kShred; }
static constexpr StatementType type_of(const Import&) { return StatementType::kImport; }
static constexpr StatementType type_of(const RecoveryStatement&) { return StatementType::kRecovery; }
static constexpr StatementType type_of(const Rollback&) { return StatementType::kRollback; }
static constexpr StatementType type_of(const Clock&) { return StatementType::kClock; }
static constexpr StatementType type_of(const Heartbeat&) { return StatementType::kHeartbeat; }

StatementType type_of(const Statement& statement) {
  return std::visit([](const auto& body) { return type_of(body); }, statement);
}

// ---- bodies out

static void put_body(CborWriter& out, const Genesis& body) {
  KHIPU_ASSERT(!body.origin.empty());
  out.map(4);
  out.unsigned_integer(0);
  out.bytes(body.root_id);
  out.unsigned_integer(1);
  out.text(body.origin);
  out.unsigned_integer(2);
  out.bytes(body.verifier);
  out.unsigned_integer(3);
  out.unsigned_integer(body.format);
}

static uint64_t members(const Rule& rule) {
  return 0U + !rule.none() + !rule.indexes.empty() + rule.low_entropy + rule.accept_leak + rule.subject;
}

static void put_indexes(CborWriter& out, uint64_t key, const Rule& rule) {
  out.unsigned_integer(key);
  out.array(rule.indexes.size());
  for (const IndexRule& index : rule.indexes) {
    out.array(1U + (index.size != 0));
    out.unsigned_integer(static_cast<uint64_t>(index.kind));
    if (index.size != 0) out.unsigned_integer(index.size);
  }
}

static void put_flags(CborWriter& out, uint64_t key, const Rule& rule) {
  for (const bool flag : {rule.low_entropy, rule.accept_leak, rule.subject}) {
    if (flag) {
      out.unsigned_integer(key);
      out.boolean(true);
    }
    ++key;
  }
}

static void put_field(CborWriter& out, const FieldSchema& field) {
  KHIPU_ASSERT(!field.name.empty());
  out.map(2U + members(field.rule) + field.required);
  out.unsigned_integer(0);
  out.text(field.name);
  out.unsigned_integer(1);
  out.unsigned_integer(static_cast<uint64_t>(field.kind));
  if (!field.rule.none()) {
    out.unsigned_integer(2);
    out.unsigned_integer(static_cast<uint64_t>(field.rule.protection));
  }
  if (!field.rule.indexes.empty()) put_indexes(out, 3, field.rule);
  if (field.required) {
    out.unsigned_integer(5);
    out.boolean(true);
  }
  put_flags(out, 6, field.rule);
}

static void put_body(CborWriter& out, const TypeStatement& body) {
  KHIPU_ASSERT(!body.type.name.empty());
  out.map(1U + !body.type.fields.empty());
  out.unsigned_integer(0);
  out.text(body.type.name);
  if (body.type.fields.empty()) return;
  out.unsigned_integer(1);
  out.array(body.type.fields.size());
  for (const FieldSchema& field : body.type.fields) put_field(out, field);
}

static void put_body(CborWriter& out, const ColumnStatement& body) {
  const ColumnSchema& column = body.column;
  KHIPU_ASSERT(column.id > 0 && !column.name.empty());
  KHIPU_ASSERT(column.required || column.required_since_us == 0);
  KHIPU_ASSERT(!column.rule.subject);
  out.map(3U + column.indexed + column.required + members(column.rule));
  out.unsigned_integer(0);
  out.unsigned_integer(column.id);
  out.unsigned_integer(1);
  out.text(column.name);
  out.unsigned_integer(2);
  out.unsigned_integer(static_cast<uint64_t>(column.kind));
  if (column.indexed) {
    out.unsigned_integer(3);
    out.boolean(true);
  }
  if (column.required) {
    out.unsigned_integer(4);
    out.integer(column.required_since_us);
  }
  if (!column.rule.none()) {
    out.unsigned_integer(5);
    out.unsigned_integer(static_cast<uint64_t>(column.rule.protection));
  }
  if (!column.rule.indexes.empty()) put_indexes(out, 6, column.rule);
  put_flags(out, 7, column.rule);
}

static constexpr Hash kNoHash{};

// What a receipt must be by itself; that parts join up is checked where all of them are at hand.
static bool adds_up(const Import& body) {
  const bool counts = body.stored <= body.read && body.read - body.stored == body.parked;
  const bool times = body.first.has_value() == body.last.has_value() && (!body.first || *body.first <= *body.last);
  return body.from <= body.to && counts && times;
}

static void put_body(CborWriter& out, const Import& body) {
  KHIPU_ASSERT(!body.source.empty() && !body.format.empty() && adds_up(body));
  out.map(8U + (body.mapping != kNoHash) + 2U * body.first.has_value() + body.first_seq.has_value() + body.done +
          body.keyed + body.unpacked_to.has_value());
  out.unsigned_integer(0);
  out.text(body.source);
  out.unsigned_integer(1);
  out.text(body.format);
  if (body.mapping != kNoHash) {
    out.unsigned_integer(2);
    out.bytes(body.mapping);
  }
  out.unsigned_integer(3);
  out.unsigned_integer(body.from);
  out.unsigned_integer(4);
  out.unsigned_integer(body.to);
  out.unsigned_integer(5);
  out.bytes(body.prefix_sha256);
  out.unsigned_integer(6);
  out.unsigned_integer(body.read);
  out.unsigned_integer(7);
  out.unsigned_integer(body.stored);
  out.unsigned_integer(8);
  out.unsigned_integer(body.parked);
  if (body.first) {
    out.unsigned_integer(9);
    out.integer(*body.first);
    out.unsigned_integer(10);
    out.integer(*body.last);
  }
  if (body.first_seq) {
    out.unsigned_integer(11);
    out.unsigned_integer(body.first_seq->value);
  }
  if (body.done) {
    out.unsigned_integer(12);
    out.boolean(true);
  }
  if (body.keyed) {
    out.unsigned_integer(13);
    out.boolean(true);
  }
  if (body.unpacked_to) {
    out.unsigned_integer(14);
    out.unsigned_integer(*body.unpacked_to);
  }
}

static void put_body(CborWriter& out, const RecoveryStatement& body) {
  KHIPU_ASSERT(!body.file.empty() && !body.reason.empty());
  out.map(4U + !body.disowned.empty());
  out.unsigned_integer(0);
  out.text(body.file);
  out.unsigned_integer(1);
  out.unsigned_integer(body.size);
  out.unsigned_integer(2);
  out.bytes(body.sha256);
  out.unsigned_integer(3);
  out.text(body.reason);
  if (body.disowned.empty()) return;
  out.unsigned_integer(4);
  out.array(body.disowned.size());
  for (const Hash& hash : body.disowned) out.bytes(hash);
}

void encode_statement(Buffer& to, const StatementRecord& statement) {
  CborWriter out(to);
  out.map(5);
  out.unsigned_integer(0);
  out.unsigned_integer(static_cast<uint64_t>(RecordKind::kStatement));
  out.unsigned_integer(1);
  out.bytes(statement.uid);
  out.unsigned_integer(2);
  out.integer(statement.recorded_at);
  out.unsigned_integer(4);
  out.unsigned_integer(static_cast<uint64_t>(type_of(statement.body)));
  out.unsigned_integer(5);
  std::visit([&](const auto& body) { put_body(out, body); }, statement.body);
}

// ---- bodies in

static Genesis read_genesis(Scan& in) {
  Genesis body;
  in.need_key(0, "expected key 0, the root id");
  in.fixed(body.root_id);
  body.origin = required_text(in, 1, "expected key 1, the origin");
  body.verifier = required_hash(in, 2, "expected key 2, the verifier key");
  in.need_key(3, "expected key 3, the format");
  const size_t from = in.offset();
  if (in.unsigned_integer() != 1) in.fail_at(from, "a format other than 1", Code::kUnsupported);
  return body;
}

static std::vector<IndexRule> read_indexes(Scan& in) {
  std::vector<IndexRule> indexes;
  const size_t from = in.offset();
  uint64_t count = in.array();
  if (count == 0 || count > kIndexesMax) in.fail_at(from, "a number of blind indexes that is out of range");
  for (; count > 0 && in.ok(); --count) {
    const size_t index_from = in.offset();
    const uint64_t members = in.array();
    IndexRule& index = indexes.emplace_back();
    index.kind = enumerator(in, BlindIndex::kExact, BlindIndex::kNgram);
    if (members == 2) index.size = positive_u32(in);
    if (members != 1 && members != 2) in.fail_at(index_from, "a blind index that is not [kind] or [kind, n]");
  }
  return indexes;
}

static FieldSchema read_field(Scan& in) {
  in.open_map();
  FieldSchema field;
  field.name = required_text(in, 0, "expected key 0, the field's name");
  in.need_key(1, "expected key 1, the field's kind");
  field.kind = enumerator(in, ValueKind::kText, ValueKind::kJson);
  if (in.take_key(2)) field.rule.protection = enumerator(in, Protection::kDigest, Protection::kSealed);
  if (in.take_key(3)) field.rule.indexes = read_indexes(in);
  field.required = flag(in, 5);
  field.rule.low_entropy = flag(in, 6);
  field.rule.accept_leak = flag(in, 7);
  field.rule.subject = flag(in, 8);
  in.close_map();
  return field;
}

static TypeStatement read_type(Scan& in) {
  TypeStatement body;
  body.type.name = required_text(in, 0, "expected key 0, the type's name");
  const bool has_fields = in.take_key(1);
  in.close_map();
  if (!has_fields) return body;
  const size_t from = in.offset();
  uint64_t count = in.array();
  if (count == 0) in.fail_at(from, "empty list of fields");
  for (; count > 0 && in.ok(); --count) body.type.fields.push_back(read_field(in));
  return body;
}

static ColumnStatement read_column(Scan& in) {
  ColumnStatement body;
  ColumnSchema& column = body.column;
  in.need_key(0, "expected key 0, the column's id");
  column.id = positive_u32(in);
  column.name = required_text(in, 1, "expected key 1, the column's name");
  in.need_key(2, "expected key 2, the column's kind");
  column.kind = enumerator(in, ValueKind::kText, ValueKind::kJson);
  column.indexed = flag(in, 3);
  column.required = in.take_key(4);
  if (column.required) column.required_since_us = in.integer();
  if (in.take_key(5)) column.rule.protection = enumerator(in, Protection::kDigest, Protection::kSealed);
  if (in.take_key(6)) column.rule.indexes = read_indexes(in);
  column.rule.low_entropy = flag(in, 7);
  column.rule.accept_leak = flag(in, 8);
  return body;
}

static Import read_import(Scan& in) {
  const size_t from = in.offset();
  Import body;
  body.source = required_text(in, 0, "expected key 0, the source");
  body.format = required_text(in, 1, "expected key 1, the format");
  if (in.take_key(2)) {
    const size_t mapping_from = in.offset();
    in.fixed(body.mapping);
    if (body.mapping == kNoHash) in.fail_at(mapping_from, "mapping of zeroes");
  }
  body.from = required_number(in, 3, "expected key 3, the first byte");
  body.to = required_number(in, 4, "expected key 4, the end");
  body.prefix_sha256 = required_hash(in, 5, "expected key 5, the hash of the input");
  body.read = required_number(in, 6, "expected key 6, how many were read");
  body.stored = required_number(in, 7, "expected key 7, how many were stored");
  body.parked = required_number(in, 8, "expected key 8, how many were parked");
  if (in.take_key(9)) {
    body.first = in.integer();
    in.need_key(10, "expected key 10, the last time");
    body.last = in.integer();
  }
  if (in.take_key(11)) body.first_seq = Row{in.unsigned_integer()};
  body.done = flag(in, 12);
  body.keyed = flag(in, 13);
  if (in.take_key(14)) body.unpacked_to = in.unsigned_integer();
  if (!adds_up(body)) in.fail_at(from, "an import whose counts, bytes or times do not add up");
  return body;
}

static RecoveryStatement read_recovery(Scan& in) {
  RecoveryStatement body;
  body.file = required_text(in, 0, "expected key 0, the file");
  body.size = required_number(in, 1, "expected key 1, the size");
  body.sha256 = required_hash(in, 2, "expected key 2, the hash");
  body.reason = required_text(in, 3, "expected key 3, the reason");
  if (!in.take_key(4)) return body;
  const size_t from = in.offset();
  uint64_t count = in.array();
  if (count == 0) in.fail_at(from, "empty list of hashes");
  for (; count > 0 && in.ok(); --count) in.fixed(body.disowned.emplace_back());
  return body;
}

static Statement read_body(Scan& in, uint64_t type, size_t type_from) {
  switch (static_cast<StatementType>(type)) {
    case StatementType::kGenesis: return read_genesis(in);
    case StatementType::kType: return read_type(in);
    case StatementType::kColumn: return read_column(in);
    case StatementType::kImport: return read_import(in);
    case StatementType::kRecovery: return read_recovery(in);
    default: break;
  }
  if (auto spine = body::read_spine(in, type)) return *std::move(spine);
  in.fail_at(type_from, "a statement this version does not know", Code::kUnsupported);
  return {};
}

Result<StatementRecord> decode_statement(Bytes payload) {
  Scan in(payload);
  StatementRecord statement;
  raw::read_row_prefix(in, RecordKind::kStatement, statement.uid, statement.recorded_at);
  in.need_key(4, "expected key 4, the statement's type");
  const size_t type_from = in.offset();
  const uint64_t type = in.unsigned_integer();
  in.need_key(5, "expected key 5, the body");
  in.close_map();
  if (type > UINT8_MAX) in.fail_at(type_from, "a statement this version does not know", Code::kUnsupported);
  in.open_map();
  statement.body = read_body(in, type, type_from);
  in.close_map();
  KHIPU_TRY(in.finish("statement"));
  return statement;
}

}  // namespace khipu::codec
