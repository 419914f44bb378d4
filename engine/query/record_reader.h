// Checked records made into rows that own what they show. One a call: keeps the versions it has met, so that a page or
// an export checks each pinned version once. Not here: which rows are wanted (matcher.h, events.cc).
#pragma once

#include <span>
#include <unordered_map>

#include "engine/query/fields.h"
#include "engine/query/rows.h"
#include "engine/snapshot/store.h"

namespace khipu::query {

// Findings of one answer, the first hundred and how many there were.
class Findings {
 public:
  void add(Finding finding);
  const std::vector<Finding>& list() const { return list_; }
  uint64_t total() const { return total_; }
  bool empty() const { return total_ == 0; }
  uint64_t shredded() const { return shredded_; }  // of them: kFieldShredded, which is no damage

 private:
  std::vector<Finding> list_;
  uint64_t total_ = 0, shredded_ = 0;
};

// A version with its place in the chain, checked.
struct CheckedVersion {
  EntityView view;
  TimeUs time = 0;
  TimeUs recorded_at = 0;
  std::optional<Row> seq;
};

// Borrows snapshot and findings. Owner: one thread.
class RecordReader {
 public:
  // `opens`: protected values are shown in the clear where its keys open them; nullptr: as they are.
  RecordReader(const snapshot::Snapshot& snapshot, uint64_t registry_size, Findings& findings,
               const FieldReader* opens = nullptr, Opens parts = Opens::all())
      : snapshot_(snapshot), registry_size_(registry_size), findings_(findings), opens_(opens), parts_(parts) {}

  // Says which events event() is about to be asked for: they, and the versions they pin, are read and checked together,
  // on two threads. It tells nothing: what is not sound is read again when it is asked for.
  void expect(std::span<const Row> seqs);
  // nullopt: the record failed its check, and a finding was added. An Error: it, or what it pins, could not be read.
  Result<std::optional<EventRow>> event(Row seq);
  // nullopt: likewise, or it could not be read, which failed() says.
  std::optional<CheckedVersion> version(Row row);
  // The version an event pinned; `missing` when it cannot be shown (scenario: registry damaged or gone).
  EntityView pinned(const codec::Pin& pin);
  // The first Error of a system that would not open or read a version's record: the answer fails with it.
  Result<void> failed() const { return failed_ ? Result<void>(*failed_) : Result<void>(); }

 private:
  using Records = std::unordered_map<uint64_t, snapshot::CheckedRecord>;  // by row
  struct Fetching;
  void fetch(std::span<const Row> seqs, Fetching& into) const;
  // Nothing unless it is intact, and of a usual size.
  std::optional<snapshot::CheckedRecord> fetch(TableId table, Row row) const;
  // From what was fetched, once, or read and checked.
  Result<snapshot::CheckedRecord> record(TableId table, Row row);
  const CheckedVersion* cached(Row row);
  OwnedValue shown(const codec::Value& value, const protect::FieldPlace& place, TableId table, Row row);
  void show_content(const codec::EventRecord& event, EventRow& row);
  std::optional<protect::Plaintext> opened(const protect::FieldPlace& place, Bytes value, TableId table, Row row);

  const snapshot::Snapshot& snapshot_;
  uint64_t registry_size_;
  Findings& findings_;
  const FieldReader* opens_;
  Opens parts_;
  std::optional<Error> failed_;
  std::unordered_map<uint64_t, std::optional<CheckedVersion>> versions_;  // nullopt: reported already
  Records fetched_events_, fetched_versions_;                             // intact ones
};

}  // namespace khipu::query
