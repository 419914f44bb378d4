// Statements: the rows of meta/, a closed list (engine/FORMAT.md). A verifier refuses any other number: skipping
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
  Hash prefix_sha256{};                       // SHA-256 of input bytes [0, to); where `keyed`, a hash of that
  uint64_t read = 0, stored = 0, parked = 0;  // records of [from, to): read = stored + parked
  std::optional<TimeUs> first;                // least and greatest occurred_at of the stored ones
  std::optional<TimeUs> last;
  std::optional<Row> first_seq;  // seq of the first stored one, when any
  bool done = false;             // the input ended at `to`
  // Something of the input is protected, and its bare hash would confirm a guess: the writer puts
  // crypto::keyed_input_hash of it in its place.
  bool keyed = false;
  std::optional<uint64_t> unpacked_to;  // of a packed input: its unpacked bytes [0, unpacked_to) are dealt with
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

// ---- the spine: what binds the tables, and what may not be passed over

// A segment sealed since the table's last TABLE_HEAD.
struct SealedSegment {
  SegmentNumber number;
  Row first_row;
  uint64_t rows = 0;
  uint64_t file_size = 0;
  bool operator==(const SealedSegment&) const = default;
};
// What a table is in the commit that holds this row. Never of meta itself.
struct TableHead {
  TableId table = TableId::kLogs;
  uint64_t size = 0;
  Hash root{};
  std::vector<SealedSegment> sealed;
  bool operator==(const TableHead&) const = default;
};
// An index file, committed by the root of its block hashes. `replaces` names files it takes the place of.
struct IndexStatement {
  TableId table = TableId::kLogs;
  std::string file;
  Row first_row;
  uint64_t rows = 0;
  uint64_t size = 0;  // bytes of the file
  Hash root{};
  std::vector<std::string> replaces;
  bool operator==(const IndexStatement&) const = default;
};
// Verifiers sign; recipients can open what is sealed from then on; 5 to 7 commit a file in keys/ (engine/protect).
enum class KeyAction : uint8_t {
  kAddVerifier = 1,
  kRetireVerifier = 2,
  kAddRecipient = 3,
  kRetireRecipient = 4,
  kDataKey = 5,     // a session's key for sealed values
  kSubjectKey = 6,  // the pair of one data subject
  kRewrap = 7,      // the same key, sealed to other recipients: the file takes the place of `replaces`
  kTokenDay = 8,    // tokens are made under the key of `day` from here on: a search must go as far, whatever the clocks
};
constexpr bool names_file(KeyAction action) { return action >= KeyAction::kDataKey && action <= KeyAction::kRewrap; }
inline constexpr uint32_t kTokenDayMax = 2'932'896;  // 9999-12-31
struct KeyStatement {
  KeyAction action = KeyAction::kAddVerifier;
  std::string name;               // verifier: its origin; recipient: NAME/VERSION; day: tokens/VERSION; a file in keys/
  std::array<uint8_t, 32> key{};  // Ed25519; X25519; zeroes of a day; else the commitment to the secret in the file
  Hash file_sha256{};             // from here on: of files only
  Hash recipients{};              // whom it is sealed to (protect::recipients_hash)
  std::string replaces;           // kRewrap only
  uint32_t day = 0;               // kTokenDay only: since 1970-01-01
  bool operator==(const KeyStatement&) const = default;
};
// The payloads of rows [from, to) of logs/ or access/ are let go: segments first..last are unlinked once this is
// committed. Their leaf hashes stay; the commit chain goes on behind `commit`.
struct Retention {
  TableId table = TableId::kLogs;
  Row from, to;
  SegmentNumber first_segment, last_segment;
  Hash tree_sha256{};  // of bytes [32 from, 32 to) of tree/0
  TimeUs recorded_first = 0, recorded_last = 0;
  CommitNumber commit;  // that the last of these segments was sealed behind
  Hash commit_hash{};
  std::string policy;  // "max-age 2592000 s"
  std::string by;      // who asked
  bool operator==(const Retention&) const = default;
};
// Forbids retention while any hold is set.
struct Hold {
  std::string name;
  bool set = true;  // false: lifted
  std::string reason;
  std::string by;
  bool operator==(const Hold&) const = default;
};
// Key files are destroyed, and with them what was sealed under them: unlinked once this is committed.
struct Shred {
  std::string scope;
  uint64_t rows = 0;      // that were known to be sealed under them; 0: nobody counted
  std::string reference;  // why: a legal reference
  std::string by;
  std::vector<std::string> files;  // in keys/; at least one
  bool operator==(const Shred&) const = default;
};
// An operator accepted an older copy of the root: what the key side had seen and is lost. Number 0: the key-side state
// itself was missing.
struct Rollback {
  CommitNumber lost_commit;
  Hash lost_hash{};
  std::array<TableState, kTableCount> lost;
  std::string reason;
  std::string by;
  bool operator==(const Rollback&) const = default;
};
// The wall clock moved against boot time by step_us (kStepped), or an operator looked into it (kCleared, step 0).
enum class ClockEvent : uint8_t { kStepped = 1, kCleared = 2 };
struct Clock {
  ClockEvent event = ClockEvent::kStepped;
  int64_t step_us = 0;
  TimeUs wall = 0;  // the wall clock's reading afterwards
  std::string by;   // who noticed, or who cleared it
  bool operator==(const Clock&) const = default;
};
// Nothing happened: silence is signed silence.
struct Heartbeat {
  bool operator==(const Heartbeat&) const = default;
};

using Statement = std::variant<Genesis, TypeStatement, ColumnStatement, Import, RecoveryStatement, TableHead,
                               IndexStatement, KeyStatement, Retention, Hold, Shred, Rollback, Clock, Heartbeat>;

struct StatementRecord {
  Uid uid{};
  TimeUs recorded_at = 0;
  Statement body;
};
StatementType type_of(const Statement& statement);
void encode_statement(Buffer& to, const StatementRecord& statement);
Result<StatementRecord> decode_statement(Bytes payload);  // kUnsupported for a number outside the list

}  // namespace khipu::codec
