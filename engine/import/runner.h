// Drives an import: source to mapper to chunks to sink, with a receipt for every chunk, so that a stopped import goes
// on where it stopped, the same input again adds nothing, and completeness is itself in the log. Not here: files' names
// and flags (engine/cli), how a batch reaches the writer (the sink).
//
// Order of a chunk, which is what makes it safe at any crash: parked records are written and synced, then the chunk's
// events and its IMPORT statement are committed together. A crash between the two parks the same records again, and the
// parking lot knows them.
//
// Of two imports of the same bytes at once (or one whose process has ended while its last chunk is still with the
// writer) neither sees the other's receipts. So every chunk has an idempotency key, made of where it begins: the bytes
// in front of it and its first record. The same chunk again is a duplicate, and counts as stored by the other. Another
// chunk under the same key (the file has grown, or is another one that begins alike) is a conflict: receipts are read
// again and the import goes on behind them, or, where they say nothing of this input, under a key of the whole chunk.
//
// What `from` and `to` of a receipt mean. A plain input: byte offsets; a file that has grown continues at the last `to`
// whose prefix hash still fits. A gzip input is one unit: from = 0, to = its size, prefix_sha256 over all of it, and a
// stopped import skips as many records as its receipts have read.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "engine/codec/statement.h"
#include "engine/import/mapper.h"
#include "engine/import/parking.h"
#include "engine/os/clock.h"
#include "engine/os/file.h"
#include "engine/registry/schema.h"

namespace khipu::import {

struct Stored {
  Row first_seq;
  bool duplicate = false;  // it was stored before under its key
};

// Where batches go: the writer in this process, or a running one over its socket. Blocks until durable.
class Sink {
 public:
  virtual ~Sink() = default;
  virtual Result<Row> submit(ingest::Batch batch) = 0;  // seq of its first event; Row{} when it holds none
  // Why the batch is more than can be handed over at once, whatever it says, with the setting that bounds it.
  virtual std::optional<std::string> too_large(const ingest::Batch& batch) const {
    (void)batch;
    return std::nullopt;
  }
  // The same with the batch's key heeded; kConflict when it was used before for another batch.
  virtual Result<Stored> store(ingest::Batch batch) {
    KHIPU_TRY_ASSIGN(const Row first_seq, submit(std::move(batch)));
    return Stored{first_seq};
  }
};

// The scope of the keys of chunks, whoever imports.
inline constexpr std::string_view kKeyScope = "@import";

struct Progress {
  uint64_t bytes = 0;        // of the input, as it lies on disk where it is plain, unpacked where it is gzip
  uint64_t bytes_total = 0;  // 0 when unknown (gzip)
  uint64_t read = 0;
};

struct RunOptions {
  std::string source;                      // the file's name as given, for receipts and messages
  uint32_t chunk_events = 1000;            // records, parked ones included
  uint64_t chunk_size_bytes = 4ULL << 20;  // of records: a chunk ends at whichever comes first
  bool may_grow = false;                   // a last record that has no end is left for the next time; not of gzip
  bool dry_run = false;                    // nothing is submitted or parked
  bool again = false;                      // also what was stored before under another mapping
  ingest::Limits limits;
  std::function<void(const Progress&)> progress;  // behind each chunk; may be empty
  std::function<bool()> cancelled;                // asked before each chunk is submitted; may be empty
};

struct Fill {
  std::string member;  // "outcome", "custom.stage"
  uint64_t count = 0;  // events that have it
};
struct Reject {
  uint64_t line = 0;
  uint64_t offset = 0;
  std::string reason;
};

// What an importer must be able to say afterwards. read = stored + parked.
struct Report {
  std::string source, format;
  uint64_t read = 0, stored = 0, parked = 0;
  uint64_t skipped = 0;                // records of earlier receipts, not counted as read
  uint64_t stored_meanwhile = 0;       // records that another run of the same import stored first, not counted as read
  bool nothing_new = false;            // the same bytes were imported before
  std::string earlier;                 // the name they were imported under, when resumed or nothing new
  uint64_t resumed_at = 0;             // byte of the unpacked input from which this run read on; 0: from the start
  std::optional<TimeUs> first, last;   // occurred_at, of the stored ones
  uint64_t out_of_order = 0;           // earlier than the record before them
  uint64_t duplicate_ids = 0;          // event_id already seen in this input: reported, never removed
  bool duplicate_ids_partial = false;  // more than 2^20 distinct ids: later ones were not compared
  std::optional<Row> first_seq;
  Hash sha256{};                      // of the input as it arrived; of what was read, when cancelled
  std::vector<Fill> fills;            // in the order of canonical members
  std::vector<std::string> samples;   // first ten events as canonical JSON without content
  std::vector<Reject> rejects;        // first hundred
  std::vector<std::string> warnings;  // the input is not whole: a damaged gzip stream, an array that does not end
  bool cancelled = false;
  bool overtaken = false;  // Importer::receipts said so: what is left of the input is for another run
};
// What two runs, one behind the other, did together.
void add(Report& to, Report behind);

// `mapper` and `clock` are used on another thread while run() lasts, the others on the caller's alone.
struct Importer {
  Mapper& mapper;
  Sink& sink;
  ParkingLot& parking;
  const registry::Schema& schema;          // in force now; what the mapper needs beyond it is defined first
  std::span<const codec::Import> earlier;  // IMPORT statements of the root, oldest first
  const os::Clock& clock;
  // index.key of the writer's keys, which receipts of protected inputs are compared with; empty when it is not held:
  // then an input that might be one of theirs is kForbidden.
  Bytes receipt_key = {};
  // All IMPORT statements again, those of every batch that the sink has refused as a conflict among them. Without it
  // a conflict ends the import, and so it does when that says kCancelled (Report::overtaken).
  std::function<Result<std::vector<codec::Import>>()> receipts = {};
  // The schema in force at that moment: asked before records are parked, for what is protected may have become so
  // while the import runs. Without it `schema` holds for all of the run.
  std::function<Result<registry::Schema>()> schema_again = {};

  Result<Report> run(const os::File& input, const RunOptions& options);
};

// Of longer damage, such as the pieces of a line over the size limit (mapper.h), only the beginning is parked: an input
// that unpacks to more than a disk holds must not fill it. The reason says how much stands there.
inline constexpr size_t kDamageWholeBytesMax = 1 << 20;
inline constexpr size_t kDamageKeptBytes = 64 << 10;

// Whether records this mapper makes hold something that is kept protected, in a log of this schema or by the mapper's
// own rules: then their bytes are as well.
bool protects(const Mapper& mapper, const registry::Schema& schema);

// The TYPE and COLUMN statements that bring `schema` to what the mapper needs; kConflict when it cannot be brought
// there.
// What the root has stands: a field's rule is asked for only where it has none. Of a type that is there they name only
// the fields that it lacks, or that are to have a rule (ingest::Batch::adds_fields).
Result<std::vector<codec::Statement>> missing_definitions(const Mapper& mapper, const registry::Schema& schema);

}  // namespace khipu::import
