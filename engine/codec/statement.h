// Statements: the rows of meta/, a closed list (INTEGRITY.md section 1). A verifier refuses any other number: skipping
// one could skip a RETENTION. Body: a CBOR map with integer keys, one CDDL rule each in engine/FORMAT.md.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "engine/codec/record.h"

namespace khipu::codec {

enum class StatementType : uint8_t {
  kGenesis = 1,
  kType = 2,
  kColumn = 3,
  kTableHead = 4,
  kIndex = 5,
  kKey = 6,
  kRetention = 7,
  kHold = 8,
  kShred = 9,
  kImport = 10,
  kRecovery = 11,
  kRollback = 12,
  kClock = 13,
  kHeartbeat = 14
};
std::string_view name(StatementType type);  // "GENESIS" ...

struct Genesis {
  RootId root_id{};
  std::string origin;                  // C2SP origin line of meta's checkpoints
  std::array<uint8_t, 32> verifier{};  // Ed25519 public key of the first writer
  uint32_t format = 1;
  bool operator==(const Genesis&) const = default;
};
struct TypeStatement {
  TypeSchema type;
  bool operator==(const TypeStatement&) const = default;
};
struct ColumnStatement {
  ColumnSchema column;
  bool operator==(const ColumnStatement&) const = default;
};

// Receipt for a part of an import. Parts of one input have the same source and format; the last one has done = true.
struct Import {
  std::string source;  // file name as given, or "-"
  std::string format;  // "cloudtrail", "kubernetes", "journald", "jsonl"
  Hash mapping{};      // SHA-256 of the mapping file; zeroes when none
  uint64_t from = 0;   // bytes [from, to) of the input are dealt with by this commit
  uint64_t to = 0;
  Hash prefix_sha256{};                       // SHA-256 of input bytes [0, to)
  uint64_t read = 0, stored = 0, parked = 0;  // records of [from, to): read = stored + parked
  std::optional<TimeUs> first;                // least and greatest occurred_at of the stored ones
  std::optional<TimeUs> last;
  std::optional<Row> first_seq;  // seq of the first stored one, when any
  bool done = false;             // the input ended at `to`
  bool operator==(const Import&) const = default;
};
// Bytes that recovery set aside.
struct RecoveryStatement {
  std::string file;  // name under quarantine/
  uint64_t size = 0;
  Hash sha256{};
  std::string reason;
  std::vector<Hash> disowned;  // hashes of signed commit frames in it
  bool operator==(const RecoveryStatement&) const = default;
};
// A statement whose body this version checks for form but does not interpret (types of the closed list above that
// carry no structure here yet are refused by decode as kUnsupported).
using Statement = std::variant<Genesis, TypeStatement, ColumnStatement, Import, RecoveryStatement>;

struct StatementRecord {
  Uid uid{};
  TimeUs recorded_at = 0;
  Statement body;
};
StatementType type_of(const Statement& statement);
void encode_statement(Buffer& to, const StatementRecord& statement);
Result<StatementRecord> decode_statement(Bytes payload);  // kUnsupported for a number outside the list

}  // namespace khipu::codec
