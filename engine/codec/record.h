// Rows: events, entity versions, statements as deterministic CBOR maps with integer keys (engine/FORMAT.md "Records",
// in CDDL). encode_* and decode_* are inverses on valid bytes. Decoding borrows: views point into the payload.
//
// Common prefix of every payload: 0 kind, 1 uid (rows only), 2 recorded_at, 3 time (when it differs in meaning).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "engine/base/bytes.h"
#include "engine/base/ids.h"
#include "engine/base/result.h"
#include "engine/codec/schema.h"

namespace khipu::codec {

enum class RecordKind : uint8_t {
  kEvent = 1,      // logs/
  kVersion = 2,    // registry/
  kStatement = 3,  // meta/
  kAccess = 4,     // access/
  kCommit = 16,    // logs/, not a row
  kFooter = 32,    // last frame of a sealed segment, not a row
};
constexpr bool is_row(uint8_t kind) { return kind >= 1 && kind <= 4; }
// The kind of row a table holds.
constexpr RecordKind row_kind(TableId table) {
  constexpr RecordKind kKinds[kTableCount] = {RecordKind::kStatement, RecordKind::kVersion, RecordKind::kEvent,
                                              RecordKind::kAccess};
  return kKinds[index_of(table)];
}

enum class ActionClass : uint8_t {
  kOther = 0,
  kAuth = 1,
  kRead = 2,
  kCreate = 3,
  kUpdate = 4,
  kDelete = 5,
  kPrivilege = 6,
  kConfig = 7,
  kLogControl = 8
};
enum class Outcome : uint8_t { kUnknown = 0, kSuccess = 1, kFailure = 2, kDenied = 3 };
enum class ContentKind : uint8_t { kNone = 0, kText = 1, kJson = 2 };

std::string_view name(ActionClass value);  // "other" "auth" ... "log_control"
std::optional<ActionClass> action_class(std::string_view name);
std::string_view name(Outcome value);  // "unknown" "success" "failure" "denied"
std::optional<Outcome> outcome(std::string_view name);

// A field's or column's value. Text borrows. A protected one is carried as its encoding (protected.h). Integers stay
// exact over the whole of int64 and uint64.
struct Value {
  enum class Kind : uint8_t {
    kText,
    kJson,
    kInteger,
    kUnsigned,
    kReal,
    kProtected
  };  // kUnsigned: above INT64_MAX only
  Kind kind = Kind::kText;
  std::string_view text;  // kText (UTF-8), kJson (verbatim JSON text), kProtected (one CBOR item)
  int64_t integer = 0;
  uint64_t unsigned_integer = 0;
  double real = 0;
  static Value of_text(std::string_view text) { return {Kind::kText, text, 0, 0, 0}; }
  static Value of_json(std::string_view text) { return {Kind::kJson, text, 0, 0, 0}; }
  static Value of_integer(int64_t value) { return {Kind::kInteger, {}, value, 0, 0}; }
  static Value of_unsigned(uint64_t value) {
    if (value <= static_cast<uint64_t>(INT64_MAX)) return of_integer(static_cast<int64_t>(value));
    return {Kind::kUnsigned, {}, 0, value, 0};
  }
  static Value of_real(double value) { return {Kind::kReal, {}, 0, 0, value}; }
  static Value of_protected(Bytes encoded) { return {Kind::kProtected, as_text(encoded), 0, 0, 0}; }
  bool is_protected() const { return kind == Kind::kProtected; }
  // Not of a protected value: what it was is the schema's to say.
  ValueKind schema_kind() const {
    return kind == Kind::kText ? ValueKind::kText : kind == Kind::kJson ? ValueKind::kJson : ValueKind::kNumber;
  }
  bool operator==(const Value&) const = default;
};
// CBOR: text string, byte string (json), integer, float, map (protected).
void append_value(Buffer& to, const Value& value);

struct NamedValue {
  std::string_view name;
  Value value;
};
struct ColumnValue {
  uint32_t column = 0;
  Value value;
};

// "who or what": the registry row of the entity's first version, and of the version that was current (I7).
struct Pin {
  Row entity;
  Row version;
  bool operator==(const Pin&) const = default;
};

// Says that the rows [this, this + count) answered one idempotency key. Keyed BLAKE2b, cut to 16 bytes.
struct IdempotencyMark {
  std::array<uint8_t, 16> key{};
  std::array<uint8_t, 16> body{};
  uint64_t count = 1;
  bool operator==(const IdempotencyMark&) const = default;
};

// `content` and `source_ip` of an event, sealed as one: what is in it, and the sealed value. members 0: not sealed.
struct SealedContent {
  static constexpr uint8_t kSourceIp = 1, kText = 2, kJson = 4;
  uint8_t members = 0;
  Bytes value;
};

struct EventRecord {
  Uid uid{};
  TimeUs recorded_at = 0;
  TimeUs occurred_at = 0;
  Pin actor;
  std::string_view action;
  ActionClass action_class = ActionClass::kOther;
  Outcome outcome = Outcome::kUnknown;
  std::vector<Pin> targets;
  std::string_view url;
  std::string_view source;
  std::string_view source_ip;
  std::string_view event_id;
  std::string_view session;
  std::optional<Pin> on_behalf_of;
  ContentKind content_kind = ContentKind::kNone;
  Bytes content;                    // verbatim, as it came
  std::vector<ColumnValue> custom;  // ascending column ids
  std::optional<IdempotencyMark> idempotency;
  SealedContent sealed;  // then content and source_ip are empty
};
// Empty views mean "absent" and are not written; decode refuses an empty optional member (one event, one encoding).
void encode_event(Buffer& to, const EventRecord& event);
// Fills `event` anew; its vectors keep their capacity, so a scan allocates nothing after warming up.
Result<void> decode_event(Bytes payload, EventRecord& event);

struct VersionRecord {
  Uid uid{};
  TimeUs recorded_at = 0;
  TimeUs time = 0;  // occurred_at of the event that brought it
  std::string_view type;
  std::string_view id;
  std::optional<Row> entity;    // row of the first version; absent in the first version itself
  uint64_t version = 0;         // 0, 1, 2, ...
  std::optional<Row> previous;  // row of version - 1
  bool deleted = false;
  std::vector<NamedValue> fields;  // whole state, in CBOR key order (length, then bytes)
  std::optional<Row> seq;          // the event that brought it, in logs/
};
void encode_version(Buffer& to, const VersionRecord& version);
Result<void> decode_version(Bytes payload, VersionRecord& version);
// What a version is shown by: field "name" if it is text, nothing if that is protected, else the first text field that
// is not empty. nullptr: there is none.
const NamedValue* display_field(const VersionRecord& version);
// Its text; empty when there is none.
std::string_view display_name(const VersionRecord& version);
// The encoding of just the field map, the form change detection compares.
void append_fields(Buffer& to, const std::vector<NamedValue>& fields);
// Orders by CBOR key order: shorter first, then bytewise.
bool field_name_less(std::string_view a, std::string_view b);

// What decides a frame's header, read from the payload: key 0, and key 3 or else 2.
struct FrameFacts {
  uint8_t kind = 0;
  TimeUs time_us = 0;
  TimeUs recorded_at = 0;
};  // recorded_at: key 2
Result<FrameFacts> frame_facts(Bytes payload);

// A commit: not a row. Signed bytes: "khipu-commit-v1\n" | root id (16) | payload without its last 64 bytes.
struct TableState {
  uint64_t size = 0;
  Hash root{};
  bool operator==(const TableState&) const = default;
};
struct CommitRecord {
  CommitNumber number;
  TimeUs time = 0;
  Hash previous{};                             // commit_hash of number - 1; zeroes for commit 1
  std::array<TableState, kTableCount> tables;  // by TableId
  std::array<uint8_t, 4> key_id{};             // C2SP key id of the signing key
  std::array<uint8_t, 64> signature{};
  bool operator==(const CommitRecord&) const = default;
};
void encode_commit(Buffer& to, const CommitRecord& commit);
Result<CommitRecord> decode_commit(Bytes payload);
// What Ed25519 signs for this payload.
Buffer commit_signed_bytes(const RootId& root_id, Bytes commit_payload);
// (commit_hash = SHA-256 of the whole payload, signature included; computed in engine/segment's users with crypto.)

}  // namespace khipu::codec
