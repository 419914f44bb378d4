// What a verification says: findings with a place and a code, what was checked and what was not, one verdict. Values
// only. Not here: how it looks (print.h), how it is found out (verify.h). Record text never enters a report: every text
// in it is a template of ours filled with numbers, hashes and file names (cleaned).
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/bytes.h"
#include "engine/base/ids.h"
#include "engine/verify/sabotage.h"
#include "engine/verify/state.h"

namespace khipu::verify {

// Finding codes (the list is closed; what each means is said where it is raised).
namespace code {
inline constexpr std::string_view kRollback = "rollback";
inline constexpr std::string_view kFork = "fork";
inline constexpr std::string_view kGenesisMismatch = "genesis-mismatch";
inline constexpr std::string_view kSigBad = "sig-bad";
inline constexpr std::string_view kKeyUnknown = "key-unknown";
inline constexpr std::string_view kTimeBackwards = "time-backwards";
inline constexpr std::string_view kHeadMissing = "head-missing";
inline constexpr std::string_view kHeadInconsistent = "head-inconsistent";
inline constexpr std::string_view kTableMissing = "table-missing";
inline constexpr std::string_view kCommitBroken = "commit-broken";
inline constexpr std::string_view kTileMismatch = "tile-mismatch";
inline constexpr std::string_view kLeafMismatch = "leaf-mismatch";
inline constexpr std::string_view kFrameCorrupt = "frame-corrupt";
inline constexpr std::string_view kFooterMismatch = "footer-mismatch";
inline constexpr std::string_view kManifestMismatch = "manifest-mismatch";
inline constexpr std::string_view kRowGap = "row-gap";
inline constexpr std::string_view kSegmentMissing = "segment-missing";
inline constexpr std::string_view kSegmentExtra = "segment-extra";
inline constexpr std::string_view kSegmentTruncated = "segment-truncated";
inline constexpr std::string_view kFileUnaccounted = "file-unaccounted";
inline constexpr std::string_view kDeletedByPolicy = "deleted-by-policy";
inline constexpr std::string_view kDeletionUnexplained = "deletion-unexplained";
inline constexpr std::string_view kRetentionUnauthorised = "retention-unauthorised";
inline constexpr std::string_view kIndexMissing = "index-missing";
inline constexpr std::string_view kIndexMismatch = "index-mismatch";
inline constexpr std::string_view kFieldMoved = "field-moved";
inline constexpr std::string_view kKeyMissing = "key-missing";
inline constexpr std::string_view kKeyMismatch = "key-mismatch";
inline constexpr std::string_view kReferenceMissing = "reference-missing";
inline constexpr std::string_view kUnacknowledgedTail = "unacknowledged-tail";
}  // namespace code

// Which of two findings is "first": the spine, what is known from outside, then the tables in their order, then what
// only points at them.
enum class Rank : uint8_t { kGenesis, kAnchor, kTable, kHead, kFiles };

struct GoodRow {
  Row row;
  std::optional<TimeUs> recorded_at;
  bool operator==(const GoodRow&) const = default;
};

struct Finding {
  std::string_view code;
  bool information = false;  // explains something, accuses nobody
  Rank rank = Rank::kTable;
  std::optional<TableId> table;
  std::optional<Row> row;      // first row concerned
  std::optional<Row> row_end;  // one past the last, when it is more than one
  std::optional<SegmentNumber> segment;
  std::string file;                // path inside the root
  std::optional<uint64_t> offset;  // byte in that file
  std::string expected, actual;
  std::string detail;                  // one sentence
  std::optional<CommitNumber> commit;  // the signed head it contradicts
  std::optional<GoodRow> last_good;
  std::optional<Row> next_good;
  std::vector<std::string> signed_heads;  // rollback, fork: what was signed, both sides; evidence for anybody
  std::string likely;                     // "media" or "rewriting" where the data can tell, else empty
  bool operator==(const Finding&) const = default;
};

enum class Verdict { kPass, kFail, kIncomplete };
std::string_view name(Verdict verdict);

struct Checked {
  uint64_t records = 0, segments = 0, commits = 0, signatures = 0, references = 0, bytes = 0, statements = 0;
  uint64_t quarantine_files = 0;
  uint64_t key_files = 0;      // in keys/, against their statements
  uint64_t checkpoints = 0;    // published ones
  uint64_t outside_heads = 0;  // heads kept outside that the log was held against
  uint64_t reread = 0;         // old rows that an incremental run read again
  uint64_t not_retained = 0;   // let go by a RETENTION: their hashes are all there is; of a sample, those drawn
};

struct Report {
  Verdict verdict = Verdict::kIncomplete;
  std::string scope = "full";           // "full", "since", "range" or "sample"
  std::optional<Row> from_row, to_row;  // of logs/, when the scope is a range
  std::optional<uint64_t> seed;         // of what was chosen at random
  // An incremental run: what was new, and up to which commit and when everything was last read in one run.
  std::optional<CommitNumber> since_commit, full_commit;
  TimeUs full_time = 0;
  Checked checked;
  std::vector<std::string> not_checked;
  std::vector<std::string> basis;  // weak to strong
  CommitNumber commit;             // what was verified: the line
  TimeUs commit_time = 0;
  Hash commit_hash{};
  std::array<uint64_t, kTableCount> sizes{};
  std::array<Hash, kTableCount> roots{};
  RootId root_id{};
  std::string origin;  // cleaned
  std::optional<Finding> first_break;
  std::vector<Finding> findings;  // at most kFindingsMax, the gravest and first of them; then counts
  std::map<std::string, uint64_t, std::less<>> counts;  // all findings by code
  std::string statement;
  std::vector<std::string> does_not_show;
  std::optional<State> state;  // of a full or incremental run that passed: where the next one may begin
};
inline constexpr size_t kFindingsMax = 100;

// Gathers findings: keeps the first kFindingsMax of each kind that order() puts first, and counts all.
// Owner: one thread; merge() brings several together.
class Findings {
 public:
  void add(Finding finding, const Place& where = KHIPU_HERE);
  void merge(Findings other);
  bool any_break() const { return breaks_ > 0; }
  uint64_t count() const { return total_; }
  // In order: breaks before information, then by rank, table, row, segment, offset, code.
  std::vector<Finding> take();
  const std::map<std::string, uint64_t, std::less<>>& counts() const { return counts_; }

 private:
  void shrink(size_t to);
  std::vector<Finding> kept_;
  std::map<std::string, uint64_t, std::less<>> counts_;
  uint64_t breaks_ = 0, total_ = 0;
};
bool order(const Finding& a, const Finding& b);

// A name somebody else chose, fit for a report: printable ASCII without quotes and backslashes, at most 80 bytes.
std::string clean(std::string_view name);
std::string short_hash(const Hash& hash);  // first 8 bytes as hex, "..."

}  // namespace khipu::verify
